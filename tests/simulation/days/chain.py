"""The chain in a simulated day: the real contracts, messages that are lost and late, blocks undone, servers away."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random

from fairway.chain.forks import ForkingChain
from fairway.chain.interface import Account, StackValue, Transaction
from fairway.chain.local import LocalChain
from fairway.chain.network import Network
from fairway.errors import Unavailable

BEAT_S = 2.0


class Server:
    """How one party reaches the chain: through a server that is away at times."""

    def __init__(self, chain: LocalChain, random: Random, count: Counter[str]) -> None:
        self.chain, self.random, self.count = chain, random, count
        self.away = 0.0
        """How often a question is not answered."""

    async def ready(self) -> None:
        await self.now()

    async def close(self) -> None:
        pass

    async def network(self) -> Network:
        return await self._through().network()

    async def now(self) -> int:
        return await self._through().now()

    async def send_external(self, message: bytes) -> None:
        await self._through().send_external(message)
        self._through()  # taken, and the answer is lost

    async def get_account(self, address: str) -> Account:
        return await self._through().get_account(address)

    async def run_get(
        self, address: str, method: str, arguments: tuple[StackValue, ...] = ()
    ) -> tuple[StackValue, ...]:
        return await self._through().run_get(address, method, arguments)

    async def transactions(self, address: str, after_lt: int = 0, limit: int = 100) -> tuple[Transaction, ...]:
        return await self._through().transactions(address, after_lt, limit)

    async def wait(self, address: str, after_lt: int = 0, timeout_s: float = 30) -> tuple[Transaction, ...]:
        return await self._through().wait(address, after_lt, timeout_s)

    def _through(self) -> LocalChain:
        if self.random.random() < self.away:
            self.count["chain away"] += 1
            raise Unavailable("chain.unreachable", "the chain's server does not answer")
        return self.chain


async def beat(day) -> None:
    """Blocks come, and some are undone where that can be, until cancelled."""
    random, count, chain = day.random, day.count, day.chain
    while True:
        await asyncio.sleep(BEAT_S)
        await chain.advance(0)
        if isinstance(chain, ForkingChain) and random.random() < day.faults.undone:
            depth = min(len(chain._open), random.randint(1, 3))
            count["blocks undone"] += depth
            await chain.reorganise(depth, random.getrandbits(30), 250_000)
