"""What it costs to have many markets: the same history over 1, 100 and 1,000 of them.

    python -m benchmarks.markets [--events 3000] [--report markets.json]

Markets are written as the TOML that an operator writes; nothing else of the venue knows how many there are. Processor
time of the engine alone (`apply`), and of one round of the oracle; bytes that an account weighs, since side B's half
names every market from the beginning.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from benchmarks import flow
from benchmarks.replay import weight
from benchmarks.stage import load
from fairway.exchange.engine import Engine
from fairway.exchange.event import Priced, Proposed, decode

MARKETS = (1, 100, 1000)
USERS = 40


def row(markets: int, events: int) -> dict[str, float]:
    history = flow.record(events, users=USERS, markets=markets)
    engine = Engine()
    for payload in history.opening:
        engine.apply(decode(payload))
    spent: dict[type, list[float]] = {Proposed: [], Priced: []}
    for payload in history.trading:
        event = decode(payload)
        began = time.process_time()
        engine.apply(event)
        spent[type(event)].append(time.process_time() - began)
    if engine.digest() != history.digest:
        raise SystemExit("the engine did not end where the recorded history did")
    idle, crowded = (flow.record(0, users=users, markets=markets) for users in (4, 12))
    return {
        "half": 1e6 * sum(spent[Proposed]) / len(spent[Proposed]),
        "round": 1e6 * sum(spent[Priced]) / len(spent[Priced]),
        "fills": history.fills,
        "bytes an account": (weight(crowded) - weight(idle)) / 8,
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=3000)
    parser.add_argument("--report", type=Path)
    chosen = parser.parse_args(arguments)
    report: dict[str, Any] = {"load": load(), "events": chosen.events}
    print("markets  half µs  round µs  fills  bytes an account")
    for markets in MARKETS:
        cells = report[str(markets)] = row(markets, chosen.events)
        print(f"{markets:7}" + "  ".join(f"{value:8.0f}" for value in cells.values()))
    if chosen.report:
        chosen.report.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
