"""Candles: what the fills of each span of time did to the price.

Three base series are kept, of a minute, an hour and a day; every other interval is a whole number of one of them and
is added up when somebody asks. A span without fills is flat at the close before it. Prices in ticks, sizes in lots,
times in milliseconds since 1970; spans begin at whole multiples of their length, weeks on a Monday.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from fairway.errors import IllegalTransition

__all__ = ["DAY_MS", "HOUR_MS", "INTERVALS_MS", "KEPT", "MINUTE_MS", "Candle", "Candles"]

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
WEEK_MS = 7 * DAY_MS

INTERVALS_MS = {
    **{f"{count}m": count * MINUTE_MS for count in (1, 3, 5, 15, 30)},
    **{f"{count}h": count * HOUR_MS for count in (1, 2, 4, 6, 8, 12)},
    **{f"{count}d": count * DAY_MS for count in (1, 3)},
    "1w": WEEK_MS,
}
"""The intervals by the names that exchange clients know."""

KEPT = 1_500
"""How many candles of each base series are kept; the journal has the rest."""

MONDAY_MS = 4 * DAY_MS
"""The first Monday after the epoch, which was a Thursday."""


@dataclass(frozen=True, slots=True)
class Candle:
    """One span: `turnover` is Σ price · lots, `bought` the lots that takers bought."""

    opens_ms: int
    open: int
    high: int
    low: int
    close: int
    lots: int = 0
    turnover: int = 0
    fills: int = 0
    bought: int = 0

    def with_fill(self, price: int, lots: int, *, taker_buys: bool) -> Candle:
        """The candle after one more fill."""
        return Candle(
            self.opens_ms,
            self.open,
            max(self.high, price),
            min(self.low, price),
            price,
            self.lots + lots,
            self.turnover + price * lots,
            self.fills + 1,
            self.bought + (lots if taker_buys else 0),
        )


class Candles:
    """The candles of one market."""

    def __init__(self) -> None:
        self._series = {span: deque[Candle](maxlen=KEPT) for span in (MINUTE_MS, HOUR_MS, DAY_MS)}

    def add(self, at_ms: int, price: int, lots: int, *, taker_buys: bool) -> None:
        """Count one fill. Fills come in the order of time; `IllegalTransition` (`market.candle`) otherwise."""
        for span, series in self._series.items():
            opens_ms = at_ms - at_ms % span
            if not series or series[-1].opens_ms < opens_ms:
                series.append(Candle(opens_ms, price, price, price, price))
            elif series[-1].opens_ms > opens_ms:
                raise IllegalTransition("market.candle", "fills come in the order of time", at_ms=at_ms)
            series[-1] = series[-1].with_fill(price, lots, taker_buys=taker_buys)

    def newest(self, interval: str, limit: int, until_ms: int) -> list[Candle]:
        """At most `limit` candles of `interval` (of `INTERVALS_MS`), oldest first; the last one holds `until_ms`.

        Nothing before the first fill that is kept. Flat candles fill the gaps.
        """
        length = INTERVALS_MS[interval]
        series = self._series[max(span for span in self._series if length % span == 0)]
        last = _begin(until_ms, length)
        since = last - (limit - 1) * length
        filled = _filled(_merged(series, length), length, last)
        return [candle for candle in filled if candle.opens_ms >= since]

    def rolling(self, now_ms: int) -> Candle | None:
        """The 24 hours before `now_ms`, to the minute, as one candle; None before the first fill that is kept."""
        minutes = self._series[MINUTE_MS]
        since = now_ms - now_ms % MINUTE_MS - DAY_MS + MINUTE_MS
        inside = [each for each in minutes if since <= each.opens_ms <= now_ms]
        if inside:
            return _joined(inside, inside[0].opens_ms)
        return _flat(minutes[-1], since) if minutes and minutes[-1].opens_ms < since else None


def _begin(at_ms: int, length: int) -> int:
    """When the span of `length` that holds `at_ms` began."""
    offset = MONDAY_MS if length == WEEK_MS else 0
    return at_ms - (at_ms - offset) % length


def _merged(series: Iterable[Candle], length: int) -> Iterator[Candle]:
    """The series in spans of `length`."""
    held: list[Candle] = []
    for candle in series:
        if held and _begin(candle.opens_ms, length) != _begin(held[0].opens_ms, length):
            yield _joined(held, _begin(held[0].opens_ms, length))
            held = []
        held.append(candle)
    if held:
        yield _joined(held, _begin(held[0].opens_ms, length))


def _joined(candles: list[Candle], opens_ms: int) -> Candle:
    return Candle(
        opens_ms,
        candles[0].open,
        max(each.high for each in candles),
        min(each.low for each in candles),
        candles[-1].close,
        sum(each.lots for each in candles),
        sum(each.turnover for each in candles),
        sum(each.fills for each in candles),
        sum(each.bought for each in candles),
    )


def _filled(candles: Iterable[Candle], length: int, last: int) -> Iterator[Candle]:
    """The candles up to the one that opens at `last`, with flat ones in the gaps."""
    before: Candle | None = None
    for candle in candles:
        if candle.opens_ms > last:
            return
        while before is not None and before.opens_ms + length < candle.opens_ms:
            before = _flat(before, before.opens_ms + length)
            yield before
        yield candle
        before = candle
    while before is not None and before.opens_ms + length <= last:
        before = _flat(before, before.opens_ms + length)
        yield before


def _flat(before: Candle, opens_ms: int) -> Candle:
    close = before.close
    return replace(before, opens_ms=opens_ms, open=close, high=close, low=close, lots=0, turnover=0, fills=0, bought=0)
