import pytest

from fairway.errors import IllegalTransition, Rejected
from fairway.risk.contract import Contract, Payoff, Tier, brackets, fee, fill_cost, notional
from fairway.risk.deleverage import Candidate, allocate, score
from fairway.risk.liquidation import (
    bankruptcy_price,
    displayed_price,
    liquidation_fee,
    liquidation_price,
    partial_lots,
)
from fairway.risk.margin import (
    Health,
    deficit,
    equity,
    health,
    initial_requirement,
    is_liquidatable,
    is_no_worse,
    joint,
    maintenance,
    tier_at,
)
from fairway.risk.position import Position, closed, opened, with_margin
from fairway.units import FUNDING_SCALE, TON

TIERS = brackets([(1_000 * TON, 20_000, 10_000), (10_000 * TON, 50_000, 25_000)])
LINEAR = Contract(Payoff.LINEAR, 1_000_000, TIERS, maker_fee=-100, taker_fee=500, liquidation_fee=5_000)
INVERSE = Contract(Payoff.INVERSE, 10**13, TIERS, maker_fee=100, taker_fee=500, liquidation_fee=5_000)


def test_a_linear_long_gains_what_the_price_gains():
    position = opened(None, LINEAR, 1, 10, 5_000, 0, 5 * TON)
    assert position == Position(1, 10, 50 * TON, 0, 5 * TON)
    shut = closed(position, LINEAR, 10, 5_100, 0)
    assert (shut.profit, shut.available, shut.payment, shut.bad_debt) == (TON, 6 * TON, TON, 0)
    assert shut.rest is None


def test_an_inverse_short_gains_ton_when_ton_falls():
    position = opened(None, INVERSE, -1, 10, 50_000, 0, TON)
    assert position.cost == 2 * TON
    assert closed(position, INVERSE, 10, 40_000, 0).profit == TON // 2


def test_a_loss_beyond_the_margin_is_bad_debt():
    shut = closed(opened(None, LINEAR, 1, 10, 5_000, 0, 5 * TON), LINEAR, 10, 4_400, 0)
    assert (shut.profit, shut.available, shut.payment, shut.bad_debt) == (-6 * TON, 0, 5 * TON, TON)


def test_funding_is_part_of_the_profit():
    position = opened(None, LINEAR, 1, 10, 5_000, 7 * FUNDING_SCALE, 5 * TON)
    assert closed(position, LINEAR, 10, 5_000, 9 * FUNDING_SCALE).profit == -20
    short = opened(None, LINEAR, -1, 10, 5_000, 7 * FUNDING_SCALE, 5 * TON)
    assert closed(short, LINEAR, 10, 5_000, 9 * FUNDING_SCALE).profit == 20


def test_a_liquidation_step_leaves_the_margin_with_the_rest():
    position = opened(None, LINEAR, 1, 10, 5_000, 0, 5 * TON)
    step = closed(position, LINEAR, 4, 4_600, 0, step=0)
    assert (step.margin, step.available, step.payment, step.bad_debt) == (1_600_000_000, 0, 1_600_000_000, 0)
    assert step.rest == Position(1, 6, 30 * TON, 0, 3_400_000_000)
    assert closed(position, LINEAR, 4, 4_600, 0).margin == 2 * TON


@pytest.mark.parametrize(
    "act",
    [
        lambda held: opened(held, LINEAR, -1, 1, 5_000, 0, 0),
        lambda held: opened(held, LINEAR, 1, 0, 5_000, 0, 0),
        lambda held: opened(held, LINEAR, 1, 1, 5_000, 0, -1),
        lambda held: opened(None, LINEAR, 0, 1, 5_000, 0, 0),
        lambda held: closed(held, LINEAR, 11, 5_000, 0),
        lambda held: closed(held, LINEAR, 0, 5_000, 0),
    ],
)
def test_a_move_that_the_table_does_not_have_stops_us(act):
    with pytest.raises(IllegalTransition):
        act(opened(None, LINEAR, 1, 10, 5_000, 0, 5 * TON))


@pytest.mark.parametrize(
    "act",
    [
        lambda held: opened(held, LINEAR, 1, 1 << 48, 1, 0, 0),
        lambda held: opened(held, LINEAR, 1, 1 << 44, 1, 0, 0),
        lambda held: opened(held, LINEAR, 1, 1, 1, 0, 1 << 63),
        lambda held: opened(held, LINEAR, 1, 1, 1, 1 << 64, 0),
        lambda held: with_margin(held, -5 * TON - 1),
    ],
)
def test_a_position_never_leaves_the_bounds_of_the_settlement(act):
    with pytest.raises(Rejected, match=r"risk\.bound"):
        act(opened(None, LINEAR, 1, 10, 5_000, 0, 5 * TON))


