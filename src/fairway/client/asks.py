"""What the user asked for and is not answered yet: orders and cancels on their way into the next half."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fairway.client.margin import Margin
from fairway.client.wish import Permit, Wish
from fairway.errors import FairwayError, Rejected

__all__ = ["Ask", "Asks", "Batch"]

ATTEMPTS = 3
"""How often an ask is signed again that met a newer state of the account on its way."""

OVERTAKEN = frozenset(
    {"channel.cites", "channel.sent", "channel.conditionals", "channel.dropped_filled", "channel.moved"}
)
"""Refusals of a half that was lawful when it was signed: what it asks for may be asked again."""


@dataclass(slots=True, eq=False)
class Ask:
    """Orders, cancels and margins that stand or fall together, and who waits for the keys."""

    wishes: Sequence[Wish | Permit]
    drops: Sequence[int]
    answer: asyncio.Future[list[int]]
    margins: Sequence[Margin] = ()
    attempts: int = 0

    def refuse(self, refusal: FairwayError) -> None:
        """Answer with `refusal`, unless whoever asked has gone."""
        if not self.answer.done():
            self.answer.set_exception(refusal)


@dataclass(frozen=True, slots=True)
class Batch:
    """The asks that one half carries, in their order."""

    asks: Sequence[Ask] = ()

    @property
    def wishes(self) -> list[Wish | Permit]:
        """All orders wished for."""
        return [wish for ask in self.asks for wish in ask.wishes]

    @property
    def drops(self) -> list[int]:
        """The keys of all orders to cancel."""
        return [key for ask in self.asks for key in ask.drops]

    @property
    def margins(self) -> list[Margin]:
        """All margins to move."""
        return [margin for ask in self.asks for margin in ask.margins]


class Asks:
    """The asks in line, and those in the half that is under way."""

    def __init__(self) -> None:
        self._line: deque[Ask] = deque()
        self._under_way = Batch()

    def ask(
        self, wishes: Sequence[Wish | Permit], drops: Sequence[int], margins: Sequence[Margin] = ()
    ) -> asyncio.Future[list[int]]:
        """Put one more in line; the answer is the keys of its orders and mandates, or a `Rejected`.

        Mandates stand behind all orders of a half, so what asks for one goes alone.
        """
        answer: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        goes_alone = any(isinstance(wish, Permit) for wish in wishes)
        self._line.append(Ask(wishes, drops, answer, margins, attempts=int(goes_alone)))
        return answer

    def take(self, check: Callable[[Batch], None]) -> Batch:
        """Put under way as many as one half can carry; `check` refuses a batch by `Rejected`.

        What was refused before goes alone: no neighbour shares its fate twice.
        """
        taken = Batch()
        while self._line and not (taken.asks and (self._line[0].attempts or taken.asks[0].attempts)):
            ask = self._line.popleft()
            more = Batch((*taken.asks, ask))
            try:
                check(more)
            except Rejected as refusal:
                ask.refuse(refusal)
            else:
                taken = more
        self._under_way = taken
        return taken

    def accept(self, keys: Sequence[int]) -> None:
        """The half under way was accepted with orders under `keys`."""
        for ask in self._under_way.asks:
            mine, keys = keys[: len(ask.wishes)], keys[len(ask.wishes) :]
            if not ask.answer.done():
                ask.answer.set_result(list(mine))
        self._under_way = Batch()

    def refuse(self, refusal: Rejected) -> None:
        """The half under way was refused: ask again what was overtaken or not alone in it, refuse the rest."""
        again = refusal.code in OVERTAKEN or len(self._under_way.asks) > 1
        for ask in reversed(self._under_way.asks):
            ask.attempts += 1
            if again and ask.attempts < ATTEMPTS:
                self._line.appendleft(ask)
            else:
                ask.refuse(refusal)
        self._under_way = Batch()

    def end(self, reason: FairwayError) -> None:
        """Answer everyone with `reason`."""
        for ask in (*self._under_way.asks, *self._line):
            ask.refuse(reason)
        self._under_way = Batch()
        self._line.clear()
