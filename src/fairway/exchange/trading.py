"""Orders meet the book: arrival, and fills on both sides at once.

Every function takes the venue and the turn; what they change of an account they note in the turn, so that the user is
pushed exactly the changes that the engine applied.
"""

from __future__ import annotations

from fairway.channel.machine import newest_b
from fairway.exchange.bearing import bears
from fairway.exchange.change import Decremented, Filled
from fairway.exchange.claimable import note_fill, would_fit
from fairway.exchange.closing import close_position, post
from fairway.exchange.dropping import drop, expire, reconcile, send_siblings_away
from fairway.exchange.effect import Print
from fairway.exchange.live_order import LiveOrder
from fairway.exchange.switch import Mode
from fairway.exchange.terms import Kind, OrderTerms, Receipt
from fairway.exchange.turn import Turn
from fairway.exchange.venue import Debt, Venue, order_id_of, owner_of, split_order_id
from fairway.exchange.whole import can_fill
from fairway.market.match import prevented
from fairway.market.order import Force, Order, Prevention, Resting

__all__ = ["arrive", "fill_against", "next_maker"]

FORCES = {
    Kind.LIMIT: Force.GOOD_TILL_CANCELED,
    Kind.POST_ONLY: Force.POST_ONLY,
    Kind.IOC: Force.IMMEDIATE_OR_CANCEL,
    Kind.FOK: Force.FILL_OR_KILL,
    Kind.MARKET: Force.IMMEDIATE_OR_CANCEL,
}
PREVENTIONS = tuple(Prevention)
RESTING = frozenset({Force.GOOD_TILL_CANCELED, Force.POST_ONLY})


def arrive(venue: Venue, turn: Turn, channel_id: bytes, key: int) -> None:
    """A live order that waits for nothing more comes to the market: it matches, rests or is dropped."""
    account = venue.accounts[channel_id]
    order = account.orders[key]
    terms = order.terms
    lots = account.reducible(terms, order.left) if terms.reduce_only else order.left
    wish = Order(
        order_id_of(channel_id, key),
        owner_of(channel_id),
        terms.buy,
        lots,
        terms.limit_tick,
        FORCES[Kind(terms.kind)],
        PREVENTIONS[terms.prevention],
    )
    if reason := _beyond_caps(venue, channel_id, order) or _refusal(venue, turn, channel_id, terms, wish):
        drop(venue, turn, channel_id, key, reason)
        return
    left = _take(venue, turn, channel_id, key, wish)
    if key not in account.orders:
        return
    if left and wish.force in RESTING:
        venue.books[terms.market].rest(wish.order_id, wish.owner, buy=terms.buy, lots=left, price=terms.limit_tick)
    else:
        drop(venue, turn, channel_id, key, "unfilled")


def _beyond_caps(venue: Venue, channel_id: bytes, order: LiveOrder) -> str:
    """Which cap of the market would not hold, whatever the arriving order opens, or nothing.

    Interest only grows where a taker opens, so a resting order needs no second look.
    """
    terms, account = order.terms, venue.accounts[channel_id]
    if terms.reduce_only:
        return ""
    bounds, s = venue.bounds(terms.market, channel_id), 1 if terms.buy else -1
    opening = order.left - account.closing_lots(terms.market, s, order.left)
    if (
        opening
        and 0 < (bounds.long if terms.buy else bounds.short) < s * account.signed_lots(terms.market) + order.left
    ):
        return "position_cap"
    return "open_interest" if 0 < bounds.interest < venue.open_lots[terms.market] + opening else ""


def _refusal(venue: Venue, turn: Turn, channel_id: bytes, terms: OrderTerms, wish: Order) -> str:
    """Why the order does not come to the market at all, or nothing."""
    market = terms.market
    if not terms.reduce_only and venue.mode(market, turn.at_ms) is not Mode.OPEN:
        return "reductions_only"
    if not wish.lots:
        return "nothing_to_reduce"
    if not would_fit(venue, channel_id, terms):
        return "unsigned"
    if wish.force is Force.POST_ONLY:
        crosses = next_maker(venue, turn, market, buy=wish.buy, limit=wish.limit) is not None
        return "would_take" if crosses else ""
    if wish.force is Force.FILL_OR_KILL and not can_fill(venue, turn.at_ms, market, wish):
        return "unfilled"
    return ""


def next_maker(venue: Venue, turn: Turn, market: int, *, buy: bool, limit: int) -> Resting | None:
    """The order that a taker with this limit meets next.

    Before it leave those whose time has passed, and those of `_unmet`.
    """
    while (maker := next(venue.books[market].walk(buy=buy, limit=limit), None)) is not None:
        channel_id, key = split_order_id(maker.order_id)
        if venue.is_expired(maker.order_id, turn.at_ms):
            expire(venue, turn, maker.order_id)
        elif reason := _unmet(venue, channel_id, key, maker):
            drop(venue, turn, channel_id, key, reason)
        else:
            return maker
    return None


def _unmet(venue: Venue, channel_id: bytes, key: int, maker: Resting) -> str:
    """Why nobody meets what rests, or nothing: its owner has left too much unsigned for a claim, or cannot bear it."""
    account = venue.accounts[channel_id]
    order = account.orders[key]
    if not would_fit(venue, channel_id, order.terms):
        return "unsigned"
    return "" if bears(account, order, maker.lots, maker.price) else "margin"


