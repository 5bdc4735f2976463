"""The condition of the pot, run by itself on the machine, owes to the nano what the model says, or refuses."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import pytest
from channel_stage import TON
from evidence import DELAY_MS, ORDER_CODE, fill_input, judged, receipt
from msgspec.structs import replace
from pot_evidence import CROSS_CODE, around, cross_input, cross_order, cross_touch, in_force, pot

from fairway.channel.conditional import Conditional
from fairway.channel.conditionals import Conditionals
from fairway.exchange import pot_claim as pots
from fairway.exchange import valuation
from fairway.exchange.conditions import order_conditional
from fairway.exchange.live_order import LiveOrder
from fairway.exchange.pot_claim import is_short, value_of
from fairway.exchange.rules import Requirement
from fairway.exchange.terms import CROSS_MARKETS, CrossPosition, CrossTerms
from fairway.exchange.valuation import Forward, Totals, gained, lost, profit, reserve_of
from fairway.risk.contract import Contract, Payoff, Tier
from fairway.risk.margin import maintenance
from fairway.risk.position import Position
from fairway.ton.cells import Cell
from fairway.units import Lot, Nano, Ppm

CASES = 5_000
STARTED_S = 1_700_000_000
EXIT_MS = STARTED_S * 1000 + DELAY_MS
TOUCH_MS = 2000
SEQNO = 9
MARKETS = range(1, 13)
LIMIT = (1 << 32) - 2

Price = tuple[int, int]


def is_inverse(market: int) -> bool:
    return market % 3 == 0


def unit_of(market: int) -> int:
    return 10**14 if is_inverse(market) else 1000


@dataclass(frozen=True)
class Case:
    """One pot of one half, and what is shown of it. `fills` are (market, totals, buys, reserve, group)."""

    by_a: bool
    is_late: bool
    terms: CrossTerms
    promises: Conditionals
    shown: Cell
    exits: dict[int, Price]
    touch: dict[int, Price] | None
    fills: tuple[tuple[int, Totals, bool, int, int], ...]

    def owed(self) -> int | None:
        """What the model says; None where the claim is to be refused."""
        last = {each.market: (each.mark, each.funding) for each in self.terms.positions if self.is_late and each.mark}
        prices = last | self.exits
        if not {*(each.market for each in self.terms.positions), *(fill[0] for fill in self.fills)} <= prices.keys():
            return None
        if self.touch is not None and not self.is_touched(self.touch):
            return None
        values = [value_of(each, *prices[each.market]) for each in self.terms.positions]
        forwards = [self.forward(prices[market], market, *fill) for market, *fill in self.fills]
        if self.by_a:
            return lost(values, self.terms.margin, forwards, touched=self.touch is not None)
        return gained(values, self.terms.cap, self.terms.ratio, forwards)

    def is_touched(self, prices: dict[int, Price]) -> bool:
        is_its = self.by_a and self.terms.since_ms <= TOUCH_MS and len(prices) == len(self.terms.positions)
        return is_its and is_short(self.terms, prices)

    def forward(self, price: Price, market: int, totals: Totals, buys: bool, *more: int) -> Forward:
        value = profit(totals, *price, unit=unit_of(market), inverse=is_inverse(market), long=buys)
        return Forward(value, *more)

    def run(self) -> int | None:
        """What the machine says."""
        promise = Conditional(self.terms.cell(), CROSS_CODE, 0)
        end = {"by_a": self.by_a, "started_s": STARTED_S, "seqno": SEQNO, "is_late": self.is_late}
        exit_code, owed = judged(promise, self.promises, self.shown, **end)
        return None if exit_code else owed


class Draw:
    """Pots of no to eight markets, of both payoffs, with prices far beyond any bound, and cross fills of every kind."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        marks = [20_000, 49_990, 50_010, 90_000]
        self.prices = {market: [self.price(mark) for mark in [*marks, *self.odd()]] for market in MARKETS}

    def odd(self) -> list[int]:
        return [self.random.choice([1, LIMIT, 50_000])]

    def price(self, mark: int) -> Price:
        return mark, self.random.randint(-(1 << 40), 1 << 40)

    def some(self, markets: list[int]) -> dict[int, Price]:
        return {market: self.random.choice(self.prices[market]) for market in markets}

    def case(self) -> Case:
        random = self.random
        by_a, is_late = random.random() < 0.6, random.random() < 0.3
        count = random.choice([0, 1, 2, 2, 3, 3, 4, CROSS_MARKETS])
        markets = sorted(random.sample(MARKETS, count))
        touch = self.some(markets) if by_a and markets and random.random() < 0.4 else None
        terms = self.pot(markets, touch)
        promises, shown, fills = self.fills(by_a, markets)
        named = sorted({*markets, *(fill[0] for fill in fills)})
        exits = self.some([market for market in named if random.random() < 0.95 or not is_late])
        rounds = {market: around(market, EXIT_MS, *price) for market, price in exits.items()}
        touching = None
        if touch is not None:
            touching = cross_touch(
                TOUCH_MS, {market: in_force(market, TOUCH_MS, *price) for market, price in touch.items()}
            )
        return Case(by_a, is_late, terms, promises, cross_input(rounds, touching, shown), exits, touch, tuple(fills))

    def pot(self, markets: list[int], touch: dict[int, Price] | None) -> CrossTerms:
        random = self.random
        positions = [self.position(market) for market in markets]
        margin = random.choice([0, 10**9, 10**12, 10**15])
        terms = pot(
            *positions,
            margin=margin,
            cap=random.choice([0, 5 * margin, 10**13]),
            ratio=random.choice([1, 10]),
            since_ms=random.choice([0, 0, 0, TOUCH_MS, TOUCH_MS + 1]),
        )
        return terms if touch is None or random.random() < 0.3 else self.at_the_edge(terms, touch)

    def at_the_edge(self, terms: CrossTerms, touch: dict[int, Price]) -> CrossTerms:
        """The pot with just enough at these prices, or a nano too little."""
        least = 0
        for each in terms.positions:
            mark, funding = touch[each.market]
            least -= value_of(each, mark, funding)
            least += max(0, needed_by_the_rules(each, mark))
        return replace(terms, margin=max(0, least - self.random.randrange(2)))

    def position(self, market: int) -> CrossPosition:
        random = self.random
        lots = random.randint(1, 10**5)
        return CrossPosition(
            market=market,
            inverse=is_inverse(market),
            long=random.random() < 0.5,
            lots=lots,
            unit=unit_of(market),
            cost=self.cost(market, lots),
            funding_base=random.randint(-(1 << 60), 1 << 60),
            maintenance=random.choice([4_000, 50_001]),
            deduction=random.choice([0, 7, 10**11, 10**14]),
            mark=random.choice([0, 49_000, 51_000]),
            funding=random.randint(-(1 << 40), 1 << 40),
        )

    def cost(self, market: int, lots: int) -> int:
        price = self.random.randint(49_000, 51_000)
        return unit_of(market) * lots // price if is_inverse(market) else unit_of(market) * lots * price

    def fills(self, by_a: bool, markets: list[int]):
        promises, shown, fills = [], {}, []
        for key in range(1, self.random.randrange(5)):
            strange = not markets or self.random.random() < 0.2
            market = self.random.choice(list(MARKETS) if strange else markets)
            self.order(key, market, by_a, promises, shown, fills)
        return Conditionals(promises), shown, fills

    def order(self, key, market, by_a, promises, shown, fills) -> None:
        random = self.random
        lots, buys, group = random.randint(4, 10**5), random.random() < 0.5, random.choice([0, 0, 7])
        placed = cross_order(
            market, buy=buys, inverse=is_inverse(market), key=key, unit=unit_of(market), lots=lots,
            limit_tick=60_000 if buys else 1, reserve=random.randrange(10**13), fee_ppm=1000, group=group,
        )  # fmt: skip
        known = Totals() if group else self.totals(market, random.choice([0, lots // 3]))
        more = self.totals(market, random.randint(1, lots // 4 if group else lots - known.lots))
        total = Totals(*map(sum, zip(known, more, strict=True)))
        is_held = by_a or known.lots > 0 or random.random() < 0.5
        if is_held:
            live = LiveOrder(placed, placed.digest(), Requirement(0, 0), **known._asdict())
            promises.append((key, order_conditional(live, 0, ORDER_CODE)[0]))
        filled = receipt(placed, total.lots, total.cost, total.fee, 5000, total.base, SEQNO + 1)
        shown[key] = fill_input(filled, None if is_held else placed)
        fills.append((market, more, buys, reserve_of(placed.reserve, total.lots, known.lots, lots), group))

    def totals(self, market: int, lots: int) -> Totals:
        if not lots:
            return Totals()
        cost = self.cost(market, lots)
        fee, base = self.random.randint(-cost // 2000, cost // 2000), self.random.randint(-(1 << 60), 1 << 60)
        return Totals(lots, cost, fee, base)


def needed_by_the_rules(position: CrossPosition, mark: int) -> int:
    """What `risk.margin` asks of the position by the one line that it names."""
    tiers = (Tier(Nano(10**18), Ppm(position.maintenance), Ppm(position.maintenance), Nano(0)),)
    contract = Contract(Payoff(position.inverse), position.unit, tiers, Ppm(0), Ppm(0), Ppm(0))
    one = Position(1, Lot(position.lots), Nano(position.cost), 0, Nano(0))
    return maintenance(contract, one, mark) - position.deduction


def compare(cases: int) -> dict[str, int]:
    draw, seen = Draw(11), {"A owes": 0, "B owes": 0, "nothing": 0, "touched": 0, "refused": 0, "late": 0}
    for _ in range(cases):
        case = draw.case()
        owed, expected = case.run(), case.owed()
        assert owed == expected, "the machine and the model differ"
        seen["refused" if owed is None else "nothing" if not owed else "A owes" if case.by_a else "B owes"] += 1
        seen["touched"] += bool(owed) and case.touch is not None
        seen["late"] += bool(owed) and not {each.market for each in case.terms.positions} <= case.exits.keys()
    return seen


def test_the_machine_owes_for_the_pot_what_the_model_says():
    seen = compare(CASES)
    assert min(seen.values()) > CASES // 100, seen


@pytest.mark.parametrize("name", ["lost", "gained", "profit"])
def test_planted_a_model_that_is_a_nano_off_is_caught(name, monkeypatch):
    real = getattr(valuation, name)
    monkeypatch.setitem(globals(), name, lambda *given, **more: real(*given, **more) + 1)
    with pytest.raises(AssertionError, match="differ"):
        compare(100)


def test_planted_a_need_that_is_a_nano_off_is_caught(monkeypatch):
    real = valuation.needed
    monkeypatch.setattr(pots, "needed", lambda *given, **more: real(*given, **more) + 1)
    with pytest.raises(AssertionError, match="differ"):
        compare(500)


def test_planted_a_touch_judged_on_one_market_alone_is_caught(monkeypatch):
    def alone(terms, prices):
        return is_short(replace(terms, positions=terms.positions[:1]), prices)

    monkeypatch.setattr(Case, "is_touched", lambda self, prices: self.by_a and alone(self.terms, prices))
    with pytest.raises(AssertionError, match="differ"):
        compare(200)


def test_planted_a_reserve_counted_twice_is_caught(monkeypatch):
    monkeypatch.setitem(
        globals(), "Forward", lambda value, reserve, group: valuation.Forward(value, 2 * reserve, group)
    )
    with pytest.raises(AssertionError, match="differ"):
        compare(200)


def dearest(fills: int, **more: int) -> tuple[int, int]:
    """A claim of a pot of eight markets, touched, with so many fills."""
    markets = range(1, CROSS_MARKETS + 1)
    terms = pot(*(Draw(3).position(market) for market in markets), margin=0)
    placed = [cross_order(1 + key % CROSS_MARKETS, key=key, **more) for key in range(1, fills + 1)]
    promises = Conditionals([(each.key, Conditional(each.cell(), ORDER_CODE, TON)) for each in placed])
    shown = {each.key: fill_input(receipt(each, 10, 10 * 1000 * 50_000, 9, 5000)) for each in placed}
    touch = cross_touch(TOUCH_MS, {market: in_force(market, TOUCH_MS, 20_000) for market in markets})
    exits = {market: around(market, EXIT_MS, 49_000) for market in markets}
    promise = Conditional(terms.cell(), CROSS_CODE, 0)
    return judged(promise, promises, cross_input(exits, touch, shown), by_a=True, started_s=STARTED_S)


def test_eight_markets_a_touch_and_as_many_fills_as_may_be_fit_in_one_claim():
    exit_code, owed = dearest(32)
    assert (exit_code, owed > 0) == (0, True)
