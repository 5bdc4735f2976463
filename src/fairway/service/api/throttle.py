"""How much one sub-key may ask: weight of requests, and orders, each a bucket that fills up again by itself.

Cancels have a bucket of their own, larger than that of orders: who may place may always take back. Who asks on and on
though nothing is left is not heard for a while, but for his cancels.
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
BANNED_MS = 2 * MINUTE_MS
"""How long a key is not heard that was refused more often than `Spends.REFUSALS` allow."""


class Spends(Enum):
    """What a request takes from, and how much of that there is in a minute."""

    WEIGHT = 2_400
    ORDERS = 3_000
    CANCELS = 6_000
    REFUSALS = 600


class Left(NamedTuple):
    """What a bucket holds after a request, of how much, and when it will be full again (seconds)."""

    spends: Spends
    left: int
    full_in_s: int


class Throttle:
    """The buckets of every key. Levels are in thousandths of a request times milliseconds: exact, no float."""

    __slots__ = ("_banned", "_levels")

    def __init__(self) -> None:
        self._levels: OrderedDict[tuple[bytes, Spends], tuple[int, int]] = OrderedDict()
        self._banned: OrderedDict[bytes, int] = OrderedDict()

    def spend(self, key: bytes, spends: Spends, weight: int, now_ms: int) -> Left:
        """Take `weight` out; `Rejected` (`request.weight`, with `retry_after_s`) where there is not so much.

        `request.banned` instead, for a while, where that was said too often; never to who cancels.
        """
        until_ms = self._banned.get(key, now_ms)
        if spends is not Spends.CANCELS and now_ms < until_ms:
            after_s = -((now_ms - until_ms) // 1_000)
            raise Rejected("request.banned", "this key did not slow down; only its cancels", retry_after_s=after_s)
        try:
            return self._take(key, spends, weight, now_ms)
        except Rejected:
            self._count(key, now_ms)
            raise

    def _count(self, key: bytes, now_ms: int) -> None:
        try:
            self._take(key, Spends.REFUSALS, 1, now_ms)
        except Rejected:
            self._banned[key] = now_ms + BANNED_MS
            if len(self._banned) > KEYS:
                self._banned.popitem(last=False)

    def _take(self, key: bytes, spends: Spends, weight: int, now_ms: int) -> Left:
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
