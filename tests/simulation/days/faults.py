"""What may go wrong in a simulated day, and how often."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from fairway.chain.router import Weather
from tests.simulation.days.network import LineFaults
from tests.simulation.days.venue import DiskFaults


@dataclass(frozen=True)
class Faults:
    """What may go wrong now.

    `dying` is how often a client dies while it writes, `restored` how often it goes on from an old copy. `away` is how
    often the chain does not answer, `undone` how often its newest blocks are.
    """

    lines: LineFaults = field(default_factory=LineFaults)
    disk: DiskFaults = field(default_factory=DiskFaults)
    weather: Weather = field(default_factory=Weather)
    dying: float = 0.0
    restored: float = 0.0
    away: float = 0.0
    undone: float = 0.0

    @classmethod
    def of(cls, random: Random) -> Faults:
        """Those of one day; some days are worse than others."""
        worse = random.uniform(0.2, 1.5)
        return cls(
            LineFaults(random.choice([0.0, 0.05, 0.15, 0.3]), 0.05 * worse, 0.05 * worse, 0.004 * worse),
            DiskFaults(*(0.003 * worse for _ in range(3)), full=0.002 * worse, lying=0.002 * worse),
            Weather(random.getrandbits(30), 140_000, random.choice([0, 5, 20]), shuffled=True),
            dying=0.005 * worse,
            restored=0.5,
            away=random.choice([0.0, 0.02, 0.1]),
            undone=0.3,
        )
