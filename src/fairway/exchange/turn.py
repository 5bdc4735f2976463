"""The event under way: what it has done to whom so far, and what must be done about it."""

from __future__ import annotations

from dataclasses import dataclass, field

from fairway.exchange.change import AnyChange
from fairway.exchange.effect import AnyEffect
from fairway.exchange.terms import Receipt

__all__ = ["Turn"]


@dataclass(slots=True)
class Turn:
    """One event at `at_ms`. Channels are touched in the order in which the event reached them."""

    at_ms: int
    effects: list[AnyEffect] = field(default_factory=list)
    changes: dict[bytes, list[AnyChange]] = field(default_factory=dict)
    receipts: dict[bytes, list[Receipt]] = field(default_factory=dict)

    def note(self, channel_id: bytes, change: AnyChange, receipt: Receipt | None = None) -> None:
        """Record a change of an account, and the receipt that goes with it."""
        self.changes.setdefault(channel_id, []).append(change)
        if receipt is not None:
            self.receipts.setdefault(channel_id, []).append(receipt)
