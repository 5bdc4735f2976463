"""What a position must post to open and keep to stay, and the one inequality that ends it.

The trigger compares exact fractions: equity < maintenance, both at mark, no rounding on either side. The figures shown
to people are rounded against the account, so a position whose shown equity is enough is never liquidated.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fairway.errors import Rejected
from fairway.risk.contract import Contract, Tier, notional
from fairway.risk.position import Position, coefficients, outcome
from fairway.units import FUNDING_SCALE, MILLION, Nano, div_down, div_up

__all__ = [
    "Health",
    "bracket_at",
    "deficit",
    "deficits",
    "equity",
    "health",
    "initial_requirement",
    "is_liquidatable",
    "is_no_worse",
    "joint",
    "maintenance",
    "tier_at",
    "unrealised",
]


def tier_at(contract: Contract, value: int) -> Tier:
    """The bracket of a notional value. Errors: `Rejected` with `risk.notional` above the last ceiling."""
    for tier in contract.tiers:
        if value <= tier.ceiling:
            return tier
    raise Rejected("risk.notional", "the position would be too large", notional=value, limit=contract.tiers[-1].ceiling)


def bracket_at(contract: Contract, lots: int, mark: int) -> Tier:
    """The bracket that asks `lots` for most at `mark`: the one that `is_liquidatable` judges by."""
    a, b = contract.ratio(mark)
    value = contract.unit * lots * a
    return max(contract.tiers, key=lambda tier: tier.maintenance * value - MILLION * tier.deduction * b)


def initial_requirement(contract: Contract, lots: int, price: int, leverage: int) -> Nano:
    """The margin that `lots` at `price` must post, rounded up.

    The greater of value ÷ leverage and the bracket's initial rate. Errors: `Rejected` with `risk.leverage` unless
    1 ≤ leverage ≤ the contract's maximum, with `risk.notional` above the last bracket.
    """
    if not 1 <= leverage <= contract.max_leverage:
        raise Rejected("risk.leverage", "no such leverage here", leverage=leverage, limit=contract.max_leverage)
    tier = tier_at(contract, notional(contract, lots, price))
    a, b = contract.ratio(price)
    value = contract.unit * lots * a
    return Nano(max(div_up(value, b * leverage), div_up(value * tier.initial, b * MILLION)))


def maintenance(contract: Contract, position: Position, mark: int) -> Nano:
    """The equity that the position must keep at `mark`, rounded up.

    Brackets are continuous and rise, so the one that asks for most is the one that applies.
    """
    a, b = contract.ratio(mark)
    value = contract.unit * position.lots * a
    most = max(tier.maintenance * value - MILLION * tier.deduction * b for tier in contract.tiers)
    return Nano(div_up(most, MILLION * b))


def unrealised(contract: Contract, position: Position, mark: int, funding_index: int) -> int:
    """The profit, funding included, of closing all at `mark`, rounded down: what `closed` would pay there."""
    numerator, divisor = outcome(position, contract, mark, funding_index)
    return div_down(numerator, divisor)


def equity(contract: Contract, position: Position, mark: int, funding_index: int) -> int:
    """The position's margin plus its open profit at `mark`; negative if it is bankrupt."""
    return position.margin + unrealised(contract, position, mark, funding_index)


def deficit(contract: Contract, position: Position, tier: Tier, funding_index: int) -> tuple[int, int]:
    """(A, B) such that W = A · a + B · b is positive iff equity is below `tier`'s maintenance.

    (a, b) is the ratio at the mark. W is (maintenance − equity) · 10⁶ · D, which a liquidation proof shows to be no
    less than zero.
    """
    return deficits(contract, position, (tier,), funding_index)[0]


def deficits(
    contract: Contract, position: Position, tiers: Iterable[Tier], funding_index: int
) -> list[tuple[int, int]]:
    """`deficit` of each of `tiers`."""
    at_a, at_b = coefficients(position, contract, funding_index)
    worth = FUNDING_SCALE * contract.unit * position.lots
    own = at_b + FUNDING_SCALE * position.margin
    return [
        (tier.maintenance * worth - MILLION * at_a, -MILLION * (own + FUNDING_SCALE * tier.deduction)) for tier in tiers
    ]


def is_liquidatable(contract: Contract, position: Position, mark: int, funding_index: int) -> bool:
    """Whether equity < maintenance at `mark`, exactly."""
    a, b = contract.ratio(mark)
    at_a, at_b = coefficients(position, contract, funding_index)
    own = at_a * a + (at_b + FUNDING_SCALE * position.margin) * b
    # Nearly everyone owns more than the last bracket's rate of it all, and no bracket asks for more than that.
    if MILLION * own >= contract.tiers[-1].maintenance * FUNDING_SCALE * contract.unit * position.lots * a:
        return False
    return any(at_a * a + at_b * b > 0 for at_a, at_b in deficits(contract, position, contract.tiers, funding_index))


@dataclass(frozen=True, slots=True)
class Health:
    """Equity (rounded down) and maintenance (rounded up) of a position, or of an account that margins them jointly."""

    equity: int
    maintenance: int

    @property
    def is_enough(self) -> bool:
        """Whether the equity covers the maintenance."""
        return self.equity >= self.maintenance


def health(contract: Contract, position: Position, mark: int, funding_index: int) -> Health:
    """The health of one position."""
    return Health(equity(contract, position, mark, funding_index), maintenance(contract, position, mark))


def joint(balance: int, parts: Iterable[Health]) -> Health:
    """The health of a cross-margined account: its free balance and all of its positions stand for each other."""
    members = tuple(parts)
    return Health(balance + sum(part.equity for part in members), sum(part.maintenance for part in members))


def is_no_worse(before: Health, after: Health) -> bool:
    """Whether an account in distress may make this move: it needs no more, and covers no smaller part of its need.

    Compared by cross-multiplying. Source: StarkEx's rule for undercollateralised vaults.
    """
    return after.maintenance <= before.maintenance and (
        after.equity * before.maintenance >= before.equity * after.maintenance
    )
