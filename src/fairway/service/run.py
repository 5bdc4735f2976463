"""The one loop: stamp, authenticate, apply, journal, and only then perform.

    wish → stamp (time) → authenticate → apply ──┐  a batch
                                                 ├→ journal (fsync) → perform effects, answer
    wish → stamp (time) → authenticate → apply ──┘

Nothing leaves the process before what it rests on is durable: the effects of a batch, and every answer to a question
asked meanwhile, wait for the batch. A refused wish is not journaled and has changed nothing. Our own fault
(`IllegalTransition`, or anything unforeseen inside `apply`) and a failed journal stop the loop; a restart replays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from fairway.errors import FairwayError, IllegalTransition, InvalidMessage, Rejected, Unavailable
from fairway.exchange.effect import AnyEffect
from fairway.exchange.event import AnyEvent, Founded, decode, encode
from fairway.service.archive import Checkpoint
from fairway.service.journal import Journal, Letter

__all__ = ["Answer", "Machine", "Performer", "Replayed", "Sequencer"]

T = TypeVar("T")
Answer = Callable[[FairwayError | None], None]
"""Told once: None when the wish is durable and performed, or why it was refused."""

BATCH = 256
QUEUE = 4096
CHECKPOINT_EVERY = 10_000
STOPPING = Unavailable("service.stopping", "the service is stopping; nothing was changed")
UNKNOWN = Unavailable("service.unknown", "the journal failed; whether this happened is known after the restart")


class Machine(Protocol):
    """The pure state machine in the middle: `fairway.exchange.engine.Engine`."""

    def authenticate(self, event: AnyEvent) -> None:
        """Raise `InvalidMessage` unless whoever is said to have signed `event` did; changes nothing."""

    def apply(self, event: AnyEvent) -> list[AnyEffect]:
        """Move by one event; what must be done about it. `Rejected` and `InvalidMessage` leave all as it was."""

    def digest(self) -> bytes:
        """The hash of the whole state."""

    def book_digest(self) -> bytes:
        """The hash of the order books."""


class Performer(Protocol):
    """The shell's hands. No method fails because a user, the chain or a prover is gone."""

    def letters(self, entry: int, event: AnyEvent, effects: Sequence[AnyEffect]) -> list[Letter]:
        """What users who are away must be told of entry `entry`, to be made durable with it."""

    def perform(self, event: AnyEvent, effects: Sequence[AnyEffect]) -> None:
        """Do what `event` asks for, now that it is durable."""

    def recall(self, event: AnyEvent, effects: Sequence[AnyEffect]) -> None:
        """Learn from a replayed event what is still to be done, without doing it."""


class Replayed(NamedTuple):
    """How a restart went: entries in the journal, checkpoints found equal, how long it took.

    `since` is the entry whose state it went on from: those behind it were replayed. -1: all were.
    """

    entries: int
    checkpoints: int
    elapsed_ms: int
    since: int = -1

    @property
    def replayed(self) -> int:
        """Entries replayed."""
        return self.entries - self.since - 1

    @property
    def snapshot(self) -> int | None:
        """The entry of the snapshot it went on from."""
        return self.since if self.since >= 0 else None


class Wish(msgspec.Struct, frozen=True):
    """An event not yet stamped, or None for a question that only wants its place in the order."""

    event: AnyEvent | None
    answer: Answer


class Taken(msgspec.Struct, frozen=True):
    """A wish that becomes an entry."""

    wish: Wish
    event: AnyEvent
    payload: bytes
    effects: Sequence[AnyEffect]


class Spared(msgspec.Struct, frozen=True):
    """A wish that became none: a question, or refused."""

    wish: Wish
    refusal: FairwayError | None


