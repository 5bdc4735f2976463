"""Recordings made up for tests, and where the real one is."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from random import Random

import pytest

T0 = 1_700_000_000_000
SHARED = Path(__file__).parents[3] / "shared" / "data"


def line(stream, data, at_ms=T0):
    """One line of a stream."""
    return f"{at_ms * 1_000_000} {json.dumps({'stream': f'xyzusdt@{stream}', 'data': data})}\n".encode()


def quote(at_ms, bid="100.00", ask="100.01", sizes=("5", "5")):
    """A line of bookTicker."""
    return line("bookTicker", {"b": bid, "B": sizes[0], "a": ask, "A": sizes[1], "E": at_ms})


def trade(at_ms, price="100.00", size="1.5", *, sold=False, stream="trade"):
    """A line of trade; `sold`: the buyer was the maker."""
    return line(stream, {"p": price, "q": size, "m": sold, "E": at_ms})


def depth(at_ms, first, last, previous, bids=(), asks=()):
    """A line of depth."""
    return line("depth@0ms", {"U": first, "u": last, "pu": previous, "b": bids, "a": asks, "E": at_ms})


def snapshot(at_ms, last, bids=(), asks=()):
    """The line of a REST snapshot."""
    return f"{at_ms * 1_000_000} {json.dumps({'lastUpdateId': last, 'bids': bids, 'asks': asks})}\n".encode()


def wandering(count, seed=1):
    """A minute or so in which the price wanders by single steps: `count` quotes and as many trades."""
    random, step, lines = Random(seed), 10_000, []
    levels = {
        s: [[f"{(step + (i if s > 0 else -i)) / 100:.2f}", f"{random.randint(1, 9)}"] for i in range(1, 9)]
        for s in (1, -1)
    }
    lines.append(snapshot(T0, 10, levels[-1], levels[1]))
    for place in range(count):
        step += random.choice((-1, 0, 1))
        at_ms = T0 + place * 60_000 // count
        lines.append(quote(at_ms, f"{step / 100:.2f}", f"{(step + 1) / 100:.2f}"))
        buys = random.random() < 0.5
        size = f"{random.randint(1, 3000) / 1000:.3f}"
        lines.append(trade(at_ms + 1, f"{(step + buys) / 100:.2f}", size, sold=not buys))
    return lines


def write(path, lines, *, compressed=False):
    """The recording of these lines at `path`."""
    whole = b"".join(lines)
    path.write_bytes(gzip.compress(whole) if compressed else whole)
    return path


def real():
    """The recording named by FAIRWAY_FEED, or one that lies beside the repository; skips where there is none."""
    named = os.environ.get("FAIRWAY_FEED")
    found = [Path(named)] if named else sorted(SHARED.glob("*.jsonl.gz"))
    if not found or not found[0].exists():
        pytest.skip("no recorded market: name one with FAIRWAY_FEED")
    return found[0]
