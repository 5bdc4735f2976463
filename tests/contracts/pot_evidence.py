"""What is shown to the condition of the pot."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from channel_stage import CHANNEL, TON
from evidence import ORACLE, order, rounds, signed_round
from msgspec.structs import replace
from pytoniq_core import HashMap

from fairway.exchange.terms import CrossPosition, CrossTerms, OrderTerms
from fairway.ton.cells import Builder, Cell
from fairway.ton.contracts import condition_code

CROSS_CODE = condition_code("cross", ORACLE)


def held(market: int, *, long: bool = True, inverse: bool = False, **changes: int) -> CrossPosition:
    fields = {"lots": 10, "unit": 1000, "cost": 10 * 1000 * 50_000, "funding_base": 0, "maintenance": 50_000}
    return CrossPosition(market, inverse, long, **fields | {"deduction": 0, "mark": 0, "funding": 0} | changes)


def pot(*positions: CrossPosition, **changes: int) -> CrossTerms:
    fields = {"margin": TON, "cap": 5 * TON, "ratio": 5, "since_ms": 0} | changes
    return CrossTerms(CHANNEL.to_bytes(16), **fields, positions=positions)


def cross_order(market: int, **changes: int) -> OrderTerms:
    return replace(order(**changes), market=market, leverage=0)


@cache
def around(market: int, moment_ms: int, mark: int, funding: int = 0) -> Cell:
    return rounds(moment_ms, mark, funding, market)


@cache
def in_force(market: int, moment_ms: int, mark: int, funding: int = 0, until_ms: int = 0) -> Cell:
    """A round of `moment_ms` and the one that ends it, a millisecond later if not said."""
    before = signed_round(41, moment_ms, mark, funding, market=market)
    after = signed_round(42, until_ms or moment_ms + 1, 1, market=market)
    return Builder().store_ref(before).store_ref(after).end_cell()


def cross_input(exits: Mapping[int, Cell], touch: Cell | None = None, fills: Mapping[int, Cell] | None = None) -> Cell:
    shown = Builder().store_dict(_table(16, exits)).store_maybe_ref(touch)
    return shown.store_dict(_table(32, fills or {})).end_cell()


def cross_touch(moment_ms: int, around_it: Mapping[int, Cell]) -> Cell:
    return Builder().store_uint(moment_ms, 64).store_dict(_table(16, around_it)).end_cell()


def _table(bits: int, values: Mapping[int, Cell]) -> Cell | None:
    table = HashMap(bits, value_serializer=lambda value, leaf: leaf.store_ref(value))
    for key, value in values.items():
        table.set_int_key(key, value)
    return table.serialize()
