"""Whether orders may be added to an account: what the rules ask of it, before anyone asks the market."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

from fairway.errors import Rejected
from fairway.exchange.account import Account
from fairway.exchange.cross import check_carried, check_mode, is_pot_distressed, leaves_pot_no_worse, needed_of
from fairway.exchange.links import check_links
from fairway.exchange.mandate import MandateTerms
from fairway.exchange.margin_move import check_move
from fairway.exchange.sharing import check_pot_move
from fairway.exchange.terms import CROSS, MarginMove, OrderTerms
from fairway.market.instrument import check_count
from fairway.risk.contract import notional
from fairway.risk.margin import Health, health, is_no_worse, tier_at
from fairway.risk.position import Closure
from fairway.units import MILLION, check_lots

__all__ = ["check_added", "check_orders", "reachable", "reached"]


def check_orders(
    account: Account,
    orders: list[OrderTerms],
    drops: list[int],
    now_ms: int,
    moves: Sequence[MarginMove] = (),
    mandates: Sequence[MandateTerms] = (),
) -> None:
    """Whether orders and mandates may be added, once `drops` are gone, and margins moved; `Rejected` says why not.

    Changes nothing. Margin that is taken out pays for no order of the same half.
    """
    gone = set(drops)
    if len(gone) != len(drops):
        raise Rejected("order.unknown", "an order is dropped twice")
    for key in drops:
        if key not in account.orders:
            raise Rejected("order.unknown", "there is no such live order", key=key)
    if orders:
        check_added(account, orders, gone, now_ms)
    freed = sum(account.orders[key].reserved for key in drops)
    room = account.available + freed - _check_moves(account, moves, orders, gone)
    added: tuple[OrderTerms | MandateTerms, ...] = (*orders, *mandates)
    for next_key, each in enumerate(added, account.next_key):
        if each.channel_id != account.channel_id or each.key != next_key:
            raise Rejected("order.key", "the order's key is not the next of this channel", key=each.key)
        room -= each.reserve
    if (added or moves) and room < 0:
        raise Rejected("order.margin", "the available balance does not cover it", missing=-room)


def check_added(account: Account, orders: list[OrderTerms], gone: set[int], now_ms: int) -> None:
    """Whether the account may have these orders once others are `gone`, whatever they are reserved from."""
    _check_count(account, orders, gone)
    for terms in orders:
        account.rules.check_terms(terms, now_ms)
        _check_reduce_only(account, terms)
        check_mode(account, orders, terms, gone)
        _check_distress(account, terms)
    check_carried(account, orders, gone)
    _check_names(account, orders, gone)
    check_links(orders, account.orders, gone)
    _check_exposure(account, orders, gone)


def _check_moves(
    account: Account, moves: Sequence[MarginMove], orders: Sequence[OrderTerms], gone: Container[int]
) -> int:
    """What all that add margin take from the available balance; `Rejected` where one is not lawful.

    `orders` are lawful. What they and the pot need is asked only where the pot would have less.
    """
    if not moves:
        return 0
    if len({move.market for move in moves}) != len(moves):
        raise Rejected("margin.twice", "one half moves the margin of a position once")
    added = 0
    for move in moves:
        if move.market == CROSS:
            pot = account.pot or account.rules.empty_pot(account.channel_id)
            needed = needed_of(account, orders, gone) if move.margin < pot.margin else 0
            added += max(0, check_pot_move(pot, account.shared(), needed, move))
            continue
        held = account.positions.get(move.market)
        if held is None or held.terms is None:
            raise Rejected("margin.position", "no position has its own margin in this market", market=move.market)
        contract, newest = account.rules.listing(move.market).contract, account.rounds[move.market]
        added += max(0, check_move(contract, held.position, held.terms, newest, move))
    return added


def _check_count(account: Account, orders: list[OrderTerms], drops: set[int]) -> None:
    gone = account.live(drops)
    for market in {terms.market for terms in orders}:
        live = account.tally.without(market, gone).orders
        added = sum(terms.market == market for terms in orders)
        check_count(account.rules.listing(market).instrument, live + added - 1)


def _check_exposure(account: Account, orders: list[OrderTerms], drops: set[int]) -> None:
    """What the account would hold if all its orders of one side filled lies in a bracket that allows the leverage.

    Not each order alone: many small ones would add up to a position that is under its maintenance at once.
    """
    for terms, whole in reached(account, orders, drops):
        contract = account.rules.listing(terms.market).contract
        tier = tier_at(contract, notional(contract, whole, terms.limit_tick))
        if terms.leverage * tier.initial > MILLION:
            raise Rejected("order.leverage", "a position of this size allows less leverage", lots=whole)
        if 0 < (most := account.rules.listing(terms.market).caps.position) < whole:
            raise Rejected("order.position_cap", "one user holds no more in this market", lots=whole, limit=most)


def reached(account: Account, orders: list[OrderTerms], drops: set[int]) -> Iterator[tuple[OrderTerms, int]]:
    """Each order that may open, with the lots that its side may come to with it and those before it."""
    added: dict[tuple[int, bool], int] = {}
    for terms in orders:
        if not terms.reduce_only:
            side = terms.market, terms.buy
            lots = added[side] = added.get(side, 0) + terms.lots
            yield terms, check_lots(lots + reachable(account, side, drops))


def reachable(account: Account, side: tuple[int, bool], drops: set[int]) -> int:
    """The lots of one side of a market that are held, or would be by live orders."""
    market, buy = side
    held = account.positions.get(market)
    standing = account.tally.without(market, account.live(drops))
    live = standing.buying if buy else standing.selling
    return live + (held.position.lots if held is not None and (held.position.s > 0) == buy else 0)


def _check_names(account: Account, orders: list[OrderTerms], drops: set[int]) -> None:
    """No two orders have one name, but that an order may take over the name of one that it replaces."""
    fresh: set[str] = set()
    for name in (terms.client_id for terms in orders if terms.client_id):
        known = account.past.key_of(name)
        if name in fresh or (known is not None and known not in drops):
            raise Rejected("order.client_id", "an order has this name already", key=known or 0)
        fresh.add(name)


def _check_reduce_only(account: Account, terms: OrderTerms) -> None:
    """What waits for its parent may find a position only then."""
    if terms.reduce_only and not terms.parent and not account.reducible(terms, terms.lots):
        raise Rejected("order.reduce_only", "there is no position that this order would reduce")


def _check_distress(account: Account, terms: OrderTerms) -> None:
    """A position in distress is only reduced, and so that even a fill at the limit leaves it no worse.

    What holds at the limit for all lots holds for any part of them at any better price: maintenance is convex. While
    the pot is in distress, nothing is opened in it.
    """
    if not account.is_distressed(terms.market) and not (terms.is_cross and is_pot_distressed(account)):
        return
    lots = account.closing_lots(terms.market, 1 if terms.buy else -1, terms.lots)
    if not terms.reduce_only or lots == 0:
        raise Rejected("order.distress", "what is below its maintenance margin is only reduced")
    judge = leaves_pot_no_worse if terms.is_cross else _leaves_no_worse
    if not judge(account, account.closure(terms.market, lots, terms.limit_tick, "trade"), terms.market):
        raise Rejected("order.distress", "at its limit the order would leave the position worse")


def _leaves_no_worse(account: Account, closure: Closure, market: int) -> bool:
    position, newest = account.positions[market].position, account.rounds[market]
    contract, rest = account.rules.listing(market).contract, closure.rest
    before = health(contract, position, newest.mark, newest.funding)
    after = health(contract, rest, newest.mark, newest.funding) if rest else Health(0, 0)
    return not closure.bad_debt and not (rest and before.equity < 0) and is_no_worse(before, after)