@pytest.mark.parametrize(
    "change",
    [
        {"unit": 0},
        {"unit": 1 << 50},
        {"tiers": ()},
        {"taker_fee": -1},
        {"maker_fee": -501},
        {"liquidation_fee": 10_001},
        {"tiers": (Tier(TON, 20_000, 10_000, 1),)},
        {"tiers": (Tier(TON, 10_000, 20_000, 0),)},
        {"tiers": (Tier(TON, 20_000, 0, 0),)},
        {"tiers": (Tier(TON, 10**6, 10**6, 0),)},
        {"tiers": (Tier(0, 20_000, 10_000, 0),)},
        {"taker_fee": 10**6},
        {"tiers": brackets([(TON, 20_000, 10_000), (1 << 63, 50_000, 25_000)])},
        {"tiers": brackets([(TON, 20_000, 10_000), (TON, 20_000, 10_000)])},
        {"tiers": brackets([(TON, 20_000, 10_000), (2 * TON, 19_000, 10_000)])},
        {"tiers": brackets([(TON, 20_000, 10_000), (2 * TON, 20_000, 9_000)])},
        {"tiers": brackets([(TON, 20_000, 10_000), (2 * TON, 20_000, 25_000)])},
        {"tiers": TIERS[::-1]},
        {"tiers": (TIERS[0], Tier(TIERS[1].ceiling, 50_000, 25_000, TIERS[1].deduction - 1))},
        {"tiers": brackets([(TON + 1, 20_000, 10_000), (2 * TON, 50_000, 25_000)])},
    ],
)
def test_terms_that_contradict_themselves_are_refused(change):
    terms = {"payoff": Payoff.LINEAR, "unit": 1, "tiers": TIERS, "maker_fee": 0, "taker_fee": 500}
    with pytest.raises(Rejected, match=r"risk\.contract"):
        Contract(**(terms | {"liquidation_fee": 0} | change))


@pytest.mark.parametrize(
    "change",
    [
        {"taker_fee": 10**6 - 1, "maker_fee": 1 - 10**6},
        {"liquidation_fee": 10_000},
        {"unit": (1 << 50) - 1},
        {"tiers": (Tier(1, 1, 1, 0),)},
        {"tiers": (Tier((1 << 63) - 1, 10**6, 10**6 - 1, 0),)},
        {"tiers": brackets([(TON, 20_000, 10_000), (2 * TON, 20_000, 10_000)])},
    ],
)
def test_terms_are_lawful_up_to_their_bounds(change):
    terms = {"payoff": Payoff.LINEAR, "unit": 1, "tiers": TIERS, "maker_fee": 0, "taker_fee": 500}
    assert Contract(**(terms | {"liquidation_fee": 0} | change)).max_leverage >= 1


def test_a_long_of_no_cost_and_a_bankrupt_loser_have_a_score():
    free = Position(1, 1, 0, 0, 0)
    assert score(LINEAR, free, 2, 0) == 2_000_000 * 1_000_000
    assert score(LINEAR, opened(None, LINEAR, 1, 1, 5_000, 0, 7), 5_000, 0) == 0
    assert score(LINEAR, opened(None, LINEAR, 1, 1, 5_000, 0, 0), 4_000, 0) == 0
    loser = opened(None, LINEAR, 1, 10, 5_000, 0, 20 * TON)
    assert score(LINEAR, loser, 4_000, 0) == -50_000


def test_fees_and_values_round_up_and_a_rebate_rounds_against_the_maker():
    assert notional(INVERSE, 1, 3) == 3_333_333_333_334
    assert [fill_cost(INVERSE, s, 1, 3) for s in (1, -1)] == [3_333_333_333_333, 3_333_333_333_334]
    small = Contract(Payoff.LINEAR, 1, TIERS, -100, 500, 0)
    assert [fee(small, 1, 1, taker=taker) for taker in (True, False)] == [1, 0]
    assert fee(LINEAR, 1, 1_000_000, taker=False) == -100_000_000


def test_the_bracket_of_the_value_decides_what_must_be_posted():
    assert initial_requirement(LINEAR, 10, 5_000, 50) == TON
    assert initial_requirement(LINEAR, 10, 5_000, 10) == 5 * TON
    assert initial_requirement(LINEAR, 1_000, 5_000, 50) == 250 * TON
    assert tier_at(LINEAR, 1_000 * TON) is TIERS[0]
    assert tier_at(LINEAR, 1_000 * TON + 1) is TIERS[1]
    with pytest.raises(Rejected, match=r"risk\.notional") as refused:
        initial_requirement(LINEAR, 10_000, 5_000, 10)
    assert refused.value.facts == {"notional": 50_000 * TON, "limit": 10_000 * TON}
    for leverage in (0, 51):
        with pytest.raises(Rejected, match=r"risk\.leverage"):
            initial_requirement(LINEAR, 10, 5_000, leverage)


