"""More or less margin on an open position: whether the rules allow it, and the terms that its owner signs.

The terms depend on nothing that the owner does not know when he signs: the liquidation price stands on the funding
index that the position's terms name, not on a newer one that the service may have meanwhile.
"""

from __future__ import annotations

import msgspec

from fairway.errors import Rejected
from fairway.exchange.terms import MarginMove, MarketTerms, OracleRound
from fairway.risk.contract import Contract
from fairway.risk.liquidation import liquidation_price
from fairway.risk.margin import initial_requirement, unrealised
from fairway.risk.position import Position, with_margin
from fairway.units import TICK_BOUND, Nano

__all__ = ["check_move", "least_margin", "margin_at", "moved", "touch_tick"]


def touch_tick(contract: Contract, position: Position, funding: int) -> int:
    """The mark at or beyond which the position is liquidated; one that no round reaches where there is none."""
    price = liquidation_price(contract, position, funding)
    if price is None:
        return 0 if position.s > 0 else TICK_BOUND - 1
    return price


def margin_at(contract: Contract, position: Position, newest: OracleRound, leverage: int) -> Nano:
    """The margin with which the position has `leverage` at the newest mark: its requirement, and what it has lost.

    What it has won does not count: it is not his before he closes. Errors: `Rejected` (`risk.leverage`,
    `risk.notional`).
    """
    required = initial_requirement(contract, position.lots, newest.mark, leverage)
    return Nano(required - min(0, unrealised(contract, position, newest.mark, newest.funding)))


def least_margin(contract: Contract, position: Position, newest: OracleRound) -> Nano:
    """What must stay when margin is taken out: what the position needs at the greatest leverage."""
    return margin_at(contract, position, newest, contract.max_leverage)


def check_move(
    contract: Contract, position: Position, terms: MarketTerms, newest: OracleRound, move: MarginMove
) -> int:
    """By how much the margin grows (or, negative, shrinks); `Rejected` where the rules do not allow it.

    `margin.same` (nothing moves), `margin.since` (from before the terms, or after a round that may have come already),
    `margin.requirement` (too little would be left), `risk.bound`.
    """
    change = move.margin - position.margin
    if change == 0:
        raise Rejected("margin.same", "the position has this margin already", margin=move.margin)
    if not terms.since_ms <= move.since_ms <= max(terms.since_ms, newest.at_ms + 1):
        raise Rejected("margin.since", "the moment is before the position's or after the newest round")
    after = with_margin(position, change)
    if change < 0 and after.margin < (least := least_margin(contract, position, newest)):
        raise Rejected("margin.requirement", "too little margin would be left", least=least)
    return change


def moved(contract: Contract, position: Position, terms: MarketTerms, move: MarginMove) -> tuple[Position, MarketTerms]:
    """The position and its terms with the margin of `move`."""
    after = with_margin(position, move.margin - position.margin)
    return after, msgspec.structs.replace(
        terms,
        margin=after.margin,
        liquidation_tick=touch_tick(contract, after, terms.funding),
        since_ms=max(terms.since_ms, move.since_ms),
    )
