"""A close of lots, or of none, before its account moves: the settlement it becomes, and the order to prove it."""

from __future__ import annotations

from fairway.channel.machine import newest_b
from fairway.exchange.account import Outcome
from fairway.exchange.change import Marked
from fairway.exchange.effect import ProveRecord
from fairway.exchange.ledger import FEES, INSURANCE, POOL, user
from fairway.exchange.settling import Close
from fairway.exchange.turn import Turn
from fairway.exchange.venue import Venue
from fairway.risk.liquidation import liquidation_price
from fairway.risk.margin import unrealised
from fairway.risk.position import Closure, Position, released
from fairway.settlement.job import Made, is_proven
from fairway.settlement.note import Opened
from fairway.settlement.settlement import Settlement
from fairway.units import Lot, Nano

__all__ = ["ask_proof", "close_position", "post", "put_margin", "release_margin"]

NO_ORDER = bytes(32)


def close_position(
    venue: Venue, turn: Turn, channel_id: bytes, market: int, lots: int, price: int, reason: str, order: bytes
) -> bytes:
    """Settle the close of `lots` at `price`; its txid, for the change that moves the account by the same integers.

    Of a cross position the pot lends what it loses; before that is a bad debt, what the others have won is paid in.
    """
    account = venue.accounts[channel_id]
    held, closure = account.positions[market], account.closure(market, lots, price, reason)
    if held.is_cross:
        while closure.bad_debt and _pay_in(venue, turn, channel_id, market):
            closure = account.closure(market, lots, price, reason)
        put_margin(venue, turn, channel_id, market, closure.margin)
        reason = "joint" if reason == "liquidation" else reason
    cover = min(closure.bad_debt, venue.ledger.balances[INSURANCE])
    close = _close(venue, turn, channel_id, held.position, market, price, reason, order)
    return _settle(venue, turn, close, closure, cover)


def _pay_in(venue: Venue, turn: Turn, channel_id: bytes, spared: int) -> bool:
    """Pay into the pot what the cross position that has won most, but that in `spared`, has won at its mark."""
    account = venue.accounts[channel_id]
    won = {
        newest.market: unrealised(contract, position, newest.mark, newest.funding)
        for contract, position, newest in account.shared()
        if newest.market != spared
    }
    market = max(sorted(won), key=won.__getitem__, default=spared)
    if won.get(market, 0) <= 0:
        return False
    newest, lots = venue.rounds[market], account.positions[market].position.lots
    txid = close_position(venue, turn, channel_id, market, lots, newest.mark, "marked", NO_ORDER)
    change = Marked(market, newest.mark, newest.round, txid, turn.at_ms)
    outcome = venue.change(channel_id, change)
    assert outcome is not None
    assert outcome.opened is not None
    post(venue, channel_id, market, outcome)
    venue.settling.open(channel_id, market, outcome.opened, newest.mark, newest.funding, turn.at_ms)
    turn.note(channel_id, change)
    return True


def put_margin(venue: Venue, turn: Turn, channel_id: bytes, market: int, nano: int) -> None:
    """More margin into a position's note, as a fill of no lots."""
    if nano:
        position, newest = venue.accounts[channel_id].positions[market].position, venue.rounds[market]
        added = Position(position.s, Lot(0), Nano(0), 0, Nano(nano))
        venue.settling.open(channel_id, market, added, newest.mark, newest.funding, turn.at_ms)


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


def post(venue: Venue, channel_id: bytes, market: int, outcome: Outcome) -> None:
    """Write an outcome into the ledger: P between pool and user, bad debt, what lies beyond the cap, the fee."""
    ledger, name = venue.ledger, user(channel_id)
    if outcome.closure is not None:
        closure = outcome.closure
        if closure.profit >= 0:
            ledger.move(POOL, name, closure.payment, "profit", market)
        else:
            ledger.move(name, POOL, closure.payment, "loss", market)
        ledger.move(INSURANCE, POOL, min(closure.bad_debt, ledger.balances[INSURANCE]), "bad_debt")
        ledger.move(name, INSURANCE, outcome.beyond, "beyond_cap", market)
    if outcome.fee >= 0:
        ledger.move(name, FEES if outcome.reason == "fee" else INSURANCE, outcome.fee, outcome.reason, market)
    else:
        ledger.move(FEES, name, -outcome.fee, "rebate", market)
