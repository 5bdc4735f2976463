"""Each known defect of the older channel contracts, as it was exploited there: here it comes to nothing.

The contract of 2022 (FunC) split balances at init, trusted what a top-up said, kept seqnos in 32 bits and could get
stuck at the finish. The living one (Tolk) takes one challenge only, by halves that nobody chose. The rules R1 to R5
have their attacks in test_channel_contract_attacks.py; test_channel_contract_planted.py brings each defect back.
"""

from __future__ import annotations

import pytest
from channel_stage import (
    CHANNEL,
    FINE,
    QUARANTINE_S,
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

from fairway.channel.codec import Close, Commit, Init, TopUp, encode
from fairway.ton.cells import Builder
from fairway.ton.contracts import ChannelSetup


def test_finish_does_not_zero_b_when_a_falls_below_zero():
    """2022: A deposits 10, signs them away, starts stale and is fined. B was zeroed, and finish failed for ever."""
    stage = Stage().funded(10 * TON, 0)
    newest = body(9, 10 * TON)
    stage.start(half_a(body(2, TON)), half_b(body(2)), by_a=True)
    assert stage.challenge(half_a(newest), half_b(body(9), newest), by_a=False).exit_code == 0
    finished = stage.finish()
    assert (finished.exit_code, finished.result_code) == (0, 0)
    assert stage.paid(WALLET_B) == 10 * TON


@pytest.mark.parametrize("by_a", [True, False])
def test_whoever_falls_below_zero_the_other_is_paid_all(by_a: bool):
    stage = Stage().funded(10 * TON, 20 * TON)
    sent = 1000 * TON
    stage.start(half_a(body(9, sent if by_a else 0)), half_b(body(9, 0 if by_a else sent)), by_a=not by_a)
    assert stage.finish().result_code == 0
    assert stage.paid(WALLET_B) == (30 * TON if by_a else 0)


def test_a_seqno_above_32_bits_is_kept_whole():
    """2022: committed seqnos were cut to 32 bits, so that halves from before a commit lived again after it."""
    stage = Stage().funded(10 * TON, 0)
    high = (1 << 32) + 5
    assert stage.tell(both(Commit(CHANNEL, TON, 0, high, high, 0, 0))).exit_code == 0
    assert (stage.view().floor_a, stage.view().floor_b) == (high, high)
    assert stage.start(half_a(body(high - 1)), half_b(body(high)), by_a=True).exit_code == 105
    assert stage.tell(both(Close(CHANNEL, 0, 0, 6, 6))).exit_code == 108


def test_init_by_one_side_splits_nothing():
    """2022: whoever signed init named both balances. Here TON that is there before init belongs to neither side."""
    stage = Stage()
    stage.router.inject(STRANGER, stage.address, 50 * TON, bounce=False)
    assert stage.tell(signed(Init(CHANNEL), by_a=True)).exit_code == 0
    assert stage.shares() == (0, 0)


def test_a_channel_born_with_a_split_never_begins(monkeypatch: pytest.MonkeyPatch):
    sums = Builder().store_coins(100 * TON).store_uint(0, 4 * 5).end_cell()
    nothing = Builder().store_uint(0, 4 * 6).end_cell()
    honest = ChannelSetup._data

    def split(setup: ChannelSetup):
        fields = honest(setup).begin_parse()
        data = Builder().store_bit(fields.load_bit())
        assert fields.load_ref().hash == nothing.hash
        return data.store_ref(sums).store_slice(fields).end_cell()

    monkeypatch.setattr(ChannelSetup, "_data", split)
    assert Stage().tell(signed(Init(CHANNEL), by_a=True)).exit_code == 102


def test_a_top_up_counts_what_came_and_nothing_that_is_said():
    """2022: a top-up named both amounts, and the contract believed it as far as its balance went."""
    stage = Stage().funded(10 * TON, 100 * TON)
    boast = Builder().store_cell(encode(TopUp(True))).store_coins(90 * TON).store_coins(90 * TON).end_cell()
    stage.router.inject(STRANGER, stage.address, TON, boast)
    assert stage.shares() == (11 * TON - 30_000_000, 100 * TON)
    assert stage.tell(TopUp(True), 30_000_000).exit_code == 119


def test_a_challenge_that_showed_too_little_is_not_the_last():
    """One challenge only: whoever answered with a middle state could not show the newest any more."""
    stage = Stage().funded(10 * TON, 100 * TON)
    middle, newest = body(5, 2 * TON), body(9, 6 * TON)
    stage.start(half_a(body(3)), half_b(body(3)), by_a=True)
    assert stage.challenge(half_a(middle), half_b(body(5), middle), by_a=False).exit_code == 0
    assert stage.challenge(half_a(newest), half_b(body(9), newest), by_a=False).exit_code == 0
    assert stage.finish().result_code == 0
    assert stage.paid(WALLET_B) == 106 * TON + FINE


def test_a_challenge_in_the_last_second_changes_nothing_for_who_has_answered():
    """The window is never extended, and need not be: what the cheater adds at its end cannot move the answer."""
    stage = Stage().funded(10 * TON, 100 * TON)
    newest = body(9, 6 * TON)
    invented = body(10**9, 6 * TON)
    answer = half_a(newest), half_b(body(9, 2 * TON), newest)
    stage.start(half_a(invented), half_b(body(3)), by_a=True)
    assert stage.challenge(*answer, by_a=False).exit_code == 0
    stage.router.advance(QUARANTINE_S - 1)
    assert stage.challenge(half_a(body(10**9 + 1, 6 * TON), body(9)), answer[1], by_a=True).exit_code == 0
    view = stage.view().quarantine
    assert (view.a.seqno, view.b.seqno) == (9, 9)
    assert stage.finish().result_code == 0
    assert stage.paid(WALLET_B) == 104 * TON
    assert stage.paid(WALLET_A) >= 6 * TON
