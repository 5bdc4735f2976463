"""Market data by REST: what anyone may know of a market, by the names that exchange clients know."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from litestar import get
from litestar.params import Parameter

from fairway.errors import Rejected
from fairway.exchange.effect import Print
from fairway.exchange.event import Priced
from fairway.exchange.listing import Listing
from fairway.market.candle import INTERVALS_MS, Candle
from fairway.risk.contract import Contract
from fairway.service.api.shapes import (
    Book,
    BookTicker,
    Bracket,
    Brackets,
    Deleverage,
    DeleverageCandidate,
    DeleverageShare,
    ForcedFill,
    FundingPoint,
    InterestPoint,
    OpenInterest,
    Premium,
    PublicFill,
    Ticker,
)
from fairway.service.house import House
from fairway.service.tape import newest
from fairway.units import FUNDING_SCALE, div_down

__all__ = ["HANDLERS", "kline", "listing_of"]

Limit = Annotated[int, Parameter(ge=1, le=1000)]
EndTime = Annotated[int | None, Parameter(query="endTime", ge=0, le=1 << 53)]
Kline = list[int | str]
"""Opens, open, high, low, close, lots, closes, turnover (Σ price · lots), fills, lots that takers bought."""


@get("/v1/depth")
async def depth(house: House, symbol: str, limit: Limit = 100) -> Book:
    """The best `limit` prices of each side."""
    entry, bids, asks = await house.views.look(listing_of(house, symbol).market)
    return Book(
        last_update_id=entry,
        bids=[[str(price), str(lots)] for price, lots in bids[:limit]],
        asks=[[str(price), str(lots)] for price, lots in asks[:limit]],
    )


@get("/v1/bookTicker")
async def book_ticker(house: House, symbol: str) -> BookTicker:
    """The best price of each side with its lots; empty where a side is."""
    _, bids, asks = await house.views.look(listing_of(house, symbol).market)
    bid_price, bid_lots = map(str, bids[0]) if bids else ("", "")
    ask_price, ask_lots = map(str, asks[0]) if asks else ("", "")
    return BookTicker(symbol, bid_price, bid_lots, ask_price, ask_lots, house.clock.now_ms())


@get("/v1/trades")
async def trades(house: House, symbol: str, limit: Limit = 500) -> list[PublicFill]:
    """The newest fills, oldest first."""
    return [
        PublicFill(fill.match_id, str(fill.price), str(fill.lots), fill.at_ms, is_buyer_maker=not fill.taker_buys)
        for fill in newest(house.tape[listing_of(house, symbol).market].fills, limit)
    ]


@get("/v1/klines")
async def klines(house: House, symbol: str, interval: str, end_time: EndTime = None, limit: Limit = 500) -> list[Kline]:
    """Candles, oldest first; the last one holds `endTime` (now if not given) and may still grow."""
    market = listing_of(house, symbol).market
    if interval not in INTERVALS_MS:
        raise Rejected("market.interval", f"an interval is one of {', '.join(INTERVALS_MS)}", interval=interval[:8])
    until_ms = house.clock.now_ms() if end_time is None else end_time
    return [kline(each, interval) for each in house.tape[market].candles.newest(interval, limit, until_ms)]


@get("/v1/ticker/24hr")
async def ticker(house: House, symbol: str) -> Ticker:
    """The last 24 hours, to the minute."""
    market, now_ms = listing_of(house, symbol).market, house.clock.now_ms()
    day = house.tape[market].candles.rolling(now_ms)
    if day is None:
        raise Rejected("market.no_fills", "nothing was filled in this market yet")
    return Ticker(
        symbol=symbol,
        price_change=str(day.close - day.open),
        price_change_percent=_decimal(100 * (day.close - day.open), day.open, 3),
        weighted_avg_price=_decimal(day.turnover, day.lots, 3) if day.lots else str(day.close),
        last_price=str(day.close),
        open_price=str(day.open),
        high_price=str(day.high),
        low_price=str(day.low),
        volume=str(day.lots),
        quote_volume=str(day.turnover),
        open_time=day.opens_ms,
        close_time=now_ms,
        count=day.fills,
    )


@get("/v1/premiumIndex")
async def premium_index(house: House, symbol: str) -> Premium:
    """The newest round of the oracle in a market."""
    known = house.tape[listing_of(house, symbol).market].priced
    if known is None:
        raise Rejected("market.no_price", "the oracle has not spoken in this market yet")
    return Premium(
        symbol, str(known.mark), str(known.index), str(known.funding), round=known.round, time=known.round_ms
    )


@get("/v1/fundingRate")
async def funding_rate(house: House, symbol: str, limit: Limit = 100) -> list[FundingPoint]:
    """What longs paid shorts over each whole hour, as a part of the value at its end; oldest first."""
    listing = listing_of(house, symbol)
    points = newest(house.tape[listing.market].funding, limit + 1)
    return [
        FundingPoint(symbol, _rate(listing.contract, before, after), str(after.mark), str(after.funding), after.at_ms)
        for before, after in pairwise(points)
    ]


@get("/v1/openInterest")
async def open_interest(house: House, symbol: str) -> OpenInterest:
    """The lots held long in a market."""
    market = listing_of(house, symbol).market
    lots = await house.sequencer.ask(lambda: house.engine.venue.open_lots[market])
    return OpenInterest(symbol, str(lots), house.clock.now_ms())


@get("/v1/openInterestHist")
async def open_interest_hist(house: House, symbol: str, limit: Limit = 500) -> list[InterestPoint]:
    """The lots held long every five minutes, oldest first."""
    kept = newest(house.tape[listing_of(house, symbol).market].interest, limit)
    return [InterestPoint(symbol, str(each.lots), each.at_ms) for each in kept]


@get("/v1/forceOrders")
async def force_orders(house: House, symbol: str, limit: Limit = 100) -> list[ForcedFill]:
    """Positions closed without an order of their owner, oldest first; `side` is what was done for him."""
    kept = newest(house.tape[listing_of(house, symbol).market].forced, limit)
    return [ForcedFill(symbol, each.reason, _side(each), str(each.price), str(each.lots), each.at_ms) for each in kept]


@get("/v1/deleverages")
async def deleverages(house: House, symbol: str, limit: Limit = 100) -> list[Deleverage]:
    """How each of the newest deleverages was shared out, oldest first; `risk.deleverage.allocate` says the same."""
    kept = newest(house.tape[listing_of(house, symbol).market].deleveraged, limit)
    return [
        Deleverage(
            symbol,
            each.match_id,
            each.round,
            str(each.mark),
            str(each.funding),
            str(each.lots),
            each.at_ms,
            [DeleverageCandidate(one.key, str(one.lots), str(one.score), one.last) for one in each.candidates],
            [DeleverageShare(one.key, str(one.lots), str(one.price)) for one in each.shares],
        )
        for each in kept
    ]


@get("/v1/leverageBracket")
async def leverage_bracket(house: House, symbol: str) -> Brackets:
    """The market's brackets of notional value, in nano and ppm."""
    tiers = listing_of(house, symbol).contract.tiers
    return Brackets(
        symbol,
        [
            Bracket(place, str(tier.ceiling), str(tier.initial), str(tier.maintenance), str(tier.deduction))
            for place, tier in enumerate(tiers, 1)
        ],
    )


