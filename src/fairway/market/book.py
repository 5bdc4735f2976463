"""The book: resting orders in price-time priority.

Laws: it is never crossed; within a price the earlier order stands first; its digest depends on what rests and in which
order, not on how it came about.

Each price is a level, keyed `+price` for bids and `-price` for asks, so that on both sides the best key is the greatest
and stands last in a sorted list. A level is an ordered dictionary: first in, first out, and any order leaves in O(1).
A level that empties goes at once, so no caller can make the book remember prices.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterator
from hashlib import sha256
from itertools import islice

from fairway.errors import IllegalTransition, Rejected
from fairway.market.order import Resting

__all__ = ["Book", "Depth"]

Depth = list[tuple[int, int]]
"""Pairs of price and lots, best price first."""


class Book:
    """The resting orders of one market. Identifiers and owners are integers in [0, 2²⁵⁶)."""

    __slots__ = ("_asks", "_bids", "_levels", "_orders", "_slots")

    def __init__(self) -> None:
        self._bids: list[int] = []
        self._asks: list[int] = []
        self._levels: dict[int, OrderedDict[int, Resting]] = {}
        self._orders: dict[int, Resting] = {}
        self._slots = 0

    def __len__(self) -> int:
        return len(self._orders)

    def __contains__(self, order_id: int) -> bool:
        return order_id in self._orders

    def __iter__(self) -> Iterator[Resting]:
        """All resting orders: bids, then asks, each best first. Resting them again in this order rebuilds the book."""
        for keys in (self._bids, self._asks):
            for key in reversed(keys):
                yield from self._levels[key].values()

    def get(self, order_id: int) -> Resting | None:
        """The resting order, or None. The caller only reads it."""
        return self._orders.get(order_id)

    def best_bid(self) -> int | None:
        """The highest price that someone pays, or None."""
        return self._bids[-1] if self._bids else None

    def best_ask(self) -> int | None:
        """The lowest price that someone sells at, or None."""
        return -self._asks[-1] if self._asks else None

    def level_lots(self, price: int, *, buy: bool) -> int:
        """The lots that rest at `price` on the side that buys or sells; 0 if none."""
        level = self._levels.get(price if buy else -price)
        return sum(resting.lots for resting in level.values()) if level else 0

    def depth(self, levels: int) -> tuple[Depth, Depth]:
        """The best `levels` prices of bids and of asks with their lots."""
        bids = [(key, self.level_lots(key, buy=True)) for key in islice(reversed(self._bids), levels)]
        asks = [(-key, self.level_lots(-key, buy=False)) for key in islice(reversed(self._asks), levels)]
        return bids, asks

    def crosses(self, *, buy: bool, limit: int) -> bool:
        """Whether an order with this limit would meet a resting one."""
        if buy:
            return bool(self._asks) and self._asks[-1] >= -limit
        return bool(self._bids) and self._bids[-1] >= limit

    def walk(self, *, buy: bool, limit: int) -> Iterator[Resting]:
        """The resting orders that a taker with this limit meets, in the order in which he meets them.

        Nothing is changed; the book must not change while the walk goes on.
        """
        keys, bound = (self._asks, -limit) if buy else (self._bids, limit)
        levels = self._levels
        for key in reversed(keys):
            if key < bound:
                return
            yield from levels[key].values()

    def rest(self, order_id: int, owner: int, *, buy: bool, lots: int, price: int) -> None:
        """Add an order behind all others of its price. Errors: `IllegalTransition` if known, empty or crossing."""
        if order_id in self._orders or lots <= 0:
            raise IllegalTransition("market.rest", "the order already rests or is empty", order_id=order_id, lots=lots)
        key = price if buy else -price
        level = self._levels.get(key)
        if level is None:
            level = self._open_level(key, buy=buy)
        self._slots += 1
        self._orders[order_id] = level[self._slots] = Resting(order_id, owner, buy, lots, price, self._slots)

    def take(self, order_id: int, lots: int) -> int:
        """Remove `lots` of a resting order, which keeps its place; return what is left, at 0 it is gone.

        Errors: `IllegalTransition` if it does not rest or has less.
        """
        resting = self._orders.get(order_id)
        if resting is None or not 0 < lots <= resting.lots:
            raise IllegalTransition("market.take", "the order does not rest these lots", order_id=order_id, lots=lots)
        left = resting.lots - lots
        if left:
            resting.lots = left
        else:
            self._remove(resting)
        return left

    def cancel(self, order_id: int) -> Resting:
        """Remove an order and return it. Errors: `Rejected` with `market.unknown_order`."""
        resting = self._orders.get(order_id) or self._known(order_id)
        self._remove(resting)
        return resting

    def amend(self, order_id: int, lots: int) -> None:
        """Shrink an order to `lots`; it keeps its place. Errors: `Rejected` with `market.amend` otherwise."""
        resting = self._known(order_id)
        if not 0 < lots < resting.lots:
            raise Rejected("market.amend", "only a smaller size keeps its place", lots=lots, open=resting.lots)
        resting.lots = lots

    def replace(self, order_id: int, other_id: int, lots: int) -> None:
        """Let another order of the same owner, side and price stand in the place of one that is no smaller.

        Errors: as `amend` (the same size is lawful), and `IllegalTransition` if the other already rests.
        """
        resting = self._known(order_id)
        if other_id in self._orders:
            raise IllegalTransition("market.rest", "the order already rests", order_id=other_id)
        if not 0 < lots <= resting.lots:
            raise Rejected("market.amend", "only a size no greater keeps its place", lots=lots, open=resting.lots)
        del self._orders[order_id]
        self._orders[other_id] = resting
        resting.order_id, resting.lots = other_id, lots

    def digest(self) -> bytes:
        """SHA-256 over the orders in canonical order: 75 bytes each, as docs/spec/market.md lays them out."""
        whole = sha256()
        for resting in self:
            whole.update(
                resting.buy.to_bytes(1, "big")
                + resting.price.to_bytes(4, "big")
                + resting.lots.to_bytes(6, "big")
                + resting.order_id.to_bytes(32, "big")
                + resting.owner.to_bytes(32, "big")
            )
        return whole.digest()

    def _known(self, order_id: int) -> Resting:
        resting = self._orders.get(order_id)
        if resting is None:
            raise Rejected("market.unknown_order", "no such order rests", order_id=order_id)
        return resting

    def _open_level(self, key: int, *, buy: bool) -> OrderedDict[int, Resting]:
        """A new level. Only here can a book become crossed: at an existing price it is not."""
        if self.crosses(buy=buy, limit=abs(key)):
            raise IllegalTransition("market.crossed", "the order would cross the book", price=abs(key))
        insort(self._bids if buy else self._asks, key)
        level = self._levels[key] = OrderedDict[int, Resting]()
        return level

    def _remove(self, resting: Resting) -> None:
        key, order_id = resting.price if resting.buy else -resting.price, resting.order_id
        level = self._levels[key]
        del level[resting.slot], self._orders[order_id]
        if not level:
            del self._levels[key]
            keys = self._bids if resting.buy else self._asks
            del keys[bisect_left(keys, key)]
