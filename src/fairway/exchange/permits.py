"""Whether a mandate may be granted and an order placed under it: the service asks, and of every push the user."""

from __future__ import annotations

from collections.abc import Iterable

from fairway.channel.conditional import Conditional
from fairway.crypto.keys import check_public_key
from fairway.errors import InvalidMessage, Rejected
from fairway.exchange.account import Account
from fairway.exchange.conditions import order_conditional
from fairway.exchange.lawful import check_added, reachable
from fairway.exchange.live_order import LiveOrder
from fairway.exchange.mandate import SLOTS, Mandate, MandateTerms, is_mandated, mandate_conditional, number_of, slot_of
from fairway.exchange.rules import EXPIRY_BOUND, Rules
from fairway.exchange.terms import OrderTerms
from fairway.market.instrument import check_size

__all__ = ["check_granted", "check_order_under", "mandate_in", "promises"]


def mandate_in(account: Account, key: int) -> Mandate:
    """The live mandate under `key`, or `Rejected` (`mandate.unknown`)."""
    mandate = account.mandates.get(key)
    if mandate is None:
        raise Rejected("mandate.unknown", "there is no such mandate", key=key)
    return mandate


def promises(
    rules: Rules, orders: Iterable[OrderTerms], mandates: Iterable[MandateTerms]
) -> list[tuple[int, Conditional]]:
    """What the user's half gains by these: each as a conditional under its key."""
    live = [LiveOrder(terms, terms.digest(), rules.requirement_of(terms)) for terms in orders]
    placed = [(order.terms.key, order_conditional(order, 0, rules.codes.order)[0]) for order in live]
    granted = [Mandate(terms, terms.reserve) for terms in mandates]
    return placed + [(each.terms.key, mandate_conditional(each, rules.codes.order)) for each in granted]


def check_granted(account: Account, mandates: Iterable[MandateTerms], now_ms: int) -> None:
    """The mandates' lawful shape, beside what they reserve; else `Rejected`."""
    slots = {mandate.terms.slot for mandate in account.mandates.values()}
    for terms in mandates:
        listing = account.rules.listing(terms.market)
        _check_key(terms.sub_key)
        check_size(listing.instrument, terms.max_lots)
        if terms.slot in slots or not 0 <= terms.slot < SLOTS:
            raise Rejected("mandate.slot", "another mandate has this slot, or there is none such", slot=terms.slot)
        if terms.reserve <= 0 or terms.fee_ppm < listing.contract.taker_fee or terms.leverage < 1:
            raise Rejected("mandate.empty", "nothing could be ordered under this mandate", reserve=terms.reserve)
        if not now_ms < terms.expires_ms < EXPIRY_BOUND:
            raise Rejected("mandate.expired", "a mandate is for a time to come", expires_ms=terms.expires_ms)
        slots.add(terms.slot)


def _check_key(sub_key: bytes) -> None:
    try:
        check_public_key(sub_key)
    except InvalidMessage as error:
        raise Rejected("mandate.sub_key", f"the sub-key will not do: {error.message}") from None


def check_order_under(account: Account, key: int, order: OrderTerms, now_ms: int, instead_of: int = 0) -> None:
    """Whether the mandate under `key` and the rules allow `order` now; `Rejected` says why not. Changes nothing.

    It may come in the stead of another order of the mandate, live or just dropped.
    """
    mandate = mandate_in(account, key)
    given, gone = mandate.terms, {instead_of} if instead_of else set[int]()
    if order.channel_id != given.channel_id or not is_mandated(order.key) or slot_of(order.key) != given.slot:
        raise Rejected("mandate.key", "the order's key is none of this mandate's", key=order.key)
    if mandate.used.has(number_of(order.key)):
        raise Rejected("mandate.used", "the order's number was used, or is too far behind", newest=mandate.used.newest)
    if order.market != given.market:
        raise Rejected("mandate.market", "the mandate is for another market", market=given.market)
    if not now_ms < order.expires_ms <= given.expires_ms:
        raise Rejected("mandate.expired", "an order ends no later than its mandate", expires_ms=given.expires_ms)
    if not 1 <= order.leverage <= given.leverage or order.fee_ppm > given.fee_ppm:
        raise Rejected("mandate.leverage", "the mandate allows less leverage, or less fees", leverage=given.leverage)
    reached = 0 if order.reduce_only else reachable(account, (order.market, order.buy), gone)
    if order.lots + reached > given.max_lots:
        raise Rejected("mandate.lots", "the mandate allows no position of this size", max_lots=given.max_lots)
    if order.closes and order.lots != given.max_lots:
        raise Rejected("order.flag", "what closes whatever is held names the mandate's largest size")
    if order.group or order.parent:
        raise Rejected("mandate.linked", "orders of a sub-key stand each by itself", key=order.key)
    check_added(account, [order], gone, now_ms)
    if order.reserve > account.left_without(mandate, instead_of):
        raise Rejected("mandate.reserve", "the mandate does not cover the order", left=mandate.left)
