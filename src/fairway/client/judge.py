"""Whether what the service says happened could have happened, given what the account's owner signed.

`Account.apply` recomputes every amount, limit, size and fee, and the comparison of halves catches whatever differs.
Left to judge is what arithmetic cannot see: that an order is the one its owner signed, that a cancel was his, that a
trigger or a forced close stands on a signed round, that a resting order is charged as a maker. Pure.
"""

from __future__ import annotations

from fairway.crypto import keys
from fairway.errors import InvalidMessage, Rejected
from fairway.exchange.account import Account
from fairway.exchange.alarms import price_of
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
from fairway.exchange.live_order import LiveOrder
from fairway.exchange.mandate import is_mandated, order_digest, revoke_digest
from fairway.exchange.past import STATUSES
from fairway.exchange.permits import check_order_under, mandate_in
from fairway.exchange.pricing import round_of, verify_round
from fairway.exchange.sweeps import sweep_digest
from fairway.exchange.terms import Kind, MarginMove, OracleRound, OrderTerms, Receipt, Source
from fairway.exchange.wire import Propose, Welcome
from fairway.exchange.withdrawal import commit_statement
from fairway.market.instrument import price_bounds
from fairway.market.trigger import Trailing
from fairway.risk.liquidation import partial_lots
from fairway.risk.position import Closure

__all__ = ["Judge"]

RESTING = frozenset({Kind.LIMIT, Kind.POST_ONLY})


