"""How long a user waits for the co-signed answer to his half, at parts of what the service can do.

    python -m benchmarks.latency [--seconds 5] [--rounds 3] [--report latency.json]

First the capacity: a burst over the loopback, answered halves a second by the wall. Then, at 10 to 90 % of it, arrivals
at random (seeded) moments, each half timed from the moment it was planned for, not from when the socket took it.
`sent late` is how far the generator itself fell behind its plan: part of the time that is shown, and no fault of the
service. Users are in another process; both share the machine with whatever else runs on it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import flow, loopback
from benchmarks.stage import LOAD_LIMIT, Stage, load

PARTS = (0.10, 0.25, 0.50, 0.75, 0.90)
BURST = 3000
BATCH = 256


def played(history: flow.History, times: Sequence[float]) -> loopback.Outcome:
    with tempfile.TemporaryDirectory() as folder, Stage(Path(folder), history, BATCH) as stage:
        return asyncio.run(loopback.play(stage, history, times))


def arrivals(rate: float, seconds: float, seed: int) -> list[float]:
    """Poisson arrivals: what many users who know nothing of one another make."""
    chance, times, at = random.Random(seed), [], 0.0
    while (at := at + chance.expovariate(rate)) < seconds:
        times.append(at)
    return times


def quantile(values: Sequence[float], part: float) -> float:
    """The value that `part` of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def one_round(history: flow.History, seconds: float, seed: int) -> dict[str, Any]:
    row: dict[str, Any] = {"load": load()}
    burst = played(history, [0.0] * BURST)
    row["capacity"] = BURST / burst.wall
    for part in PARTS:
        times = arrivals(part * row["capacity"], seconds, seed)[: len(history.trading)]
        outcome = played(history, times)
        row[f"{part:.0%}"] = {
            "rate": len(times) / times[-1],
            **{
                name: quantile(outcome.answered, q) * 1e3 for name, q in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999))
            },
            "max": max(outcome.answered) * 1e3,
            "sent late, p99": quantile(outcome.sent_late, 0.99) * 1e3,
        }
    return row


def table(rounds: list[dict[str, Any]]) -> str:
    loud = sum(each["load"] > LOAD_LIMIT for each in rounds)
    capacity = statistics.median(each["capacity"] for each in rounds)
    lines = [f"{len(rounds)} rounds, {loud} of them under a load above {LOAD_LIMIT:.0f}; capacity {capacity:.0f}/s"]
    lines.append(f"{'of it':>6}  milliseconds, medians of the rounds")
    for part in (f"{part:.0%}" for part in PARTS):
        cells = [each[part] for each in rounds]
        figures = (
            f"{name} {statistics.median(cell[name] for cell in cells):.1f}" for name in cells[0] if name != "rate"
        )
        lines.append(f"{part:>6}  " + "  ".join(figures))
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--report", type=Path)
    chosen = parser.parse_args(arguments)
    history = flow.record(max(BURST, int(3000 * chosen.seconds)), quiet=True)
    rounds = [one_round(history, chosen.seconds, seed) for seed in range(chosen.rounds)]
    print(table(rounds))
    if chosen.report:
        chosen.report.write_text(json.dumps({"seconds": chosen.seconds, "rounds": rounds}, indent=1) + "\n")


if __name__ == "__main__":
    main()
