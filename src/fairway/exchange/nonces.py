"""Which one-time numbers were used: a window that slides, so that messages may come in any order and none twice.

Halves of a channel have strict seqnos, for each stands on the last. What stands on nothing, a sweep or a request under
a sub-key, takes numbers from here: any above the oldest that is remembered, each once. Clocks in milliseconds serve.
"""

from __future__ import annotations

from bisect import bisect_left, insort

from fairway.errors import Rejected

__all__ = ["NONCE_BOUND", "WINDOW", "Nonces"]

WINDOW = 128
NONCE_BOUND = 1 << 63


class Nonces:
    """The newest `WINDOW` numbers that one signer has used."""

    __slots__ = ("_used",)

    def __init__(self) -> None:
        self._used: list[int] = []

    def check(self, nonce: int) -> None:
        """Raise `Rejected` (`nonce.used`) if it was used, or is too old to tell (`nonce.old`)."""
        if not 0 < nonce < NONCE_BOUND:
            raise Rejected("nonce.old", "a nonce is between 1 and 2⁶³ - 1", nonce=nonce)
        place = bisect_left(self._used, nonce)
        if place < len(self._used) and self._used[place] == nonce:
            raise Rejected("nonce.used", "this nonce was used already", nonce=nonce)
        if place == 0 and len(self._used) == WINDOW:
            raise Rejected("nonce.old", "newer nonces have pushed this one out", oldest=self._used[0])

    def use(self, nonce: int) -> None:
        """Use it up. Errors: as `check`."""
        self.check(nonce)
        insort(self._used, nonce)
        del self._used[:-WINDOW]

    @property
    def used(self) -> tuple[int, ...]:
        """The numbers remembered, rising."""
        return tuple(self._used)
