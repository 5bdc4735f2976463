"""Proofs of settlements, made by other processes while trading goes on.

What is to be proven is known from the journal, so nothing is lost with a worker or with the service: a settlement stays
on the list until the event with its proof is durable. Every proof is verified before it is journaled.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from typing import TypeVar

from fairway.errors import IllegalTransition, InvalidProof, Unavailable
from fairway.exchange.effect import AnyEffect, ProveSettlement
from fairway.exchange.event import AnyEvent, EpochProved, Proved
from fairway.settlement.epoch import prove_epoch, verify_epoch
from fairway.settlement.note import Opened, OrderTx
from fairway.settlement.proof import prove, verify_batch
from fairway.settlement.settlement import Settlement, SettlementTx

__all__ = ["Provers"]

T = TypeVar("T")

BATCH = 16
ATTEMPTS = 3
NICENESS = 10
ENTROPY_SIZE = 32


@dataclass(frozen=True, slots=True)
class Job:
    """A settlement and the fills that it publishes. Secret."""

    settlement: Settlement
    published: tuple[Opened, ...]

    def private(self) -> list[Opened | Settlement]:
        """The records with their openings, in the order of the epoch."""
        return [*self.published, self.settlement]

    def public(self) -> list[OrderTx | SettlementTx]:
        """The records as published, the settlement's own proof left out."""
        settlement = self.settlement
        tx = SettlementTx(settlement.statement, settlement.commitments, b"")
        return [*(opened.transaction() for opened in self.published), tx]


class Provers:
    """The list of settlements that want a proof, and the processes that make them.

    `submit` puts a finished proof to the loop. `epoch` settlements are ranged together; fewer at the end, by `finish`.
    """

    def __init__(self, submit: Callable[[AnyEvent], Awaitable[None]], workers: int = 1, epoch: int = 64) -> None:
        self._submit = submit
        self._workers = workers
        self._epoch = epoch
        self._jobs: dict[int, Job] = {}
        self._unproved: dict[bytes, int] = {}
        self._ranged = 0
        self._wake = asyncio.Event()
        self._at_work = asyncio.Lock()
        self._pool: ProcessPoolExecutor | None = None

    @property
    def unproved(self) -> int:
        """Settlements whose own proof is not durable yet."""
        return len(self._unproved)

    @property
    def unranged(self) -> int:
        """Settlements that no epoch makes final yet."""
        return len(self._jobs)

    def note(self, event: AnyEvent, effects: Sequence[AnyEffect]) -> None:
        """Put new settlements on the list, and take those off whose proofs `event` brought."""
        for effect in effects:
            if isinstance(effect, ProveSettlement):
                self._jobs[effect.number] = Job(effect.settlement, effect.published)
                self._unproved[effect.settlement.txid] = effect.number
                self._wake.set()
        if isinstance(event, Proved):
            self._unproved.pop(event.txid, None)
        elif isinstance(event, EpochProved):
            for number in range(event.first, event.last):
                self._jobs.pop(number, None)
            self._ranged = event.last

    async def run(self) -> None:
        """Prove whatever comes, until cancelled. Raises `IllegalTransition` (`prover.failed`): see `_attempt`."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            with suppress(Unavailable):  # the loop is closing; what is left is found again after the next start
                await self._clear(self._epoch)

    async def finish(self) -> None:
        """Prove what is left, the last epoch however short."""
        await self._clear(1)

    def close(self) -> None:
        """Let the workers go after what they are at; its result is not waited for, and stays on the list."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    async def _clear(self, epoch: int) -> None:
        async with self._at_work:
            while self._unproved or self.unranged >= epoch:
                await self._work()

    async def _work(self) -> None:
        """One batch of proofs, or, when none is wanted, one epoch."""
        if self._unproved:
            numbers = sorted(self._unproved.values())[:BATCH]
            jobs = [self._jobs[number] for number in numbers]
            for txid, proof in await self._attempt(prove_batch, jobs):
                await self._submit(Proved(at_ms=0, txid=txid, proof=proof))
        else:
            last = self._ranged + min(self.unranged, self._epoch)
            jobs = [self._jobs[number] for number in range(self._ranged, last)]
            proof = await self._attempt(prove_ranges, jobs)
            await self._submit(EpochProved(at_ms=0, first=self._ranged, last=last, proof=proof))

    async def _attempt(self, work: Callable[[list[Job], bytes], T], jobs: list[Job]) -> T:
        """The result of `work` in a worker. One that dies or errs is replaced; `ATTEMPTS` in a row are our fault."""
        for _ in range(ATTEMPTS):
            if self._pool is None:
                self._pool = ProcessPoolExecutor(self._workers, get_context("spawn"), initializer=_stand_back)
            entropy = secrets.token_bytes(ENTROPY_SIZE)
            try:
                return await asyncio.get_running_loop().run_in_executor(self._pool, work, jobs, entropy)
            except (BrokenExecutor, InvalidProof):
                self.close()
        raise IllegalTransition("prover.failed", f"{len(jobs)} settlements could not be proven")


def prove_batch(jobs: list[Job], entropy: bytes) -> list[tuple[bytes, bytes]]:
    """Each settlement's txid and proof, verified together. Runs in a worker. Secret: both arguments."""
    txs = [prove(job.settlement, entropy) for job in jobs]
    verify_batch(txs)
    return [(tx.txid, tx.proof) for tx in txs]


def prove_ranges(jobs: list[Job], entropy: bytes) -> bytes:
    """The proof of an epoch's ranges, verified: of each settlement the fills it publishes, then its own.

    Runs in a worker. Secret: both arguments.
    """
    proof = prove_epoch([record for job in jobs for record in job.private()], entropy)
    verify_epoch([record for job in jobs for record in job.public()], proof)
    return proof.encode()


def _stand_back() -> None:
    """A worker leaves the terminal's signals to the service and the processor to the loop, and dies with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)  # a killed service has no use for what this worker is at
