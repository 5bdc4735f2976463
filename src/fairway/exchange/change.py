"""What one event did to one account: the shared language of the engine and the user's session.

The engine applies these changes to its own copy of an account and pushes them with its new half; the user's session
applies the same changes to its replica, checks each against what its owner signed, and arrives at the same half or
refuses. MessagePack arrays, tagged by name.
"""

from __future__ import annotations

import msgspec

from fairway.exchange.event import Priced
from fairway.exchange.mandate import MandateTerms
from fairway.exchange.terms import OrderTerms

__all__ = [
    "Accepted",
    "AnyChange",
    "Change",
    "Committed",
    "Decremented",
    "Dropped",
    "Filled",
    "Forced",
    "Mandated",
    "Margined",
    "Marked",
    "Revoked",
    "Swept",
    "Triggered",
]


class Change(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """One step of one account."""


class Accepted(Change, frozen=True, tag="accepted"):
    """The service accepted the user's half `seqno` with these orders and mandates added.

    In the markets `renewed` a round had touched the liquidation price of a position that stands nevertheless: from
    `at_ms` on that touch claims nothing.
    """

    seqno: int
    orders: list[OrderTerms]
    at_ms: int = 0
    renewed: list[int] = []
    mandates: list[MandateTerms] = []


class Dropped(Change, frozen=True, tag="dropped"):
    """The order is live no more: `reason` is one of `past.STATUSES`."""

    key: int
    reason: str


class Triggered(Change, frozen=True, tag="triggered"):
    """What the order under `key` waited for has come, at the latest in oracle round `round`; it went to the book.

    `peak` is the signed round from which a trailing stop came back; `price` the trade that fired an order by LAST.
    """

    key: int
    round: int
    peak: Priced | None = None
    price: int = 0


class Decremented(Change, frozen=True, tag="decremented"):
    """The order under `key` met one of the same owner and both lost `lots`, in its mode of self-trade prevention."""

    key: int
    lots: int


class Swept(Change, frozen=True, tag="swept"):
    """The owner signed that his orders in `market` go (0: in all): the drops that follow are his word."""

    nonce: int
    market: int
    after_ms: int
    signature: bytes


class Filled(Change, frozen=True, tag="filled"):
    """The order under `key` met `other` (its order hash) for `lots` at `price`, bound to it by `match_id`.

    `txid` names the settlement of the part that closed a position, empty where nothing closed.
    """

    key: int
    match_id: int
    lots: int
    price: int
    taker: bool
    other: bytes
    txid: bytes
    at_ms: int


class Forced(Change, frozen=True, tag="forced"):
    """Part of a position was closed without an order of its owner: `reason` is liquidation or deleverage."""

    market: int
    match_id: int
    lots: int
    price: int
    reason: str
    round: int
    txid: bytes
    at_ms: int


class Committed(Change, frozen=True, tag="committed"):
    """Both sides have `withdraw_a` nano (a total) paid out to the owner while the channel goes on.

    He signed it, as `signature`, on halves of these seqnos and sums.
    """

    seqno_a: int
    seqno_b: int
    sent_a: int
    sent_b: int
    withdraw_a: int
    signature: bytes


class Margined(Change, frozen=True, tag="margined"):
    """The position in `market`, or the pot, has the `margin` that its owner signed.

    What he took out of a position was settled as `txid`; that is empty where margin was added, and for the pot.
    """

    market: int
    margin: int
    since_ms: int
    txid: bytes


class Marked(Change, frozen=True, tag="marked"):
    """What a cross position has won by `round` is paid into the pot: all of it is closed at the mark and opened again.

    It comes before a close that loses more than the pot has; `txid` names its settlement.
    """

    market: int
    price: int
    round: int
    txid: bytes
    at_ms: int


class Mandated(Change, frozen=True, tag="mandated"):
    """The sub-key of the mandate under `mandate` placed `order`, at `at_ms`, under its `signature`.

    It came in the stead of `instead_of`, if that is not 0, which was dropped before.
    """

    mandate: int
    order: OrderTerms
    signature: bytes
    at_ms: int
    instead_of: int = 0


class Revoked(Change, frozen=True, tag="revoked"):
    """The owner took the mandate under this key back, under his `signature`; its orders were dropped before."""

    mandate: int
    signature: bytes


AnyChange = (
    Accepted
    | Committed
    | Decremented
    | Dropped
    | Triggered
    | Filled
    | Forced
    | Mandated
    | Margined
    | Marked
    | Revoked
    | Swept
)
