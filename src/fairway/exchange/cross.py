"""Whether the pot carries what an account holds in it and would hold, if all its cross orders filled.

A cross order brings only its fee along. So it is not the order that must be covered but the pot: what is in it and what
its positions have won or lost, at the newest marks, against what they and all orders need at the greatest leverage.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from typing import NamedTuple

from fairway.errors import Rejected
from fairway.exchange.account import Account
from fairway.exchange.sharing import paid
from fairway.exchange.terms import CROSS_MARKETS, OracleRound, OrderTerms
from fairway.risk.contract import Contract, fill_cost
from fairway.risk.margin import Health, health, initial_requirement, is_no_worse, joint, maintenance, unrealised
from fairway.risk.position import Closure, Position
from fairway.units import Lot, Nano

__all__ = [
    "check_carried",
    "check_mode",
    "is_pot_distressed",
    "leaves_pot_no_worse",
    "needed_of",
    "outgrown",
]


class Opening(NamedTuple):
    """Lots that a cross order may still open in its market, at worst at its limit."""

    market: int
    buy: bool
    lots: int
    limit: int


def _health(account: Account) -> Health:
    """Equity and maintenance of all that shares the pot, at the newest marks."""
    margin = account.pot.margin if account.pot is not None else 0
    return joint(margin, [health(contract, at, r.mark, r.funding) for contract, at, r in account.shared()])


def is_pot_distressed(account: Account) -> bool:
    """Whether the pot is below the maintenance of what shares it."""
    return not _health(account).is_enough


def check_mode(account: Account, orders: Sequence[OrderTerms], terms: OrderTerms, gone: Iterable[int]) -> None:
    """Position and orders of one market are cross or isolated, all of them; else `Rejected` (`order.margin_mode`).

    `orders` are those that come with `terms`. Without a pot that the service has acknowledged there is no cross order
    (`order.pot`), nor before the first round of its market (`market.no_price`).
    """
    if terms.is_cross and account.pot is None:
        raise Rejected("order.pot", "cross orders need a pot: put margin into it first", market=terms.market)
    if terms.is_cross and terms.market not in account.rounds:
        raise Rejected("market.no_price", "the oracle has not spoken in this market yet", market=terms.market)
    held = account.positions.get(terms.market)
    beside = {each.is_cross for each in orders if each.market == terms.market}
    if held is not None:
        beside.add(held.is_cross)
    else:
        live = account.tally.without(terms.market, account.live(gone))
        beside |= {True} if live.cross else set()
        beside |= {False} if live.orders > live.cross else set()
    if beside - {terms.is_cross}:
        raise Rejected("order.margin_mode", "what is open in this market is margined otherwise", market=terms.market)


def check_carried(account: Account, orders: Sequence[OrderTerms], gone: Container[int]) -> None:
    """The pot carries what it would hold with `orders`; else `Rejected` (`order.margin`, `order.pot_markets`)."""
    if not any(terms.is_cross and not terms.reduce_only for terms in orders):
        return
    openings = _openings(account, orders, gone)
    markets = {each.market for each in openings} | {r.market for _, _, r in account.shared()}
    if len(markets) > CROSS_MARKETS:
        raise Rejected("order.pot_markets", "a pot holds no more markets than this", limit=CROSS_MARKETS)
    missing = _needed(account, openings, initial_of) - _equity(account)
    if missing > 0:
        raise Rejected("order.margin", "the pot does not carry it", missing=missing)


def needed_of(account: Account, orders: Sequence[OrderTerms], gone: Container[int]) -> int:
    """What the pot must keep for what it holds and what its orders may open."""
    return _needed(account, _openings(account, orders, gone), initial_of)


def outgrown(account: Account) -> bool:
    """Whether the pot would be in distress if its orders filled now: then they go."""
    openings = _openings(account, (), ())
    return bool(openings) and _equity(account) < _needed(account, openings, maintenance_of)


def leaves_pot_no_worse(account: Account, closure: Closure, market: int) -> bool:
    """Whether a pot in distress stands no worse after a close."""
    assert account.pot is not None
    before, newest = _health(account), account.rounds[market]
    contract = account.rules.listing(market).contract
    own = health(contract, account.positions[market].position, newest.mark, newest.funding)
    rest = health(contract, closure.rest, newest.mark, newest.funding) if closure.rest else Health(0, 0)
    moved = paid(account.pot, closure)[0].margin - account.pot.margin - closure.bad_debt
    after = Health(
        before.equity + moved - own.equity + rest.equity, before.maintenance - own.maintenance + rest.maintenance
    )
    return after.equity >= min(0, before.equity) and is_no_worse(before, after)


def initial_of(contract: Contract, lots: int, price: int) -> int:
    """What `lots` need to be opened, at the greatest leverage."""
    return initial_requirement(contract, lots, price, contract.max_leverage)


def maintenance_of(contract: Contract, lots: int, price: int) -> int:
    """What `lots` need to stay."""
    return maintenance(contract, Position(1, Lot(lots), Nano(0), 0, Nano(0)), price)


def _equity(account: Account) -> int:
    """What stands for the pot's positions: what they have won counts as far as side B is good for it."""
    assert account.pot is not None
    won = sum(unrealised(contract, at, r.mark, r.funding) for contract, at, r in account.shared())
    return account.pot.margin + min(won, account.pot.cap)


def _openings(account: Account, orders: Iterable[OrderTerms], gone: Container[int]) -> list[Opening]:
    live = [(each.terms, each.left) for key, each in account.orders.items() if key not in gone]
    both = [*live, *((terms, terms.lots) for terms in orders)]
    return [
        Opening(terms.market, terms.buy, lots, terms.limit_tick)
        for terms, lots in both
        if terms.is_cross and not terms.reduce_only
    ]


def _needed(account: Account, openings: Sequence[Opening], of: Callable[[Contract, int, int], int]) -> int:
    """What all markets of the pot need: each at the larger of what it would hold long and short."""
    held = {r.market: at for _, at, r in account.shared()}
    return sum(
        _needed_in(account, market, held.get(market), [each for each in openings if each.market == market], of)
        for market in sorted(held.keys() | {each.market for each in openings})
    )


def _needed_in(
    account: Account,
    market: int,
    held: Position | None,
    openings: Sequence[Opening],
    of: Callable[[Contract, int, int], int],
) -> int:
    contract, newest = account.rules.listing(market).contract, account.rounds[market]
    have = held.s * held.lots if held is not None else 0
    bought, sold = (sum(each.lots for each in openings if each.buy is buy) for buy in (True, False))
    lots = max(abs(have), have + bought, sold - have)
    prices = {newest.mark, *(each.limit for each in openings)}
    most = max(of(contract, lots, price) for price in prices) if lots else 0
    return most + sum(_lost_at_once(contract, each, newest) for each in openings)


def _lost_at_once(contract: Contract, opening: Opening, newest: OracleRound) -> int:
    """What a fill at the limit would have lost at the mark in the same moment."""
    s = 1 if opening.buy else -1
    cost, base = fill_cost(contract, s, opening.lots, opening.limit), s * newest.funding * opening.lots
    filled = Position(s, Lot(opening.lots), Nano(cost), base, Nano(0))
    return max(0, -unrealised(contract, filled, newest.mark, newest.funding))
