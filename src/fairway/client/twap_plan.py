"""A TWAP as a plan: when each slice is due, how much of the whole is due by then, at which worst price. Pure.

The plan says everything before it begins, so whoever goes on with it after a crash does what would have been done.
"""

from __future__ import annotations

import hashlib
import re
from typing import Self

import msgspec

from fairway.errors import Rejected
from fairway.exchange.listing import Listing
from fairway.market.instrument import price_bounds
from fairway.risk.contract import Contract, Payoff, notional
from fairway.units import MILLION, div_down, div_up, share_down

__all__ = ["Filled", "Marks", "Plan", "average", "cost_ppm"]

THOUSAND = 1_000
NAME = re.compile(r"[.A-Z:/a-z0-9_-]{1,28}")
SLICES = 10_000


class Plan(msgspec.Struct, frozen=True):
    """`lots` of `symbol` bought or sold in `slices` from `begins_ms` on, over `duration_ms`.

    A slice is due in the middle of its part of the time, or up to `jitter_ppm` of that part later or earlier, as
    `seed` draws. It pays at most `slippage_ppm` beyond the mark, and never more than `worst` ticks (0: no such bound).
    What earlier slices left unfilled is made up for, `catch_up` times a slice's size at most at once. The orders are
    called `name`-number.
    """

    name: str
    symbol: str
    buy: bool
    lots: int
    begins_ms: int
    duration_ms: int
    slices: int
    slippage_ppm: int
    leverage: int = 1
    reduce_only: bool = False
    worst: int = 0
    jitter_ppm: int = 500_000
    catch_up: int = 3
    seed: int = 0

    def checked(self) -> Self:
        """The plan itself, or `Rejected` (`twap.plan`)."""
        is_lawful = (
            NAME.fullmatch(self.name) is not None
            and self.lots > 0
            and 0 < self.slices <= min(SLICES, self.duration_ms)
            and 0 < self.slippage_ppm < MILLION
            and 0 <= self.jitter_ppm <= MILLION
            and self.catch_up >= 1
            and min(self.worst, self.seed, self.begins_ms) >= 0
        )
        if not is_lawful:
            raise Rejected("twap.plan", "a number of the plan is out of its bounds, or its name is none")
        return self

    def at_ms(self, number: int) -> int:
        """When slice `number` (from 0) is due. Slices follow one another, each within its own part of the time."""
        part = 2 * self.duration_ms * number + self.duration_ms
        jitter = share_down(self.duration_ms * self.jitter_ppm, 2 * self._drawn(number) - DRAW, DRAW)
        return self.begins_ms + div_down(part * MILLION + jitter, 2 * self.slices * MILLION)

    def ends_ms(self, number: int) -> int:
        """Where the part of the time ends in which slice `number` is due: its order lives no longer."""
        return self.begins_ms + div_up(self.duration_ms * (number + 1), self.slices)

    def _drawn(self, number: int) -> int:
        words = b"fairway twap" + self.seed.to_bytes(16) + number.to_bytes(4)
        return int.from_bytes(hashlib.sha256(words).digest()[:8]) % DRAW

    def due(self, number: int) -> int:
        """The lots that should be filled once slice `number` is."""
        return share_down(self.lots, number + 1, self.slices)

    def size(self, listing: Listing, number: int, filled: int, limit: int) -> int:
        """The lots to order in slice `number` when so many are filled: lawful in the market, or 0 to wait for more."""
        rules = listing.instrument
        most = min(self.catch_up * div_up(self.lots, self.slices), rules.max_lots)
        lots = min(self.due(number) - filled, most)
        lots -= lots % rules.lot_step
        if lots < rules.min_lots:
            return 0
        is_worth = self.reduce_only or notional(listing.contract, lots, limit) >= listing.min_notional
        return lots if is_worth else 0

    def limit(self, listing: Listing, mark: int) -> int:
        """The worst price of a slice at this mark, or 0 where the plan's own bound lies beyond reach of the market."""
        away = share_down(mark, self.slippage_ppm, MILLION)
        lowest, highest = price_bounds(listing.instrument, mark)
        bound = min(mark + away, highest) if self.buy else max(mark - away, lowest)
        if self.worst:
            bound = min(bound, self.worst) if self.buy else max(bound, self.worst)
        return bound if bound <= highest else 0


DRAW = 1 << 32


class Filled(msgspec.Struct, frozen=True):
    """What orders of one contract came to: lots, and their cost in nano."""

    lots: int = 0
    cost: int = 0

    def __add__(self, other: Filled) -> Filled:
        """Both together."""
        return Filled(self.lots + other.lots, self.cost + other.cost)


class Marks(msgspec.Struct, frozen=True):
    """The mark over time: Σ mark · milliseconds and Σ milliseconds up to `newest_ms`, when it was `newest`."""

    weighted: int = 0
    elapsed_ms: int = 0
    newest: int = 0
    newest_ms: int = 0

    def seen(self, mark: int, at_ms: int) -> Marks:
        """With one more: until now it was the newest before it."""
        lasted_ms = max(0, at_ms - self.newest_ms) if self.newest else 0
        return Marks(self.weighted + self.newest * lasted_ms, self.elapsed_ms + lasted_ms, mark, at_ms)

    @property
    def average(self) -> int:
        """The time-weighted average in thousandths of a tick, rounded down; 0 before anything was seen."""
        return div_down(self.weighted * THOUSAND, self.elapsed_ms) if self.elapsed_ms else self.newest * THOUSAND


def average(contract: Contract, filled: Filled) -> int:
    """The price that the lots had on average, in thousandths of a tick, rounded down; 0 where there are none."""
    if not filled.lots or not filled.cost:
        return 0
    whole, cost = contract.unit * filled.lots, abs(filled.cost)
    over, under = (cost, whole) if contract.payoff is Payoff.LINEAR else (whole, cost)
    return div_down(over * THOUSAND, under)


def cost_ppm(*, buy: bool, paid: int, fair: int) -> int:
    """How much worse than `fair` the price `paid` was, rounded up; negative where it was better."""
    return div_up(((paid - fair) if buy else (fair - paid)) * MILLION, fair)
