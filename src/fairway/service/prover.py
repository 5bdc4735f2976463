"""Proofs of records, made by workers while trading goes on.

What is to be proven is known from the journal, so nothing is lost with a worker or with the service: a record stays
on the list until the event with its proof is durable. Every proof is verified before it is journaled.

As many errands are under way as there are workers: proofs first and oldest first, then the epoch that is due. It ends
with a record that shows the pool solvent, which is asked for when enough has come together. Its groups are independent,
so all workers range it together; epochs follow one another.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple, TypeVar

from fairway.crypto.pedersen import Opening
from fairway.errors import IllegalTransition, InvalidProof, Rejected, Unavailable
from fairway.exchange.effect import AnyEffect, ProveRecord
from fairway.exchange.event import AnyEvent, Assessed, EpochProved, Proved
from fairway.service.wanted import Wanted
from fairway.service.workers import Workers
from fairway.settlement.job import Job, check_epoch, lay_out, prove_group, prove_records

__all__ = ["Progress", "Provers"]

T = TypeVar("T")

BATCH = 16
ATTEMPTS = 3
LONG = 4
"""An epoch may be so many times as long as it should, to end where the pool is shown."""
ENTROPY_SIZE = 32


class Progress(NamedTuple):
    """Records in want of a proof, by where they are; then counts since the start.

    `queued` wait for a worker and `proving` are with one; `proved` came back, `verified` are journaled; `failed` counts
    errands, of epochs too, whose worker died or whose proof did not verify.
    """

    queued: int
    proving: int
    proved: int
    verified: int
    failed: int


@dataclass(slots=True)
class Ranging:
    """An epoch while its ranges are proven. `left` are the groups that nobody has taken yet. Secret."""

    first: int
    last: int
    jobs: list[Job]
    digest: bytes = b""
    left: deque[tuple[int, Sequence[Opening]]] = field(default_factory=deque)
    proofs: list[bytes] = field(default_factory=list)
    missing: int = 0
    is_taken: bool = False


class Provers:
    """The list of records that want a proof, and the workers' next errands.

    `submit` puts a finished proof to the loop. `epoch` records, or a few more, are ranged together; fewer at the end,
    by `finish`. `wanted` is the list where there is one already.
    """

    def __init__(
        self,
        submit: Callable[[AnyEvent], Awaitable[None]],
        workers: Workers,
        epoch: int = 64,
        wanted: Wanted | None = None,
    ) -> None:
        self._submit = submit
        self._workers = workers
        self._epoch = epoch
        self._wanted = wanted if wanted is not None else Wanted()
        self._is_assessing = self._is_insolvent = False
        self._taken: set[bytes] = set()
        self._ranging: Ranging | None = None
        self._errands: set[asyncio.Task[None]] = set()
        self._proved = self._verified = self._failed = 0
        self._wake = asyncio.Event()
        self._at_work = asyncio.Lock()

    @property
    def unproved(self) -> int:
        """Records whose own proof is not durable yet."""
        return len(self._wanted.unproved)

    @property
    def unranged(self) -> int:
        """Records that no epoch makes final yet."""
        return len(self._wanted.jobs)

    @property
    def progress(self) -> Progress:
        """How far the proofs of records have come."""
        waiting = len(self._wanted.unproved) - len(self._taken)
        return Progress(waiting, len(self._taken), self._proved, self._verified, self._failed)

    def note(self, event: AnyEvent, effects: Sequence[AnyEffect]) -> None:
        """Put new records on the list, and take those off whose proofs `event` brought."""
        self._wanted.note(event, effects)
        if any(isinstance(effect, ProveRecord) for effect in effects):
            self._wake.set()
        if isinstance(event, Proved):
            self._taken.discard(event.txid)
        elif isinstance(event, EpochProved):
            self._is_insolvent = False

    async def run(self) -> None:
        """Prove whatever comes, until cancelled. Raises `IllegalTransition` (`prover.failed`): see `_attempt`."""
        self._wake.set()
        while True:
            await self._wake.wait()
            with suppress(Unavailable):  # the loop is closing; what is left is found again after the next start
                await self._clear(self._epoch)

    async def finish(self) -> None:
        """Prove what is left, the last epoch however short."""
        await self._clear(1)

    def close(self) -> None:
        """Let the workers go after what they are at; its result is not waited for, and stays on the list."""
        self._workers.close()

    async def _clear(self, epoch: int) -> None:
        """Until nothing is left to prove and fewer than `epoch` records to range."""
        async with self._at_work:
            try:
                while self._assign(epoch):
                    await self._next_event()
            finally:
                await self._abandon()

    def _assign(self, epoch: int) -> bool:
        """Give idle workers their errands; whether any is under way."""
        self._wake.clear()
        while len(self._errands) < self._workers.count and (errand := self._next_errand(epoch)):
            self._errands.add(asyncio.create_task(errand))
        return bool(self._errands)

    async def _next_event(self) -> None:
        """Wait until an errand is done, and raise what it raised, or until there is another."""
        news = asyncio.ensure_future(self._wake.wait())
        try:
            done, _ = await asyncio.wait({news, *self._errands}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()
        for errand in self._errands & done:
            self._errands.discard(errand)
            errand.result()

    async def _abandon(self) -> None:
        """Leave what is under way; all of it is on the list still."""
        for errand in self._errands:
            errand.cancel()
        await asyncio.gather(*self._errands, return_exceptions=True)
        self._errands.clear()
        self._taken.clear()
        self._ranging, self._is_assessing = None, False

    def _next_errand(self, epoch: int) -> Coroutine[None, None, None] | None:
        waiting = len(self._wanted.unproved) - len(self._taken)
        if waiting:
            size = min(BATCH, -(-waiting // self._workers.count))
            free = (txid for txid in self._wanted.unproved if txid not in self._taken)
            txids = list(islice(free, size))
            self._taken.update(txids)
            return self._prove([self._wanted.jobs[self._wanted.unproved[txid]] for txid in txids])
        if self._ranging is None and not self._is_assessing and self.unranged >= epoch:
            if self._wants_assessment():
                self._is_assessing = True
                return self._assess()
            last = self._last_of_epoch()
            first, jobs = self._wanted.ranged, self._wanted.jobs
            self._ranging = Ranging(first, last, [jobs[number] for number in range(first, last)])
        return self._next_step(self._ranging) if self._ranging else None

    def _wants_assessment(self) -> bool:
        """Whether all that waits makes one epoch, and nothing in it shows the pool yet."""
        return not (self._wanted.shown or self._is_insolvent or self.unranged > LONG * self._epoch)

    def _last_of_epoch(self) -> int:
        """Up to what shows the pool, where that is near; it comes after whatever happened while it was asked for."""
        if self._wanted.shown and self._wanted.shown[0] < self._wanted.ranged + (LONG + 1) * self._epoch:
            return self._wanted.shown[0] + 1
        return self._wanted.ranged + min(self.unranged, self._epoch)

    async def _assess(self) -> None:
        """Have the pool shown; one that is worth less than nothing is ranged without."""
        with suppress(Rejected):
            await self._submit(Assessed(at_ms=0))
        self._is_insolvent = not self._wanted.shown
        self._is_assessing = False
        self._wake.set()

    def _next_step(self, ranging: Ranging) -> Coroutine[None, None, None] | None:
        """What can be done for the epoch now: lay it out, prove a group, or check the whole."""
        if ranging.left:
            return self._prove_group(ranging, *ranging.left.popleft())
        if ranging.is_taken or ranging.missing:
            return None
        ranging.is_taken = True
        return self._conclude(ranging) if ranging.proofs else self._lay_out(ranging)

    async def _prove(self, jobs: list[Job]) -> None:
        for txid, proof in await self._attempt(prove_records, jobs):
            self._proved += 1
            await self._submit(Proved(at_ms=0, txid=txid, proof=proof))
            self._verified += 1

    async def _lay_out(self, ranging: Ranging) -> None:
        layout = await self._attempt(lay_out, ranging.jobs)
        ranging.digest, ranging.missing = layout.digest, len(layout.groups)
        ranging.proofs = [b""] * len(layout.groups)
        ranging.left.extend(enumerate(layout.groups))
        ranging.is_taken = False

    async def _prove_group(self, ranging: Ranging, index: int, group: Sequence[Opening]) -> None:
        ranging.proofs[index] = await self._attempt(prove_group, ranging.digest, index, group)
        ranging.missing -= 1

    async def _conclude(self, ranging: Ranging) -> None:
        proof = await self._attempt(check_epoch, ranging.jobs, ranging.proofs)
        await self._submit(EpochProved(at_ms=0, first=ranging.first, last=ranging.last, proof=proof))
        self._ranging = None

    async def _attempt(self, errand: Callable[..., T], *arguments: object) -> T:
        """The result of an errand, with fresh entropy. `ATTEMPTS` failures of the same one are our own fault."""
        for _ in range(ATTEMPTS):
            try:
                return await self._workers.do(errand, *arguments, secrets.token_bytes(ENTROPY_SIZE))
            except (Unavailable, InvalidProof):
                self._failed += 1
        raise IllegalTransition("prover.failed", "records could not be proven")
