"""Orders leave: cancelled, out of time, swept away by their owner, without a position to reduce, or after a sibling."""

from __future__ import annotations

from fairway.channel.phase import check_trading
from fairway.exchange.change import Dropped, Swept
from fairway.exchange.event import SweepSigned
from fairway.exchange.mandate import is_mandated, scope_of
from fairway.exchange.nonces import Nonces
from fairway.exchange.sweeps import NEVER_MS
from fairway.exchange.terms import OrderTerms
from fairway.exchange.turn import Turn
from fairway.exchange.venue import Venue, order_id_of, split_order_id
from fairway.market.book import Book
from fairway.market.order import Resting

__all__ = [
    "drop",
    "expire",
    "reconcile",
    "send_siblings_away",
    "sweep_all_due",
    "sweep_if_due",
    "take_sweep",
]


def drop(venue: Venue, turn: Turn, channel_id: bytes, key: int, reason: str) -> None:
    """Take a live order out of account, book and triggers, and with it what waited for its first fill."""
    account = venue.accounts[channel_id]
    order = account.orders[key]
    order_id = order_id_of(channel_id, key)
    if order_id in venue.books[order.terms.market]:
        venue.books[order.terms.market].cancel(order_id)
    venue.alarms.remove(order_id, order.terms)
    change = Dropped(key, reason)
    venue.change(channel_id, change)
    venue.carriers.pop((channel_id, key), None)
    turn.note(channel_id, change)
    if not order.lots:
        venue.unsigned_orders.get(channel_id, {}).pop(key, None)
        for child in account.links.children(key):
            if child in account.orders:
                drop(venue, turn, channel_id, child, "unarmed")


def reconcile(venue: Venue, turn: Turn, channel_id: bytes, market: int) -> None:
    """After a position changed: what no longer reduces goes; what rests is as much as the position has.

    What grows with the position goes to the end of its price.
    """
    account, book = venue.accounts[channel_id], venue.books[market]
    for key in list(account.links.reducing):
        order = account.orders.get(key)
        if order is None or order.terms.market != market or (order.terms.parent and not order.armed):
            continue
        lots = account.reducible(order.terms, order.left)
        if not account.reducible(order.terms, 1 if not order.terms.strict or order.is_asleep else order.left):
            drop(venue, turn, channel_id, key, "nothing_to_reduce")
        elif (resting := book.get(order_id_of(channel_id, key))) is not None and resting.lots != lots:
            _resize(book, resting, lots)


def _resize(book: Book, resting: Resting, lots: int) -> None:
    if lots < resting.lots:
        book.amend(resting.order_id, lots)
        return
    book.cancel(resting.order_id)
    book.rest(resting.order_id, resting.owner, buy=resting.buy, lots=lots, price=resting.price)


def send_siblings_away(venue: Venue, turn: Turn, channel_id: bytes, terms: OrderTerms) -> None:
    """An order of a group was filled or fired: the others of it go."""
    if terms.group:
        for key in venue.accounts[channel_id].links.siblings(terms):
            drop(venue, turn, channel_id, key, "sibling")


def expire(venue: Venue, turn: Turn, order_id: int) -> None:
    """The time of an order has passed: its own, or the one after which its owner wants none live in its market."""
    channel_id, key = split_order_id(order_id)
    terms = venue.accounts[channel_id].orders[key].terms
    for scope in (terms.market, scope_of(key)):
        if venue.sweeps.is_due(channel_id, scope, turn.at_ms):
            _sweep(venue, turn, channel_id, scope)
    if key in venue.accounts[channel_id].orders:
        drop(venue, turn, channel_id, key, "expired")


def take_sweep(venue: Venue, turn: Turn, event: SweepSigned) -> None:
    """A user's orders in a market (0: in all) go now, or once the time that he gives himself is over."""
    check_trading(venue.channel(event.channel_id).phase)
    markets = [event.market] if event.market else sorted(venue.rules.listings)
    for market in markets:
        venue.rules.listing(market)
    venue.sweeps.nonces.setdefault(event.channel_id, Nonces()).use(event.nonce)
    signed = Swept(event.nonce, event.market, event.after_ms, event.signature)
    for market in markets:
        sweep_if_due(venue, turn, event.channel_id, market)
        venue.sweeps.pop(event.channel_id, market)
        if event.after_ms < NEVER_MS:
            venue.sweeps.start(event.channel_id, market, turn.at_ms + event.after_ms, signed)
            sweep_if_due(venue, turn, event.channel_id, market)


def sweep_all_due(venue: Venue, turn: Turn) -> None:
    """Carry out every sweep whose time has come."""
    for channel_id, scope in venue.sweeps.due(turn.at_ms):
        sweep_if_due(venue, turn, channel_id, scope)


def sweep_if_due(venue: Venue, turn: Turn, channel_id: bytes, scope: int) -> None:
    """The same for one user in one market, or under one mandate."""
    if venue.sweeps.is_due(channel_id, scope, turn.at_ms):
        _sweep(venue, turn, channel_id, scope)


def _sweep(venue: Venue, turn: Turn, channel_id: bytes, scope: int) -> None:
    """The orders of a market go by their owner's word, which he is shown; those of a mandate by its sub-key's."""
    signed = venue.sweeps.pop(channel_id, scope)
    orders = venue.accounts[channel_id].orders
    doomed = [
        key for key, order in orders.items() if scope == (scope_of(key) if is_mandated(scope) else order.terms.market)
    ]
    if signed is not None and doomed:
        venue.change(channel_id, signed)
        turn.note(channel_id, signed)
    for key in doomed:
        if key in orders:
            drop(venue, turn, channel_id, key, "swept" if signed is not None else "mandate")
            venue.counts.cancels += 1