def _take(venue: Venue, turn: Turn, channel_id: bytes, key: int, wish: Order) -> int:
    """Match an arriving order against the book, one maker at a time; how many of its lots may rest.

    It goes where its owner cannot bear the next fill; one that is filled whole or not at all was asked before.
    """
    account, lots = venue.accounts[channel_id], wish.lots
    terms = account.orders[key].terms
    while lots and key in account.orders:
        maker = next_maker(venue, turn, terms.market, buy=terms.buy, limit=wish.limit)
        if maker is None:
            break
        if maker.owner == wish.owner:
            lots -= _prevent(venue, turn, channel_id, key, wish.prevention, lots, maker)
            continue
        size = min(lots, maker.lots)
        if wish.force is not Force.FILL_OR_KILL and not bears(account, account.orders[key], size, maker.price):
            drop(venue, turn, channel_id, key, "margin")
            break
        _meet(venue, turn, channel_id, key, maker, size)
        lots -= size
    return lots


def _meet(venue: Venue, turn: Turn, channel_id: bytes, key: int, maker: Resting, size: int) -> None:
    """Fill `size` lots of an arriving order against a resting one of somebody else."""
    order = venue.accounts[channel_id].orders[key]
    terms, price = order.terms, maker.price
    carried, met = venue.carriers.get((channel_id, key)), split_order_id(maker.order_id)
    maker_carried = venue.carriers.get(met)
    match_id, maker_digest = fill_against(venue, turn, maker, size, order.digest)
    receipt = _fill(venue, turn, channel_id, key, match_id, size, price, maker_digest, taker=True)
    # Of the pot no proof goes to the vault: a fill in it that is not signed is claimed in the channel, by its receipt.
    if carried is not None and maker_carried is not None and not terms.is_cross:
        debt = Debt(receipt, terms.market, key, carried, *met, maker_carried)
        venue.debts.setdefault(channel_id, []).append(debt)
        venue.unsigned[terms.market].append((channel_id, debt))
    turn.effects.append(Print(terms.market, match_id, price, size, terms.buy, turn.at_ms))
    turn.traded(terms.market, price)


def _prevent(venue: Venue, turn: Turn, channel_id: bytes, key: int, mode: Prevention, lots: int, maker: Resting) -> int:
    """Nobody trades with himself: what the arriving order loses instead of meeting `maker`."""
    market = venue.accounts[channel_id].orders[key].terms.market
    mine = split_order_id(maker.order_id)[1]
    lost, maker_lost = prevented(mode, lots, maker)
    if maker_lost and maker_lost == maker.lots:
        drop(venue, turn, channel_id, mine, "self_trade")
    elif maker_lost:
        venue.books[market].take(maker.order_id, maker_lost)
        _decrement(venue, turn, channel_id, mine, maker_lost)
    if lost == lots:
        drop(venue, turn, channel_id, key, "self_trade")
    elif lost:
        _decrement(venue, turn, channel_id, key, lost)
    return lost


def _decrement(venue: Venue, turn: Turn, channel_id: bytes, key: int, lots: int) -> None:
    change = Decremented(key, lots)
    venue.change(channel_id, change)
    turn.note(channel_id, change)


def fill_against(venue: Venue, turn: Turn, maker: Resting, lots: int, other: bytes) -> tuple[int, bytes]:
    """Fill `lots` of a resting order against the order named `other`: the match's ID and the maker's hash."""
    match_id = venue.next_match()
    channel_id, key = split_order_id(maker.order_id)
    order = venue.accounts[channel_id].orders[key]
    price = maker.price
    if venue.books[order.terms.market].take(maker.order_id, lots):
        venue.counts.partial_fills += 1
    _fill(venue, turn, channel_id, key, match_id, lots, price, other, taker=False)
    venue.counts.fills += 1
    return match_id, order.digest


def _fill(
    venue: Venue,
    turn: Turn,
    channel_id: bytes,
    key: int,
    match_id: int,
    lots: int,
    price: int,
    other: bytes,
    *,
    taker: bool,
) -> Receipt:
    """One leg of a match, with all it does to account, ledger, settlement and receipt."""
    account = venue.accounts[channel_id]
    order = account.orders[key]
    s = 1 if order.terms.buy else -1
    closing = account.closing_lots(order.terms.market, s, lots)
    txid = (
        close_position(venue, turn, channel_id, order.terms.market, closing, price, "trade", order.digest)
        if closing
        else b""
    )
    asleep = [child for child in account.links.children(key) if not account.orders[child].armed]
    change = Filled(key, match_id, lots, price, taker, other, txid, turn.at_ms)
    outcome = venue.change(channel_id, change)
    assert outcome is not None
    post(venue, channel_id, order.terms.market, outcome)
    if outcome.opened is not None:
        index = venue.rounds[order.terms.market].funding
        venue.settling.open(channel_id, order.terms.market, outcome.opened, price, index, turn.at_ms)
    receipt = Receipt(
        channel_id,
        order.digest,
        match_id,
        other,
        order.lots + lots,
        order.cost + outcome.cost,
        order.fee + outcome.fee,
        order.base + outcome.base,
        newest_b(venue.channels[channel_id]) + 1,
        turn.at_ms,
        price,
    )
    turn.note(channel_id, change, receipt)
    venue.counts.cross_fills += order.terms.is_cross
    note_fill(venue, channel_id, order.terms, receipt.b_seqno)
    if key not in account.orders:
        venue.carriers.pop((channel_id, key), None)
    turn.armed.extend((channel_id, child) for child in asleep)
    send_siblings_away(venue, turn, channel_id, order.terms)
    reconcile(venue, turn, channel_id, order.terms.market)
    return receipt
