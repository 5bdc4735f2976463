"""Units of money, size, price and rate; every bound; every rounding.

    Nano   10⁻⁹ TON, signed where it is a difference
    Lot    the unit of size of one market, always positive; the side stands beside it
    Tick   the unit of price of one market
    Ppm    1/1,000,000, the unit of rates

All are integers. Divisions of money happen in this file only, each with the direction of its rounding in its name.
Bounds are those of docs/spec/settlement.md: with them no sum in a proof reaches the group order.
"""

from __future__ import annotations

from typing import NewType

from fairway.errors import Rejected

Nano = NewType("Nano", int)
Lot = NewType("Lot", int)
Tick = NewType("Tick", int)
Ppm = NewType("Ppm", int)
Millis = NewType("Millis", int)

TON = 1_000_000_000
MILLION = 1_000_000
FUNDING_SCALE = 1 << 16

NANO_BOUND = 1 << 63
LOT_BOUND = 1 << 48
TICK_BOUND = 1 << 32
UNIT_BOUND = 1 << 50
FUNDING_INDEX_BOUND = 1 << 64


def div_down(numerator: int, divisor: int) -> int:
    """The quotient rounded toward minus infinity. `divisor` > 0."""
    return numerator // divisor


def div_up(numerator: int, divisor: int) -> int:
    """The quotient rounded toward plus infinity. `divisor` > 0."""
    return -(-numerator // divisor)


def share_down(value: int, part: int, whole: int) -> Nano:
    """`value · part ÷ whole`, rounded toward minus infinity. `whole` > 0."""
    return Nano(value * part // whole)


def check_nano(value: int) -> Nano:
    """`value` as an amount in [0, 2⁶³); else `Rejected` with `units.nano`."""
    if not 0 <= value < NANO_BOUND:
        raise Rejected("units.nano", "an amount lies outside [0, 2^63) nano", value=value)
    return Nano(value)


def check_lots(value: int) -> Lot:
    """`value` as a size in [1, 2⁴⁸); else `Rejected` with `units.lots`."""
    if not 0 < value < LOT_BOUND:
        raise Rejected("units.lots", "a size lies outside [1, 2^48) lots", value=value)
    return Lot(value)


def check_tick(value: int) -> Tick:
    """`value` as a price in [1, 2³²); else `Rejected` with `units.tick`."""
    if not 0 < value < TICK_BOUND:
        raise Rejected("units.tick", "a price lies outside [1, 2^32) ticks", value=value)
    return Tick(value)


def format_ton(value: int) -> str:
    """`value` nano as a decimal TON amount, trailing zeros dropped: 1_500_000_000 → "1.5"."""
    sign = "-" if value < 0 else ""
    whole, part = divmod(abs(value), TON)
    digits = f"{part:09d}".rstrip("0")
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"


def parse_ton(text: str) -> Nano:
    """A decimal TON amount as nano; at most nine decimals, no sign, no exponent; else `Rejected` with `units.ton`."""
    whole, dot, part = text.partition(".")
    if not whole.isascii() or not whole.isdigit() or (dot and not (part.isascii() and part.isdigit())) or len(part) > 9:
        raise Rejected("units.ton", "a TON amount is digits with at most nine decimals", text=text[:40])
    return check_nano(int(whole) * TON + int(part.ljust(9, "0")))
