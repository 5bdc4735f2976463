"""Risk at its edges: every refusal with its code and its facts, medians, averages, ties, and margin taken back."""

from __future__ import annotations

from dataclasses import replace
from statistics import median_low

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fairway.errors import FairwayError, IllegalTransition, Rejected
from fairway.risk.contract import Contract, Payoff, brackets
from fairway.risk.deleverage import Candidate, allocate, score
from fairway.risk.funding import FundingTerms, next_index
from fairway.risk.liquidation import bankruptcy_price
from fairway.risk.margin import bracket_at, initial_requirement, is_liquidatable, maintenance, tier_at
from fairway.risk.mark import PREMIUM_SCALE, Premium, index_price, moved
from fairway.risk.position import Closure, Position, closed, opened, outcome, released, with_margin
from fairway.units import FUNDING_INDEX_BOUND, FUNDING_SCALE, LOT_BOUND, NANO_BOUND, TICK_BOUND, TON

TIERS = brackets([(1_000 * TON, 20_000, 10_000), (2_000 * TON, 25_000, 12_000), (10_000 * TON, 50_000, 25_000)])
LINEAR = Contract(Payoff.LINEAR, 1_000_000, TIERS, maker_fee=-100, taker_fee=500, liquidation_fee=5_000)
INVERSE = Contract(Payoff.INVERSE, 10**13, TIERS, maker_fee=100, taker_fee=500, liquidation_fee=5_000)
LONG = Position(1, 10, 50 * TON, 0, 5 * TON)
TOP = FUNDING_INDEX_BOUND

REFUSED = [
    (lambda: tier_at(LINEAR, 10_001 * TON), "risk.notional", {"notional": 10_001 * TON, "limit": 10_000 * TON}),
    (lambda: initial_requirement(LINEAR, 1, 1, 0), "risk.leverage", {"leverage": 0, "limit": 50}),
    (lambda: initial_requirement(LINEAR, 1, 1, 51), "risk.leverage", {"leverage": 51, "limit": 50}),
    (lambda: replace(LINEAR, unit=0), "risk.contract", {}),
    (lambda: FundingTerms(0, 0, 0, 0), "risk.funding_terms", {}),
    (lambda: FundingTerms(0, -1, 0, 1), "risk.funding_terms", {}),
    (lambda: FundingTerms(0, 2, 1, 1), "risk.funding_terms", {}),
    (lambda: FundingTerms(0, 0, 10**6, 1), "risk.funding_terms", {}),
    (lambda: FundingTerms(-2, 0, 1, 1), "risk.funding_terms", {}),
    (lambda: FundingTerms(2, 0, 1, 1), "risk.funding_terms", {}),
    (lambda: grown(TOP - 65_536), "risk.funding_index", {"index": TOP - 65_536, "change": 65_536}),
    (lambda: grown(65_536 - TOP, -1), "risk.funding_index", {"index": 65_536 - TOP, "change": -65_536}),
    (lambda: with_margin(LONG, -5 * TON - 1), "risk.bound", {"margin": -1}),
    (lambda: with_margin(LONG, NANO_BOUND - 5 * TON), "risk.bound", {"margin": NANO_BOUND}),
    (lambda: opened(None, LINEAR, 1, 9, 1, TOP, 0), "risk.bound", {"lots": 9, "cost": 9_000_000}),
    (lambda: opened(None, LINEAR, 1, 9, 1, -TOP, 0), "risk.bound", {"lots": 9, "cost": 9_000_000}),
    (lambda: opened(LONG, LINEAR, 1, 1, 1, 0, NANO_BOUND), "risk.bound", {"lots": 11, "cost": 50_001_000_000}),
    (lambda: opened(None, CHEAP, 1, LOT_BOUND, 1, 0, 0), "risk.bound", {"lots": LOT_BOUND, "cost": LOT_BOUND}),
    (lambda: opened(None, CHEAP, 1, 1 << 32, 1 << 31, 0, 0), "risk.bound", {"lots": 1 << 32, "cost": NANO_BOUND}),
]
OURS = [
    (lambda: opened(LONG, LINEAR, -1, 1, 1, 0, 2), "risk.opened", {"s": -1, "lots": 1, "margin": 2}),
    (lambda: opened(None, LINEAR, 2, 1, 1, 0, 2), "risk.opened", {"s": 2, "lots": 1, "margin": 2}),
    (lambda: opened(LONG, LINEAR, 1, 0, 1, 0, 2), "risk.opened", {"s": 1, "lots": 0, "margin": 2}),
    (lambda: opened(LONG, LINEAR, 1, 1, 1, 0, -1), "risk.opened", {"s": 1, "lots": 1, "margin": -1}),
    (lambda: closed(LONG, LINEAR, 0, 1, 0), "risk.closed", {"lots": 0, "held": 10}),
    (lambda: closed(LONG, LINEAR, 11, 1, 0), "risk.closed", {"lots": 11, "held": 10}),
    (lambda: released(LONG, LINEAR, 1, 0), "risk.released", {"nano": 0}),
    (lambda: released(LONG, LINEAR, 1, 5 * TON), "risk.released", {"nano": 5 * TON}),
    (lambda: allocate([Candidate(1, 10, 5)], 11), "risk.deleverage", {"lots": 11}),
]
CHEAP = replace(LINEAR, unit=1)


