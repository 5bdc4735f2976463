"""What the service keeps for disputes: rounds of every market, receipts of recent orders, its own recent halves.

Learnt from the journal, live or replayed, and bounded: a dispute is settled within hours of what it is about.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import chain, pairwise

from fairway.channel.state import Half
from fairway.exchange import event as events
from fairway.exchange.change import Triggered
from fairway.exchange.effect import AnyEffect, Push, SignHalf
from fairway.exchange.event import AnyEvent, Priced
from fairway.exchange.paper import Exit, Mandated
from fairway.exchange.terms import OrderTerms, Receipt

__all__ = ["Papers"]

ROUNDS = 4096
ORDERS = 1024
MANDATED = 4096
"""As many as an owner may leave unsigned."""
HALVES = 256
"""More than a window has: what a half of the user may cite is there."""


class Papers:
    """Rounds and receipts by market and by channel."""

    def __init__(self) -> None:
        self._rounds: dict[int, deque[Priced]] = {}
        self._peaks: dict[tuple[int, int], Priced] = {}
        self._receipts: dict[bytes, dict[bytes, Receipt]] = {}
        self._halves: dict[bytes, dict[int, Half]] = {}
        self._mandated: dict[bytes, dict[bytes, tuple[OrderTerms, Mandated]]] = {}

    def note(self, event: AnyEvent, effects: Sequence[AnyEffect]) -> None:
        """Keep the round of `event`, and the receipts that go out with it."""
        if isinstance(event, Priced):
            self._rounds.setdefault(event.market, deque(maxlen=ROUNDS)).append(event)
        if isinstance(event, events.Mandated):
            self._keep_mandated(event)
        for effect in effects:
            if isinstance(effect, SignHalf | Push):
                self._keep_half(effect.channel_id, effect.half)
            if isinstance(effect, Push):
                for receipt in effect.receipts:
                    self._keep(receipt)
                self._keep_peaks(effect)

    def _keep_peaks(self, push: Push) -> None:
        """The rounds that trailing stops came back from: they may be much older than the fills that they justify."""
        for change in push.changes:
            if isinstance(change, Triggered) and change.peak is not None:
                self._peaks.pop((change.peak.market, change.peak.round), None)
                self._peaks[change.peak.market, change.peak.round] = change.peak
        while len(self._peaks) > ROUNDS:
            del self._peaks[next(iter(self._peaks))]

    def _keep_half(self, channel_id: bytes, half: Half) -> None:
        kept = self._halves.setdefault(channel_id, {})
        kept[half.seqno] = half
        if len(kept) > HALVES:
            del kept[next(iter(kept))]

    def _keep_mandated(self, event: events.Mandated) -> None:
        kept = self._mandated.setdefault(event.channel_id, {})
        kept[event.order.digest()] = event.order, Mandated(event.mandate, event.signature)
        if len(kept) > MANDATED:
            del kept[next(iter(kept))]

    def _keep(self, receipt: Receipt) -> None:
        kept = self._receipts.setdefault(receipt.channel_id, {})
        kept.pop(receipt.order, None)
        kept[receipt.order] = receipt
        if len(kept) > ORDERS:
            del kept[next(iter(kept))]

    def exits(self, moment_ms: int) -> dict[int, Exit]:
        """By market: the two consecutive rounds around `moment_ms`, where both are there."""
        found = {}
        for market, rounds in self._rounds.items():
            for before, after in pairwise(rounds):
                if before.round_ms < moment_ms <= after.round_ms and after.round == before.round + 1:
                    found[market] = Exit(before, after)
        return found

    def until(self, moment_ms: int) -> list[Priced]:
        """Every round kept that is no later than `moment_ms`."""
        kept = chain(self._peaks.values(), *self._rounds.values())
        return [each for each in kept if each.round_ms <= moment_ms]

    def following(self, moment_ms: int) -> list[Priced]:
        """Of each market the first round kept after `moment_ms`."""
        later = ([each for each in rounds if each.round_ms > moment_ms] for rounds in self._rounds.values())
        return [rounds[0] for rounds in later if rounds]

    def receipts(self, channel_id: bytes) -> Mapping[bytes, Receipt]:
        """The newest receipt of each order of a channel, by the order's hash."""
        return self._receipts.get(channel_id, {})

    def mandated(self, channel_id: bytes) -> Mapping[bytes, tuple[OrderTerms, Mandated]]:
        """The recent orders of sub-keys in a channel, by their hash."""
        return self._mandated.get(channel_id, {})

    def half(self, channel_id: bytes, seqno: int) -> Half | None:
        """Our half `seqno` of a channel, as it was pushed, where it is recent."""
        return self._halves.get(channel_id, {}).get(seqno)
