"""A start with a snapshot and without, after so many events.

The history is that of `benchmarks.flow` at a millisecond an event, so that what waits for its time does not wait for
ever, and with its settlements proven as they come: after every sixty-four the proofs and their epoch, of the right size
and of zeros. No replay verifies those, nor a round's signatures, which are of another time. The history is written to a
journal as it is made, by a `State` as a replay makes it. There are two snapshots: at the last entry, as a clean stop
leaves it, and one whole interval before, as the worst kill does.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from benchmarks import flow
from fairway.exchange import event
from fairway.exchange.effect import ProveRecord
from fairway.service import snapshot
from fairway.service.archive import Checkpoint
from fairway.service.heap import building
from fairway.service.journal import Journal
from fairway.service.run import CHECKPOINT_EVERY, Sequencer
from fairway.service.state import State

__all__ = ["measure", "write"]

PAGE = 5_000
EPOCH = 64
PROOF, GROUP = 545, 928
"""Bytes of a settlement's proof, and of the ranges of one; 64 settlements have some 46 groups of them."""
GROUPS = 46
USERS = 200


class Writer(flow.Recorder):
    """A recorder whose events go to a journal, and whose state learns from them as a service does."""

    def __init__(self, folder: Path, users: int, *, quiet: bool) -> None:
        self.folder, self.state, self.journal = folder, State(), Journal.open(folder)
        self.records: list[bytes] = []
        super().__init__(users, 1, 20_251, quiet=quiet)

    @property
    def written(self) -> int:
        return self.journal.newest.seq + 1 + len(self.events)

    def put(self, happened: event.AnyEvent) -> None:
        now_ms = flow.AT_MS + self.written
        happened = replace(happened, at_ms=now_ms)
        if isinstance(happened, event.Priced):
            happened = replace(happened, round_ms=now_ms)
        self.engine = self.state.engine
        effects = self.engine.apply(happened)
        self.state.recall(happened, effects)
        self.events.append(event.encode(happened))
        self.records += [effect.record.txid for effect in effects if isinstance(effect, ProveRecord)]
        if len(self.events) >= PAGE:
            self.flush()

    def step(self) -> None:
        super().step()
        if len(self.records) >= EPOCH:
            records, self.records = self.records, []
            for txid in records:
                self.put(event.Proved(at_ms=flow.AT_MS, txid=txid, proof=bytes(PROOF)))
            first = self.state.wanted.ranged
            proof = bytes(GROUPS * GROUP)
            self.put(event.EpochProved(at_ms=flow.AT_MS, first=first, last=first + len(records), proof=proof))

    def flush(self) -> None:
        self.journal.append(self.events)
        self.events.clear()

    def keep(self) -> int:
        """A checkpoint and a snapshot here; the snapshot's bytes."""
        self.flush()
        newest, engine = self.journal.newest, self.state.engine
        checkpoint = Checkpoint(newest.seq, engine.digest(), engine.book_digest())
        self.journal.add_checkpoint(checkpoint)
        return snapshot.keep(self.folder, self.state, newest.hash, checkpoint)


def write(folder: Path, events: int, *, users: int = USERS, quiet: bool = False) -> dict[str, float]:
    """A journal of `events` with its two snapshots in `folder`, and what the last of them took."""
    with building():
        writer = Writer(folder, users, quiet=quiet)
        while writer.written < events - min(CHECKPOINT_EVERY, events // 2):
            writer.step()
        writer.keep()
        while writer.written < events:
            writer.step()
    began = time.process_time()
    size = writer.keep()
    spent = time.process_time() - began
    figures = {"journal bytes": sum(path.stat().st_size for path in folder.glob("journal*"))}
    writer.journal.seal()
    return figures | {"snapshot bytes": size, "snapshot written": spent}


def measure(folder: Path, events: int) -> dict[str, Any]:
    """Starts in `folder`, each in a process of its own: clean, after a kill, and without a snapshot."""
    figures: dict[str, Any] = {"clean": start(folder)}
    max(folder.glob("snapshot-*")).unlink()
    figures["killed"] = start(folder)
    for path in folder.glob("snapshot-*"):
        path.unlink()
    figures["whole"] = start(folder)
    if len({row["digest"] for row in figures.values()}) > 1 or figures["whole"]["entries"] < events:
        raise SystemExit("a start from a snapshot did not end where the whole replay did")
    return figures


def start(folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.restart", str(folder.absolute())]
    ended = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1])
    return dict(json.loads(ended.stdout))


class Learner:
    """A performer that only learns."""

    def __init__(self, state: State) -> None:
        self.recall = state.recall


def begin(folder: Path) -> dict[str, Any]:
    """One start, as `fairway serve` does it but for keys and the network; its seconds by what they were spent on."""
    wall, began = time.perf_counter(), time.process_time()
    with building():
        journal = Journal.open(folder)
        opened = time.process_time()
        found = snapshot.find(folder, journal)
        read = time.process_time()
        sequencer = Sequencer(found.state.engine, journal, Learner(found.state), lambda: 0)  # type: ignore[arg-type]
        replayed = sequencer.replay(found.seq)
    ended = time.process_time()
    journal.seal()
    return {
        "entries": replayed.entries,
        "replayed": replayed.replayed,
        "refused": found.refused,
        "pages": opened - began,
        "image": read - opened,
        "chain and tail": ended - read,
        "seconds": ended - began,
        "wall": time.perf_counter() - wall,
        "resident bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "digest": found.state.engine.digest().hex(),
    }


if __name__ == "__main__":
    print(json.dumps(begin(Path(sys.argv[1]))))
