"""One user's account: what his orders, positions and halves are after each change.

The engine and the user's session run this same code, each on its own copy; that they agree is what lets the user check
every half the service signs. Money here is the channel's own view:

    balance   = deposit − withdrawn + earned − due                  (what he would withdraw, were nothing open)
    available = balance − posted − reserved − spared − fine    (what a new order may reserve)

`earned` is what B's half must say it has sent, `due` what A's half must say; both only grow. `posted` is the margin of
positions and of the pot, `reserved` the rest of the reserves of live orders,
`spared` what is left to mandates. A change that breaks the account's own arithmetic raises
`IllegalTransition` in the engine's hands and is evidence in the user's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from msgspec.structs import replace

from fairway.channel.conditional import Conditional
from fairway.channel.conditionals import Conditionals
from fairway.channel.machine import CHAIN_KEY, MARKET_KEYS, Expected
from fairway.errors import IllegalTransition
from fairway.exchange.change import (
    Accepted,
    AnyChange,
    Committed,
    Decremented,
    Dropped,
    Filled,
    Forced,
    Mandated,
    Margined,
    Marked,
    Revoked,
    Swept,
    Triggered,
)
from fairway.exchange.conditions import chain_conditional, cross_conditional, market_conditional, order_conditional
from fairway.exchange.holdings import Held, Holdings
from fairway.exchange.links import Links
from fairway.exchange.live_order import LiveOrder
from fairway.exchange.mandate import Mandate, MandateTerms, is_mandated, mandate_conditional, number_of, slot_of
from fairway.exchange.past import Past
from fairway.exchange.sharing import paid, shared_terms, with_shared
from fairway.exchange.tally import Tally
from fairway.exchange.terms import CROSS, MarginMove, MarketTerms, OrderTerms
from fairway.exchange.untouched import Untouched
from fairway.risk.contract import fee, fill_cost
from fairway.risk.liquidation import liquidation_fee
from fairway.risk.position import Closure, Position, opened
from fairway.settlement.chain import CHAIN_START, chain_next
from fairway.units import NANO_BOUND, share_down

__all__ = ["Account", "Outcome"]


class Outcome(NamedTuple):
    """What a fill or forced close moved: `fee` (negative is a rebate) for `reason`, what it closed and what it opened.

    `cost` and `base` are the fill's own, at its price and funding index; `opened` is what was added to a position.
    `beyond` is what the close won above its cap, which nobody promised.
    """

    fee: int
    reason: str
    cost: int
    base: int
    closure: Closure | None
    opened: Position | None
    beyond: int


@dataclass(slots=True)
class Account(Holdings):
    """The account of the channel `channel_id`; `rounds` is the shared map of the newest oracle round per market."""

    deposit: int = 0
    withdrawn: int = 0
    earned: int = 0
    due: int = 0
    posted: int = 0
    reserved: int = 0
    next_key: int = 1
    head: bytes = CHAIN_START
    orders: dict[int, LiveOrder] = field(default_factory=dict)
    links: Links = field(default_factory=Links)
    tally: Tally = field(default_factory=Tally)
    past: Past = field(default_factory=Past)
    mandates: dict[int, Mandate] = field(default_factory=dict)
    a_conditionals: Conditionals = field(default_factory=Conditionals)
    b_conditionals: Conditionals = field(default_factory=Conditionals)

    def __post_init__(self) -> None:
        """Side B's promises name every market from the beginning, so that each fill has where it is claimed."""
        self.b_conditionals = Untouched(self.rules, self.channel_id).promises()

    @property
    def balance(self) -> int:
        """What the user would withdraw, were nothing open."""
        return self.deposit - self.withdrawn + self.earned - self.due

    @property
    def available(self) -> int:
        """What a new order may reserve."""
        spared = self.spared if self.mandates else 0
        return self.balance - self.posted - self.reserved - spared - self.rules.fine

    @property
    def spared(self) -> int:
        """What mandates may still reserve."""
        return sum(mandate.left for mandate in self.mandates.values())

    @property
    def owed(self) -> int:
        """The most that side B may come to owe on what is open."""
        cap = self.rules.cap
        if self.pot is None:
            return cap(self.posted + self.reserved)
        return cap(self.posted - self.pot.margin + self.reserved) + self.pot.cap

    def owed_more(self, move: MarginMove) -> int:
        """What side B may come to owe beyond that once a margin has moved."""
        if move.market == CROSS:
            return self.moved_pot(move).cap - (self.pot.cap if self.pot is not None else 0)
        return self.rules.cap(move.margin - self.positions[move.market].position.margin)

    def expected(self) -> Expected:
        """What A's half must say when it cites B's half of this moment."""
        return Expected(self.due, self.a_conditionals)

    def promised(self) -> Conditionals:
        """What B's half of this moment promises: with the settlement chain, which says what that half expects."""
        root = self.a_conditionals.root_hash()
        return self.b_conditionals.add(CHAIN_KEY, chain_conditional(self.head, self.due, root, self.rules.codes.chain))

    def mandate_of(self, key: int) -> Mandate | None:
        """The live mandate under which the order `key` was placed."""
        if not is_mandated(key):
            return None
        return next((each for each in self.mandates.values() if each.terms.slot == slot_of(key)), None)

    def implied(
        self, orders: Iterable[OrderTerms | MandateTerms], moves: Iterable[MarginMove]
    ) -> list[tuple[int, Conditional]]:
        """What A's half has beside `orders`: conditionals of markets that are new in it, or whose margin `moves`.

        A mandate needs its market as an order does.
        """
        return self.new_markets(orders) + [(MARKET_KEYS + move.market, self._moved_promise(move)) for move in moves]

    def _moved_promise(self, move: MarginMove) -> Conditional:
        if move.market == CROSS:
            return cross_conditional(self.moved_pot(move), self.rules.codes.cross)[0]
        terms = self.moved(move).terms
        assert terms is not None
        return market_conditional(terms, self.rules.codes.market)[0]

    def new_markets(self, orders: Iterable[OrderTerms | MandateTerms]) -> list[tuple[int, Conditional]]:
        """What A's half gains beside `orders`: the conditionals of markets in which he has none yet.

        Cross orders need the pot's, which is there before them.
        """
        known = self.a_conditionals
        fresh = {terms.market for terms in orders if terms.leverage and MARKET_KEYS + terms.market not in known}
        code = self.rules.codes.market
        return [
            (MARKET_KEYS + market, market_conditional(self.rules.flat(self.channel_id, market), code)[0])
            for market in sorted(fresh)
        ]

    def reducible(self, terms: OrderTerms, lots: int) -> int:
        """Of `lots` of a reduce-only order, what the position has opposite it: clamped, or none if it is strict."""
        most = self.closing_lots(terms.market, 1 if terms.buy else -1, lots)
        return 0 if terms.strict and most < lots else most

    # Changes

    def apply(self, change: AnyChange) -> Outcome | None:  # noqa: C901 - the table of changes
        """Move the account by one change; the outcome of a fill or forced close, else nothing."""
        match change:
            case Accepted():
                self._accept(change)
            case Dropped():
                self._drop(change.key, change.reason)
            case Triggered():
                self._trigger(change.key)
            case Decremented():
                self._decrement(change)
            case Swept():
                pass
            case Filled():
                return self._fill(change)
            case Forced():
                return self._force(change)
            case Margined():
                self._move_margin(change)
            case Marked():
                return self._mark(change)
            case Committed():
                self._commit(change)
            case Mandated():
                self._order_under(change)
            case Revoked():
                del self.mandates[change.mandate]
                self.a_conditionals = self.a_conditionals.drop(change.mandate)
        return None

    def _commit(self, change: Committed) -> None:
        """What both sides signed to be paid out counts from here on."""
        if change.withdraw_a <= self.withdrawn:
            raise IllegalTransition("account.withdrawn", "what was withdrawn only grows", withdraw_a=change.withdraw_a)
        self.withdrawn = change.withdraw_a

    def live(self, keys: Iterable[int]) -> list[LiveOrder]:
        """The live orders among `keys`."""
        return [self.orders[key] for key in keys if key in self.orders]

    def _order(self, key: int) -> LiveOrder:
        order = self.orders.get(key)
        if order is None:
            raise IllegalTransition("account.order", "a change names an order that is not live", key=key)
        return order

    def _accept(self, change: Accepted) -> None:
        for market in change.renewed:
            self._renew(market, change.at_ms)
        implied = self.new_markets((*change.orders, *change.mandates))
        self.a_conditionals = self.a_conditionals.update(implied, ())
        for terms in change.orders:
            self._begin(terms)
            self.next_key = terms.key + 1
        for granted in change.mandates:
            self.mandates[granted.key] = mandate = Mandate(granted, granted.reserve)
            self.next_key = granted.key + 1
            self.a_conditionals = self.a_conditionals.add(
                granted.key, mandate_conditional(mandate, self.rules.codes.order)
            )

    def _begin(self, terms: OrderTerms) -> LiveOrder:
        self.orders[terms.key] = order = LiveOrder(terms, terms.digest(), self.rules.requirement_of(terms))
        self.links.add(terms)
        self.tally.begin(order)
        self.past.begin(order)
        self._arm_by(terms.parent)
        self.reserved += order.reserved
        self._carry_order(order)
        return order

    def _order_under(self, change: Mandated) -> None:
        """An order of a sub-key: what it reserves comes out of the mandate, and its number is used."""
        mandate = self.mandates[change.mandate]
        order, used = self._begin(change.order), mandate.used.using(number_of(change.order.key))
        self._carry_mandate(mandate._replace(left=mandate.left - order.reserved, used=used))

    def _trigger(self, key: int) -> None:
        order = self._order(key)
        if not order.terms.waits or not order.is_asleep or (order.terms.parent and not order.armed):
            raise IllegalTransition("account.trigger", "the order does not wait for a trigger", key=key)
        self.orders[key] = replace(order, triggered=True)

    def _decrement(self, change: Decremented) -> None:
        order = self._order(change.key)
        if not 0 < change.lots <= order.left:
            raise IllegalTransition("account.decrement", "an order loses more than it has", key=change.key)
        self.orders[change.key] = replace(order, lost=order.lost + change.lots)
        self.tally.less(order, change.lots)

    def _arm_by(self, parent: int) -> None:
        """What waits for `parent` wakes if that is filled at all."""
        filled = self.orders.get(parent)
        if filled is not None and filled.lots:
            for key in self.links.children(parent):
                self.orders[key] = replace(self.orders[key], armed=True)

    def _drop(self, key: int, reason: str) -> None:
        order = self._order(key)
        self._end(order, reason)
        self.reserved -= order.reserved
        self.a_conditionals = self.a_conditionals.drop(key)
        self.b_conditionals = self.b_conditionals.drop(key)
        self._give_back(order, order.reserved)

    def _fill(self, change: Filled) -> Outcome:
        order = self._order(change.key)
        terms, bound = order.terms, self._bound
        worse = change.price > terms.limit_tick if terms.buy else change.price < terms.limit_tick
        if worse or not 0 < change.lots <= order.left:
            raise IllegalTransition("account.fill", "a fill beyond the order's limit or size", key=change.key)
        if order.is_asleep:
            raise IllegalTransition("account.fill", "a fill of an order that still waits", key=change.key)
        contract = self.rules.listing(terms.market).contract
        s = 1 if terms.buy else -1
        closing = self.closing_lots(terms.market, s, change.lots)
        closure = self.closure(terms.market, closing, change.price, "trade") if closing else None
        beyond = self._close(terms.market, closure, change.txid, change.at_ms) if closure is not None else 0
        added = self._open(order, s, change.lots - closing, change) if change.lots > closing else None
        charged = self._fee(order, change, closure, beyond)
        self._charge(charged)
        cost = fill_cost(contract, s, change.lots, change.price)
        base = s * self.rounds[terms.market].funding * change.lots
        outcome = Outcome(charged, "fee", cost, base, closure, added, beyond)
        self._progress(order, change.lots, outcome)
        self._give_back(order, bound - self._bound)
        return outcome

    @property
    def _bound(self) -> int:
        """What the user has sent and promised, but to mandates."""
        return self.due + self.posted + self.reserved

    def _fee(self, order: LiveOrder, change: Filled, closure: Closure | None, beyond: int) -> int:
        """The fee of a fill, within what was reserved for it; where it closes what is held, within what it frees."""
        contract = self.rules.listing(order.terms.market).contract
        charged = fee(contract, change.lots, change.price, taker=change.taker)
        if not order.terms.closes:
            return order.fee_for(change.lots, charged)
        if order.terms.is_cross:
            return self._spend(charged)
        return min(charged, closure.available - beyond) if closure is not None else 0

    def _open(self, order: LiveOrder, s: int, lots: int, change: Filled) -> Position:
        """Add `lots` to the position; what they added."""
        market = order.terms.market
        if order.terms.reduce_only:
            raise IllegalTransition("account.reduce_only", "a reduce-only order would open", key=order.terms.key)
        contract, index = self.rules.listing(market).contract, self.rounds[market].funding
        margin = share_down(order.margin_for(change.lots), lots, change.lots)
        added = opened(None, contract, s, lots, change.price, index, margin)
        held = self.positions.get(market)
        after = opened(held.position, contract, s, lots, change.price, index, margin) if held else added
        self.posted += margin
        self._carry_position(market, after, change.at_ms, is_cross=order.terms.is_cross)
        return added

    def _close(self, market: int, closure: Closure, txid: bytes, at_ms: int) -> int:
        """Pay what a close won or lost; what it won above the cap, which side B never promised, here or on chain."""
        is_cross, before = self.positions[market].is_cross, self.pot
        if is_cross and before is not None:
            self.pot, beyond = paid(before, closure)
            self.posted += self.pot.margin - before.margin
        else:
            self.posted -= closure.margin
            beyond = max(0, closure.profit - self.rules.cap(closure.margin))
        if closure.profit >= 0:
            self.earned += closure.payment - beyond
        else:
            self.due += closure.payment
        self._carry_position(market, closure.rest, at_ms, is_cross=is_cross)
        if txid:
            self._link(txid)
        return beyond

    def _mark(self, change: Marked) -> Outcome:
        """Pay what a cross position has won at the mark: it is closed there, and opened again."""
        held = self.positions.get(change.market)
        if held is None or not held.is_cross:
            raise IllegalTransition("account.mark", "only what shares the pot is marked", market=change.market)
        contract, index = self.rules.listing(change.market).contract, self.rounds[change.market].funding
        closure = self.closure(change.market, held.position.lots, change.price, "marked")
        if closure.profit <= 0:
            raise IllegalTransition("account.mark", "what has won nothing is not marked", market=change.market)
        beyond = self._close(change.market, closure, change.txid, change.at_ms)
        again = opened(None, contract, held.position.s, held.position.lots, change.price, index, 0)
        self._carry_position(change.market, again, change.at_ms, is_cross=True)
        return Outcome(0, "fee", 0, 0, closure, again, beyond)

    def _force(self, change: Forced) -> Outcome:
        held = self.positions.get(change.market)
        if held is None or not 0 < change.lots <= held.position.lots:
            raise IllegalTransition("account.force", "a forced close of more than is held", market=change.market)
        closure = self.closure(change.market, change.lots, change.price, change.reason)
        beyond = self._close(change.market, closure, change.txid, change.at_ms)
        contract, s = self.rules.listing(change.market).contract, -held.position.s
        charged = 0
        if change.reason == "liquidation":
            whole = liquidation_fee(contract, change.lots, change.price, NANO_BOUND)
            charged = self._spend(whole) if held.is_cross else min(whole, closure.available - beyond)
        self._charge(charged)
        cost = fill_cost(contract, s, change.lots, change.price)
        base = s * self.rounds[change.market].funding * change.lots
        return Outcome(charged, "liquidation_fee", cost, base, closure, None, beyond)

    def _spend(self, nano: int) -> int:
        """Take a fee out of the pot, as far as it goes; what it was."""
        assert self.pot is not None
        fee = min(nano, self.pot.margin)
        self.pot = replace(self.pot, margin=self.pot.margin - fee)
        self.posted -= fee
        self._carry_pot()
        return fee

    def _charge(self, nano: int) -> None:
        if nano >= 0:
            self.due += nano
        else:
            self.earned -= nano

    # What the halves carry

    def _progress(self, order: LiveOrder, lots: int, outcome: Outcome) -> None:
        key = order.terms.key
        after = replace(
            order,
            lots=order.lots + lots,
            cost=order.cost + outcome.cost,
            fee=order.fee + outcome.fee,
            base=order.base + outcome.base,
        )
        self.reserved += after.reserved - order.reserved
        self.orders[key] = after
        self.tally.less(order, lots)
        if after.left:
            a, b = order_conditional(after, self.rules.cap(after.reserved), self.rules.codes.order)
            self.a_conditionals = self.a_conditionals.replace(key, a)
            self.b_conditionals = self.b_conditionals.replace(key, b)
        self._arm_by(key)
        if not after.left:
            self.reserved -= after.reserved
            self.a_conditionals = self.a_conditionals.drop(key)
            self.b_conditionals = self.b_conditionals.drop(key)
            self._end(after)

    def _end(self, order: LiveOrder, reason: str = "") -> None:
        del self.orders[order.terms.key]
        self.links.remove(order.terms)
        self.tally.end(order)
        self.past.end(order, reason)

    def _carry_order(self, order: LiveOrder) -> None:
        key = order.terms.key
        a, b = order_conditional(order, self.rules.cap(order.reserved), self.rules.codes.order)
        self.a_conditionals = self.a_conditionals.add(key, a)
        self.b_conditionals = self.b_conditionals.add(key, b)

    def _carry_mandate(self, mandate: Mandate) -> None:
        key, promise = mandate.terms.key, mandate_conditional(mandate, self.rules.codes.order)
        self.mandates[key] = mandate
        self.a_conditionals = self.a_conditionals.replace(key, promise)

    def _give_back(self, order: LiveOrder, freed: int) -> None:
        """What an order under a mandate binds no more may be ordered with again.

        But through one mandate no more is at stake at once than its reserve: its live orders, and what is held.
        """
        mandate = self.mandate_of(order.terms.key)
        if mandate is None:
            return
        left = self._left(mandate, freed)
        if left != mandate.left:
            self._carry_mandate(mandate._replace(left=left))

    def _left(self, mandate: Mandate, freed: int, gone: int = 0) -> int:
        """What is left to `mandate` once `freed` is bound no more and the order `gone` has left."""
        held, slot = self.positions.get(mandate.terms.market), mandate.terms.slot
        live = (key for key in self.orders if is_mandated(key) and slot_of(key) == slot and key != gone)
        most = mandate.terms.reserve - sum(self.orders[key].reserved for key in live)
        most -= held.position.margin if held is not None else 0
        return max(mandate.left, min(mandate.left + freed, most))

    def left_without(self, mandate: Mandate, key: int) -> int:
        """What would be left to `mandate` were its order `key`, if it lives, dropped."""
        order = self.orders.get(key)
        return self._left(mandate, order.reserved, key) if order is not None else mandate.left

    def _carry_position(self, market: int, position: Position | None, at_ms: int, *, is_cross: bool) -> None:
        self.positions.pop(market, None)
        if is_cross:
            self._carry_shared(market, position, at_ms)
            return
        terms = self.terms_of(market, position, at_ms)
        if position is not None:
            self.positions[market] = Held(position, terms)
        self._carry_market(terms)

    def _carry_shared(self, market: int, position: Position | None, at_ms: int) -> None:
        if self.pot is None:
            raise IllegalTransition("account.pot", "a cross position without a pot", market=market)
        terms = None
        if position is not None:
            self.positions[market] = Held(position, None)
            terms = shared_terms(market, self.rules.listing(market).contract, position, self.rounds[market])
        self.pot = with_shared(self.pot, market, terms, at_ms)
        self._carry_pot()

    def _move_margin(self, change: Margined) -> None:
        move = MarginMove(change.market, change.margin, change.since_ms)
        if change.market == CROSS:
            before = self.pot.margin if self.pot is not None else 0
            self.pot = self.moved_pot(move)
            self.posted += self.pot.margin - before
            self._carry_pot()
            return
        if change.market not in self.positions:
            raise IllegalTransition("account.margin", "margin of a position that is not held", market=change.market)
        posted = self.positions[change.market].position.margin
        after = self.moved(move)
        assert after.terms is not None
        self.posted += after.position.margin - posted
        self.positions[change.market] = after
        self._carry_market(after.terms)
        if change.txid:
            self._link(change.txid)

    def end(self) -> None:
        """The channel has ended, and nothing is open: what is in the pot is a part of the balance like all of it."""
        if self.pot is not None:
            self.posted -= self.pot.margin
            self.pot = None
            self.a_conditionals = self.a_conditionals.drop(MARKET_KEYS + CROSS)
            self.b_conditionals = self.b_conditionals.drop(MARKET_KEYS + CROSS)

    def _renew(self, market: int, at_ms: int) -> None:
        """From `at_ms` on, no older touch of its liquidation price costs the position, or the pot, its margin."""
        if market == CROSS and self.pot is not None:
            self.pot = replace(self.pot, since_ms=at_ms)
            self._carry_pot()
            return
        held = self.positions[market]
        assert held.terms is not None
        terms = replace(held.terms, since_ms=at_ms)
        self.positions[market] = Held(held.position, terms)
        self._carry_market(terms)

    def _carry_market(self, terms: MarketTerms) -> None:
        self._carry(MARKET_KEYS + terms.market, *market_conditional(terms, self.rules.codes.market))

    def _carry_pot(self) -> None:
        assert self.pot is not None
        key, promise = MARKET_KEYS + CROSS, cross_conditional(self.pot, self.rules.codes.cross)
        if key not in self.a_conditionals:
            self.a_conditionals = self.a_conditionals.add(key, promise[0])
            self.b_conditionals = self.b_conditionals.add(key, promise[1])
        else:
            self._carry(key, *promise)

    def _carry(self, key: int, a: Conditional, b: Conditional) -> None:
        self.a_conditionals = self.a_conditionals.replace(key, a)
        self.b_conditionals = self.b_conditionals.replace(key, b)

    def _link(self, txid: bytes) -> None:
        self.head = chain_next(self.head, txid)
