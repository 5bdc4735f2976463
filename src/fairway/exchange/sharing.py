"""The pot: one margin for all cross positions of an account, and what closing one of them pays into it or out of it.

A cross position has no margin of its own. What a close loses leaves the pot, what it wins stays in it for the others,
and side B, having paid that, owes so much less: so what pot and positions are worth together moves by nothing but
prices (docs/spec/exchange.md). The pot is the terms that both halves carry under `CROSS`. Pure integers.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from fairway.errors import IllegalTransition, Rejected
from fairway.exchange.rules import Rules
from fairway.exchange.terms import CROSS_MARKETS, CrossPosition, CrossTerms, MarginMove, OracleRound
from fairway.risk.contract import Contract, Payoff
from fairway.risk.margin import bracket_at, unrealised
from fairway.risk.position import Closure, Position, closed, with_margin
from fairway.units import NANO_BOUND

__all__ = [
    "check_pot_move",
    "close_shared",
    "moved_pot",
    "paid",
    "shared_terms",
    "with_shared",
]


def shared_terms(market: int, contract: Contract, position: Position, newest: OracleRound) -> CrossPosition:
    """A cross position as the pot carries it, with the bracket that asks for most at the newest mark."""
    tier = bracket_at(contract, position.lots, newest.mark)
    return CrossPosition(
        market,
        contract.payoff is Payoff.INVERSE,
        position.s > 0,
        position.lots,
        contract.unit,
        position.cost,
        position.funding_base,
        tier.maintenance,
        tier.deduction,
        newest.mark,
        newest.funding,
    )


def with_shared(pot: CrossTerms, market: int, held: CrossPosition | None, at_ms: int) -> CrossTerms:
    """The pot with `held` in place of what it has of `market`, touched by no round before `at_ms`.

    Errors: `IllegalTransition` above `CROSS_MARKETS`.
    """
    others = [each for each in pot.positions if each.market != market]
    positions = sorted([*others, *([held] if held else [])], key=lambda each: each.market)
    if len(positions) > CROSS_MARKETS:
        raise IllegalTransition("pot.markets", "a pot holds more markets than one claim can value", market=market)
    return replace(pot, positions=tuple(positions), since_ms=max(pot.since_ms, at_ms))


def close_shared(pot: CrossTerms, position: Position, contract: Contract, lots: int, price: int, index: int) -> Closure:
    """What closing `lots` of a cross position does: the pot lends it as much margin as it loses, and has."""
    alone = closed(position, contract, lots, price, index)
    if alone.profit >= 0:
        return alone
    lent = with_margin(position, min(pot.margin, -alone.profit))
    return closed(lent, contract, lots, price, index)


def paid(pot: CrossTerms, closure: Closure) -> tuple[CrossTerms, int]:
    """The pot after a close, and what the close won beyond its cap, which nobody promised."""
    if closure.profit < 0:
        return replace(pot, margin=pot.margin - closure.payment), 0
    won = min(closure.payment, pot.cap)
    return replace(pot, margin=pot.margin + won, cap=pot.cap - won), closure.payment - won


def moved_pot(pot: CrossTerms, rules: Rules, move: MarginMove) -> CrossTerms:
    """The pot with the margin of `move`: with more, side B is good for ratio times it at least; with less, at most."""
    least_or_most = max if move.margin > pot.margin else min
    cap, since = least_or_most(pot.cap, rules.cap(move.margin)), max(pot.since_ms, move.since_ms)
    return replace(pot, margin=move.margin, cap=cap, since_ms=since)


def check_pot_move(
    pot: CrossTerms, parts: Iterable[tuple[Contract, Position, OracleRound]], needed: int, move: MarginMove
) -> int:
    """By how much the pot grows (or, negative, shrinks); `Rejected` where the rules do not allow it.

    `parts` are its positions; what is taken out leaves what they need at the greatest leverage beside what they have
    lost together, and what its orders need (`needed`). What they have won together does not count: it is not his
    before he closes; but side B must still be good for it. Errors: as `check_move`, and `margin.cap`.
    """
    change = move.margin - pot.margin
    if change == 0:
        raise Rejected("margin.same", "the pot has this margin already", margin=move.margin)
    if not 0 <= move.margin < NANO_BOUND:
        raise Rejected("risk.bound", "the margin would leave its bounds", margin=move.margin)
    held = list(parts)
    newest_ms = max([newest.at_ms + 1 for _, _, newest in held], default=0)
    if not pot.since_ms <= move.since_ms <= max(pot.since_ms, newest_ms):
        raise Rejected("margin.since", "the moment is before the pot's or after the newest round")
    if change < 0:
        won = sum(unrealised(contract, at, newest.mark, newest.funding) for contract, at, newest in held)
        if move.margin + min(0, won) < needed:
            raise Rejected("margin.requirement", "too little margin would be left", least=needed - min(0, won))
        if min(pot.cap, pot.ratio * move.margin) < won:
            raise Rejected("margin.cap", "the service would not be good for what is won: close something first")
    return change
