"""The venue's rules as the founding entry set them, and what they require of an order."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple, Protocol

from fairway.errors import Rejected
from fairway.exchange.codes import condition_codes
from fairway.exchange.listing import Listing
from fairway.exchange.mandate import is_mandated
from fairway.exchange.order_types import check_form
from fairway.exchange.terms import CrossTerms, MarketTerms, OracleRound, OrderTerms, Source
from fairway.market.instrument import check_price, check_size
from fairway.market.order import Prevention
from fairway.risk.contract import Payoff, fee, notional
from fairway.risk.margin import initial_requirement
from fairway.units import check_tick

__all__ = ["EXPIRY_BOUND", "Requirement", "Rules"]

FEE_HEADROOM = 2
"""Fees are reserved at the limit, and a fill better than it may cost more; no fill costs more than its reserve."""

LEVERAGE_BOUND = 1 << 8
ROUND_BOUND = 1 << 64
CALLBACK_LEAST = 1_000
"""A trailing stop keeps at least a thousandth of the price away, and at most the price band."""
CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
PREVENTIONS = len(Prevention)
_SOURCES = frozenset(map(int, Source))
_INVERSE = Payoff.INVERSE
EXPIRY_BOUND = 1 << 64


class Requirement(NamedTuple):
    """What an order may cost its owner: margin for what it opens, and fees."""

    margin: int
    fees: int

    @property
    def reserve(self) -> int:
        """Both together, nano."""
        return self.margin + self.fees


class Founding(Protocol):
    """What `event.Founded` and `wire.Welcome` say of trading."""

    @property
    def network(self) -> int:
        """TON's global ID of the network."""

    @property
    def ratio(self) -> int:
        """Wrapped TON on the service's side for each one of the user's."""

    @property
    def fine(self) -> int:
        """Nano that every account keeps in reserve."""

    @property
    def patience_ms(self) -> int:
        """How long a taker may leave a fill unsigned, and how long after a dispute's start prices are taken."""

    @property
    def stale_ms(self) -> int:
        """How old a round may be that orders and liquidations rest on; 0: any."""

    @property
    def listings(self) -> list[Listing]:
        """The markets."""

    @property
    def oracle_keys(self) -> list[bytes]:
        """Who signs rounds."""

    @property
    def oracle_threshold(self) -> int:
        """How many of them must."""


