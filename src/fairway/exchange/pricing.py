"""A round of the oracle: who signed it, whether it may follow the last, and what it sets off."""

from __future__ import annotations

from heapq import heappop

from fairway.crypto import keys
from fairway.errors import InvalidMessage, Rejected
from fairway.exchange.distress import force_out, liquidate_distressed
from fairway.exchange.dropping import expire, sweep_all_due
from fairway.exchange.effect import PunishDodge, PunishFill
from fairway.exchange.event import Priced
from fairway.exchange.switch import Mode
from fairway.exchange.terms import OracleRound
from fairway.exchange.turn import Turn
from fairway.exchange.venue import Venue, split_order_id
from fairway.exchange.waking import run_down, sound
from fairway.units import FUNDING_INDEX_BOUND, MILLION, TICK_BOUND

__all__ = ["check_round", "price", "round_of", "verify_round"]

MARK_CLAMP_PPM = 20_000
"""The mark may stand this far from the index: a premium, never another price."""


def round_of(network: int, event: Priced) -> OracleRound:
    """The tuple that the oracle's keys signed."""
    return OracleRound(network, event.market, event.round, event.round_ms, event.index, event.mark, event.funding)


def verify_round(oracle_keys: list[bytes], threshold: int, signed: OracleRound, signatures: dict[int, bytes]) -> None:
    """At least `threshold` distinct keys of the oracle signed exactly this tuple; else `InvalidMessage`."""
    if len(signatures) < threshold or not all(0 <= place < len(oracle_keys) for place in signatures):
        raise InvalidMessage("oracle.signers", "too few of the oracle's keys signed", signers=len(signatures))
    digest = signed.digest()
    for place, signature in signatures.items():
        keys.verify(oracle_keys[place], digest, signature)


def check_round(newest: OracleRound | None, signed: OracleRound) -> None:
    """Whether `signed` may follow `newest`; else `Rejected`."""
    if newest is not None and (signed.round <= newest.round or signed.at_ms < newest.at_ms):
        raise Rejected("oracle.round", "the round does not follow the newest", round=signed.round)
    if not (0 < signed.index < TICK_BOUND and 0 < signed.mark < TICK_BOUND - 1):
        raise Rejected("oracle.price", "a price is out of bounds", index=signed.index, mark=signed.mark)
    if abs(signed.mark - signed.index) * MILLION > signed.index * MARK_CLAMP_PPM:
        raise Rejected("oracle.mark", "the mark stands too far from the index", index=signed.index, mark=signed.mark)
    if abs(signed.funding) >= FUNDING_INDEX_BOUND >> 1:
        raise Rejected("oracle.funding", "the funding index is out of bounds")


def price(venue: Venue, turn: Turn, event: Priced) -> None:
    """Take the round, then: expiries, triggers, the end of disputes, liquidations, and debts that were not signed.

    Neither trigger nor liquidation rests on a round that comes too late, or happens in a halted market.
    """
    venue.rules.listing(event.market)
    signed = round_of(venue.rules.network, event)
    check_round(venue.rounds.get(event.market), signed)
    before = venue.priced.get(event.market)
    venue.rounds[event.market], venue.priced[event.market] = signed, event
    _expire(venue, turn, event.market)
    sweep_all_due(venue, turn)
    mode, is_fresh = venue.mode(event.market, turn.at_ms), not venue.is_stale(event.market, turn.at_ms)
    if is_fresh and mode is not Mode.HALTED:
        sound(venue, turn, event.market)
        run_down(venue, turn)
    for channel_id, exit_ms in venue.disputes.items():
        if signed.at_ms >= exit_ms and event.market in venue.accounts[channel_id].positions:
            force_out(venue, turn, channel_id, event.market)
    venue.note_touches(signed)
    if is_fresh and mode is not Mode.HALTED:
        liquidate_distressed(venue, turn, event.market)
    _call_debts(venue, turn, before, event)


def _expire(venue: Venue, turn: Turn, market: int) -> None:
    """Drop the orders whose time has passed; those that went before it stand in the heap still."""
    expiries = venue.expiries[market]
    while expiries and expiries[0][0] <= turn.at_ms:
        order_id = heappop(expiries)[1]
        channel_id, key = split_order_id(order_id)
        if key in venue.accounts[channel_id].orders:
            expire(venue, turn, order_id)


def _call_debts(venue: Venue, turn: Turn, before: Priced | None, after: Priced) -> None:
    """Send to the vault what was not signed in time: `before` and `after` stand around the end of that time."""
    if before is None:
        return
    opens_ms, ends_ms = (shown.round_ms - venue.founded.patience_ms for shown in (before, after))
    unsigned = venue.unsigned[after.market]
    while unsigned and unsigned[0][1].receipt.at_ms <= ends_ms:
        channel_id, debt = unsigned.popleft()
        if debt.receipt.at_ms > opens_ms and any(debt is owed for owed in venue.debts.get(channel_id, ())):
            venue.owed.setdefault(channel_id, {})[debt.receipt.match_id] = 0
            turn.effects.append(PunishFill(channel_id, debt, before, after))
    for channel_id, dodge in venue.dodges.items():
        if dodge.priced.market == after.market and opens_ms < dodge.priced.round_ms <= ends_ms:
            turn.effects.append(PunishDodge(channel_id, dodge))
