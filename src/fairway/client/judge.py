"""Whether what the service says happened could have happened, given what the account's owner signed.

`Account.apply` recomputes every amount, limit, size and fee, and the comparison of halves catches whatever differs.
Left to judge is what arithmetic cannot see: that an order is the one its owner signed, that a cancel was his, that a
trigger or a forced close stands on a signed round, that a resting order is charged as a maker. Pure.
"""

from __future__ import annotations

from fairway.errors import InvalidMessage
from fairway.exchange.account import Account
from fairway.exchange.change import Accepted, AnyChange, Dropped, Filled, Forced, Margined, Triggered
from fairway.exchange.live_order import LiveOrder
from fairway.exchange.terms import Kind, MarginMove, OracleRound, Receipt
from fairway.exchange.wire import Propose
from fairway.risk.liquidation import bankruptcy_price, partial_lots

__all__ = ["Judge"]


class Judge:
    """One push under way: `apply` checks a change and moves `account` by it, or raises `InvalidMessage`.

    `accepting` is the owner's half that this push is the first to cite; `receipts` collects what the service must have
    signed for the fills.
    """

    __slots__ = ("_accepting", "_account", "_b_seqno", "_bounds", "_cancelled", "_fresh", "_moves", "receipts")

    def __init__(self, account: Account, accepting: Propose | None, b_seqno: int) -> None:
        self._account = account
        self._accepting = accepting
        self._b_seqno = b_seqno
        self._cancelled = set(accepting.drops) if accepting else set()
        self._fresh: set[int] = set()
        self._moves = list(accepting.moves) if accepting else []
        self._bounds: dict[int, int | None] = {}
        self.receipts: list[Receipt] = []

    def apply(self, change: AnyChange) -> None:
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
            case Filled():
                self._filled(change)
                return
            case Forced():
                self._forced(change)
                return
        self._account.apply(change)

    def close(self) -> None:
        """All was said: the orders accepted with the half, and every cancel in it carried out."""
        if self._accepting and (self._accepting.orders or self._accepting.drops):
            raise _lie("judge.orders", "a half is cited whose orders were not accepted", seqno=self._accepting.seqno)
        if self._moves:
            raise _lie(
                "judge.margin", "a margin was not moved though its half was accepted", market=self._moves[0].market
            )
        if missing := self._cancelled & self._account.orders.keys():
            raise _lie("judge.cancel", "an order stays live though its cancel was accepted", key=min(missing))

    def _accepted(self, change: Accepted) -> None:
        proposed, self._accepting = self._accepting, None
        if proposed is None or change.seqno != proposed.seqno or change.orders != proposed.orders:
            raise _lie("judge.orders", "orders were accepted that were not proposed", seqno=change.seqno)
        held = self._account.positions
        if not all(market in held and held[market].terms.since_ms <= change.at_ms for market in change.renewed):
            raise _lie("judge.renewed", "a position was renewed that is not held, or into its past", seqno=change.seqno)
        self._fresh.update(terms.key for terms in change.orders)

    def _dropped(self, change: Dropped) -> None:
        if change.reason == "cancelled" and change.key not in self._cancelled:
            raise _lie("judge.cancel", "an order was cancelled that its owner did not cancel", key=change.key)

    def _margined(self, change: Margined) -> None:
        """The move is the next of those in the half that is cited, and what it takes out is settled."""
        wanted = self._moves.pop(0) if self._moves and self._accepting is None else None
        if wanted is None or wanted != MarginMove(change.market, change.margin, change.since_ms):
            raise _lie("judge.margin", "a margin was moved otherwise than its owner signed", market=change.market)
        less = change.margin < self._account.positions[change.market].position.margin
        self._check_link(change.txid, closing=less)

    def _triggered(self, change: Triggered) -> None:
        terms = self._order(change.key).terms
        newest = self._round(terms.market, change.round)
        crossed = newest.mark >= terms.trigger_tick if terms.trigger_above else newest.mark <= terms.trigger_tick
        if not crossed:
            raise _lie("judge.trigger", "the signed round did not reach the trigger", key=change.key)
        self._fresh.add(change.key)

    def _filled(self, change: Filled) -> None:
        order = self._order(change.key)
        terms = order.terms
        self._round(terms.market)
        if terms.expires_ms and change.at_ms >= terms.expires_ms:
            raise _lie("judge.expired", "an order was filled after it expired", key=change.key)
        if change.taker:
            self._check_taker(order)
        outcome = self._account.apply(change)
        assert outcome is not None
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
        self._account.apply(change)
        self._check_link(change.txid, closing=True)

    def _check_step(self, change: Forced) -> None:
        """A liquidation has its reason, and closes no more lots than leave the rest enough."""
        market, account = change.market, self._account
        if not account.is_distressed(market):
            raise _lie("judge.liquidation", "the signed round does not justify a liquidation", market=market)
        newest, position = account.rounds[market], account.positions[market].position
        if account.rules.is_stale(newest, change.at_ms):
            raise _lie("judge.stale", "a liquidation stands on a round that was too old", round=newest.round)
        most = partial_lots(account.rules.listing(market).contract, position, newest.mark, newest.funding)
        if change.lots > most:
            raise _lie("judge.step", "a liquidation closed more than it had to", lots=change.lots, most=most)

    def _forced_bound(self, change: Forced) -> int | None:
        """The worst price at which the position may be closed now; another is taken before the first of a push.

        A step leaves the rest more margin for each lot, and rounding may take a tick from it again.
        """
        market = change.market
        contract = self._account.rules.listing(market).contract
        held, newest = self._account.positions[market], self._account.rounds[market]
        return bankruptcy_price(contract, held.position, newest.funding)

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
