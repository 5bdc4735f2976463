"""Plays days: `python -m tests.simulation.days SEED…` or `FIRST-LAST`; tells what broke and what happened how often."""

from __future__ import annotations

import sys
import traceback
from collections import Counter

from tests.simulation.days.day import break_of_day, play


def main() -> int:
    """The number of days that broke."""
    morning, happened, broken = break_of_day(), Counter[str](), []
    for chosen in sys.argv[1:]:
        first, _, last = chosen.partition("-")
        for seed in range(int(first), int(last or first) + 1):
            try:
                happened += play(seed, morning).count
            except BaseException:  # noqa: BLE001 - whatever it is, it is told and the next day is played
                traceback.print_exc()
                broken.append(seed)
    sys.stdout.writelines(f"{times:8} {name}\n" for name, times in sorted(happened.items()))
    sys.stdout.write(f"broken: {broken}\n")
    return len(broken)


if __name__ == "__main__":
    sys.exit(main())
