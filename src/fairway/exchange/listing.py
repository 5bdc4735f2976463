"""A market as one piece of data: the trading rules of an instrument and the money rules of its contract."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import msgspec

from fairway.errors import FairwayError, Rejected
from fairway.exchange.terms import CROSS
from fairway.market.instrument import Instrument
from fairway.risk.contract import Contract, Payoff, brackets
from fairway.units import LOT_BOUND, MILLION, Lot, Ppm, parse_ton

__all__ = ["Caps", "DepthRule", "Listing", "default_listings", "parse_listings"]


DAY_S = 86_400
PPM_BOUND = 1_000 * MILLION


class DepthRule(msgspec.Struct, frozen=True, array_like=True):
    """How caps follow what others rest within `band` ppm of the mark, on average over `window_ms`.

    One user may hold `position` ppm of that, all longs together `interest` ppm of it on the thinner side; but never
    less than `least_position` and `least_interest` lots, so that a market can begin.
    """

    band: int
    window_ms: int
    position: int
    interest: int
    least_position: int
    least_interest: int


class Caps(msgspec.Struct, frozen=True, array_like=True):
    """How many lots one user may hold in a market, and all who are long together; 0: no cap.

    With `depth` the caps are these at most, and less where the book is thin.
    """

    position: int = 0
    interest: int = 0
    depth: DepthRule | None = None


class Listing(msgspec.Struct, frozen=True, array_like=True):
    """One market of the venue. `lenders_share` ppm of the fees, rebates taken off, are the lenders'.

    An order that opens anything is worth at least `min_notional` nano.
    """

    instrument: Instrument
    contract: Contract
    caps: Caps = Caps()
    lenders_share: int = 0
    min_notional: int = 0

    @property
    def market(self) -> int:
        """The market's number, the same on chain and off."""
        return self.instrument.market_id


class _Tier(msgspec.Struct, forbid_unknown_fields=True):
    ceiling: str
    initial: int
    maintenance: int


class _Depth(msgspec.Struct, forbid_unknown_fields=True):
    band: int
    window_s: int
    position: int
    interest: int
    least_position: int
    least_interest: int

    def rule(self, symbol: str) -> DepthRule:
        is_lawful = 0 < self.band < MILLION and 0 < self.window_s <= DAY_S
        is_lawful &= 0 < self.position <= PPM_BOUND and 0 < self.interest <= PPM_BOUND
        if not (is_lawful and 0 < self.least_position <= self.least_interest < LOT_BOUND):
            raise Rejected("market.caps", "a rule for caps by depth lies outside its bounds", symbol=symbol)
        least = self.least_position, self.least_interest
        return DepthRule(self.band, self.window_s * 1_000, self.position, self.interest, *least)


class _Market(msgspec.Struct, forbid_unknown_fields=True):
    id: int
    symbol: str
    payoff: str
    unit: int
    min_lots: int
    max_lots: int
    lot_step: int
    price_band: int
    max_orders: int
    maker_fee: int
    taker_fee: int
    liquidation_fee: int
    tiers: list[_Tier]
    max_position: int = 0
    max_open_interest: int = 0
    lenders_share: int = 0
    min_notional: str = "0"
    depth: _Depth | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.lenders_share <= MILLION:
            raise ValueError("lenders_share is between 0 and 1,000,000 ppm")

    def listing(self) -> Listing:
        rules = Instrument(
            self.id,
            self.symbol,
            Lot(self.min_lots),
            Lot(self.max_lots),
            Lot(self.lot_step),
            Ppm(self.price_band),
            self.max_orders,
        )
        tiers = brackets((parse_ton(tier.ceiling), tier.initial, tier.maintenance) for tier in self.tiers)
        payoff = Payoff[self.payoff.upper()]
        fees = Ppm(self.maker_fee), Ppm(self.taker_fee), Ppm(self.liquidation_fee)
        if not 0 <= self.max_position < LOT_BOUND > self.max_open_interest >= 0:
            raise Rejected("market.caps", "a cap lies outside its bounds", symbol=self.symbol)
        depth = self.depth.rule(self.symbol) if self.depth is not None else None
        caps = Caps(self.max_position, self.max_open_interest, depth)
        return Listing(
            rules, Contract(payoff, self.unit, tiers, *fees), caps, self.lenders_share, parse_ton(self.min_notional)
        )


class _Markets(msgspec.Struct, forbid_unknown_fields=True):
    market: list[_Market]


def parse_listings(text: str) -> list[Listing]:
    """The listings of a `markets.toml`; anything else is `Rejected` with `markets.toml` or the rule it breaks."""
    try:
        listings = [market.listing() for market in msgspec.convert(tomllib.loads(text), _Markets).market]
    except FairwayError:
        raise
    except (ValueError, KeyError) as error:
        raise Rejected("markets.toml", f"the markets do not read: {error}") from None
    if len({listing.market for listing in listings}) != len(listings):
        raise Rejected("markets.toml", "two markets have one number")
    if any(listing.market == CROSS for listing in listings):
        raise Rejected("markets.toml", f"no market has the number {CROSS}: that of what is margined together")
    return listings


def default_listings() -> list[Listing]:
    """The markets of a new venue: TON-USD (inverse) and ETH-TON (linear)."""
    return parse_listings(files("fairway.exchange").joinpath("markets.toml").read_text())
