"""Who meets whom: a plan is made without touching the book, then committed.

For whoever matches orders and nothing else. In the venue a fill changes what the next one may do (positions, what is
left to reduce), so `fairway.exchange.trading` meets makers one at a time, by the same rules.
"""

from __future__ import annotations

from msgspec import Struct

from fairway.errors import IllegalTransition
from fairway.market.book import Book
from fairway.market.order import Fill, Force, Order, Prevention, Resting

__all__ = ["UNFILLED", "WOULD_TAKE", "Plan", "commit", "plan", "prevented"]

UNFILLED = "market.unfilled"
WOULD_TAKE = "market.would_take"

# Looking up a member of an Enum costs as much as a whole comparison, and this path is the hot one.
_RESTS = Force.GOOD_TILL_CANCELED
_POST_ONLY = Force.POST_ONLY
_ALL_OR_NOTHING = Force.FILL_OR_KILL
_NEVER_RESTS = Force.IMMEDIATE_OR_CANCEL


class Plan(Struct, frozen=True, gc=False):
    """What an order would do.

    `fills` in the order of matching; `removed` the (order_id, lots) that self-trade prevention takes off resting
    orders; `rest_lots` then rest in the book; `expired_lots` neither fill nor rest, `self_trade` says that prevention
    had a part in it. With `reject`, an error code, all of this is empty and the book stays as it is.
    Always: Σ fills + rest_lots + expired_lots = the lots of an order that is not rejected.
    """

    fills: tuple[Fill, ...] = ()
    removed: tuple[tuple[int, int], ...] = ()
    rest_lots: int = 0
    expired_lots: int = 0
    self_trade: bool = False
    reject: str | None = None


def plan(book: Book, order: Order) -> Plan:
    """What `order` would do to `book`, which stays as it is."""
    if not book.crosses(buy=order.buy, limit=order.limit):
        return _unmatched(order)
    if order.force is _POST_ONLY:
        return Plan(reject=WOULD_TAKE)
    return _matched(book, order)


def commit(book: Book, order: Order, planned: Plan) -> None:
    """Do to the book what `plan` said of it; the book must not have changed in between."""
    if planned.reject is not None:
        raise IllegalTransition("market.commit", "a rejected plan is not committed", order_id=order.order_id)
    if planned.fills:
        for fill in planned.fills:
            book.take(fill.maker_id, fill.lots)
    if planned.removed:
        for order_id, lots in planned.removed:
            book.take(order_id, lots)
    if planned.rest_lots:
        book.rest(order.order_id, order.owner, buy=order.buy, lots=planned.rest_lots, price=order.limit)


def _unmatched(order: Order) -> Plan:
    force = order.force
    if force is _ALL_OR_NOTHING:
        return Plan(reject=UNFILLED)
    if force is _NEVER_RESTS:
        return Plan(expired_lots=order.lots)
    return Plan((), (), order.lots)


def _matched(book: Book, order: Order) -> Plan:
    fills: list[Fill] = []
    removed: list[tuple[int, int]] = []
    owner, taker_id = order.owner, order.order_id
    open_lots, expired_lots = order.lots, 0
    for maker in book.walk(buy=order.buy, limit=order.limit):
        if maker.owner == owner:
            lost, maker_lost = prevented(order.prevention, open_lots, maker)
            open_lots -= lost
            expired_lots += lost
            if maker_lost:
                removed.append((maker.order_id, maker_lost))
        else:
            held = maker.lots
            lots = min(open_lots, held)
            fills.append(Fill(maker.order_id, taker_id, maker.price, lots, held - lots))
            open_lots -= lots
        if not open_lots:
            break
    if order.force is _ALL_OR_NOTHING and open_lots + expired_lots:
        return Plan(reject=UNFILLED)
    rests = order.force is _RESTS
    return Plan(
        tuple(fills),
        tuple(removed),
        open_lots if rests else 0,
        expired_lots if rests else expired_lots + open_lots,
        bool(removed or expired_lots),
    )


def prevented(prevention: Prevention, taker_lots: int, maker: Resting) -> tuple[int, int]:
    """The lots that taker and maker lose instead of filling each other."""
    if prevention is Prevention.EXPIRE_TAKER:
        return taker_lots, 0
    if prevention is Prevention.EXPIRE_MAKER:
        return 0, maker.lots
    if prevention is Prevention.EXPIRE_BOTH:
        return taker_lots, maker.lots
    smaller = min(taker_lots, maker.lots)
    return smaller, smaller
