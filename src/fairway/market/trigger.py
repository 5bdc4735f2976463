"""Sleeping orders that wake when a price reaches their threshold: stop, take-profit, trailing stop.

One `Triggers` watches one price of one market (mark, index or last). An order with `above` wakes at
`price ≥ threshold`, one without at `price ≤ threshold`. Those that wake together do so in the order in which a moving
price would have met their thresholds; at one threshold, in the order of arrival; those above come first.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass

from fairway.errors import IllegalTransition, Rejected
from fairway.units import MILLION, div_down, div_up

__all__ = ["Trailing", "Triggers"]


@dataclass(frozen=True, slots=True)
class Trailing:
    """A stop that follows the best price seen, `extreme`, at a distance of `callback_ppm` of it.

    With `above` it follows a falling price and wakes on the way up (the stop of a short).
    """

    order_id: int
    above: bool
    callback_ppm: int
    extreme: int

    def threshold(self) -> int:
        """The price at which it wakes, rounded away from the extreme: never earlier than the callback says."""
        if self.above:
            return div_up(self.extreme * (MILLION + self.callback_ppm), MILLION)
        return div_down(self.extreme * (MILLION - self.callback_ppm), MILLION)

    def followed(self, price: int) -> Trailing:
        """The same stop after a price was seen."""
        extreme = min(self.extreme, price) if self.above else max(self.extreme, price)
        return self if extreme == self.extreme else Trailing(self.order_id, self.above, self.callback_ppm, extreme)


class Triggers:
    """The sleeping orders of one price. A step with t trailing stops costs O(t); without, O(log n + woken)."""

    __slots__ = ("_above", "_arrivals", "_below", "_places", "_trailing")

    def __init__(self) -> None:
        self._above: list[tuple[int, int, int]] = []  # (threshold, arrival, order_id), the next to wake first
        self._below: list[tuple[int, int, int]] = []  # (-threshold, arrival, order_id), likewise
        self._places: dict[int, tuple[bool, tuple[int, int, int]]] = {}
        self._trailing: dict[int, Trailing] = {}
        self._arrivals = 0

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, order_id: int) -> bool:
        return order_id in self._places

    def __iter__(self) -> Iterator[tuple[int, int, bool]]:
        """(order_id, threshold, above) in the order of waking, those above first."""
        yield from ((order_id, key, True) for key, _, order_id in self._above)
        yield from ((order_id, -key, False) for key, _, order_id in self._below)

    def add(self, order_id: int, threshold: int, *, above: bool) -> None:
        """Let an order sleep until `threshold`. Errors: `IllegalTransition` if it already sleeps."""
        if order_id in self._places:
            raise IllegalTransition("market.trigger", "the order already sleeps", order_id=order_id)
        self._arrivals += 1
        self._place(order_id, threshold, self._arrivals, above=above)

    def add_trailing(self, trailing: Trailing) -> None:
        """Let a trailing stop sleep; it follows every price given to `follow` from now on."""
        self.add(trailing.order_id, trailing.threshold(), above=trailing.above)
        self._trailing[trailing.order_id] = trailing

    def remove(self, order_id: int) -> None:
        """Forget a sleeping order. Errors: `Rejected` with `market.unknown_order`."""
        if order_id not in self._places:
            raise Rejected("market.unknown_order", "no such order sleeps", order_id=order_id)
        self._displace(order_id)
        self._trailing.pop(order_id, None)

    def fired(self, price: int) -> list[int]:
        """The orders that wake at `price`, in their order; they no longer sleep. `follow` comes after it."""
        woken = self._wake(self._above, price) + self._wake(self._below, -price)
        for order_id in woken:
            del self._places[order_id]
            self._trailing.pop(order_id, None)
        return woken

    def follow(self, price: int) -> list[int]:
        """Let the trailing stops follow `price`; those for which it is the best so far."""
        moved: list[int] = []
        for order_id, trailing in self._trailing.items():
            after = trailing.followed(price)
            if after is not trailing:
                arrival = self._displace(order_id)
                self._place(order_id, after.threshold(), arrival, above=after.above)
                self._trailing[order_id] = after
                moved.append(order_id)
        return moved

    def _wake(self, sleeping: list[tuple[int, int, int]], key: int) -> list[int]:
        count = bisect_left(sleeping, (key + 1,))
        woken = [order_id for _, _, order_id in sleeping[:count]]
        del sleeping[:count]
        return woken

    def _place(self, order_id: int, threshold: int, arrival: int, *, above: bool) -> None:
        entry = (threshold if above else -threshold, arrival, order_id)
        insort(self._above if above else self._below, entry)
        self._places[order_id] = above, entry

    def _displace(self, order_id: int) -> int:
        above, entry = self._places.pop(order_id)
        sleeping = self._above if above else self._below
        del sleeping[bisect_left(sleeping, entry)]
        return entry[1]
