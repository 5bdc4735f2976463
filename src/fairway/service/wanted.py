"""Records in want of a proof or of an epoch, as the journal has them. Secret: their openings."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from fairway.exchange.effect import AnyEffect, ProveRecord
from fairway.exchange.event import AnyEvent, EpochProved, Proved
from fairway.settlement.job import Job, is_proven

__all__ = ["Wanted"]


class Wanted:
    """`jobs` by their number until an epoch makes them final, `unproved` ones by txid, `shown` those of solvency.

    `ranged` is the number of the first record that no epoch has yet.
    """

    __slots__ = ("jobs", "ranged", "shown", "unproved")

    def __init__(self) -> None:
        self.jobs: dict[int, Job] = {}
        self.unproved: dict[bytes, int] = {}
        self.shown: deque[int] = deque()
        self.ranged = 0

    def note(self, event: AnyEvent, effects: Sequence[AnyEffect]) -> None:
        """Put new records on the list, and take those off whose proofs `event` brought."""
        for effect in effects:
            if isinstance(effect, ProveRecord):
                self.jobs[effect.number] = Job(effect.record, effect.fills)
                if is_proven(effect.record):
                    self.unproved[effect.record.txid] = effect.number
                else:
                    self.shown.append(effect.number)
        if isinstance(event, Proved):
            self.unproved.pop(event.txid, None)
        elif isinstance(event, EpochProved):
            for number in range(event.first, event.last):
                self.jobs.pop(number, None)
            self.ranged = event.last
            while self.shown and self.shown[0] < self.ranged:
                self.shown.popleft()
