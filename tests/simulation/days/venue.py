"""The service's process in a simulated day: the real house on a disk and a chain that fail, killed and begun again.

Every event is looked at by `Laws` before anyone hears of it. After each restart the journal is executed a second time:
it must lead to the state that the house is in, and hold all that anybody was ever told.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from unittest import mock

from msgspec.structs import replace

from fairway.chain.opening import ChainAt
from fairway.errors import Unavailable
from fairway.exchange import effect, event, wire
from fairway.exchange.draft import unsigned
from fairway.exchange.engine import Engine
from fairway.service.api.socket import Socket
from fairway.service.house import House, Settings
from fairway.service.journal import Letter
from tests.simulation.days.disk import UNSYNCED, Picture, torn
from tests.simulation.laws import Laws, hold

JOURNAL = "journal.sqlite"
PAUSE_S = (0.5, 8.0)
"""How long it takes until a dead service is begun again."""


class PowerCutError(BaseException):
    """The process is no more: nothing that would catch an error may catch this."""


@dataclass(frozen=True)
class DiskFaults:
    """How often a write ends so: not begun, torn, done and nobody told; refused; done and said to have failed."""

    cut_before: float = 0.0
    torn: float = 0.0
    cut_after: float = 0.0
    full: float = 0.0
    lying: float = 0.0


class Away:
    """Provers who never answer: trading and leaving do not wait for them."""

    count = 1

    async def do(self, errand: Callable[..., object], *arguments: object) -> object:
        return await asyncio.Event().wait()

    def close(self) -> None:
        pass


class Time:
    """The simulation's clock."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self.now_ms = now_ms

    async def follow(self, chain: object) -> None:
        await asyncio.Event().wait()


class Watched:
    """The machine in the middle of the house, with `laws` looking at each event."""

    def __init__(self, engine: Engine, laws: Laws) -> None:
        self.laws = laws
        self.authenticate, self.digest, self.book_digest = engine.authenticate, engine.digest, engine.book_digest
        self._engine = engine
        self.forced: set[bytes] = set()
        """Who was liquidated or deleveraged after his close had begun: the chain knows nothing of that."""

    def apply(self, happened: event.AnyEvent) -> list[effect.AnyEffect]:
        before = self._in_dispute()
        effects = self._engine.apply(happened)
        self.laws.after(happened, effects)
        if isinstance(happened, event.Priced):
            after = self._in_dispute()
            self.forced |= {
                name
                for name, (exit_ms, lots) in before.items()
                if happened.round_ms < exit_ms and after[name][1] != lots
            }
        return effects

    def _in_dispute(self) -> dict[bytes, tuple[int, int]]:
        accounts, market_lots = self._engine.accounts, {}
        for name, exit_ms in self._engine.venue.disputes.items():
            held = accounts[name].positions.values()
            market_lots[name] = exit_ms, sum(each.position.lots for each in held)
        return market_lots


