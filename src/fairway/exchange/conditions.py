"""Orders, positions and the settlement chain as conditionals of the halves: terms, shared code, and the most they pay.

An order or position stands under one key in both halves: A's promises what the user may lose, B's what he may win.
"""

from __future__ import annotations

from fairway.channel.conditional import Conditional
from fairway.exchange.live_order import LiveOrder
from fairway.exchange.terms import PositionTerms, chain_cell
from fairway.ton.cells import AnyCell, Bits

__all__ = ["chain_conditional", "order_conditional", "position_conditional"]

ORDER_REST = 0x4F524453


def order_conditional(order: LiveOrder, cap: int, code: AnyCell) -> tuple[Conditional, Conditional]:
    """The order in A's half and in B's, which owes at most `cap`.

    A partly filled order is `order_rest#4f524453 lots:uint48 cost:uint80 fee:Coins order:^OrderTerms`: receipts up to
    these totals are in the position already and claim nothing more.
    """
    terms = order.terms.cell()
    if order.lots:
        rest = Bits().uint(32, ORDER_REST).uint(48, order.lots).uint(80, order.cost).coins(max(0, order.fee))
        terms = rest.cell(terms)
    return Conditional(terms, code, order.reserved), Conditional(terms, code, cap)


def position_conditional(terms: PositionTerms, code: AnyCell) -> tuple[Conditional, Conditional]:
    """The position in A's half, which loses at most its margin, and in B's, which owes at most its cap."""
    cell = terms.cell()
    return Conditional(cell, code, terms.margin), Conditional(cell, code, terms.cap)


def chain_conditional(head: bytes, code: AnyCell) -> Conditional:
    """The settlement chain in B's half: it pays nothing and says what was proven."""
    return Conditional(chain_cell(head), code, 0)
