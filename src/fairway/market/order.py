"""An order as the book sees it, and what comes of it. Money, margin and reduce-only are the exchange's concern."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

__all__ = ["Fill", "Force", "Order", "Prevention", "Resting"]


class Force(Enum):
    """How long an order wants to live: the four are exclusive."""

    GOOD_TILL_CANCELED = "GTC"
    IMMEDIATE_OR_CANCEL = "IOC"
    FILL_OR_KILL = "FOK"
    POST_ONLY = "GTX"


class Prevention(Enum):
    """What happens when an order would meet one of the same owner. It never fills."""

    EXPIRE_TAKER = "EXPIRE_TAKER"  # the rest of the taker goes
    EXPIRE_MAKER = "EXPIRE_MAKER"  # the maker goes, the taker walks on
    EXPIRE_BOTH = "EXPIRE_BOTH"  # both go
    DECREMENT = "DECREMENT"  # both shrink by the smaller; the taker walks on with what is left


class Order(Struct, frozen=True, gc=False):
    """A wish to buy or sell `lots` at `limit` ticks or better. A market order carries its slippage bound as `limit`."""

    order_id: int
    owner: int
    buy: bool
    lots: int
    limit: int
    force: Force = Force.GOOD_TILL_CANCELED
    prevention: Prevention = Prevention.EXPIRE_TAKER


class Resting(Struct, gc=False):
    """An order in the book with the lots still open, in a slot of its price. Only the book writes to it."""

    order_id: int
    owner: int
    buy: bool
    lots: int
    price: int
    slot: int = 0


class Fill(Struct, frozen=True, gc=False):
    """A match at the maker's price. `maker_left` is what then still rests of the maker; 0: it is filled."""

    maker_id: int
    taker_id: int
    price: int
    lots: int
    maker_left: int
