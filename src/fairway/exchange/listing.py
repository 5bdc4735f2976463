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

__all__ = ["Caps", "Listing", "default_listings", "parse_listings"]


class Caps(msgspec.Struct, frozen=True, array_like=True):
    """How many lots one user may hold in a market, and all who are long together; 0: no cap."""

    position: int = 0
    interest: int = 0


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
        caps = Caps(self.max_position, self.max_open_interest)
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
