"""A trading day, whole: the real service, real users' programs and the real contracts, and everything that goes wrong.

Every day begins from one morning: a vault, and traders who have their money in it. Trading and faults come together;
then an evening without faults, in which every order must resolve and everyone must get his money home. At last the
day's journal, the users' records and the chain are audited. A seed decides all of it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from unittest import mock

from fairway.chain.forks import ForkingChain
from fairway.chain.local import LocalChain
from fairway.chain.purse import Purse
from fairway.chain.router import GENESIS, Router
from fairway.client.lender import Lender
from fairway.crypto import keys
from fairway.errors import Unavailable
from fairway.exchange import event, wire
from fairway.exchange.draft import round_of
from fairway.exchange.terms import OracleRound
from fairway.service.deploy import deploy
from fairway.service.files import make_private_folder, write_private
from fairway.service.keys import Keyring
from fairway.units import TON
from tests.simulation.days.chain import Server, beat
from tests.simulation.days.evening import ends
from tests.simulation.days.faults import Faults
from tests.simulation.days.hurry import hurried
from tests.simulation.days.network import Network
from tests.simulation.days.person import Person
from tests.simulation.days.terms import CHARTER, DEPOSIT, LATE, MARKS, NETWORK, ORACLES, STALE_S, TRADERS
from tests.simulation.days.venue import Service
from tests.simulation.laws import Broken

HOURS_S, ROUND_S, CALAMITY_S = 75.0, 3.0, 6.0
DISK_S = 0.02
CALAMITIES = ("kill", "stop", "die", "die", "part", "dark", "gap", "gap", "back up", "back up")
GAPS = (930, 960, 980, 1_020, 1_040, 1_070)
"""What a price becomes in a jump, in thousandths."""


@dataclass(frozen=True)
class Morning:
    """What every day begins from: the chain, the files of everyone, how late it is, and the oracle's rounds."""

    chain: bytes
    files: dict[str, bytes]
    at_s: float
    vault: str
    rounds: tuple[wire.Round, ...]


