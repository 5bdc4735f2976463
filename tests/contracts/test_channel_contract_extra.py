"""A channel in an extra currency counts and pays that currency; the TON that carries it is only its fare."""

from __future__ import annotations

import pytest
from channel_stage import (
    CHANNEL,
    STRANGER,
    TON,
    WALLET_A,
    WALLET_B,
    Stage,
    body,
    both,
    half_a,
    half_b,
    signed,
)

from fairway.channel.codec import Close, Commit, Init, TopUp

OURS, OTHER = 0xFFFF_FFF0, 7
"""Numbers are unsigned."""


def funded(currency: int = OURS) -> Stage:
    stage = Stage(currency=currency).inited()
    for is_a, units in ((True, 10), (False, 100)):
        assert stage.tell(TopUp(is_a), extra={currency: units}).exit_code == 0
    return stage


def paid(stage: Stage, wallet: str) -> dict[int, int]:
    return stage.router.account(wallet).extra


def test_the_named_currency_is_credited_and_its_ton_comes_back():
    stage = funded()
    assert stage.shares() == (10, 100)
    assert stage.router.account(stage.address).extra == {OURS: 110}
    assert stage.paid(STRANGER) > 3 * TON // 10


@pytest.mark.parametrize("extra", [{}, {OTHER: 5}, {OURS: 5, OTHER: 5}], ids=["none", "another", "both"])
def test_anything_but_the_named_currency_goes_back(extra: dict[int, int]):
    stage = funded()
    assert stage.tell(TopUp(True), extra=extra).exit_code == 121
    assert stage.shares() == (10, 100)
    assert stage.router.account(stage.address).extra == {OURS: 110}


def test_an_extra_currency_is_no_top_up_of_a_ton_channel():
    stage = Stage().inited()
    assert stage.tell(TopUp(True), TON, extra={OTHER: 5}).exit_code == 121
    assert stage.router.account(stage.address).extra == {}


def test_the_fare_has_to_be_paid():
    assert funded().tell(TopUp(True), 24_999_999, extra={OURS: 5}).exit_code == 119


def test_an_extra_channel_keeps_the_fare_of_both_payouts():
    poor = Stage(currency=OURS, storage_fee=69_999_999)
    assert poor.tell(signed(Init(CHANNEL), by_a=True)).exit_code == 123
    assert Stage(currency=OURS, storage_fee=70_000_000).tell(signed(Init(CHANNEL), by_a=True)).exit_code == 0


def test_a_close_pays_both_shares_in_the_extra_currency():
    stage = funded()
    closed = stage.tell(both(Close(CHANNEL, 3, 1, 5, 6)))
    assert (closed.exit_code, closed.result_code) == (0, 0)
    assert (paid(stage, WALLET_A), paid(stage, WALLET_B)) == ({OURS: 8}, {OURS: 102})


def test_a_commit_pays_a_withdrawal_and_needs_its_fare():
    stage = funded()
    commit = both(Commit(CHANNEL, 0, 0, 1, 1, 4, 30))
    assert stage.tell(commit, 80_000_000).exit_code == 119
    assert stage.tell(commit, 90_000_000).exit_code == 0
    assert (paid(stage, WALLET_A), paid(stage, WALLET_B)) == ({OURS: 4}, {OURS: 30})
    assert stage.shares() == (6, 70)


def test_a_lone_close_pays_all_of_it():
    stage = funded()
    stage.start(half_a(body(9, 200)), half_b(body(9)), by_a=False)
    assert stage.finish().result_code == 0
    assert (paid(stage, WALLET_A), paid(stage, WALLET_B)) == ({}, {OURS: 110})
