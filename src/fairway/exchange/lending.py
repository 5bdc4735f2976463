"""The pool's own events: its first money, lenders who come and go, and the showing that it is solvent.

A lender gets shares at the net worth, and gives them up at the net worth; both divisions are proven and round against
him. What fees the lenders have earned is moved into the pool before each of these, so that no share is priced without
it. The vault on chain prices by the value that was posted last: where it paid a lender more than his shares are worth,
fees and then the operator bear it; where it paid less, the rest stays with the other lenders, as income.
"""

from __future__ import annotations

from fairway.errors import IllegalTransition, Rejected
from fairway.exchange.closing import ask_proof
from fairway.exchange.effect import PostValue
from fairway.exchange.event import Assessed, EpochProved, Left, Lent
from fairway.exchange.ledger import BOND, FEES, INSURANCE, OPERATOR, POOL, WORLD
from fairway.exchange.shown import Shown
from fairway.exchange.turn import Turn
from fairway.exchange.venue import Venue
from fairway.units import FUNDING_SCALE, MILLION, div_up, share_down

__all__ = ["assess", "begin", "finish_epoch", "leave", "lend"]


def begin(venue: Venue, turn: Turn) -> None:
    """The pool's first money becomes its first shares, which are the operator's. Without any, there is no lending."""
    if venue.founded.pool_seed:
        ask_proof(venue, turn, venue.settling.begin(turn.at_ms), ())


def lend(venue: Venue, turn: Turn, event: Lent) -> None:
    """Shares for `amount`. Errors: `Rejected` where the pool sells none, or not for so little."""
    settling = venue.settling
    _check_new(venue, event)
    worth = settling.value + FUNDING_SCALE * _income(venue)
    if not settling.shares.value or worth < 1 or event.amount * FUNDING_SCALE * settling.shares.value < worth:
        raise Rejected("pool.shares", "the pool sells no share for that", nano=event.amount)
    _take_income(venue, turn)
    move, fills = settling.lend(event.wallet, event.amount, event.transaction, turn.at_ms)
    ask_proof(venue, turn, move, fills)
    venue.ledger.move(WORLD, POOL, event.amount, "lent")
    venue.lent += event.amount
    venue.lender_moves.add(event.transaction)
    venue.counts.lends += 1


def leave(venue: Venue, turn: Turn, event: Left) -> None:
    """Of the lender's shares, the part that he gave the vault. Errors: `Rejected` for one who has none."""
    settling = venue.settling
    _check_new(venue, event)
    held = settling.shares_of(event.wallet)
    if not held or not 0 < event.shares <= event.held:
        raise Rejected("pool.lender", "this wallet has no such shares of the pool", wallet=event.wallet)
    _take_income(venue, turn)
    worth = 0
    if venue.is_solvent:
        shares = div_up(held * event.shares, event.held)
        move, fills = settling.redeem(event.wallet, shares, event.transaction, turn.at_ms)
        ask_proof(venue, turn, move, fills)
        worth = move.paid
    _pay(venue, turn, event, worth)
    venue.lent -= event.paid
    venue.lender_moves.add(event.transaction)
    venue.counts.redemptions += 1


def _check_new(venue: Venue, event: Lent | Left) -> None:
    if event.transaction in venue.lender_moves:
        raise Rejected("pool.repeat", "this transaction was told already")


def _pay(venue: Venue, turn: Turn, event: Left, worth: int) -> None:
    """Book what the chain paid for shares that are `worth` so much."""
    ledger = venue.ledger
    ledger.move(POOL, WORLD, min(worth, event.paid), "redeemed")
    if worth > event.paid:
        ask_proof(venue, turn, venue.settling.earn(worth - event.paid, event.transaction, turn.at_ms), ())
    beyond = max(0, event.paid - worth)
    of_fees = min(beyond, ledger.balances[FEES])
    ledger.move(FEES, WORLD, of_fees, "overpaid")
    ledger.move(OPERATOR, WORLD, beyond - of_fees, "overpaid")


def assess(venue: Venue, turn: Turn, _event: Assessed) -> None:
    """Publish what is open and show that the pool is solvent. Errors: `Rejected` where it is not, or nothing is new."""
    newest = venue.assessed[-1] if venue.assessed else venue.shown
    if newest and newest.number == venue.settling.count - 1 and venue.settling.is_published:
        raise Rejected("pool.shown", "nothing happened since the pool was shown")
    if not venue.is_solvent:
        raise Rejected("settlement.insolvent", "the pool is worth less than nothing")
    _take_income(venue, turn)
    try:
        record, fills = venue.settling.show(turn.at_ms)
    except Rejected as refusal:
        raise IllegalTransition("pool.show", f"a solvent pool cannot be shown: {refusal}") from refusal
    txid = ask_proof(venue, turn, record, fills)
    venue.counts.epochs_shown += 1
    venue.assessed.append(_shown(venue, turn, txid))


def finish_epoch(venue: Venue, turn: Turn, event: EpochProved) -> None:
    """Records are final. What they show of the pool may be told, and the vault is told what a share is worth."""
    venue.finish_epoch(event.first, event.last)
    while venue.assessed and venue.assessed[0].number < event.last:
        venue.shown = venue.assessed.pop(0)
        turn.effects.append(PostValue(venue.shown.txid, venue.shown.worth, venue.shown.shares))


def _income(venue: Venue) -> int:
    """What the lenders have earned of the fees and is not in the pool yet."""
    if not venue.settling.shares.value:
        return 0
    listings = venue.rules.listings
    earned = sum(
        share_down(max(0, fees), listings[market].lenders_share, MILLION) for market, fees in venue.net_fees.items()
    )
    return max(0, min(earned - venue.income, venue.ledger.balances[FEES]))


def _take_income(venue: Venue, turn: Turn) -> None:
    nano = _income(venue)
    if nano:
        venue.income += nano
        venue.ledger.move(FEES, POOL, nano, "income")
        ask_proof(venue, turn, venue.settling.earn(nano, b"fees", turn.at_ms), ())


def _shown(venue: Venue, turn: Turn, txid: bytes) -> Shown:
    balances, founded, settling = venue.ledger.balances, venue.founded, venue.settling
    before = venue.assessed[-1] if venue.assessed else venue.shown
    return Shown(
        number=settling.count - 1,
        txid=txid,
        at_ms=turn.at_ms,
        worth=settling.value,
        shares=settling.shares.value,
        lend_state=balances[POOL],
        insurance=balances[INSURANCE],
        fees=balances[FEES],
        bond=balances[BOND],
        owed=-balances[OPERATOR],
        lenders=venue.lent,
        operator=founded.pool_seed + founded.insurance_seed + venue.bonded + venue.forfeited,
        channels=venue.recovered + venue.gained,
        settlements=venue.counts.settlements - (before.settlements_so_far if before else 0),
        settlements_so_far=venue.counts.settlements,
    )