def grown(index, rate=1):
    """The index after a rate of `rate` ppm on a lot worth a million nano: one nano in the index's units."""
    return next_index(index, LINEAR, 1, rate, 1, 1)


def refusal(call) -> FairwayError:
    with pytest.raises(FairwayError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize(("call", "code", "facts"), REFUSED)
def test_a_refusal_has_its_code_and_says_what_it_is_about(call, code, facts):
    error = refusal(call)
    assert (type(error), error.code, error.facts) == (Rejected, code, facts)


@pytest.mark.parametrize(("call", "code", "facts"), OURS)
def test_a_move_that_cannot_be_stops_us_with_its_code_and_facts(call, code, facts):
    error = refusal(call)
    assert (type(error), error.code, error.facts) == (IllegalTransition, code, facts)


def test_what_is_just_allowed_is_allowed():
    assert tier_at(LINEAR, 10_000 * TON) is TIERS[2]
    assert tier_at(LINEAR, 1_000 * TON) is TIERS[0]
    assert tier_at(LINEAR, 1_000 * TON + 1) is TIERS[1]
    assert initial_requirement(LINEAR, 10, 5_000, 1) == 50 * TON
    assert initial_requirement(LINEAR, 10, 5_000, 50) == TON
    assert FundingTerms(1, 1, 1, 1).cap == 1
    assert FundingTerms(-1, 0, 1, 1).interest == -1
    assert FundingTerms(0, 0, 0, 1).damper == 0
    assert FundingTerms(0, 0, 10**6 - 1, 1).cap == 10**6 - 1
    assert grown(TOP - 65_537) == TOP - 1
    assert grown(65_537 - TOP, -1) == 1 - TOP
    assert with_margin(LONG, -5 * TON).margin == 0
    assert with_margin(LONG, NANO_BOUND - 1 - 5 * TON).margin == NANO_BOUND - 1
    assert opened(None, CHEAP, -1, LOT_BOUND - 1, 1, 1 - TOP, NANO_BOUND - 1).margin == NANO_BOUND - 1
    assert opened(None, CHEAP, 1, 1, 1, TOP - 1, 0).funding_base == TOP - 1
    assert closed(LONG, LINEAR, 10, 5_000, 0).rest is None
    assert allocate([Candidate(1, 10, 5)], 10) == [(1, 10)]


@pytest.mark.parametrize(("contract", "divisor"), [(LINEAR, FUNDING_SCALE), (INVERSE, 40_000 * FUNDING_SCALE)])
@pytest.mark.parametrize("nano", [1, 2 * TON, 5 * TON - 1])
def test_margin_taken_back_is_a_close_of_no_lots_that_pays_nothing(contract, divisor, nano):
    rest = with_margin(LONG, -nano)
    assert released(LONG, contract, 40_000, nano) == Closure(0, 0, 0, nano, 0, 0, divisor, nano, 0, 0, rest)


@given(st.lists(st.integers(1, 1_000), min_size=1, max_size=9))
def test_the_index_is_the_median_and_of_two_middle_ones_their_mean_rounded_down(prices):
    lower, upper = median_low(prices), -median_low([-price for price in prices])
    assert index_price([(price, 0) for price in prices], 0, 0) == (lower + upper) // 2


@pytest.mark.parametrize(
    ("at_ms", "now_ms", "quorum", "found"),
    [(10, 10, 1, 7), (10, 15, 1, 7), (10, 16, 1, None), (10, 9, 1, None), (10, 10, 2, None)],
)
def test_a_source_counts_from_its_time_until_it_is_old_and_a_quorum_must_be_there(at_ms, now_ms, quorum, found):
    assert index_price([(7, at_ms)], now_ms, 5, quorum) == found


@pytest.mark.parametrize("contract", [CHEAP, replace(INVERSE, unit=1)])
@pytest.mark.parametrize("s", [1, -1])
@given(
    lots=st.integers(1, 40),
    cost=st.integers(1, 400),
    base=st.one_of(st.integers(-3, 3), st.integers(-(1 << 24), 1 << 24)),
    margin=st.integers(0, 400),
)
@example(lots=10, cost=5, base=-1, margin=5)  # a nano ÷ 2¹⁶ of funding decides, far from the entry
def test_the_bankruptcy_price_is_the_last_at_which_a_close_costs_no_more_than_the_margin(
    contract, s, lots, cost, base, margin
):
    """Looked at from both sides of it, with funding to a part of a nano."""
    position = Position(s, lots, cost, base, margin)

    def is_worth_something(price):
        numerator, divisor = outcome(position, contract, price, 0)
        return numerator + divisor * margin >= 0

    price = bankruptcy_price(contract, position, 0)
    if price is None:
        assert all(is_worth_something(each) for each in (1, 2, TICK_BOUND - 1))
    else:
        beyond = price - s
        assert is_worth_something(price) or price == (TICK_BOUND - 1 if s > 0 else 1)
        assert not (1 <= beyond < TICK_BOUND and is_worth_something(beyond))


def test_a_sample_weighs_as_long_as_it_held_from_a_single_millisecond_to_the_window():
    before = Premium(0, 100)
    assert moved(before, 8, 101, 4) == Premium(2 * PREMIUM_SCALE, 101)
    assert moved(before, 8, 104, 4) == moved(before, 8, 104, 3) == Premium(8 * PREMIUM_SCALE, 104)
    assert moved(before, 8, 100, 4) == moved(before, 8, 99, 4) == before


def test_a_position_without_profit_and_margin_scores_nothing():
    assert score(LINEAR, with_margin(LONG, -5 * TON), 5_000, 0) == 0
    assert score(LINEAR, LONG, 5_000, 0) == 0


def test_one_nano_of_profit_is_scored_as_a_win():
    """Profit per cost times leverage, and not divided by it: 10⁶ · 1 · value ÷ (cost · own), with own small."""
    tiny = replace(LINEAR, unit=1)
    assert score(tiny, Position(1, 1, 10, 0, 1), 11, 0) == 10**6 * 11 // (10 * 2)
    assert score(tiny, Position(1, 1, 10, 0, 1), 9, 0) == 0
    assert score(tiny, Position(1, 1, 10, 0, 2), 9, 0) == -(10**6) // (10 * 9)


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(-3, 3), st.booleans()), min_size=1, max_size=6), st.data())
def test_nobody_gives_more_than_he_has_and_winners_give_in_proportion_to_lots_and_score(each, data):
    candidates = [Candidate(key, lots, points, last) for key, (lots, points, last) in enumerate(each)]
    asked = data.draw(st.integers(0, sum(candidate.lots for candidate in candidates)))
    given_up = dict(allocate(candidates, asked))
    assert sum(given_up.values()) == asked
    assert all(0 < given_up[key] <= candidates[key].lots for key in given_up)
    ranks = {}
    for candidate in candidates:
        ranks.setdefault((candidate.last, candidate.score <= 0), []).append(candidate)
    before_is_empty = True
    for _, rank in sorted(ranks.items()):
        taken = sum(given_up.get(candidate.key, 0) for candidate in rank)
        assert before_is_empty or not taken, "asked before those ahead have nothing left"
        before_is_empty = taken == sum(candidate.lots for candidate in rank)


