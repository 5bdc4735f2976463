"""What the service has done since it started, and how fast lately."""

from __future__ import annotations

import resource
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

__all__ = ["Meter", "resident_bytes"]

WINDOW_MS = 10_000


class Sample(NamedTuple):
    """The counters at one moment."""

    at_ms: int
    counts: dict[str, int]


class Meter:
    """Counters, and their growth per second over the last `WINDOW_MS`."""

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        self._clock_ms = clock_ms
        self._started_ms = clock_ms()
        self._samples: deque[Sample] = deque([Sample(self._started_ms, {})])
        self.counts: Counter[str] = Counter()

    @property
    def uptime_ms(self) -> int:
        """How long the service has been running."""
        return self._clock_ms() - self._started_ms

    def sample(self) -> None:
        """Note the counters of now; called about once a second."""
        now_ms = self._clock_ms()
        self._samples.append(Sample(now_ms, dict(self.counts)))
        while len(self._samples) > 1 and self._samples[1].at_ms <= now_ms - WINDOW_MS:
            self._samples.popleft()

    def rates(self) -> dict[str, int]:
        """Whole events a second of every counter since the oldest sample kept, rounded down."""
        oldest = self._samples[0]
        elapsed_ms = max(1, self._clock_ms() - oldest.at_ms)
        return {name: (count - oldest.counts.get(name, 0)) * 1000 // elapsed_ms for name, count in self.counts.items()}


def resident_bytes() -> int:
    """The memory this process holds now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()
