"""Whether the owner of an order can bear its fill: who cannot pay what a fill costs him lets others pay it.

A limit may lie as far from the mark as the price band, which is more than the margin of a position at a great leverage.
So two accounts of one owner could meet there, the one losing what the insurance fund or those opposite then pay, the
other winning it. And what a pot carried when an order was placed it may have lost since.
"""

from __future__ import annotations

from fairway.exchange.account import Account
from fairway.exchange.cross import outgrown
from fairway.exchange.live_order import LiveOrder
from fairway.risk.contract import Contract, fill_cost
from fairway.risk.margin import is_liquidatable
from fairway.risk.position import opened
from fairway.units import MILLION, share_down

__all__ = ["bears", "is_beyond_mark"]


def bears(account: Account, order: LiveOrder, lots: int, price: int) -> bool:
    """Whether a fill of the next `lots` of `order` at `price` is one that its owner can pay.

    What it closes is closed at no worse than its bankruptcy price. What it opens is not in distress at once, at the
    newest mark; of a pot, with all that its orders may open. What holds for `lots` holds for fewer of them, and at any
    better price: maintenance is convex.
    """
    terms = order.terms
    s = 1 if terms.buy else -1
    closing = account.closing_lots(terms.market, s, lots)
    if closing and _is_beyond_bankruptcy(account, order, price):
        return False
    if closing == lots or terms.reduce_only:
        return True
    return not (outgrown(account) if terms.is_cross else _is_sunk(account, order, lots, closing, price))


def is_beyond_mark(account: Account, order: LiveOrder, price: int) -> bool:
    """Whether a fill at `price` is worse for its owner than the mark: it may be that he cannot bear the next then."""
    mark = account.rounds[order.terms.market].mark
    return price > mark if order.terms.buy else price < mark


def _is_beyond_bankruptcy(account: Account, order: LiveOrder, price: int) -> bool:
    """Whether what is held would be closed beyond its bankruptcy price; never at the mark, but in distress."""
    market = order.terms.market
    if not is_beyond_mark(account, order, price) and not account.is_distressed(market):
        return False
    bound = account.bankrupt_at(market)
    return price > bound if order.terms.buy else price < bound


def _is_sunk(account: Account, order: LiveOrder, lots: int, closing: int, price: int) -> bool:
    """Whether the isolated position would be in distress once the lots beyond `closing` are open."""
    market, s = order.terms.market, 1 if order.terms.buy else -1
    contract, newest = account.rules.listing(market).contract, account.rounds[market]
    held, added = account.positions.get(market) if not closing else None, lots - closing
    margin = share_down(order.margin_for(lots), added, lots)
    if _is_ample(contract, s, added, price, margin, newest.mark) and not (held and account.is_distressed(market)):
        return False
    after = opened(held.position if held else None, contract, s, added, price, newest.funding, margin)
    return is_liquidatable(contract, after, newest.mark, newest.funding)


def _is_ample(contract: Contract, s: int, lots: int, price: int, margin: int, mark: int) -> bool:
    """Whether what opens brings more along than even the last bracket asks of it: nearly always, and soon said."""
    a, b = contract.ratio(mark)
    value = contract.unit * lots * a
    own = margin * b + contract.direction * s * (value - fill_cost(contract, s, lots, price) * b)
    return MILLION * own >= contract.tiers[-1].maintenance * value
