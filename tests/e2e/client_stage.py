"""A whole service in this process, users' sessions on lines without sockets, and a man between who holds its keys.

Everything but the transport is the real thing: engine, sequencer, journal, desk on one side; session, side, replica,
record on the other.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from msgspec.structs import replace

from fairway.channel import codec
from fairway.channel.machine import newest_b
from fairway.client.keystore import Keystore
from fairway.client.session import Session, Venue
from fairway.client.store import Store
from fairway.crypto import keys
from fairway.exchange import effect, event, wire
from fairway.exchange.engine import Engine
from fairway.exchange.listing import default_listings
from fairway.exchange.terms import OracleRound
from fairway.exchange.withdrawal import commit_statement
from fairway.service import hub
from fairway.service.desk import Desk
from fairway.service.journal import Journal
from fairway.service.keys import Keyring
from fairway.service.meter import Meter
from fairway.service.perform import Hands
from fairway.service.run import Sequencer
from fairway.ton.wallet import Wallet
from fairway.units import TON

NETWORK = -3
VAULT = "0:" + "11" * 32
PAYOUT = "0:" + "22" * 32
ORACLES = [keys.derive_seed(b"stage", "oracle", bytes([place])) for place in range(3)]
MARKET, MARK = 2, 51_500
WITHIN_S = 30

Tamper = Callable[[wire.AnyReply], wire.AnyReply | None]


class Line:
    """One connection into the service; `tamper` sees every reply on its way out, and may keep it."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._session = hub.Session(secrets.token_bytes(32))
        self._session.send(self._session.challenge)
        self._greeted = False
        self.cut = asyncio.Event()

    async def send(self, message: bytes) -> None:
        if self.cut.is_set():
            raise ConnectionResetError
        self._stage.heard.append(message)
        await self._stage.desk.receive(self._session, message)

    async def recv(self) -> bytes:
        while True:
            frame = await self._next()
            if not self._greeted:
                self._greeted = True
                return frame
            reply = self._stage.tamper(wire.decode_reply(frame))
            if reply is not None:
                return wire.encode(reply)

    async def _next(self) -> bytes:
        take, cut = asyncio.ensure_future(self._session.take()), asyncio.ensure_future(self.cut.wait())
        try:
            await asyncio.wait({take, cut}, return_when=asyncio.FIRST_COMPLETED)
            if self.cut.is_set():
                raise ConnectionResetError
            frame = take.result()
            assert frame is not None, "a slow reader"
            return frame
        finally:
            take.cancel()
            cut.cancel()

    def leave(self) -> None:
        self._stage.hub.leave(self._session)


