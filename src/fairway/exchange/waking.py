"""Orders that sleep: put to sleep when they are placed, woken by a round, a trade or the fill of their parent.

Nobody asks their owner: what he signed says when they wake and what they may do then.
"""

from __future__ import annotations

from fairway.exchange.alarms import price_of
from fairway.exchange.change import Triggered
from fairway.exchange.dropping import drop, send_siblings_away
from fairway.exchange.switch import Mode
from fairway.exchange.terms import OrderTerms, Source
from fairway.exchange.trading import arrive
from fairway.exchange.turn import Turn
from fairway.exchange.venue import Venue, order_id_of, split_order_id
from fairway.market.instrument import price_bounds

__all__ = ["enter", "run_down", "sound"]


def enter(venue: Venue, turn: Turn, channel_id: bytes, key: int) -> None:
    """A live order waits for its parent, then for its price, then it comes to the market.

    One that waits or rests already stays where it is: an order may be accepted and armed by the same half.
    """
    orders = venue.accounts[channel_id].orders
    order, order_id = orders.get(key), order_id_of(channel_id, key)
    if order is None or order_id in venue.books[order.terms.market] or venue.alarms.has(order_id, order.terms):
        return
    if order.terms.parent and not order.armed:
        if order.terms.parent not in orders:
            drop(venue, turn, channel_id, key, "unarmed")
    elif order.is_asleep:
        venue.alarms.add(order_id, order.terms, venue.priced[order.terms.market])
    else:
        arrive(venue, turn, channel_id, key)


def sound(venue: Venue, turn: Turn, market: int) -> None:
    """A new round wakes what waited for its mark, then what waited for its index."""
    newest = venue.priced[market]
    for source in (Source.MARK, Source.INDEX):
        _wake(venue, turn, market, source, price_of(newest, source))


def run_down(venue: Venue, turn: Turn) -> None:
    """What the event's fills set off: orders that waited for them, and for the prices that they were made at.

    Ends, for every order wakes once. A trade beyond the price band of the mark wakes nobody: it is not a price.
    """
    while turn.armed or turn.trades:
        while turn.armed:
            enter(venue, turn, *turn.armed.popleft())
        if turn.trades:
            market, price = turn.trades.popleft()
            if venue.alarms.watches(market, Source.LAST) and _counts(venue, turn, market, price):
                _wake(venue, turn, market, Source.LAST, price)


def _counts(venue: Venue, turn: Turn, market: int, price: int) -> bool:
    """Whether a trade may wake anybody: within the band of a mark that is known, in a market that is not halted."""
    lowest, highest = price_bounds(venue.rules.listing(market).instrument, venue.rounds[market].mark)
    return lowest <= price <= highest and venue.mode(market, turn.at_ms) is not Mode.HALTED


def _wake(venue: Venue, turn: Turn, market: int, source: Source, price: int) -> None:
    newest = venue.priced[market]
    for order_id, peak in venue.alarms.fired(market, source, price, newest):
        channel_id, key = split_order_id(order_id)
        order = venue.accounts[channel_id].orders.get(key)
        if order is not None:
            _fire(
                venue,
                turn,
                channel_id,
                order.terms,
                Triggered(key, newest.round, peak, price * (source is Source.LAST)),
            )


def _fire(venue: Venue, turn: Turn, channel_id: bytes, terms: OrderTerms, change: Triggered) -> None:
    venue.change(channel_id, change)
    turn.note(channel_id, change)
    send_siblings_away(venue, turn, channel_id, terms)
    before = venue.counts.fills
    arrive(venue, turn, channel_id, terms.key)
    if venue.counts.fills > before:
        if terms.trigger_above == terms.buy:
            venue.counts.stop_losses += 1
        else:
            venue.counts.take_profits += 1
