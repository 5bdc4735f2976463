"""Sweeps: what a user signs outside his halves so that his orders go, at once or unless he says otherwise in time.

A cancel in a half waits for the half before it, and one that comes too late loses. A sweep names a market, not orders,
stands on nothing and needs no answer to be repeated: the dead man's switch of whoever might fall silent.
"""

from __future__ import annotations

import hashlib
from heapq import heappop, heappush

from fairway.errors import Rejected
from fairway.exchange.change import Swept
from fairway.exchange.nonces import NONCE_BOUND, Nonces

__all__ = ["NEVER_MS", "Sweeps", "sweep_digest"]

NEVER_MS = (1 << 63) - 1
"""The time that takes a countdown back."""


def sweep_digest(network: int, channel_id: bytes, nonce: int, market: int, after_ms: int) -> bytes:
    """SHA-256("fairway sweep" ‖ network ‖ channel ID ‖ nonce ‖ market ‖ time): 4, 16, 8, 2 and 8 bytes, big-endian.

    Errors: `OverflowError` where a number does not fit.
    """
    words = (
        network.to_bytes(4, signed=True) + channel_id + nonce.to_bytes(8) + market.to_bytes(2) + after_ms.to_bytes(8)
    )
    return hashlib.sha256(b"fairway sweep" + words).digest()


class Sweeps:
    """The countdowns that run, and the nonces of those who signed any.

    Each has a scope: the number of a market, or what the keys of all orders under one mandate have in common; the
    latter are a sub-key's, and need no word that the owner must see. `counted` is the newest nonce of each.
    """

    __slots__ = ("_due", "_pending", "counted", "nonces")

    def __init__(self) -> None:
        self._pending: dict[bytes, dict[int, tuple[int, Swept | None]]] = {}
        self._due: list[tuple[int, bytes, int]] = []
        self.nonces: dict[bytes, Nonces] = {}
        self.counted: dict[tuple[bytes, int], int] = {}

    def start(self, channel_id: bytes, scope: int, due_ms: int, signed: Swept | None = None) -> None:
        """Count down to `due_ms` in a scope; what counted there before does no more."""
        self._pending.setdefault(channel_id, {})[scope] = due_ms, signed
        heappush(self._due, (due_ms, channel_id, scope))

    def pop(self, channel_id: bytes, scope: int) -> Swept | None:
        """Stop counting in a scope: what its owner had signed, if anything."""
        running = self._pending.get(channel_id)
        found = running.pop(scope, None) if running else None
        if running == {}:
            del self._pending[channel_id]
        return found[1] if found is not None else None

    def is_counting(self, channel_id: bytes) -> bool:
        """Whether any countdown of the user's runs."""
        return channel_id in self._pending

    def count(self, channel_id: bytes, scope: int, nonce: int) -> None:
        """Use up the `nonce` of a sub-key's word; `Rejected` (`nonce.old`) where it is not above the last."""
        if not self.counted.get((channel_id, scope), 0) < nonce < NONCE_BOUND:
            raise Rejected("nonce.old", "a newer word was given, or there is no such nonce", nonce=nonce)
        self.counted[channel_id, scope] = nonce

    def forget(self, channel_id: bytes, scope: int) -> None:
        """A mandate is over."""
        self.pop(channel_id, scope)
        self.counted.pop((channel_id, scope), None)

    def is_due(self, channel_id: bytes, scope: int, at_ms: int) -> bool:
        """Whether the user's orders in `scope` should be gone."""
        running = self._pending.get(channel_id)
        found = running.get(scope) if running else None
        return found is not None and found[0] <= at_ms

    def due(self, at_ms: int) -> list[tuple[bytes, int]]:
        """Whose time has come, and in which scope; each is named until it is popped, or started anew."""
        named: dict[tuple[bytes, int], None] = {}
        while self._due and self._due[0][0] <= at_ms:
            _, channel_id, scope = heappop(self._due)
            if self.is_due(channel_id, scope, at_ms):
                named[channel_id, scope] = None
        return list(named)

    def facts(self) -> list[tuple[bytes, int, int]]:
        """The countdowns that run and the newest nonces of sub-keys, for the digest of the state."""
        running = sorted((name, scope, due) for name, each in self._pending.items() for scope, (due, _) in each.items())
        return running + sorted((channel_id, scope, nonce) for (channel_id, scope), nonce in self.counted.items())
