"""Public streams by WebSocket: JSON text from /v1/stream, by name: `?streams=ETH-TON@depth,ETH-TON@trade`.

    SYMBOL@depth       first {"e": "depthSnapshot", …}, then {"e": "depthUpdate", "U", "u", "pu", "b", "a", "c"}
    SYMBOL@trade       every fill
    SYMBOL@markPrice   every round of the oracle
    SYMBOL@kline_1m    the candle that grows, for each interval of `INTERVALS_MS`
    SYMBOL@forceOrder  every forced close

Of a book only what changed is said: `U` is the journal entry after the one told before (`pu`), `u` the newest; 0 lots
mean that the price is gone; `c` is the CRC32 of the best 25 of each side after the update, spelt `price:lots` and
joined by `:`, bids first. Who reads slowly is told less often, never something stale; who missed fills is told how
many.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import parse_qs
from zlib import crc32

import msgspec

from fairway.errors import FairwayError, Rejected
from fairway.exchange.effect import Print
from fairway.market.book import Depth
from fairway.market.candle import INTERVALS_MS
from fairway.service.api.markets import kline, listing_of
from fairway.service.api.socket import POLICY, TRY_LATER, Receive, Scope, Send
from fairway.service.house import House
from fairway.service.tape import Track, newest
from fairway.service.views import Views

__all__ = ["Streams", "checksum"]

EVERY_S = 0.1
CHECKED_LEVELS = 25
STREAMS = 64
CONNECTIONS = 1024

Message = dict[str, Any]
Stream = Callable[[], Iterator[Message]]
"""What has happened since it was asked last."""


class Streams:
    """The ASGI application at /v1/stream."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection to its end."""
        await receive()  # websocket.connect
        if self._open >= CONNECTIONS:
            await send({"type": "websocket.close", "code": TRY_LATER, "reason": "too many streams"})
            return
        self._open += 1
        try:
            with ExitStack() as followed:
                streams = [self._stream(name, followed) for name in _names(scope)]
                await send({"type": "websocket.accept"})
                await _serve(streams, receive, send)
        except FairwayError as refusal:
            await send({"type": "websocket.close", "code": POLICY, "reason": refusal.code})
        finally:
            self._open -= 1

    def _stream(self, name: str, followed: ExitStack) -> Stream:
        symbol, _, kind = name.partition("@")
        market = listing_of(self._house, symbol).market
        track = self._house.tape[market]
        if kind == "depth":
            followed.enter_context(self._house.views.following(market))
            return _Book(self._house.views, symbol, market).changes
        if kind == "trade":
            return _Fills(symbol, lambda: track.fills, lambda: track.filled, _trade).changes
        if kind == "forceOrder":
            return _Fills(symbol, lambda: track.forced, lambda: track.closed, _forced).changes
        if kind == "markPrice":
            return _Marks(symbol, track).changes
        interval = kind.removeprefix("kline_")
        if kind.startswith("kline_") and interval in INTERVALS_MS:
            return _Klines(self._house, symbol, track, interval).changes
        raise Rejected("stream.unknown", "there is no such stream", stream=name[:64])


def _names(scope: Scope) -> list[str]:
    names = [
        name
        for value in parse_qs(scope["query_string"].decode("latin1")).get("streams", [])
        for name in value.split(",")
    ]
    if not 0 < len(names) <= STREAMS:
        raise Rejected("stream.count", "ask for 1 to 64 streams", streams=len(names))
    return names


async def _serve(streams: list[Stream], receive: Receive, send: Send) -> None:
    gone = asyncio.ensure_future(_until_gone(receive))
    try:
        while not gone.done():
            for stream in streams:
                for message in stream():
                    await send({"type": "websocket.send", "text": msgspec.json.encode(message).decode()})
            await asyncio.wait({gone}, timeout=EVERY_S)
    finally:
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "websocket.disconnect":
        pass


# The streams