def test_maintenance_is_continuous_where_brackets_meet():
    position = Position(1, 1_000_000, 0, 0, 0)
    at, above = (maintenance(LINEAR, position, mark) for mark in (1, 2))
    assert (at, above) == (10 * TON, 35 * TON)


def test_prices_of_the_end_for_both_payoffs_and_sides():
    long, short = (opened(None, LINEAR, s, 10, 5_000, 0, 5 * TON) for s in (1, -1))
    assert [bankruptcy_price(LINEAR, held, 0) for held in (long, short)] == [4_500, 5_500]
    assert [liquidation_price(LINEAR, held, 0) for held in (long, short)] == [4_545, 5_446]
    assert [displayed_price(LINEAR, held, 0) for held in (long, short)] == [4_546, 5_445]
    long, short = (opened(None, INVERSE, s, 1_000, 50_000, 0, 20 * TON) for s in (1, -1))
    assert [bankruptcy_price(INVERSE, held, 0) for held in (long, short)] == [45_455, 55_555]
    assert [liquidation_price(INVERSE, held, 0) for held in (long, short)] == [45_909, 55_001]


def test_an_unlevered_position_that_cannot_lose_its_margin_has_no_end():
    assert bankruptcy_price(LINEAR, opened(None, LINEAR, 1, 10, 5_000, 0, 50 * TON), 0) is None
    short = opened(None, INVERSE, -1, 10, 50_000, 0, 2 * TON)
    assert bankruptcy_price(INVERSE, short, 0) is None
    assert liquidation_price(INVERSE, short, 0) is None
    assert displayed_price(INVERSE, short, 0) is None


def test_a_position_that_owes_more_funding_than_it_has_ends_at_every_price():
    long = opened(None, INVERSE, 1, 10, 50_000, 0, TON)
    index = FUNDING_SCALE * TON
    assert liquidation_price(INVERSE, long, index) == (1 << 32) - 1
    assert displayed_price(INVERSE, long, index) == (1 << 32) - 1
    assert bankruptcy_price(INVERSE, long, index) == (1 << 32) - 1


def test_an_end_at_the_last_tick_is_an_end_and_one_beyond_it_is_none():
    last, tiny = (1 << 32) - 1, Contract(Payoff.LINEAR, 1, TIERS, 0, 0, 0)
    margin = last * 101 // 100
    ends = [liquidation_price(tiny, Position(-1, 1, 0, 0, margin + more), 0) for more in (0, 1)]
    assert ends == [last, None]
    ends = [bankruptcy_price(tiny, Position(-1, 1, 0, 0, last + more), 0) for more in (-1, 0)]
    assert ends == [last - 1, None]
    ends = [liquidation_price(tiny, Position(1, 100, 99 + more, 0, 0), 0) for more in (0, 1)]
    assert ends == [None, 1]


def test_the_bounds_of_a_position_are_exact():
    tiny = Contract(Payoff.LINEAR, 1, TIERS, 0, 0, 0)
    money, lots = (1 << 63) - 1, (1 << 48) - 1
    assert opened(None, tiny, 1, lots, 1, 0, money) == Position(1, lots, lots, 0, money)
    held = Position(1, 1, money - 1, 0, money - 1)
    assert opened(held, tiny, 1, 1, 1, 0, 1) == Position(1, 2, money, 0, money)
    assert with_margin(held, 1).margin == money
    for act in (
        lambda: opened(None, tiny, 1, lots + 1, 1, 0, 0),
        lambda: opened(held, tiny, 1, 1, 2, 0, 0),
        lambda: opened(held, tiny, 1, 1, 1, 0, 2),
        lambda: with_margin(held, 2),
    ):
        with pytest.raises(Rejected, match=r"risk\.bound"):
            act()


def test_equity_equal_to_maintenance_is_enough():
    tiny = Contract(Payoff.LINEAR, 1, TIERS, 0, 0, 0)
    assert not is_liquidatable(tiny, Position(1, 100, 99, 0, 0), 1, 0)
    assert is_liquidatable(tiny, Position(1, 100, 99, 1, 0), 1, 1)
    assert is_liquidatable(tiny, Position(1, 100, 100, 0, 0), 1, 0)


