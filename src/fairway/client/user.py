"""A user, whole: his session with the service and his hands on chain, from the deposit to the payout.

Every road that moves his money home ends without the service if it must: `withdraw`, `withdraw_now` and
`withdraw_partially` need its signature, `leave`, `claim` and `finish` do not.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Self

from fairway.chain.interface import Chain
from fairway.chain.purse import Purse
from fairway.client.accusation import accusations, late_receipt_of
from fairway.client.courier import Courier
from fairway.client.keystore import Keystore
from fairway.client.lookout import Lookout
from fairway.client.onchain import OnChain
from fairway.client.punished import shown_receipts
from fairway.client.regain import regain
from fairway.client.sentry import Post, Sentry
from fairway.client.session import Notice, Session, Venue, now_ms
from fairway.client.store import Store
from fairway.errors import FairwayError, InvalidMessage, Rejected
from fairway.exchange import wire
from fairway.exchange.paper import Exit

__all__ = ["User"]

ROUNDS = 4096
"""How many of the newest rounds are kept in memory, for a close that the service begins alone."""


class User:
    """One user in one channel; the line to the service is kept while the block lasts: `async with User(…) as user`.

    `towers` are URLs of watchtowers that get every state; `couriers` know what they said.
    """

    def __init__(
        self,
        venue: Venue,
        chain: Chain,
        store: Store,
        keystore: Keystore,
        channel_id: bytes | None = None,
        *,
        notify: Callable[[Notice], None] = lambda _: None,
        clock_ms: Callable[[], int] = now_ms,
        session: type[Session] = Session,
        towers: Sequence[str] = (),
    ) -> None:
        self.purse = Purse(chain, keystore.wallet(), venue.network)
        self._shown: deque[wire.Round] = deque(maxlen=ROUNDS)
        self._told = notify
        self.session = session(venue, store, keystore, channel_id, notify=self._notice, clock_ms=clock_ms)
        self.couriers = [Courier(url) for url in towers]
        self._another = partial(
            User, venue, chain, store, keystore, notify=notify, clock_ms=clock_ms, session=session, towers=towers
        )
        self._chain = chain
        self._store = store
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self._look_at_chain()
        self._tasks = [asyncio.create_task(each) for each in (self._keep_line(), self._stand_guard())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError, FairwayError):
                await task

    async def _look_at_chain(self) -> None:
        """A record from an old copy takes what it lacks from its towers and the chain before anything is signed."""
        with suppress(Rejected):
            if self.couriers and not self.session.side.replica.left:
                await regain(self.session.side, [each.url for each in self.couriers], await self._chain.now())
            side = self.session.side
            if not side.replica.newest_b or (view := await self.onchain.channel()) is None:
                return
            if not side.replica.channel.deposit_a and view.deposit_a and view.deposit_b:
                self.session.fund(await self.onchain.funded())
            if view.quarantine is not None and view.quarantine.started_by_a:
                side.has_left()

    def _notice(self, notice: Notice) -> None:
        if isinstance(notice, wire.Round):
            self._shown.append(notice)
            for courier in self.couriers:
                courier.show(notice)
        self._told(notice)

    async def _keep_line(self) -> None:
        """Keep the line until the service lies; then have its bond pay, where the vault can judge."""
        await self._accuse()
        try:
            await self.session.run()
        except InvalidMessage:
            await self._accuse()
            raise

    async def _accuse(self) -> None:
        with suppress(FairwayError):
            for proven in accusations(self._store, self.session.side.channel_id):
                await self.onchain.accuse(proven)

    async def _read_punishments(self) -> None:
        """What the service shows the vault of him alone is held against his record: the bond pays for a lie in it."""
        async for shown in shown_receipts(self._chain, self.onchain.vault, self.onchain.name):
            with suppress(FairwayError):
                proven = late_receipt_of(self._store, self.session.side.channel_id, shown)
                if proven is not None:
                    await self.onchain.accuse(proven)

    async def _stand_guard(self) -> None:
        """From the grant on, answer the service's closes and losses that are shown, even where the line is over."""
        with suppress(FairwayError):
            await self.session.granted()
        side = self.session.side
        post = Post(
            self.onchain.address,
            side.replica.welcome,
            side.holding,
            side.tell,
            unsigned=False,
            rounds=lambda: self._shown,
            receipts=lambda: side.receipts,
            placed=lambda: side.placed,
            adopting=side.adopting,
            left=lambda: side.replica.left,
        )
        lookout = Lookout(self._chain, self.purse, self.onchain.vault)
        lookout.stand_for(self.onchain.name, side.pledge)
        aids = [asyncio.create_task(courier.run(side)) for courier in self.couriers]
        aids += [asyncio.create_task(each) for each in (lookout.run(), self._read_punishments())]
        try:
            await Sentry(self._chain, self.purse, post).run()
        finally:
            for task in aids:
                task.cancel()

    @property
    def onchain(self) -> OnChain:
        """The channel on chain; there is one once the session has opened it."""
        return OnChain(self._chain, self.purse, self.session.side)

    async def deposit(self, nano: int) -> None:
        """Open the channel, check what the service signed for it, and only then wrap `nano` into it."""
        await self.session.open(self.purse.address)
        self.session.fund(await self.onchain.deposit(nano))

    async def withdraw(self) -> None:
        """Close together and wait for the payout; nothing may be open. An interrupted withdrawal is finished first.

        Errors: `Rejected` (`withdraw.pending`: the service has not seen that one on chain yet; ask again).
        """
        await self._close()

    async def withdraw_now(self, nano: int) -> None:
        """Take out `nano` while orders and positions stay, and wait until they have left the channel.

        One that was interrupted is finished first, and is the one that was asked for if it is of the same sum.
        """
        if await self._resume() != nano:
            await self.onchain.commit(await self.session.withdraw(nano))

    async def _resume(self) -> int:
        """Finish a withdrawal that the chain does not show yet; of how much it was, 0 where there is none."""
        side, before = self.session.side, await self.onchain.withdrawn()
        commit = side.replica.committing
        if commit is None or commit.withdraw_a <= before:
            return 0
        nano = commit.withdraw_a - before
        await self.onchain.commit(side.both_commit() or await self.session.withdraw(nano))
        return nano

    async def withdraw_partially(self, nano: int) -> User:
        """Take out `nano` and go on with the rest in a new channel: the user who holds it, already at his line.

        The new channel is agreed before the old one is closed, and the vault does both in one transaction: the money
        is always in exactly one of old channel, vault, new channel and wallet.
        """
        following = await self._another().__aenter__()
        await following.session.open(following.purse.address)
        await following.onchain.prepare()
        await self.onchain.reopen(following.onchain, nano)
        await self._close(reopen_id=following.session.side.channel_id, withdraw=nano)
        following.session.fund(await following.onchain.funded())
        return following

    async def _close(self, *, reopen_id: bytes | None = None, withdraw: int = 0) -> None:
        await self._resume()
        signed = await self.session.close(reopen_id=reopen_id, withdraw=withdraw)
        await self.onchain.close(self.session.side.agreed(signed))

    async def leave(self) -> None:
        """Begin to close alone, with the newest halves in the record. From its first step on, nothing else is signed.

        May be called again where it was interrupted: a start that the chain shows is not sent twice.
        """
        pair = self.session.leave()
        view = await self.onchain.channel()
        if view is None or view.quarantine is None:
            await self.onchain.start(pair)

    async def claim(self, exits: Mapping[int, Exit]) -> None:
        """Once the quarantine is over: have open positions valued at the exit price of their markets."""
        await self.onchain.claim(exits)

    async def finish(self) -> None:
        """Once quarantine and settling are over: have the contract pay out."""
        await self.onchain.finish()
