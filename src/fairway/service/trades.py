"""The newest fills of every channel, for whoever may ask for them. Learnt from the journal, and bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from fairway.exchange.change import Filled
from fairway.exchange.effect import AnyEffect, Push
from fairway.exchange.event import AnyEvent
from fairway.exchange.terms import Receipt

__all__ = ["Trade", "Trades"]

KEPT = 500


class Trade(NamedTuple):
    """One fill of an order; the receipt has the order's totals."""

    fill: Filled
    receipt: Receipt


class Trades:
    """By channel, oldest first."""

    def __init__(self) -> None:
        self._kept: dict[bytes, deque[Trade]] = {}

    def note(self, event: AnyEvent, effects: Sequence[AnyEffect]) -> None:
        """`event` happened, or is replayed."""
        del event
        for effect in effects:
            if isinstance(effect, Push) and effect.receipts:
                fills = [change for change in effect.changes if isinstance(change, Filled)]
                kept = self._kept.setdefault(effect.channel_id, deque(maxlen=KEPT))
                kept.extend(Trade(*each) for each in zip(fills, effect.receipts, strict=True))

    def of(self, channel_id: bytes) -> list[Trade]:
        """The channel's newest fills, oldest first."""
        return list(self._kept.get(channel_id, ()))
