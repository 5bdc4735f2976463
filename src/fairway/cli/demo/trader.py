"""A trader of the demo: a real user with keystore, record, wallet and a line to the service that can be held up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect

from fairway.chain.remote import RemoteChain
from fairway.channel.state import SignedHalf
from fairway.client.bots import Refuser
from fairway.client.keystore import Keystore
from fairway.client.session import Connection, Notice, Session, Venue, now_ms
from fairway.client.store import Store
from fairway.client.user import User
from fairway.crypto.sealed import Cost
from fairway.errors import Rejected
from fairway.exchange import wire
from fairway.exchange.account import Account
from fairway.units import TON

__all__ = ["CHEAP", "PASSPHRASE", "Trader"]

PASSPHRASE = "a demo's keys are worth nothing"  # noqa: S105 - they open a chain that ends with the demo
CHEAP = Cost(passes=1, memory_kib=8 * 1024)
POCKET = 10 * TON
"""What a wallet gets beside the deposit, for gas and rent."""


class HeldLine:
    """A connection whose incoming frames wait while `open` is not set: a slow network, as far as anyone can tell."""

    def __init__(self, line: ClientConnection, door: asyncio.Event) -> None:
        self._line = line
        self._door = door

    async def send(self, message: bytes) -> None:
        """Send one frame, at once."""
        await self._line.send(message)

    async def recv(self) -> str | bytes:
        """The next frame, when the door is open."""
        frame = await self._line.recv()
        await self._door.wait()
        return frame


class Trader:
    """One user of the demo under `folder`; `door` cleared holds up what the service says to him."""

    def __init__(
        self,
        folder: Path,
        name: str,
        chain: RemoteChain,
        url: str,
        network: int,
        vault: str,
        clock_ms: Callable[[], int] = now_ms,
        towers: Sequence[str] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.early_balances = 0
        self.door = asyncio.Event()
        self.door.set()
        self._chain = chain
        self._url = url
        self._clock_ms = clock_ms
        self._towers = towers
        self._venue = Venue(self._dial, network, vault)
        self._store = Store(folder / f"{name}.sqlite")
        self._keystore = Keystore.create(folder / f"{name}.key", PASSPHRASE, CHEAP)
        self.user = self._user(None)

    def _user(self, channel_id: bytes | None) -> User:
        known = self._venue, self._chain, self._store, self._keystore
        clock_ms, towers = self._clock_ms, self._towers
        return User(*known, channel_id, notify=self._note, clock_ms=clock_ms, session=Refuser, towers=towers)

    @asynccontextmanager
    async def _dial(self) -> AsyncIterator[Connection]:
        async with connect(self._url, open_timeout=5, ping_interval=None, max_size=1 << 22) as line:
            yield HeldLine(line, self.door)

    def _note(self, notice: Notice) -> None:
        if isinstance(notice, wire.Pushed):
            replica = self.session.side.replica
            self.early_balances += bool(notice.receipts) and replica.is_behind

    @property
    def session(self) -> Session:
        """His session."""
        return self.user.session

    @property
    def signs(self) -> bool:
        """Whether he signs what he owes; a cheat does not."""
        session = self.session
        return not (isinstance(session, Refuser) and session.refuses_to_sign)

    @signs.setter
    def signs(self, honest: bool) -> None:
        session = self.session
        assert isinstance(session, Refuser)
        session.refuses_to_sign = not honest

    @property
    def account(self) -> Account:
        """His account as of the newest push."""
        return self.session.account

    @property
    def orders(self) -> int:
        """Orders he has placed so far."""
        return self.account.next_key - 1

    async def join(self, deposit: int) -> None:
        """Get TON, open a channel on chain and put `deposit` nano into it."""
        await self._chain.fund(self.user.purse.address, deposit + POCKET)
        await self.come()
        await self.user.deposit(deposit)

    async def come(self) -> None:
        """Come online."""
        await self.user.__aenter__()

    async def go(self) -> None:
        """Go offline; the record stays, and he may come back."""
        await self.user.__aexit__(None, None, None)
        self.user = self._user(self.user.session.side.channel_id)

    async def end(self) -> None:
        """Go offline for good."""
        await self.user.__aexit__(None, None, None)
        self._store.close()

    async def withdraw_partially(self, nano: int) -> None:
        """Take out `nano`; he goes on in the new channel."""
        before = self.user
        self.user = await before.withdraw_partially(nano)
        await before.__aexit__(None, None, None)

    def pair_now(self) -> tuple[SignedHalf, SignedHalf]:
        """The newest halves of both, signed: an honest exit today, a cheat's memory tomorrow."""
        replica = self.session.side.replica
        a, b = replica.channel.a, replica.channel.b
        if a is None or b is None:
            raise Rejected("demo.pair", "the channel is not agreed yet")
        signer = self._keystore.channel(replica.opened.salt)
        return SignedHalf(a.half, signer.sign(a.half.digest())), b
