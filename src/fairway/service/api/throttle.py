"""How much one sub-key may ask: weight of requests, and orders, each a bucket that fills up again by itself.

Cancels have a bucket of their own, larger than that of orders: who may place may always take back.
"""

from __future__ import annotations

from collections import OrderedDict
from enum import Enum
from typing import NamedTuple

from fairway.errors import Rejected

__all__ = ["Left", "Spends", "Throttle"]

KEYS = 10_000
"""How many keys are remembered; the one that was silent the longest is forgotten, and begins full."""
MINUTE_MS = 60_000


class Spends(Enum):
    """What a request takes from, and how much of that there is in a minute."""

    WEIGHT = 2_400
    ORDERS = 3_000
    CANCELS = 6_000


class Left(NamedTuple):
    """What a bucket holds after a request, of how much, and when it will be full again (seconds)."""

    spends: Spends
    left: int
    full_in_s: int


class Throttle:
    """The buckets of every key. Levels are in thousandths of a request times milliseconds: exact, no float."""

    __slots__ = ("_levels",)

    def __init__(self) -> None:
        self._levels: OrderedDict[tuple[bytes, Spends], tuple[int, int]] = OrderedDict()

    def spend(self, key: bytes, spends: Spends, weight: int, now_ms: int) -> Left:
        """Take `weight` out; `Rejected` (`request.weight`, with `retry_after_s`) where there is not so much."""
        full = spends.value * MINUTE_MS
        level, since_ms = self._levels.pop((key, spends), (full, now_ms))
        level = min(full, level + max(0, now_ms - since_ms) * spends.value)
        after = level - weight * MINUTE_MS
        self._levels[key, spends] = max(after, level if after < 0 else after), now_ms
        if len(self._levels) > KEYS:
            self._levels.popitem(last=False)
        per_s = spends.value * 1_000
        if after < 0:
            raise Rejected("request.weight", "too many requests: slow down", retry_after_s=-(after // per_s))
        return Left(spends, after // MINUTE_MS, -((after - full) // per_s))
