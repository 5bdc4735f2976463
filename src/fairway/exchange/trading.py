"""Orders meet the book: arrival, fills on both sides at once, drops, triggers.

Every function takes the venue and the turn; what they change of an account they note in the turn, so that the user is
pushed exactly the changes that the engine applied.
"""

from __future__ import annotations

from fairway.channel.machine import newest_b
from fairway.exchange.account import Outcome
from fairway.exchange.change import Dropped, Filled, Triggered
from fairway.exchange.closing import close_position
from fairway.exchange.effect import Print
from fairway.exchange.ledger import FEES, INSURANCE, POOL, user
from fairway.exchange.live_order import LiveOrder
from fairway.exchange.terms import Kind, Receipt
from fairway.exchange.turn import Turn
from fairway.exchange.venue import Debt, Venue, order_id_of, owner_of, split_order_id
from fairway.market.order import Force, Order, Resting

__all__ = ["arrive", "drop", "fill_against", "fire_triggers", "next_maker", "post", "reconcile"]

FORCES = {
    Kind.LIMIT: Force.GOOD_TILL_CANCELED,
    Kind.POST_ONLY: Force.POST_ONLY,
    Kind.IOC: Force.IMMEDIATE_OR_CANCEL,
    Kind.FOK: Force.FILL_OR_KILL,
    Kind.MARKET: Force.IMMEDIATE_OR_CANCEL,
    Kind.TRIGGER: Force.IMMEDIATE_OR_CANCEL,
}


def arrive(venue: Venue, turn: Turn, channel_id: bytes, key: int) -> None:
    """A live order comes to the market: it waits for its trigger, matches, rests or is dropped."""
    order = venue.accounts[channel_id].orders[key]
    terms = order.terms
    if terms.kind == Kind.TRIGGER and not order.triggered:
        venue.triggers[terms.market].add(order_id_of(channel_id, key), terms.trigger_tick, above=terms.trigger_above)
        return
    lots = _reducible(venue, channel_id, order)
    wish = Order(
        order_id_of(channel_id, key), owner_of(channel_id), terms.buy, lots, terms.limit_tick, FORCES[Kind(terms.kind)]
    )
    if not _has_room(venue, channel_id, order):
        drop(venue, turn, channel_id, key, "open_interest")
        return
    if not lots or _is_refused(venue, turn, terms.market, wish):
        drop(venue, turn, channel_id, key, "unfilled")
        return
    left = _take(venue, turn, channel_id, key, lots)
    if key not in venue.accounts[channel_id].orders:
        return
    if left and wish.force in {Force.GOOD_TILL_CANCELED, Force.POST_ONLY}:
        book = venue.books[terms.market]
        book.rest(wish.order_id, wish.owner, buy=terms.buy, lots=left, price=terms.limit_tick)
    else:
        drop(venue, turn, channel_id, key, "unfilled")


def _has_room(venue: Venue, channel_id: bytes, order: LiveOrder) -> bool:
    """Whether the market's open interest stays under its cap whatever the arriving order opens.

    Interest only grows where a taker opens, so a resting order needs no second look.
    """
    terms = order.terms
    most = venue.rules.listing(terms.market).caps.interest
    if not most or terms.reduce_only:
        return True
    closing = venue.accounts[channel_id].closing_lots(terms.market, 1 if terms.buy else -1, order.left)
    return venue.open_lots[terms.market] + order.left - closing <= most


def _is_refused(venue: Venue, turn: Turn, market: int, wish: Order) -> bool:
    """Whether a post-only order would take, or a fill-or-kill order not be filled whole."""
    if wish.force is Force.POST_ONLY:
        return next_maker(venue, turn, market, buy=wish.buy, limit=wish.limit) is not None
    return wish.force is Force.FILL_OR_KILL and not _can_fill(venue, turn, market, wish)


def _can_fill(venue: Venue, turn: Turn, market: int, wish: Order) -> bool:
    """Whether `_take` would fill all of `wish`: resting reduce-only orders give what they will still reduce."""
    left, s = wish.lots, -1 if wish.buy else 1
    held: dict[bytes, int] = {}
    for maker in venue.books[market].walk(buy=wish.buy, limit=wish.limit):
        if left <= 0 or maker.owner == wish.owner:
            break
        if venue.is_expired(maker.order_id, turn.at_ms):
            continue
        channel_id, key = split_order_id(maker.order_id)
        account, lots = venue.accounts[channel_id], maker.lots
        position = held.get(channel_id, account.signed_lots(market))
        if account.orders[key].terms.reduce_only:
            lots = min(lots, max(0, -s * position))
        held[channel_id] = position + s * lots
        left -= lots
    return left <= 0


def next_maker(venue: Venue, turn: Turn, market: int, *, buy: bool, limit: int) -> Resting | None:
    """The order that a taker with this limit meets next; those whose time has passed leave before it."""
    while (maker := next(venue.books[market].walk(buy=buy, limit=limit), None)) is not None:
        if not venue.is_expired(maker.order_id, turn.at_ms):
            return maker
        drop(venue, turn, *split_order_id(maker.order_id), "expired")
    return None


