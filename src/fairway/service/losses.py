"""Losses that users have signed, shown to the vault when a winner waits for them: no loser has to close.

    somebody waits → channels that have lost and hold nothing, the greatest loss first → show → a quarantine → take

What is shown is the newest pair in which the user cites a half of ours that owes him nothing more, so a client that
looks has nothing to answer it with. Every step follows from what the vault shows; after a restart it goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from fairway.chain.interface import Chain
from fairway.channel.phase import Phase
from fairway.channel.state import Half, SignedHalf
from fairway.crypto.keys import Signer
from fairway.errors import InvalidMessage, Rejected, Unavailable
from fairway.exchange.engine import Engine
from fairway.service.citable import Citable
from fairway.ton.cells import Cell
from fairway.ton.vault_messages import (
    SignedCell,
    read_account,
    read_books,
    read_losses,
    read_pool,
    show_loss,
    take_loss,
)
from fairway.units import TON

__all__ = ["Losses", "Lost"]

LOOK_S = 20.0
PAUSE_S = 1.0
WORTH = TON // 5
"""Less than this is not worth the gas of showing and taking it."""
ATTEMPTS = 3
"""How often one message is sent that does not show: what the vault refuses costs gas each time."""


class Lost(NamedTuple):
    """A pair that shows a loss: the user's half cites exactly `b`, of which `promised` is all that is open: nothing."""

    channel_id: bytes
    a: SignedHalf
    b: Half
    promised: Cell | None

    @property
    def nano(self) -> int:
        """What the user has lost by it."""
        return self.a.half.sent - self.b.sent


class Losses:
    """The losers of one engine. `tell` sends the vault a message; `signer_of` and `name_of` know a channel."""

    def __init__(
        self,
        chain: Chain,
        engine: Engine,
        citable: Citable,
        tell: Callable[[Cell], Awaitable[None]],
        signer_of: Callable[[bytes], Signer],
        name_of: Callable[[bytes], bytes],
    ) -> None:
        self._chain = chain
        self._engine = engine
        self._citable = citable
        self._tell = tell
        self._signer_of = signer_of
        self._name_of = name_of
        self._sent: dict[bytes, int] = {}

    async def run(self) -> None:
        """Look whenever something happens to the vault, and now and then, until cancelled."""
        vault, seen_lt = self._engine.rules.vault, 0
        while True:
            try:
                await self._look()
                for happened in await self._chain.wait(vault, seen_lt, LOOK_S):
                    seen_lt = happened.lt
            except (InvalidMessage, Rejected, Unavailable):
                await asyncio.sleep(PAUSE_S)

    async def _look(self) -> None:
        waiting = await self._waiting()
        for channel_id in self._losers() if waiting else ():
            if waiting <= 0:
                return
            lost = self.lost(channel_id)
            waiting -= await self._pursue(lost) if lost is not None else 0

    async def _waiting(self) -> int:
        """What winners, and lenders behind them, wait for."""
        books, pool = await self._get("get_books"), await self._get("get_pool")
        return sum(nano for _, nano in (*read_books(books).claims, *read_pool(pool).exits))

    def _losers(self) -> list[bytes]:
        """Who has lost what is worth showing, the greatest loss first; what he has open is not looked at here."""
        lost = {name: account.due - account.earned for name, account in self._engine.accounts.items()}
        return sorted((name for name, nano in lost.items() if nano >= WORTH), key=lambda name: -lost[name])

    def lost(self, channel_id: bytes) -> Lost | None:
        """What is agreed to be lost in an open channel in which nothing is open and nothing has happened since."""
        channel, account = self._engine.channels[channel_id], self._engine.accounts[channel_id]
        if channel.phase is not Phase.OPEN or channel.a is None or account.orders or account.positions:
            return None
        cited = self._citable.half(channel_id, channel.a.half.cited)
        promised = account.promised()
        if cited is None or cited.body != channel.a.half.counterparty:
            return None
        if cited.body.conditionals_hash != promised.root_hash():
            return None
        lost = Lost(channel_id, channel.a, cited, promised.root_cell())
        return lost if lost.nano >= WORTH else None

    async def _pursue(self, lost: Lost) -> int:
        """Show the loss, or take it when its time has come; what it will free."""
        name = self._name_of(lost.channel_id)
        losses = read_losses(await self._get("get_losses", int.from_bytes(name)))
        if losses.notice is not None:
            if await self._chain.now() >= losses.notice.due_s:
                await self._say(take_loss(name, losses.notice.due_s))
            return losses.notice.nano
        account = read_account(await self._get("get_account", int.from_bytes(name)))
        nano = min(lost.nano - losses.moved, account.deposit) if account is not None else 0
        if nano < WORTH or lost.b.seqno < losses.seen:
            return 0
        service = SignedCell(self._signer_of(lost.channel_id).sign(lost.b.digest()), lost.b.to_cell())
        await self._say(show_loss(name, SignedCell(lost.a.signature, lost.a.half.to_cell()), service, lost.promised))
        return nano

    async def _say(self, body: Cell) -> None:
        if self._sent.get(body.hash, 0) < ATTEMPTS:
            await self._tell(body)
            self._sent[body.hash] = self._sent.get(body.hash, 0) + 1

    async def _get(self, method: str, *arguments: int) -> tuple[object, ...]:
        return await self._chain.run_get(self._engine.rules.vault, method, arguments)