class Sequencer:
    """The loop around one machine and one journal, which take at most `batch` wishes at a time."""

    def __init__(
        self,
        machine: Machine,
        journal: Journal,
        performer: Performer,
        clock_ms: Callable[[], int],
        batch: int = BATCH,
        checkpoint_every: int = CHECKPOINT_EVERY,
    ) -> None:
        self._batch = batch
        self._checkpoint_every = checkpoint_every
        self._machine = machine
        self._journal = journal
        self._performer = performer
        self._clock_ms = clock_ms
        self._newest_ms = 0
        self._queue: asyncio.Queue[Wish | None] = asyncio.Queue(QUEUE)
        self._checkpointed = -1
        self._closed = False
        self._ended = False

    # Start

    def found(self, founding: Founded) -> None:
        """Make `founding` entry 0 of an empty journal; `replay` then applies it."""
        self._journal.append([encode(founding)])

    def replay(self, since: int = -1) -> Replayed:
        """Rebuild the machine from the journal, comparing every checkpoint; go on where it is as after entry `since`.

        The chain of hashes is checked from the first entry in any case. Raises `Unavailable`: `journal.corrupt` for an
        entry that is not what was written, `journal.replay` for one that the machine refuses or that leads to another
        state than it did; both name `seq`.
        """
        began_ms, compared, seq = self._clock_ms(), 0, -1
        expected = self._journal.checkpoints()
        for seq, _, payload in self._journal.entries():
            if seq < since:
                continue
            if seq == since:
                self._newest_ms = decode(payload).at_ms
            else:
                self._replay_entry(seq, payload)
            if seq in expected:
                compared += 1
                if self._checkpoint(seq) != expected[seq]:
                    raise Unavailable("journal.replay", f"the replay differs from the state after entry {seq}", seq=seq)
        self._checkpointed = min(max(expected, default=-1), seq)
        return Replayed(seq + 1, compared, self._clock_ms() - began_ms, since)

    def _replay_entry(self, seq: int, payload: bytes) -> None:
        try:
            event = decode(payload)
            self._performer.recall(event, self._machine.apply(event))
        except (msgspec.DecodeError, FairwayError) as error:
            raise Unavailable("journal.replay", f"entry {seq} cannot be replayed: {error}", seq=seq) from error
        self._newest_ms = event.at_ms

    # The face to the sessions

    async def put(self, event: AnyEvent, answer: Answer) -> None:
        """Queue an event (waiting while the queue is full); `answer` is told. Its `at_ms` is set by the loop.

        Raises `Unavailable` (`service.stopping`) once the loop is closing.
        """
        await self._enqueue(Wish(event, answer))

    async def submit(self, event: AnyEvent) -> None:
        """Queue an event and wait until it is durable and performed; raises what it was refused with."""
        await self._await(event, lambda: None)

    async def ask(self, question: Callable[[], T]) -> T:
        """The answer to `question`, asked when every wish before it is durable and performed, and none is under way."""
        return await self._await(None, question)

    async def _await(self, event: AnyEvent | None, question: Callable[[], T]) -> T:
        answered: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def answer(refusal: FairwayError | None) -> None:
            if answered.done():  # whoever asked has gone
                return
            try:
                if refusal:
                    raise refusal
                answered.set_result(question())
            except FairwayError as error:
                answered.set_exception(error)

        await self._enqueue(Wish(event, answer))
        return await answered

    async def _enqueue(self, wish: Wish) -> None:
        if self._closed:
            raise STOPPING
        await self._queue.put(wish)
        if self._ended:  # it ended while we waited for room
            self._refuse_the_rest()

    async def close(self) -> None:
        """Take no more wishes; `run` returns after those that are queued."""
        if not self._closed:
            self._closed = True
            await self._queue.put(None)

    # The loop

    async def run(self) -> None:
        """Serve until `close`. Raises what stopped the loop: `IllegalTransition`, or the journal's `Unavailable`.

        What was applied before a fault is made durable and answered; the wish that caused it is not.
        """
        try:
            while await self._turn():
                pass
        finally:
            self._closed = self._ended = True
            self._refuse_the_rest()

    async def _turn(self) -> bool:
        """One batch; whether there may be more."""
        batch = await self._next_batch()
        wishes = [wish for wish in batch if wish is not None]
        steps, fault = self._apply(wishes)
        await self._commit(steps)
        for step in steps:
            self._finish(step)
        if fault:
            _tell(wishes[len(steps) :], STOPPING)
            raise fault
        return len(wishes) == len(batch)

    async def _commit(self, steps: Sequence[Taken | Spared]) -> None:
        taken = [step for step in steps if isinstance(step, Taken)]
        if not taken:
            return
        try:
            await asyncio.to_thread(self._make_durable, taken)
        except BaseException:
            _tell([step.wish for step in steps], UNKNOWN)
            raise

    def _finish(self, step: Taken | Spared) -> None:
        if isinstance(step, Taken):
            self._performer.perform(step.event, step.effects)
            step.wish.answer(None)
        else:
            step.wish.answer(step.refusal)

    async def _next_batch(self) -> list[Wish | None]:
        """What waits, up to the first question: nothing after it may be durable yet when it is asked."""
        batch = [await self._queue.get()]
        while len(batch) < self._batch and not self._queue.empty() and _is_event(batch[-1]):
            batch.append(self._queue.get_nowait())
        return batch

    def _apply(self, wishes: Sequence[Wish]) -> tuple[list[Taken | Spared], IllegalTransition | None]:
        """Each wish's step, up to one that we could not take by our own fault; then that fault."""
        steps: list[Taken | Spared] = []
        for wish in wishes:
            try:
                steps.append(self._step(wish))
            except IllegalTransition as fault:
                return steps, fault
        return steps, None

    def _step(self, wish: Wish) -> Taken | Spared:
        if wish.event is None:
            return Spared(wish, None)
        try:
            event, payload = self._stamp(wish.event)
            return Taken(wish, event, payload, self._machine.apply(event))
        except (Rejected, InvalidMessage) as refusal:
            return Spared(wish, refusal)
        except IllegalTransition:
            raise
        except Exception as error:
            raise IllegalTransition("service.fault", f"the engine failed on {wish.event!r:.200}: {error!r}") from error

    def _stamp(self, event: AnyEvent) -> tuple[AnyEvent, bytes]:
        """`event` at the time of now, which never runs backwards, authenticated; and its payload."""
        self._newest_ms = max(self._newest_ms, self._clock_ms())
        stamped = msgspec.structs.replace(event, at_ms=self._newest_ms)
        try:
            self._machine.authenticate(stamped)
            return stamped, encode(stamped)
        except (OverflowError, ValueError, TypeError) as error:
            raise InvalidMessage("service.value", f"a value of the message is out of its bounds: {error}") from error

    def _make_durable(self, steps: Sequence[Taken]) -> None:
        letters: list[Letter] = []
        for entry, step in enumerate(steps, self._journal.newest.seq + 1):
            letters += self._performer.letters(entry, step.event, step.effects)
        newest = self._journal.append([step.payload for step in steps], letters)
        if newest >= self._checkpointed + self._checkpoint_every:
            self.checkpoint()

    def checkpoint(self) -> None:
        """Remember the digests of the newest state, for the next replay to be compared with."""
        seq = self._journal.newest.seq
        self._journal.add_checkpoint(self._checkpoint(seq))
        self._checkpointed = seq

    def _checkpoint(self, seq: int) -> Checkpoint:
        return Checkpoint(seq, self._machine.digest(), self._machine.book_digest())

    def _refuse_the_rest(self) -> None:
        while not self._queue.empty():
            wish = self._queue.get_nowait()
            if wish is not None:
                _tell([wish], STOPPING)


def _is_event(wish: Wish | None) -> bool:
    return wish is not None and wish.event is not None


def _tell(wishes: Sequence[Wish], why: Unavailable) -> None:
    for wish in wishes:
        wish.answer(why)
