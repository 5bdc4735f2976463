"""The demo's prices: five sources that wander, an oracle of three keys, a round a few times a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from random import Random

from fairway.client.oracle import Oracle, OracleClient
from fairway.crypto.keys import Signer, derive_seed
from fairway.errors import FairwayError
from fairway.exchange.listing import Listing

__all__ = ["ORACLE_SIGNERS", "Prices", "wall_ms"]

ORACLE_SIGNERS = [Signer.of(derive_seed(b"fairway demo", "oracle", bytes([place]))) for place in range(3)]
SOURCES = ("north", "south", "east", "west", "centre")
QUORUM = 3
PAUSE_S = 0.25
STEP_PPM = 400
NOISE_PPM = 60
MILLION = 1_000_000


def wall_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // MILLION


class Prices:
    """The markets' true prices, what the sources make of them, and the rounds that follow."""

    quorum = QUORUM

    def __init__(
        self,
        network: int,
        listings: list[Listing],
        start: dict[int, int],
        seed: int,
        url: Callable[[], str],
        clock_ms: Callable[[], int] = wall_ms,
    ) -> None:
        self._random = Random(seed)  # noqa: S311 - a rehearsed whim, no secret
        self._true = dict(start)
        self._goals: dict[int, tuple[int, int]] = {}
        self._symbols = {listing.market: listing.instrument.symbol for listing in listings}
        self._oracle = Oracle(network, ORACLE_SIGNERS, {each.market: each.contract for each in listings}, self.quorum)
        self._url = url
        self._clock_ms = clock_ms
        self.marks: dict[int, int] = {}
        self.rounds = 0
        self.calm = False

    @property
    def markets(self) -> int:
        """How many markets have a price."""
        return len(self._true)

    async def run(self) -> None:
        """Publish rounds until cancelled; a service that is away is waited for."""
        client = OracleClient(self._url())
        try:
            while True:
                for market in self._true:
                    with suppress(FairwayError):
                        await self._publish(client, market)
                await asyncio.sleep(PAUSE_S)
        finally:
            await client.close()

    async def move(self, market: int, ppm: int, steps: int = 8) -> None:
        """Move the true price by `ppm` in equal steps, one a round; returns when the mark has followed."""
        goal = self._true[market] * (MILLION + ppm) // MILLION
        self._goals[market] = goal, steps
        while market in self._goals:  # noqa: ASYNC110 - rounds come at their own pace
            await asyncio.sleep(PAUSE_S / 2)
        seen = self.rounds
        while self.rounds < seen + 2 * len(self._true):  # noqa: ASYNC110
            await asyncio.sleep(PAUSE_S / 2)

    async def _publish(self, client: OracleClient, market: int) -> None:
        at_ms = self._clock_ms()
        for source, price, seen_ms in self.sightings(market, at_ms):
            self._oracle.observe(market, source, price, seen_ms)
        middle = await client.middle(self._symbols[market])
        if middle is not None:
            self._oracle.observe_book(market, middle, at_ms)
        made = self._oracle.round(market, at_ms)
        await client.publish(made)
        self.marks[market] = made.mark
        self.rounds += 1

    def sightings(self, market: int, at_ms: int) -> Iterable[tuple[str, int, int]]:
        """What each source quotes, and since when."""
        true = self._next(market)
        for source in SOURCES:
            noise = self._random.randint(-NOISE_PPM, NOISE_PPM)
            yield source, true * (MILLION + noise) // MILLION, at_ms

    def _next(self, market: int) -> int:
        price = self._true[market]
        if market in self._goals:
            goal, steps = self._goals.pop(market)
            price += (goal - price) // steps if steps > 1 else goal - price
            if steps > 1:
                self._goals[market] = goal, steps - 1
        elif not self.calm:
            price += price * self._random.randint(-STEP_PPM, STEP_PPM) // MILLION
        self._true[market] = price
        return price
