"""A recording, played: makers mirror its best prices, takers take what was taken, the oracle quotes what it quotes.

A beat is as many recorded trades as become one order of each of `AT_ONCE` takers. Between two beats time goes on to
the recorded time, the makers whose level has moved replace their quotes, and then the takers trade all at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Self

from fairway.chain.interface import DevelopmentChain
from fairway.cli.demo.feed import Level, Trade, records
from fairway.cli.demo.picture import Picture, Recording
from fairway.cli.demo.prices import Prices
from fairway.cli.demo.trader import Trader
from fairway.client.wish import Wish
from fairway.errors import FairwayError, Rejected
from fairway.exchange.listing import Listing
from fairway.exchange.terms import Kind
from fairway.risk.contract import notional
from fairway.units import TON, div_up

__all__ = ["Playback", "Recorded", "RecordedClock", "RecordedPrices", "deposits"]

MARKET = 2
DEPOSITS = {"maker": 10_000 * TON, "taker": 1_000 * TON}
SHARES = {"maker": 20_000 * TON, "taker": 3_000 * TON}
"""The most that a position is worth."""
LARGEST = 4
"""An order is worth at most a quarter of that."""
LEVERAGE = 5
AT_ONCE = 4
LOOK_S = 0.01
REACH_PPM = 2_000
"""How far beyond the recorded price a taker goes to meet quotes that are a moment old."""
MILLION = 1_000_000


def deposits(count: int) -> dict[str, int]:
    """Who plays, with what: one in four is a maker, the makers first."""
    makers = max(2, count // 4)
    names = {f"maker-{number:02}": DEPOSITS["maker"] for number in range(1, makers + 1)}
    return names | {f"taker-{number:02}": DEPOSITS["taker"] for number in range(1, count - makers + 1)}


class RecordedClock:
    """The recording's time while it is played, the machine's pace before and after. The chain is never behind it."""

    def __init__(self, chain: DevelopmentChain, begins_ms: int) -> None:
        self._chain = chain
        self._at_ms = begins_ms
        self._since: float | None = time.monotonic()

    @property
    def is_playing(self) -> bool:
        """Whether time is the recording's."""
        return self._since is None

    def now_ms(self) -> int:
        """The time, which never runs backwards."""
        elapsed = 0 if self._since is None else int((time.monotonic() - self._since) * 1000)
        return self._at_ms + elapsed

    async def play_to(self, at_ms: int) -> None:
        """Stand at `at_ms`, or where the clock stands already, with the chain."""
        behind_s = div_up(at_ms, 1000) - await self._chain.now()
        if behind_s > 0:
            await self._chain.advance(behind_s)
        self._at_ms, self._since = max(self.now_ms(), at_ms), None

    async def go_on(self) -> None:
        """Run on from here, with the chain, as the machine's clock does."""
        chain_ms = await self._chain.now() * 1000
        self._at_ms, self._since = max(self.now_ms(), chain_ms), time.monotonic()


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recording, the picture it shows now, and the clock it is played by."""

    recording: Recording
    picture: Picture
    clock: RecordedClock

    @classmethod
    async def begun(cls, recording: Recording, chain: DevelopmentChain) -> Self:
        """Before the first record, at the time of `chain`."""
        picture = Picture.of(recording.scale, recording.found)
        return cls(recording, picture, RecordedClock(chain, await chain.now() * 1000))


class RecordedPrices(Prices):
    """The index as the recording's streams have it."""

    quorum = 2

    def __init__(self, network: int, listings: list[Listing], recorded: Recorded, url: Callable[[], str]) -> None:
        super().__init__(network, listings, {MARKET: recorded.picture.bid[0]}, 0, url, recorded.clock.now_ms)
        self._recorded = recorded

    def sightings(self, market: int, at_ms: int) -> Iterable[tuple[str, int, int]]:
        """Every stream's price; before and after the recording the first and the last ones stand."""
        del market
        for source, price, seen_ms in self._recorded.picture.sources():
            yield source, price, seen_ms if self._recorded.clock.is_playing else at_ms


