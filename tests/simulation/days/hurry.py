"""Virtual time: hours pass as fast as they can be computed, in one order that follows from the seed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class HurriedLoop(asyncio.SelectorEventLoop):
    """A loop whose clock jumps to the next timer whenever nothing is ready.

    Work for other threads is done here, somewhere between two pauses of `disk_s()`: others go on meanwhile, and all
    comes in the same order every time.
    """

    def __init__(self, disk_s: Callable[[], float] = float) -> None:
        super().__init__()
        self._passed_s = 0.0
        self._disk_s = disk_s
        look = self._selector.select

        def select(timeout: float | None):
            ready = look(0)
            if not ready:
                assert timeout is not None, "everyone waits for nothing"
                self._passed_s += timeout
            return ready

        self._selector.select = select

    def time(self) -> float:
        return self._passed_s

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        assert executor is None, "a worker's work has no place in virtual time"
        return self.create_task(self._elsewhere(func, *args))

    async def _elsewhere(self, work: Callable[..., Any], *arguments: Any) -> Any:
        await asyncio.sleep(self._disk_s())
        done = work(*arguments)
        await asyncio.sleep(self._disk_s())
        return done


def hurried(work, disk_s: Callable[[], float] = float):
    """What `work` comes to, on a loop of its own."""
    loop = HurriedLoop(disk_s)
    try:
        return loop.run_until_complete(work)
    finally:
        loop.run_until_complete(_end_all())
        loop.close()


async def _end_all() -> None:
    """What is left of the world ends with it."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
