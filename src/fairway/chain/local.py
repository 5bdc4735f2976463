"""LocalChain: a chain inside this process, for development, tests and the demo."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from fairway.chain.interface import Account, StackValue, Transaction
from fairway.chain.network import Network
from fairway.chain.router import FAUCET, Router


class LocalChain:
    """`DevelopmentChain` over a `Router`, which is there for tests that want to stand in a sender's shoes."""

    def __init__(self, router: Router | None = None) -> None:
        self.router = router or Router()
        self._news = asyncio.Event()

    async def network(self) -> Network:
        """See `Chain`."""
        return self.router.network

    async def now(self) -> int:
        """See `Chain`."""
        return self.router.now

    async def send_external(self, message: bytes) -> None:
        """See `Chain`."""
        self.router.submit(message)
        self._tell()

    async def get_account(self, address: str) -> Account:
        """See `Chain`."""
        self._catch_up()
        return self._shown.account(address)

    async def run_get(self, address: str, method: str, arguments: Sequence[StackValue] = ()) -> tuple[StackValue, ...]:
        """See `Chain`."""
        self._catch_up()
        return self._shown.get(address, method, arguments)

    async def transactions(self, address: str, after_lt: int = 0, limit: int = 100) -> tuple[Transaction, ...]:
        """See `Chain`."""
        self._catch_up()
        return self._shown.transactions(address, after_lt, limit)

    async def wait(self, address: str, after_lt: int = 0, timeout_s: float = 30) -> tuple[Transaction, ...]:
        """See `Chain`."""
        try:
            async with asyncio.timeout(timeout_s):
                while not (found := await self.transactions(address, after_lt)):
                    await self._news.wait()
        except TimeoutError:
            return ()
        return found

    async def advance(self, seconds: int) -> int:
        """See `DevelopmentChain`."""
        self.router.advance(seconds)
        self._tell()
        return self.router.now

    async def fund(self, address: str, nano: int) -> None:
        """See `DevelopmentChain`."""
        self.router.inject(FAUCET, address, nano, bounce=False)
        self._tell()

    @property
    def _shown(self) -> Router:
        """What questions are answered from."""
        return self.router

    def _catch_up(self) -> None:
        if self.router.deliver():
            self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
