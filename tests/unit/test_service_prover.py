"""Proofs off the hot path: each settlement is proven once, whatever happens to the workers."""

import asyncio
import os
import signal
import time
from contextlib import suppress
from multiprocessing import active_children

import pytest
from settlement_cases import case

from fairway.crypto.pedersen import Opening
from fairway.errors import IllegalTransition, InvalidProof, Rejected, Unavailable
from fairway.exchange.effect import ProveRecord
from fairway.exchange.event import Assessed, EpochProved, Proved
from fairway.service import prover
from fairway.service.prover import Provers
from fairway.service.workers import Processes
from fairway.settlement.epoch import EpochProof, verify_epoch
from fairway.settlement.proof import verify
from fairway.settlement.settlement import SettlementTx
from fairway.settlement.solvency import SolvencyTerms, show_solvency

WITHIN_S = 30


class Journal:
    """What the loop would do with a finished proof: number it, and tell everyone."""

    def __init__(self, epoch=2, workers=1):
        self.events = []
        self.provers = Provers(self.submit, Processes(workers), epoch)
        self.wanted = []
        self.arrived = asyncio.Event()

    async def submit(self, event):
        if isinstance(event, Assessed):
            raise Rejected("settlement.insolvent", "there is no pool here")
        self.events.append(event)
        self.provers.note(event, [])
        self.arrived.set()

    def want(self, *numbers):
        for number in numbers:
            made = case(31_000 + number)
            effect = ProveRecord(number, made.settle(f"settlement {number}"), (made.opened,))
            self.wanted.append(effect)
            self.provers.note(Proved(at_ms=0, txid=bytes(32), proof=b""), [effect])

    def check(self):
        """Every proof verifies, and every settlement has exactly one."""
        proofs = {event.txid: event.proof for event in self.events if isinstance(event, Proved)}
        txs = [SettlementTx(w.record.statement, w.record.commitments, b"") for w in self.wanted]
        assert len(self.events) - self.epochs() == len(proofs) == len(txs)
        for tx in txs:
            verify(SettlementTx(tx.statement, tx.commitments, proofs[tx.txid]))
        for event in self.events:
            if isinstance(event, EpochProved):
                records = [(self.wanted[n].fills[0].transaction(), txs[n]) for n in range(event.first, event.last)]
                verify_epoch([record for pair in records for record in pair], EpochProof.decode(event.proof))

    def epochs(self):
        return sum(isinstance(event, EpochProved) for event in self.events)


def children():
    """The workers, as soon as there are any."""
    while not active_children():
        time.sleep(0.01)
    return active_children()


@pytest.fixture
async def journal():
    while active_children():  # noqa: ASYNC110 - of the test before; processes have no event
        await asyncio.sleep(0.01)
    journal = Journal()
    yield journal
    journal.provers.close()


async def test_settlements_are_proven_as_they_come_and_ranged_by_epochs(journal):
    running = asyncio.create_task(journal.provers.run())
    journal.want(0, 1, 2)
    async with asyncio.timeout(WITHIN_S):
        while journal.provers.unproved or journal.provers.unranged > 1:
            journal.arrived.clear()
            await journal.arrived.wait()
    assert journal.epochs() == 1
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    await asyncio.wait_for(journal.provers.finish(), WITHIN_S)
    assert (journal.provers.unproved, journal.provers.unranged, journal.epochs()) == (0, 0, 2)
    journal.check()


async def test_a_killed_worker_loses_nothing(journal):
    journal.want(0, 1)
    finishing = asyncio.create_task(journal.provers.finish())
    async with asyncio.timeout(WITHIN_S):
        for child in await asyncio.to_thread(children):
            os.kill(child.pid, signal.SIGKILL)
        await finishing
    journal.check()


def fail(*arguments):
    raise InvalidProof("test.lie", "this proof does not verify", index=arguments[0])


class Counting(Processes):
    """Processes that know how many errands were under way at once, and let the first wait for a second."""

    def __init__(self, count):
        super().__init__(count)
        self.under_way = self.most = 0
        self.together = asyncio.Event()

    async def do(self, errand, *arguments):
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        if self.most > 1:
            self.together.set()
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.together.wait(), WITHIN_S if self.count > 1 else 0)
            return await super().do(errand, *arguments)
        finally:
            self.under_way -= 1


@pytest.mark.parametrize("workers", [1, 2])
async def test_as_many_errands_are_under_way_as_there_are_workers(workers):
    """The planted bug is one worker: without a second errand at a time the counter stays at one."""
    journal = Journal(epoch=2)
    counting = journal.provers._workers = Counting(workers)
    journal.want(0, 1)
    await asyncio.wait_for(journal.provers.finish(), WITHIN_S)
    journal.provers.close()
    assert counting.most == workers
    journal.check()


async def test_the_groups_of_an_epoch_are_shared_out():
    journal = Journal(epoch=2)
    counting = journal.provers._workers = Counting(2)
    journal.want(0, 1)
    await asyncio.wait_for(journal.provers.finish(), WITHIN_S)
    again = Journal(epoch=2)
    counting = again.provers._workers = Counting(2)
    for effect in journal.wanted:
        again.provers.note(Proved(at_ms=0, txid=bytes(32), proof=b""), [effect])
    for event in journal.events:
        if isinstance(event, Proved):
            again.provers.note(event, [])
    counting.together.set()
    await asyncio.wait_for(again.provers.finish(), WITHIN_S)
    assert (again.epochs(), counting.most) == (1, 2)
    assert [event.first for event in again.events] == [0]
    journal.provers.close()
    again.provers.close()


