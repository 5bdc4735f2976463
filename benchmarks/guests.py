"""Users of a soak: the client's own sessions and records, against `fairway serve` in a process of its own."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from msgspec.structs import replace
from websockets.asyncio.client import connect

from fairway.client.keystore import Keystore
from fairway.client.oracle import Oracle, OracleClient
from fairway.client.session import Session, Venue
from fairway.client.store import Store
from fairway.client.wish import Wish
from fairway.crypto.keys import Signer, derive_seed
from fairway.errors import FairwayError, Rejected
from fairway.exchange import event, wire
from fairway.exchange.listing import default_listings
from fairway.exchange.terms import Kind
from fairway.service import hub
from fairway.service.clock import wall_clock_ms
from fairway.service.founding import VENUE
from fairway.service.house import House, Settings
from fairway.service.journal import Journal
from fairway.units import TON

__all__ = ["Guest", "Prices", "Service", "lost", "prepared"]

NETWORK = -3
VAULT, PAYOUT = "0:" + "11" * 32, "0:" + "22" * 32
ORACLES = [Signer.of(derive_seed(b"soak", "oracle", bytes([place]))) for place in range(3)]
MARKET, MARK = 2, 51_500
DEPOSIT = 1_000 * TON
KEPT = 8
"""Orders that a user leaves in the book: the next one comes in the stead of his oldest."""
ROUND_S = 1.0
WITHIN_S = 60
PAGE = 1_000


class Guest:
    """One user. `takes` of his orders meet what rests, the others rest near the mark themselves."""

    def __init__(self, folder: Path, number: int, takes: float) -> None:
        self.store = Store(folder / f"guest-{number}.sqlite")
        self.keystore = Keystore(derive_seed(b"soak", "guest", number.to_bytes(4)))
        self.session: Session
        self._takes, self._chance = takes, random.Random(number)
        self._going: set[int] = set()
        self._task: asyncio.Task[None] | None = None

    def begin(self, venue: Venue) -> None:
        """Have a program run, over the record that is there."""
        known = self.store.channels()
        self.session = Session(venue, self.store, self.keystore, known[-1] if known else None)
        self._task = asyncio.create_task(self.session.run())

    async def end(self) -> None:
        """The program ends; what it knows is in the record."""
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def priced(self) -> None:
        """Return once he knows a price."""
        while MARKET not in self.session.side.replica.rounds:  # noqa: ASYNC110 - a few moments, once
            await asyncio.sleep(0.01)

    async def order(self) -> str:
        """One order; the code of its refusal, or nothing."""
        account, buy = self.session.account, self._chance.random() < 0.5
        mark = self.session.side.replica.rounds[MARKET].mark
        away = mark * self._chance.randint(200, 5_000) // 1_000_000
        if self._chance.random() < self._takes:
            wish = Wish(MARKET, buy, 1, mark + (away if buy else -away), Kind.IOC)
        else:
            wish = Wish(MARKET, buy, 1, mark - (away if buy else -away))
        live = [key for key in account.orders if key not in self._going]
        instead = live[:1] if len(live) >= KEPT else []
        self._going.update(instead)
        try:
            await self.session.place_many([wish], instead_of=instead)
        except Rejected as refusal:
            return refusal.code
        finally:
            self._going.difference_update(instead)
        return ""


class Service:
    """`fairway serve` over `folder`."""

    def __init__(self, process: asyncio.subprocess.Process, ready: dict[str, str]) -> None:
        self._process = process
        self.pid, self.url, self.ws = process.pid, ready["url"], ready["ws"]

    @classmethod
    async def begun(cls, folder: Path) -> Service:
        """The service, once it takes requests."""
        command = ["-m", "fairway", "serve", "--dir", str(folder), "--port", "0", "--ready-json"]
        process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        return cls(process, json.loads(await asyncio.wait_for(process.stdout.readline(), WITHIN_S)))

    async def stop(self) -> int:
        """SIGTERM; the exit status."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self._process.wait(), WITHIN_S)