def _reducible(venue: Venue, channel_id: bytes, order: LiveOrder) -> int:
    """The lots that may be matched now: all that are left, or what a reduce-only order can still reduce."""
    if not order.terms.reduce_only:
        return order.left
    held = venue.accounts[channel_id].positions.get(order.terms.market)
    if held is None or (held.position.s > 0) == order.terms.buy:
        return 0
    return min(order.left, held.position.lots)


def _take(venue: Venue, turn: Turn, channel_id: bytes, key: int, lots: int) -> int:
    """Match an arriving order against the book, one maker at a time; what is left of `lots`."""
    terms = venue.accounts[channel_id].orders[key].terms
    while lots:
        maker = next_maker(venue, turn, terms.market, buy=terms.buy, limit=terms.limit_tick)
        if maker is None:
            break
        if maker.owner == owner_of(channel_id):
            drop(venue, turn, channel_id, key, "self_trade")
            return 0
        size = min(lots, maker.lots)
        price, digest = maker.price, venue.accounts[channel_id].orders[key].digest
        carried, met = venue.carriers[channel_id, key], split_order_id(maker.order_id)
        maker_carried = venue.carriers[met]
        match_id, maker_digest = fill_against(venue, turn, maker, size, digest)
        receipt = _fill(venue, turn, channel_id, key, match_id, size, price, maker_digest, taker=True)
        debt = Debt(receipt, terms.market, key, carried, *met, maker_carried)
        venue.debts.setdefault(channel_id, []).append(debt)
        venue.unsigned[terms.market].append((channel_id, debt))
        turn.effects.append(Print(terms.market, match_id, price, size, terms.buy, turn.at_ms))
        lots -= size
    return lots


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
    if key in venue.accounts[channel_id].orders and maker.order_id not in venue.books[order.terms.market]:
        drop(venue, turn, channel_id, key, "nothing_to_reduce")
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
    change = Filled(key, match_id, lots, price, taker, other, txid, turn.at_ms)
    outcome = venue.change(channel_id, change)
    assert outcome is not None
    post(venue, channel_id, outcome)
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
    if key not in account.orders:
        del venue.carriers[channel_id, key]
    reconcile(venue, turn, channel_id, order.terms.market)
    return receipt


def post(venue: Venue, channel_id: bytes, outcome: Outcome) -> None:
    """Write an outcome into the ledger: P between pool and user, bad debt, what lies beyond the cap, the fee."""
    ledger, name = venue.ledger, user(channel_id)
    if outcome.closure is not None:
        closure = outcome.closure
        if closure.profit >= 0:
            ledger.move(POOL, name, closure.payment, "profit")
        else:
            ledger.move(name, POOL, closure.payment, "loss")
        ledger.move(INSURANCE, POOL, min(closure.bad_debt, ledger.balances[INSURANCE]), "bad_debt")
        ledger.move(name, INSURANCE, outcome.beyond, "beyond_cap")
    if outcome.fee >= 0:
        ledger.move(name, FEES if outcome.reason == "fee" else INSURANCE, outcome.fee, outcome.reason)
    else:
        ledger.move(FEES, name, -outcome.fee, "rebate")


def drop(venue: Venue, turn: Turn, channel_id: bytes, key: int, reason: str) -> None:
    """Take a live order out of account, book and triggers."""
    account = venue.accounts[channel_id]
    terms = account.orders[key].terms
    order_id = order_id_of(channel_id, key)
    if order_id in venue.books[terms.market]:
        venue.books[terms.market].cancel(order_id)
    if order_id in venue.triggers[terms.market]:
        venue.triggers[terms.market].remove(order_id)
    change = Dropped(key, reason)
    venue.change(channel_id, change)
    del venue.carriers[channel_id, key]
    turn.note(channel_id, change)


def reconcile(venue: Venue, turn: Turn, channel_id: bytes, market: int) -> None:
    """After a position changed: reduce-only orders that no longer reduce go, larger ones rest no more than it has."""
    account = venue.accounts[channel_id]
    held = account.positions.get(market)
    book = venue.books[market]
    for key, order in list(account.orders.items()):
        if order.terms.market != market or not order.terms.reduce_only:
            continue
        if held is None or (held.position.s > 0) == order.terms.buy:
            drop(venue, turn, channel_id, key, "nothing_to_reduce")
            continue
        resting = book.get(order_id_of(channel_id, key))
        if resting is not None and resting.lots > held.position.lots:
            book.amend(resting.order_id, held.position.lots)


def fire_triggers(venue: Venue, turn: Turn, market: int) -> None:
    """Send the stops and take-profits that the new mark reached to the book, in their order."""
    newest = venue.rounds[market]
    for order_id in venue.triggers[market].fired(newest.mark):
        channel_id, key = split_order_id(order_id)
        account = venue.accounts[channel_id]
        if key not in account.orders:
            continue
        change = Triggered(key, newest.round)
        venue.change(channel_id, change)
        turn.note(channel_id, change)
        terms = account.orders[key].terms
        before = venue.counts.fills
        arrive(venue, turn, channel_id, key)
        if venue.counts.fills > before:
            if terms.trigger_above == terms.buy:
                venue.counts.stop_losses += 1
            else:
                venue.counts.take_profits += 1
