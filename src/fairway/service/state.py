"""All that the journal's entries build up: the engine, and what is learnt on the way for whoever works on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from fairway.exchange.effect import AnyEffect
from fairway.exchange.engine import Engine
from fairway.exchange.event import AnyEvent
from fairway.service.docket import Docket
from fairway.service.proofs import Proofs
from fairway.service.tape import Tape
from fairway.service.trades import Trades
from fairway.service.wanted import Wanted

__all__ = ["State"]


@dataclass(slots=True)
class State:
    """Data alone, so an image of it is all of it (`fairway.service.image`). Secret: `wanted` and the engine's notes."""

    engine: Engine = field(default_factory=Engine)
    tape: Tape = field(init=False)
    trades: Trades = field(default_factory=Trades)
    proofs: Proofs = field(default_factory=Proofs)
    wanted: Wanted = field(default_factory=Wanted)
    docket: Docket = field(init=False)

    def __post_init__(self) -> None:
        self.tape = Tape(self.engine)
        self.docket = Docket(self.engine)

    def recall(self, event: AnyEvent, effects: Sequence[AnyEffect]) -> None:
        """Learn from an event that was applied: what `Hands` has its helpers note."""
        for learner in (self.tape, self.trades, self.proofs, self.wanted, self.docket):
            learner.note(event, effects)
