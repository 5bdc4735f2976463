"""`make bench`: every benchmark in turn, each with its report in `benchmarks/reports`. Each runs by itself too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPORTS = Path(__file__).parent / "reports"
REPORTING = ("matching", "pipeline", "latency", "replay", "markets", "proofs")

if __name__ == "__main__":
    REPORTS.mkdir(exist_ok=True)
    for name in REPORTING:
        print(f"\n== {name}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", "--report", str(REPORTS / f"{name}.json")]
        subprocess.run(command, check=True)  # a process each: none inherits another's heap
    print("\n== epochs", flush=True)
    subprocess.run([sys.executable, "-m", "benchmarks.epochs"], check=True)