def asked_by(contract, tier, lots, mark):
    """What a bracket asks for, in millionths of a nano over b."""
    a, b = contract.ratio(mark)
    return tier.maintenance * contract.unit * lots * a - 10**6 * tier.deduction * b


@pytest.mark.parametrize("contract", [LINEAR, INVERSE])
@pytest.mark.parametrize("s", [1, -1])
@given(lots=st.integers(1, 5_000), mark=st.integers(1, 20_000), margin=st.integers(0, 200 * TON))
def test_a_position_is_liquidatable_exactly_when_its_equity_is_below_the_bracket_that_asks_most(
    contract, s, lots, mark, margin
):
    """By exact fractions of a nano, over a common divisor."""
    entry = 10_000
    position = opened(None, contract, s, lots, entry, 0, margin)
    a, b = contract.ratio(mark)
    worth = contract.unit * lots * a
    profit = s * contract.direction * (worth - position.cost * b)
    need = max(asked_by(contract, tier, lots, mark) for tier in contract.tiers)
    assert need == asked_by(contract, bracket_at(contract, lots, mark), lots, mark)
    assert is_liquidatable(contract, position, mark, 0) == (10**6 * (profit + margin * b) < need)
    assert 0 <= maintenance(contract, position, mark) * 10**6 * b - need < 10**6 * b


def test_a_candidate_is_asked_before_the_last_unless_he_is_one():
    assert allocate([Candidate(1, 5, 1), Candidate(2, 5, 9, last=True)], 5) == [(1, 5)]


def test_a_payoff_is_written_as_its_number():
    assert [(payoff.name, payoff.value) for payoff in Payoff] == [("LINEAR", 0), ("INVERSE", 1)]


def test_the_greatest_leverage_is_whole():
    thirds = replace(LINEAR, tiers=brackets([(TON, 30_000, 10_000)]))
    assert repr(thirds.max_leverage) == "33"


@pytest.mark.parametrize("value", [LONG, released(LONG, LINEAR, 1, 1)])
def test_a_position_and_what_closed_it_are_never_written_to(value):
    with pytest.raises(AttributeError):
        value.margin = 0