class Prices:
    """The oracle of a service at `url`: a round a second, of a price that wanders a little."""

    def __init__(self, url: str) -> None:
        contracts = {listing.market: listing.contract for listing in default_listings()}
        self.oracle = Oracle(NETWORK, ORACLES, contracts, 1)
        self._client, self._chance, self._mark = OracleClient(url), random.Random(2), MARK

    def next_round(self) -> wire.Round:
        """Signed by all."""
        now_ms = wall_clock_ms()
        self._mark += self._chance.randint(-10, 10) - (self._mark - MARK) // 50
        self.oracle.observe(MARKET, "soak", self._mark, now_ms)
        return self.oracle.round(MARKET, now_ms)

    async def run(self) -> None:
        """Publish until cancelled; a service that does not answer is told the next round."""
        while True:
            await asyncio.sleep(ROUND_S)
            with suppress(FairwayError):
                await self.publish()

    async def publish(self) -> None:
        """The next round, durable on return."""
        await self._client.publish(self.next_round())


class _Inside:
    """A line into a house of this process."""

    def __init__(self, house: House) -> None:
        self._house, self._line = house, hub.Session(bytes(32))
        self._line.send(self._line.challenge)

    async def send(self, message: bytes) -> None:
        await self._house.desk.receive(self._line, message)

    async def recv(self) -> bytes:
        frame = await self._line.take()
        assert frame is not None
        return frame


def _found(folder: Path) -> None:
    folder.mkdir()
    keys = json.dumps([signer.key.hex() for signer in ORACLES])
    (folder / VENUE).write_text(
        f'network = {NETWORK}\nvault = "{VAULT}"\noracle_keys = {keys}\noracle_threshold = 2\n'
        'ratio = 10\nfine = "0.5"\nstorage_fee = "0.25"\nquarantine_s = 3600\nsettling_s = 3600\n'
        'patience_s = 600\nstale_s = 60\npool_seed = "100000"\ninsurance_seed = "1000"\n'
    )


async def _open(house: House, guests: list[Guest]) -> None:
    """Everybody has a funded channel: the chain is not what is soaked."""

    @asynccontextmanager
    async def dial() -> AsyncIterator[_Inside]:
        yield _Inside(house)

    for guest in guests:
        guest.begin(Venue(dial, NETWORK, VAULT))
        await asyncio.wait_for(guest.session.open(PAYOUT), WITHIN_S)
        funded = event.Funded(
            at_ms=wall_clock_ms(),
            channel_id=guest.session.side.channel_id,
            deposit_a=DEPOSIT,
            deposit_b=10 * DEPOSIT,
            transaction=bytes(32),
        )
        await house.sequencer.submit(funded)
        guest.session.fund(funded)
        await guest.end()


@asynccontextmanager
async def prepared(folder: Path, users: int, takes: float) -> AsyncIterator[tuple[Service, list[Guest]]]:
    """A service in a process of its own, and users at their lines."""
    _found(folder / "venue")
    guests = [Guest(folder, number, takes) for number in range(users)]
    house = House.open(Settings(folder / "venue"))
    running = asyncio.create_task(house.run())
    await _open(house, guests)
    await house.stop()
    await running
    house.close(clean=True)
    service = await Service.begun(folder / "venue")
    try:
        for guest in guests:
            guest.begin(Venue(partial(connect, service.ws, compression=None), NETWORK, VAULT))
            await asyncio.wait_for(guest.session.caught_up(), WITHIN_S)
        yield service, guests
    finally:
        for guest in guests:
            await guest.end()
            guest.store.close()
        await service.stop()


def lost(folder: Path, guests: list[Guest]) -> int:
    """How many halves of the service its users hold that its journal does not have as they were told."""
    journal, missing = Journal.open(folder / "venue"), 0
    try:
        for guest in guests:
            (channel_id,) = guest.store.channels()
            for told in guest.store.record(channel_id):
                if isinstance(told, wire.Pushed):
                    letter = journal.letter_at(channel_id, told.seqno)
                    kept = wire.decode_reply(letter.frame) if letter and letter.number == told.seqno else None
                    missing += not isinstance(kept, wire.Pushed) or not _same(told, kept)
    finally:
        journal.close()
    return missing


def _same(told: wire.Pushed, kept: wire.Pushed) -> bool:
    """Whether they are one half, signatures aside."""
    return replace(told, signature=kept.signature, receipts=kept.receipts) == kept
