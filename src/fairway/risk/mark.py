"""The prices that judge margin: the index from outside, the premium of our own book, and the mark made of both."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fairway.units import MILLION, TICK_BOUND, Tick, div_down

__all__ = ["PREMIUM_SCALE", "Premium", "index_price", "mark_price", "moved"]

PREMIUM_SCALE = 1 << 16


@dataclass(frozen=True, slots=True)
class Premium:
    """How far our book stood from the index, as a moving average in ticks ÷ 2¹⁶, last moved at `at_ms`."""

    scaled: int
    at_ms: int

    @property
    def ticks(self) -> int:
        """The premium in whole ticks, rounded down."""
        return div_down(self.scaled, PREMIUM_SCALE)


def index_price(sources: Iterable[tuple[int, int]], now_ms: int, max_age_ms: int, quorum: int = 1) -> Tick | None:
    """The median of the sources (price, at_ms) that are not from the future and not older than `max_age_ms`.

    Of an even number the mean of the middle two, rounded down. None if fewer than `quorum` ≥ 1 are left: the oracle is
    stale, and the market reduces only.
    """
    fresh = sorted(price for price, at_ms in sources if 0 <= now_ms - at_ms <= max_age_ms)
    if len(fresh) < quorum:
        return None
    middle = len(fresh) // 2
    return Tick((fresh[middle] + fresh[~middle]) // 2)


def moved(premium: Premium, sample: int, at_ms: int, window_ms: int) -> Premium:
    """The average after the book stood `sample` ticks from the index since it was last moved.

    A sample weighs as the time it held, at most the whole window; it is never overshot. Time does not run back: an
    earlier `at_ms` changes nothing.
    """
    held = min(at_ms - premium.at_ms, window_ms)
    if held <= 0:
        return premium
    distance = sample * PREMIUM_SCALE - premium.scaled
    return Premium(premium.scaled + div_down(distance * held, window_ms), at_ms)


def mark_price(index: int, premium: int, clamp: int) -> Tick:
    """The index plus a premium of at most `clamp` ppm of it to either side, within [1, 2³²)."""
    room = div_down(index * clamp, MILLION)
    return Tick(min(max(index + min(max(premium, -room), room), 1), TICK_BOUND - 1))
