"""The orders that wait for a price, by market and by the price they watch, and what proves that it came.

A trailing stop with an activation price waits for that first, as one that wakes on the far side; from then on it
follows. Its `peak` is the signed round of its best price so far.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from fairway.exchange.event import Priced
from fairway.exchange.terms import OrderTerms, Source
from fairway.market.trigger import Trailing, Triggers

__all__ = ["Alarms", "price_of"]


class Prices(Protocol):
    """What a round says, in whatever message it came."""

    @property
    def index(self) -> int:
        """The index price."""

    @property
    def mark(self) -> int:
        """The mark price."""


def price_of(round_: Prices, source: int) -> int:
    """What a round says of the price that a trigger watches."""
    return round_.index if source == Source.INDEX else round_.mark


class Alarms:
    """All sleeping orders of a venue."""

    __slots__ = ("_peaks", "_unstarted", "_watched")

    def __init__(self, markets: Iterable[int]) -> None:
        self._watched = {(market, source): Triggers() for market in markets for source in Source}
        self._peaks: dict[int, Priced] = {}
        self._unstarted: dict[int, OrderTerms] = {}

    def __iter__(self) -> Iterator[tuple[int, int, bool]]:
        """(order_id, threshold, above) of all, in an order that only the history decides."""
        for watched in self._watched.values():
            yield from watched

    def watches(self, market: int, source: Source) -> bool:
        """Whether any order watches this price."""
        return len(self._watched[market, source]) > 0

    def has(self, order_id: int, terms: OrderTerms) -> bool:
        """Whether an order sleeps here."""
        return order_id in self._watched[terms.market, Source(terms.source)]

    def add(self, order_id: int, terms: OrderTerms, newest: Priced) -> None:
        """Let an order sleep until its price comes; one that trails follows from the `newest` round on."""
        watched = self._watched[terms.market, Source(terms.source)]
        if not terms.callback_ppm:
            watched.add(order_id, terms.trigger_tick, above=terms.trigger_above)
        elif terms.trigger_tick:
            self._unstarted[order_id] = terms
            watched.add(order_id, terms.trigger_tick, above=not terms.trigger_above)
        else:
            self._start(order_id, terms, newest)

    def remove(self, order_id: int, terms: OrderTerms) -> None:
        """Forget an order, if it sleeps here."""
        watched = self._watched[terms.market, Source(terms.source)]
        if order_id in watched:
            watched.remove(order_id)
        self._unstarted.pop(order_id, None)
        self._peaks.pop(order_id, None)

    def fired(self, market: int, source: Source, price: int, newest: Priced) -> list[tuple[int, Priced | None]]:
        """The orders that wake at `price`, each with its peak if it trailed; the others follow."""
        watched = self._watched[market, source]
        woken: list[tuple[int, Priced | None]] = []
        for order_id in watched.fired(price):
            started = self._unstarted.pop(order_id, None)
            if started is None:
                woken.append((order_id, self._peaks.pop(order_id, None)))
            else:
                self._start(order_id, started, newest)
        for order_id in watched.follow(price):
            self._peaks[order_id] = newest
        return woken

    def _start(self, order_id: int, terms: OrderTerms, newest: Priced) -> None:
        extreme = price_of(newest, terms.source)
        trailing = Trailing(order_id, terms.trigger_above, terms.callback_ppm, extreme)
        self._watched[terms.market, Source(terms.source)].add_trailing(trailing)
        self._peaks[order_id] = newest
