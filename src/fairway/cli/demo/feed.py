"""A recorded market, read line by line: Binance's streams as a collector wrote them down, gzip or plain.

    1723161255088165267 {"stream":"ethusdt@bookTicker","data":{…}}     receive time in ns, a space, the exchange's JSON
    1723161255378345766 {"lastUpdateId":5123107856276,"bids":[…],…}    the REST depth snapshot

Played are the streams @bookTicker, @trade, @aggTrade and @depth of the first symbol seen; all others are passed over.
Prices and sizes become integers in units of 10⁻⁸. Time is the exchange's event time and never runs backwards.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path

import msgspec

from fairway.errors import InvalidMessage, Unavailable

__all__ = ["DECIMALS", "Depth", "Level", "Quote", "Record", "Snapshot", "Survey", "Trade", "records", "survey"]

DECIMALS = 8
MAX_LINE = 4 << 20
MAX_WHOLE_DIGITS = 15
END_OF_TIME_MS = (1 << 32) * 1000
"""The chain counts seconds in 32 bits."""
GZIP = b"\x1f\x8b"
NANOS_A_MILLI = 1_000_000

Level = tuple[int, int]
"""A price and the size that rests there."""


@dataclass(frozen=True, slots=True)
class Quote:
    """The best prices and what rests there. `step` is the finest price the exchange wrote."""

    at_ms: int
    bid: int
    bid_size: int
    ask: int
    ask_size: int
    step: int


@dataclass(frozen=True, slots=True)
class Trade:
    """One trade, or several of one taker at one price."""

    at_ms: int
    price: int
    size: int
    buyer_is_maker: bool
    step: int


@dataclass(frozen=True, slots=True)
class Depth:
    """New sizes (0: none left) at some prices. It covers the updates `first` to `last` and follows `previous`."""

    at_ms: int
    first: int
    last: int
    previous: int | None
    bids: Sequence[Level]
    asks: Sequence[Level]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole depth after the update `last`."""

    at_ms: int
    last: int
    bids: Sequence[Level]
    asks: Sequence[Level]


Record = Quote | Trade | Depth | Snapshot
_Rows = list[tuple[str, str]]


class _Line(msgspec.Struct):
    stream: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"")
    last: int | None = msgspec.field(default=None, name="lastUpdateId")
    at_ms: int | None = msgspec.field(default=None, name="E")
    bids: _Rows = []
    asks: _Rows = []


class _Ticker(msgspec.Struct):
    bid: str = msgspec.field(name="b")
    bid_size: str = msgspec.field(name="B")
    ask: str = msgspec.field(name="a")
    ask_size: str = msgspec.field(name="A")
    at_ms: int | None = msgspec.field(default=None, name="E")


class _Traded(msgspec.Struct):
    price: str = msgspec.field(name="p")
    size: str = msgspec.field(name="q")
    buyer_is_maker: bool = msgspec.field(name="m")
    at_ms: int | None = msgspec.field(default=None, name="E")


class _Update(msgspec.Struct):
    first: int = msgspec.field(name="U")
    last: int = msgspec.field(name="u")
    previous: int | None = msgspec.field(default=None, name="pu")
    bids: _Rows = msgspec.field(name="b", default_factory=list)
    asks: _Rows = msgspec.field(name="a", default_factory=list)
    at_ms: int | None = msgspec.field(default=None, name="E")


_LINE = msgspec.json.Decoder(_Line)
_TICKER = msgspec.json.Decoder(_Ticker)
_TRADED = msgspec.json.Decoder(_Traded)
_UPDATE = msgspec.json.Decoder(_Update)


@dataclass(slots=True)
class Survey:
    """What a recording holds, known before it is played: its bounds in time, its first price, how much was traded."""

    first_ms: int = 0
    last_ms: int = 0
    price: int = 0
    step: int = 0
    quotes: int = 0
    trades: int = 0
    volume: int = 0

    def add(self, record: Record) -> None:
        """Count `record`."""
        self.first_ms = self.first_ms or record.at_ms
        self.last_ms = record.at_ms
        if isinstance(record, Quote):
            self.quotes += 1
            self._priced(record.bid, record.step)
        elif isinstance(record, Trade):
            self.trades += 1
            self.volume += record.size
            self._priced(record.price, record.step)

    def _priced(self, price: int, step: int) -> None:
        if not self.price:
            self.price, self.step = price, step


def survey(path: Path) -> Survey:
    """Read the whole recording once, keeping nothing. Errors: as `records`; `feed.empty` without quotes or trades."""
    found = Survey()
    for record in records(path):
        found.add(record)
    if not found.quotes or not found.trades:
        raise InvalidMessage("feed.empty", f"{path} has {found.quotes} quotes and {found.trades} trades")
    return found


