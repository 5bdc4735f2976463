"""Where proofs are made: processes of this machine. A cluster has the same face (`cluster`).

Every process has one errand at a time and an executor of its own, so one that dies takes nothing with it but its
errand, and whoever asked may ask again.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from typing import Protocol, TypeVar

from fairway.errors import Unavailable

__all__ = ["Processes", "Workers"]

T = TypeVar("T")

NICENESS = 10


class Workers(Protocol):
    """Whoever does errands elsewhere, `count` of them at a time."""

    @property
    def count(self) -> int:
        """How many errands get on at once."""

    async def do(self, errand: Callable[..., T], *arguments: object) -> T:
        """What `errand` returns or raises; `Unavailable` (`prover.worker`) if its worker is gone."""

    def close(self) -> None:
        """Let all workers go; the results of what they are at are not waited for."""


class Processes:
    """Spawned processes, started when first needed and kept while they do well."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._idle: list[ProcessPoolExecutor] = []
        self._busy: set[ProcessPoolExecutor] = set()

    @property
    def count(self) -> int:
        """How many errands get on at once."""
        return self._count

    async def do(self, errand: Callable[..., T], *arguments: object) -> T:
        """What `errand` returns or raises. A worker that dies or raises is replaced: `Unavailable` if it died."""
        worker = self._idle.pop() if self._idle else _spawned()
        self._busy.add(worker)
        try:
            result = await asyncio.get_running_loop().run_in_executor(worker, errand, *arguments)
        except BrokenExecutor as error:
            self._dismiss(worker)
            raise Unavailable("prover.worker", "a proving process died") from error
        except BaseException:
            self._dismiss(worker)
            raise
        if worker in self._busy:  # it is not if all were let go meanwhile
            self._busy.discard(worker)
            self._idle.append(worker)
        return result

    def close(self) -> None:
        """Let all processes go; the results of what they are at are not waited for."""
        for worker in (*self._idle, *self._busy):
            self._dismiss(worker)
        self._idle.clear()

    def _dismiss(self, worker: ProcessPoolExecutor) -> None:
        self._busy.discard(worker)
        worker.shutdown(wait=False, cancel_futures=True)


def _spawned() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, get_context("spawn"), initializer=_stand_back)


def _stand_back() -> None:
    """A worker leaves the terminal's signals to the service and the processor to the loop, and dies with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)  # a killed service has no use for what this worker is at
