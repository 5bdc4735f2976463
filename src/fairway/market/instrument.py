"""The trading rules of one market: what an order must look like before anyone asks who pays for it."""

from __future__ import annotations

from dataclasses import dataclass

from fairway.errors import Rejected
from fairway.units import MILLION, Lot, Ppm, Tick, check_lots, check_tick

__all__ = ["Instrument", "check_count", "check_price", "check_size", "price_bounds"]


@dataclass(frozen=True, slots=True)
class Instrument:
    """One market. Sizes are multiples of `lot_step` in [`min_lots`, `max_lots`]; `price_band` is below one million.

    `max_orders` bounds the open orders of one user. Errors: `Rejected` with `market.instrument`.
    """

    market_id: int
    symbol: str
    min_lots: Lot
    max_lots: Lot
    lot_step: Lot
    price_band: Ppm
    max_orders: int

    def __post_init__(self) -> None:
        for lots in (self.min_lots, self.max_lots, self.lot_step):
            check_lots(lots)
        lawful = (
            0 <= self.market_id < 1 << 16
            and self.min_lots <= self.max_lots
            and self.min_lots % self.lot_step == 0
            and 0 < self.price_band < MILLION
            and self.max_orders > 0
        )
        if not lawful:
            raise Rejected("market.instrument", "the trading rules contradict themselves", symbol=self.symbol)


def check_size(instrument: Instrument, lots: int) -> None:
    """Raise `Rejected` with `market.size` unless an order of `lots` is lawful."""
    if not instrument.min_lots <= lots <= instrument.max_lots or lots % instrument.lot_step:
        raise Rejected(
            "market.size",
            "the size is out of bounds or off the step",
            lots=lots,
            min_lots=instrument.min_lots,
            max_lots=instrument.max_lots,
            lot_step=instrument.lot_step,
        )


def price_bounds(instrument: Instrument, reference: int) -> tuple[Tick, Tick]:
    """The lowest limit of a sale and the highest limit of a purchase at this `reference` price (the mark)."""
    step = reference * instrument.price_band
    return Tick(max(1, reference - step // MILLION)), Tick(reference + step // MILLION)


def check_price(instrument: Instrument, limit: int, reference: int, *, buy: bool) -> None:
    """Raise `Rejected` with `market.band` if the limit would pay through the band around `reference`.

    Only the side that hurts is bounded: a purchase far below the mark is a wish, far above it a mistake.
    """
    check_tick(limit)
    lowest, highest = price_bounds(instrument, reference)
    if limit > highest if buy else limit < lowest:
        raise Rejected("market.band", "the limit lies beyond the price band", limit=limit, reference=reference)


def check_count(instrument: Instrument, open_orders: int) -> None:
    """Raise `Rejected` with `market.orders` if a user with `open_orders` may not place one more."""
    if open_orders >= instrument.max_orders:
        raise Rejected("market.orders", "too many open orders", open=open_orders, limit=instrument.max_orders)
