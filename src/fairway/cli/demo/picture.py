"""What a recording shows at the moment that is played, on the scale of our market."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import nlargest, nsmallest
from pathlib import Path
from typing import Self

from fairway.cli.demo.feed import Depth, Level, Quote, Record, Snapshot, Survey, Trade, survey
from fairway.risk.contract import Contract, notional
from fairway.units import TON, div_up

__all__ = ["Picture", "Recording", "Scale"]

ORDER_WORTH = 100 * TON
"""What the trades that become one order are worth on average, buys and sales together."""
LEAD_S = 900
"""How long before the first record the chain begins: time to deploy and to open channels."""
EARLY = 1_000
"""Depth updates kept until the snapshot comes that they belong to."""


@dataclass(frozen=True, slots=True)
class Scale:
    """From the recording's units to ours. Moves and spreads keep their proportions exactly.

    One step of the recorded price is a whole number of ticks: as many as bring the first price nearest to our market's,
    at least one. The size that a trade has on average is worth `worth` nano, and a lot `lot` at the first price.
    """

    step: int
    ticks: int
    mean_size: int
    worth: int
    lot: int

    @classmethod
    def of(cls, found: Survey, contract: Contract, start: int, worth: int) -> Self:
        """The scale on which the recording begins near `start` ticks."""
        steps = found.price // found.step
        ticks = max(1, (2 * start + steps) // (2 * steps))
        lot = notional(contract, 1, steps * ticks)
        return cls(found.step, ticks, max(1, found.volume // found.trades), worth, lot)

    def tick(self, price: int) -> int:
        """A recorded price in ticks."""
        return price * self.ticks // self.step

    def lots(self, size: int) -> int:
        """A recorded size in lots."""
        return max(1, size * self.worth // (self.mean_size * self.lot))


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording that was read once and is sound, and how it is played: `group` trades become one order."""

    path: Path
    found: Survey
    scale: Scale
    group: int

    @property
    def chain_options(self) -> Sequence[str]:
        """How to serve a chain on which it can be played."""
        return ["--clock-from", str(max(1, self.found.first_ms // 1000 - LEAD_S))]

    @classmethod
    def read(cls, path: Path, contract: Contract, start: int, orders: int) -> Self:
        """The recording at `path`, to be played by about `orders` orders from `start` ticks on; half of them take.

        Errors: as `survey`.
        """
        found = survey(path)
        group = div_up(found.trades, max(1, orders // 2))
        return cls(path, found, Scale.of(found, contract, start, ORDER_WORTH // group), group)


@dataclass(slots=True)
class _Ladder:
    """The exchange's depth, kept up to date by its rule; empty while an update is missing."""

    bids: dict[int, int] = field(default_factory=dict)
    asks: dict[int, int] = field(default_factory=dict)
    _last: int | None = None
    _early: deque[Depth] = field(default_factory=lambda: deque(maxlen=EARLY))

    def restart(self, snapshot: Snapshot) -> None:
        """Begin with `snapshot` and the updates that came before it and go beyond it."""
        self.bids, self.asks, self._last = dict(snapshot.bids), dict(snapshot.asks), snapshot.last
        waiting, self._early = self._early, deque(maxlen=EARLY)
        for update in waiting:
            self.update(update)

    def update(self, depth: Depth) -> None:
        """Take in `depth`."""
        if self._last is not None and depth.last <= self._last:
            return
        if self._last is None or (not depth.first <= self._last + 1 and depth.previous != self._last):
            self.bids, self.asks, self._last = {}, {}, None
            self._early.append(depth)
            return
        self._last = depth.last
        _replace(self.bids, depth.bids)
        _replace(self.asks, depth.asks)


@dataclass(slots=True)
class Picture:
    """Best prices, depth and the newest trade as of `at_ms`, in ticks and lots."""

    scale: Scale
    at_ms: int
    bid: Level
    ask: Level
    traded: tuple[int, int]
    _ladder: _Ladder = field(default_factory=_Ladder)

    @classmethod
    def of(cls, scale: Scale, found: Survey) -> Self:
        """The picture before anything is played: everything stands at the first price."""
        price = scale.tick(found.price)
        return cls(scale, found.first_ms, (price, 1), (price + scale.ticks, 1), (price, found.first_ms))

    def show(self, record: Record) -> None:
        """Go on to `record`."""
        self.at_ms = record.at_ms
        match record:
            case Quote():
                self.bid = self._scaled(record.bid, record.bid_size)
                self.ask = self._scaled(record.ask, record.ask_size)
            case Trade():
                self.traded = self.scale.tick(record.price), record.at_ms
            case Depth():
                self._ladder.update(record)
            case Snapshot():
                self._ladder.restart(record)

    def levels(self, count: int) -> Sequence[tuple[Level, Level]]:
        """The best bids and asks in pairs, the newest quote first; fewer than `count` where the depth is thinner."""
        bids = [self.bid, *(level for level in self._bids(count) if level[0] < self.bid[0])]
        asks = [self.ask, *(level for level in self._asks(count) if level[0] > self.ask[0])]
        return list(zip(bids[:count], asks[:count], strict=False))

    def sources(self) -> Iterable[tuple[str, int, int]]:
        """What each stream says the price is, and since when: quotes stand until they are replaced."""
        yield "ticker", (self.bid[0] + self.ask[0]) // 2, self.at_ms
        yield "trades", *self.traded
        bids, asks = self._bids(1), self._asks(1)
        if bids and asks:
            yield "depth", (bids[0][0] + asks[0][0]) // 2, self.at_ms

    def _bids(self, count: int) -> list[Level]:
        return [self._scaled(*level) for level in nlargest(count, self._ladder.bids.items())]

    def _asks(self, count: int) -> list[Level]:
        return [self._scaled(*level) for level in nsmallest(count, self._ladder.asks.items())]

    def _scaled(self, price: int, size: int) -> Level:
        return self.scale.tick(price), self.scale.lots(size)


def _replace(side: dict[int, int], levels: Iterable[Level]) -> None:
    for price, size in levels:
        if size:
            side[price] = size
        else:
            side.pop(price, None)
