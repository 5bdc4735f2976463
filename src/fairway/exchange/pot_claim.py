"""What is claimed of the pot: positions of several markets and the fills of cross orders, valued within one bound.

    cross_input#_ exits:(HashmapE 16 ^Rounds) touch:(Maybe ^CrossTouch) fills:(HashmapE 32 ^FillInput) = CrossInput;
    cross_touch#_ moment:uint64 rounds:(HashmapE 16 ^Rounds) = CrossTouch;

Side B takes the pot whole by a moment before the start at which it had less than it needs. Whoever claims names the
moment, but the prices of it are nobody's choice: of each market that of the round in force, the last one no later.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from pytoniq_core import HashMap

from fairway.exchange.fills import Evidence, Fill, fills_cell, forward
from fairway.exchange.paper import Exit, Paper, Promised, Shown, rounds_cell
from fairway.exchange.terms import CROSS, CrossPosition, CrossTerms
from fairway.exchange.valuation import Forward, Totals, gained, lost, needed, profit
from fairway.ton.cells import Builder, Cell

__all__ = ["is_short", "pot_input", "value_of"]

MARKET_BITS = 16
MOMENT_BITS = 64


class Touch(NamedTuple):
    """A moment at which the pot had less than it needs, and the rounds around it by market."""

    moment_ms: int
    rounds: dict[int, Exit]


def value_of(position: CrossPosition, mark: int, funding: int) -> int:
    """What the position has won at `mark` and the funding index `funding`, rounded down."""
    held = Totals(position.lots, position.cost, 0, position.funding_base)
    return profit(held, mark, funding, unit=position.unit, inverse=position.inverse, long=position.long)


def is_short(terms: CrossTerms, prices: Mapping[int, tuple[int, int]]) -> bool:
    """Whether the pot, at the mark and funding index of each of its markets, has less than its positions need."""
    spare = terms.margin
    for position in terms.positions:
        mark, funding = prices[position.market]
        spare += value_of(position, mark, funding) - _need(position, mark)
    return spare < 0


def _need(position: CrossPosition, mark: int) -> int:
    line = position.maintenance, position.deduction
    return needed(position.lots, mark, *line, unit=position.unit, inverse=position.inverse)


def pot_input(terms: CrossTerms, fills: Sequence[Fill], half: Promised, paper: Paper) -> Evidence | None:
    """What the condition of the pot is shown; None where it would owe nothing, or a position has no price yet."""
    prices = _prices(terms, paper)
    if any(position.market not in prices for position in terms.positions):
        return None
    priced = [fill for fill in fills if fill.order.terms.market in prices]
    values = [value_of(position, *prices[position.market]) for position in terms.positions]
    forwards = [_forward(fill, *prices[fill.order.terms.market]) for fill in priced]
    touch = _touch(terms, half, paper)
    if half.by_a:
        owed = lost(values, terms.margin, forwards, touched=touch is not None)
    else:
        owed = gained(values, terms.cap, terms.ratio, forwards)
    if owed == 0:
        return None
    named = {position.market for position in terms.positions} | {fill.order.terms.market for fill in priced}
    exits = {market: paper.exits[market] for market in named if market in paper.exits}
    shown = Builder().store_dict(_table(paper.network, exits))
    shown.store_maybe_ref(None if touch is None else _touch_cell(paper.network, touch))
    pairs = [*exits.values(), *(touch.rounds.values() if touch is not None else ())]
    return Evidence.of(shown.store_dict(fills_cell(paper.network, priced)).end_cell(), chain(*pairs), priced)


def _prices(terms: CrossTerms, paper: Paper) -> dict[int, tuple[int, int]]:
    """Mark and funding index by market: those of the exits, and once it is late the last of what is held."""
    last = {each.market: (each.mark, each.funding) for each in terms.positions if paper.is_late and each.mark}
    return last | {market: (found.after.mark, found.after.funding) for market, found in paper.exits.items()}


def _forward(fill: Fill, mark: int, funding: int) -> Forward:
    order = fill.order.terms
    return forward(fill, mark, funding, unit=order.unit, inverse=order.inverse)


# Touches


def _touch(terms: CrossTerms, half: Promised, paper: Paper) -> Touch | None:
    """The first round from `since_ms` that left the pot short, with those in force in its other markets."""
    if not half.by_a or not terms.positions or CROSS in paper.standing:
        return None
    earlier = _by_market(terms, paper.earlier)
    kept = _by_market(terms, [*chain(*earlier.values()), *paper.following])
    for moment_ms in sorted({each.round_ms for each in chain(*earlier.values()) if each.round_ms >= terms.since_ms}):
        found = {market: _around(moment_ms, rounds) for market, rounds in kept.items()}
        around = {market: each for market, each in found.items() if each is not None}
        prices = {market: (each.before.mark, each.before.funding) for market, each in around.items()}
        if len(around) == len(terms.positions) and is_short(terms, prices):
            return Touch(moment_ms, around)
    return None


def _by_market(terms: CrossTerms, shown: Iterable[Shown]) -> dict[int, list[Shown]]:
    kept: dict[int, list[Shown]] = {position.market: [] for position in terms.positions}
    for each in shown:
        if each.market in kept:
            kept[each.market].append(each)
    return {market: sorted(rounds, key=lambda each: each.round) for market, rounds in kept.items()}


def _around(moment_ms: int, rounds: Sequence[Shown]) -> Exit | None:
    """The last of `rounds` no later than `moment_ms` with the one after it, where both are there."""
    place = bisect_right(rounds, moment_ms, key=lambda each: each.round_ms)
    if not 0 < place < len(rounds):
        return None
    before, after = rounds[place - 1], rounds[place]
    return Exit(before, after) if before.round + 1 == after.round else None


def _touch_cell(network: int, touch: Touch) -> Cell:
    return Builder().store_uint(touch.moment_ms, MOMENT_BITS).store_dict(_table(network, touch.rounds)).end_cell()


def _table(network: int, rounds: Mapping[int, Exit]) -> Cell | None:
    shown = HashMap(MARKET_BITS, value_serializer=lambda each, leaf: leaf.store_ref(rounds_cell(network, each)))
    for market, each in rounds.items():
        shown.set_int_key(market, each)
    return shown.serialize()
