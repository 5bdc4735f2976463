"""A user's new half: judged by the channel's acceptance rule and by the account's, then its orders go to the market."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappush

from fairway.channel import machine
from fairway.channel.machine import Channel, accept, balance_b, check_proposal, reject
from fairway.channel.phase import check_trading
from fairway.channel.state import Body, Half
from fairway.errors import Rejected
from fairway.exchange.account import Account
from fairway.exchange.change import Accepted
from fairway.exchange.dropping import drop, reconcile, sweep_if_due
from fairway.exchange.effect import Absolve, Refuse
from fairway.exchange.event import Proposed
from fairway.exchange.lawful import check_orders, reached
from fairway.exchange.mandate import is_mandated
from fairway.exchange.margins import check_market, move_margin
from fairway.exchange.permits import check_granted, promises
from fairway.exchange.terms import OrderTerms
from fairway.exchange.turn import Turn
from fairway.exchange.venue import Carrier, Venue, order_id_of
from fairway.exchange.waking import enter
from fairway.market.instrument import check_price

__all__ = ["check_depth", "check_order_market", "half_of", "propose", "take_place"]

NOT_CONSUMED = frozenset({"channel.seqno", "channel.phase", "channel.repeat"})


def half_of(channel: Channel, event: Proposed) -> Half:
    """The half that the user signed; `Rejected` (`channel.cites`) where it answers a half no longer open."""
    cited = channel.window.get(event.cites)
    if cited is None:
        raise Rejected("channel.cites", "a half answers a half of the service that is still open", cited=event.cites)
    return Half(channel.channel_id, Body(event.seqno, event.sent, event.conditionals_hash), cited.b)


def propose(venue: Venue, turn: Turn, event: Proposed) -> None:
    """Accept the half and everything in it, or consume its seqno and say why.

    A refused half that comes again is refused again. `Rejected`, with nothing changed, where the seqno runs ahead, the
    half is accepted already or halves are no longer signed.
    """
    channel, account = venue.channel(event.channel_id), venue.account(event.channel_id)
    try:
        accepted = _judged(venue, turn, event, channel, account)
    except Rejected as refusal:
        if refusal.code in NOT_CONSUMED or event.seqno > channel.a_consumed + 1:
            raise
        again = event.seqno <= channel.a_consumed
        reject(channel, event.seqno)
        venue.counts.refusals += 1
        venue.counts.cancels_lost += refusal.code in {"order.unknown", "channel.dropped_filled"}
        turn.effects.append(Refuse(event.channel_id, event.seqno, refusal.code, refusal.message, again))
        return
    accept(channel, accepted)
    venue.counts.states_cosigned += 1
    _drop(venue, turn, event)
    renewed = venue.renew(event.channel_id, turn.at_ms)
    change = Accepted(event.seqno, event.orders, *renewed, event.mandates)
    venue.change(event.channel_id, change)
    turn.note(event.channel_id, change)
    _carry(venue, event)
    _settle_debts(venue, turn, event)
    for move in event.moves:
        move_margin(venue, turn, event.channel_id, move)
    for terms in event.orders:
        venue.counts.orders += 1
        if order_id_of(event.channel_id, terms.key) in venue.books[terms.market]:
            reconcile(venue, turn, event.channel_id, terms.market)
        else:
            enter(venue, turn, event.channel_id, terms.key)


def _drop(venue: Venue, turn: Turn, event: Proposed) -> None:
    """Take out what the half takes out. An order that comes in its stead keeps its place where it may."""
    fresh = list(event.orders)
    for key in event.drops:
        if key not in venue.accounts[event.channel_id].orders:
            continue  # it hung on one of the others
        heir = take_place(venue, event.channel_id, key, fresh)
        if heir is not None:
            fresh.remove(heir)
        drop(venue, turn, event.channel_id, key, "cancelled" if heir is None else "amended")
        venue.counts.cancels += 1
    for market in venue.rules.listings if venue.sweeps.is_counting(event.channel_id) else ():
        sweep_if_due(venue, turn, event.channel_id, market)


def take_place(venue: Venue, channel_id: bytes, key: int, fresh: Sequence[OrderTerms]) -> OrderTerms | None:
    """Let the first of `fresh` that differs from the resting order only by being smaller take its place in the book."""
    terms = venue.accounts[channel_id].orders[key].terms
    resting = venue.books[terms.market].get(order_id_of(channel_id, key))
    if resting is None:
        return None
    like = terms.market, terms.buy, terms.limit_tick, terms.kind
    for each in fresh:
        is_like = (each.market, each.buy, each.limit_tick, each.kind) == like
        if is_like and each.lots <= resting.lots and not (each.waits or each.parent):
            venue.books[terms.market].replace(resting.order_id, order_id_of(channel_id, each.key), each.lots)
            return each
    return None


def _judged(venue: Venue, turn: Turn, event: Proposed, channel: Channel, account: Account) -> machine.Accepted:
    check_trading(channel.phase)
    half = half_of(channel, event)
    if channel.a and half == channel.a.half:
        raise Rejected("channel.repeat", "this half is accepted already", seqno=event.seqno)
    check_orders(account, event.orders, event.drops, turn.at_ms, event.moves, event.mandates)
    check_depth(venue, account, event.orders, set(event.drops))
    check_granted(account, event.mandates, turn.at_ms)
    for terms in event.orders:
        check_order_market(venue, terms, turn.at_ms)
    adds = promises(account.rules, event.orders, event.mandates)
    for move in event.moves:
        check_market(venue, turn, event.channel_id, move)
    implied = account.implied([*event.orders, *event.mandates], event.moves)
    accepted = check_proposal(channel, half, event.signature, adds, event.drops, implied=implied, verify=_verified)
    _check_room(channel, account, event)
    return accepted


def _check_solvent(venue: Venue, terms: OrderTerms) -> None:
    """A pool worth less than nothing stands opposite to no new risk; what is open may be closed."""
    if not venue.is_solvent and not terms.reduce_only:
        raise Rejected("pool.insolvent", "the pool is worth less than nothing; positions can only be closed")


def _verified(_key: bytes, _half: Half, _signature: bytes) -> None:
    """`authenticate` has checked this signature before the event was written."""


def check_order_market(venue: Venue, terms: OrderTerms, at_ms: int) -> None:
    """Whether the order's market takes it now; `Rejected` says why not."""
    _check_solvent(venue, terms)
    newest = venue.rounds.get(terms.market)
    if newest is None:
        raise Rejected("market.no_price", "the oracle has not spoken in this market yet", market=terms.market)
    instrument = venue.rules.listing(terms.market).instrument
    if terms.round > newest.round:
        raise Rejected("order.round", "the order names a round that has not come", newest=newest.round)
    if not terms.trigger_tick:
        check_price(instrument, terms.limit_tick, newest.mark, buy=terms.buy)
    venue.check_mode(terms.market, at_ms, reduce_only=terms.reduce_only)


