"""What a restart takes and what the state weighs; and that nothing acknowledged is lost when the service is killed.

    python -m benchmarks.replay [--events 20000] [--restart 100000] [--kills 3] [--report replay.json]

*replay*: a journal of so many events, opened and replayed as `fairway serve` does: chain of hashes, decode, apply.
*restart*: a trading history with its proofs; starts from the snapshot of a clean stop, from that of a killed service
with a whole interval behind it, and from the first entry (`benchmarks/restart.py`). For a million events say `--restart
1000000`; recording them takes longer than replaying them. *memory*: what Python's allocator holds for each resting
order and each account, by differences between two states. *kill*: the loop in another process says the number of every
half whose answer is out, until it is killed at some moment; then the journal must replay, hold all of them, and
conserve money.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import multiprocessing
import random
import tempfile
import time
import tracemalloc
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks import flow, restart
from benchmarks.stage import Stage, load
from fairway.errors import FairwayError
from fairway.exchange.engine import Engine
from fairway.exchange.event import Proposed, decode
from fairway.service.journal import Journal

BATCH = 100
AT_ONCE = 10_000


def write(folder: Path, history: flow.History) -> None:
    journal = Journal.open(folder)
    events = history.opening + history.trading
    for first in range(0, len(events), AT_ONCE):
        journal.append(events[first : first + AT_ONCE])
    journal.close()


def replay(history: flow.History) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), history)
        began, wall = time.process_time(), time.perf_counter()
        with Stage(Path(name), history, BATCH) as stage:
            spent, wall = time.process_time() - began, time.perf_counter() - wall
            if stage.engine.digest() != history.digest:
                raise SystemExit("the replay did not end where the recorded history did")
            stage.engine.venue.check()
    events = len(history.opening) + len(history.trading)
    return {"events": events, "seconds": wall, "processor": spent, "events a second": events / spent}


def started(events: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        report = restart.write(Path(folder), events)
        return report | restart.measure(Path(folder), events)


# Memory


def weight(history: flow.History) -> int:
    """Bytes that the state at the end of `history` holds."""
    gc.collect()
    tracemalloc.start()
    engine = Engine()
    for payload in history.opening + history.trading:
        engine.apply(decode(payload))
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held


def memory() -> dict[str, float]:
    idle, crowded = flow.record(0, users=100), flow.record(0, users=300)
    busy = flow.record(3000, users=100, quiet=True)
    base = weight(idle)
    return {
        "bytes an account": (weight(crowded) - base) / 200,
        "bytes a resting order": (weight(busy) - base) / busy.live,
    }


# Kill


def serve(pipe: Connection, folder: str, history: flow.History) -> None:
    """Play `history`, saying the place of each event that was answered; ends by being killed."""

    async def play(stage: Stage) -> None:
        running = asyncio.ensure_future(stage.sequencer.run())

        def answer(place: int, refusal: FairwayError | None) -> None:
            pipe.send((place, refusal is None))

        for place, payload in enumerate(history.trading):
            await stage.sequencer.put(decode(payload), lambda refusal, place=place: answer(place, refusal))
        await stage.sequencer.close()
        await running

    with Stage(Path(folder), history, BATCH) as stage:
        asyncio.run(play(stage))


def kill(history: flow.History, after: int) -> dict[str, int]:
    """Kill the service once `after` answers are out; how many were, and how many of those the journal has."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    with tempfile.TemporaryDirectory() as folder:
        serving = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, folder, history))
        serving.start()
        theirs.close()
        answered = [ours.recv() for _ in range(after)]
        serving.kill()
        serving.join()
        try:
            while True:
                answered.append(ours.recv())
        except (EOFError, OSError):
            pass
        with Stage(Path(folder), history, BATCH) as stage:
            stage.engine.venue.check()
            entries = [decode(entry.payload) for entry in stage.journal.entries()]
    journaled = {(event.channel_id, event.seqno) for event in entries if isinstance(event, Proposed)}
    halves = [
        event for place, taken in answered if taken and isinstance(event := decode(history.trading[place]), Proposed)
    ]
    found = sum((half.channel_id, half.seqno) in journaled for half in halves)
    if found != len(halves):
        raise SystemExit(f"{len(halves) - found} acknowledged halves are lost")
    return {"acknowledged": len(halves), "found": found, "journaled": len(journaled)}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--restart", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--report", type=Path)
    chosen = parser.parse_args(arguments)
    report: dict[str, Any] = {"load": load()}
    for name in ("quiet", "trading"):
        history = flow.record(chosen.events, quiet=name == "quiet")
        row = report[name] = replay(history)
        print(f"{name}: {row['events']:.0f} events in {row['processor']:.1f} s, {row['events a second']:.0f}/s")
    row = report["restart"] = started(chosen.restart)
    print(f"snapshot of {row['snapshot bytes']} bytes, written in {row['snapshot written']:.1f} s")
    for name in ("clean", "killed", "whole"):
        start = row[name]
        parts = ", ".join(f"{part} {start[part]:.1f}" for part in ("pages", "image", "chain and tail"))
        print(f"  {name}: {start['replayed']} of {start['entries']} replayed, {start['seconds']:.1f} s ({parts})")
    report["memory"] = memory()
    print("  ".join(f"{name} {held:.0f}" for name, held in report["memory"].items()))
    history, chance = flow.record(2000), random.Random(1)
    report["kills"] = [kill(history, chance.randrange(100, 1500)) for _ in range(chosen.kills)]
    for row in report["kills"]:
        print(f"killed after {row['acknowledged']} acknowledged halves: all found, of {row['journaled']} journaled")
    if chosen.report:
        chosen.report.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
