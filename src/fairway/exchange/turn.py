"""The event under way: what it has done to whom so far, and what must be done about it."""

from __future__ import annotations

from collections import deque

from msgspec import Struct, field

from fairway.exchange.change import AnyChange
from fairway.exchange.effect import AnyEffect
from fairway.exchange.terms import Receipt

__all__ = ["Turn"]


class Turn(Struct, gc=False):
    """One event at `at_ms`. Channels are touched in the order in which the event reached them.

    `armed` orders, whose parent was filled, and `trades` (market and price), which fire what watches them, wait until
    whatever is under way in the market is done.
    """

    at_ms: int
    effects: list[AnyEffect] = field(default_factory=list)
    changes: dict[bytes, list[AnyChange]] = field(default_factory=dict)
    receipts: dict[bytes, list[Receipt]] = field(default_factory=dict)
    armed: deque[tuple[bytes, int]] = field(default_factory=deque)
    trades: deque[tuple[int, int]] = field(default_factory=deque)

    def traded(self, market: int, price: int) -> None:
        """Somebody bought and somebody sold at `price`."""
        if not self.trades or self.trades[-1] != (market, price):
            self.trades.append((market, price))

    def note(self, channel_id: bytes, change: AnyChange, receipt: Receipt | None = None) -> None:
        """Record a change of an account, and the receipt that goes with it."""
        self.changes.setdefault(channel_id, []).append(change)
        if receipt is not None:
            self.receipts.setdefault(channel_id, []).append(receipt)