def records(path: Path) -> Iterator[Record]:
    """The records of the recording at `path`, one at a time.

    Errors: `Unavailable` (`feed.file`) where it cannot be read; `InvalidMessage` with the fact `line`: `feed.line` for
    a line that is none of a recording, `feed.gzip` for compressed data that ends early or is damaged.
    """
    reader = _Reader()
    with _opened(path) as source:
        try:
            while line := source.readline(MAX_LINE):
                record = reader.read(line)
                if record is not None:
                    yield record
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InvalidMessage(
                "feed.gzip", f"{path}: after line {reader.number}: {error}", line=reader.number
            ) from error
        except OSError as error:
            raise Unavailable("feed.file", f"cannot read {path}: {error.strerror or error}") from error


@contextmanager
def _opened(path: Path) -> Iterator[BufferedReader | gzip.GzipFile]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise Unavailable("feed.file", f"cannot read {path}: {error.strerror or error}") from error
    with file:
        compressed = file.peek(len(GZIP)).startswith(GZIP)
        yield gzip.GzipFile(fileobj=file) if compressed else file


@dataclass(slots=True)
class _Reader:
    """Reads lines one after the other; `number` is the newest's."""

    number: int = 0
    _newest_ms: int = 0
    _symbol: str | None = field(default=None)

    def read(self, line: bytes) -> Record | None:
        """What the next line says; nothing where that is not played."""
        self.number += 1
        try:
            received_ns, said = _parts(line)
            return self._record(received_ns // NANOS_A_MILLI, _LINE.decode(said))
        except (ValueError, msgspec.MsgspecError) as error:
            raise InvalidMessage("feed.line", f"line {self.number}: {error}", line=self.number) from error

    def _record(self, received_ms: int, line: _Line) -> Record | None:
        if line.stream is None:
            if line.last is None:
                raise ValueError("it is neither a stream's message nor a snapshot")
            return Snapshot(self._time(line.at_ms, received_ms), line.last, _levels(line.bids), _levels(line.asks))
        symbol, _, kind = line.stream.partition("@")
        if self._symbol is None:
            self._symbol = symbol
        if symbol != self._symbol:
            return None
        match kind.partition("@")[0]:
            case "bookTicker":
                return self._quote(_TICKER.decode(line.data), received_ms)
            case "trade" | "aggTrade":
                return self._trade(_TRADED.decode(line.data), received_ms)
            case "depth":
                said = _UPDATE.decode(line.data)
                at_ms, bids, asks = self._time(said.at_ms, received_ms), _levels(said.bids), _levels(said.asks)
                return Depth(at_ms, said.first, said.last, said.previous, bids, asks)
            case _:
                return None

    def _quote(self, said: _Ticker, received_ms: int) -> Quote:
        bid, ask = _price(said.bid), _price(said.ask)
        if bid >= ask:
            raise ValueError(f"the bid {said.bid} is not below the ask {said.ask}")
        at_ms, sizes = self._time(said.at_ms, received_ms), (_fixed(said.bid_size), _fixed(said.ask_size))
        return Quote(at_ms, bid, sizes[0], ask, sizes[1], _step(said.bid))

    def _trade(self, said: _Traded, received_ms: int) -> Trade:
        at_ms = self._time(said.at_ms, received_ms)
        return Trade(at_ms, _price(said.price), _fixed(said.size), said.buyer_is_maker, _step(said.price))

    def _time(self, at_ms: int | None, received_ms: int) -> int:
        """The event's time, or when it was received; not before an event that was read before."""
        time_ms = received_ms if at_ms is None else at_ms
        if not 0 < time_ms < END_OF_TIME_MS:
            raise ValueError(f"{time_ms} is no time in milliseconds")
        self._newest_ms = max(self._newest_ms, time_ms)
        return self._newest_ms


def _parts(line: bytes) -> tuple[int, bytes]:
    """When it was received, and what was."""
    received, _, said = line.partition(b" ")
    if len(line) == MAX_LINE:
        raise ValueError("it is too long")
    if not received.isdigit():
        raise ValueError("it does not begin with its receive time")
    return int(received), said


def _levels(rows: _Rows) -> Sequence[Level]:
    return [(_price(price), _fixed(size)) for price, size in rows]


def _price(text: str) -> int:
    price = _fixed(text)
    if not price:
        raise ValueError("a price is positive")
    return price


def _fixed(text: str) -> int:
    """A decimal in units of 10⁻⁸."""
    whole, _, fraction = text.partition(".")
    digits = whole + fraction.ljust(DECIMALS, "0")
    if not digits.isdigit() or not digits.isascii() or len(whole) > MAX_WHOLE_DIGITS or len(fraction) > DECIMALS:
        raise ValueError(f"{text[:40]!r} is no decimal with at most {DECIMALS} places")
    return int(digits)


def _step(text: str) -> int:
    """The unit of the last place written."""
    return int(10 ** (DECIMALS - len(text.partition(".")[2])))
