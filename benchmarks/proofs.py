"""How long proofs take through the Python API, and beside the published Rust crate.

    python benchmarks/proofs.py [--report proofs.json]

Passes of a few rounds each, Python and bare Rust in turns: medians, and the least and the greatest. The peer is
`bulletproofs` 4.0.0, the newest release whose constraint half compiles, once with its generators kept and once as its
documentation shows it, made for each proof; it is measured in bare Rust (`rust/core/examples/peer_times.rs`), so it
pays nothing for Python. Its curve library picks no vector instructions at run time and ours does: part of the ratio is
that. Without cargo, the peer's columns stay empty.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from fairway.crypto import r1cs, ranges
from fairway.crypto.pedersen import Opening, commit_all
from fairway.crypto.r1cs import Gate, Item, Tape

PASSES = 5
ROUNDS = 5
BATCH = 64
ENTROPY = bytes(range(32))
STATEMENT = bytes(200)
RUST = Path(__file__).parents[1] / "rust"


def liquidation() -> Tape:
    tape = Tape()
    im, am, p, ls1, ls0, again = (tape.commit(i) for i in (0, 1, 2, 3, 4, 2))
    tape.verify([[(p, 37), (im, -37), (am, 37)], [(ls1, 1), (ls0, -1), (again, -1)], Gate.AND])
    return tape


def range_circuit(values: int) -> Tape:
    tape = Tape()
    for i in range(values):
        tape.range64([(tape.commit(i), 1)])
    return tape


def opened(*values: int, salt: int = 0) -> list[Opening]:
    return [Opening(value, 1000 * salt + i + 1) for i, value in enumerate(values)]


def medians(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Microseconds of one call each, taken in turns so that the machine's moods hit all alike."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append((time.perf_counter() - start) * 1e6)
    return {name: statistics.median(taken) for name, taken in times.items()}


def constraint_row(tape: Callable[[], Tape], openings: list[Opening]) -> dict[str, float]:
    """From values to proof, the tape and the commitments made anew each time as in the Rust rows."""
    commitments = commit_all(openings)
    proof = r1cs.prove(tape(), openings, STATEMENT, ENTROPY)

    def fresh() -> list[Opening]:
        return [Opening(opening.value, opening.blinding) for opening in openings]

    return medians(
        {
            "prove": lambda: r1cs.prove(tape(), fresh(), STATEMENT, ENTROPY),
            "verify": lambda: r1cs.verify(tape(), commitments, STATEMENT, proof),
        }
    )


def batch_row() -> dict[str, float]:
    """Settlements of different commitments, one by one and together; microseconds a proof."""
    items = []
    for i in range(BATCH):
        openings = opened(100 + i, 60, 40 + i, 1040 + i, 1000, salt=i)
        proof = r1cs.prove(liquidation(), openings, STATEMENT, ENTROPY)
        items.append(Item(liquidation(), commit_all(openings), STATEMENT, proof))
    taken = medians(
        {
            "one by one": lambda: [r1cs.verify_batch([item]) for item in items],
            "together": lambda: r1cs.verify_batch(items),
        }
    )
    return {name: total / BATCH for name, total in taken.items()}


def epoch_row(values: int) -> dict[str, float]:
    """An aggregated range proof; microseconds a value, alone and in a batch of four proofs."""
    openings = opened(*(2**63 + i for i in range(values)))
    proof = ranges.prove(openings, 64, STATEMENT, ENTROPY)
    item = (commit_all(openings), 64, STATEMENT, proof)
    taken = medians(
        {
            "prove": lambda: ranges.prove(openings, 64, STATEMENT, ENTROPY),
            "verify": lambda: ranges.verify_batch([item]),
            "together": lambda: ranges.verify_batch([item] * 4),
        }
    )
    return {
        "prove": taken["prove"] / values,
        "verify": taken["verify"] / values,
        "together": taken["together"] / values / 4,
    }


def peer() -> dict[str, dict[str, dict[str, float]]]:
    if shutil.which("cargo") is None:
        return {}
    command = ["cargo", "run", "--quiet", "--release", "--package", "fairway-core", "--example", "peer_times"]
    command += ["--", str(ROUNDS)]
    return json.loads(subprocess.run(command, cwd=RUST, check=True, capture_output=True, text=True).stdout)


def one_pass() -> dict[str, dict[str, dict[str, float]]]:
    """Of each circuit and step: through Python, ours in bare Rust, the crate with its generators kept and rebuilt."""
    rows: dict[str, dict[str, dict[str, float]]] = {}
    bare = peer()
    for name, circuit, values in CIRCUITS:
        taken = constraint_row(circuit, opened(*values))
        rows[name] = {step: {"python": spent} | bare.get(name, {}).get(step, {}) for step, spent in taken.items()}
    return rows


CIRCUITS: list[tuple[str, Callable[[], Tape], tuple[int, ...]]] = [
    ("liquidation", liquidation, (100, 60, 40, 1040, 1000)),
    ("1 range", lambda: range_circuit(1), (2**64 - 1,)),
    ("4 ranges", lambda: range_circuit(4), (1, 2, 3, 2**64 - 1)),
]


def measure() -> dict[str, object]:
    return {
        "load before": os.getloadavg()[0],
        "passes": [one_pass() for _ in range(PASSES)],
        "64 settlements": [batch_row() for _ in range(PASSES)],
        "16 aggregated": [epoch_row(16) for _ in range(PASSES)],
        "load after": os.getloadavg()[0],
    }


def spread(values: list[float], form: str = ".2f") -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}}-{max(values):{form}})"


def table(report: dict) -> str:
    lines = [f"load {report['load before']:.1f} before, {report['load after']:.1f} after; microseconds", ""]
    for name, _, _ in CIRCUITS:
        for step in ("prove", "verify"):
            cells = [each[name][step] for each in report["passes"]]
            lines.append(
                f"{name:12} {step:7}" + "".join(f" {k} {spread([c[k] for c in cells], '.0f')}" for k in cells[0])
            )
            if "ours" in cells[0]:
                ratios = [("python / bare", "python", "ours"), ("kept / python", "cached", "python")]
                ratios.append(("rebuilt / python", "rebuilt", "python"))
                lines.append(" " * 21 + "; ".join(f"{t} {spread([c[a] / c[b] for c in cells])}" for t, a, b in ratios))
    batch, epoch = report["64 settlements"], report["16 aggregated"]
    together = spread([row["together"] for row in batch], ".0f")
    gains = spread([row["one by one"] / row["together"] for row in batch])
    lines.append(f"64 settlements, a proof together: {together}; one by one / together {gains}")
    lines += [
        f"16 aggregated ranges, a value: {step} {spread([row[step] for row in epoch], '.0f')}" for step in epoch[0]
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--report", type=Path, help="write the figures there as JSON")
    arguments = parser.parse_args()
    report = measure()
    print(table(report))
    if arguments.report:
        arguments.report.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
