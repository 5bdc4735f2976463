"""Funding: what longs pay shorts so that the market stays near its index.

One index per market and one base per position make it O(1): the index grows by rate · value of a lot, and a position
owes s · (I · Q − base) when it closes. The index is the same for both sides, so rounding it moves no money; each
position's share is rounded once, inside its profit, against it. So funding never creates a nano.
"""

from __future__ import annotations

from dataclasses import dataclass

from fairway.errors import Rejected
from fairway.risk.contract import Contract
from fairway.risk.mark import PREMIUM_SCALE, Premium
from fairway.units import FUNDING_INDEX_BOUND, FUNDING_SCALE, MILLION, Ppm, div_down

__all__ = ["FundingTerms", "funding_rate", "next_index", "premium_rate"]


@dataclass(frozen=True, slots=True)
class FundingTerms:
    """Per interval: the interest, how far it may pull the premium (`damper`), and the largest rate (`cap`), all ppm."""

    interest: Ppm
    damper: Ppm
    cap: Ppm
    interval_ms: int

    def __post_init__(self) -> None:
        if self.interval_ms <= 0 or not 0 <= self.damper <= self.cap < MILLION or abs(self.interest) > self.cap:
            raise Rejected("risk.funding_terms", "the funding terms contradict themselves")


def premium_rate(premium: Premium, index: int) -> Ppm:
    """The premium as ppm of the index, rounded down."""
    return Ppm(div_down(premium.scaled * MILLION, PREMIUM_SCALE * index))


def funding_rate(premium: int, terms: FundingTerms) -> Ppm:
    """The rate of an interval: premium + clamp(interest − premium, ±damper), within ±cap. Positive: longs pay."""
    pulled = premium + min(max(terms.interest - premium, -terms.damper), terms.damper)
    return Ppm(min(max(pulled, -terms.cap), terms.cap))


def next_index(index: int, contract: Contract, mark: int, rate: int, elapsed_ms: int, interval_ms: int) -> int:
    """The funding index, nano ÷ 2¹⁶ per lot, after `rate` held for `elapsed_ms` of an interval at `mark`.

    Rounded down. Errors: `Rejected` with `risk.funding_index` if it would reach 2⁶⁴.
    """
    a, b = contract.ratio(mark)
    owed = div_down(FUNDING_SCALE * contract.unit * a * rate * elapsed_ms, b * MILLION * interval_ms)
    if abs(index + owed) >= FUNDING_INDEX_BOUND:
        raise Rejected("risk.funding_index", "the funding index would leave its bounds", index=index, change=owed)
    return index + owed
