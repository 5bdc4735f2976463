"""Whether an arriving order would be filled whole: what the makers before its limit would give, one after the other."""

from __future__ import annotations

from fairway.exchange.bearing import bears, is_beyond_mark
from fairway.exchange.claimable import would_fit
from fairway.exchange.mandate import unsigned_weight
from fairway.exchange.venue import Venue, split_order_id
from fairway.market.order import Order, Prevention, Resting

__all__ = ["can_fill"]


def can_fill(venue: Venue, at_ms: int, market: int, wish: Order) -> bool:
    """Whether all of `wish` would be filled, and its owner could bear it."""
    left, worst, given = wish.lots, 0, _Given(venue, market, -1 if wish.buy else 1)
    for maker in venue.books[market].walk(buy=wish.buy, limit=wish.limit):
        if left <= 0:
            break
        if maker.owner == wish.owner:
            if wish.prevention is Prevention.EXPIRE_MAKER:
                continue
            break
        if not venue.is_expired(maker.order_id, at_ms) and (lots := given.give(maker)):
            left, worst = left - lots, maker.price
    channel_id, key = split_order_id(wish.order_id)
    account = venue.accounts[channel_id]
    return left <= 0 and bears(account, account.orders[key], wish.lots, worst)


class _Given:
    """What was given so far. `s` is +1 where makers buy, -1 where they sell.

    Resting reduce-only orders give what they will still reduce, of a group only the first that is met gives any, and
    nobody more than he could be shown to have given, nor any more after a fill that was worse for him than the mark: he
    may not bear another.
    """

    __slots__ = ("_groups", "_held", "_market", "_s", "_shown", "_venue", "_weakened")

    def __init__(self, venue: Venue, market: int, s: int) -> None:
        self._venue = venue
        self._market = market
        self._s = s
        self._held: dict[bytes, int] = {}
        self._shown: dict[bytes, int] = {}
        self._groups: set[tuple[bytes, int]] = set()
        self._weakened: set[bytes] = set()

    def give(self, maker: Resting) -> int:
        """The lots that `maker` would give next."""
        channel_id, key = split_order_id(maker.order_id)
        account = self._venue.accounts[channel_id]
        order, more = account.orders[key], self._shown.get(channel_id, 0)
        terms, lots = order.terms, maker.lots
        if channel_id in self._weakened or (channel_id, terms.group) in self._groups:
            return 0
        if not (would_fit(self._venue, channel_id, terms, more) and bears(account, order, lots, maker.price)):
            return 0
        position = self._held.get(channel_id, account.signed_lots(self._market))
        if terms.reduce_only:
            most = max(0, -self._s * position)
            lots = min(lots, most) if not terms.strict or lots <= most else 0
        if not lots:
            return 0
        if terms.group:
            self._groups.add((channel_id, terms.group))
        if key not in self._venue.unsigned_orders.get(channel_id, ()):
            self._shown[channel_id] = more + unsigned_weight(terms)
        if is_beyond_mark(account, order, maker.price):
            self._weakened.add(channel_id)
        self._held[channel_id] = position + self._s * lots
        return lots
