"""The whole engine under generated histories: every identity after every event, and every identity's planted bug.

I8 (the audit) and I9 (everyone can leave) are no matter of the engine: `test_audit_examiner.py`, `test_leaving.py`.
`make sim` plays far more, and another set for every `SEED`.
"""

from __future__ import annotations

import itertools
import os
import sys

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from msgspec.structs import replace

from fairway.channel import account as channel_account
from fairway.channel import machine
from fairway.exchange import account, engine, event, lifecycle, pricing, proposals, sharing, trading, withdrawing
from fairway.exchange.account import Account
from fairway.exchange.ledger import FEES, Ledger, user
from fairway.exchange.venue import Venue
from tests.simulation.exchange_machine import ExchangeMachine, WatchedWorld, counted

LONG = bool(os.environ.get("FAIRWAY_SIM"))
SEED = int(os.environ.get("SEED", "1"))
MORE = 10
"""So many times more histories are drawn while a rare thing has not happened often enough."""
SHRINKING = [Phase.generate, Phase.shrink]
"""A long run makes small what it found; a short one only prints it."""
MUST_HAPPEN = {
    "printed trade": 200,
    "partial_fills": 1,
    "printed liquidation": 1,
    "printed deleverage": 1,
    "settled bankrupt": 1,
    "settled gain": 50,
    "settled loss": 50,
    "take_profits": 1,
    "stop_losses": 1,
    "pushed self_trade": 1,
    "ended by the exit round": 1,
    "waits in distress": 1,
    "cancels": 20,
    "cancels_lost": 5,
    "restarts": 50,
    "jump": 20,
    "left with a position": 1,
    "Challenge": 1,
    "SignClose": 1,
    "Closed": 1,
    "CommitProposed": 20,
    "PaidOut": 10,
    "withdrawn with something open": 5,
    "refused withdraw.margin": 5,
    "refused withdraw.pending": 1,
    "PunishFill": 1,
    "Slashed": 1,
    "lies": 50,
    "refused order.margin": 20,
    "refused order.reduce_only": 10,
    "refused market.reduce_only": 1,
    "refused market.halted": 1,
    "raised oracle.round": 10,
    "raised oracle.signers": 10,
    "raised channel.repeat": 1,
    "outrun": 1,
    "reopened": 1,
    "pot moved": 50,
    "pushed Marked": 1,
}
"""How often a rare thing must have happened for the histories to prove anything."""


def play_all(examples, steps, phases, numbers=range(5)):
    """For each of `numbers` play so many histories; the first that breaks something is printed, step by step."""
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        phases=phases,
        suppress_health_check=list(HealthCheck),
        deadline=None,
        database=None,
        report_multiple_bugs=False,
    )
    for number in numbers:
        run_state_machine_as_test(seed(100 * SEED + number)(ExchangeMachine), settings=chosen)


def hardly_met():
    """What must happen for the histories to prove anything, and has not happened often enough."""
    return {name: counted[name] for name, least in MUST_HAPPEN.items() if counted[name] < least}


def test_every_identity_holds_after_every_event_and_the_rare_branches_were_met():
    counted.clear()
    lengths = (400, 150, SHRINKING) if LONG else (50, 80, [Phase.generate])
    play_all(*lengths)
    for number in range(5, 5 + MORE):
        if hardly_met():
            play_all(*lengths, [number])
    sys.stdout.writelines([f"seed {SEED}\n", *(f"{times:8} {name}\n" for name, times in sorted(counted.items()))])
    assert not hardly_met(), f"the generator hardly meets these: {hardly_met()}"


# Planted bugs, one for each identity


def i1_a_fee_that_reaches_nobody(patch):
    move = Ledger.move

    def lossy(ledger, debit, credit, nano, reason, *market):
        move(ledger, debit, credit, nano, reason, *market)
        if reason == "fee":
            ledger.balances[credit] -= 1

    patch.setattr(Ledger, "move", lossy)


def i2_a_maker_who_is_filled_less_than_his_taker(patch):
    fill = trading._fill

    def one_leg(venue, turn, channel_id, key, match_id, lots, *rest, taker):
        return fill(
            venue, turn, channel_id, key, match_id, lots if taker or lots == 1 else lots - 1, *rest, taker=taker
        )

    patch.setattr(trading, "_fill", one_leg)


