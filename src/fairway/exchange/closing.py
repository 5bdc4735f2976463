"""One close of lots of a position, before its account moves: the settlement it becomes, and the order to prove it."""

from __future__ import annotations

from fairway.channel.machine import newest_b
from fairway.exchange.effect import ProveSettlement
from fairway.exchange.ledger import INSURANCE
from fairway.exchange.settling import Close
from fairway.exchange.turn import Turn
from fairway.exchange.venue import Venue
from fairway.risk.liquidation import liquidation_price

__all__ = ["close_position"]


def close_position(
    venue: Venue, turn: Turn, channel_id: bytes, market: int, lots: int, price: int, reason: str, order: bytes
) -> bytes:
    """Settle the close of `lots` at `price`; its txid, for the change that moves the account by the same integers."""
    account = venue.accounts[channel_id]
    held, closure = account.positions[market], account.closure(market, lots, price, reason)
    contract, newest = venue.rules.listing(market).contract, venue.rounds[market]
    cover = min(closure.bad_debt, venue.ledger.balances[INSURANCE])
    close = Close(
        channel_id,
        market,
        newest_b(venue.channels[channel_id]) + 1,
        order,
        reason,
        price,
        newest.mark,
        newest.funding,
        liquidation_price(contract, held.position, newest.funding) or 0,
        turn.at_ms,
    )
    number = venue.settling.count
    settlement, published = venue.settling.close(close, closure, cover)
    turn.effects.append(ProveSettlement(number, settlement, published))
    venue.counts.settlements += 1
    txid = settlement.txid
    venue.unproven.add(txid)
    return txid
