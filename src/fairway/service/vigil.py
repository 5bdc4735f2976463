"""The service watches itself: all the time, beside trading, it counts what it holds, and stops risk where it is wrong.

What an event touches is checked inside the event, and a fault there ends the process. What nothing touches is counted
here, a slice of the accounts at a time. The first mismatch turns the whole venue to reduce-only, by a switch in the
journal like the operator's own: users still close and leave, nobody opens more on numbers that are wrong. Only the
operator opens the venue again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress

from msgspec.structs import replace

from fairway.crypto.keys import Signer
from fairway.errors import IllegalTransition, Rejected, Unavailable
from fairway.exchange.engine import Engine
from fairway.exchange.event import AnyEvent, Switched
from fairway.exchange.inspection import inspect_account, inspect_totals
from fairway.exchange.switch import REASON_BOUND, Mode, switch_digest

__all__ = ["EVERY_S", "SLICE", "Vigil"]

EVERY_S = 0.25
SLICE = 512
"""Accounts inspected at a time, some 5 ms: 1,500 are all seen within a second. The totals take 2 µs an account."""

Ask = Callable[[Callable[[], None]], Awaitable[None]]
Submit = Callable[[AnyEvent], Awaitable[None]]


class Vigil:
    """The watch over one engine. `ask` puts a question between two batches, `submit` an event to the loop."""

    def __init__(self, engine: Engine, ask: Ask, submit: Submit, signer: Signer) -> None:
        self._engine, self._ask, self._submit, self._signer = engine, ask, submit, signer
        self._due: Iterator[bytes] = iter(())

    async def run(self) -> None:
        """Look, until the loop takes no more."""
        with suppress(Unavailable):
            while True:
                await asyncio.sleep(EVERY_S)
                await self.look()

    async def look(self) -> None:
        """Inspect the next accounts, or the totals after the last of them; reduce only on what is wrong."""
        try:
            await self._ask(self._inspect)
        except IllegalTransition as fault:
            if self._engine.venue.switches.venue is Mode.OPEN:
                with suppress(Rejected):  # the operator was faster; look again
                    await self._submit(self._switch(fault))

    def _inspect(self) -> None:
        venue = self._engine.venue
        for _ in range(SLICE):
            channel_id = next(self._due, None)
            if channel_id is None:
                self._due = iter(list(venue.accounts))
                inspect_totals(venue)
                return
            inspect_account(venue, channel_id)

    def _switch(self, fault: IllegalTransition) -> Switched:
        venue = self._engine.venue
        reason = f"self-audit: {fault}"[:REASON_BOUND]
        switch = Switched(
            at_ms=0,
            market=None,
            mode=Mode.REDUCE_ONLY,
            number=venue.switches.number + 1,
            reason=reason,
            signature=b"",
        )
        digest = switch_digest(venue.founded.network, venue.founded.vault, switch)
        return replace(switch, signature=self._signer.sign(digest))
