"""An order as bots ask for it, by the names that exchange clients know, and the terms that a sub-key signs for it.

A bot and the service make the same terms of the same words, so that only the words and a signature travel.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from fairway.errors import InvalidMessage, Rejected
from fairway.exchange.listing import Listing
from fairway.exchange.mandate import order_key
from fairway.exchange.order_types import OrderType, TimeInForce, form_of
from fairway.exchange.rules import Rules
from fairway.exchange.terms import OrderTerms, Source
from fairway.market.instrument import check_size
from fairway.market.order import Prevention
from fairway.risk.contract import Payoff
from fairway.units import check_tick

__all__ = ["Asked", "listing_of"]

SOURCES = {"MARK_PRICE": Source.MARK, "INDEX_PRICE": Source.INDEX, "CONTRACT_PRICE": Source.LAST}
PREVENTIONS = tuple(Prevention)
SIDES = {"BUY": True, "SELL": False}


def listing_of(rules: Rules, symbol: str) -> Listing:
    """The market called `symbol`, or `Rejected` (`market.unknown`)."""
    for listing in rules.listings.values():
        if listing.instrument.symbol == symbol:
            return listing
    raise Rejected("market.unknown", "there is no such market", symbol=symbol[:32])


class Asked(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """One order: `quantity` in lots, `price` and `stop_price` in ticks, `good_till_date` in milliseconds.

    Every order has a `price`: of one that takes what the market gives it is the worst that it takes. `mandate` is the
    key of the mandate, `slot` its slot, `number` the order's number under it; `signature` is the sub-key's, in
    hexadecimal, of the order under the mandate (`mandate.order_digest`). `callback_ppm` makes a trailing stop, whose
    `stop_price` is where it begins; `round` is the newest round that the bot knows, where the order waits for a price.
    With `close_position` it takes whatever is held when it fires; its `quantity` is the mandate's `max_lots`.
    """

    symbol: str
    side: str
    type: str
    quantity: str
    price: str
    mandate: int
    slot: int
    number: int
    good_till_date: int
    time_in_force: str = "GTD"
    leverage: int = 1
    reduce_only: bool = False
    close_position: bool = False
    stop_price: str = "0"
    working_type: str = "MARK_PRICE"
    callback_ppm: int = 0
    round: int = 0
    self_trade_prevention_mode: str = Prevention.EXPIRE_TAKER.value
    new_client_order_id: str = ""
    signature: str = ""

    def terms(self, rules: Rules, channel_id: bytes) -> OrderTerms:
        """What is signed. Errors: `InvalidMessage` (`order.words`), `Rejected` (`market.unknown`, `order.force`)."""
        listing = listing_of(rules, self.symbol)
        try:
            buy, source = SIDES[self.side], SOURCES[self.working_type]
            name, force = OrderType(self.type), TimeInForce(self.time_in_force)
            prevention = PREVENTIONS.index(Prevention(self.self_trade_prevention_mode))
            lots, limit, trigger = int(self.quantity), int(self.price), int(self.stop_price)
        except (KeyError, ValueError) as error:
            raise InvalidMessage("order.words", f"there is no such order: {error}") from None
        kind, waits = form_of(name, force)
        contract = listing.contract
        check_size(listing.instrument, lots)
        check_tick(limit)
        if not 1 <= self.leverage <= contract.max_leverage:
            raise Rejected("order.leverage", "the leverage is outside the market's bounds", leverage=self.leverage)
        drafted = OrderTerms(
            channel_id=channel_id,
            key=order_key(self.slot, self.number),
            market=listing.market,
            inverse=contract.payoff is Payoff.INVERSE,
            buy=buy,
            reduce_only=self.reduce_only or self.close_position,
            closes=self.close_position,
            kind=kind,
            lots=lots,
            limit_tick=limit,
            trigger_tick=trigger,
            trigger_above=waits != "" and buy == (waits != "profit"),
            unit=contract.unit,
            reserve=0,
            fee_ppm=contract.taker_fee,
            expires_ms=self.good_till_date,
            leverage=self.leverage,
            round=self.round,
            source=source,
            callback_ppm=self.callback_ppm,
            prevention=prevention,
            client_id=self.new_client_order_id,
        )
        return replace(drafted, reserve=rules.requirement_of(drafted).reserve)
