"""`make fuzz`, its part in Python.

    python -m fuzz decoders [--runs N] [--seed S]   every decoder, N altered inputs each
    python -m fuzz guided NAME [--runs N]           one decoder, or all, led by the coverage of its own code (atheris)
    python -m fuzz api [--requests N] [--http]      the REST interface by its own description (schemathesis)

Ends with status 1 at the first finding, which it prints with the input.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from random import Random

from fuzz import Wrong


def decoders(runs: int, seed: int) -> None:
    """Every decoder over `runs` inputs."""
    from fuzz.decoders import DECODERS, check  # noqa: PLC0415 - not before `guided` could instrument it
    from fuzz.mutate import altered  # noqa: PLC0415

    for decoder in DECODERS:
        samples, random, understood = decoder.samples(), Random(f"{seed} {decoder.name}"), 0
        began = time.perf_counter()
        for _ in range(runs):
            understood += check(decoder, altered(samples, random))
        spent = time.perf_counter() - began
        print(
            f"{decoder.name:<20} {runs:>9} inputs, {understood:>8} understood, {runs / spent:>9.0f} a second",
            flush=True,
        )


def guide(name: str, runs: int) -> None:
    """One decoder by its coverage, or each in a process of its own: libFuzzer ends the one in which it ran."""
    if name != "all":
        from fuzz import guided  # noqa: PLC0415 - it instruments what is imported after it

        guided.run(name, runs)
        return
    from fuzz.decoders import DECODERS  # noqa: PLC0415

    for decoder in DECODERS:
        print(f"== {decoder.name}", flush=True)
        command = [sys.executable, "-m", "fuzz", "guided", decoder.name, "--runs", str(runs)]
        subprocess.run(command, check=True)


def main() -> None:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__.splitlines()[0])
    kinds = parser.add_subparsers(dest="kind", required=True)
    plain = kinds.add_parser("decoders")
    plain.add_argument("--runs", type=int, default=10_000)
    plain.add_argument("--seed", type=int, default=0)
    guided = kinds.add_parser("guided")
    guided.add_argument("name")
    guided.add_argument("--runs", type=int, default=100_000)
    api = kinds.add_parser("api")
    api.add_argument("--requests", type=int, default=1_000)
    api.add_argument("--http", action="store_true", help="over loopback, not in process")
    api.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    if asked.kind == "decoders":
        decoders(asked.runs, asked.seed)
    elif asked.kind == "guided":
        guide(asked.name, asked.runs)
    else:
        from fuzz import api as interface  # noqa: PLC0415 - needs schemathesis

        tried = interface.run(asked.requests, asked.seed, http=asked.http)
        for answered, count in sorted(tried.items()):
            print(f"{count:>8} {answered}")
        print(f"{tried.total()} requests, no server error")


if __name__ == "__main__":
    try:
        main()
    except Wrong as finding:
        print(f"found: {finding}", file=sys.stderr)
        sys.exit(1)