class Service:
    """One service over journals in `folder`, one for each time that it was begun. `failed` hears of our own faults."""

    def __init__(self, folder: Path, random: Random, network, chain, now_ms, failed) -> None:
        self.folder, self.random = folder, random
        self.network, self.chain, self.now_ms, self.failed = network, chain, now_ms, failed
        self.count = network.count
        self.faults = DiskFaults()
        self.begun = 0
        self.house: House | None = None
        self.laws = Laws(Engine())
        self._running: asyncio.Task[None] | None = None

    @property
    def home(self) -> Path:
        """Where the journal of this beginning is."""
        return self.folder / f"venue-{self.begun}"

    # Beginning and going on

    async def keep(self) -> None:
        """Begin, and begin again after every end, until cancelled."""
        while True:
            self.begin()
            assert self._running is not None
            await asyncio.wait({self._running})
            self._ended(self._running)
            await asyncio.sleep(self.random.uniform(*PAUSE_S))

    def begin(self) -> None:
        settings = Settings(self.home, provers=Away(), chain=ChainAt("simulated"), clock=Time(self.now_ms))
        with mock.patch("fairway.service.house.make_chain", return_value=self.chain):
            self.house = House.open(settings)
        self.house.journal._database.execute(UNSYNCED)
        self._compare(self.house)
        self.house.sequencer._machine = self.watched = Watched(self.house.engine, self.laws)
        self.house.journal.append = self._fails(self.house.journal.append)
        self.network.serving = Socket(self.house.desk, self.house.hub, self.house.meter)
        self._running = asyncio.ensure_future(self.house.run())

    def _compare(self, house: House) -> None:
        """Execute the journal once more; I5, and I3 for all that was said on any line."""
        laws, said = Laws(Engine()), {}
        refused = {}
        for entry in house.journal.entries():
            happened = event.decode(entry.payload)
            effects = laws.engine.apply(happened)
            laws.learn(happened, effects)
            for wanted in effects:
                if isinstance(wanted, effect.Push | effect.SignHalf):
                    said[wanted.channel_id, wanted.half.seqno] = unsigned(wanted)
                elif isinstance(wanted, effect.Refuse):
                    refused[wanted.channel_id, wanted.seqno] = wanted.code
        hold("I5", that=laws.engine.digest() == house.engine.digest(), says="the house is not where its journal leads")
        for place, reply in self.network.tap.told.items():
            hold(
                "I3",
                that=_same(reply, said.get(place)),
                says=f"half {place[1]} of {place[0].hex()} was told and is lost",
            )
        for place, code in self.network.tap.refused.items():
            known = refused.get(place)
            hold("I3", that=known == code, says=f"the refusal {code} of half {place[1]} is lost: {known}")
        laws.engine = house.engine
        laws.stand()
        laws.count = self.laws.count
        self.laws = laws

    # Ends

    def kill(self, left: Picture | None = None) -> None:
        """The power is cut; `left` is on the disk, or what is written by now."""
        if self._running is None or self.network.serving is None:
            return
        self.count["service killed"] += 1
        self._lay(left or Picture.of(self.home / JOURNAL))
        self._running.cancel()

    def _lay(self, left: Picture) -> None:
        """What the next beginning finds."""
        assert self.house is not None
        self.network.service_died()
        before = self.home
        self.begun += 1
        self.home.mkdir(mode=0o700)
        for name in ("root.key", "venue.toml"):
            shutil.copy2(before / name, self.home / name)
        left.lay(self.home / JOURNAL)
        self._lay_seal(before)

    def _lay_seal(self, before: Path) -> None:
        with suppress(FileNotFoundError):
            shutil.copy2(before / "manifest.json", self.home / "manifest.json")

    def _ended(self, running: asyncio.Task[None]) -> None:
        """By a cut, or by itself: then as a process ends, with nothing closed in order."""
        house, is_dead = self.house, self.network.serving is None
        assert house is not None
        self.count["restarts"] += 1
        trouble = None if running.cancelled() else running.exception()
        if is_dead:
            house.journal.close()
        elif trouble is None:
            house.close(clean=True)
            self._lay(Picture.of(self.home / JOURNAL))
        else:
            self._lay(Picture.of(self.home / JOURNAL))
            house.journal.close()
        if isinstance(trouble, Unavailable):
            self.count[f"service ended by {trouble.code}"] += 1
        elif trouble is not None and not isinstance(trouble, PowerCutError):
            self.failed(trouble)

    async def stop(self) -> None:
        """SIGTERM: what is queued becomes durable, and the journal is sealed."""
        house, running = self.house, self._running
        if house is None or running is None or self.network.serving is None:
            return
        self.count["service stopped"] += 1
        await house.stop()
        with suppress(BaseException):
            await asyncio.shield(running)

    # The disk

    def _fails(self, append: Callable[..., int]) -> Callable[..., int]:
        """`append` on a disk that fails, and that a dead process does not write on."""
        beginning = self.begun

        def failing(payloads: Sequence[bytes], letters: Sequence[Letter] = ()) -> int:
            if self.begun != beginning:
                raise PowerCutError
            faults, drawn, path = self.faults, self.random.random(), self.home / JOURNAL
            for name, chance in vars(faults).items():
                if drawn < chance:
                    self.count[f"disk: {name}"] += 1
                    return getattr(self, "_" + name)(path, lambda: append(payloads, letters))
                drawn -= chance
            return append(payloads, letters)

        return failing

    def _cut_before(self, _path: Path, _write: Callable[[], int]) -> int:
        self.kill()
        raise PowerCutError

    def _torn(self, path: Path, write: Callable[[], int]) -> int:
        before = Picture.of(path)
        write()
        self.kill(torn(before, Picture.of(path), self.random))
        raise PowerCutError

    def _cut_after(self, _path: Path, write: Callable[[], int]) -> int:
        write()
        self.kill()
        raise PowerCutError

    def _full(self, _path: Path, _write: Callable[[], int]) -> int:
        raise Unavailable("journal.full", "the disk is full; the journal takes no more entries")

    def _lying(self, _path: Path, write: Callable[[], int]) -> int:
        write()
        raise Unavailable("journal.disk", "the journal's disk failed")


def _same(told: wire.Pushed | wire.Granted, kept: wire.Pushed | wire.Granted | None) -> bool:
    """Whether what was told is what the journal has, signatures aside."""
    if isinstance(told, wire.Granted):
        return isinstance(kept, wire.Granted)
    if not isinstance(kept, wire.Pushed):
        return False
    return replace(told, signature=kept.signature, receipts=kept.receipts) == kept