def test_a_part_of_a_nano_of_funding_moves_the_end_by_a_tick():
    tiny = Contract(Payoff.LINEAR, 1, TIERS, 0, 0, 0)
    assert [bankruptcy_price(tiny, Position(1, 1, 100, base, 10), 0) for base in (0, -1)] == [90, 91]
    assert [bankruptcy_price(tiny, Position(-1, 1, 100, base, 10), 0) for base in (0, -1)] == [110, 109]


def test_a_position_that_owes_exactly_what_it_has_ends_at_every_price():
    long = opened(None, INVERSE, 1, 10, 50_000, 0, TON)
    index = FUNDING_SCALE * 3 * TON // 10
    assert liquidation_price(INVERSE, long, index) == bankruptcy_price(INVERSE, long, index) == (1 << 32) - 1


def test_a_step_that_restores_exactly_the_target_is_enough():
    free = Contract(Payoff.LINEAR, 1_000_000, TIERS, 0, 0, 0)
    assert partial_lots(free, opened(None, free, 1, 100, 5_000, 0, 3_750_000_000), 5_000, 0) == 40
    assert partial_lots(free, opened(None, free, 1, 100, 5_000, 0, 3_749_999_999), 5_000, 0) == 41


def test_the_liquidation_fee_never_makes_a_debt():
    assert liquidation_fee(Contract(Payoff.LINEAR, 1, TIERS, 0, 0, 5_000), 1, 1, 9) == 1
    assert liquidation_fee(LINEAR, 10, 5_000, TON) == TON // 4
    assert liquidation_fee(LINEAR, 10, 5_000, 7) == 7
    assert liquidation_fee(LINEAR, 10, 5_000, -7) == 0


def test_a_healthy_position_needs_no_step_and_a_hopeless_one_closes_whole():
    position = opened(None, LINEAR, 1, 100, 5_000, 0, 20 * TON)
    assert partial_lots(LINEAR, position, 5_000, 0) == 0
    assert partial_lots(LINEAR, position, 4_700, 0) == 100
    assert 0 < partial_lots(LINEAR, position, 4_845, 0) < 100


def test_an_account_in_distress_may_only_get_better():
    before = Health(5, 10)
    assert [is_no_worse(before, after) for after in (Health(3, 6), Health(5, 10), Health(6, 10))] == [True] * 3
    assert [is_no_worse(before, after) for after in (Health(2, 6), Health(20, 11), Health(4, 10))] == [False] * 3
    assert is_no_worse(Health(-5, 10), Health(-2, 5))
    assert not is_no_worse(Health(-5, 10), Health(-5, 5))


def test_positions_under_cross_margin_stand_for_each_other():
    position = opened(None, LINEAR, 1, 10, 5_000, 0, 0)
    falling, rising = (health(LINEAR, position, mark, 0) for mark in (4_900, 5_300))
    assert (falling, rising) == (Health(-TON, 490_000_000), Health(3 * TON, 530_000_000))
    assert equity(LINEAR, position, 4_900, 0) == falling.equity
    assert joint(0, [falling, rising]) == Health(2 * TON, 1_020_000_000)
    assert joint(-980_000_000, [falling, rising]).is_enough
    assert not joint(-980_000_001, [falling, rising]).is_enough


def test_deleverage_asks_losers_last_and_needs_enough_lots():
    found = [Candidate(1, 10, 300), Candidate(2, 10, 100), Candidate(3, 10, -1)]
    assert allocate(found, 8) == [(1, 6), (2, 2)]
    assert allocate(found, 16) == [(1, 10), (2, 6)]
    assert allocate(found, 25) == [(1, 10), (2, 10), (3, 5)]
    assert allocate(found, 0) == []
    with pytest.raises(IllegalTransition):
        allocate(found, 31)


def test_the_shortcut_past_the_brackets_never_spares_a_position_that_a_bracket_ends():
    contract = Contract(Payoff.LINEAR, 10, brackets([(10**6, 50_000, 25_000), (10**9, 200_000, 100_000)]), 0, 0, 0)
    ended = spared = 0
    for lots in (1, 99, 100_000):
        for margin in range(0, lots * 120, max(1, lots)):
            position = Position(1, lots, 10 * 100 * lots, 0, margin)
            lines = [deficit(contract, position, tier, 0) for tier in contract.tiers]
            wanted = any(at_a * 100 + at_b > 0 for at_a, at_b in lines)
            assert is_liquidatable(contract, position, 100, 0) is wanted
            ended, spared = ended + wanted, spared + (not wanted)
    assert ended > 50
    assert spared > 50
