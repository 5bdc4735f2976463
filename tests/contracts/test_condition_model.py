"""The market's condition, run by itself on the machine, owes to the nano what the model in Python says."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from functools import cache
from random import Random

import pytest
from channel_stage import SEED_B
from evidence import (
    DELAY_MS,
    KEY,
    MARKET_CODE,
    ORDER_CODE,
    fill_input,
    flat,
    market_input,
    order,
    position,
    receipt,
    rounds,
    signed_round,
)
from tonpy import Cell as TonpyCell
from tonpy import CellSlice
from tonpy.tvm import TVM

from fairway.channel.conditional import Conditional
from fairway.channel.conditionals import Conditionals
from fairway.crypto.keys import public_key
from fairway.exchange import valuation
from fairway.exchange.conditions import order_conditional
from fairway.exchange.live_order import LiveOrder
from fairway.exchange.rules import Requirement
from fairway.exchange.terms import MarketTerms
from fairway.exchange.valuation import Forward, Totals, gained, lost, profit, reserve_of
from fairway.ton.cells import Builder, Cell, to_boc, to_cell

CASES = 10_000
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
    forwards: tuple[tuple[Totals, bool, int, int], ...]
    touched: bool

    def owed(self) -> int:
        """What the model says."""
        contract = {"unit": self.terms.unit, "inverse": self.terms.inverse}
        held = Totals(self.terms.lots, self.terms.cost, 0, self.terms.funding_base)
        value = profit(held, self.mark, self.funding, long=self.terms.long, **contract)
        forwards = [
            Forward(profit(fresh, self.mark, self.funding, long=buy, **contract), reserve, group)
            for fresh, buy, reserve, group in self.forwards
        ]
        if self.by_a:
            return lost(value, self.terms.margin, forwards, touched=self.touched)
        return gained(value, self.terms.margin, self.terms.ratio, forwards)

    def run(self) -> int:
        """What the machine says."""
        leaf = Builder().store_uint(0x88708AD9, 32).store_ref(to_cell(self.terms.cell())).store_ref(MARKET_CODE)
        machine = TVM(code=_cell(leaf.end_cell()), data=_cell(Cell.empty()))
        machine.set_gas_limit(600_000, 600_000)
        key = int.from_bytes(public_key(SEED_B))
        promises = self.conditionals.drop(KEY).root_cell()
        machine.set_stack(
            [
                None if promises is None else _cell(promises),
                SEQNO,
                0,
                STARTED_S,
                -self.by_a,
                0,
                key,
                CellSlice(b64encode(to_boc(self.shown)).decode()),
            ]
        )
        stack = machine.run(allow_non_success=True, unpack_stack=True)
        assert machine.exit_code in {0, 1}, machine.exit_code
        return stack[-1]


def _cell(cell: Cell) -> TonpyCell:
    return TonpyCell(b64encode(to_boc(cell)).decode())


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
            live = LiveOrder(placed, placed.digest(), Requirement(0, 0), False, *known)
            promises.append((key, order_conditional(live, 0, ORDER_CODE)[0]))
        shown = receipt(placed, total.lots, total.cost, total.fee, 5000, total.base, SEQNO + 1)
        fills[key] = fill_input(shown, None if is_held else placed)
        reserve = reserve_of(placed.reserve, total.lots, known.lots, lots)
        forwards.append((more, buy, reserve, group))

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


def test_planted_caps_of_each_promise_alone_are_caught(monkeypatch):
    def alone(value, margin, forwards, *, touched=False):
        each = sum(min(max(0, -each.value), each.reserve) for each in forwards)
        return margin if touched else min(max(0, -value), margin) + each

    monkeypatch.setitem(globals(), "lost", alone)
    with pytest.raises(AssertionError, match="differ"):
        compare(200)
