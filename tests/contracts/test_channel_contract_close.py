"""Every message of the channel contract does what the protocol says, and nothing for whoever may not send it."""

from __future__ import annotations

import pytest
from channel_stage import (
    CHANNEL,
    FINE,
    QUARANTINE_S,
    SEED_A,
    SETTLING_S,
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

from fairway.channel.codec import Agreed, Close, Commit, Finish, Init, TopUp
from fairway.crypto.keys import sign
from fairway.errors import InvalidMessage
from fairway.ton.channel_view import ChannelState, read_channel

WEAK = [bytes(32), b"\1" + bytes(31), b"\1" + bytes(30) + b"\x80", b"\xec" + b"\xff" * 30 + b"\x7f"]
WEAK += [b"\xed" + b"\xff" * 30 + b"\x7f", b"\xee" + b"\xff" * 31]
WEAK += [bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")]
WEAK += [bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa")]


def test_a_top_up_before_init_is_refused():
    assert Stage().tell(TopUp(True)).exit_code == 117


def test_init_needs_a_key_of_the_channel():
    stage = Stage()
    forged = signed(Init(CHANNEL), by_a=False)
    assert stage.tell(type(forged)(True, forged.signature, forged.statement)).exit_code == 101
    assert stage.tell(signed(Init(CHANNEL + 1), by_a=True)).exit_code == 114
    assert stage.inited().tell(signed(Init(CHANNEL), by_a=True)).exit_code == 100


@pytest.mark.parametrize("key", WEAK, ids=bytes.hex)
def test_a_weak_key_on_either_side_is_refused_at_init(key: bytes):
    assert Stage(key_a=key).tell(signed(Init(CHANNEL), by_a=False)).exit_code == 145
    assert Stage(key_b=key).tell(signed(Init(CHANNEL), by_a=True)).exit_code == 145


def test_top_ups_are_credited_to_the_named_side_only():
    assert Stage().funded(10 * TON, 100 * TON).shares() == (10 * TON, 100 * TON)


def test_excess_comes_back_to_whoever_sent_it():
    stage = Stage().funded(10 * TON, 0)
    before = stage.paid(STRANGER)
    stage.tell(TopUp(True), TON)
    assert stage.shares()[0] == 11 * TON - 30_000_000
    assert stage.paid(STRANGER) > before


def test_a_cooperative_close_pays_what_both_signed():
    stage = Stage().funded(10 * TON, 100 * TON)
    closed = stage.tell(both(Close(CHANNEL, 3 * TON, TON, 5, 6)))
    assert closed.exit_code == closed.result_code == 0
    assert stage.paid(WALLET_B) == 102 * TON
    assert 8 * TON < stage.paid(WALLET_A) < 10 * TON
    assert stage.state() == 0


def test_a_close_needs_both_signatures_a_fresh_seqno_and_the_money():
    stage = Stage().funded(10 * TON, 0)
    close = Close(CHANNEL, 3 * TON, 0, 5, 6)
    mine = sign(SEED_A, close.digest())
    assert stage.tell(Agreed(mine, mine, close)).exit_code == 101
    assert stage.tell(both(Close(CHANNEL, 0, 0, 0, 6))).exit_code == 108
    assert stage.tell(both(Close(CHANNEL, 11 * TON, 0, 5, 6))).exit_code == 118
    assert stage.tell(both(Close(CHANNEL + 1, 0, 0, 5, 6))).exit_code == 114


def test_a_commit_pays_withdrawals_once_and_kills_older_halves():
    stage = Stage().funded(10 * TON, 100 * TON)
    commit = both(Commit(CHANNEL, TON, 0, 5, 6, 4 * TON, 0))
    assert stage.tell(commit).exit_code == 0
    assert stage.paid(WALLET_A) == 4 * TON
    assert stage.shares() == (5 * TON, 101 * TON)
    assert stage.tell(commit).exit_code == 108
    assert stage.tell(both(Commit(CHANNEL, TON, 0, 6, 7, 3 * TON, 0))).exit_code == 127
    assert stage.start(half_a(body(4)), half_b(body(6)), by_a=True).exit_code == 105


def test_a_commit_signed_before_does_not_end_a_quarantine():
    stage = Stage().funded(10 * TON, 100 * TON)
    assert stage.start(half_a(body(5)), half_b(body(5)), by_a=True).exit_code == 0
    assert stage.tell(both(Commit(CHANNEL, TON, 0, 6, 6, 0, 0))).exit_code == 106
    stage.router.advance(QUARANTINE_S + SETTLING_S + 1)
    assert stage.tell(both(Commit(CHANNEL, TON, 0, 6, 6, 0, 0))).exit_code == 106
    assert stage.tell(Finish()).exit_code == 0


@pytest.mark.parametrize("by_a", [True, False])
def test_after_a_commit_no_pair_claims_what_was_withdrawn(by_a: bool):
    """Older halves are refused, whoever shows them; the oldest pair that lives pays what is left."""
    stage = Stage().funded(10 * TON, 100 * TON)
    agreed_a, agreed_b = body(5, TON), body(6, 2 * TON)
    assert stage.tell(both(Commit(CHANNEL, TON, 2 * TON, 5, 6, 8 * TON, 0))).exit_code == 0
    for old in ((half_a(body(4)), half_b(agreed_b)), (half_a(agreed_a), half_b(body(5, 2 * TON)))):
        assert stage.start(*old, by_a=by_a).exit_code == 105
    assert stage.start(half_a(agreed_a, agreed_b), half_b(agreed_b, body(4)), by_a=by_a).exit_code == 0
    assert stage.challenge(half_a(body(4)), half_b(agreed_b), by_a=not by_a).exit_code == 105
    assert stage.finish().result_code == 0
    assert stage.paid(WALLET_B) == 99 * TON
    rent = TON
    assert 11 * TON <= stage.paid(WALLET_A) <= 11 * TON + rent, "8 withdrawn, 3 left"


def test_an_honest_lone_close_pays_the_last_agreed_value():
    stage = Stage().funded(10 * TON, 100 * TON)
    newest = body(9, TON)
    started = stage.start(half_a(newest, body(8)), half_b(body(9, 3 * TON), newest), by_a=True)
    assert started.exit_code == 0
    assert stage.finish().result_code == 0
    assert stage.paid(WALLET_B) == 98 * TON
    assert stage.paid(WALLET_A) >= 12 * TON


def test_every_step_of_a_lone_close_has_its_time():
    stage = Stage().funded(10 * TON, 100 * TON)
    pair = half_a(body(9)), half_b(body(9))
    assert stage.tell(Finish()).exit_code == 107
    assert stage.challenge(*pair, by_a=False).exit_code == 107
    stage.start(*pair, by_a=True)
    assert stage.start(*pair, by_a=True).exit_code == 106
    assert stage.tell(TopUp(True)).exit_code == 106
    assert stage.tell(Finish()).exit_code == 113
    stage.router.advance(QUARANTINE_S)
    assert stage.state() == 3
    assert stage.challenge(*pair, by_a=False).exit_code == 111
    stage.router.advance(SETTLING_S)
    assert stage.state() == 4
    assert stage.tell(Finish()).exit_code == 113
    stage.router.advance(1)
    assert stage.tell(Finish()).exit_code == 0


def test_a_finished_channel_lets_no_old_half_in_again():
    stage = Stage().funded(10 * TON, 0)
    pair = half_a(body(9)), half_b(body(9))
    stage.start(*pair, by_a=True)
    stage.finish()
    stage.router.inject(STRANGER, stage.address, TON, bounce=False)
    stage.inited()
    assert stage.start(*pair, by_a=True).exit_code == 105


def test_a_half_of_another_channel_or_hand_is_refused():
    stage = Stage().funded(10 * TON, 0)
    other = half_a(body(9))
    foreign = type(other)(type(other.half)(CHANNEL + 1, body(9)), other.signature)
    assert stage.start(foreign, half_b(body(9)), by_a=True).exit_code == 101
    assert stage.start(half_b(body(9)), half_b(body(9)), by_a=True).exit_code == 101


def test_the_view_says_what_was_done():
    stage = Stage().funded(10 * TON, 100 * TON)
    stage.start(half_a(body(5, TON)), half_b(body(6), body(4)), by_a=True)
    stage.challenge(half_a(body(7, TON)), half_b(body(6), body(4)), by_a=False)
    view = stage.view()
    assert (view.state, view.deposit_a, view.floor_a, view.key_b) == (
        ChannelState.QUARANTINED,
        10 * TON,
        4,
        stage.key_b,
    )
    assert (view.quarantine.a.seqno, view.quarantine.b.seqno) == (7, 6)
    assert (view.quarantine.started_by_a, view.quarantine.challenged, view.quarantine.fine) == (True, True, FINE)


def test_another_contracts_stack_is_no_view():
    for stack in ((), (1, 2), tuple(range(8))):
        with pytest.raises(InvalidMessage):
            read_channel(stack)
