"""One service, put together: what `fairway serve` runs, and what a test runs in its own process.

open()   lock the journal, found the venue or replay it
run()    serve until `stop()`, or until our own fault or the disk stops us
close()  prove what is left if asked, seal the journal
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from fairway.chain.codes import check_code
from fairway.chain.opening import ChainAt, OpenChain, make_chain
from fairway.errors import Unavailable
from fairway.exchange.event import AnyEvent
from fairway.service.clock import Clock, WallClock, wall_clock_ms
from fairway.service.desk import Desk
from fairway.service.errands import Errands
from fairway.service.following import LEAST, Following
from fairway.service.founding import read_founding
from fairway.service.hub import Hub
from fairway.service.journal import Journal
from fairway.service.keys import Keyring
from fairway.service.meter import Meter
from fairway.service.perform import Hands, Helper
from fairway.service.prover import Provers
from fairway.service.run import CHECKPOINT_EVERY, Replayed, Sequencer
from fairway.service.snapshot import Found, find, keep
from fairway.service.state import State
from fairway.service.views import Views
from fairway.service.vigil import Vigil
from fairway.service.watch import Watch
from fairway.service.workers import Processes, Workers
from fairway.ton.wallet import Wallet

__all__ = ["House", "Settings"]

SAMPLE_S = 1
STRANGERS = frozenset({"chain.network", "chain.code"})
"""What no waiting makes better."""


def _nobody(line: str) -> None:
    """Where nobody listens."""
    del line


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator chooses. `epoch` settlements are ranged together; `prove_at_exit` leaves none unproven.

    Without `chain` deposits and payouts come and go by events that somebody else submits. A snapshot is written, where
    one is worth it, every `snapshot_every` entries and at the end; 0: none is written or used. `tell` takes lines.
    """

    folder: Path
    passphrase: bytes | None = field(default=None, repr=False)
    provers: Workers = field(default_factory=lambda: Processes(1))
    epoch: int = 64
    prove_at_exit: bool = False
    chain: ChainAt | None = None
    clock: Clock = field(default_factory=WallClock)
    snapshot_every: int = 0
    tell: Callable[[str], None] = _nobody


