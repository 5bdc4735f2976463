"""The co-signed pipeline beside what the same library can sign: frames in, signed pushes out, each batch on disk first.

    python -m benchmarks.pipeline [--events 3000] [--rounds 5] [--report pipeline.json]

The limit is one strict verification and one signature per half, one by one, measured in every round. The pipeline is
the real loop (`fairway.service.run`) around the real engine, journal and keys, in one process: decode, verify, apply,
encode, journal with fsync, sign, send. Two histories: *trading* has fills, closes and the oracle's rounds, *quiet* only
orders that rest and cancels; that one is also played over WebSockets, by users in another process. Their halves are
signed beforehand. Figures are processor time of the service's process, so that the machine's other load counts little;
the disk's wait is told apart. Stages are timed in a run of their own, for the clocks cost something too. A run counts
only if it ends in the recorded state. The last line says what more processes would verify and sign, in batches.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks import flow, loopback
from benchmarks.stage import LOAD_LIMIT, Costs, Sink, Stage, load, signature_seconds
from fairway.crypto.keys import Signer, verify
from fairway.errors import FairwayError
from fairway.exchange.event import AnyEvent, decode, encode
from fairway.exchange.wire import decode_request
from fairway.service.desk import event_of

BATCHES = (1, 100, 1000)
STAGES = ("decode", "verify", "apply", "encode", "letters", "journal", "sign")
BATCH = 256
WORKERS = (1, 2)
SHARE, BATCHES_SHARED = 100, 40
FEW = 4
"""Batches of one play so many times fewer events: each is an fsync."""


def frames(history: flow.History) -> list[bytes | AnyEvent]:
    """What comes in: users' frames, and the oracle's rounds as events."""
    events = [decode(payload) for payload in history.trading]
    return [flow.request(happened) or happened for happened in events]


async def play(stage: Stage, incoming: list[bytes | AnyEvent], costs: Costs) -> None:
    """Put everything to the loop as sessions do, and wait until all of it is answered."""
    refused: list[FairwayError] = []
    answered = asyncio.Semaphore(0)

    def answer(refusal: FairwayError | None) -> None:
        if refusal is not None:
            refused.append(refusal)
        answered.release()

    running = asyncio.ensure_future(stage.sequencer.run())
    for each in incoming:
        if isinstance(each, bytes):
            with costs.of("decode"):
                event = event_of(decode_request(each))
        else:
            event = each
        await stage.sequencer.put(event, answer)
    await stage.sequencer.close()
    await running
    if refused:
        raise SystemExit(f"{len(refused)} of the recorded events were refused: {refused[0]}")


def run(history: flow.History, batch: int) -> dict[str, float]:
    """Microseconds an event: in all, by the processor and by the wall, then by stage."""
    costs = Costs()
    spent, wall, _ = once(history, batch, None)
    timed, _, signatures = once(history, batch, costs)
    events = [decode(payload) for payload in history.trading]
    began = time.process_time()
    for event in events:
        encode(event)
    costs.seconds["encode"] = time.process_time() - began
    scale = 1e6 / len(events)
    known = {stage: costs.seconds[stage] * scale for stage in STAGES}
    return {
        "all": spent * scale,
        "wall": wall * scale,
        "with clocks": timed * scale,
        **known,
        "loop, send": timed * scale - sum(known.values()),
        "disk": (costs.seconds["journal, wall"] - costs.seconds["journal"]) * scale,
        "signatures": signatures / len(events),
    }


def once(history: flow.History, batch: int, costs: Costs | None) -> tuple[float, float, int]:
    """One run: seconds by the processor and by the wall, and how many signatures were made."""
    incoming = frames(history)
    with tempfile.TemporaryDirectory() as folder, Stage(Path(folder), history, batch, costs) as stage:
        sinks = [Sink() for _ in stage.engine.channels]
        for sink, channel_id in zip(sinks, stage.engine.channels, strict=True):
            stage.hub.follow(sink, channel_id)
        began, wall = time.process_time(), time.perf_counter()
        asyncio.run(play(stage, incoming, costs or Costs()))
        spent, wall = time.process_time() - began, time.perf_counter() - wall
        pushed = sum(sink.frames for sink in sinks)
        if stage.engine.digest() != history.digest or pushed != stage.meter.counts["Push"]:
            raise SystemExit("the run did not end where the recorded history did")
    return spent, wall, pushed + 2 * history.fills


def one_round(histories: dict[str, tuple[flow.History, flow.History]]) -> dict[str, Any]:
    row: dict[str, Any] = {"load": load()}
    for name, (many, few) in histories.items():
        limit = signature_seconds(many) * 1e6
        row[name] = {"limit": limit}
        for batch in BATCHES:
            row[name][str(batch)] = run(few if batch == 1 else many, batch)
    row["sockets"] = over_sockets(histories["quiet"][0])
    row["workers"] = {str(count): shared_out(count) for count in WORKERS}
    return row


def over_sockets(history: flow.History) -> float:
    """Processor microseconds an event of the quiet history, WebSockets in and out included."""
    times = [0.0] * len(history.trading)
    with tempfile.TemporaryDirectory() as folder, Stage(Path(folder), history, BATCH) as stage:
        outcome = asyncio.run(loopback.play(stage, history, times))
        if flow.promises(stage.engine) != history.promised:
            raise SystemExit("the run over sockets did not end where the recorded history did")
    return outcome.processor * 1e6 / len(times)


def shared_out(count: int) -> float:
    """Verifications and signatures (a pair each) a second by `count` processes, sent out and back in batches."""
    signer = Signer.of(bytes(32))
    digests = [number.to_bytes(32) for number in range(SHARE)]
    work = [(signer.key, digest, signer.sign(digest)) for digest in digests]
    with ProcessPoolExecutor(count, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(pairs, [work[:1]] * count))
        began = time.perf_counter()
        list(pool.map(pairs, [work] * BATCHES_SHARED))
        return BATCHES_SHARED * SHARE / (time.perf_counter() - began)


def pairs(work: list[tuple[bytes, bytes, bytes]]) -> list[bytes]:
    signer = Signer.of(bytes(32))
    for key, digest, signature in work:
        verify(key, digest, signature)
    return [signer.sign(digest) for _, digest, _ in work]


def spread(values: list[float], form: str = ".2f") -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}}-{max(values):{form}})"


def table(report: dict[str, Any]) -> str:
    rounds = report["rounds"]
    loud = sum(each["load"] > LOAD_LIMIT for each in rounds)
    lines = [
        f"{len(rounds)} rounds, {loud} of them under a load above {LOAD_LIMIT:.0f}; processor microseconds an event"
    ]
    for name in report["histories"]:
        limits = [each[name]["limit"] for each in rounds]
        made = rounds[0][name]["1000"]["signatures"]
        lines.append(
            f"\n{name}: one verification and one signature {spread(limits, '.0f')}; {made:.1f} signatures an event"
        )
        for batch in BATCHES:
            runs = [each[name][str(batch)] for each in rounds]
            ratios = [limit / run["all"] for limit, run in zip(limits, runs, strict=True)]
            stages = "  ".join(
                f"{stage} {statistics.median(run[stage] for run in runs):.0f}" for stage in (*STAGES, "loop, send")
            )
            walls = spread([1e6 / run["wall"] for run in runs], ".0f")
            lines.append(
                f"  batch {batch:4}: {spread([run['all'] for run in runs], '.0f')}, "
                f"{spread(ratios)} of the limit; {walls}/s by the wall"
            )
            lines.append(f"      {stages}  (waiting for the disk {statistics.median(run['disk'] for run in runs):.0f})")
    sockets = [each["sockets"] for each in rounds]
    ratios = [each["quiet"]["limit"] / each["sockets"] for each in rounds]
    lines.append(f"\nquiet over WebSockets: {spread(sockets, '.0f')}, {spread(ratios)} of the limit")
    gains = [each["workers"]["2"] / each["workers"]["1"] for each in rounds]
    lines.append(f"two processes verify and sign {spread(gains)} of what one does")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--report", type=Path)
    chosen = parser.parse_args(arguments)
    histories = {
        name: tuple(flow.record(count, quiet=name == "quiet") for count in (chosen.events, chosen.events // FEW))
        for name in ("quiet", "trading")
    }
    report = {
        "events": chosen.events,
        "histories": {name: many.figures() for name, (many, _) in histories.items()},
        "rounds": [one_round(histories) for _ in range(chosen.rounds)],
    }
    print(table(report))
    if chosen.report:
        chosen.report.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