async def test_progress_says_where_settlements_are(journal):
    assert journal.provers.progress == (0, 0, 0, 0, 0)
    journal.want(0, 1, 2)
    assert journal.provers.progress == (3, 0, 0, 0, 0)
    finishing = asyncio.create_task(journal.provers.finish())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert journal.provers.progress == (0, 3, 0, 0, 0)
    for child in await asyncio.to_thread(children):
        os.kill(child.pid, signal.SIGKILL)
    await asyncio.wait_for(finishing, WITHIN_S)
    assert journal.provers.progress == (0, 0, 3, 3, 1)


def wait_forever(*_):
    time.sleep(WITHIN_S)


async def test_a_worker_that_dies_takes_only_its_own_errand_with_it():
    workers = Processes(2)
    try:
        child = await workers.do(os.getpid)
        doomed = asyncio.create_task(workers.do(wait_forever))
        await asyncio.sleep(0)
        assert await asyncio.wait_for(workers.do(abs, -7), WITHIN_S) == 7
        os.kill(child, signal.SIGKILL)
        with pytest.raises(Unavailable) as caught:
            await asyncio.wait_for(doomed, WITHIN_S)
        assert caught.value.code == "prover.worker"
        assert await asyncio.wait_for(workers.do(abs, -8), WITHIN_S) == 8
    finally:
        workers.close()


async def test_an_error_of_ours_comes_back_from_a_worker_as_it_was():
    workers = Processes(1)
    try:
        with pytest.raises(InvalidProof) as caught:
            await workers.do(fail, 7)
        assert (caught.value.code, caught.value.facts) == ("test.lie", {"index": 7})
        assert await workers.do(abs, -9) == 9
    finally:
        workers.close()


async def test_what_was_proven_before_a_restart_is_not_proven_again(journal):
    journal.want(0, 1)
    await asyncio.wait_for(journal.provers.finish(), WITHIN_S)
    again = Journal()
    for effect in journal.wanted:
        again.provers.note(Proved(at_ms=0, txid=bytes(32), proof=b""), [effect])
    assert (again.provers.unproved, again.provers.unranged) == (2, 2)
    for event in journal.events:
        again.provers.note(event, [])
    assert (again.provers.unproved, again.provers.unranged) == (0, 0)


async def test_a_proof_that_does_not_verify_is_never_journaled(journal, monkeypatch):
    """The planted bug: a prover whose proofs are wrong."""
    monkeypatch.setattr(prover, "prove_records", fail)
    journal.want(0)
    with pytest.raises(IllegalTransition) as caught:
        await asyncio.wait_for(journal.provers.finish(), WITHIN_S)
    assert caught.value.code == "prover.failed"
    assert journal.events == []


async def test_provers_stand_by_while_the_service_stops(monkeypatch):
    async def refuse(event):
        raise Unavailable("service.stopping", "no more")

    journal = Journal()
    monkeypatch.setattr(journal.provers, "_submit", refuse)
    journal.want(0)
    running = asyncio.create_task(journal.provers.run())
    await asyncio.sleep(2)
    assert not running.done()
    assert journal.provers.unproved == 1
    running.cancel()
    journal.provers.close()


class Showing(Journal):
    """A loop that has the pool shown when it is asked for, after `late` more settlements."""

    def __init__(self, late=0, **kwargs):
        super().__init__(**kwargs)
        self.late, self.asked, self.shown = late, 0, []

    async def submit(self, event):
        if not isinstance(event, Assessed):
            await super().submit(event)
            return
        self.asked += 1
        following = len(self.wanted) + len(self.shown)
        self.want(*range(following, following + self.late))
        number = following + self.late
        terms = SolvencyTerms(network=1, at_ms=number, pool=b"p" * 32, head=b"h" * 32)
        self.shown.append(number)
        record = show_solvency(Opening(5, 7), [], terms, lambda _: 8)
        self.provers.note(event, [ProveRecord(number, record, ())])

    def ends(self):
        return [event.last for event in self.events if isinstance(event, EpochProved)]


@pytest.mark.parametrize("late", [0, 1, 3])
async def test_an_epoch_ends_where_the_pool_is_shown(late):
    journal = Showing(late)
    running = asyncio.create_task(journal.provers.run())
    journal.want(0, 1)
    async with asyncio.timeout(WITHIN_S):
        while not journal.ends():
            journal.arrived.clear()
            await journal.arrived.wait()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    journal.provers.close()
    assert (journal.asked, journal.shown, journal.ends()) == (1, [2 + late], [3 + late])


async def test_a_backlog_is_worked_off_before_the_pool_is_shown():
    journal = Showing(epoch=2)
    journal.want(*range(13))
    await asyncio.wait_for(journal.provers.finish(), WITHIN_S)
    journal.provers.close()
    assert journal.ends()[:2] == [2, 4]
    assert journal.ends()[-1] == journal.shown[-1] + 1
    assert journal.asked == 1
    assert journal.provers.unranged == 0


async def test_the_bug_of_never_asking_is_caught(monkeypatch):
    monkeypatch.setattr(Provers, "_wants_assessment", lambda _: False)
    journal = Showing()
    journal.want(0, 1)
    await asyncio.wait_for(journal.provers.finish(), WITHIN_S)
    journal.provers.close()
    assert not journal.shown
    assert journal.ends() == [2]