class Rules:
    """What both sides of every channel know before the first order; `codes` is what its conditionals jump to."""

    __slots__ = ("codes", "fine", "listings", "markets", "network", "ratio", "stale_ms")

    def __init__(self, founding: Founding) -> None:
        self.network = founding.network
        self.ratio = founding.ratio
        self.fine = founding.fine
        self.stale_ms = founding.stale_ms
        self.listings = {listing.market: listing for listing in founding.listings}
        self.markets = sorted(self.listings)
        keys, threshold = founding.oracle_keys, founding.oracle_threshold
        self.codes = condition_codes(founding.network, threshold, founding.patience_ms, keys)

    def listing(self, market: int) -> Listing:
        """The market, or `Rejected` (`market.unknown`)."""
        listing = self.listings.get(market)
        if listing is None:
            raise Rejected("market.unknown", "there is no such market", market=market)
        return listing

    def is_stale(self, newest: OracleRound, at_ms: int) -> bool:
        """Whether `newest` says nothing of the prices at `at_ms`: too old, or as far from the future."""
        return 0 < self.stale_ms < abs(at_ms - newest.at_ms)

    def requirement(
        self, market: int, *, reduce_only: bool, lots: int, limit: int, leverage: int, closes: bool = False
    ) -> Requirement:
        """What an order of `lots` at worst at `limit` with `leverage` must reserve; a cross order (0) its fee alone.

        One that `closes` whatever is held names no size and reserves nothing: its fee is paid by what it frees.
        """
        if closes:
            return Requirement(0, 0)
        contract = self.listing(market).contract
        margin = initial_requirement(contract, lots, limit, leverage) if leverage and not reduce_only else 0
        return Requirement(margin, FEE_HEADROOM * fee(contract, lots, limit, taker=True))

    def requirement_of(self, terms: OrderTerms) -> Requirement:
        """The requirement of an order as signed."""
        return _requirement_of(self, terms)

    def cap(self, margin: int) -> int:
        """What side B owes at most on a position or order with this margin: the room it was funded with."""
        return self.ratio * margin

    def flat(self, channel_id: bytes, market: int) -> MarketTerms:
        """The terms of a market in which nothing is held, and nothing was."""
        contract = self.listing(market).contract
        inverse = contract.payoff is _INVERSE
        return MarketTerms(channel_id, market, inverse, True, 0, contract.unit, 0, 0, 0, self.ratio, 0, 0, 0, 0)

    def empty_pot(self, channel_id: bytes) -> CrossTerms:
        """The terms of a pot into which nothing was put yet."""
        return CrossTerms(channel_id, 0, 0, self.ratio, 0, ())

    def check_terms(self, terms: OrderTerms, now_ms: int) -> None:
        """An order's lawful shape, whoever places it and whatever the market; else `Rejected`."""
        listing = self.listing(terms.market)
        contract = listing.contract
        check_size(listing.instrument, terms.lots)
        check_tick(terms.limit_tick)
        self._check_trigger(terms, listing)
        check_form(terms)
        _check_words(terms)
        if terms.inverse != (contract.payoff is _INVERSE) or terms.unit != contract.unit:
            raise Rejected("order.contract", "the terms name another contract than the market's")
        if terms.fee_ppm != contract.taker_fee:
            raise Rejected("order.fee", "the terms name another fee than the market's", fee_ppm=terms.fee_ppm)
        if not 0 <= terms.leverage <= min(contract.max_leverage, LEVERAGE_BOUND - 1):
            raise Rejected("order.leverage", "the leverage is outside the market's bounds", leverage=terms.leverage)
        if terms.expires_ms and not now_ms < terms.expires_ms < EXPIRY_BOUND:
            raise Rejected("order.expired", "the order has expired", expires_ms=terms.expires_ms)
        _check_notional(terms, listing)
        required = self.requirement_of(terms).reserve
        if terms.reserve != required:
            raise Rejected("order.reserve", "the reserve is not what the rules require", required=required)

    @staticmethod
    def _check_trigger(terms: OrderTerms, listing: Listing) -> None:
        """What waits bounds its fills near where it wakes, and what trails its distance: fees are reserved there."""
        instrument = listing.instrument
        if terms.trigger_tick:
            check_tick(terms.trigger_tick)
            check_price(instrument, terms.limit_tick, terms.trigger_tick, buy=terms.buy)
        if terms.callback_ppm and not CALLBACK_LEAST <= terms.callback_ppm <= instrument.price_band:
            raise Rejected("order.callback", "the distance is out of bounds", callback_ppm=terms.callback_ppm)
        if terms.closes and terms.lots != instrument.max_lots and not is_mandated(terms.key):
            raise Rejected("order.flag", "what closes whatever is held names the market's largest size")


@lru_cache(maxsize=1 << 10)
def _requirement_of(rules: Rules, terms: OrderTerms) -> Requirement:
    """Asked when an order is judged, when it is promised and when it is taken."""
    return rules.requirement(
        terms.market,
        reduce_only=terms.reduce_only,
        lots=terms.lots,
        limit=terms.limit_tick,
        leverage=terms.leverage,
        closes=terms.closes,
    )


def _check_words(terms: OrderTerms) -> None:
    """Every field has a value that there is."""
    if terms.source not in _SOURCES:
        raise Rejected("order.source", "there is no such price", source=terms.source)
    if not 0 <= terms.prevention < PREVENTIONS:
        raise Rejected("order.prevention", "there is no such mode", prevention=terms.prevention)
    if not 0 <= terms.round < ROUND_BOUND:
        raise Rejected("order.round", "a round is 64 bits", round=terms.round)
    if terms.client_id and CLIENT_ID.fullmatch(terms.client_id) is None:
        raise Rejected("order.client_id", "a name is 1 to 36 of A-Z a-z 0-9 . : / _ -")


def _check_notional(terms: OrderTerms, listing: Listing) -> None:
    """An order is worth somebody's while, unless it closes what would be left."""
    if not terms.reduce_only and notional(listing.contract, terms.lots, terms.limit_tick) < listing.min_notional:
        raise Rejected("market.notional", "the order is worth too little", least=listing.min_notional)
