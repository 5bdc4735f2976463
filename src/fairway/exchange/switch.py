"""The operator's switches: whether a market, or the whole venue, is open, reduces only, or stands still.

A switch is signed by the operator's key and stands in the journal like everything else, so nobody else throws one and
every one that was thrown can be seen. What the oracle's silence does to a market is no switch: it follows from time.
"""

from __future__ import annotations

import hashlib
from enum import IntEnum

from fairway.errors import Rejected
from fairway.exchange.event import Switched

__all__ = ["REASON_BOUND", "Mode", "Switches", "switch_digest"]

VENUE = -1
"""Stands for the whole venue where a market's number is signed."""
REASON_BOUND = 200


class Mode(IntEnum):
    """What a market takes; the greater of two modes holds."""

    OPEN = 0
    REDUCE_ONLY = 1
    HALTED = 2


def switch_digest(network: int, vault: str, event: Switched) -> bytes:
    """What the operator's key signs.

    SHA-256("fairway switch" ‖ network:i32 ‖ SHA-256(vault) ‖ market:i32, −1 for the venue ‖ mode:u8 ‖ number:u64 ‖
    reason), integers big-endian, texts UTF-8.
    """
    market = VENUE if event.market is None else event.market
    where = network.to_bytes(4, signed=True) + hashlib.sha256(vault.encode()).digest() + market.to_bytes(4, signed=True)
    what = event.mode.to_bytes(1) + event.number.to_bytes(8) + event.reason.encode()
    return hashlib.sha256(b"fairway switch" + where + what).digest()


class Switches:
    """How the switches stand; `number` is that of the newest, and the next must be greater."""

    __slots__ = ("number", "set")

    def __init__(self) -> None:
        self.number = 0
        self.set: dict[int, Mode] = {}

    def mode(self, market: int) -> Mode:
        """What `market` takes, as far as the operator decides it."""
        return max(self.set.get(VENUE, Mode.OPEN), self.set.get(market, Mode.OPEN))

    @property
    def venue(self) -> Mode:
        """What the whole venue takes at most."""
        return self.set.get(VENUE, Mode.OPEN)

    def throw(self, event: Switched) -> None:
        """Set one. `Rejected`: `switch.number` (not a newer one), `switch.mode` (no such mode, an endless reason)."""
        if event.number <= self.number:
            raise Rejected("switch.number", "a newer switch was thrown already", newest=self.number)
        if event.mode not in Mode._value2member_map_ or len(event.reason) > REASON_BOUND:
            raise Rejected("switch.mode", "there is no such mode, or the reason is too long", mode=event.mode)
        self.number = event.number
        self.set[VENUE if event.market is None else event.market] = Mode(event.mode)
