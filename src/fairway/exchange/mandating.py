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
from fairway.exchange.dropping import drop, reconcile, sweep_if_due
from fairway.exchange.mandate import is_mandated, order_key, scope_of, slot_of, unsigned_weight
from fairway.exchange.permits import check_order_under, mandate_in
from fairway.exchange.proposals import check_depth, check_order_market, take_place
from fairway.exchange.sweeps import NEVER_MS
from fairway.exchange.terms import OrderTerms
from fairway.exchange.turn import Turn
from fairway.exchange.venue import Unsigned, Venue, order_id_of
from fairway.exchange.waking import enter

__all__ = ["MAX_UNSIGNED", "MAX_UNSIGNED_WEIGHT", "count_down", "live_under", "order_under", "revoke", "withdraw"]

MAX_UNSIGNED = 4096
"""How many halves of ours an owner may leave unanswered while sub-keys order for him."""
MAX_UNSIGNED_WEIGHT = 24
"""How many orders of sub-keys may live, or have been filled, since his newest half: what one claim can surely show.

What waits for a price counts twice, for the claim shows a round with it; what trails three times.
"""


def order_under(venue: Venue, turn: Turn, signed: event.Mandated) -> None:
    """Place an order of a sub-key; `Rejected` says why not, with nothing changed."""
    channel, account = venue.channel(signed.channel_id), venue.account(signed.channel_id)
    order, replaced = signed.order, signed.instead_of
    check_trading(channel.phase)
    if replaced:
        _check_live(account, signed.mandate, [replaced])
    check_order_under(account, signed.mandate, order, turn.at_ms, replaced)
    check_depth(venue, account, [order], {replaced} if replaced else set())
    check_order_market(venue, order, turn.at_ms)
    _check_unsigned(venue, channel, signed)
    _check_room(channel, account, order, replaced)
    _replace(venue, turn, signed.channel_id, replaced, order)
    for scope in (order.market, scope_of(order.key)):
        sweep_if_due(venue, turn, signed.channel_id, scope)
    change = Mandated(signed.mandate, order, signed.signature, turn.at_ms, replaced)
    venue.change(signed.channel_id, change)
    turn.note(signed.channel_id, change)
    unsigned = Unsigned(newest_b(channel) + 1, unsigned_weight(order))
    venue.unsigned_orders.setdefault(signed.channel_id, {})[order.key] = unsigned
    heappush(venue.expiries[order.market], (order.expires_ms, order_id_of(signed.channel_id, order.key)))
    venue.counts.orders += 1
    if order_id_of(signed.channel_id, order.key) in venue.books[order.market]:
        reconcile(venue, turn, signed.channel_id, order.market)
    else:
        enter(venue, turn, signed.channel_id, order.key)


def _replace(venue: Venue, turn: Turn, channel_id: bytes, replaced: int, order: OrderTerms) -> None:
    """Take `replaced` out, if that is an order; what comes in its stead keeps its place where it may."""
    if replaced:
        take_place(venue, channel_id, replaced, [order])
        drop(venue, turn, channel_id, replaced, "amended")
        venue.counts.cancels += 1


def _check_unsigned(venue: Venue, channel: Channel, signed: event.Mandated) -> None:
    """What the owner has not signed could still be claimed of his newest half, whole; else `Rejected`."""
    unsigned = newest_b(channel) - (channel.a.half.cited if channel.a else 0)
    known, replaced = venue.unsigned_orders.get(signed.channel_id, {}), signed.instead_of
    weight = sum(each.weight for each in known.values()) + unsigned_weight(signed.order)
    if replaced in known and not venue.accounts[signed.channel_id].orders[replaced].lots:
        weight -= known[replaced].weight
    if unsigned >= MAX_UNSIGNED or weight > MAX_UNSIGNED_WEIGHT:
        raise Rejected("mandate.exposure", "the owner must sign what his sub-keys did before they go on")


def _check_room(channel: Channel, account: Account, order: OrderTerms, replaced: int) -> None:
    freed = account.orders[replaced].reserved if replaced else 0
    left = balance_b(channel) - account.b_conditionals.maximum() + account.rules.cap(freed)
    if left < account.rules.cap(order.reserve):
        raise Rejected("channel.room", "the service's side of the channel is used up; it will be topped up")


def live_under(account: Account, mandate: int) -> list[int]:
    """The keys of the mandate's live orders; `Rejected` (`mandate.unknown`)."""
    slot = mandate_in(account, mandate).terms.slot
    return [key for key in account.orders if is_mandated(key) and slot_of(key) == slot]


def withdraw(venue: Venue, turn: Turn, signed: event.Withdrawn) -> None:
    """A sub-key takes orders of its mandate out; `Rejected` (`order.unknown`) where one of those named is not live."""
    account = venue.account(signed.channel_id)
    check_trading(venue.channel(signed.channel_id).phase)
    live = _check_live(account, signed.mandate, signed.keys)
    _drop(venue, turn, signed.channel_id, signed.keys or live)


def _check_live(account: Account, mandate: int, keys: list[int]) -> list[int]:
    """All live orders of the mandate; `Rejected` (`order.unknown`) where one of `keys` is none."""
    live = live_under(account, mandate)
    if missing := set(keys).difference(live):
        raise Rejected("order.unknown", "there is no such live order", key=min(missing))
    return live


def count_down(venue: Venue, turn: Turn, signed: event.CountdownSigned) -> None:
    """All orders of a sub-key go after a time, unless it says otherwise before: the dead man's switch of a bot."""
    channel_id, sweeps = signed.channel_id, venue.sweeps
    check_trading(venue.channel(channel_id).phase)
    scope = scope_of(order_key(mandate_in(venue.account(channel_id), signed.mandate).terms.slot, 1))
    sweeps.count(channel_id, scope, signed.nonce)
    sweep_if_due(venue, turn, channel_id, scope)
    sweeps.pop(channel_id, scope)
    if signed.after_ms < NEVER_MS:
        sweeps.start(channel_id, scope, turn.at_ms + signed.after_ms)
        sweep_if_due(venue, turn, channel_id, scope)


def revoke(venue: Venue, turn: Turn, signed: event.Revoked) -> None:
    """The owner takes a mandate back, with all its live orders, whatever its holder is doing."""
    account = venue.account(signed.channel_id)
    check_trading(venue.channel(signed.channel_id).phase)
    _drop(venue, turn, signed.channel_id, live_under(account, signed.mandate))
    venue.sweeps.forget(signed.channel_id, scope_of(order_key(account.mandates[signed.mandate].terms.slot, 1)))
    change = Revoked(signed.mandate, signed.signature)
    venue.change(signed.channel_id, change)
    turn.note(signed.channel_id, change)


def _drop(venue: Venue, turn: Turn, channel_id: bytes, keys: list[int]) -> None:
    for key in keys:
        if key in venue.accounts[channel_id].orders:
            drop(venue, turn, channel_id, key, "mandate")
            venue.counts.cancels += 1
