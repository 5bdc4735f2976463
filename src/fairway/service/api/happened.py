"""What happened to an account, half by half of the service: its numbers have no gap, so who counts misses nothing."""

from __future__ import annotations

from collections.abc import Callable

from fairway.errors import Rejected
from fairway.exchange.change import (
    Accepted,
    AnyChange,
    Committed,
    Decremented,
    Dropped,
    Filled,
    Forced,
    Mandated,
    Margined,
    Marked,
    Revoked,
    Swept,
    Triggered,
)
from fairway.exchange.event import decode
from fairway.exchange.past import STATUSES, Status
from fairway.exchange.terms import CROSS
from fairway.exchange.wire import Granted, Pushed, decode_reply
from fairway.service.api.shapes import Shape
from fairway.service.house import House
from fairway.service.journal import Letter

__all__ = ["Happened", "State", "happened_in"]

Told = dict[str, str | int | bool]


class State(Shape, frozen=True):
    """The service's half: its number and hash, the user's half that it cites, what it has sent, its signature."""

    seqno: int
    hash: str
    cites: int
    sent: str
    signature: str


class Happened(Shape, frozen=True):
    """One event of the journal as the account saw it: `events` in order, then the `state` that follows from them."""

    seq: int
    time: int
    events: list[Told]
    state: State


def happened_in(house: House, channel_id: bytes, from_seq: int, limit: int) -> list[Happened]:
    """The first `limit` from number `from_seq` on. Asked between batches, when all that the journal has is durable."""
    rules, channel = house.engine.rules, house.engine.venue.channel(channel_id)
    signer = house.keyring.channel(rules.network, rules.vault, channel.key_a)
    letters = house.journal.letters_after(channel_id, from_seq - 1, limit)
    return [_happened(house, letter, signer.sign) for letter in letters]


def _happened(house: House, letter: Letter, sign: Callable[[bytes], bytes]) -> Happened:
    reply, payload = decode_reply(letter.frame), house.journal.entry(letter.entry)
    if not isinstance(reply, Granted | Pushed) or payload is None:
        raise Rejected("events.unknown", "the journal has no such half", seq=letter.number)
    digest, time = reply.signature, decode(payload).at_ms
    signature = sign(digest).hex()
    if isinstance(reply, Granted):
        return Happened(letter.number, time, [{"e": "opened"}], State(letter.number, digest.hex(), 1, "0", signature))
    state = State(letter.number, digest.hex(), reply.cites, str(reply.sent), signature)
    return Happened(letter.number, time, [_told(house, change) for change in reply.changes], state)


def _told(house: House, change: AnyChange) -> Told:  # noqa: C901, PLR0911, PLR0912 - the table of changes
    match change:
        case Accepted():
            return {"e": "accepted", "seqno": change.seqno, "orders": len(change.orders)}
        case Mandated():
            return {
                "e": "order",
                "orderId": change.order.key,
                "status": Status.NEW,
                "clientOrderId": change.order.client_id,
            }
        case Dropped():
            status = STATUSES.get(change.reason, Status.CANCELED)
            return {"e": "order", "orderId": change.key, "status": status, "reason": change.reason}
        case Triggered():
            return {"e": "triggered", "orderId": change.key, "round": change.round}
        case Decremented():
            return {"e": "decremented", "orderId": change.key, "qty": str(change.lots)}
        case Filled():
            fill = {"qty": str(change.lots), "price": str(change.price), "settlement": change.txid.hex()}
            return {"e": "fill", "orderId": change.key, "tradeId": change.match_id, "maker": not change.taker, **fill}
        case Forced():
            fill = {"qty": str(change.lots), "price": str(change.price), "settlement": change.txid.hex()}
            symbol = _symbol(house, change.market)
            return {"e": "forced", "symbol": symbol, "tradeId": change.match_id, "reason": change.reason, **fill}
        case Marked():
            paid = {"price": str(change.price), "settlement": change.txid.hex()}
            return {"e": "marked", "symbol": _symbol(house, change.market), **paid}
        case Margined(market=market) if market == CROSS:
            return {"e": "margin", "symbol": "", "crossMargin": str(change.margin)}
        case Margined():
            return {"e": "margin", "symbol": _symbol(house, change.market), "isolatedMargin": str(change.margin)}
        case Swept():
            return {"e": "swept", "symbol": _symbol(house, change.market) if change.market else ""}
        case Committed():
            return {"e": "withdrawal", "withdrawn": str(change.withdraw_a)}
        case Revoked():
            return {"e": "revoked", "mandate": change.mandate}


def _symbol(house: House, market: int) -> str:
    return house.engine.venue.rules.listing(market).instrument.symbol
