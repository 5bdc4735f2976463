"""A close of lots, or of none, before its account moves: the settlement it becomes, and the order to prove it."""

from __future__ import annotations

from fairway.channel.machine import newest_b
from fairway.exchange.effect import ProveRecord
from fairway.exchange.ledger import INSURANCE
from fairway.exchange.settling import Close
from fairway.exchange.turn import Turn
from fairway.exchange.venue import Venue
from fairway.risk.liquidation import liquidation_price
from fairway.risk.position import Closure, Position, released
from fairway.settlement.job import Made, is_proven
from fairway.settlement.note import Opened
from fairway.settlement.settlement import Settlement

__all__ = ["ask_proof", "close_position", "release_margin"]

NO_ORDER = bytes(32)


def close_position(
    venue: Venue, turn: Turn, channel_id: bytes, market: int, lots: int, price: int, reason: str, order: bytes
) -> bytes:
    """Settle the close of `lots` at `price`; its txid, for the change that moves the account by the same integers."""
    account = venue.accounts[channel_id]
    held, closure = account.positions[market], account.closure(market, lots, price, reason)
    cover = min(closure.bad_debt, venue.ledger.balances[INSURANCE])
    close = _close(venue, turn, channel_id, held.position, market, price, reason, order)
    return _settle(venue, turn, close, closure, cover)


def release_margin(venue: Venue, turn: Turn, channel_id: bytes, market: int, nano: int) -> bytes:
    """Settle that `nano` of a position's margin go back to its owner, as a close of no lots; its txid."""
    position, newest = venue.accounts[channel_id].positions[market].position, venue.rounds[market]
    closure = released(position, venue.rules.listing(market).contract, newest.mark, nano)
    close = _close(venue, turn, channel_id, position, market, newest.mark, "margin", NO_ORDER)
    return _settle(venue, turn, close, closure, 0)


def _close(
    venue: Venue, turn: Turn, channel_id: bytes, position: Position, market: int, price: int, reason: str, order: bytes
) -> Close:
    contract, newest = venue.rules.listing(market).contract, venue.rounds[market]
    return Close(
        channel_id,
        market,
        newest_b(venue.channels[channel_id]) + 1,
        order,
        reason,
        price,
        newest.mark,
        newest.funding,
        liquidation_price(contract, position, newest.funding) or 0,
        turn.at_ms,
    )


def _settle(venue: Venue, turn: Turn, close: Close, closure: Closure, cover: int) -> bytes:
    settlement, fills = venue.settling.close(close, closure, cover)
    venue.counts.settlements += 1
    return ask_proof(venue, turn, settlement, fills)


def ask_proof(venue: Venue, turn: Turn, record: Made, fills: tuple[Opened, ...]) -> bytes:
    """Have the newest record proven, with the `fills` published before it; its txid."""
    turn.effects.append(ProveRecord(venue.settling.count - 1, record, fills))
    txid = record.txid
    if is_proven(record):
        venue.unproven[txid] = isinstance(record, Settlement)
    return txid
