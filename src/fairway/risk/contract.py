"""What a market pays: payoff, unit, margin brackets and fees, and the value of lots at a price.

    linear    `unit` nano per lot and tick:  one lot is worth unit · price
    inverse   `unit` nano per lot at tick 1: one lot is worth unit ÷ price

Both are `unit · a ÷ b` with (a, b) = `ratio(price)`; every other formula of risk is written once, in a and b.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise

from fairway.errors import Rejected
from fairway.units import MILLION, NANO_BOUND, UNIT_BOUND, Nano, Ppm, div_down, div_up

__all__ = ["Contract", "Payoff", "Tier", "brackets", "fee", "fill_cost", "notional"]


class Payoff(IntEnum):
    """How profit follows price."""

    LINEAR = 0
    INVERSE = 1


# Looking up a member of an Enum costs as much as the division it decides about.
_INVERSE = Payoff.INVERSE


@dataclass(frozen=True, slots=True)
class Tier:
    """A bracket of notional value up to `ceiling`: maintenance there is `maintenance` of the value less `deduction`."""

    ceiling: Nano
    initial: Ppm
    maintenance: Ppm
    deduction: Nano


def brackets(rates: Iterable[tuple[int, int, int]]) -> tuple[Tier, ...]:
    """Tiers from (ceiling, initial, maintenance), ceilings rising, with the deductions that make them continuous.

    Every ceiling times the step of the rate at it must be whole, in nano: a multiple of 10⁶ nano always is.
    """
    tiers: list[Tier] = []
    floor = rate = deduction = 0
    for ceiling, initial, maintenance in rates:
        if tiers:
            deduction += div_down(floor * (maintenance - rate), MILLION)
        tiers.append(Tier(Nano(ceiling), Ppm(initial), Ppm(maintenance), Nano(deduction)))
        floor, rate = ceiling, maintenance
    return tuple(tiers)


@dataclass(frozen=True, slots=True)
class Contract:
    """One market's terms of money. `maker_fee` may be a rebate (negative).

    Bounds: 0 < unit < 2⁵⁰; brackets rise in ceiling and rates and are continuous in maintenance;
    0 < maintenance ≤ initial ≤ 10⁶ and maintenance < 10⁶; the liquidation fee is at most the first maintenance rate, so
    that closing lots always frees more than it costs; a rebate is at most the taker fee.
    Errors: `Rejected` with `risk.contract`.
    """

    payoff: Payoff
    unit: int
    tiers: tuple[Tier, ...]
    maker_fee: Ppm
    taker_fee: Ppm
    liquidation_fee: Ppm

    def __post_init__(self) -> None:
        if not (0 < self.unit < UNIT_BOUND and self.tiers and self._fees_are_lawful() and self._tiers_are_lawful()):
            raise Rejected("risk.contract", "the terms of the contract contradict themselves")

    @property
    def direction(self) -> int:
        """+1 linear, -1 inverse: how the value in nano of a lot follows the price."""
        return -1 if self.payoff is _INVERSE else 1

    @property
    def max_leverage(self) -> int:
        """The greatest whole leverage of the first bracket."""
        return MILLION // self.tiers[0].initial

    def ratio(self, price: int) -> tuple[int, int]:
        """(a, b) such that one lot is worth unit · a ÷ b nano at `price` ≥ 1."""
        return (1, price) if self.payoff is _INVERSE else (price, 1)

    def _fees_are_lawful(self) -> bool:
        return (
            0 <= self.taker_fee < MILLION
            and abs(self.maker_fee) <= self.taker_fee
            and 0 <= self.liquidation_fee <= self.tiers[0].maintenance
        )

    def _tiers_are_lawful(self) -> bool:
        return (
            self.tiers[0].deduction == 0
            and all(0 < tier.maintenance <= tier.initial <= MILLION > tier.maintenance for tier in self.tiers)
            and all(0 < tier.ceiling < NANO_BOUND for tier in self.tiers)
            and all(_is_continuous(low, high) for low, high in pairwise(self.tiers))
        )


def _is_continuous(low: Tier, high: Tier) -> bool:
    """Whether both give the same maintenance at the ceiling between them; then the larger of the two always holds."""
    rises = low.ceiling < high.ceiling and low.initial <= high.initial and low.maintenance <= high.maintenance
    step = low.ceiling * (high.maintenance - low.maintenance)
    return rises and (high.deduction - low.deduction) * MILLION == step


def notional(contract: Contract, lots: int, price: int) -> Nano:
    """The value of `lots` at `price`, rounded up."""
    a, b = contract.ratio(price)
    return Nano(div_up(contract.unit * lots * a, b))


def fill_cost(contract: Contract, s: int, lots: int, price: int) -> Nano:
    """What `lots` filled at `price` add to the cost of a position of side `s`.

    Exact for linear. Inverse rounds down for a long and up for a short: a long earns by a higher cost, a short by a
    lower one. Source: docs/spec/settlement.md, the cost of a fill.
    """
    a, b = contract.ratio(price)
    divide = div_down if s > 0 else div_up
    return Nano(divide(contract.unit * lots * a, b))


def fee(contract: Contract, lots: int, price: int, *, taker: bool) -> Nano:
    """The trading fee of a fill, rounded up; a rebate is negative, and rounding up makes it smaller."""
    a, b = contract.ratio(price)
    rate = contract.taker_fee if taker else contract.maker_fee
    return Nano(div_up(contract.unit * lots * a * rate, b * MILLION))
