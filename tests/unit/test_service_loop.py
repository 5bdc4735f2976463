"""The one loop: nothing leaves it before it is durable, and a restart is a replay."""

import asyncio
import hashlib

import pytest

from fairway.errors import IllegalTransition, InvalidMessage, Rejected, Unavailable
from fairway.exchange.effect import Print
from fairway.exchange.event import BondPosted, decode
from fairway.service import archive, run
from fairway.service.journal import Journal
from fairway.service.run import Sequencer


class Adder:
    """A small state machine: adds up bonds. Some amounts are refused, some are beyond it."""

    def __init__(self):
        self.total = 0
        self.history = hashlib.sha256()

    def authenticate(self, event):
        if event.transaction == b"forged":
            raise InvalidMessage("test.forged", "not from the chain")
        event.amount.to_bytes(8)  # OverflowError for what no field can hold

    def apply(self, event):
        if event.amount == 0:
            raise Rejected("test.zero", "nothing to add")
        if event.amount == 13:
            raise IllegalTransition("test.impossible", "no such move")
        if event.amount == 666:
            raise KeyError("a mistake of ours")
        self.total += event.amount
        self.history.update(event.at_ms.to_bytes(8))
        return [Print(1, event.amount, 1, 1, True, event.at_ms)]

    def digest(self):
        return hashlib.sha256(self.history.digest() + self.total.to_bytes(8)).digest()

    def book_digest(self):
        return bytes(32)


class Recorder:
    """Performs by writing down, with what was durable at that moment."""

    def __init__(self, folder):
        self.folder = folder
        self.performed = []
        self.recalled = []
        self.journal = None

    def letters(self, entry, event, effects):
        return []

    def perform(self, event, effects):
        durable = self.journal._database.execute("SELECT max(seq) FROM entries").fetchone()[0]
        assert not self.journal._database.in_transaction
        self.performed.append((event.amount, durable))

    def recall(self, event, effects):
        self.recalled.append(event.amount)


class Clock:
    def __init__(self):
        self.now_ms = 1_000

    def __call__(self):
        return self.now_ms


class Bench:
    """One loop over a folder, as a service would have it."""

    def __init__(self, folder):
        self.machine, self.performer, self.clock = Adder(), Recorder(folder), Clock()
        self.journal = self.performer.journal = Journal.open(folder)
        self.sequencer = Sequencer(self.machine, self.journal, self.performer, self.clock)

    async def serve(self, *amounts):
        """Run all of `amounts` through the loop; what each was answered."""
        answers = {}
        running = asyncio.create_task(self.sequencer.run())
        for amount in amounts:
            await self.sequencer.put(bond(amount), lambda refusal, amount=amount: answers.update({amount: refusal}))
        await self.sequencer.close()
        await running
        return {amount: refusal and refusal.code for amount, refusal in answers.items()}


def bond(amount, transaction=b""):
    return BondPosted(at_ms=0, amount=amount, transaction=transaction)


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


async def test_a_wish_is_applied_journaled_performed_and_answered(bench, tmp_path):
    assert await bench.serve(5, 7) == {5: None, 7: None}
    bench.journal.close()
    assert [decode(entry.payload).amount for entry in archive.entries(tmp_path)] == [5, 7]
    assert [amount for amount, _ in bench.performer.performed] == [5, 7]


async def test_effects_wait_until_their_event_is_durable(bench):
    await bench.serve(*range(1, 13), *range(14, 400))
    assert all(durable >= place for place, (_, durable) in enumerate(bench.performer.performed))


async def test_a_loop_that_performed_first_would_be_caught(bench, monkeypatch):
    """The planted bug: effects before the journal."""
    late = []

    async def postpone(call, *arguments):
        late.append((call, arguments))

    monkeypatch.setattr(run.asyncio, "to_thread", postpone)
    await bench.serve(5)
    assert bench.performer.performed == [(5, None)]  # performed, and nothing is durable


async def test_a_refused_wish_is_answered_and_not_journaled(bench):
    assert await bench.serve(0, 5, -1) == {0: "test.zero", 5: None, -1: "service.value"}
    assert bench.journal.newest.seq == 0


async def test_a_forged_wish_never_reaches_the_machine(bench):
    running = asyncio.create_task(bench.sequencer.run())
    with pytest.raises(InvalidMessage, match="not from the chain"):
        await bench.sequencer.submit(bond(5, b"forged"))
    await bench.sequencer.close()
    await running
    assert bench.machine.total == 0


async def test_time_is_stamped_here_and_never_runs_backwards(bench, tmp_path):
    await bench.serve(1)
    bench.sequencer = Sequencer(bench.machine, bench.journal, bench.performer, bench.clock)
    bench.sequencer.replay()
    bench.clock.now_ms = 500
    await bench.serve(2)
    bench.journal.close()
    assert [decode(entry.payload).at_ms for entry in archive.entries(tmp_path)] == [1000, 1000]


