"""ForkingChain: a LocalChain whose newest blocks may yet be undone, as a shard's before the masterchain has them.

Every call that changes something makes a block. A block is final once `final_after` others stand on it, and only what
is final is shown: that is the promise of `Chain` which watchers rest on. `reorganise` undoes newer blocks and lets
their messages in again in another order, or not at all. A seed repeats any of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import NamedTuple

from fairway.chain.local import LocalChain
from fairway.chain.router import FAUCET, Router
from fairway.errors import Rejected
from fairway.units import MILLION

__all__ = ["ForkingChain"]


class _Change(NamedTuple):
    """Something that came from outside: an external message, or (None) the faucet or the clock at work."""

    message: bytes | None
    happen: Callable[[], object]


class _Block(NamedTuple):
    """The chain as it was before a block, and what happened in it."""

    before: bytes
    change: _Change


class ForkingChain(LocalChain):
    """`DevelopmentChain` over a `Router`. What is done to the router directly belongs to no block of its own."""

    def __init__(self, router: Router | None = None, final_after: int = 3) -> None:
        super().__init__(router)
        self._final_after = final_after
        self._open: deque[_Block] = deque()
        self._final = Router()

    async def send_external(self, message: bytes) -> None:
        """See `Chain`."""
        self._block(_Change(message, lambda: self.router.submit(message)))

    async def fund(self, address: str, nano: int) -> None:
        """See `DevelopmentChain`."""
        self._block(_Change(None, lambda: self.router.inject(FAUCET, address, nano, bounce=False)))

    async def advance(self, seconds: int) -> int:
        """See `DevelopmentChain`. Time that has passed is not undone."""
        self._block(_Change(None, lambda: self.router.advance(seconds)), again=_Change(None, lambda: None))
        return self.router.now

    async def reorganise(self, depth: int, seed: int = 0, lost_ppm: int = 0) -> None:
        """Undo the newest `depth` blocks and let what came from outside happen again, in an order of the seed's.

        `lost_ppm` of the external messages are forgotten. One that its contract refuses in the new order is tried
        again after the others, as a node's pool does. Raises `Rejected` with `chain.final` where a block is final.
        """
        if depth > len(self._open):
            raise Rejected("chain.final", "final blocks are not undone", depth=depth, open=len(self._open))
        undone = [self._open.pop() for _ in range(depth)]
        if not undone:
            return
        now = self.router.now
        self.router.restore(undone[-1].before)
        self.router.advance(max(0, now - self.router.now))
        changes = [block.change for block in undone if not _is_lost(block.change, seed, lost_ppm)]
        self._replay(sorted(changes, key=lambda change: _draw(change, seed)))

    def _replay(self, changes: Sequence[_Change]) -> None:
        """Let `changes` happen, those refused again as long as another one gets in."""
        waiting = list(changes)
        while waiting:
            refused = [change for change in waiting if not self._gets_in(change)]
            if len(refused) == len(waiting):
                break
            waiting = refused
        self._tell()

    def _gets_in(self, change: _Change) -> bool:
        try:
            self._block(change)
        except Rejected:
            return False
        return True

    def _block(self, change: _Change, again: _Change | None = None) -> None:
        """Have `change` happen in a block of its own; `again` is what a reorganisation repeats of it."""
        before = self.router.snapshot() if self._final_after else b""
        change.happen()
        self._open.append(_Block(before, again or change))
        while len(self._open) > self._final_after:
            self._open.popleft()
        if self._open:
            self._final.restore(self._open[0].before)
        self._tell()

    @property
    def _shown(self) -> Router:
        return self._final if self._open else self.router


def _is_lost(change: _Change, seed: int, lost_ppm: int) -> bool:
    return change.message is not None and _draw(change, seed + 1) % MILLION < lost_ppm


def _draw(change: _Change, seed: int) -> int:
    return int.from_bytes(sha256(seed.to_bytes(8) + (change.message or b"")).digest()[:8])
