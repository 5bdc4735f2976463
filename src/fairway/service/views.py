"""Books as the public sees them: never a book that a crash could undo.

The engine runs ahead of the journal by the batch under way. So a book is looked at between batches, once for everyone
who follows it, ten times a second at most.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from fairway.exchange.engine import Engine
from fairway.market.book import Depth
from fairway.service.journal import Journal
from fairway.service.run import Sequencer

__all__ = ["LEVELS", "BookView", "Views"]

LEVELS = 1000
EVERY_S = 0.1


class BookView(NamedTuple):
    """The best `LEVELS` prices of each side after the journal's `entry`."""

    entry: int
    bids: Depth
    asks: Depth


class Views:
    """The newest view of every book that somebody follows."""

    def __init__(self, engine: Engine, journal: Journal, sequencer: Sequencer) -> None:
        self._engine, self._journal, self._sequencer = engine, journal, sequencer
        self._followers: Counter[int] = Counter()
        self._views: dict[int, BookView] = {}

    async def look(self, market: int) -> BookView:
        """The book of `market` now."""
        return await self._sequencer.ask(lambda: self._view(market))

    @contextmanager
    def following(self, market: int) -> Iterator[None]:
        """Keep the view of `market` new meanwhile."""
        self._followers[market] += 1
        try:
            yield
        finally:
            self._followers[market] -= 1
            if not self._followers[market]:
                del self._followers[market]
                self._views.pop(market, None)

    def newest(self, market: int) -> BookView | None:
        """The book as it was looked at last; None before the first look."""
        return self._views.get(market)

    async def run(self) -> None:
        """Look at what is followed, for ever."""
        while True:
            await asyncio.sleep(EVERY_S)
            if any(self._is_old(market) for market in self._followers):
                await self._sequencer.ask(self._refresh)

    def _is_old(self, market: int) -> bool:
        view = self._views.get(market)
        return view is None or view.entry < self._journal.newest.seq

    def _refresh(self) -> None:
        self._views = {market: self._view(market) for market in self._followers}

    def _view(self, market: int) -> BookView:
        return BookView(self._journal.newest.seq, *self._engine.venue.books[market].depth(LEVELS))