HANDLERS = [
    depth,
    book_ticker,
    trades,
    klines,
    ticker,
    premium_index,
    funding_rate,
    open_interest,
    open_interest_hist,
    force_orders,
    deleverages,
    leverage_bracket,
]


def listing_of(house: House, symbol: str) -> Listing:
    """The market called `symbol`; `Rejected` (`market.unknown`) where there is none."""
    for listing in house.engine.rules.listings:
        if listing.instrument.symbol == symbol:
            return listing
    raise Rejected("market.unknown", "there is no such market", symbol=symbol[:32])


def kline(candle: Candle, interval: str) -> Kline:
    """A candle in the order that exchange clients read."""
    closes_ms = candle.opens_ms + INTERVALS_MS[interval] - 1
    prices = str(candle.open), str(candle.high), str(candle.low), str(candle.close)
    sizes = str(candle.lots), closes_ms, str(candle.turnover), candle.fills, str(candle.bought)
    return [candle.opens_ms, *prices, *sizes]


def _side(fill: Print) -> str:
    return "BUY" if fill.taker_buys else "SELL"


def _rate(contract: Contract, before: Priced, after: Priced) -> str:
    """The growth of the funding index as a part of a lot's value, eight digits, rounded down."""
    a, b = contract.ratio(after.mark)
    return _decimal((after.funding - before.funding) * b, FUNDING_SCALE * contract.unit * a, 8)


def _decimal(numerator: int, denominator: int, digits: int) -> str:
    """The quotient with so many digits behind the point, rounded down in size."""
    scaled = div_down(abs(numerator) * 10**digits, denominator)
    sign = "-" if numerator < 0 and scaled else ""
    whole, rest = divmod(scaled, 10**digits)
    return f"{sign}{whole}.{rest:0{digits}d}"
