"""The last resort: when neither market nor insurance bears a bankrupt position, those opposite give up some of theirs.

Pro rata by risk and only as much as needed: a winner gives up lots in proportion to lots · score, never more than he
has, and those who lose are asked only when the winners have nothing left. The outcome is a pure function of the
candidates, so anyone who has the record of them recomputes it by calling `allocate`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fairway.errors import IllegalTransition
from fairway.risk.contract import Contract, notional
from fairway.risk.margin import equity, unrealised
from fairway.risk.position import Position
from fairway.units import MILLION, Lot, div_down, div_up

__all__ = ["Candidate", "allocate", "score"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A position opposite the bankrupt one: whose it is, its lots, and its `score`.

    Who is `last` is asked only when all others have nothing left.
    """

    key: int
    lots: Lot
    score: int
    last: bool = False


def score(contract: Contract, position: Position, mark: int, funding_index: int) -> int:
    """Profit per cost, in ppm, times effective leverage for a winner and divided by it for a loser; rounded down.

    Effective leverage is value ÷ equity at mark. Source: BitMEX, auto-deleveraging.
    """
    profit = unrealised(contract, position, mark, funding_index)
    own = max(0, equity(contract, position, mark, funding_index))
    value = notional(contract, position.lots, mark)
    cost = max(1, position.cost)
    if profit > 0:
        return div_down(MILLION * profit * value, cost * own)
    return div_down(MILLION * profit * own, cost * value)


def allocate(candidates: Iterable[Candidate], lots: int) -> list[tuple[int, Lot]]:
    """The (key, lots) that each gives up, the riskiest first; they sum to exactly `lots`.

    Order: by score, then by key. Errors: `IllegalTransition` if the candidates have fewer lots together.
    """
    ranked = sorted(candidates, key=lambda candidate: (-candidate.score, candidate.key))
    if lots > sum(candidate.lots for candidate in ranked):
        raise IllegalTransition("risk.deleverage", "the other side has fewer lots", lots=lots)
    shares: list[tuple[int, Lot]] = []
    for last, wins in ((False, True), (False, False), (True, True), (True, False)):
        asked = [each for each in ranked if each.last == last and (each.score > 0) == wins]
        part = min(lots, sum(candidate.lots for candidate in asked))
        weights = [candidate.lots * candidate.score if wins else candidate.lots for candidate in asked]
        shares += _pro_rata(asked, weights, part)
        lots -= part
    return shares


def _pro_rata(ranked: Sequence[Candidate], weights: Sequence[int], lots: int) -> list[tuple[int, Lot]]:
    """Those whose share exceeds what they have give all of it; the others share the rest, each within one lot of exact.

    The heaviest per lot stand first, so the capped ones do too. Shares are differences of the running total, rounded
    up: they sum to `lots`.
    """
    left, weight_left = lots, sum(weights)
    passed = given = 0
    shares: list[tuple[int, Lot]] = []
    for candidate, weight in zip(ranked, weights, strict=True):
        if not passed and left * weight >= candidate.lots * weight_left:
            share: int = candidate.lots
            left -= share
            weight_left -= weight
        else:
            passed += weight
            share = div_up(left * passed, weight_left) - given
            given += share
        if share:
            shares.append((candidate.key, Lot(share)))
    return shares
