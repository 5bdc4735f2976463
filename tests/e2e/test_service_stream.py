"""Public streams over a real socket: who knows only what he was sent knows the book, and a restart loses nothing."""

from __future__ import annotations

import asyncio
import json
from zlib import crc32

import pytest
from service_stage import MARK, MARKET, SYMBOL, WITHIN_S, Process, found, posted, prepared, priced
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from fairway.client.wish import Wish
from fairway.service.api.stream import checksum

STREAMS = [f"{SYMBOL}@{kind}" for kind in ("depth", "trade", "markPrice", "kline_1m", "forceOrder")]


class Reader:
    """What a bot builds from the streams."""

    def __init__(self) -> None:
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.entry = -1
        self.heard: dict[str, list] = {}
        self._more = asyncio.Event()

    def hear(self, message) -> None:
        self.heard.setdefault(message["e"], []).append(message)
        if not message["e"].startswith("depth"):
            return
        if message["e"] == "depthSnapshot":
            self.bids.clear()
            self.asks.clear()
        else:
            assert message["pu"] == self.entry
            assert message["U"] == self.entry + 1
        self.entry = message["u"]
        for side, levels in ((self.bids, message["b"]), (self.asks, message["a"])):
            side.update((int(price), int(lots)) for price, lots in levels)
            for price in [price for price, lots in side.items() if not lots]:
                del side[price]
        assert message["c"] == self.checksum()

    def checksum(self) -> int:
        bids, asks = sorted(self.bids.items(), reverse=True)[:25], sorted(self.asks.items())[:25]
        return crc32(":".join(f"{price}:{lots}" for price, lots in [*bids, *asks]).encode())

    async def follow(self, line) -> None:
        async for text in line:
            self.hear(json.loads(text))
            self._more.set()

    async def until(self, holds) -> None:
        while not holds(self):
            self._more.clear()
            await self._more.wait()


async def place(trader, *, buy: bool, lots: int, limit: int) -> None:
    await trader.session.place(Wish(market=MARKET, buy=buy, lots=lots, limit_tick=limit, leverage=10))


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    process = Process(found(tmp_path_factory.mktemp("venue")))
    yield process
    process.kill()


async def test_a_reader_who_starts_from_the_snapshot_has_the_book_and_every_fill(tmp_path):
    async with prepared(tmp_path / "venue", "maker", "taker") as (maker, taker):
        process = Process(tmp_path / "venue")
        for trader in (maker, taker):
            trader.url = process.ready["ws"]
            trader.start()
        reader = Reader()
        url = process.ready["ws"].removesuffix("/ws") + "/stream?streams=" + ",".join(STREAMS)
        async with asyncio.timeout(WITHIN_S), connect(url) as line:
            following = asyncio.create_task(reader.follow(line))
            await reader.until(lambda each: each.entry >= 0)
            for step in range(1, 6):
                await place(maker, buy=False, lots=10 * step, limit=MARK + step)
                await place(maker, buy=True, lots=10 * step, limit=MARK - step)
            await reader.until(lambda each: len(each.bids) == len(each.asks) == 5)
            await place(taker, buy=True, lots=25, limit=MARK + 2)
            assert process.post("/v1/oracle/round", posted(priced(2, MARK + 3)))[0] == 200
            await reader.until(lambda each: each.asks.get(MARK + 2) == 5 and len(each.heard.get("trade", ())) == 2)
            await reader.until(lambda each: each.heard["markPriceUpdate"][-1]["p"] == str(MARK + 3))
            await reader.until(lambda each: "kline" in each.heard)
            following.cancel()
        assert [(fill["p"], fill["q"], fill["m"]) for fill in reader.heard["trade"]] == [
            (str(MARK + 1), "10", False),
            (str(MARK + 2), "15", False),
        ]
        depth = process.get(f"/v1/depth?symbol={SYMBOL}")[1]
        assert {int(price): int(lots) for price, lots in depth["asks"]} == reader.asks
        pages = ("klines?interval=1h&", "ticker/24hr?", "openInterest?", "trades?", "leverageBracket?")
        before = [process.get(f"/v1/{page}symbol={SYMBOL}")[1] for page in pages]
        assert before[0][-1][1:6] == [str(MARK + 1), str(MARK + 2), str(MARK + 1), str(MARK + 2), "25"]
        assert (before[1]["volume"], before[1]["priceChange"], before[2]["openInterest"]) == ("25", "1", "25")
        process.kill()

        process = Process(tmp_path / "venue")
        after = [process.get(f"/v1/{page}symbol={SYMBOL}")[1] for page in pages]
        for page in (before, after):
            page[1].pop("closeTime")
            page[2].pop("time")
        assert after == before
        assert process.stop() == 0


@pytest.mark.parametrize(
    ("streams", "reason"),
    [
        ("", "stream.count"),
        (",".join([STREAMS[0]] * 65), "stream.count"),
        ("NOPE@depth", "market.unknown"),
        (f"{SYMBOL}@nothing", "stream.unknown"),
        (f"{SYMBOL}@kline_7m", "stream.unknown"),
        ("%00%ff@@@", "market.unknown"),
    ],
)
async def test_a_stream_that_is_not_there_is_refused_by_name(service, streams, reason):
    with pytest.raises(Exception, match=r"403|1008") as refused:
        async with connect(service.ready["ws"].removesuffix("/ws") + f"/stream?streams={streams}") as line:
            await line.recv()
    if isinstance(refused.value, ConnectionClosed):
        assert refused.value.rcvd.reason == reason


def test_the_checksum_is_over_the_best_of_each_side():
    bids, asks = [(100 - place, 1) for place in range(30)], [(101 + place, 2) for place in range(30)]
    assert checksum(bids, asks) == checksum(bids[:25], asks[:25]) != checksum(bids[:24], asks[:25])
    assert checksum([(9, 1)], [(10, 2)]) == crc32(b"9:1:10:2")
