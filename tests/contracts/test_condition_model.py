"""The market's condition, run by itself on the machine, owes to the nano what the model in Python says."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from random import Random

import pytest
from channel_stage import TON
from evidence import (
    DELAY_MS,
    KEY,
    MARKET_CODE,
    NOTHING,
    ORDER_CODE,
    fill_input,
    flat,
    judged,
    mandate,
    market_input,
    order,
    permit,
    position,
    receipt,
    rounds,
    signed_round,
    word,
)
from msgspec.structs import replace

from fairway.channel.conditional import Conditional
from fairway.channel.conditionals import Conditionals
from fairway.exchange import valuation
from fairway.exchange.conditions import order_conditional
from fairway.exchange.live_order import LiveOrder
from fairway.exchange.mandate import WINDOW, MandateTerms, Used, order_key, unsigned_weight
from fairway.exchange.mandating import MAX_UNSIGNED_WEIGHT
from fairway.exchange.rules import Requirement
from fairway.exchange.terms import MarketTerms, OrderTerms, Receipt
from fairway.exchange.valuation import Forward, Totals, gained, lost, profit, reserve_of
from fairway.ton.cells import Cell

CASES = 5_000
STARTED_S = 1_700_000_000
SEQNO = 9
LIMIT = (1 << 32) - 2


@dataclass(frozen=True)
class Case:
    """One market of one half, and what is shown of it."""

    by_a: bool
    terms: MarketTerms
    conditionals: Conditionals
    shown: Cell
    mark: int
    funding: int
    forwards: tuple[tuple[Totals, bool, int, int, int, int], ...]
    touched: bool

    def owed(self) -> int:
        """What the model says."""
        contract = {"unit": self.terms.unit, "inverse": self.terms.inverse}
        held = Totals(self.terms.lots, self.terms.cost, 0, self.terms.funding_base)
        value = profit(held, self.mark, self.funding, long=self.terms.long, **contract)
        forwards = [
            Forward(profit(fresh, self.mark, self.funding, long=buy, **contract), *rest)
            for fresh, buy, *rest in self.forwards
        ]
        if self.by_a:
            return lost([value], self.terms.margin, forwards, touched=self.touched)
        return gained([value], self.terms.ratio * self.terms.margin, self.terms.ratio, forwards)

    def run(self) -> int:
        """What the machine says."""
        promise = Conditional(self.terms.cell(), MARKET_CODE, 0)
        others = self.conditionals.drop(KEY)
        exit_code, owed = judged(promise, others, self.shown, by_a=self.by_a, started_s=STARTED_S, seqno=SEQNO)
        assert exit_code == 0, exit_code
        return owed


@cache
def ends(mark: int, funding: int) -> Cell:
    return rounds(STARTED_S * 1000 + DELAY_MS, mark, funding)


@cache
def touch(mark: int) -> Cell:
    return signed_round(3, 2000, mark)


class Draw:
    """Cases with prices far beyond any bound, funding of both signs, rebates, rests, groups."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.marks = [self.random.choice([1, 20_000, 49_990, 50_010, 90_000, LIMIT]) for _ in range(8)]
        self.fundings = [self.random.randint(-(1 << 40), 1 << 40) for _ in range(4)]

    def case(self) -> Case:
        random = self.random
        by_a, inverse = random.random() < 0.5, random.random() < 0.4
        unit = 10**14 if inverse else 1000
        mark, funding = random.choice(self.marks), random.choice(self.fundings)
        terms = self.market(inverse=inverse, unit=unit)
        touched = by_a and bool(terms.lots) and random.random() < 0.3
        promises, fills, forwards = [], {}, []
        for key in range(1, random.randrange(5)):
            self.order(key, by_a, inverse, unit, promises, fills, forwards)
        if by_a and random.random() < 0.5:
            for given in self.mandates():
                used = self.used()
                left = random.choice([0, given.reserve // 1000, given.reserve])
                promises.append((given.key, permit(given, left, used)))
                for number in self.fresh(used):
                    self.mandated(given, left, number, inverse, unit, fills, forwards)
        touching = touch(terms.liquidation_tick) if touched else None
        shown = market_input(ends(mark, funding), touching, fills)
        conditionals = Conditionals([*promises, (KEY, Conditional(terms.cell(), MARKET_CODE, 0))])
        return Case(by_a, terms, conditionals, shown, mark, funding, tuple(forwards), touched)

    def market(self, *, inverse: bool, unit: int) -> MarketTerms:
        random = self.random
        if random.random() < 0.3:
            return flat(inverse=inverse, unit=unit)
        lots = random.randint(1, 10**5)
        return position(
            long=random.random() < 0.5,
            inverse=inverse,
            unit=unit,
            lots=lots,
            cost=self.cost(lots, unit, inverse=inverse),
            funding_base=random.randint(-(1 << 60), 1 << 60),
            margin=random.choice([0, 10**9, 10**12, 10**15]),
            ratio=random.choice([1, 10]),
            liquidation_tick=random.choice([30_000, 45_000]),
        )

    def cost(self, lots: int, unit: int, *, inverse: bool) -> int:
        price = self.random.randint(49_000, 51_000)
        return unit * lots // price if inverse else unit * lots * price

    def order(self, key, by_a, inverse, unit, promises, fills, forwards) -> None:
        random = self.random
        lots, buy, group = random.randint(4, 10**5), random.random() < 0.5, random.choice([0, 0, 7])
        # A limit that admits every price: what is compared is the amount.
        limit = (1 if inverse else 60_000) if buy else (LIMIT if inverse else 1)
        limit = {(True, True): 60_000, (True, False): 1}.get((inverse, buy), limit)
        placed = order(
            buy=buy, inverse=inverse, key=key, unit=unit, lots=lots, limit_tick=limit, reserve=random.randrange(10**13),
            fee_ppm=1000, group=group,
        )  # fmt: skip
        known = self.totals(random.choice([0, lots // 3]), unit, inverse=inverse)
        more = self.totals(random.randint(1, lots // 4 if group else lots - known.lots), unit, inverse=inverse)
        known = Totals() if group else known
        total = Totals(*map(sum, zip(known, more, strict=True)))
        is_held = by_a or known.lots > 0 or random.random() < 0.5
        if is_held:
            live = LiveOrder(placed, placed.digest(), Requirement(0, 0), **known._asdict())
            promises.append((key, order_conditional(live, 0, ORDER_CODE)[0]))
        shown = receipt(placed, total.lots, total.cost, total.fee, 5000, total.base, SEQNO + 1)
        fills[key] = fill_input(shown, None if is_held else placed)
        reserve = reserve_of(placed.reserve, total.lots, known.lots, lots)
        forwards.append((more, buy, reserve, group, 0, 0))

    def mandates(self) -> list[MandateTerms]:
        count = self.random.randint(1, 2)
        return [mandate(key=8 + each, slot=each, reserve=10**13) for each in range(count)]

    def used(self) -> Used:
        random = self.random
        return Used(newest, random.getrandbits(WINDOW) | 1) if (newest := random.choice([0, 1, 40, 70_000])) else Used()

    def fresh(self, used: Used) -> list[int]:
        """Numbers that an order may still have: ahead of the newest, or passed over within the window."""
        near = range(max(1, used.newest - WINDOW - 2), used.newest + 3)
        return self.random.sample([number for number in near if not used.has(number)], 2)

    def mandated(self, given, left, number, inverse, unit, fills, forwards) -> None:
        """An order that the half does not hold, by the word of a sub-key."""
        random = self.random
        lots, buy, group = random.randint(4, 10**5), random.random() < 0.5, random.choice([0, given.slot + 1])
        placed = order(
            buy=buy, inverse=inverse, key=order_key(given.slot, number), unit=unit, lots=lots,
            limit_tick=60_000 if buy else 1, reserve=random.randrange(10**13), fee_ppm=1000, group=group,
        )  # fmt: skip
        totals = self.totals(random.randint(1, lots // 4 if group else lots), unit, inverse=inverse)
        shown = receipt(placed, totals.lots, totals.cost, totals.fee, 5000, totals.base, SEQNO + 1)
        fills[placed.key] = fill_input(shown, placed, mandated=word(given, placed))
        reserve = reserve_of(placed.reserve, totals.lots, 0, lots)
        forwards.append((totals, buy, reserve, group, given.key, left))

    def totals(self, lots: int, unit: int, *, inverse: bool) -> Totals:
        if not lots:
            return Totals()
        cost = self.cost(lots, unit, inverse=inverse)
        return Totals(
            lots, cost, self.random.randint(-cost // 2000, cost // 2000), self.random.randint(-(1 << 60), 1 << 60)
        )


def compare(cases: int) -> dict[str, int]:
    draw, seen = Draw(7), {"A owes": 0, "B owes": 0, "nothing": 0, "touched": 0, "bound": 0}
    for _ in range(cases):
        case = draw.case()
        owed, expected = case.run(), case.owed()
        assert owed == expected, "the machine and the model differ"
        seen["nothing" if not owed else "A owes" if case.by_a else "B owes"] += 1
        seen["touched"] += case.touched
    return seen


def test_the_machine_owes_what_the_model_says():
    seen = compare(CASES)
    assert min(seen["A owes"], seen["B owes"], seen["nothing"], seen["touched"]) > CASES // 50, seen


@pytest.mark.parametrize("name", ["lost", "gained", "profit"])
def test_planted_a_model_that_is_a_nano_off_is_caught(name, monkeypatch):
    real = getattr(valuation, name)
    monkeypatch.setitem(globals(), name, lambda *given, **more: real(*given, **more) + 1)
    with pytest.raises(AssertionError, match="differ"):
        compare(60)


def test_planted_a_mandate_that_bounds_nothing_is_caught(monkeypatch):
    monkeypatch.setitem(
        globals(), "Forward", lambda value, reserve, group, *_: valuation.Forward(value, reserve, group)
    )
    with pytest.raises(AssertionError, match="differ"):
        compare(500)


def shown(given: MandateTerms, placed: OrderTerms, filled: Receipt, *, by=None, used: Used = NOTHING) -> int:
    """What A's half owes where it holds no more than the mandate, and the order's fill is shown."""
    fill = fill_input(filled, placed, mandated=by or word(given, placed))
    conditionals = Conditionals([(9, permit(given, None, used)), (KEY, Conditional(flat().cell(), MARKET_CODE, 0))])
    case = Case(True, flat(), conditionals, market_input(ends(20_000, 0), None, {placed.key: fill}), 0, 0, (), False)
    return case.run()


def test_an_order_beyond_its_mandate_owes_nothing_whoever_signed_it():
    given = mandate(max_lots=10, fee_ppm=500, leverage=10, expires_ms=6000)
    placed = order(key=order_key(3, 5))
    filled = receipt(placed, 10, 10 * 1000 * 50_000, 0, 5000)
    assert shown(given, placed, filled) > 0
    assert shown(given, placed, filled, used=Used(8, 0b1)) > 0
    stranger = word(given, placed, bytes([78]) * 32)
    refused = [
        (given, {}, {"by": stranger}),
        (given, {}, {"by": (8, word(given, placed)[1])}),  # no such promise
        (given, {}, {"used": Used(5, 0b1)}),  # in the half already, or gone
        (given, {}, {"used": Used(8, 0b1001)}),
        (given, {}, {"used": Used(5 + WINDOW, 1)}),  # too old to tell
        (replace(given, market=8), {}, {}),
        (replace(given, slot=4), {}, {}),
        (replace(given, channel_id=bytes(16)), {}, {}),
        (replace(given, expires_ms=5000), {}, {}),
        (given, {"lots": 11}, {}),
        (given, {"fee_ppm": 501}, {}),
        (given, {"leverage": 11}, {}),
        (given, {"leverage": 0}, {}),  # a cross order
        (given, {"key": order_key(3, 1) - 1}, {}),  # number 0
        (given, {"key": 12}, {}),  # an owner's key
    ]
    for terms, changes, more in refused:
        other = order(**({"key": placed.key} | changes))
        with pytest.raises(AssertionError):
            shown(terms, other, receipt(other, 10, 10 * 1000 * 50_000, 0, 5000), **more)


def test_planted_caps_of_each_promise_alone_are_caught(monkeypatch):
    def alone(values, margin, forwards, *, touched=False):
        each = sum(min(max(0, -each.value), each.reserve) for each in forwards)
        return margin if touched else min(max(0, -values[0]), margin) + each

    monkeypatch.setitem(globals(), "lost", alone)
    with pytest.raises(AssertionError, match="differ"):
        compare(200)


WAITS = {"trigger_tick": 45_000, "kind": 4, "trigger_above": True}


@pytest.mark.parametrize("more", [{}, WAITS, WAITS | {"callback_ppm": 1000}])
def test_as_many_orders_of_sub_keys_as_the_service_lets_go_unsigned_fit_in_one_claim(more):
    given, fills = mandate(), {}
    fired, peak = signed_round(9, 2000, 46_000), signed_round(8, 2000, 44_000)
    for number in range(1, MAX_UNSIGNED_WEIGHT // unsigned_weight(order(**more)) + 1):
        placed = order(key=order_key(3, number), **more)
        filled = receipt(placed, 10, 10 * 1000 * 50_000, 0, 5000)
        fills[placed.key] = fill_input(
            filled,
            placed,
            fired if more else None,
            peak if "callback_ppm" in more else None,
            mandated=word(given, placed),
        )
    conditionals = Conditionals([(9, permit(given)), (KEY, Conditional(flat().cell(), MARKET_CODE, 0))])
    case = Case(True, flat(), conditionals, market_input(ends(20_000, 0), None, fills), 0, 0, (), False)
    assert case.run() == TON
