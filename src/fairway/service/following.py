"""The service's end of its follower: what is in the journal goes over, page by page; what comes back is looked at.

A follower that dies, or cannot write, costs nothing but snapshots: the service says so and goes on, and the next start
replays more. One that strays ends the service: what it holds is not what its journal gives.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from fairway.errors import IllegalTransition, Unavailable
from fairway.service.docket import Docket
from fairway.service.follower import LENGTH, AnyNews, Entries, Mark, Strayed, Written, frame, news_of
from fairway.service.journal import Journal

__all__ = ["Following"]

LOOK_S = 0.2
PAGE = 500
"""Entries that are read from the journal at a time, some 2 ms."""
LEAST = 1_000
"""So many entries replay in less than a second: for fewer there is no follower."""
ATTEMPTS = 3
"""How often a follower is begun without a snapshot from it."""
PAUSE_S = 1.0
FINISH_S = 120.0
FOLLOWER = sys.executable, "-m", "fairway.service.follower"

Ask = Callable[[Callable[[], "_Page"]], Awaitable["_Page"]]


class _Page(NamedTuple):
    """The next entries, and the mark that stands behind them."""

    payloads: list[bytes]
    mark: Mark | None


class Following:
    """One follower of `journal` in `folder`, from entry `since` on; `docket` knows which errands are done.

    `newest` is the entry of the newest snapshot, -1 where there is none. `tell` has words for the operator.
    """

    def __init__(self, folder: Path, journal: Journal, docket: Docket, since: int, tell: Callable[[str], None]) -> None:
        self._folder = folder
        self._journal = journal
        self._docket = docket
        self._tell = tell
        self.newest = since
        self._fed = self._marked = since
        """The entries of which the follower has heard, and of which it has the checkpoint."""
        self._turn = asyncio.Lock()
        self._process: Process | None = None
        self._hearing: asyncio.Task[None] | None = None
        self._died = 0

    def go_on_from(self, seq: int) -> None:
        """There is a snapshot at entry `seq`, written here."""
        self.newest = self._fed = self._marked = seq

    async def run(self, ask: Ask, least: int = LEAST) -> None:
        """Follow until cancelled; `ask` puts a question between two batches.

        Raises `IllegalTransition` (`service.strayed`).
        """
        with suppress(Unavailable):  # the loop is closing
            while self._died < ATTEMPTS:
                await asyncio.sleep(LOOK_S)
                await self._look_after()
                while self._is_due(least) and self._died < ATTEMPTS:
                    async with self._turn:
                        await self._feed(await ask(self._page))
        await asyncio.Event().wait()

    async def finish(self, least: int = LEAST) -> None:
        """Once nothing more is written, take a last snapshot at the newest checkpoint, if it is worth one.

        Raises `IllegalTransition` (`service.strayed`).
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(FINISH_S), self._turn:
                while (self._is_due(least) or self._is_unmarked()) and self._died < ATTEMPTS:
                    await self._feed(self._page())
                if self._process is not None and self._process.stdin is not None and self._hearing is not None:
                    self._process.stdin.close()
                    await self._hearing

    async def close(self) -> None:
        """Let the follower go, whatever it is at."""
        if self._hearing is not None:
            self._hearing.cancel()
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    def _is_due(self, least: int) -> bool:
        behind = self._journal.newest.seq - self._fed
        return behind > 0 and (self._process is not None or behind >= least)

    def _is_unmarked(self) -> bool:
        """Whether a checkpoint came behind the last entry that was fed."""
        return self._process is not None and self._marked < self._journal.newest_checkpoint()

    def _page(self) -> _Page:
        """What is next, up to a checkpoint. The newest one asks for a snapshot."""
        checkpoint = self._journal.checkpoint_after(self._marked)
        if checkpoint is None or checkpoint.seq > self._fed + PAGE:
            return _Page(self._journal.page(self._fed, PAGE), None)
        payloads = self._journal.page(self._fed, checkpoint.seq - self._fed)
        head = self._journal.hash_at(checkpoint.seq) or b""
        keeps = checkpoint.seq == self._journal.newest_checkpoint()
        mark = Mark(head, checkpoint.digest, checkpoint.book_digest, list(self._docket.errands), keeps)
        return _Page(payloads, mark)

    async def _feed(self, page: _Page) -> None:
        if await self._look_after():  # the page was for the one that has ended
            return
        process = self._process or await self._begin()
        if process.stdin is None:
            return
        process.stdin.write(frame(Entries(page.payloads)))
        self._fed += len(page.payloads)
        if page.mark is not None:
            process.stdin.write(frame(page.mark))
            self._marked = self._fed
        with suppress(ConnectionError):
            await process.stdin.drain()

    async def _begin(self) -> Process:
        command = [*FOLLOWER, str(self._folder.absolute()), str(self.newest)]
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, start_new_session=True)
        self._process, self._hearing = process, asyncio.create_task(self._hear(process))
        return process

    async def _look_after(self) -> bool:
        """Whether the follower has ended before its time; another one begins at the newest snapshot."""
        if self._process is None or self._hearing is None or not self._hearing.done():
            return False
        self._hearing.result()
        status = await self._process.wait()
        self._process = self._hearing = None
        self._died += 1
        self._fed = self._marked = self.newest
        self._tell(f"the process that writes snapshots has ended with status {status}")
        await asyncio.sleep(PAUSE_S)
        return True

    async def _hear(self, process: Process) -> None:
        """Everything that the follower says, until it ends."""
        if process.stdout is None:
            return
        with suppress(asyncio.IncompleteReadError):
            while True:
                length = int.from_bytes(await process.stdout.readexactly(LENGTH))
                self._learn(news_of(await process.stdout.readexactly(length)))

    def _learn(self, news: AnyNews) -> None:
        if isinstance(news, Written):
            self.newest, self._died = news.seq, 0
        elif isinstance(news, Strayed):
            message = f"at entry {news.seq} a replay of the journal gives another state: {news.why}"
            raise IllegalTransition("service.strayed", message, seq=news.seq)
        else:
            self._tell(f"there is no snapshot at entry {news.seq}: {news.why}")
