"""What the holder of a sub-key signs, and how its owner takes the mandate back: events that need no half of the user.

The reserve of such an order was promised by the half in which its owner signed the mandate, and comes out of it; the
half of the service that follows says so, and the owner's next one takes it in.
"""

from __future__ import annotations

from heapq import heappush

from fairway.channel.machine import Channel, balance_b, newest_b
from fairway.channel.phase import check_trading
from fairway.errors import Rejected
from fairway.exchange import event
from fairway.exchange.account import Account
from fairway.exchange.change import Mandated, Revoked
from fairway.exchange.dropping import drop, sweep_if_due
from fairway.exchange.mandate import is_mandated, slot_of, unsigned_weight
from fairway.exchange.permits import check_order_under, mandate_in
from fairway.exchange.proposals import check_order_market
from fairway.exchange.terms import OrderTerms
from fairway.exchange.turn import Turn
from fairway.exchange.venue import Unsigned, Venue, order_id_of
from fairway.exchange.waking import enter

__all__ = ["MAX_UNSIGNED", "MAX_UNSIGNED_WEIGHT", "live_under", "order_under", "revoke", "withdraw"]

MAX_UNSIGNED = 4096
"""How many halves of ours an owner may leave unanswered while sub-keys order for him."""
MAX_UNSIGNED_WEIGHT = 24
"""How many orders of sub-keys may live, or have been filled, since his newest half: what one claim can surely show.

What waits for a price counts twice, for the claim shows a round with it; what trails three times.
"""


def order_under(venue: Venue, turn: Turn, signed: event.Mandated) -> None:
    """Place an order of a sub-key; `Rejected` says why not, with nothing changed."""
    channel, account = venue.channel(signed.channel_id), venue.account(signed.channel_id)
    order = signed.order
    check_trading(channel.phase)
    check_order_under(account, signed.mandate, order, turn.at_ms)
    check_order_market(venue, order, turn.at_ms)
    _check_unsigned(venue, channel, signed.channel_id, order)
    _check_room(channel, account, order)
    sweep_if_due(venue, turn, signed.channel_id, order.market)
    change = Mandated(signed.mandate, order, signed.signature, turn.at_ms)
    venue.change(signed.channel_id, change)
    turn.note(signed.channel_id, change)
    unsigned = Unsigned(newest_b(channel) + 1, unsigned_weight(order))
    venue.unsigned_orders.setdefault(signed.channel_id, {})[order.key] = unsigned
    heappush(venue.expiries[order.market], (order.expires_ms, order_id_of(signed.channel_id, order.key)))
    venue.counts.orders += 1
    enter(venue, turn, signed.channel_id, order.key)


def _check_unsigned(venue: Venue, channel: Channel, channel_id: bytes, order: OrderTerms) -> None:
    """What the owner has not signed could still be claimed of his newest half, whole; else `Rejected`."""
    unsigned = newest_b(channel) - (channel.a.half.cited if channel.a else 0)
    weight = sum(each.weight for each in venue.unsigned_orders.get(channel_id, {}).values())
    if unsigned >= MAX_UNSIGNED or weight + unsigned_weight(order) > MAX_UNSIGNED_WEIGHT:
        raise Rejected("mandate.exposure", "the owner must sign what his sub-keys did before they go on")


def _check_room(channel: Channel, account: Account, order: OrderTerms) -> None:
    if balance_b(channel) - account.b_conditionals.maximum() < account.rules.cap(order.reserve):
        raise Rejected("channel.room", "the service's side of the channel is used up; it will be topped up")


def live_under(account: Account, mandate: int) -> list[int]:
    """The keys of the mandate's live orders; `Rejected` (`mandate.unknown`)."""
    slot = mandate_in(account, mandate).terms.slot
    return [key for key in account.orders if is_mandated(key) and slot_of(key) == slot]


def withdraw(venue: Venue, turn: Turn, signed: event.Withdrawn) -> None:
    """A sub-key takes orders of its mandate out; `Rejected` (`order.unknown`) where one of those named is not live."""
    account = venue.account(signed.channel_id)
    check_trading(venue.channel(signed.channel_id).phase)
    live = live_under(account, signed.mandate)
    if missing := set(signed.keys).difference(live):
        raise Rejected("order.unknown", "there is no such live order", key=min(missing))
    _drop(venue, turn, signed.channel_id, signed.keys or live)


def revoke(venue: Venue, turn: Turn, signed: event.Revoked) -> None:
    """The owner takes a mandate back, with all its live orders, whatever its holder is doing."""
    account = venue.account(signed.channel_id)
    check_trading(venue.channel(signed.channel_id).phase)
    _drop(venue, turn, signed.channel_id, live_under(account, signed.mandate))
    change = Revoked(signed.mandate, signed.signature)
    venue.change(signed.channel_id, change)
    turn.note(signed.channel_id, change)


def _drop(venue: Venue, turn: Turn, channel_id: bytes, keys: list[int]) -> None:
    for key in keys:
        if key in venue.accounts[channel_id].orders:
            drop(venue, turn, channel_id, key, "mandate")
            venue.counts.cancels += 1
