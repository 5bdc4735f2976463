"""Where a position ends: the prices at which equity meets maintenance and zero, in closed form, and how much to close.

Equity and maintenance, times D, are linear in the price for both payoffs, so every boundary is one integer division:
no search, no rounding error.
"""

from __future__ import annotations

from bisect import bisect_left

from fairway.risk.contract import Contract
from fairway.risk.margin import deficits
from fairway.risk.position import Position, coefficients, outcome
from fairway.units import FUNDING_SCALE, MILLION, TICK_BOUND, Nano, Tick, div_down, div_up

__all__ = ["bankruptcy_price", "displayed_price", "liquidation_fee", "liquidation_price", "partial_lots"]

_LAST = TICK_BOUND - 1


def liquidation_price(contract: Contract, position: Position, funding_index: int) -> Tick | None:
    """The first mark that liquidates: the highest for a long, the lowest for a short; None if none in [1, 2³²) does.

    Exactly the boundary of `is_liquidatable`: every mark beyond it liquidates too, the one before it does not.
    """
    tiers = deficits(contract, position, contract.tiers, funding_index)
    lines = [_by_price(contract, line) for line in tiers]
    if position.s > 0:
        tick = max(_last_positive(at_zero, slope) for at_zero, slope in lines)
        return Tick(tick) if tick >= 1 else None
    tick = min(_first_positive(at_zero, slope) for at_zero, slope in lines)
    return Tick(tick) if tick <= _LAST else None


def displayed_price(contract: Contract, position: Position, funding_index: int) -> Tick | None:
    """The exact liquidation price rounded early, to the last mark that is safe: a long's up, a short's down.

    A mark strictly beyond it liquidates. Clamped to [1, 2³²); None if there is no liquidation price.
    """
    tick = liquidation_price(contract, position, funding_index)
    return None if tick is None else Tick(min(max(tick + position.s, 1), _LAST))


def bankruptcy_price(contract: Contract, position: Position, funding_index: int) -> Tick | None:
    """The last price at which closing all costs no more than the margin: lowest for a long, highest for a short.

    None if no price in [1, 2³²) costs more than the margin; if every price does, the best of them for the position.
    """
    at_a, at_b = coefficients(position, contract, funding_index)
    at_zero, slope = _by_price(contract, (at_a, at_b + FUNDING_SCALE * position.margin))
    if position.s > 0:
        beyond = _last_positive(-at_zero, -slope)
        return None if beyond < 1 else Tick(min(beyond + 1, _LAST))
    beyond = _first_positive(-at_zero, -slope)
    return None if beyond > _LAST else Tick(max(beyond - 1, 1))


def liquidation_fee(contract: Contract, lots: int, price: int, available: int) -> Nano:
    """The fee of liquidating `lots` at `price`, rounded up, and at most what is `available`: never a debt."""
    a, b = contract.ratio(price)
    whole = div_up(contract.unit * lots * a * contract.liquidation_fee, b * MILLION)
    return Nano(min(whole, max(0, available)))


def partial_lots(contract: Contract, position: Position, mark: int, funding_index: int, target: int = 1_250_000) -> int:
    """The least lots whose close at `mark` leaves the rest with `target` ppm of its maintenance; all if nothing does.

    The rest keeps all margin but loss and fee (`closed` with a `step`). Closing at a worse price than `mark`
    restores less; then the next step closes more. 0 if the position already has that much.
    """
    a, _ = contract.ratio(mark)
    numerator, divisor = outcome(position, contract, mark, funding_index)
    held = MILLION * MILLION * (numerator + divisor * position.margin)
    value = FUNDING_SCALE * contract.unit * a

    def is_restored(lots: int) -> bool:
        rest = position.lots - lots
        need = max(tier.maintenance * value * rest - MILLION * tier.deduction * divisor for tier in contract.tiers)
        return held - MILLION * contract.liquidation_fee * value * lots >= target * need

    return bisect_left(range(position.lots), True, key=is_restored)


def _by_price(contract: Contract, line: tuple[int, int]) -> tuple[int, int]:
    """A · a + B · b as (value at price zero, slope): linear has a = price, inverse b = price."""
    at_a, at_b = line
    return (at_b, at_a) if contract.direction > 0 else (at_a, at_b)


def _last_positive(at_zero: int, slope: int) -> int:
    """The highest price with at_zero + slope · price > 0, at most 2³² − 1; below 1 if there is none.

    For a long. Its lines start above zero and fall, or (inverse, funding owed above all it has) never come down.
    """
    if slope >= 0:
        return _LAST
    return min(_LAST, div_down(at_zero - 1, -slope))


def _first_positive(at_zero: int, slope: int) -> int:
    """The lowest price ≥ 1 with at_zero + slope · price > 0; 2³² or above if there is none.

    For a short. Its lines rise, or (inverse, margin above what it could ever lose) start below zero and stay there.
    """
    if slope <= 0:
        return TICK_BOUND
    return max(1, div_down(-at_zero, slope) + 1)
