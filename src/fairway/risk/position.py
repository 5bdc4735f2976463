"""A position: signed lots and their cost, never an average price; and what closing it pays, to the nano.

The profit equation, floored once, with funding inside (docs/spec/settlement.md):

    D · (AM − b − IM) + e = N,   0 ≤ e < D

for linear and inverse alike. With (a, b) the contract's ratio at the closing price, w its direction, S the funding
scale, Q lots, C cost, K funding base and I the funding index:

    D = S · b        N = w · s · S · unit · Q · a − (w · s · S · C + s · I · Q − K) · b
"""

from __future__ import annotations

from msgspec import Struct

from fairway.errors import IllegalTransition, Rejected
from fairway.risk.contract import Contract, fill_cost
from fairway.units import FUNDING_INDEX_BOUND, FUNDING_SCALE, LOT_BOUND, NANO_BOUND, Lot, Nano, div_down, share_down

__all__ = ["Closure", "Position", "closed", "coefficients", "opened", "outcome", "released", "with_margin"]


class Position(Struct, frozen=True, gc=False):
    """One user's lots in one market.

    `s` is +1 long or -1 short; `cost` the sum of its fills' costs; `funding_base` Σ s · I · q, in nano ÷ 2¹⁶, which is
    what funding had reached when the lots were opened; `margin` the collateral posted for it (IM).
    """

    s: int
    lots: Lot
    cost: Nano
    funding_base: int
    margin: Nano


class Closure(Struct, frozen=True, gc=False):
    """What closing `lots` did, in the settlement's letters: IM `margin`, AM `available`, P `payment`, b `bad_debt`.

    `cost`, `base` and `margin` are what left the position; `rest` is what remains of it.
    `profit` = AM − b − IM; `payment` = |AM − IM|, a gain if `profit` ≥ 0; `remainder` is e and `divisor` D.
    """

    lots: Lot
    cost: Nano
    base: int
    margin: Nano
    profit: int
    remainder: int
    divisor: int
    available: Nano
    payment: Nano
    bad_debt: Nano
    rest: Position | None


def opened(
    position: Position | None, contract: Contract, s: int, lots: int, price: int, funding_index: int, margin: int
) -> Position:
    """The position after a fill that opens or increases it and posts `margin` ≥ 0 more.

    Errors: `IllegalTransition` if the fill is of the other side (that is a close); `Rejected` with `risk.bound` if
    lots, cost or margin would leave the bounds of the settlement.
    """
    before = position or Position(s, Lot(0), Nano(0), 0, Nano(0))
    if before.s != s or s not in {1, -1} or lots <= 0 or margin < 0:
        raise IllegalTransition("risk.opened", "a fill of the other side closes", s=s, lots=lots, margin=margin)
    after = Position(
        s,
        Lot(before.lots + lots),
        Nano(before.cost + fill_cost(contract, s, lots, price)),
        before.funding_base + s * funding_index * lots,
        Nano(before.margin + margin),
    )
    within = after.lots < LOT_BOUND and after.cost < NANO_BOUND and after.margin < NANO_BOUND
    if not within or abs(funding_index) >= FUNDING_INDEX_BOUND:
        raise Rejected("risk.bound", "the position would leave its bounds", lots=after.lots, cost=after.cost)
    return after


def with_margin(position: Position, change: int) -> Position:
    """The position with `change` nano more (or, negative, less) margin. Errors: `Rejected` with `risk.bound`."""
    margin = position.margin + change
    if not 0 <= margin < NANO_BOUND:
        raise Rejected("risk.bound", "the margin would leave its bounds", margin=margin)
    return Position(position.s, position.lots, position.cost, position.funding_base, Nano(margin))


def coefficients(position: Position, contract: Contract, funding_index: int) -> tuple[int, int]:
    """(A, B) such that closing at a price with ratio (a, b) gives N = A · a + B · b."""
    ws = contract.direction * position.s
    funding = position.s * funding_index * position.lots - position.funding_base
    worth = ws * FUNDING_SCALE * contract.unit * position.lots
    return worth, -(ws * FUNDING_SCALE * position.cost + funding)


def outcome(position: Position, contract: Contract, price: int, funding_index: int) -> tuple[int, int]:
    """(N, D): the exact profit N ÷ D, funding included, of closing all of the position at `price`."""
    a, b = contract.ratio(price)
    at_a, at_b = coefficients(position, contract, funding_index)
    return at_a * a + at_b * b, FUNDING_SCALE * b


def closed(
    position: Position, contract: Contract, lots: int, price: int, funding_index: int, *, step: int | None = None
) -> Closure:
    """What closing `lots` of `position` at `price` pays and leaves.

    Cost, base and margin leave pro rata, each rounded down, and the last close takes all that is left, so that the
    parts sum to the whole. A loss above the margin's share draws on the rest of the margin before it is bad debt.
    In a losing `step` out of distress the rest keeps all but that loss, and but the step's fee as far as the share of
    the closed lots pays it: so the rest never stands worse for it.
    Errors: `IllegalTransition` unless 0 < lots ≤ the position's.
    """
    if not 0 < lots <= position.lots:
        raise IllegalTransition("risk.closed", "more lots than the position has", lots=lots, held=position.lots)
    part = Position(
        position.s,
        Lot(lots),
        share_down(position.cost, lots, position.lots),
        share_down(position.funding_base, lots, position.lots),
        Nano(0),  # what leaves of the margin depends on the profit
    )
    numerator, divisor = outcome(part, contract, price, funding_index)
    profit = div_down(numerator, divisor)
    margin = _released(position, lots, profit, step)
    available = max(0, margin + profit)
    return Closure(
        lots=part.lots,
        cost=part.cost,
        base=part.funding_base,
        margin=margin,
        profit=profit,
        remainder=numerator - divisor * profit,
        divisor=divisor,
        available=Nano(available),
        payment=Nano(abs(available - margin)),
        bad_debt=Nano(available - margin - profit),
        rest=_rest(position, part, margin),
    )


def released(position: Position, contract: Contract, price: int, nano: int) -> Closure:
    """What taking `nano` out of the margin does: a close of no lots, from which all of it comes back.

    Errors: `IllegalTransition` unless 0 < nano < the margin.
    """
    if not 0 < nano < position.margin:
        raise IllegalTransition("risk.released", "more margin than the position can spare", nano=nano)
    _, b = contract.ratio(price)
    none, margin = Nano(0), Nano(nano)
    divisor, rest = FUNDING_SCALE * b, with_margin(position, -nano)
    return Closure(Lot(0), none, 0, margin, 0, 0, divisor, margin, none, none, rest)


def _released(position: Position, lots: int, profit: int, step: int | None) -> Nano:
    """The margin that leaves with `lots`: all at the last close; else its share, and at least what the loss needs."""
    if lots == position.lots:
        return position.margin
    share: int = share_down(position.margin, lots, position.lots)
    if step is not None and profit < 0:
        share = min(share, step - profit)
    return Nano(min(position.margin, max(share, -profit)))


def _rest(position: Position, part: Position, margin: int) -> Position | None:
    if part.lots == position.lots:
        return None
    return Position(
        position.s,
        Lot(position.lots - part.lots),
        Nano(position.cost - part.cost),
        position.funding_base - part.funding_base,
        Nano(position.margin - margin),
    )
