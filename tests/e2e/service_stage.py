"""A service as a process of its own over a folder, and users who reach it by WebSocket."""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from websockets.asyncio.client import connect

from fairway.client.keystore import Keystore
from fairway.client.session import Session, Venue
from fairway.client.store import Store
from fairway.crypto import keys
from fairway.exchange import event, wire
from fairway.exchange.terms import OracleRound
from fairway.service.clock import wall_clock_ms
from fairway.service.house import House, Settings
from fairway.units import TON

NETWORK = -3
VAULT = "0:" + "11" * 32
PAYOUT = "0:" + "22" * 32
ORACLES = [keys.derive_seed(b"service stage", "oracle", bytes([place])) for place in range(3)]
MARKET, SYMBOL, MARK = 2, "ETH-TON", 51_500
DEPOSIT = 1_000 * TON
WITHIN_S = 30


def found(folder: Path) -> Path:
    """A folder that a service can be founded in."""
    folder.mkdir(exist_ok=True)
    oracle_keys = json.dumps([keys.public_key(seed).hex() for seed in ORACLES])
    (folder / "venue.toml").write_text(
        f'network = {NETWORK}\nvault = "{VAULT}"\noracle_keys = {oracle_keys}\noracle_threshold = 2\n'
        'ratio = 10\nfine = "0.5"\nstorage_fee = "0.25"\nquarantine_s = 3600\nsettling_s = 3600\n'
        'patience_s = 600\nstale_s = 0\npool_seed = "100000"\ninsurance_seed = "1000"\n'
    )
    return folder


def priced(number: int, mark: int = MARK) -> event.Priced:
    """Round `number` of the oracle."""
    at_ms = 1_700_000_000_000 + number
    digest = OracleRound(NETWORK, MARKET, number, at_ms, mark, mark, 0).digest()
    signatures = {place: keys.sign(seed, digest) for place, seed in enumerate(ORACLES[:2])}
    return event.Priced(
        at_ms=0, market=MARKET, round=number, round_ms=at_ms, index=mark, mark=mark, funding=0, signatures=signatures
    )


def posted(priced_: event.Priced) -> dict[str, object]:
    """The round as REST takes it."""
    return {
        "market": priced_.market,
        "round": priced_.round,
        "roundMs": priced_.round_ms,
        "index": priced_.index,
        "mark": priced_.mark,
        "funding": str(priced_.funding),
        "signatures": {str(place): signature.hex() for place, signature in priced_.signatures.items()},
    }


class Process:
    """`fairway serve` over a folder, with the bug `planted` in it."""

    def __init__(self, folder: Path, *options: str, planted: str = "") -> None:
        script = planted + "\nfrom fairway.cli.app import main\nmain()"
        command = [sys.executable, "-c", script, "serve", "--ready-json"]
        self.process = subprocess.Popen(
            [*command, "--dir", str(folder), "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        atexit.register(self.process.kill)  # whatever becomes of the test
        self.ready = json.loads(self.process.stdout.readline() or b"{}")
        if not self.ready:
            raise AssertionError(self.process.stderr.read().decode())

    def get(self, path: str):
        """What GET answers: its status and JSON."""
        return self._ask(urllib.request.Request(self.ready["url"] + path))

    def post(self, path: str, body: object):
        """What POST answers: its status and JSON."""
        headers = {"Content-Type": "application/json"}
        return self._ask(urllib.request.Request(self.ready["url"] + path, json.dumps(body).encode(), headers))

    @staticmethod
    def _ask(request):
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait(WITHIN_S)
        self._close()

    def wait(self) -> int:
        """The exit status, when it ends by itself."""
        status = self.process.wait(WITHIN_S)
        self._close()
        return status

    def _close(self) -> None:
        self.errors = self.process.stderr.read().decode()
        self.process.stdout.close()
        self.process.stderr.close()


class Trader:
    """A user's session over a real WebSocket; `url` may change from one process to the next."""

    def __init__(self, folder: Path, name: str) -> None:
        self.url = ""
        self.seen: dict[int, wire.Pushed] = {}
        self.store = Store(folder / f"{name}.sqlite")
        self.keystore = Keystore(keys.derive_seed(b"service stage", name))
        self.session = self._session(None)
        self.task: asyncio.Task[None] | None = None
        self._pushed = asyncio.Event()

    def _session(self, channel_id: bytes | None) -> Session:
        venue = Venue(lambda: connect(self.url, open_timeout=5), NETWORK, VAULT)
        return Session(venue, self.store, self.keystore, channel_id, notify=self._note)

    def _note(self, notice: object) -> None:
        if isinstance(notice, wire.Pushed):
            self.seen[notice.seqno] = notice
            self._pushed.set()

    async def until(self, holds) -> None:
        """Wait until pushes have made `holds` true of the account."""
        while not holds(self.session.account):
            await self.next_push()

    async def next_push(self) -> None:
        """Wait for one more push."""
        self._pushed.clear()
        await self._pushed.wait()

    @property
    def channel_id(self) -> bytes:
        return self.session.side.channel_id

    def start(self) -> None:
        self.task = asyncio.create_task(self.session.run())

    async def restart(self, url: str) -> None:
        """A new session over the same record, as a new program of the user would have it; no pause before it dials."""
        await self._stop()
        self.url = url
        self.session = self._session(self.channel_id)
        self.start()

    async def end(self) -> None:
        await self._stop()
        self.store.close()

    async def _stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            with suppress(asyncio.CancelledError):
                await self.task


class LocalLine:
    """A session's line into a house of this process."""

    def __init__(self, house: House) -> None:
        from fairway.service.hub import Session as Line

        self._house, self._line = house, Line(bytes(32))
        self._line.send(self._line.challenge)

    async def send(self, message: bytes) -> None:
        await self._house.desk.receive(self._line, message)

    async def recv(self) -> bytes:
        frame = await self._line.take()
        assert frame is not None
        return frame


@asynccontextmanager
async def prepared(folder: Path, *names: str):
    """Traders with funded channels at a service whose journal is sealed in `folder`, at round 1."""
    house = House.open(Settings(found(folder)))
    running = asyncio.create_task(house.run())
    traders = [Trader(folder.parent, name) for name in names]

    @asynccontextmanager
    async def dial():
        yield LocalLine(house)

    await house.sequencer.submit(priced(1))
    for trader in traders:
        trader.session.venue = Venue(dial, NETWORK, VAULT)
        trader.start()
        async with asyncio.timeout(WITHIN_S):
            await trader.session.open(PAYOUT)
        funded = event.Funded(
            at_ms=wall_clock_ms(),
            channel_id=trader.channel_id,
            deposit_a=DEPOSIT,
            deposit_b=10 * DEPOSIT,
            transaction=bytes(32),
        )
        await house.sequencer.submit(funded)
        trader.session.fund(funded)
        trader.task.cancel()
    await house.stop()
    await running
    house.close(clean=True)
    for trader in traders:
        trader.session = trader._session(trader.channel_id)
    try:
        yield traders
    finally:
        for trader in traders:
            await trader.end()
