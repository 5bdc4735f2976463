"""Caps that follow the depth of the book: what others have rested near the mark for a while bounds what one may hold.

A position must find somebody when it has to end, so it is measured against what rests on the side that it would be
closed into. Nobody widens his own cap: what he rests himself does not count for him. Nor does what rests for a moment:
the depth is an average over time, of samples at moments that are drawn from the venue's secret, each of the book as it
stood before the event that reaches the moment. All of it follows from the journal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

from fairway.exchange.listing import DepthRule, Listing
from fairway.exchange.terms import OracleRound
from fairway.market.book import Book
from fairway.market.depth import NOTHING, Rested, rested
from fairway.units import MILLION, share_down

__all__ = ["Bounds", "Depths", "Sample", "caps_of"]

EVERY_MS = 30_000
"""The mean time between two samples; the longest is twice that."""
NEVER_MS = 1 << 63
SCALE = 1 << 16
"""Averages are in lots ÷ 2¹⁶, as moving averages of prices are."""


class Sample(NamedTuple):
    """What rested in each market, by owner, when the event at `at_ms` came."""

    at_ms: int
    markets: dict[int, dict[int, Rested]]


class Depths:
    """The averages of every market whose caps follow its depth, by owner; `due_ms` is when to look again."""

    __slots__ = (
        "_averages",
        "_bounds",
        "_last_ms",
        "_listings",
        "_rules",
        "_secret",
        "_seen",
        "_taken",
        "_totals",
        "due_ms",
    )

    def __init__(self, listings: Mapping[int, Listing], secret: bytes, at_ms: int) -> None:
        self._listings = listings
        self._bounds = {market: caps_of(listing, NOTHING) for market, listing in listings.items()}
        rules = {market: listing.caps.depth for market, listing in listings.items()}
        self._rules: dict[int, DepthRule] = {market: rule for market, rule in rules.items() if rule is not None}
        self._averages: dict[int, dict[int, Rested]] = {market: {} for market in self._rules}
        self._totals = dict.fromkeys(self._rules, NOTHING)
        self._secret = secret
        self._taken = 0
        self._seen: Sample | None = None
        self._last_ms = at_ms
        self.due_ms = self._next_ms(at_ms) if self._rules else NEVER_MS

    def _next_ms(self, at_ms: int) -> int:
        drawn = hashlib.sha256(b"fairway depth" + self._secret + self._taken.to_bytes(8)).digest()
        return at_ms + 1 + int.from_bytes(drawn[:8]) % (2 * EVERY_MS)

    def look(self, books: Mapping[int, Book], rounds: Mapping[int, OracleRound], at_ms: int) -> Sample:
        """What rests now, within the band of each market's mark. Markets without a round rest.

        Until it is taken it is the same: only refused events came between, and they changed nothing. So who has many
        events refused does not have the books counted for each.
        """
        if self._seen is None:
            self._seen = Sample(at_ms, self._count(books, rounds))
        return self._seen._replace(at_ms=at_ms)

    def _count(self, books: Mapping[int, Book], rounds: Mapping[int, OracleRound]) -> dict[int, dict[int, Rested]]:
        found = {}
        for market, rule in self._rules.items():
            if market in rounds:
                mark = rounds[market].mark
                away = mark * rule.band // MILLION
                found[market] = rested(books[market], max(1, mark - away), mark + away)
        return found

    def take(self, sample: Sample) -> None:
        """Let the averages move toward `sample`, by the time since the last one; draw the moment of the next."""
        self._seen = None
        elapsed_ms, self._last_ms = sample.at_ms - self._last_ms, sample.at_ms
        for market, owners in sample.markets.items():
            window_ms, averages = self._rules[market].window_ms, self._averages[market]
            step_ms = min(elapsed_ms, window_ms)
            for owner in averages.keys() | owners.keys():
                after = _toward(averages.get(owner, NOTHING), owners.get(owner, NOTHING), step_ms, window_ms)
                if after == NOTHING:
                    averages.pop(owner, None)
                else:
                    averages[owner] = after
            self._totals[market] = _sum(averages)
            self._bounds[market] = caps_of(self._listings[market], self.of_others(market))
        self._taken += 1
        self.due_ms = self._next_ms(sample.at_ms)

    def of_others(self, market: int, owner: int | None = None) -> Rested:
        """The average lots that others than `owner` rest in `market`, rounded down; nothing where no rule asks."""
        total = self._totals.get(market, NOTHING)
        own = self._averages[market].get(owner, NOTHING) if owner is not None and market in self._averages else NOTHING
        return Rested((total.bids - own.bids) // SCALE, (total.asks - own.asks) // SCALE)

    def bounds(self, market: int, owner: int | None = None) -> Bounds:
        """The caps of `market` now, for `owner`: what he rests himself does not widen his."""
        if owner is None or owner not in self._averages.get(market, ()):
            return self._bounds[market]
        return caps_of(self._listings[market], self.of_others(market, owner))

    def check(self) -> bool:
        """Whether the sums are what their parts add up to."""
        return all(self._totals[market] == _sum(averages) for market, averages in self._averages.items())

    def facts(self) -> list[object]:
        """The averages, for the digest of the state."""
        known = [
            [market, [b"".join(each.to_bytes(16) for each in (owner, *averages[owner])) for owner in sorted(averages)]]
            for market, averages in sorted(self._averages.items())
        ]
        return [self._taken, self._last_ms, known]


class Bounds(NamedTuple):
    """The most that one user may hold long and short in a market, and that all who are long may hold; 0: no cap."""

    long: int
    short: int
    interest: int


def caps_of(listing: Listing, others: Rested) -> Bounds:
    """What the caps of `listing` come to where `others` rest so much. A long is closed into the bids."""
    caps, rule = listing.caps, listing.caps.depth
    if rule is None:
        return Bounds(caps.position, caps.position, caps.interest)
    either = min(others.bids, others.asks)
    return Bounds(
        _least(caps.position, max(rule.least_position, share_down(others.bids, rule.position, MILLION))),
        _least(caps.position, max(rule.least_position, share_down(others.asks, rule.position, MILLION))),
        _least(caps.interest, max(rule.least_interest, share_down(either, rule.interest, MILLION))),
    )


def _least(fixed: int, deep: int) -> int:
    return min(fixed, deep) if fixed else deep


def _toward(before: Rested, seen: Rested, step_ms: int, window_ms: int) -> Rested:
    bids = before.bids + (seen.bids * SCALE - before.bids) * step_ms // window_ms
    return Rested(bids, before.asks + (seen.asks * SCALE - before.asks) * step_ms // window_ms)


def _sum(averages: Mapping[int, Rested]) -> Rested:
    return Rested(sum(each.bids for each in averages.values()), sum(each.asks for each in averages.values()))
