"""The public record of fills: the newest of each market, for the feeds. What is older is in the journal."""

from __future__ import annotations

from collections import defaultdict, deque
from itertools import islice

from fairway.exchange.effect import Print

__all__ = ["Tape"]

KEPT = 1000


class Tape:
    """The newest `KEPT` fills of each market."""

    def __init__(self) -> None:
        self._prints: defaultdict[int, deque[Print]] = defaultdict(lambda: deque(maxlen=KEPT))

    def add(self, fill: Print) -> None:
        """Record one fill; the oldest makes room."""
        self._prints[fill.market].append(fill)

    def newest(self, market: int, limit: int) -> list[Print]:
        """At most `limit` fills of the market, oldest first."""
        kept = self._prints[market]
        return list(islice(kept, max(0, len(kept) - limit), None))
