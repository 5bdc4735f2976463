"""Verify models/channel.pml over its whole state space, and see that each planted bug is caught.

    python models/run.py [--quick]

Needs `spin` and `gcc`. Without them nothing is shown: exit status 0 with a reason, or 1 where `CI` is set.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

MODEL = Path(__file__).with_name("channel.pml")
MEMORY_MB = 2000
DEPTH = 100_000
SAFETY = ("-DSAFETY", "-DNOCLAIM")
TRUNCATED = ("Search not completed", "max search depth too small", "out of memory", "hash table full")


@dataclass(frozen=True)
class Search:
    """One run of the checker: the model under `defines`, and what a planted bug must break (None: nothing may)."""

    name: str
    defines: tuple[str, ...]
    breaks: str | None = None
    claim: str | None = None


@dataclass(frozen=True)
class Found:
    """What the checker says. `broken`: the assertion or claim that failed."""

    states: int
    depth: int
    seconds: float
    broken: str | None
    whole: bool


SMALL = ("HALVES_A=2", "HALVES_B=2", "CRASHES=1")
QUICK = (Search("2 halves of each side, a crash of each", SMALL),)
WHOLE = (
    Search("3 halves of A, 2 of B", ("HALVES_A=3", "HALVES_B=2", "CRASHES=0")),
    Search("2 halves of A, 3 of B", ("HALVES_A=2", "HALVES_B=3", "CRASHES=0")),
    Search("2 halves and two crashes of each", ("HALVES_A=2", "HALVES_B=2", "CRASHES=2")),
    Search("every exit ends", SMALL, claim="exit_ends"),
)
SIGNING, PAID, FINED, KNOWN = "net[", "entitled", "fined", "shown["
PLANTED = (
    Search("a half is signed before it is written", (*SMALL, "SIGN_BEFORE_WRITING", "SIGNING_ONLY"), SIGNING),
    Search("after a crash it is signed anew", (*SMALL, "SIGN_ANEW", "SIGNING_ONLY"), SIGNING),
    Search("a stale start is not challenged", (*SMALL, "NO_CHALLENGE"), PAID),
    Search("a half is believed before it is written", (*SMALL, "BELIEVE_BEFORE_WRITING"), KNOWN),
    Search("who has left trades on", (*SMALL, "LEAVER_TRADES_ON"), FINED),
    Search("the fine looks at what stands", (*SMALL, "FINE_BY_WHAT_STANDS"), FINED),
    Search("nobody speaks where his half stands", (*SMALL, "SILENT_WHERE_IT_STANDS"), PAID),
)
LONG_PLANTED = (Search("citations raise no floor (R1)", ("HALVES_A=3", "HALVES_B=2", "CRASHES=0", "NO_R1"), PAID),)


def check(search: Search, folder: Path) -> Found:
    """Generate, compile and run the checker for `search` in `folder`."""
    defines = [f"-D{each}" for each in search.defines]
    _run(["spin", *defines, "-a", str(MODEL)], folder)
    flags = ["-O1", "-w", "-DCOLLAPSE", f"-DMEMLIM={MEMORY_MB}", *(() if search.claim else SAFETY)]
    _run(["gcc", *flags, "-o", "checker", "pan.c"], folder)
    began = time.monotonic()
    claim = ["-a", "-N", search.claim] if search.claim else []
    output = _run(["./checker", f"-m{DEPTH}", "-w23", *claim], folder)
    return _found(output, time.monotonic() - began)


def _found(output: str, seconds: float) -> Found:
    broken = re.search(r"^pan:1: (.*) \(at depth", output, re.MULTILINE)
    states = re.search(r"^ *(\d+) states, stored", output, re.MULTILINE)
    reached = re.search(r"depth reached (\d+), errors: (\d+)", output)
    if states is None or reached is None:
        raise SystemExit(f"the checker did not finish:\n{output}")
    cut = any(each in output for each in TRUNCATED)
    whole = not cut and reached[2] == "0" and broken is None
    return Found(int(states[1]), int(reached[1]), seconds, broken[1] if broken else None, whole)


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def holds(search: Search, found: Found) -> bool:
    """Whether the checker found what it should."""
    if search.breaks is None:
        return found.whole
    return found.broken is not None and search.breaks in found.broken


def show(search: Search) -> bool:
    """Run one search and print its line; whether the checker found what it should."""
    with TemporaryDirectory() as folder:
        found = check(search, Path(folder))
    good = holds(search, found)
    says = "every state" if found.whole else ("caught" if good else f"BROKEN: {found.broken or 'search cut short'}")
    name = f"planted: {search.name}" if search.breaks else search.name
    print(f"{name:50} {found.states:>10,} states  depth {found.depth:>4} {found.seconds:6.1f} s  {says}", flush=True)
    return good


def main() -> int:
    """Run the searches and print a table; 0 if all is as it should be."""
    parser = argparse.ArgumentParser(description="Verify the model of the channel.")
    parser.add_argument("--quick", action="store_true", help="a smaller bound: seconds")
    quick = parser.parse_args().quick
    missing = [tool for tool in ("spin", "gcc") if shutil.which(tool) is None]
    if missing:
        print(f"skipped: needs {' and '.join(missing)} (Debian: apt-get install spin gcc)")
        return 1 if os.environ.get("CI") else 0
    outcomes = [show(search) for search in ((*QUICK, *PLANTED[:3]) if quick else (*WHOLE, *PLANTED, *LONG_PLANTED))]
    return 0 if all(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
