"""Orders, markets and the settlement chain as conditionals of the halves: terms, shared code, and the most they pay.

An order or market stands under one key in both halves: A's promises what the user may lose, B's what he may win. An
order pays nothing by itself: the condition of its market, or of the pot, reads it. Its maximum is what its fills may
add to that.
"""

from __future__ import annotations

from fairway.channel.conditional import Conditional
from fairway.exchange.live_order import LiveOrder
from fairway.exchange.terms import CrossTerms, MarketTerms, chain_cell
from fairway.ton.cells import AnyCell, Bits

__all__ = ["chain_conditional", "cross_conditional", "market_conditional", "order_conditional"]

ORDER_REST = 0x4F524453


def order_conditional(order: LiveOrder, cap: int, code: AnyCell) -> tuple[Conditional, Conditional]:
    """The order in A's half and in B's, which owes at most `cap`.

    A partly filled order is `order_rest#4f524453 lots:uint48 cost:uint80 fee:int80 base:int128 order:^OrderTerms`:
    receipts up to these totals are in the position already and claim nothing more.
    """
    terms = order.terms.cell()
    if order.lots:
        rest = Bits().uint(32, ORDER_REST).uint(48, order.lots).uint(80, order.cost)
        terms = rest.sint(80, order.fee).sint(128, order.base).cell(terms)
    mine = Conditional(terms, code, order.reserved)
    return mine, mine.paying(cap)


def market_conditional(terms: MarketTerms, code: AnyCell) -> tuple[Conditional, Conditional]:
    """What is held in A's half, which loses at most its margin, and in B's, which owes at most `ratio` times that."""
    mine = Conditional(terms.cell(), code, terms.margin)
    return mine, mine.paying(terms.ratio * terms.margin)


def cross_conditional(terms: CrossTerms, code: AnyCell) -> tuple[Conditional, Conditional]:
    """The pot in A's half, which loses at most its margin, and in B's, which owes at most its cap."""
    cell = terms.cell()
    return Conditional(cell, code, terms.margin), Conditional(cell, code, terms.cap)


def chain_conditional(head: bytes, expects_sent: int, expects_root: bytes, code: AnyCell) -> Conditional:
    """The settlement chain in B's half: it pays nothing, and says what was proven and what A is to sign."""
    return Conditional(chain_cell(head, expects_sent, expects_root), code, 0)