@pytest.mark.parametrize(("amount", "code"), [(13, "test.impossible"), (666, "service.fault")])
async def test_our_own_fault_stops_the_loop_after_saving_what_came_before(bench, amount, code):
    for each in (1, 2, amount, 3):
        await bench.sequencer.put(bond(each), lambda refusal: None)
    with pytest.raises(IllegalTransition) as caught:
        await bench.sequencer.run()
    assert caught.value.code == code
    assert [amount for amount, _ in bench.performer.performed] == [1, 2]
    assert bench.journal.newest.seq == 1
    with pytest.raises(Unavailable, match="stopping"):
        await bench.sequencer.submit(bond(4))


async def test_a_full_disk_stops_the_loop_and_nothing_of_the_batch_is_performed(bench):
    await bench.serve(1)
    again = Sequencer(bench.machine, bench.journal, bench.performer, bench.clock)
    pages = bench.journal._database.execute("PRAGMA page_count").fetchone()[0]
    bench.journal._database.execute(f"PRAGMA max_page_count = {pages}")
    answers = []
    for _ in range(2000):
        await again.put(bond(1, bytes(100)), answers.append)
    with pytest.raises(Unavailable) as caught:
        await again.run()
    assert caught.value.code == "journal.full"
    assert len(bench.performer.performed) == bench.journal.newest.seq + 1
    assert len(answers) == 2000
    assert {refusal and refusal.code for refusal in answers} <= {None, "service.stopping", "service.unknown"}


async def test_everyone_who_still_waits_is_told_that_the_loop_has_ended(bench):
    waiting = [asyncio.create_task(bench.sequencer.submit(bond(n))) for n in (13, 1, 2)]
    questions = asyncio.create_task(bench.sequencer.ask(lambda: 1))
    await asyncio.sleep(0)
    with pytest.raises(IllegalTransition):
        await bench.sequencer.run()
    done = await asyncio.wait_for(asyncio.gather(*waiting, questions, return_exceptions=True), 1)
    assert {error.code for error in done} == {"service.stopping"}


async def test_a_question_is_asked_after_every_wish_before_it(bench):
    running = asyncio.create_task(bench.sequencer.run())
    wishes = [asyncio.create_task(bench.sequencer.submit(bond(n))) for n in (1, 2, 3)]
    await asyncio.sleep(0)
    assert await bench.sequencer.ask(lambda: len(bench.performer.performed)) == 3
    with pytest.raises(Rejected):
        await bench.sequencer.ask(lambda: bench.machine.apply(bond(0)))
    await asyncio.gather(*wishes)
    await bench.sequencer.close()
    await running


async def test_nothing_after_a_question_is_durable_when_it_is_asked(bench):
    seen = []
    for n in (1, 2, 3):
        await bench.sequencer.put(bond(n), lambda refusal: None)
        asking = asyncio.create_task(bench.sequencer.ask(lambda: seen.append(bench.journal.newest.seq)))
        await asyncio.sleep(0)
    await bench.sequencer.close()
    await bench.sequencer.run()
    await asking
    assert seen == [0, 1, 2]


async def test_a_restart_replays_to_the_same_state(bench, tmp_path):
    await bench.serve(*range(1, 13))
    bench.sequencer.checkpoint()
    bench.journal.seal()
    again = Bench(tmp_path)
    replayed = again.sequencer.replay()
    assert (replayed.entries, replayed.checkpoints) == (12, 1)
    assert again.machine.digest() == bench.machine.digest()
    assert again.performer.recalled == list(range(1, 13))
    assert again.performer.performed == []


async def test_a_replay_that_leads_elsewhere_is_named_by_its_entry(bench, tmp_path, monkeypatch):
    await bench.serve(1, 2, 3)
    bench.sequencer.checkpoint()
    bench.journal.seal()
    again = Bench(tmp_path)
    again.machine.total = 1  # the planted bug: something outside the journal counts
    with pytest.raises(Unavailable) as caught:
        again.sequencer.replay()
    assert (caught.value.code, caught.value.facts["seq"]) == ("journal.replay", 2)


@pytest.mark.parametrize("payload", [b"junk", b"\x94\xabbond_posted\x01\x00\xc4\x00"])
async def test_an_entry_that_cannot_be_replayed_is_named(tmp_path, payload):
    bench = Bench(tmp_path)
    await bench.serve(1)
    bench.journal.append([payload])
    bench.journal.close()
    with pytest.raises(Unavailable) as caught:
        Bench(tmp_path).sequencer.replay()
    assert (caught.value.code, caught.value.facts["seq"]) == ("journal.replay", 1)


async def test_checkpoints_are_taken_as_the_journal_grows(bench):
    bench.sequencer = Sequencer(bench.machine, bench.journal, bench.performer, bench.clock, checkpoint_every=100)
    await bench.serve(*([1] * 1000))
    assert len(bench.journal.checkpoints()) >= 2
