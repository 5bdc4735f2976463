"""What a user wants, before it is an order: the terms follow from the wish and the venue's rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fairway.errors import Rejected
from fairway.exchange.account import Account
from fairway.exchange.live_order import LiveOrder
from fairway.exchange.mandate import SLOTS, MandateTerms
from fairway.exchange.order_types import OrderType, TimeInForce, form_of
from fairway.exchange.rules import Rules
from fairway.exchange.terms import Kind, OracleRound, OrderTerms, Source
from fairway.market.order import Prevention
from fairway.risk.contract import Payoff

__all__ = ["Permit", "Wish", "amended"]

PREVENTIONS = tuple(Prevention)


@dataclass(frozen=True, slots=True)
class Wish:
    """An order wished for. Sizes in lots, prices in ticks; `expires_ms` 0 is never.

    With `trigger_tick` or `callback_ppm` it waits for a price; `exchange.order_types` says what traders call it.
    In a list of wishes `after` is how many places before it the order stands whose fill it waits for, and `group` how
    many the first of those of which only one is to fill (0: itself); `group_key` names such a group that is live.
    """

    market: int
    buy: bool
    lots: int
    limit_tick: int
    kind: Kind = Kind.LIMIT
    leverage: int = 1
    reduce_only: bool = False
    trigger_tick: int = 0
    trigger_above: bool = False
    expires_ms: int = 0
    source: Source = Source.MARK
    callback_ppm: int = 0
    prevention: Prevention = Prevention.EXPIRE_TAKER
    strict: bool = False
    closes: bool = False
    client_id: str = ""
    after: int = 0
    group: int | None = None
    group_key: int = 0

    def called(self, name: OrderType, force: TimeInForce) -> Wish:
        """The same as an order that traders call so. Errors: `Rejected` (`order.force`) where there is none."""
        kind, waits = form_of(name, force)
        return replace(self, kind=kind, trigger_above=waits != "" and self.buy == (waits != "profit"))

    def terms(self, rules: Rules, channel_id: bytes, key: int, newest: OracleRound | None = None) -> OrderTerms:
        """The order under `key` of the channel, reserving what is required; only rounds after `newest` fire it."""
        contract = rules.listing(self.market).contract
        requirement = rules.requirement(
            self.market,
            reduce_only=self.reduce_only,
            lots=self.lots,
            limit=self.limit_tick,
            leverage=self.leverage,
            closes=self.closes,
        )
        return OrderTerms(
            channel_id,
            key,
            self.market,
            contract.payoff is Payoff.INVERSE,
            self.buy,
            self.reduce_only,
            self.kind,
            self.lots,
            self.limit_tick,
            self.trigger_tick,
            self.trigger_above,
            contract.unit,
            requirement.reserve,
            contract.taker_fee,
            self.expires_ms,
            self.leverage,
            newest.round if newest is not None and (self.trigger_tick or self.callback_ppm) else 0,
            self.group_key if self.group is None else key - self.group,
            key - self.after if self.after else 0,
            self.source,
            self.callback_ppm,
            PREVENTIONS.index(self.prevention),
            self.strict,
            self.closes,
            self.client_id,
        )


@dataclass(frozen=True, slots=True)
class Permit:
    """A mandate wished for: what the holder of `sub_key` may order in `market`, until `expires_ms`.

    `reserve` nano is the most that it may cost; no order and no position has more than `max_lots`.
    """

    sub_key: bytes
    market: int
    reserve: int
    max_lots: int
    leverage: int
    expires_ms: int

    def terms(self, account: Account, key: int, beside: Sequence[MandateTerms] = ()) -> MandateTerms:
        """The mandate under `key`, in the first free slot. Errors: `Rejected` (`mandate.slot`)."""
        taken = {mandate.terms.slot for mandate in account.mandates.values()} | {terms.slot for terms in beside}
        slot = next((slot for slot in range(SLOTS) if slot not in taken), None)
        if slot is None:
            raise Rejected("mandate.slot", "there are as many mandates as there may be", most=SLOTS)
        return MandateTerms(
            account.channel_id,
            key,
            slot,
            self.sub_key,
            self.market,
            self.reserve,
            self.max_lots,
            account.rules.listing(self.market).contract.taker_fee,
            self.leverage,
            self.expires_ms,
        )


def amended(order: LiveOrder, lots: int, limit_tick: int | None, trigger_tick: int | None) -> Wish:
    """What is left of a live order, with other words. Errors: `Rejected` (`order.parent`) while it waits for another.

    It stays in its group; what was fired already waits for nothing more.
    """
    terms = order.terms
    if terms.parent and not order.armed:
        raise Rejected("order.parent", "an order that waits for another is cancelled, not amended", key=terms.key)
    wish = Wish(
        terms.market,
        terms.buy,
        lots,
        terms.limit_tick if limit_tick is None else limit_tick,
        Kind(terms.kind),
        terms.leverage,
        terms.reduce_only,
        terms.trigger_tick if trigger_tick is None else trigger_tick,
        terms.trigger_above,
        terms.expires_ms,
        Source(terms.source),
        terms.callback_ppm,
        PREVENTIONS[terms.prevention],
        terms.strict,
        terms.closes,
        terms.client_id,
        group_key=terms.group,
    )
    if not order.triggered:
        return wish
    return replace(wish, trigger_tick=0, trigger_above=False, callback_ppm=0, source=Source.MARK, closes=False)