class _Book:
    """A book as this reader knows it."""

    def __init__(self, views: Views, symbol: str, market: int) -> None:
        self._views, self._symbol, self._market = views, symbol, market
        self._entry = -1
        self._bids: dict[int, int] = {}
        self._asks: dict[int, int] = {}

    def changes(self) -> Iterator[Message]:
        view, before = self._views.newest(self._market), self._entry
        if view is None or view.entry == before:
            return
        entry, bids, asks = view
        said = {"s": self._symbol, "u": entry, "c": checksum(bids, asks)}
        new_bids, new_asks = dict(bids), dict(asks)
        if before < 0:
            yield {"e": "depthSnapshot", **said, "b": _texts(new_bids), "a": _texts(new_asks)}
        else:
            b, a = _difference(self._bids, new_bids), _difference(self._asks, new_asks)
            if not b and not a:
                return  # the next difference is against the same book: `pu` stays what was told last
            yield {"e": "depthUpdate", **said, "U": before + 1, "pu": before, "b": b, "a": a}
        self._entry, self._bids, self._asks = entry, new_bids, new_asks


class _Fills:
    """Fills as they come; `count` is how many there have been."""

    def __init__(
        self, symbol: str, kept: Callable[[], Any], count: Callable[[], int], told: Callable[[str, Print], Message]
    ) -> None:
        self._symbol, self._kept, self._count, self._told = symbol, kept, count, told
        self._seen = count()

    def changes(self) -> Iterator[Message]:
        missed = self._count() - self._seen
        self._seen += missed
        fills = newest(self._kept(), missed)
        if len(fills) < missed:
            yield {"e": "missed", "s": self._symbol, "n": missed - len(fills)}
        for fill in fills:
            yield self._told(self._symbol, fill)


class _Marks:
    """Rounds as they come; of several between two looks the newest."""

    def __init__(self, symbol: str, track: Track) -> None:
        self._symbol, self._track = symbol, track
        self._round = -1

    def changes(self) -> Iterator[Message]:
        known = self._track.priced
        if known is None or known.round == self._round:
            return
        self._round = known.round
        prices = {"p": str(known.mark), "i": str(known.index), "f": str(known.funding)}
        yield {"e": "markPriceUpdate", "s": self._symbol, "E": known.round_ms, "r": known.round, **prices}


class _Klines:
    """The newest candle of an interval, whenever it has changed."""

    def __init__(self, house: House, symbol: str, track: Track, interval: str) -> None:
        self._house, self._symbol, self._track, self._interval = house, symbol, track, interval
        self._told: list[int | str] = []

    def changes(self) -> Iterator[Message]:
        for candle in self._track.candles.newest(self._interval, 1, self._house.clock.now_ms()):
            made = kline(candle, self._interval)
            if made != self._told:
                self._told = made
                yield {"e": "kline", "s": self._symbol, "i": self._interval, "k": made}


def _trade(symbol: str, fill: Print) -> Message:
    size = {"p": str(fill.price), "q": str(fill.lots)}
    return {"e": "trade", "s": symbol, "t": fill.match_id, **size, "T": fill.at_ms, "m": not fill.taker_buys}


def _forced(symbol: str, fill: Print) -> Message:
    side = "BUY" if fill.taker_buys else "SELL"
    size = {"p": str(fill.price), "q": str(fill.lots)}
    return {"e": "forceOrder", "s": symbol, "S": side, **size, "T": fill.at_ms, "r": fill.reason}


def checksum(bids: Depth, asks: Depth) -> int:
    """CRC32 of the best 25 prices of each side, as the head of this file spells them."""
    levels = [*bids[:CHECKED_LEVELS], *asks[:CHECKED_LEVELS]]
    return crc32(":".join(f"{price}:{lots}" for price, lots in levels).encode())


def _difference(before: dict[int, int], after: dict[int, int]) -> list[tuple[str, str]]:
    changed = {price: lots for price, lots in after.items() if before.get(price) != lots}
    return _texts(changed | dict.fromkeys(before.keys() - after.keys(), 0))


def _texts(levels: dict[int, int]) -> list[tuple[str, str]]:
    return [(str(price), str(lots)) for price, lots in levels.items()]
