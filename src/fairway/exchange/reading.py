"""Terms read back from the cells of conditionals: what a half promises, as whoever claims it sees it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from fairway.channel.conditional import Conditional
from fairway.channel.conditionals import Conditionals
from fairway.channel.machine import CHAIN_KEY, MARKET_KEYS
from fairway.exchange.mandate import Mandate, MandateTerms, Used
from fairway.exchange.terms import CROSS, CrossPosition, CrossTerms, MarketTerms, OrderTerms
from fairway.exchange.valuation import Totals
from fairway.ton.cells import Cell, Slice, to_cell

__all__ = [
    "CROSS_KEY",
    "Standing",
    "is_flat",
    "read_cross",
    "read_expected",
    "read_mandate",
    "read_market",
    "read_markets",
    "read_order",
    "read_orders",
    "read_receipt",
]

CROSS_KEY = MARKET_KEYS + CROSS
"""Where the pot stands in both halves."""

ORDER_REST = 0x4F524453
MANDATE_REST = 0x4D4E4453
RECEIPT, RECEIPT_BITS = 0x52435054, 32 + 128 + 256 + 64 + 48 + 80 + 80 + 128 + 64 + 64 + 32


class Standing(NamedTuple):
    """An order in a half: its terms, the hash that names it, and its fills that the half holds already."""

    terms: OrderTerms
    digest: bytes
    known: Totals


def read_market(conditional: Conditional) -> MarketTerms:
    """What is held of a market."""
    fields = to_cell(conditional.terms).begin_parse()
    fields.skip_bits(32)
    return MarketTerms(
        channel_id=bytes(fields.load_bytes(16)),
        market=fields.load_uint(16),
        inverse=bool(fields.load_bit()),
        long=bool(fields.load_bit()),
        lots=fields.load_uint(48),
        unit=fields.load_uint(64),
        cost=fields.load_uint(80),
        funding_base=fields.load_int(128),
        margin=fields.load_coins() or 0,
        ratio=fields.load_uint(16),
        liquidation_tick=fields.load_uint(32),
        since_ms=fields.load_uint(64),
        mark=fields.load_uint(32),
        funding=fields.load_int(128),
    )


def read_markets(promised: Conditionals) -> dict[int, MarketTerms]:
    """What a half holds of each market alone, by its key: not the pot."""
    found = [(key, each) for key, each in promised.items() if MARKET_KEYS <= key < CROSS_KEY]
    return {key: read_market(conditional) for key, conditional in found}


def read_cross(conditional: Conditional) -> CrossTerms:
    """What is margined together."""
    fields = to_cell(conditional.terms).begin_parse()
    fields.skip_bits(32)
    return CrossTerms(
        channel_id=bytes(fields.load_bytes(16)),
        margin=fields.load_coins() or 0,
        cap=fields.load_coins() or 0,
        ratio=fields.load_uint(16),
        since_ms=fields.load_uint(64),
        positions=tuple(_positions(fields)),
    )


def _positions(fields: Slice) -> Iterator[CrossPosition]:
    while fields.load_bit():
        fields = fields.load_ref().begin_parse()
        yield CrossPosition(
            market=fields.load_uint(16),
            inverse=bool(fields.load_bit()),
            long=bool(fields.load_bit()),
            lots=fields.load_uint(48),
            unit=fields.load_uint(64),
            cost=fields.load_uint(80),
            funding_base=fields.load_int(128),
            maintenance=fields.load_uint(24),
            deduction=fields.load_coins() or 0,
            mark=fields.load_uint(32),
            funding=fields.load_int(128),
        )


def read_orders(promised: Conditionals) -> tuple[dict[int, Standing], dict[int, Mandate]]:
    """The orders and the mandates of a half, by their keys."""
    orders: dict[int, Standing] = {}
    mandates: dict[int, Mandate] = {}
    for key, conditional in promised.items():
        if key >= MARKET_KEYS:
            continue
        if to_cell(conditional.terms).begin_parse().preload_uint(32) == MANDATE_REST:
            mandates[key] = read_mandate(conditional)
        else:
            orders[key] = read_order(conditional)
    return orders, mandates


def read_mandate(conditional: Conditional) -> Mandate:
    """A mandate, and how far it has come."""
    fields = to_cell(conditional.terms).begin_parse()
    fields.skip_bits(32)
    left = fields.load_coins() or 0
    used = Used(fields.load_uint(24), fields.load_uint(256))
    return Mandate(_mandate(fields.load_ref().begin_parse()), left, used)


def _mandate(fields: Slice) -> MandateTerms:
    fields.skip_bits(32)
    return MandateTerms(
        channel_id=bytes(fields.load_bytes(16)),
        key=fields.load_uint(32),
        slot=fields.load_uint(8),
        sub_key=bytes(fields.load_bytes(32)),
        market=fields.load_uint(16),
        reserve=fields.load_coins() or 0,
        max_lots=fields.load_uint(48),
        fee_ppm=fields.load_uint(24),
        leverage=fields.load_uint(8),
        expires_ms=fields.load_uint(64),
    )


def read_order(conditional: Conditional) -> Standing:
    """An order, as it was placed or partly filled."""
    whole, known = to_cell(conditional.terms), Totals()
    fields = whole.begin_parse()
    if fields.preload_uint(32) == ORDER_REST:
        fields.skip_bits(32)
        known = Totals(fields.load_uint(48), fields.load_uint(80), fields.load_int(80), fields.load_int(128))
        whole = fields.load_ref()
    return Standing(_order(whole.begin_parse()), whole.hash, known)


def read_expected(promised: Conditionals) -> tuple[int, bytes]:
    """What a half of B says that it expects of A: a sum and a conditionals' hash. The chain must be there."""
    chain = promised.get(CHAIN_KEY)
    assert chain is not None
    fields = to_cell(chain.terms).begin_parse()
    fields.skip_bits(32 + 256)
    return fields.load_coins() or 0, fields.load_bytes(32)