class Day:
    """One day of `seed`, in `folder`."""

    def __init__(self, folder: Path, seed: int, morning: Morning | None = None) -> None:
        self.folder, self.seed = folder, seed
        self.random = Random(seed)
        self.count: Counter[str] = Counter()
        self.faults = Faults()
        self.vault, self.deposit, self.charter = "", DEPOSIT, CHARTER
        self.marks = dict(MARKS)
        self.rounds: list[wire.Round] = list(morning.rounds) if morning else []
        self.is_dark = self.is_over = False
        self.opens = asyncio.Event()
        self._began_s = GENESIS + (morning.at_s if morning else 0)
        router = Router(clock=self._now_s)
        self.chain = LocalChain(router)
        if morning is not None:
            self._wake_up(morning, router)
        self.network = Network(self.random, self.count, self.failed)
        self.server = Server(self.chain, self.random, self.count)
        self.service = Service(folder, self.random, self.network, self.server, self.now_ms, self.failed)
        self.persons = [Person(self, name, folder) for name in (*TRADERS, LATE)]
        self._trouble: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tasks: list[asyncio.Task[None]] = []

    def _wake_up(self, morning: Morning, router: Router) -> None:
        for name, content in morning.files.items():
            make_private_folder((self.folder / name).parent)
            write_private(self.folder / name, content)
        router.restore(morning.chain)
        self.vault = morning.vault
        if self.seed % 3 == 0:
            self.chain = ForkingChain(router)

    def _now_s(self) -> float:
        return self._began_s + asyncio.get_running_loop().time()

    def now_ms(self) -> int:
        return int(self._now_s() * 1000)

    def failed(self, trouble: BaseException | None) -> None:
        """Something that must not happen happened: the day ends with it."""
        if not self._trouble.done():
            self._trouble.set_exception(trouble or Broken("a program ended by itself"))

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Have `work` go on beside; what it raises ends the day."""
        task = asyncio.ensure_future(work)
        task.add_done_callback(self._ended)
        self._tasks.append(task)
        return task

    def _unhandled(self, _loop: object, context: dict[str, Any]) -> None:
        """What a timer raised ends the day; what nobody waits for any more, since its program was killed, does not."""
        if "handle" in context:
            self.failed(context["exception"])

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self.failed(task.exception())

    async def run(self, what: Awaitable[None]) -> None:
        """Do `what`; raises what broke meanwhile."""
        asyncio.get_running_loop().set_exception_handler(self._unhandled)
        seeded = Random(self.seed)
        with (
            mock.patch("fairway.client.session.secrets.token_bytes", seeded.randbytes),
            mock.patch("fairway.client.session.random.uniform", seeded.uniform),
        ):
            living = asyncio.ensure_future(what)
            try:
                await asyncio.wait({living, self._trouble}, return_when=asyncio.FIRST_COMPLETED)
                if self._trouble.done():
                    self._trouble.result()
                await living
            finally:
                for task in (living, *self._tasks):
                    task.cancel()
                await asyncio.gather(living, *self._tasks, return_exceptions=True)

    # The morning

    async def morning(self) -> None:
        """A venue comes to the chain, and traders with their money to the venue."""
        home = self.folder / "venue-0"
        make_private_folder(home)
        write_private(home / "root.key", keys.derive_seed(b"day", "service"))
        keyring = Keyring.open(home)
        await self.chain.fund(Purse(self.chain, keyring.operator(), NETWORK).address, 40_000 * TON)
        self.vault = await deploy(self.chain, keyring, CHARTER, home)
        for person in self.persons:
            person.home.mkdir()
            await self.chain.fund(person.purse.address, 5 * DEPOSIT)
        await self.chain.fund(self.lender().address, 5 * DEPOSIT)
        self._begin_venue()
        for person in self.persons[:-1]:
            self.begin(person.keep())
        for person in self.persons[:-1]:
            await person.is_here.wait()

    def asleep(self) -> Morning:
        """All of it as it lies on the disks now."""
        found = (path for path in self.folder.rglob("*") if path.is_file() and not path.name.endswith("-shm"))
        files = {str(path.relative_to(self.folder)): path.read_bytes() for path in found}
        at_s = asyncio.get_running_loop().time()
        return Morning(self.chain.router.snapshot(), files, at_s, self.vault, tuple(self.rounds))

    def _begin_venue(self) -> None:
        self.begin(beat(self))
        self.begin(self.service.keep())
        self.begin(self.oracle())

    def lender(self) -> Purse:
        return Purse(self.server, Keyring(keys.derive_seed(b"day", "lender")).operator(), NETWORK)

    # Trading

    async def live(self) -> None:
        await self.trading()
        self.is_over, self.is_dark = True, False
        self.set_faults(Faults())
        await ends(self)

    async def trading(self) -> None:
        self._begin_venue()
        for person in self.persons:
            self.begin(person.keep())
        for person in self.persons[:-1]:
            await person.is_here.wait()
        self.set_faults(Faults.of(self.random))
        self.opens.set()
        calamities = [self.begin(self.calamities()), self.begin(self.lends())]
        await asyncio.sleep(HOURS_S)
        for each in calamities:
            each.cancel()

    def set_faults(self, faults: Faults) -> None:
        """From now on these."""
        self.faults = faults
        self.network.faults, self.service.faults = faults.lines, faults.disk
        self.chain.router.weather, self.server.away = faults.weather, faults.away

    async def calamities(self) -> None:
        """One after the other, at moments that have nothing to do with what is under way."""
        while True:
            await asyncio.sleep(self.random.expovariate(1 / CALAMITY_S))
            person = self.random.choice(self.persons)
            match self.random.choice(CALAMITIES):
                case "kill":
                    self.service.kill()
                case "stop":
                    await self.service.stop()
                case "die":
                    person.die()
                case "part":
                    self.begin(self.parted(person.name))
                case "dark":
                    self.begin(self.dark())
                case "gap":
                    self.gap(self.random.choice(list(MARKS)))
                case _:
                    person.back_up()

    async def parted(self, name: str) -> None:
        """A user has no network for a while."""
        self.network.part(name)
        await asyncio.sleep(self.random.uniform(1, 40))
        self.network.join(name)

    async def dark(self) -> None:
        """The oracle is away for a while, and prices go on without it."""
        self.count["oracle outages"] += 1
        self.is_dark = True
        await asyncio.sleep(self.random.uniform(5, 2 * STALE_S))
        self.is_dark = False
        self.gap(self.random.choice(list(MARKS)))

    def gap(self, market: int) -> None:
        """The price jumps."""
        self.count["gaps"] += 1
        self.marks[market] = self.marks[market] * self.random.choice(GAPS) // 1_000

    async def lends(self) -> None:
        """A lender comes, if the chain lets him."""
        await asyncio.sleep(self.random.uniform(0, HOURS_S))
        with suppress(Unavailable):
            await Lender(self.server, self.lender(), self.vault).lend(DEPOSIT)

    async def oracle(self) -> None:
        """Rounds of every market for ever, and none while it is dark."""
        while True:
            for market in MARKS:
                if not self.is_dark:
                    await self.price(market)
            await asyncio.sleep(ROUND_S)

    async def price(self, market: int) -> None:
        mark = self.marks[market]
        self.marks[market] = max(1_000, mark + mark * self.random.randint(-3_000, 3_000) // 1_000_000)
        number = sum(each.market == market for each in self.rounds) + 1
        made = OracleRound(NETWORK, market, number, self.now_ms(), mark, mark, 0)
        signatures = {place: keys.sign(seed, made.digest()) for place, seed in enumerate(ORACLES[:2])}
        priced = event.Priced(
            at_ms=0,
            market=market,
            round=number,
            round_ms=made.at_ms,
            index=mark,
            mark=mark,
            funding=0,
            signatures=signatures,
        )
        self.rounds.append(round_of(priced))
        if self.network.serving is not None and self.service.house is not None:
            with suppress(Unavailable):
                await self.service.house.sequencer.submit(priced)


def break_of_day() -> Morning:
    """A morning, made anew."""

    async def made() -> Morning:
        with TemporaryDirectory() as folder:
            day = Day(Path(folder), 0)
            await day.run(day.morning())
            return day.asleep()

    return hurried(made(), lambda: 0.0)


class Lived(NamedTuple):
    """What happened how often, and the hash of the journal's last entry."""

    count: Counter[str]
    head: bytes


def play(seed: int, morning: Morning) -> Lived:
    """Live through the day of `seed`. Raises what broke."""
    chance = Random(seed + 1)

    async def lived() -> Lived:
        with TemporaryDirectory() as folder:
            day = Day(Path(folder), seed, morning)
            await day.run(day.live())
            return Lived(day.count, day.service.house.journal.newest.hash)

    return hurried(lived(), partial(chance.uniform, 0, DISK_S))
