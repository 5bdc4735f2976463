"""The public record of the markets: fills, candles, forced closes, funding and open interest.

Everything here follows from the journal: a restart rebuilds it entry by entry. What is kept is bounded; what is older
is in the journal.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple, TypeVar

from fairway.exchange.effect import AnyEffect, Deleveraged, Print
from fairway.exchange.engine import Engine
from fairway.exchange.event import AnyEvent, Priced
from fairway.market.candle import HOUR_MS, MINUTE_MS, Candles

__all__ = ["Interest", "Tape", "Track", "newest"]

T = TypeVar("T")

KEPT = 1_000
INTEREST_EVERY_MS = 5 * MINUTE_MS
TRADED = {"trade", "liquidation"}
"""Reasons of fills that met the book; a deleverage has a price that no order named, so it makes no candle."""


class Interest(NamedTuple):
    """The lots held long at one moment."""

    at_ms: int
    lots: int


def _kept() -> deque[T]:
    return deque(maxlen=KEPT)


@dataclass(slots=True)
class Track:
    """One market's record: fills, closes that were `forced`, how each deleverage was shared out.

    `funding` has the first round of each hour, `interest` a sample every five minutes, `priced` is the newest round;
    `filled` and `closed` count all that ever were in `fills` and `forced`.
    """

    candles: Candles = field(default_factory=Candles)
    fills: deque[Print] = field(default_factory=_kept)
    forced: deque[Print] = field(default_factory=_kept)
    deleveraged: deque[Deleveraged] = field(default_factory=_kept)
    priced: Priced | None = None
    filled: int = 0
    closed: int = 0
    funding: deque[Priced] = field(default_factory=_kept)
    interest: deque[Interest] = field(default_factory=_kept)


class Tape:
    """The record of every market; `engine` says how many lots are held long."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._tracks: dict[int, Track] = {}

    def __getitem__(self, market: int) -> Track:
        """The record of `market`, empty where nothing has happened yet."""
        return self._tracks.setdefault(market, Track())

    def note(self, event: AnyEvent, effects: Sequence[AnyEffect]) -> None:
        """`event` happened, or is replayed."""
        for effect in effects:
            if isinstance(effect, Print):
                self._add(effect)
            elif isinstance(effect, Deleveraged):
                self[effect.market].deleveraged.append(effect)
        if isinstance(event, Priced):
            self._price(event)

    def _add(self, fill: Print) -> None:
        track = self[fill.market]
        if fill.reason != "trade":
            track.forced.append(fill)
            track.closed += 1
        if fill.reason in TRADED:
            track.fills.append(fill)
            track.filled += 1
            track.candles.add(fill.at_ms, fill.price, fill.lots, taker_buys=fill.taker_buys)

    def _price(self, event: Priced) -> None:
        track = self[event.market]
        track.priced = event
        if not track.funding or track.funding[-1].at_ms // HOUR_MS < event.at_ms // HOUR_MS:
            track.funding.append(event)
        if not track.interest or track.interest[-1].at_ms // INTEREST_EVERY_MS < event.at_ms // INTEREST_EVERY_MS:
            track.interest.append(Interest(event.at_ms, self._engine.venue.open_lots[event.market]))


def newest(kept: deque[T], limit: int) -> list[T]:
    """At most `limit` of what is kept, oldest first."""
    return list(islice(kept, max(0, len(kept) - limit), None))