class House:
    """A service that is open: its engine, its journal, and everyone who works on them."""

    def __init__(
        self, settings: Settings, keyring: Keyring, journal: Journal, found: Found, helpers: list[Helper]
    ) -> None:
        self.settings = settings
        self.keyring = keyring
        self.journal = journal
        self.clock = settings.clock
        self._state = state = found.state
        self.engine, self.tape, self.trades, self.proofs = state.engine, state.tape, state.trades, state.proofs
        self.hub = Hub()
        self.meter = Meter(wall_clock_ms)
        self.provers = Provers(self._submit, settings.provers, settings.epoch, state.wanted)
        self._chain = make_chain(settings.chain) if settings.chain else None
        self._onchain: list[Watch | Errands] = []
        if self._chain is not None:
            watch = Watch(self._chain, self.engine, self._submit, self._treasury)
            for channel_id in self.engine.channels if found.seq >= 0 else ():
                watch.follow(channel_id)
            self._onchain = [watch, Errands(self._chain, self.engine, keyring, self.hub, state.docket)]
        aids: list[Helper] = [self.tape, self.trades, self.provers, self.proofs]
        aids += self._onchain or [state.docket]
        aids += helpers
        hands = Hands(self.engine, keyring, self.hub, self.meter, aids)
        every = settings.snapshot_every or CHECKPOINT_EVERY
        self.sequencer = Sequencer(self.engine, journal, hands, self.clock.now_ms, checkpoint_every=every)
        self.following = Following(settings.folder, journal, state.docket, found.seq, settings.tell)
        self.views = Views(self.engine, journal, self.sequencer)
        self._vigil = Vigil(self.engine, self.sequencer.ask, self._submit, keyring.switches())
        self.desk = Desk(self.engine, self.sequencer, journal, keyring, self.hub, hands)
        self.replayed = Replayed(0, 0, 0)

    @classmethod
    def open(cls, settings: Settings, *helpers: Helper) -> Self:
        """The service in `settings.folder`, its state as the journal has it; founded there if the journal is empty.

        It goes on from the newest snapshot that is good; `settings.tell` hears of others. Raises `Unavailable` with a
        code of `keys`, `journal`, `files` or `venue`.
        """
        keyring = Keyring.open(settings.folder, settings.passphrase)
        journal = Journal.open(settings.folder)
        try:
            found = find(settings.folder, journal) if settings.snapshot_every else Found(-1, State(), [])
            for line in found.refused:
                settings.tell(line)
            house = cls(settings, keyring, journal, found, list(helpers))
            if journal.newest.seq < 0:
                switches = keyring.switches().key
                founding = read_founding(settings.folder, keyring.pool_secret(), settings.clock.now_ms(), switches)
                house.sequencer.found(founding)
            house.replayed = house.sequencer.replay(found.seq)
            house._keep_what_was_replayed()
        except BaseException:
            journal.close()
            raise
        return house

    def _keep_what_was_replayed(self) -> None:
        """After a long replay, a snapshot of what it gave: the follower goes on from there too."""
        newest, every = self.journal.newest, self.settings.snapshot_every
        if not every or newest.seq - self.replayed.since < every:
            return
        self.sequencer.checkpoint()
        checkpoint = self.journal.checkpoint_at(newest.seq)
        try:
            if checkpoint is not None:
                keep(self.settings.folder, self._state, newest.hash, checkpoint)
                self.following.go_on_from(newest.seq)
        except Unavailable as trouble:
            self.settings.tell(f"there is no snapshot at entry {newest.seq}: {trouble}")

    async def run(self) -> None:
        """Serve until `stop`. Raises what ended it early: `IllegalTransition`, or `Unavailable` from the journal."""
        loop = asyncio.ensure_future(self.sequencer.run())
        aids = [asyncio.ensure_future(self.provers.run()), asyncio.ensure_future(self._sample())]
        aids.append(asyncio.ensure_future(self.views.run()))
        aids.append(asyncio.ensure_future(self._vigil.run()))
        aids += [asyncio.ensure_future(each.run()) for each in self._onchain]
        if self._chain is not None:
            aids.append(asyncio.ensure_future(self.clock.follow(self._chain)))
            aids.append(asyncio.ensure_future(self._examine(self._chain)))
        if self.settings.snapshot_every:
            aids.append(asyncio.ensure_future(self.following.run(self.sequencer.ask, self._least())))
        try:
            await asyncio.wait({loop, *aids}, return_when=asyncio.FIRST_COMPLETED)
            for aid in aids:
                if aid.done():
                    aid.result()
            await loop
            await self._end_with_a_snapshot()
        finally:
            for task in (loop, *aids):
                task.cancel()
            await asyncio.gather(loop, *aids, return_exceptions=True)
            self.provers.close()
            await self.following.close()
            if self._chain is not None:
                await self._chain.close()

    async def stop(self) -> None:
        """Prove what is left if the settings say so, take no more wishes, and let `run` end after those queued."""
        if self.settings.prove_at_exit:
            with suppress(Unavailable):  # the loop has ended by itself
                await self.provers.finish()
        await self.sequencer.close()

    def close(self, *, clean: bool) -> None:
        """Seal the journal after a clean run; leave it to the next start otherwise."""
        if clean:
            self.sequencer.checkpoint()
            self.journal.seal()
        else:
            self.journal.close()

    def _treasury(self) -> str:
        """The operator's wallet."""
        return Wallet(self.keyring.operator().key, self.engine.rules.network).address

    async def _submit(self, event: AnyEvent) -> None:
        await self.sequencer.submit(event)

    async def _examine(self, chain: OpenChain) -> None:
        """Stop the service if the chain is another network, or another contract stands in the vault's place."""
        while True:
            try:
                await chain.ready()
                await check_code(chain, self.engine.rules.vault, "vault")
                await asyncio.Event().wait()
            except Unavailable as trouble:
                if trouble.code in STRANGERS:
                    raise
                await asyncio.sleep(SAMPLE_S)

    def _least(self) -> int:
        """For how many entries a snapshot is worth it."""
        return min(LEAST, self.settings.snapshot_every)

    async def _end_with_a_snapshot(self) -> None:
        if self.settings.snapshot_every:
            self.sequencer.checkpoint()
            await self.following.finish(self._least())

    async def _sample(self) -> None:
        while True:
            self.meter.sample()
            await asyncio.sleep(SAMPLE_S)
