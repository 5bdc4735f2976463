"""What one market of a half, or its pot, is worth at its end: positions and unsigned fills together, under one bound.

`values` are what the positions that the half holds have won at the exits, each forward what the fills of one order have
won that the half does not hold. Gains and losses are summed apart, Γ = Σ x⁺ and Λ = Σ x⁻. Side B claims on A's half

    H = min(Λ, lo + Γ)        lo = margin + Σ reserves of the fills

and A claims on B's half G = min(Γ, hi + Λ), hi = `cap` + `ratio` · Σ reserves; the cap of a market is `ratio` times its
margin, that of the pot stands in its terms. Whoever claims does best by showing every fill: it raises all four sums or
leaves them. Where both show all, G − H = clamp(Γ − Λ, −lo, hi), which is what a half that held the fills already would
pay. contracts/condition_market.tolk and contracts/condition_cross.tolk compute the same. Pure integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fairway.units import FUNDING_SCALE, MILLION, div_down, div_up, share_down

__all__ = ["Forward", "Totals", "gained", "lost", "needed", "profit", "reserve_of"]


class Totals(NamedTuple):
    """Sums over fills: lots, their cost, the fees (negative: a rebate), and Σ side · funding index · lots."""

    lots: int = 0
    cost: int = 0
    fee: int = 0
    base: int = 0

    def less(self, known: Totals) -> Totals:
        """What these fills are beyond `known`."""
        return Totals(self.lots - known.lots, self.cost - known.cost, self.fee - known.fee, self.base - known.base)


class Forward(NamedTuple):
    """The fills of one order that a half does not hold: what they won, and the reserve that came with them.

    Of all orders of one `group` (0: none) only the largest reserve counts, and of those under one `mandate` (the key it
    has in the half; 0: the owner's own) no more than what was `left` of it.
    """

    value: int
    reserve: int
    group: int = 0
    mandate: int = 0
    left: int = 0


def profit(totals: Totals, mark: int, funding: int, *, unit: int, inverse: bool, long: bool) -> int:
    """What these lots have won at `mark` and the funding index `funding`, less their fee; rounded down once.

    The profit equation of docs/spec/settlement.md.
    """
    side = 1 if long else -1
    direction = -side if inverse else side
    numerator, denominator = (1, mark) if inverse else (mark, 1)
    worth = direction * FUNDING_SCALE * unit * totals.lots * numerator
    paid = direction * FUNDING_SCALE * totals.cost + side * funding * totals.lots - totals.base
    return div_down(worth - paid * denominator, FUNDING_SCALE * denominator) - totals.fee


def reserve_of(reserve: int, lots: int, known: int, whole: int) -> int:
    """Of an order's `reserve` over `whole` lots, the part that came with the lots from `known` to `lots`."""
    return share_down(reserve, lots, whole) - share_down(reserve, known, whole)


def needed(lots: int, mark: int, maintenance: int, deduction: int, *, unit: int, inverse: bool) -> int:
    """What these lots must be worth at `mark` to stay, by one line of their bracket; rounded up, never below nothing.

    `maintenance` is in ppm of the notional value, `deduction` in nano. As `fairway.risk.margin.maintenance`.
    """
    numerator, denominator = (1, mark) if inverse else (mark, 1)
    return max(0, div_up(maintenance * unit * lots * numerator, MILLION * denominator) - deduction)


def lost(values: Sequence[int], margin: int, forwards: Sequence[Forward], *, touched: bool = False) -> int:
    """What side B claims of a market, or of the pot, in A's half: `values` are those of the positions in it.

    `touched`: before the end there was too little left, so the whole margin is lost, and with it whatever the positions
    have won since.
    """
    gains, losses = _sums(values, forwards)
    if touched:
        losses = margin + sum(max(0, value) for value in values) + sum(max(0, -each.value) for each in forwards)
    return min(losses, margin + _reserved(forwards) + gains)


def gained(values: Sequence[int], cap: int, ratio: int, forwards: Sequence[Forward]) -> int:
    """What side A claims of a market, or of the pot, in B's half, which owes at most `cap` for the positions."""
    gains, losses = _sums(values, forwards)
    return min(gains, cap + ratio * _reserved(forwards) + losses)


def _sums(values: Sequence[int], forwards: Sequence[Forward]) -> tuple[int, int]:
    every = [*values, *(each.value for each in forwards)]
    return sum(max(0, each) for each in every), sum(max(0, -each) for each in every)


def _reserved(forwards: Sequence[Forward]) -> int:
    groups: dict[int, int] = {}
    own, budgets = 0, dict[int, tuple[int, int]]()
    for each in forwards:
        counted = groups.get(each.group, 0) if each.group else 0
        added = max(counted, each.reserve) - counted
        if each.group:
            groups[each.group] = counted + added
        if each.mandate:
            budgets[each.mandate] = each.left, budgets.get(each.mandate, (0, 0))[1] + added
        else:
            own += added
    return own + sum(min(left, spent) for left, spent in budgets.values())
