"""The service without its house: engine, journal, loop, hands and desk joined as `fairway serve` joins them.

No chain and no prover. It stands at the end of a history's opening, and time is the history's: what is played next
happens as it was recorded.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from nacl.bindings import crypto_sign_open

from benchmarks import flow
from fairway.crypto.keys import Signer
from fairway.exchange.effect import AnyEffect
from fairway.exchange.engine import Engine
from fairway.exchange.event import AnyEvent, Proposed, decode
from fairway.exchange.proposals import half_of
from fairway.exchange.wire import Granted, Pushed
from fairway.service.desk import Desk
from fairway.service.heap import building
from fairway.service.hub import Hub, Session
from fairway.service.journal import Journal, Letter
from fairway.service.meter import Meter
from fairway.service.perform import Hands
from fairway.service.run import Sequencer

__all__ = ["LOAD_LIMIT", "Costs", "Sink", "Stage", "load", "signature_seconds"]

LOAD_LIMIT = 3.0
"""A round that begins under a load above this is counted as loud."""
SIGNATURES = 300


def load() -> float:
    return os.getloadavg()[0]


class Costs:
    """Processor seconds by stage, and what the disk took by the wall's clock."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        began = time.thread_time_ns()
        try:
            yield
        finally:
            self.seconds[stage] += (time.thread_time_ns() - began) / 1e9


class Sink(Session):
    """A reader who is always fast enough: counts frames and keeps the newest."""

    def __init__(self) -> None:
        super().__init__(b"")
        self.frames = 0
        self.newest = b""

    def send(self, frame: bytes) -> None:
        self.frames += 1
        self.newest = frame


class TimedEngine(Engine):
    __slots__ = ("costs",)

    def __init__(self, costs: Costs) -> None:
        super().__init__()
        self.costs = costs

    def authenticate(self, event: AnyEvent) -> None:
        with self.costs.of("verify"):
            super().authenticate(event)

    def apply(self, event: AnyEvent) -> list[AnyEffect]:
        with self.costs.of("apply"):
            return super().apply(event)


class TimedJournal(Journal):
    costs: Costs

    def append(self, payloads: Sequence[bytes], letters: Sequence[Letter] = ()) -> int:
        began = time.perf_counter()
        with self.costs.of("journal"):
            newest = super().append(payloads, letters)
        self.costs.seconds["journal, wall"] += time.perf_counter() - began
        return newest


class TimedHands(Hands):
    costs: Costs

    def letters(self, entry: int, event: AnyEvent, effects: Sequence[AnyEffect]) -> list[Letter]:
        with self.costs.of("letters"):
            return super().letters(entry, event, effects)

    def sign(self, reply: Granted | Pushed) -> bytes:
        with self.costs.of("sign"):
            return super().sign(reply)


class Stage:
    """The service in `folder`, open. With `costs` every stage is timed."""

    def __init__(self, folder: Path, history: flow.History, batch: int, costs: Costs | None = None) -> None:
        self.engine = TimedEngine(costs) if costs else Engine()
        self.journal = (TimedJournal if costs else Journal).open(folder)
        self.hub, self.meter = Hub(), Meter(lambda: flow.AT_MS)
        self.hands = (TimedHands if costs else Hands)(self.engine, flow.KEYRING, self.hub, self.meter, ())
        self.sequencer = Sequencer(self.engine, self.journal, self.hands, lambda: flow.AT_MS, batch)
        self.desk = Desk(self.engine, self.sequencer, self.journal, flow.KEYRING, self.hub, self.hands)
        if isinstance(self.journal, TimedJournal) and isinstance(self.hands, TimedHands) and costs:
            self.journal.costs = self.hands.costs = costs
        if self.journal.newest.seq < 0:
            self.journal.append(history.opening)
        with building():
            self.sequencer.replay()
        if costs:
            costs.seconds.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.journal.close()


def signature_seconds(history: flow.History) -> float:
    """What libsodium takes for one strict verification and one signature, processor seconds: halves of `history`."""
    engine, signed = Engine(), []
    for payload in history.opening:
        engine.apply(decode(payload))
    signer = Signer.of(bytes(32))
    for payload in history.trading:
        event = decode(payload)
        if isinstance(event, Proposed):
            channel = engine.channels[event.channel_id]
            signed.append((channel.key_a, half_of(channel, event).digest(), event.signature))
            if len(signed) == SIGNATURES:
                break
        engine.apply(event)
    began = time.process_time()
    for key, digest, signature in signed:
        crypto_sign_open(signature + digest, key)
        signer.sign(digest)
    return (time.process_time() - began) / len(signed)
