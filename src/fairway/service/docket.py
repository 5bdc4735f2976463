"""What the journal asks of the chain and is not done yet, as data; and the papers that it is done with."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import Enum, auto
from typing import NamedTuple

from fairway.channel.state import Half
from fairway.exchange.effect import (
    Absolve,
    AnyEffect,
    Challenge,
    PostValue,
    PunishDodge,
    PunishFill,
    Push,
    SignClose,
    SignCommit,
)
from fairway.exchange.engine import Engine
from fairway.exchange.event import AnyEvent, Disputed
from fairway.service.citable import Citable
from fairway.service.papers import Papers

__all__ = ["AnyErrand", "Docket", "Leaving", "Lifted", "Step"]


class Step(Enum):
    """What a dispute asks for, each at its own time."""

    REPLACE_UNKNOWN = auto()
    SETTLE = auto()
    SETTLE_FOR_USER = auto()
    FINISH = auto()


class Leaving(NamedTuple):
    """One step of a dispute; `standing` are the markets in which the user held something when it began."""

    disputed: Disputed
    standing: frozenset[int]
    step: Step


class Lifted(NamedTuple):
    """A lien to be lifted, and our half that acknowledges what was owed."""

    absolve: Absolve
    half: Half


AnyErrand = SignClose | SignCommit | Challenge | PunishFill | PunishDodge | PostValue | Lifted | Leaving
TAKEN = (SignClose, SignCommit, Challenge, PunishFill, PunishDodge, PostValue)


class Docket:
    """Errands by their number, in the order in which the journal asks for them; `taken` is the number of the next.

    `value` is the newest that is to be posted.
    """

    __slots__ = ("_engine", "citable", "errands", "papers", "taken", "value")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.papers = Papers()
        self.citable = Citable(engine)
        self.errands: dict[int, AnyErrand] = {}
        self.taken = 0
        self.value: PostValue | None = None

    def note(self, event: AnyEvent, effects: Sequence[AnyEffect]) -> None:
        """Take on what `event` asks for."""
        self.papers.note(event, effects)
        self.citable.note(event, effects)
        pushes = {effect.channel_id: effect.half for effect in effects if isinstance(effect, Push)}
        for effect in effects:
            if isinstance(effect, SignCommit) and effect in self.errands.values():
                continue  # asked for again
            if isinstance(effect, TAKEN):
                self._take_on(effect)
            elif isinstance(effect, Absolve):
                self._take_on(Lifted(effect, pushes[effect.channel_id]))
            if isinstance(effect, PostValue):
                self.value = effect
        if isinstance(event, Disputed):
            standing = self._engine.accounts[event.channel_id].standing_markets()
            for step in Step:
                self._take_on(Leaving(event, standing, step))

    def _take_on(self, errand: AnyErrand) -> None:
        self.errands[self.taken] = errand
        self.taken += 1

    def settle(self, number: int) -> None:
        """Errand `number` is done."""
        self.errands.pop(number, None)

    def keep(self, undone: Collection[int]) -> None:
        """Of the errands so far only those in `undone` are left to do."""
        for number in self.errands.keys() - set(undone):
            del self.errands[number]
