"""The fills that a half does not hold yet, by the newest receipts of their orders, as a condition is shown them.

fill_input#_ receipt:^SignedReceipt order:(Maybe ^Cell) fired:(Maybe ^SignedRound)
peak:(Maybe ^SignedRound) signature:(Maybe bits512) = FillInput;
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Self

from pytoniq_core import HashMap

from fairway.exchange.alarms import price_of
from fairway.exchange.mandate import Mandate, mandated_cell, number_of, slot_of
from fairway.exchange.paper import Mandated, Paper, Promised, Shown, signed_cell
from fairway.exchange.reading import Standing, read_orders
from fairway.exchange.terms import OrderTerms, Receipt, Source
from fairway.exchange.valuation import Forward, Totals, profit, reserve_of
from fairway.market.trigger import Trailing
from fairway.ton.cells import Builder, Cell, Plain, to_cell
from fairway.ton.vault_messages import SignedCell

__all__ = ["KEY_BITS", "Evidence", "Fill", "fills_cell", "fills_of", "find_fired", "forward"]

KEY_BITS = 32
GAS_BASE, GAS_SIGNATURE, GAS_FILL, GAS_WORD = 6_000, 6_500, 13_000, 9_000
"""What a condition burns at most: at all, for each signature of a round, each fill, each word of a sub-key."""


class Evidence(NamedTuple):
    """What a condition is shown, and the gas that it may burn over it."""

    shown: Cell
    gas: int

    @classmethod
    def of(cls, shown: Cell, rounds: Iterable[Shown], fills: Iterable[Fill]) -> Self:
        """With the gas of these rounds and fills; the table of costs is in docs/spec/contracts.md."""
        gas = GAS_BASE + GAS_SIGNATURE * sum(len(each.signatures) for each in rounds)
        for fill in fills:
            fired = [each for each in fill.fired if each is not None]
            gas += GAS_FILL + GAS_SIGNATURE * sum(len(each.signatures) for each in fired)
            gas += GAS_WORD if fill.mandated is not None else 0
        return cls(shown, gas)


class Fired(NamedTuple):
    """The round that fired an order, and the one from which a trailing stop came back."""

    fired: Shown | None = None
    peak: Shown | None = None


class Fill(NamedTuple):
    """The fills of one order that a half does not hold, by the receipt that shows them."""

    order: Standing
    receipt: Receipt
    signature: bytes
    is_held: bool
    fired: Fired
    mandated: Mandated | None = None
    left: int = 0


def fills_of(half: Promised, paper: Paper) -> list[Fill]:
    """The fills that `half` does not hold and that count on it."""
    orders, mandates = read_orders(half.conditionals)
    held = {order.digest: order for order in orders.values()}
    found = [_fill(held.get(digest), mandates, digest, half, paper) for digest in paper.receipts]
    return [fill for fill in found if fill is not None]


def _fill(
    held: Standing | None, mandates: Mapping[int, Mandate], digest: bytes, half: Promised, paper: Paper
) -> Fill | None:
    """What the receipt of one order shows.

    A's half must hold the order or the mandate that allows it, and what B signed later is not in B's.
    """
    receipt, signature = paper.receipts[digest]
    order, mandated, left = held, None, 0
    if order is None:
        terms = paper.orders.get(digest)
        if terms is None or (not half.by_a and receipt.b_seqno <= half.seqno):
            return None
        order = Standing(terms, digest, Totals())
        if half.by_a:
            mandated = paper.mandated.get(digest)
            mandate = mandates.get(mandated.mandate) if mandated is not None else None
            if mandate is None or not _allows(mandate, terms, receipt):
                return None
            left = mandate.left
    is_free = not half.by_a or not order.terms.waits or order.terms.source == Source.LAST
    fired = Fired() if is_free else find_fired(order.terms, receipt, paper.earlier)
    if receipt.lots <= order.known.lots or fired is None:
        return None
    return Fill(order, receipt, signature, held is not None, fired, mandated, left)


def _allows(mandate: Mandate, terms: OrderTerms, receipt: Receipt) -> bool:
    """Whether the half still leaves it to the mandate's key to have placed this order."""
    given = mandate.terms
    is_here = (given.channel_id, given.market, given.slot) == (terms.channel_id, terms.market, slot_of(terms.key))
    is_small = terms.lots <= given.max_lots and terms.fee_ppm <= given.fee_ppm and 0 < terms.leverage <= given.leverage
    return is_here and is_small and receipt.at_ms < given.expires_ms and not mandate.used.has(number_of(terms.key))


