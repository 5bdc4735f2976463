"""What each operation of the channel contract costs, in TON, in a jetton and in an extra currency."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from channel_stage import (
    CHANNEL,
    QUARANTINE_S,
    TON,
    Stage,
    body,
    both,
    half_a,
    half_b,
    signed,
)
from evidence import (
    DELAY_MS,
    KEY,
    MARKET_CODE,
    ORDER_CODE,
    fill_input,
    flat,
    inputs,
    market_input,
    order,
    position,
    proof,
    receipt,
    rounds,
)
from pot_evidence import CROSS_CODE, around, cross_input, cross_order, cross_touch, held, in_force, pot
from test_channel_contract_jetton import MASTER, UNITS, notify, says, take
from test_channel_contract_settle import plain

from fairway.chain.interface import Transaction
from fairway.channel.codec import Challenge, Close, Commit, Init, OpenChallenge, Settle, TopUp, encode
from fairway.channel.conditional import Conditional
from fairway.channel.conditionals import Conditionals
from fairway.exchange.claims import MESSAGE_GAS
from fairway.exchange.fills import GAS_BASE, GAS_FILL, GAS_SIGNATURE
from fairway.exchange.reading import CROSS_KEY
from fairway.exchange.terms import CROSS_MARKETS
from fairway.ton.cells import Builder, Cell

NEWEST_A, NEWEST_B = body(9, 6 * TON), body(9, 2 * TON)
NEWEST = half_a(NEWEST_A, body(8)), half_b(NEWEST_B, NEWEST_A)
STALE = half_a(body(3)), half_b(body(3, 2 * TON))
EXTRA, TOUCH_MS = 100, 2000
PAGE = Path(__file__).parents[2] / "docs/spec/contracts.md"
CHECKED = {"init", "top-up", "challenge", "finish", "settle, a constant"}
"""What costs more in some currency, for what it checks besides; the page says what."""
CEILINGS = {"unsigned challenge": 16_000, "settle, a position": 30_000, "settle, an order": 40_000}
CEILINGS |= {"settle, 32 orders": 500_000, "settle, a pot of 8 markets": 250_000}
CEILINGS |= {"settle, the dearest pot": 900_000}


class Meter:
    """A channel in one currency, and what was paid in gas for each operation."""

    def __init__(self, currency: str | int | None) -> None:
        self.currency, self.spent = currency, {}

    def measure(self) -> dict[str, int]:
        self._cooperative()
        self._alone()
        self._settling()
        return self.spent

    def _note(self, operation: str, done: Transaction) -> None:
        assert (done.exit_code, done.result_code) == (0, 0), (operation, done)
        self.spent[operation] = done.gas_used

    def _funded(self) -> Stage:
        stage = Stage(currency=self.currency)
        self._note("init", stage.tell(signed(Init(CHANNEL), by_a=True)))
        if isinstance(self.currency, str):
            says(stage, MASTER, take(UNITS))
        for is_a, nano in ((False, 100 * TON), (True, 10 * TON)):
            self._note("top-up", self._top_up(stage, is_a, nano))
        return stage

    def _top_up(self, stage: Stage, is_a: bool, nano: int) -> Transaction:
        if isinstance(self.currency, str):
            return says(stage, UNITS, notify(nano, encode(TopUp(is_a))))
        if isinstance(self.currency, int):
            return stage.tell(TopUp(is_a), extra={self.currency: nano})
        return stage.tell(TopUp(is_a), nano + 30_000_000)

    def _cooperative(self) -> None:
        self._note("commit", self._funded().tell(both(Commit(CHANNEL, 0, 0, 1, 1, TON, 0))))
        self._note("cooperative close", self._funded().tell(both(Close(CHANNEL, 3 * TON, TON, 5, 6))))

    def _alone(self) -> None:
        stage = self._funded()
        self._note("start", stage.start(*STALE, by_a=True))
        self._note("unsigned challenge", stage.tell(OpenChallenge(Challenge(CHANNEL, *NEWEST))))
        stage = self._funded()
        stage.start(*STALE, by_a=True)
        self._note("challenge", stage.challenge(*NEWEST, by_a=False))
        self._note("finish", stage.finish())

    def _settling(self) -> None:
        started, nothing = self._funded().router.now * 1000, Builder().end_cell()
        exit_rounds = rounds(started + DELAY_MS, 49_000)
        self._settle("settle, a constant", plain(TON), nothing)
        held = Conditional(position().cell(), MARKET_CODE, TON)
        self._settle("settle, a position", held, market_input(exit_rounds))
        for operation, count in (("settle, an order", 1), ("settle, 32 orders", 32)):
            placed = {key: order(key=key) for key in range(1, count + 1)}
            promises = [(key, Conditional(each.cell(), ORDER_CODE, TON)) for key, each in placed.items()]
            fills = {key: fill_input(receipt(each, 10, 10 * 1000 * 50_000, 9, started)) for key, each in placed.items()}
            market = Conditional(flat().cell(), MARKET_CODE, TON)
            self._settle(operation, market, market_input(exit_rounds, None, fills), promises)
        self._settle_pot("settle, a pot of 8 markets", started)
        self._settle_pot("settle, the dearest pot", started, 32, is_touched=True)

    def _settle_pot(self, operation: str, started: int, fills: int = 0, *, is_touched: bool = False) -> None:
        markets = range(1, CROSS_MARKETS + 1)
        placed = [cross_order(1 + key % CROSS_MARKETS, key=key) for key in range(1, fills + 1)]
        promises = [(each.key, Conditional(each.cell(), ORDER_CODE, TON)) for each in placed]
        shown = {each.key: fill_input(receipt(each, 10, 10 * 1000 * 50_000, 9, started)) for each in placed}
        exits = {market: around(market, started + DELAY_MS, 49_000) for market in markets}
        touch = cross_touch(TOUCH_MS, {market: in_force(market, TOUCH_MS, 20_000) for market in markets})
        promise = Conditional(pot(*map(held, markets)).cell(), CROSS_CODE, TON)
        self._settle(operation, promise, cross_input(exits, touch if is_touched else None, shown), promises, CROSS_KEY)

    def _settle(
        self,
        operation: str,
        promise: Conditional,
        shown: Cell,
        others: Sequence[tuple[int, Conditional]] = (),
        key: int = KEY,
    ) -> None:
        promised, stage = Conditionals([*others, (key, promise)]), self._funded()
        stage.start(half_a(body(9, 0, promised)), half_b(body(9)), by_a=True)
        stage.router.advance(QUARANTINE_S + 1)
        statement = Settle(CHANNEL, inputs({key: shown}), proof(promised))
        self._note(operation, stage.tell(signed(statement, by_a=False), nano=TON))


def measured() -> dict[str, tuple[int, int, int]]:
    """Gas of each operation: in TON, in a jetton, in an extra currency."""
    tables = [Meter(currency).measure() for currency in (None, MASTER, EXTRA)]
    return {operation: (ton, *(table[operation] for table in tables[1:])) for operation, ton in tables[0].items()}


def rows() -> dict[str, list[list[int]]]:
    """The table of the page: per operation and currency our gas, and the living contract's where it has it."""
    section = PAGE.read_text().partition("### What it costs")[2].partition("\n### ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if "|" in line]
    return {
        operation: [[int(figure.replace(",", "")) for figure in cell.split("/")] for cell in figures]
        for operation, *figures in cells[2:]
    }


@pytest.fixture(scope="module")
def table() -> dict[str, tuple[int, int, int]]:
    return measured()


@pytest.mark.parametrize(
    ("operation", "signatures", "fills"),
    [
        ("settle, a position", 4, 0),
        ("settle, an order", 4, 1),
        ("settle, 32 orders", 4, 32),
        ("settle, a pot of 8 markets", 32, 0),
        ("settle, the dearest pot", 64, 32),
    ],
)
def test_what_a_claim_is_thought_to_burn_is_more_than_it_does(
    table: dict[str, tuple[int, int, int]], operation: str, signatures: int, fills: int
):
    thought = GAS_BASE + GAS_SIGNATURE * signatures + GAS_FILL * fills
    assert max(table[operation]) < thought < max(table[operation]) * 3 // 2
    assert thought < MESSAGE_GAS


def test_the_page_says_what_each_operation_costs(table: dict[str, tuple[int, int, int]]):
    said = {operation: tuple(ours for ours, *_ in figures) for operation, figures in rows().items()}
    assert said == table


def test_nothing_costs_a_tenth_more_than_on_the_living_contract(table: dict[str, tuple[int, int, int]]):
    compared = [
        (operation, ours, figure[1])
        for operation, figures in rows().items()
        for ours, figure in zip(table[operation], figures, strict=True)
        if len(figure) > 1
    ]
    assert len(compared) == 8 * 3
    assert [each for each in compared if each[1] * 10 > each[2] * 11] == []
    dearer = {operation for operation, ours, living in compared if ours > living}
    assert dearer == CHECKED


@pytest.mark.parametrize("operation", list(CEILINGS))
def test_what_the_living_contract_lacks_stays_below_its_ceiling(operation: str, table: dict[str, tuple[int, int, int]]):
    assert max(table[operation]) <= CEILINGS[operation]