class Stage:
    """The service, its oracle and its chain; `sign` is the malicious operator's pen."""

    def __init__(self, folder: Path, vault: str = VAULT) -> None:
        self.folder = folder
        self.vault = vault
        self.now_ms = 1_700_000_000_000
        self.engine = Engine()
        self.keyring = Keyring.open(folder / "service")
        journal = Journal.open(folder / "service")
        self.hub, meter = hub.Hub(), Meter(lambda: self.now_ms)
        hands = Hands(self.engine, self.keyring, self.hub, meter, [self])
        self.sequencer = Sequencer(self.engine, journal, hands, lambda: self.now_ms)
        self.desk = Desk(self.engine, self.sequencer, journal, self.keyring, self.hub, hands)
        self.tamper: Tamper = lambda reply: reply
        self.heard: list[bytes] = []
        self.lines: list[Line] = []
        self.down = False
        self.round = 0
        if journal.newest.seq < 0:
            self._found()
        self.sequencer.replay()
        self.users: dict[str, User] = {}

    def _found(self) -> None:
        self.sequencer.found(
            event.Founded(
                at_ms=self.now_ms,
                network=NETWORK,
                vault=self.vault,
                oracle_keys=[keys.public_key(seed) for seed in ORACLES],
                oracle_threshold=2,
                listings=default_listings(),
                ratio=10,
                fine=TON // 2,
                storage_fee=TON // 4,
                quarantine_s=3600,
                settling_s=3600,
                patience_ms=600_000,
                pool_seed=100_000 * TON,
                insurance_seed=1_000 * TON,
                secret=self.keyring.pool_secret(),
            )
        )

    @property
    def venue(self) -> Venue:
        return Venue(self.dial, NETWORK, self.vault)

    def treasury(self) -> str:
        return Wallet(self.keyring.operator().key, NETWORK).address

    def note(self, _happened: event.AnyEvent, effects: Sequence[effect.AnyEffect]) -> None:
        """Sign the closes and withdrawals that the engine agreed to; the users hand them to the chain."""
        for wanted in effects:
            if isinstance(wanted, effect.SignClose):
                channel = self.engine.channels[wanted.channel_id]
                sums = (wanted.sent_a, wanted.sent_b, wanted.seqno_a, wanted.seqno_b)
                signature = self._signed(wanted.channel_id, codec.Close(channel.channel_id, *sums))
                self.hub.send(wanted.channel_id, wire.encode(wire.CloseSigned(wanted.channel_id, signature)))
            elif isinstance(wanted, effect.SignCommit):
                total = wanted.committed.withdraw_a
                signature = self._signed(wanted.channel_id, commit_statement(wanted.committed, wanted.channel_id))
                self.hub.send(wanted.channel_id, wire.encode(wire.CommitSigned(wanted.channel_id, total, signature)))

    def _signed(self, channel_id: bytes, statement: codec.Statement) -> bytes:
        key_a = self.engine.channels[channel_id].key_a
        return self.keyring.channel(NETWORK, self.vault, key_a).sign(statement.digest())

    @asynccontextmanager
    async def dial(self) -> AsyncIterator[Line]:
        if self.down:
            raise ConnectionRefusedError
        line = Line(self)
        self.lines.append(line)
        try:
            yield line
        finally:
            line.leave()

    def cut(self) -> None:
        """Drop every connection."""
        for line in self.lines:
            line.cut.set()
        self.lines.clear()

    async def price(self, mark: int, market: int = MARKET, funding: int = 0) -> None:
        await self.sequencer.submit(self.priced(mark, market, funding))

    def priced(self, mark: int, market: int = MARKET, funding: int = 0) -> event.Priced:
        self.round += 1
        self.now_ms += 1_000
        signed = OracleRound(NETWORK, market, self.round, self.now_ms, mark, mark, funding)
        signatures = {place: keys.sign(seed, signed.digest()) for place, seed in enumerate(ORACLES[:2])}
        return event.Priced(
            at_ms=0,
            market=market,
            round=self.round,
            round_ms=self.now_ms,
            index=mark,
            mark=mark,
            funding=funding,
            signatures=signatures,
        )

    async def user(self, name: str, deposit: int = 1_000 * TON, session: type[Session] = Session) -> User:
        """A user with an open, funded channel."""
        user = self.users[name] = User(self, name, session)
        user.start()
        async with asyncio.timeout(WITHIN_S):
            await user.session.open(PAYOUT)
            funded = event.Funded(
                at_ms=self.now_ms,
                channel_id=user.channel_id,
                deposit_a=deposit,
                deposit_b=10 * deposit,
                transaction=bytes(32),
            )
            await self.sequencer.submit(funded)
            user.session.fund(funded)
        return user

    def sign(self, pushed: wire.Pushed) -> wire.Pushed:
        """`pushed` under the service's true signature, whatever it says."""
        user = next(user for user in self.users.values() if user.channel_id == pushed.channel_id)
        replica = user.session.side.replica
        signer = self.keyring.channel(NETWORK, self.vault, replica.opened.key_a)
        return replace(pushed, signature=signer.sign(replica.half_of_service(pushed).digest()))


class User:
    """One user on one machine: files, session, and the task that keeps its line."""

    def __init__(self, stage: Stage, name: str, session: type[Session]) -> None:
        self.stage = stage
        self.folder = stage.folder / name
        self.folder.mkdir()
        self.keystore = Keystore(keys.derive_seed(b"stage", name))
        self.store = Store(self.folder / "record.sqlite")
        self.notices: list[object] = []
        self.kind = session
        self.session = self._session(None)
        self.task: asyncio.Task[None] | None = None

    def _session(self, channel_id: bytes | None) -> Session:
        return self.kind(
            self.stage.venue,
            self.store,
            self.keystore,
            channel_id,
            notify=self.notices.append,
            clock_ms=lambda: self.stage.now_ms,
        )

    @property
    def channel_id(self) -> bytes:
        return self.session.side.channel_id

    @property
    def account(self):
        return self.session.account

    def start(self) -> None:
        self.task = asyncio.create_task(self.session.run())

    async def crash(self) -> None:
        """The process is gone; the file is as it was at that instant."""
        assert self.task is not None
        self.task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await self.task
        self.store.close()

    def restart(self) -> None:
        """A new process over the same files."""
        self.store = Store(self.folder / "record.sqlite")
        (channel_id,) = self.store.channels()
        self.session = self._session(channel_id)
        self.start()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for what an answer will make true."""
        async with asyncio.timeout(WITHIN_S):
            await self.session._until(holds)

    async def settle(self) -> None:
        """Wait until the service's newest half has arrived."""
        newest = newest_b(self.stage.engine.channels[self.channel_id])
        await self.until(lambda: self.session.side.replica.newest_b >= newest)


@asynccontextmanager
async def stage(folder: Path, vault: str = VAULT) -> AsyncIterator[Stage]:
    """A running service at the first round of its market."""
    service = Stage(folder, vault)
    loop = asyncio.create_task(service.sequencer.run())
    await service.price(MARK)
    try:
        yield service
    finally:
        for user in service.users.values():
            if user.task is not None:
                user.task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await user.task
            user.store.close()
        await service.sequencer.close()
        await loop
