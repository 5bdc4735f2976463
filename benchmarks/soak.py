"""`make soak`: a real service under a steady load for long, then ten times as much for a moment.

Users with the client's own sessions and records order over loopback WebSockets at planned moments that wait for no
answer; the time of each runs from its plan. Meanwhile the service's memory and descriptors are watched. In the end it
is stopped, and every half that a user was told is looked for in its journal. Exit status 1: memory or descriptors grow,
or something is lost.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.guests import Guest, Prices, lost, prepared
from benchmarks.latency import quantile
from benchmarks.stage import load

WARM_UP = 0.4
"""The part of the steady time after which memory has to be flat."""
POINTS = 120
NOISE_MB, GROWTH_MB_H = 8.0, 64.0
"""Memory grows that has grown by more than the first, at more than the second an hour."""
BURST, BURST_S, RECOVER_S = 10, 5.0, 10.0
P99_MS = 50.0
AFTER_S = 60.0


@dataclass(slots=True)
class Sample:
    """The service at one moment."""

    at_s: float
    rss_mb: float
    descriptors: int


@dataclass(slots=True)
class Answers:
    """What became of the orders of one part: seconds from plan to answer, and how late they were even asked for."""

    planned: int = 0
    answered: list[float] = field(default_factory=list)
    asked_late: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)

    def figures(self) -> dict[str, Any]:
        """In milliseconds."""
        parts = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0))
        times = {name: round(quantile(self.answered, part) * 1e3, 1) for name, part in parts} if self.answered else {}
        late = round(quantile(self.asked_late, 0.99) * 1e3, 1) if self.asked_late else 0.0
        return {
            "planned": self.planned,
            "answered": len(self.answered),
            **times,
            "asked late, p99": late,
            "refused": dict(self.refused),
        }


def moments(rate: float, seconds: float, chance: random.Random) -> Iterator[float]:
    """Arrivals of many users who know nothing of one another."""
    at = 0.0
    while (at := at + chance.expovariate(rate)) < seconds:
        yield at


async def play(guests: Sequence[Guest], rate: float, seconds: float, chance: random.Random) -> tuple[Answers, float]:
    """Order at `rate` for `seconds`; the answers, and how long after the end the last one came."""
    answers, began, under_way = Answers(), time.perf_counter(), set[asyncio.Task[None]]()
    for at in moments(rate, seconds, chance):
        while (left := began + at - time.perf_counter()) > 0:  # noqa: ASYNC110 - it is a time that is waited for
            await asyncio.sleep(left)
        answers.planned += 1
        task = asyncio.create_task(_order(chance.choice(guests), began + at, answers))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    ended = time.perf_counter()
    if under_way:
        await asyncio.wait(under_way, timeout=AFTER_S)
    for task in under_way:
        task.cancel()
    return answers, time.perf_counter() - ended


async def _order(guest: Guest, planned: float, answers: Answers) -> None:
    answers.asked_late.append(time.perf_counter() - planned)
    refusal = await guest.order()
    answers.answered.append(time.perf_counter() - planned)
    if refusal:
        answers.refused[refusal] += 1


async def watch(process: int, samples: list[Sample]) -> None:
    """Look at the service once a second, until cancelled."""
    began, folder = time.perf_counter(), Path("/proc") / str(process)
    while True:
        resident = next(line for line in (folder / "status").read_text().splitlines() if line.startswith("VmRSS"))
        descriptors = sum(1 for _ in (folder / "fd").iterdir())
        samples.append(Sample(time.perf_counter() - began, int(resident.split()[1]) / 1024, descriptors))
        await asyncio.sleep(1)


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The median of the slopes between all pairs, of at most `POINTS` of them: a single jump does not move it."""
    thin = points[:: -(-len(points) // POINTS)]
    return statistics.median((b - a) / (t - s) for (s, a), (t, b) in combinations(thin, 2)) if len(thin) > 1 else 0.0


def growth(samples: Sequence[Sample]) -> dict[str, Any]:
    """What memory and descriptors did once it was warm."""
    warm = samples[int(len(samples) * WARM_UP) :]
    third = max(1, len(warm) // 3)
    first, last = warm[:third], warm[-third:]
    grown = statistics.median(each.rss_mb for each in last) - statistics.median(each.rss_mb for each in first)
    by_hour = slope([(each.at_s, each.rss_mb) for each in warm]) * 3600
    most = [max(each.descriptors for each in part) for part in (first, last)]
    return {
        "rss at the end, MB": round(samples[-1].rss_mb, 1),
        "rss grown, MB": round(grown, 1),
        "rss slope, MB an hour": round(by_hour, 1),
        "memory grows": grown > NOISE_MB and by_hour > GROWTH_MB_H,
        "descriptors": most[-1],
        "descriptors slope, an hour": round(slope([(each.at_s, each.descriptors) for each in warm]) * 3600, 1),
        "descriptors grow": most[-1] > most[0],
    }


async def soak(folder: Path, rate: float, minutes: float, users: int, takes: float) -> dict[str, Any]:
    """Everything, as one report."""
    chance, samples = random.Random(1), list[Sample]()
    report: dict[str, Any] = {"rate": rate, "minutes": minutes, "users": users, "load before": load()}
    async with prepared(folder, users, takes) as (service, guests):
        prices = Prices(service.url)
        await prices.publish()
        await asyncio.gather(*(guest.priced() for guest in guests))
        pricing = asyncio.create_task(prices.run())
        watching = asyncio.create_task(watch(service.pid, samples))
        steady, _ = await play(guests, rate, minutes * 60, chance)
        report |= {"steady": steady.figures(), "load after": load()} | growth(samples)
        burst, recovered_s = await play(guests, BURST * rate, BURST_S, chance)
        report |= {"burst": burst.figures(), "recovered after, s": round(recovered_s, 1)}
        for task in (watching, pricing):
            task.cancel()
        report["status"] = await service.stop()
        report["lost"] = lost(folder, guests) + sum(part.planned - len(part.answered) for part in (steady, burst))
    return report


def table(report: dict[str, Any]) -> str:
    """The report for eyes."""
    names = ("planned", "answered", "p50", "p90", "p99", "p99.9", "max", "asked late, p99")
    lines = [f"{'':8}" + "".join(f"{name:>17}" for name in names)]
    lines += [
        f"{part:8}" + "".join(f"{report[part].get(name, '-'):>17}" for name in names) for part in ("steady", "burst")
    ]
    lines += [f"{name}: {value}" for name, value in report.items() if not isinstance(value, dict)]
    lines += [f"refused, {part}: {report[part]['refused']}" for part in ("steady", "burst")]
    p99, recovered = report["steady"].get("p99", float("inf")), report["recovered after, s"]
    goals = [
        f"p99 below {P99_MS:.0f} ms {_word(is_met=p99 < P99_MS)}",
        f"recovered within {RECOVER_S:.0f} s {_word(is_met=recovered < RECOVER_S)}",
    ]
    return "\n".join([*lines, "goals: " + ", ".join(goals)])


def _word(*, is_met: bool) -> str:
    return "met" if is_met else "missed"


def main(arguments: list[str] | None = None) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=100, help="orders a second")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--takes", type=float, default=0.02, help="how many of the orders take what rests")
    parser.add_argument("--report", type=Path)
    chosen = parser.parse_args(arguments)
    with TemporaryDirectory() as folder:
        report = asyncio.run(soak(Path(folder), chosen.rate, chosen.minutes, chosen.users, chosen.takes))
    print(table(report))
    if chosen.report:
        chosen.report.parent.mkdir(exist_ok=True)
        chosen.report.write_text(json.dumps(report, indent=1) + "\n")
    return int(report["memory grows"] or report["descriptors grow"] or report["lost"] > 0 or report["status"] != 0)


if __name__ == "__main__":
    sys.exit(main())