class Playback:
    """One performance of a recording by `flow`, of whom the first ones are the makers."""

    def __init__(self, recorded: Recorded, flow: Sequence[Trader], service_ms: Callable[[], Awaitable[int]]) -> None:
        self._service_ms = service_ms
        self._recording = recorded.recording
        self._picture = recorded.picture
        self._clock = recorded.clock
        self._makers = [trader for trader in flow if trader.name.startswith("maker")]
        self._takers = cycle([trader for trader in flow if trader not in self._makers])
        self._count = len(flow) - len(self._makers)

    @property
    def is_halfway(self) -> bool:
        """Whether the middle of the recording was played."""
        found = self._recording.found
        return 2 * self._picture.at_ms >= found.first_ms + found.last_ms

    async def run(self, told: Callable[[], object]) -> None:
        """Play all of it; `told` hears of every beat."""
        turns = cycle(range(len(self._makers)))
        for taken in self._beats():
            await self._go_to(self._picture.at_ms)
            await self._quote([next(turns) for _ in range(min(AT_ONCE // 2, len(self._makers)))])
            await self._take(taken)
            told()
        await self._clock.go_on()

    async def _go_to(self, at_ms: int) -> None:
        """Move the clocks; what is asked of the service from here on is stamped no earlier."""
        await self._clock.play_to(at_ms)
        while await self._service_ms() < at_ms:  # noqa: ASYNC110 - another process sets no event of ours
            await asyncio.sleep(LOOK_S)

    def _beats(self) -> Iterator[list[tuple[int, int]]]:
        """The signed sizes and prices that takers ask for in each beat, the picture being what they see then."""
        groups: list[tuple[int, int]] = []
        count = net = price = 0
        for record in records(self._recording.path):
            self._picture.show(record)
            if not isinstance(record, Trade):
                continue
            count, price = count + 1, record.price
            net += -record.size if record.buyer_is_maker else record.size
            if count == self._recording.group:
                groups.append((net, price))
                count = net = 0
                if len(groups) == AT_ONCE:
                    yield groups
                    groups = []
        yield [*groups, (net, price)]

    # Makers

    async def _quote(self, turns: Sequence[int]) -> None:
        levels = self._picture.levels(len(self._makers))
        await asyncio.gather(*(self._requote(self._makers[turn], *levels[turn % len(levels)]) for turn in turns))

    async def _requote(self, maker: Trader, bid: Level, ask: Level) -> None:
        """Have `maker` stand at these levels and nowhere else, unless he does."""
        wishes = [wish for wish in (self._resting(maker, 1, *bid), self._resting(maker, -1, *ask)) if wish is not None]
        standing = {(order.terms.buy, order.terms.limit_tick) for order in maker.account.orders.values()}
        if standing == {(wish.buy, wish.limit_tick) for wish in wishes}:
            return
        for _ in range(2):  # a quote may be taken while its replacement is under way
            with suppress(Rejected):
                await maker.session.place_many(wishes, instead_of=list(maker.account.orders))
                return

    def _resting(self, maker: Trader, s: int, tick: int, size: int) -> Wish | None:
        room = self._room(maker, s, tick, SHARES["maker"])
        lots = min(size, room)
        return Wish(MARKET, s > 0, lots, tick, Kind.POST_ONLY, LEVERAGE) if lots else None

    # Takers

    async def _take(self, taken: Sequence[tuple[int, int]]) -> None:
        busy: list[Trader] = []
        orders = []
        for net, price in taken:
            found = self._taker(net, price, busy) if net else None
            if found is not None:
                busy.append(found[0])
                orders.append(_place(*found))
        await asyncio.gather(*orders)

    def _taker(self, net: int, price: int, busy: Sequence[Trader]) -> tuple[Trader, Wish] | None:
        """The next idle taker whose position leaves room for the order, and the order; one who need not turn first."""
        s, scale = (1 if net > 0 else -1), self._recording.scale
        tick = scale.tick(price)
        limit = tick + s * (tick * REACH_PPM // MILLION)
        idle = [taker for taker in islice(self._takers, self._count) if taker not in busy]
        next(self._takers)  # whoever was first is the last next time
        for taker in sorted(idle, key=lambda taker: s * _held(taker) < 0):
            if room := self._room(taker, s, tick, SHARES["taker"]):
                return taker, Wish(MARKET, s > 0, min(room, scale.lots(abs(net))), limit, Kind.IOC, LEVERAGE)
        return None

    def _room(self, trader: Trader, s: int, tick: int, share: int) -> int:
        """The lots of a next order on the side `s` that keep the trader's position within its share."""
        account = trader.account
        one = notional(account.rules.listing(MARKET).contract, 1, tick)
        return max(0, min(share // one - s * _held(trader), share // LARGEST // one))


def _held(trader: Trader) -> int:
    """The signed lots of the trader's position."""
    held = trader.account.positions.get(MARKET)
    return held.position.s * held.position.lots if held else 0


async def _place(taker: Trader, wish: Wish) -> None:
    with suppress(FairwayError):
        await taker.session.place(wish)
