"""A lender's hands: his shares in the vault, bought and given back through his own wallet. Nobody's word is needed.

The vault sells and buys at the value that the service posted last; what a share is worth as proven is the service's
`/v1/pool` to tell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NamedTuple

from fairway.chain.interface import Chain
from fairway.chain.purse import Purse
from fairway.errors import Rejected, Unavailable
from fairway.ton.address import Address
from fairway.ton.cells import Builder, to_boc
from fairway.ton.vault_messages import WORD_VALUE, lend, read_pool, withdraw
from fairway.ton.wallet import Transfer

__all__ = ["Holding", "Lender"]

GLANCE_S = 1.0
PATIENCE_S = 120.0


class Holding(NamedTuple):
    """A lender in the vault: his `shares` of `total`, which are posted to be worth `value`; `waiting` is on its way."""

    shares: int
    total: int
    value: int
    epoch: int
    waiting: int

    @property
    def worth(self) -> int:
        """What the vault pays for all his shares now, nano; rounded down."""
        return self.shares * self.value // self.total if self.total else 0


class Lender:
    """One wallet as a lender of one vault."""

    def __init__(self, chain: Chain, purse: Purse, vault: str) -> None:
        self._chain = chain
        self._purse = purse
        self._vault = vault

    async def holding(self) -> Holding:
        """What the vault shows of this wallet."""
        pool = read_pool(await self._chain.run_get(self._vault, "get_pool"))
        wallet = Address.parse(self._purse.address)
        owner = to_boc(Builder().store_address(wallet.foreign()).end_cell())
        (shares,) = await self._chain.run_get(self._vault, "get_shares", (owner,))
        if not isinstance(shares, int):
            raise Unavailable("lend.getter", "the vault does not count shares")
        waiting = sum(nano for owner, nano in pool.exits if str(owner) == str(wallet))
        return Holding(shares, pool.shares, pool.value, pool.epoch, waiting)

    async def lend(self, nano: int) -> Holding:
        """Lend `nano` for shares; the holding after it. Errors: `Rejected` (`lend.shares`), those of `Purse.send`."""
        before = await self.holding()
        if nano < 1 or (before.total and nano * before.total < max(1, before.value)):
            raise Rejected("lend.shares", "that is not worth a share", nano=nano)
        return await self._said(nano + WORD_VALUE, nano, 0, before)

    async def withdraw(self, shares: int | None = None) -> Holding:
        """Give `shares` back, or all; what they are posted to be worth comes to the wallet, or waits its turn."""
        before = await self.holding()
        given = before.shares if shares is None else shares
        if not 0 < given <= before.shares:
            raise Rejected("lend.shares", "the wallet has no such shares", shares=before.shares)
        return await self._said(WORD_VALUE, 0, given, before)

    async def _said(self, value: int, nano: int, shares: int, before: Holding) -> Holding:
        body = lend(nano) if nano else withdraw(shares)
        await self._purse.send(Transfer(self._vault, value, body))
        return await self._until(lambda: self._changed(before))

    async def _changed(self, before: Holding) -> Holding | None:
        after = await self.holding()
        return after if after.shares != before.shares else None

    async def _until(self, seen: Callable[[], Awaitable[Holding | None]]) -> Holding:
        """The first thing that `seen` sees. Errors: `Unavailable` (`lend.silence`)."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    last_lt = (await self._chain.get_account(self._vault)).last_lt
                    if (found := await seen()) is not None:
                        return found
                    await self._chain.wait(self._vault, last_lt, GLANCE_S)
        raise Unavailable("lend.silence", "the vault does not show what was sent; its gas comes back if it refused")
