"""The laws of a position against exact fractions, each with planted bugs that it must catch."""

import builtins
from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import reduce, wraps
from random import Random

import pytest

from fairway.exchange import margin_move as move_module
from fairway.exchange.margin_move import least_margin, margin_at
from fairway.exchange.terms import OracleRound
from fairway.risk import contract as contract_module
from fairway.risk import deleverage as deleverage_module
from fairway.risk import funding as funding_module
from fairway.risk import liquidation as liquidation_module
from fairway.risk import margin as margin_module
from fairway.risk import position as position_module
from fairway.risk.contract import Contract, Payoff, Tier, brackets, fee, fill_cost, notional
from fairway.risk.deleverage import Candidate, allocate
from fairway.risk.funding import next_index
from fairway.risk.liquidation import bankruptcy_price, displayed_price, liquidation_fee, liquidation_price, partial_lots
from fairway.risk.margin import (
    Health,
    equity,
    health,
    initial_requirement,
    is_liquidatable,
    is_no_worse,
    maintenance,
    unrealised,
)
from fairway.risk.position import Closure, Position, closed, opened, with_margin
from fairway.units import FUNDING_SCALE, MILLION, NANO_BOUND, TON, div_down, div_up, share_down

SEEDS = 1_500
LAST = (1 << 32) - 1
TIERS = brackets([(10**10, 20_000, 10_000), (10**13, 50_000, 25_000), (10**18, 100_000, 60_000)])