def find_fired(terms: OrderTerms, receipt: Receipt, rounds: Iterable[Shown]) -> Fired | None:
    """The round that fired an order before `receipt`, and that from which it came back if it trails."""
    since = [each for each in rounds if each.market == terms.market and each.round_ms <= receipt.at_ms]
    peak: Shown | None = None
    for each in sorted(since, key=lambda shown: shown.round):
        price = price_of(each, terms.source)
        threshold = _threshold(terms, peak)
        is_reached = threshold is not None and (price >= threshold if terms.trigger_above else price <= threshold)
        if is_reached and each.round > terms.round:
            return Fired(each, peak)
        if terms.callback_ppm and each.round >= terms.round and _is_better(terms, each, peak):
            peak = each
    return None


def _threshold(terms: OrderTerms, peak: Shown | None) -> int | None:
    """Where an order wakes; nowhere yet where it trails and has not begun."""
    if not terms.callback_ppm:
        return terms.trigger_tick
    if peak is None:
        return None
    return Trailing(terms.key, terms.trigger_above, terms.callback_ppm, price_of(peak, terms.source)).threshold()


def _is_better(terms: OrderTerms, shown: Shown, peak: Shown | None) -> bool:
    """Whether a trailing stop follows to this price: the best since it began."""
    price, s = price_of(shown, terms.source), -1 if terms.trigger_above else 1
    has_begun = not terms.trigger_tick or s * price >= s * terms.trigger_tick
    return has_begun and (peak is None or s * price > s * price_of(peak, terms.source))


def forward(fill: Fill, mark: int, funding: int, *, unit: int, inverse: bool) -> Forward:
    """What the fills have won at `mark` and the funding index `funding`, and the reserve that they bring."""
    order, receipt = fill.order.terms, fill.receipt
    fresh = Totals(receipt.lots, receipt.cost, receipt.fee, receipt.base).less(fill.order.known)
    value = profit(fresh, mark, funding, unit=unit, inverse=inverse, long=order.buy)
    reserve = reserve_of(order.reserve, receipt.lots, fill.order.known.lots, order.lots)
    return Forward(value, reserve, order.group, fill.mandated.mandate if fill.mandated else 0, fill.left)


def fills_cell(network: int, fills: Iterable[Fill]) -> Cell | None:
    """The table of what is shown of `fills`, by the keys of their orders."""
    shown = HashMap(KEY_BITS, value_serializer=lambda fill, leaf: leaf.store_ref(_fill_cell(network, fill)))
    for fill in fills:
        shown.set_int_key(fill.order.terms.key, fill)
    return shown.serialize()


def _fill_cell(network: int, fill: Fill) -> Cell:
    signed = SignedCell(fill.signature, to_cell(fill.receipt.cell())).to_cell()
    order = None if fill.is_held else to_cell(_placed(fill))
    fired, peak = (None if each is None else signed_cell(network, each) for each in fill.fired)
    shown = Builder().store_ref(signed).store_maybe_ref(order).store_maybe_ref(fired).store_maybe_ref(peak)
    if fill.mandated is None:
        return shown.store_bit(0).end_cell()
    return shown.store_bit(1).store_bytes(fill.mandated.signature).end_cell()


def _placed(fill: Fill) -> Plain:
    terms = fill.order.terms
    return terms.cell() if fill.mandated is None else mandated_cell(fill.mandated.mandate, terms)
