"""A market as one piece of data: the trading rules of an instrument and the money rules of its contract."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import msgspec

from fairway.errors import FairwayError, Rejected
from fairway.market.instrument import Instrument
from fairway.risk.contract import Contract, Payoff, brackets
from fairway.units import Lot, Ppm, parse_ton

__all__ = ["Listing", "default_listings", "parse_listings"]


class Listing(msgspec.Struct, frozen=True, array_like=True):
    """One market of the venue."""

    instrument: Instrument
    contract: Contract

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
        return Listing(rules, Contract(payoff, self.unit, tiers, *fees))


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
    return listings


def default_listings() -> list[Listing]:
    """The markets of a new venue: TON-USD (inverse) and ETH-TON (linear)."""
    return parse_listings(files("fairway.exchange").joinpath("markets.toml").read_text())