class Judge:
    """One push under way: `apply` checks a change and moves `account` by it, or raises `InvalidMessage`.

    `accepting` is the owner's half that this push is the first to cite; in the markets `touched` a round that was shown
    has touched what stands there still. `receipts` collects what the service must have signed for the fills.
    """

    __slots__ = (
        "_accepting",
        "_account",
        "_b_seqno",
        "_begun",
        "_bounds",
        "_cancelled",
        "_fresh",
        "_key_a",
        "_moves",
        "_pot",
        "_swept",
        "_touched",
        "_welcome",
        "_whole",
        "receipts",
    )

    def __init__(
        self,
        account: Account,
        accepting: Propose | None,
        b_seqno: int,
        welcome: Welcome,
        key_a: bytes,
        touched: frozenset[int] = frozenset(),
    ) -> None:
        self._account = account
        self._touched = touched
        self._accepting = accepting
        self._b_seqno = b_seqno
        self._welcome = welcome
        self._key_a = key_a
        self._swept: set[int] = set()
        self._begun: list[OrderTerms] = []
        self._whole: dict[int, int] = {}
        self._cancelled = set(accepting.drops) if accepting else set()
        self._fresh: set[int] = set()
        self._moves = list(accepting.moves) if accepting else []
        self._bounds: dict[int, int | None] = {}
        self._pot: int | None = None  # what was in the pot before the newest mark, until the close that needed it
        self.receipts: list[Receipt] = []

    def apply(self, change: AnyChange) -> None:  # noqa: C901 - the table of changes
        """Check `change` against what was signed, then apply it."""
        match change:
            case Accepted():
                self._accepted(change)
            case Dropped():
                self._dropped(change)
            case Triggered():
                self._triggered(change)
            case Margined():
                self._margined(change)
            case Mandated():
                self._mandated(change)
            case Revoked():
                self._revoked(change)
            case Committed():
                self._committed(change)
            case Filled():
                self._filled(change)
                return
            case Forced():
                self._forced(change)
                return
            case Marked():
                self._marked(change)
                return
            case Swept():
                self._sweep(change)
            case Decremented():
                self._order(change.key)
        self._account.apply(change)

    def close(self) -> None:
        """All was said: the orders accepted with the half, and every cancel in it carried out."""
        if self._accepting and (self._accepting.orders or self._accepting.drops or self._accepting.mandates):
            raise _lie("judge.orders", "a half is cited whose orders were not accepted", seqno=self._accepting.seqno)
        if self._pot is not None:
            raise _lie("judge.marked", "a position was marked for no close")
        if self._moves:
            raise _lie(
                "judge.margin", "a margin was not moved though its half was accepted", market=self._moves[0].market
            )
        if missing := self._cancelled & self._account.orders.keys():
            raise _lie("judge.cancel", "an order stays live though its cancel was accepted", key=min(missing))
        for terms in self._begun:
            if missing := set(self._account.links.siblings(terms)):
                raise _lie("judge.group", "two orders stay of which one was filled or fired", key=min(missing))
        if self._whole:
            raise _lie("judge.whole", "an order that is filled whole or not at all was filled in part")
        for key, order in self._account.orders.items():
            self._check_live(key, order)

    def _check_live(self, key: int, order: LiveOrder) -> None:
        """Whether an order may still be live: what never rests may not, nor what waits for one that has gone."""
        if not order.is_asleep and order.terms.kind not in RESTING:
            raise _lie("judge.rests", "an order rests that never does", key=key)
        if order.terms.parent and not order.armed and order.terms.parent not in self._account.orders:
            raise _lie("judge.orphan", "an order waits for one that left without a fill", key=key)

    def _accepted(self, change: Accepted) -> None:
        proposed, self._accepting = self._accepting, None
        if proposed is None or (change.seqno, change.orders, change.mandates) != (
            proposed.seqno,
            proposed.orders,
            proposed.mandates,
        ):
            raise _lie("judge.orders", "orders were accepted that were not proposed", seqno=change.seqno)
        standing = [self._account.since(market) for market in change.renewed]
        if not all(since is not None and since <= change.at_ms for since in standing):
            raise _lie("judge.renewed", "a position was renewed that is not held, or into its past", seqno=change.seqno)
        for market in self._touched:
            if market not in change.renewed or change.at_ms <= self._account.rounds[market].at_ms:
                raise _lie("judge.renewed", "a touch that is past is kept against a position", market=market)
        self._fresh.update(terms.key for terms in change.orders)

    def _dropped(self, change: Dropped) -> None:
        order = self._order(change.key)
        terms = order.terms
        is_true = {
            "cancelled": change.key in self._cancelled,
            "amended": change.key in self._cancelled or is_mandated(change.key),
            "mandate": is_mandated(change.key),
            "swept": terms.market in self._swept,
            "expired": terms.expires_ms != 0,
            "sibling": any(terms.group and begun.group == terms.group for begun in self._begun),
            "unarmed": terms.parent != 0 and not order.armed,
            "nothing_to_reduce": terms.reduce_only,
            "would_take": terms.kind == Kind.POST_ONLY,
        }
        if change.reason not in STATUSES or not is_true.get(change.reason, True):
            raise _lie("judge.cancel", "an order went for a reason that cannot be", key=change.key)

    def _mandated(self, change: Mandated) -> None:
        """An order of a sub-key is signed by it, and within what its owner has signed."""
        if change.instead_of in self._account.orders:
            raise _lie("judge.cancel", "an order stays live that another came instead of", key=change.instead_of)
        try:
            check_order_under(self._account, change.mandate, change.order, change.at_ms, change.instead_of)
        except Rejected as refusal:
            raise _lie("judge.mandate", f"a sub-key's order was taken: {refusal.message}", key=change.mandate) from None
        given = mandate_in(self._account, change.mandate).terms
        self._check_word(given.sub_key, order_digest(change.mandate, change.order), change.signature)
        self._fresh.add(change.order.key)

    def _revoked(self, change: Revoked) -> None:
        if change.mandate not in self._account.mandates:
            raise _lie("judge.mandate", "a mandate was taken back that there is not", key=change.mandate)
        digest = revoke_digest(self._account.channel_id, change.mandate)
        self._check_word(self._key_a, digest, change.signature)

    def _committed(self, change: Committed) -> None:
        """A withdrawal is the owner's own word, and none counts twice."""
        if change.withdraw_a <= self._account.withdrawn:
            raise _lie("judge.withdrawn", "a withdrawal is counted again", withdraw_a=change.withdraw_a)
        digest = commit_statement(change, self._account.channel_id).digest()
        self._check_word(self._key_a, digest, change.signature)

    @staticmethod
    def _check_word(key: bytes, digest: bytes, signature: bytes) -> None:
        """Whose word the service says that it has, it has: a half under its own signature says so."""
        try:
            keys.verify(key, digest, signature)
        except InvalidMessage:
            raise _lie("judge.word", "the service acts on a word that was not given") from None

    def _sweep(self, change: Swept) -> None:
        words = self._welcome.network, self._account.channel_id, change.nonce, change.market, change.after_ms
        keys.verify(self._key_a, sweep_digest(*words), change.signature)
        self._swept |= {change.market} if change.market else set(self._account.rules.listings)

    def _margined(self, change: Margined) -> None:
        """The move is the next of those in the half that is cited, and what it takes out is settled."""
        wanted = self._moves.pop(0) if self._moves and self._accepting is None else None
        if wanted is None or wanted != MarginMove(change.market, change.margin, change.since_ms):
            raise _lie("judge.margin", "a margin was moved otherwise than its owner signed", market=change.market)
        held = self._account.positions.get(change.market)
        self._check_link(change.txid, closing=held is not None and change.margin < held.position.margin)

    def _triggered(self, change: Triggered) -> None:
        terms = self._order(change.key).terms
        newest = self._round(terms.market, change.round)
        price = self._watched(terms, newest, change)
        threshold = self._threshold(terms, change)
        if price < threshold if terms.trigger_above else price > threshold:
            raise _lie("judge.trigger", "the price did not reach the trigger", key=change.key)
        self._fresh.add(change.key)
        self._begin(terms)

    def _watched(self, terms: OrderTerms, newest: OracleRound, change: Triggered) -> int:
        """The price that woke an order: signed, or a trade's that lies within the band of what is signed."""
        if terms.source != Source.LAST:
            return newest.index if terms.source == Source.INDEX else newest.mark
        lowest, highest = price_bounds(self._account.rules.listing(terms.market).instrument, newest.mark)
        if not lowest <= change.price <= highest:
            raise _lie("judge.trigger", "a trade beyond the price band wakes nobody", key=change.key)
        return change.price

    def _threshold(self, terms: OrderTerms, change: Triggered) -> int:
        """Where the order wakes; for one that trails it follows from a signed round since it was placed."""
        if not terms.callback_ppm:
            return terms.trigger_tick
        peak = change.peak
        if peak is None or peak.market != terms.market or not terms.round <= peak.round < change.round:
            raise _lie("judge.peak", "a trailing stop fired without the round that it came back from", key=change.key)
        welcome, signed = self._welcome, round_of(self._welcome.network, peak)
        verify_round(welcome.oracle_keys, welcome.oracle_threshold, signed, peak.signatures)
        extreme = price_of(peak, terms.source)
        if terms.trigger_tick and (
            extreme > terms.trigger_tick if terms.trigger_above else extreme < terms.trigger_tick
        ):
            raise _lie("judge.peak", "a trailing stop fired that had not begun", key=change.key)
        return Trailing(change.key, terms.trigger_above, terms.callback_ppm, extreme).threshold()

    def _begin(self, terms: OrderTerms) -> None:
        """An order was filled or fired: of its group nobody else may be."""
        if terms.group:
            if any(begun.group == terms.group and begun.key != terms.key for begun in self._begun):
                raise _lie("judge.group", "two orders were filled or fired of which one was to be", key=terms.key)
            self._begun.append(terms)

    def _filled(self, change: Filled) -> None:
        order = self._order(change.key)
        terms = order.terms
        self._round(terms.market)
        if terms.expires_ms and change.at_ms >= terms.expires_ms:
            raise _lie("judge.expired", "an order was filled after it expired", key=change.key)
        if change.taker:
            self._check_taker(order)
        self._begin(terms)
        if terms.kind == Kind.FOK:
            self._count_whole(order, change)
        asleep = [key for key in self._account.links.children(change.key) if not self._account.orders[key].armed]
        outcome = self._account.apply(change)
        assert outcome is not None
        self._check_marked_for(outcome.closure if terms.is_cross else None)
        self._fresh.update(asleep)
        self._check_link(change.txid, closing=outcome.closure is not None)
        self.receipts.append(
            Receipt(
                self._account.channel_id,
                order.digest,
                change.match_id,
                change.other,
                order.lots + change.lots,
                order.cost + outcome.cost,
                order.fee + outcome.fee,
                order.base + outcome.base,
                self._b_seqno,
                change.at_ms,
                change.price,
            )
        )

    def _count_whole(self, order: LiveOrder, change: Filled) -> None:
        """Of an order that fills whole or not at all, what is still to come in this push."""
        terms = order.terms
        whole = self._account.reducible(terms, order.left) if terms.reduce_only else order.left
        left = self._whole.pop(change.key, whole) - change.lots
        if left:
            self._whole[change.key] = left

    def _forced(self, change: Forced) -> None:
        if change.market not in self._account.positions:
            raise _lie("judge.forced", "a position was closed that is not held", market=change.market)
        self._round(change.market, change.round)
        if change.market not in self._bounds:
            self._bounds[change.market] = self._forced_bound(change)
        position = self._account.positions[change.market].position
        bounds = self._bounds[change.market], self._forced_bound(change)
        if all(bound is not None and (change.price - bound) * position.s < 0 for bound in bounds):
            raise _lie("judge.bankruptcy", "a forced close beyond the bankruptcy price", price=change.price)
        if change.reason == "liquidation":
            self._check_step(change)
        is_cross, outcome = self._account.is_cross(change.market), self._account.apply(change)
        assert outcome is not None
        self._check_marked_for(outcome.closure if is_cross else None)
        self._check_link(change.txid, closing=True)

    def _marked(self, change: Marked) -> None:
        """What is paid into the pot is what was won by a signed round, at its mark."""
        newest = self._round(change.market, change.round)
        if change.price != newest.mark:
            raise _lie("judge.marked", "a position was marked at another price than the mark", price=change.price)
        self._pot = self._account.pot.margin if self._account.pot is not None else 0
        self._account.apply(change)
        self._check_link(change.txid, closing=True)

    def _check_marked_for(self, closure: Closure | None) -> None:
        """What was marked before a close was needed for it: without the last mark the pot could not have paid.

        A win beyond the cap is lost where it is marked, so nobody marks for nothing.
        """
        before, self._pot = self._pot, None
        if before is not None and (closure is None or -closure.profit <= before):
            raise _lie("judge.marked", "a position was marked though the pot could pay", margin=before)

    def _check_step(self, change: Forced) -> None:
        """A liquidation has its reason, and closes no more lots than leave the rest enough."""
        market, account = change.market, self._account
        if not account.is_distressed(market):
            raise _lie("judge.liquidation", "the signed round does not justify a liquidation", market=market)
        newest, position = account.rounds[market], account.standing(market)
        rests_on = [each for _, _, each in account.shared()] if account.is_cross(market) else [newest]
        if any(account.rules.is_stale(each, change.at_ms) for each in rests_on):
            raise _lie("judge.stale", "a liquidation stands on a round that was too old", round=newest.round)
        most = partial_lots(account.rules.listing(market).contract, position, newest.mark, newest.funding)
        if change.lots > most:
            raise _lie("judge.step", "a liquidation closed more than it had to", lots=change.lots, most=most)

    def _forced_bound(self, change: Forced) -> int | None:
        """The worst price at which the position may be closed now; another is taken before the first of a push.

        A step leaves the rest more margin for each lot, and rounding may take a tick from it again.
        """
        return self._account.bankruptcy_at(change.market)

    def _check_taker(self, order: LiveOrder) -> None:
        """An order takes only when it arrives: in the push that accepts or triggers it."""
        if order.terms.key not in self._fresh or order.terms.kind == Kind.POST_ONLY:
            raise _lie("judge.taker", "a resting order was charged as a taker", key=order.terms.key)

    def _order(self, key: int) -> LiveOrder:
        order = self._account.orders.get(key)
        if order is None:
            raise _lie("judge.unknown_order", "a change names an order that is not live", key=key)
        return order

    def _round(self, market: int, number: int | None = None) -> OracleRound:
        """The newest signed round of `market`, which must be `number` where one is named."""
        newest = self._account.rounds.get(market)
        if newest is None or number not in {None, newest.round}:
            raise _lie("judge.round", "a change stands on a round that was not shown", market=market)
        return newest

    @staticmethod
    def _check_link(txid: bytes, *, closing: bool) -> None:
        if len(txid) != (32 if closing else 0):
            raise _lie("judge.txid", "a settlement is named exactly where a position was closed", txid=txid)


def _lie(code: str, message: str, **facts: int | bytes) -> InvalidMessage:
    return InvalidMessage(code, message, **facts)
