"""Where a service's time comes from: the machine, or the chain it serves, whose clock somebody may have set.

Either way time never runs backwards: the loop stamps no event before the one that came before it.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Protocol

from fairway.chain.interface import Chain
from fairway.errors import Unavailable

__all__ = ["ChainClock", "Clock", "WallClock", "wall_clock_ms"]

LOOK_S = 0.05


class Clock(Protocol):
    """A time in milliseconds since 1970, and what keeps it right."""

    def now_ms(self) -> int:
        """The time."""

    async def follow(self, chain: Chain) -> None:
        """Keep right by looking at `chain`, until cancelled."""


class WallClock:
    """The machine's time."""

    def now_ms(self) -> int:
        """See `Clock`."""
        return wall_clock_ms()

    async def follow(self, chain: Chain) -> None:
        """See `Clock`."""
        del chain
        await asyncio.Event().wait()


class ChainClock:
    """The chain's time as of the newest look, and on from there at the machine's pace: hardly a second behind.

    It is never ahead of the chain, so a contract that is shown one of our times always finds it in its past.
    """

    def __init__(self, chain_s: int) -> None:
        self._ahead_ms = 0
        self._base_ms = _running_ms()
        self._look(chain_s)

    def now_ms(self) -> int:
        """See `Clock`."""
        return _running_ms() - self._base_ms + self._ahead_ms

    def _look(self, chain_s: int) -> None:
        """The chain shows whole seconds: what it shows is reached, perhaps not passed."""
        self._ahead_ms += max(0, chain_s * 1000 - self.now_ms())

    async def follow(self, chain: Chain) -> None:
        """See `Clock`."""
        while True:
            with suppress(Unavailable):
                self._look(await chain.now())
            await asyncio.sleep(LOOK_S)


def wall_clock_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def _running_ms() -> int:
    return time.monotonic_ns() // 1_000_000