@dataclass(frozen=True)
class Case:
    """A position as its fills (lots, price, funding index) and the prices at which it is looked at."""

    contract: Contract
    s: int
    fills: tuple[tuple[int, int, int], ...]
    margin_ppm: int
    price: int
    index: int
    part: int

    @property
    def position(self) -> Position:
        whole = reduce(lambda held, fill: opened(held, self.contract, self.s, *fill, 0), self.fills, None)
        return with_margin(whole, whole.cost * self.margin_ppm // MILLION)

    @property
    def lots(self) -> int:
        """Some of the position's lots."""
        return 1 + self.part % self.position.lots

    def exact_profit(self, price: int) -> Fraction:
        """What the fills earn at `price`, without any rounding."""
        return sum((self._exact_fill(fill, price) for fill in self.fills), Fraction(0))

    def _exact_fill(self, fill, price) -> Fraction:
        lots, entry, index = fill
        gain = price - entry if self.contract.payoff is Payoff.LINEAR else Fraction(1, entry) - Fraction(1, price)
        return self.s * lots * (self.contract.unit * gain - Fraction(self.index - index, FUNDING_SCALE))


def contract_of(payoff: Payoff, unit: int, fee_ppm: int = 600) -> Contract:
    return Contract(payoff, unit, TIERS, maker_fee=-fee_ppm // 6, taker_fee=fee_ppm, liquidation_fee=5_000)


def tick_of(random: Random) -> int:
    return random.choice([random.randint(1, 200), random.randint(1_000, 60_000)])


def index_of(random: Random) -> int:
    return random.choice([0, random.randint(-(1 << 20), 1 << 20), random.randint(-(1 << 36), 1 << 36)])


def fill_of(random: Random) -> tuple[int, int, int]:
    return random.randint(1, random.choice([9, 10**5])), tick_of(random), index_of(random)


def case_of(random: Random) -> Case:
    """Small and large, thin and fat, both payoffs and sides; prices anywhere, near the entry, near the end."""
    payoff = random.choice(list(Payoff))
    unit = random.randint(1, 10 ** random.choice([1, 5]) if payoff is Payoff.LINEAR else 10 ** random.choice([6, 12]))
    fills = tuple(fill_of(random) for _ in range(random.randint(1, 3)))
    price = random.choice([tick_of(random), tick_of(random), max(1, fills[0][1] * random.randint(95, 105) // 100)])
    margin_ppm = random.choice([random.randint(5_000, 120_000), random.randint(0, 2_000_000)])
    s = random.choice([1, -1])
    case = Case(contract_of(payoff, unit), s, fills, margin_ppm, price, index_of(random), random.randrange(10**6))
    end = liquidation_price(case.contract, case.position, case.index) if random.random() < 0.4 else None
    return replace(case, price=min(max(end + random.randint(-2, 2), 1), LAST)) if end else case


def law(check):
    """The test that `check` holds for every seeded case; it draws what else it needs from the same source."""

    @wraps(check)
    def test():
        for seed in range(SEEDS):
            random = Random(seed)
            case = case_of(random)
            try:
                check(case, random)
            except AssertionError as error:
                raise AssertionError(f"seed {seed}: {case}") from error

    del test.__wrapped__  # pytest would take the parameters of `check` for fixtures
    return test


def exact_value(contract: Contract, lots: int, price: int) -> Fraction:
    return contract.unit * lots * (Fraction(price) if contract.payoff is Payoff.LINEAR else Fraction(1, price))


def exact_maintenance(contract: Contract, lots: int, mark: int) -> Fraction:
    """By the bracket that the value falls into."""
    value = exact_value(contract, lots, mark)
    tier = next((tier for tier in contract.tiers if value <= tier.ceiling), contract.tiers[-1])
    return value * tier.maintenance / MILLION - tier.deduction


@law
def test_rounding_never_favours_the_user(case, random):
    for lots, price, _ in case.fills:
        exact, cost = exact_value(case.contract, lots, price), fill_cost(case.contract, case.s, lots, price)
        against = case.s * (-1 if case.contract.payoff is Payoff.INVERSE else 1) * (cost - exact)
        assert 0 <= against < 1
        for taker, rate in ((True, case.contract.taker_fee), (False, case.contract.maker_fee)):
            assert 0 <= fee(case.contract, lots, price, taker=taker) - exact * rate / MILLION < 1
    exact = case.exact_profit(case.price)
    profit = closed(case.position, case.contract, case.position.lots, case.price, case.index).profit
    assert exact - 1 - len(case.fills) < profit <= exact
    assert profit == unrealised(case.contract, case.position, case.price, case.index)


@law
def test_a_close_satisfies_the_profit_equation_to_the_nano(case, random):
    terms, s, step = case.contract, case.s, random.choice([None, 0, random.randint(1, TON)])
    shut = closed(case.position, terms, case.lots, case.price, case.index, step=step)
    funding = s * case.index * shut.lots - shut.base
    if terms.payoff is Payoff.LINEAR:
        divisor = FUNDING_SCALE
        numerator = FUNDING_SCALE * s * (terms.unit * case.price * shut.lots - shut.cost) - funding
    else:
        divisor = FUNDING_SCALE * case.price
        worth = case.price * shut.cost - terms.unit * shut.lots
        numerator = FUNDING_SCALE * s * worth - case.price * funding
    assert shut.divisor == divisor
    assert divisor * (shut.available - shut.bad_debt - shut.margin) + shut.remainder == numerator
    assert 0 <= shut.remainder < divisor
    assert min(shut.available, shut.bad_debt, shut.margin) == 0 <= max(shut.available, shut.bad_debt, shut.margin)
    assert shut.available * shut.bad_debt == 0
    assert shut.profit == shut.available - shut.bad_debt - shut.margin
    assert shut.payment == abs(shut.available - shut.margin)


@law
def test_closing_in_parts_sums_exactly_to_the_whole(case, random):
    position, left, closures = case.position, case.position, []
    for lots, price, index in (fill_of(random) for _ in range(random.randint(0, 4))):
        if left.lots > 1:
            closures.append(closed(left, case.contract, 1 + lots % (left.lots - 1), price, index))
            left = closures[-1].rest
    closures.append(closed(left, case.contract, left.lots, case.price, case.index))
    assert closures[-1].rest is None
    assert total(closures, "lots") == position.lots
    assert total(closures, "cost") == position.cost
    assert total(closures, "base") == position.funding_base
    assert total(closures, "margin") == position.margin


@law
def test_a_closed_part_takes_its_floored_share_and_a_loss_draws_on_all_margin(case, random):
    position, shut = case.position, closed(case.position, case.contract, case.lots, case.price, case.index)
    assert 0 <= position.cost * shut.lots - shut.cost * position.lots < position.lots
    assert 0 <= position.funding_base * shut.lots - shut.base * position.lots < position.lots
    assert shut.bad_debt == max(0, -shut.profit - position.margin)
    assert shut.margin >= position.margin * shut.lots // position.lots
    cost = random.randint(0, TON)
    kept = closed(position, case.contract, case.lots, case.price, case.index, step=cost)
    if kept.rest is not None:
        drawn = shut.margin if kept.profit >= 0 else max(-kept.profit, min(shut.margin, cost - kept.profit))
        assert kept.margin == min(position.margin, drawn)
        assert (kept.profit, kept.bad_debt) == (shut.profit, shut.bad_debt)


@law
def test_parts_at_one_price_never_earn_more_than_the_whole(case, random):
    position = case.position
    whole = closed(position, case.contract, position.lots, case.price, case.index)
    first = closed(position, case.contract, case.lots, case.price, case.index)
    second = first.rest and closed(first.rest, case.contract, first.rest.lots, case.price, case.index)
    assert first.profit + (second.profit if second else 0) <= whole.profit


@law
def test_funding_and_trading_never_create_a_nano(case, random):
    fills = [(lots, price, 0) for lots, price, _ in case.fills]
    rate, intervals = random.randint(-500, 500), random.randint(1, 3)
    index = next_index(0, case.contract, case.price, rate, intervals * 1000, 1000)
    long, short = (Case(case.contract, s, tuple(fills), 0, case.price, index, 0).position for s in (1, -1))
    profits = [unrealised(case.contract, held, case.price, index) for held in (long, short)]
    assert -2 - 2 * len(fills) < sum(profits) <= 0
    owed = exact_value(case.contract, 1, case.price) * rate * intervals / MILLION * FUNDING_SCALE
    assert 0 <= owed - index < 1


@law
def test_the_trigger_compares_equity_and_maintenance_exactly(case, random):
    position, terms = case.position, case.contract
    exact_profit = Fraction(*position_module.outcome(position, terms, case.price, case.index))
    need = exact_maintenance(terms, position.lots, case.price)
    liquidates = is_liquidatable(terms, position, case.price, case.index)
    assert liquidates == (position.margin + exact_profit < need)
    assert 0 <= maintenance(terms, position, case.price) - need < 1
    shown = equity(terms, position, case.price, case.index), maintenance(terms, position, case.price)
    assert shown[0] < shown[1] or not liquidates


@law
def test_the_liquidation_price_is_the_first_tick_that_triggers(case, random):
    position, terms = case.position, case.contract
    tick = liquidation_price(terms, position, case.index)
    shown = displayed_price(terms, position, case.index)
    if tick is None:
        assert shown is None
        assert not is_liquidatable(terms, position, 1 if case.s > 0 else LAST, case.index)
        return
    assert 1 <= tick <= LAST
    assert 1 <= shown <= LAST
    assert is_liquidatable(terms, position, tick, case.index)
    safer, worse = tick + case.s, tick - case.s
    assert not 1 <= safer <= LAST or not is_liquidatable(terms, position, safer, case.index)
    assert not 1 <= worse <= LAST or is_liquidatable(terms, position, worse, case.index)
    assert shown == min(max(safer, 1), LAST)


@law
def test_the_bankruptcy_price_is_the_last_tick_at_which_the_loss_is_within_the_margin(case, random):
    position, terms = case.position, case.contract
    tick = bankruptcy_price(terms, position, case.index)

    def owed(price):
        return closed(position, terms, position.lots, price, case.index).bad_debt

    if tick is None:
        assert owed(1 if case.s > 0 else LAST) == 0
        return
    assert owed(tick) == 0 or tick == (LAST if case.s > 0 else 1)
    assert owed(tick - case.s) > 0


@law
def test_a_liquidation_step_closes_the_least_that_restores_the_rest(case, random):
    terms, position = case.contract, case.position
    target = 1_250_000
    if equity(terms, position, case.price, case.index) <= 0:
        return

    def restored(lots):
        """(margin − fee + exact profit of the whole) against the need of the rest, in fractions."""
        profit = Fraction(*position_module.outcome(position, terms, case.price, case.index))
        cost = exact_value(terms, lots, case.price) * terms.liquidation_fee / MILLION
        need = max(exact_maintenance(terms, position.lots - lots, case.price), 0) * target / MILLION
        return position.margin + profit - cost >= need

    lots = partial_lots(terms, position, case.price, case.index, target)
    assert lots == position.lots or restored(lots)
    assert lots == 0 or not restored(lots - 1)
    if 0 < lots < position.lots:
        cost = liquidation_fee(terms, lots, case.price, NANO_BOUND)
        shut = closed(position, terms, lots, case.price, case.index, step=cost)
        left = shut.rest
        slack = 4 if shut.profit < 0 else shut.available + 4
        assert equity(terms, left, case.price, case.index) + slack >= maintenance(terms, left, case.price)


def no_worse_after(case: Case, lots: int, price: int) -> bool:
    """Whether a close of `lots` at `price` by the owner's order in distress is lawful, as the exchange asks it."""
    position, terms = case.position, case.contract
    before = health(terms, position, case.price, case.index)
    shut = closed(position, terms, lots, price, case.index, step=0)
    after = health(terms, shut.rest, case.price, case.index) if shut.rest else Health(0, 0)
    return not shut.bad_debt and (before.equity >= 0 or not shut.rest) and is_no_worse(before, after)


@law
def test_what_is_no_worse_at_the_limit_for_all_lots_is_so_for_any_part_at_any_better_price(case, random):
    position = case.position
    if not is_liquidatable(case.contract, position, case.price, case.index):
        return
    limit = max(1, case.price * random.randint(970, 1030) // 1000)
    if not no_worse_after(case, case.lots, limit):
        return
    better = min(max(limit + position.s * random.choice([0, 1, limit // 100]), 1), LAST)
    part = random.randint(1, case.lots)
    shut = closed(position, case.contract, part, better, case.index, step=0)
    if shut.rest is None:
        return
    before = health(case.contract, position, case.price, case.index)
    after = health(case.contract, shut.rest, case.price, case.index)
    rounded = Health(after.equity + 2, max(0, after.maintenance - 1))
    assert before.equity >= 0
    assert is_no_worse(before, rounded)


@law
def test_margin_at_a_leverage_covers_its_requirement_and_the_loss_and_keeps_out_of_distress(case, random):
    position, terms, leverage = case.position, case.contract, random.randint(1, 50)
    newest = OracleRound(0, 1, 1, 1, case.price, case.price, case.index)
    if notional(terms, position.lots, case.price) > TIERS[-1].ceiling:
        return
    margin = margin_at(terms, position, newest, leverage)
    with_it = with_margin(position, margin - position.margin)
    profit = unrealised(terms, position, case.price, case.index)
    assert margin + min(0, profit) == initial_requirement(terms, position.lots, case.price, leverage)
    assert not is_liquidatable(terms, with_it, case.price, case.index)
    assert margin >= least_margin(terms, position, newest) or leverage > terms.max_leverage


@law
def test_the_initial_requirement_covers_leverage_and_bracket_and_exceeds_maintenance(case, random):
    (lots, price, _), terms, leverage = case.fills[0], case.contract, random.randint(1, 50)
    need = initial_requirement(terms, lots, price, leverage)
    value = exact_value(terms, lots, price)
    tier = next(tier for tier in TIERS if notional(terms, lots, price) <= tier.ceiling)
    exact = max(value / leverage, value * tier.initial / MILLION)
    assert 0 <= need - exact < 1
    held = opened(None, terms, case.s, lots, price, 0, need)
    assert need >= maintenance(terms, held, price)


def candidates_of(seed: int) -> tuple[list[Candidate], int]:
    random = Random(seed)
    count = random.randint(1, 7)
    found = [
        Candidate(key, random.randint(1, 50), random.choice([-9, 0, 1, 2, 50, 10**6]), random.random() < 0.2)
        for key in range(count)
    ]
    return found, random.randint(0, sum(candidate.lots for candidate in found))


def test_deleverage_takes_exactly_what_is_needed_from_the_riskiest_first():
    for seed in range(2_000):
        candidates, lots = candidates_of(seed)
        given_up = allocate(candidates, lots)
        taken = dict(given_up)
        assert sum(taken.values()) == lots
        assert len(taken) == len(given_up)
        assert given_up == allocate(candidates[::-1], lots)
        by_key = {candidate.key: candidate for candidate in candidates}
        assert all(0 < share <= by_key[key].lots for key, share in given_up)
        others_left = any(not c.last and taken.get(c.key, 0) < c.lots for c in candidates)
        assert not others_left or not any(by_key[key].last for key in taken)
        for last in (False, True):
            asked = [c for c in candidates if c.last == last]
            winners_left = any(c.score > 0 and taken.get(c.key, 0) < c.lots for c in asked)
            assert not winners_left or all(by_key[key].score > 0 for key in taken if by_key[key].last == last)
        for more in candidates:
            for less in candidates:
                if more.score >= less.score and more.last == less.last:
                    assert (taken.get(less.key, 0) - 1) * more.lots <= (taken.get(more.key, 0) + 1) * less.lots


def test_the_cases_reach_every_kind_of_end():
    seen = Counter()
    for seed in range(SEEDS):
        case = case_of(Random(seed))
        position, terms = case.position, case.contract
        shut = closed(position, terms, case.lots, case.price, case.index)
        seen["gain" if shut.profit >= 0 else "loss" if not shut.bad_debt else "bankrupt"] += 1
        seen["partial"] += shut.rest is not None
        seen["liquidatable"] += is_liquidatable(terms, position, case.price, case.index)
        seen["step"] += 0 < partial_lots(terms, position, case.price, case.index) < position.lots
        seen["no liquidation price"] += liquidation_price(terms, position, case.index) is None
        seen["liquidation price"] += 1 < (liquidation_price(terms, position, case.index) or 0) < LAST
        seen["no bankruptcy price"] += bankruptcy_price(terms, position, case.index) is None
        seen[f"bracket {max(TIERS, key=lambda tier: _need(tier, case)).ceiling}"] += 1
    rarest = min(seen.values())
    assert len(seen) == 12
    assert rarest >= 20, seen


def _need(tier: Tier, case: Case) -> Fraction:
    return exact_value(case.contract, case.position.lots, case.price) * tier.maintenance / MILLION - tier.deduction


def total(closures: list[Closure], name: str) -> int:
    return sum(getattr(closure, name) for closure in closures)


def proportional_rest(position, part, margin):
    """Planted: what is left is computed anew instead of by subtraction."""
    left = position.lots - part.lots
    if not left:
        return None
    shares = (share_down(value, left, position.lots) for value in (position.cost, position.funding_base))
    return Position(position.s, left, *shares, share_down(position.margin, left, position.lots))


def share_of_margin(position, lots, profit, step):
    """Planted: insurance pays a part's loss while the rest still has margin."""
    return share_down(position.margin, lots, position.lots)


def without_funding(position, contract, index):
    """Planted: prices that forget what funding is owed."""
    ws = contract.direction * position.s * FUNDING_SCALE
    return ws * contract.unit * position.lots, -ws * position.cost


def share_up(value, part, whole):
    return div_up(value * part, whole)


def floored(ranked, weights, lots):
    """Planted: each share rounded for itself, so that some lots are nobody's."""
    shares = ((candidate.key, lots * weight // sum(weights)) for candidate, weight in zip(ranked, weights, strict=True))
    return [(key, share) for key, share in shares if share]


def without_deduction(contract, position, tiers, index):
    """Planted: brackets that jump."""
    jumping = [Tier(tier.ceiling, 0, tier.maintenance, 0) for tier in tiers]
    return margin_module_deficits(contract, position, jumping, index)


margin_module_deficits = margin_module.deficits

PLANTED = [
    (test_rounding_never_favours_the_user, position_module, "div_down", div_up),
    (test_rounding_never_favours_the_user, contract_module, "div_down", div_up),
    (test_rounding_never_favours_the_user, contract_module, "div_up", div_down),
    (test_a_close_satisfies_the_profit_equation_to_the_nano, position_module, "div_down", div_up),
    (test_a_close_satisfies_the_profit_equation_to_the_nano, position_module, "coefficients", without_funding),
    (test_closing_in_parts_sums_exactly_to_the_whole, position_module, "_rest", proportional_rest),
    (
        test_a_closed_part_takes_its_floored_share_and_a_loss_draws_on_all_margin,
        position_module,
        "share_down",
        share_up,
    ),
    (
        test_a_closed_part_takes_its_floored_share_and_a_loss_draws_on_all_margin,
        position_module,
        "_released",
        share_of_margin,
    ),
    (test_parts_at_one_price_never_earn_more_than_the_whole, position_module, "div_down", div_up),
    (test_funding_and_trading_never_create_a_nano, margin_module, "div_down", div_up),
    (test_funding_and_trading_never_create_a_nano, funding_module, "div_down", div_up),
    (test_the_trigger_compares_equity_and_maintenance_exactly, margin_module, "coefficients", without_funding),
    (test_the_trigger_compares_equity_and_maintenance_exactly, margin_module, "deficits", without_deduction),
    (test_the_trigger_compares_equity_and_maintenance_exactly, margin_module, "div_up", div_down),
    (test_the_liquidation_price_is_the_first_tick_that_triggers, liquidation_module, "div_down", div_up),
    (test_the_liquidation_price_is_the_first_tick_that_triggers, liquidation_module, "deficits", without_deduction),
    (
        test_the_bankruptcy_price_is_the_last_tick_at_which_the_loss_is_within_the_margin,
        liquidation_module,
        "div_down",
        div_up,
    ),
    (
        test_the_bankruptcy_price_is_the_last_tick_at_which_the_loss_is_within_the_margin,
        liquidation_module,
        "coefficients",
        without_funding,
    ),
    (
        test_a_liquidation_step_closes_the_least_that_restores_the_rest,
        liquidation_module,
        "outcome",
        lambda position, contract, mark, index: (0, FUNDING_SCALE * contract.ratio(mark)[1]),
    ),
    (
        test_the_initial_requirement_covers_leverage_and_bracket_and_exceeds_maintenance,
        margin_module,
        "div_up",
        div_down,
    ),
    (
        test_margin_at_a_leverage_covers_its_requirement_and_the_loss_and_keeps_out_of_distress,
        move_module,
        "unrealised",
        lambda *_: 0,
    ),
    (
        test_what_is_no_worse_at_the_limit_for_all_lots_is_so_for_any_part_at_any_better_price,
        position_module,
        "_released",
        lambda position, lots, profit, step: position.margin,
    ),
    (test_deleverage_takes_exactly_what_is_needed_from_the_riskiest_first, deleverage_module, "_pro_rata", floored),
    (
        test_deleverage_takes_exactly_what_is_needed_from_the_riskiest_first,
        deleverage_module,
        "sum",
        lambda terms: 1 + builtins.sum(terms),
    ),
]


@pytest.mark.parametrize(
    ("broken", "module", "name", "bug"), PLANTED, ids=lambda value: getattr(value, "__name__", value)
)
def test_a_planted_bug_breaks_its_law(monkeypatch, broken, module, name, bug):
    monkeypatch.setattr(module, name, bug, raising=False)
    with pytest.raises(AssertionError):
        broken()
