"""What the live orders of an account come to in each market, kept as they come and go: no order has them counted."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from fairway.exchange.live_order import LiveOrder
from fairway.exchange.terms import OrderTerms

__all__ = ["Standing", "Tally"]


class Standing(Struct):
    """Live `orders` in a market, how many of them are `cross`, and the lots that those which may open have left."""

    orders: int = 0
    cross: int = 0
    buying: int = 0
    selling: int = 0

    def count(self, terms: OrderTerms, orders: int, lots: int) -> None:
        """So many orders more of these terms, and so many lots."""
        self.orders += orders
        if terms.is_cross:
            self.cross += orders
        if terms.reduce_only:
            return
        if terms.buy:
            self.buying += lots
        else:
            self.selling += lots


NOTHING = Standing()


class Tally:
    """By market."""

    __slots__ = ("_markets",)

    def __init__(self, orders: Iterable[LiveOrder] = ()) -> None:
        self._markets: dict[int, Standing] = {}
        for order in orders:
            self.begin(order)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tally) and self._markets == other._markets

    __hash__ = None  # type: ignore[assignment]  # it changes

    def begin(self, order: LiveOrder) -> None:
        """An order became live."""
        self._count(order.terms, 1, order.left)

    def less(self, order: LiveOrder, lots: int) -> None:
        """Lots of a live order were filled, or went where it met its owner."""
        self._count(order.terms, 0, -lots)

    def end(self, order: LiveOrder) -> None:
        """An order is live no more."""
        self._count(order.terms, -1, -order.left)

    def without(self, market: int, gone: Iterable[LiveOrder]) -> Standing:
        """What stands in a market once some of the live orders are gone."""
        left = replace(self._markets.get(market, NOTHING))
        for order in gone:
            if order.terms.market == market:
                left.count(order.terms, -1, -order.left)
        return left

    def _count(self, terms: OrderTerms, orders: int, lots: int) -> None:
        standing = self._markets.get(terms.market)
        if standing is None:
            standing = self._markets[terms.market] = Standing()
        standing.count(terms, orders, lots)
        if not standing.orders:
            del self._markets[terms.market]