def is_flat(promised: Conditionals) -> bool:
    """Whether a half that promises this owes nothing beyond what it has sent: no order, and nothing held anywhere."""
    rest = [(key, each) for key, each in promised.items() if key != CHAIN_KEY]
    return all(key >= MARKET_KEYS and not _is_held(key, each) for key, each in rest)


def _is_held(key: int, conditional: Conditional) -> bool:
    return bool(read_cross(conditional).positions if key == CROSS_KEY else read_market(conditional).lots)


def _order(fields: Slice) -> OrderTerms:
    fields.skip_bits(32)
    return OrderTerms(
        channel_id=bytes(fields.load_bytes(16)),
        key=fields.load_uint(32),
        market=fields.load_uint(16),
        inverse=bool(fields.load_bit()),
        buy=bool(fields.load_bit()),
        reduce_only=bool(fields.load_bit()),
        kind=fields.load_uint(8),
        lots=fields.load_uint(48),
        limit_tick=fields.load_uint(32),
        trigger_tick=fields.load_uint(32),
        trigger_above=bool(fields.load_bit()),
        unit=fields.load_uint(64),
        reserve=fields.load_coins() or 0,
        fee_ppm=fields.load_uint(24),
        expires_ms=fields.load_uint(64),
        leverage=fields.load_uint(8),
        round=fields.load_uint(64),
        group=fields.load_uint(32),
        parent=fields.load_uint(32),
        source=fields.load_uint(2),
        callback_ppm=fields.load_uint(20),
        prevention=fields.load_uint(2),
        strict=bool(fields.load_bit()),
        closes=bool(fields.load_bit()),
        client_id=_text(fields),
    )


def _text(fields: Slice) -> str:
    if not fields.load_bit():
        return ""
    text = fields.load_ref().begin_parse()
    return bytes(text.load_bytes(text.remaining_bits // 8)).decode()


def read_receipt(cell: Cell) -> tuple[bytes, int] | None:
    """The order that a receipt fills, by its digest, and the half of the service that it names; None for another."""
    fields = cell.begin_parse()
    if fields.remaining_bits != RECEIPT_BITS or fields.load_uint(32) != RECEIPT:
        return None
    fields.load_bytes(16)
    order: bytes = fields.load_bytes(32)
    fields.skip_bits(64 + 48 + 80 + 80 + 128)
    return order, fields.load_uint(64)