def i3_an_entry_that_is_performed_and_not_written(patch):
    put, numbers = WatchedWorld.put, itertools.count(1)

    def forgetful(world, happened):
        effects = put(world, happened)
        if next(numbers) % 25 == 0:
            world.journal.pop()
        return effects

    patch.setattr(WatchedWorld, "put", forgetful)


def i4_a_seqno_that_is_used_twice(patch):
    next_b, numbers = engine.next_b, itertools.count(1)

    def again(channel, *rest):
        half = next_b(channel, *rest)
        if next(numbers) % 20 or half.seqno == 1:
            return half
        return replace(half, body=replace(half.body, seqno=half.seqno - 1))

    patch.setattr(engine, "next_b", again)


def i5_a_state_that_knows_more_than_the_journal(patch):
    numbers = itertools.count(1)
    patch.setattr(Venue, "next_match", lambda _venue: next(numbers))


def i6_a_liquidation_that_does_not_come(patch):
    patch.setattr(pricing, "liquidate_distressed", lambda *_: None)


def i7_a_close_that_is_signed_as_asked(patch):
    patch.setattr(lifecycle, "_check_close", lambda *_: None)


def i10_losses_that_the_pool_never_sees(patch):
    move = Ledger.move

    def astray(ledger, debit, credit, nano, reason, *market):
        move(ledger, debit, FEES if reason == "loss" else credit, nano, reason, *market)

    patch.setattr(Ledger, "move", astray)


def i11_the_same_margin_promised_twice(patch):
    patch.setattr(Account, "available", property(lambda account: account.balance - account.posted))
    patch.setattr(channel_account, "cover_a", lambda *_: 0)
    patch.setattr(proposals, "_check_room", lambda *_: None)


def i11_a_win_that_the_pot_is_promised_again(patch):
    def paid(pot, closure):
        after, beyond = sharing.paid(pot, closure)
        return replace(after, cap=pot.cap), beyond

    patch.setattr(account, "paid", paid)


def i6_a_pot_that_is_judged_by_one_market_alone(patch):
    patch.setattr(Account, "standing", lambda self, market: replace(self.positions[market].position, margin=10**15))


def i11_whatever_is_asked_for_is_withdrawn(patch):
    check_amount = withdrawing.check_amount
    patch.setattr(
        withdrawing, "check_amount", lambda account, nano: check_amount(account, min(0, nano)) if nano <= 0 else None
    )
    patch.setattr(withdrawing, "check_withdrawal", lambda *_: None)
    patch.setattr(machine, "check_withdrawal", lambda *_: None)


def i1_a_payout_that_is_told_twice(patch):
    pay_out = WatchedWorld.pay_out

    def again(world, channel_id):
        told = pay_out(world, channel_id)
        venue = world.engine.venue
        venue.withdrawals.told.clear()
        world.put(event.decode(world.journal[-1]))
        return told

    patch.setattr(WatchedWorld, "pay_out", again)


def i12_a_loss_that_a_bystander_pays(patch):
    def taken(venue, name, nano):
        other = next(each for each in venue.accounts if user(each) != name)
        venue.accounts[other].due += nano
        venue.ledger.move(user(other), name, nano, "unrecovered")

    patch.setattr(lifecycle, "_make_good", taken)


@pytest.mark.parametrize(
    ("planted", "names"),
    [
        (i1_a_fee_that_reaches_nobody, "ledger.conservation"),
        (i2_a_maker_who_is_filled_less_than_his_taker, "venue.positions"),
        (i3_an_entry_that_is_performed_and_not_written, "I3|I5|channel"),
        (i4_a_seqno_that_is_used_twice, "I4"),
        (i5_a_state_that_knows_more_than_the_journal, "I3|I5"),
        (i6_a_liquidation_that_does_not_come, "I6"),
        (i7_a_close_that_is_signed_as_asked, "I7"),
        (i10_losses_that_the_pool_never_sees, "venue.lend_state"),
        (i11_the_same_margin_promised_twice, "I11|engine.push"),
        (i11_a_win_that_the_pot_is_promised_again, "I11|engine.push"),
        (i6_a_pot_that_is_judged_by_one_market_alone, "I6|ledger|venue"),
        (i11_whatever_is_asked_for_is_withdrawn, "I11|ledger.negative|engine.push"),
        (i1_a_payout_that_is_told_twice, "I1:"),
        (i12_a_loss_that_a_bystander_pays, "I12|venue"),
    ],
)
def test_the_machine_finds(planted, names, monkeypatch):
    planted(monkeypatch)
    with pytest.raises(Exception, match=names):
        play_all(40, 80, [Phase.generate])