def check_depth(venue: Venue, account: Account, orders: list[OrderTerms], drops: set[int]) -> None:
    """What the account would open stays within what the book could take back; else `Rejected` (`order.position_cap`).

    The owner's copy does not ask this: it knows no book. What is held already may always be closed.
    """
    for terms, whole in reached(account, orders, drops):
        bounds, s = venue.bounds(terms.market, account.channel_id), 1 if terms.buy else -1
        opened = whole - max(0, -s * account.signed_lots(terms.market))
        if 0 < (most := bounds.long if terms.buy else bounds.short) < opened:
            raise Rejected("order.position_cap", "the book is too thin for a larger position", lots=opened, limit=most)


def _check_room(channel: Channel, account: Account, event: Proposed) -> None:
    """The service's side can pay whatever new orders and margin may win; else `Rejected` (`channel.room`)."""
    more = sum(max(0, account.owed_more(move)) for move in event.moves)
    if not event.orders and not more:
        return
    asked, freed = more + account.rules.cap(sum([terms.reserve for terms in event.orders])), 0
    for key in event.drops:
        freed += account.orders[key].reserved
    left = balance_b(channel) - account.b_conditionals.maximum()
    if left + account.rules.cap(freed) < asked:
        raise Rejected("channel.room", "the service's side of the channel is used up; it will be topped up")


def _carry(venue: Venue, event: Proposed) -> None:
    channel = venue.channels[event.channel_id]
    assert channel.a is not None
    unsigned = venue.unsigned_orders.pop(event.channel_id, None)
    if unsigned and (left := {key: each for key, each in unsigned.items() if each.b_seqno > event.cites}):
        venue.unsigned_orders[event.channel_id] = left
    account, carrier = venue.accounts[event.channel_id], Carrier(channel.a, channel.a_conditionals)
    for key in account.orders if account.mandates else ():
        # Orders of sub-keys are in the half that takes them in.
        if is_mandated(key) and key in channel.a_conditionals:
            venue.carriers.setdefault((event.channel_id, key), carrier)
    for terms in event.orders:
        venue.carriers[event.channel_id, terms.key] = carrier
        if terms.expires_ms:
            expiry = terms.expires_ms, order_id_of(event.channel_id, terms.key)
            heappush(venue.expiries[terms.market], expiry)


def _settle_debts(venue: Venue, turn: Turn, event: Proposed) -> None:
    """What the new half signs for is no debt any more; what the vault was shown is absolved."""
    channel = venue.channels[event.channel_id]
    debts = venue.debts.pop(event.channel_id, None)
    if not debts:
        return
    called = venue.owed.get(event.channel_id, {})
    assert channel.a is not None
    for debt in debts:
        if debt.receipt.b_seqno <= event.cites and debt.receipt.match_id in called:
            turn.effects.append(Absolve(event.channel_id, debt.receipt.match_id, debt.key, channel.a_conditionals))
    if left := [debt for debt in debts if debt.receipt.b_seqno > event.cites]:
        venue.debts[event.channel_id] = left
