"""The orders there are, by the names that traders use; `orders.toml` beside this file is the whole table.

Signed terms say what an order waits for and what it does then; type and time in force follow from them, and back.
"""

from __future__ import annotations

import tomllib
from enum import StrEnum
from importlib.resources import files

import msgspec

from fairway.errors import Rejected
from fairway.exchange.terms import Kind, OrderTerms, Source

__all__ = ["FLAGS", "TABLE", "Form", "OrderType", "TimeInForce", "check_form", "flags_of", "form_of", "name_of"]


class OrderType(StrEnum):
    """What traders call an order."""

    LIMIT = "LIMIT"
    MARKET = "MARKET"
    STOP = "STOP"
    TAKE_PROFIT = "TAKE_PROFIT"
    STOP_MARKET = "STOP_MARKET"
    TAKE_PROFIT_MARKET = "TAKE_PROFIT_MARKET"
    TRAILING_STOP_MARKET = "TRAILING_STOP_MARKET"


class TimeInForce(StrEnum):
    """How long it wants to live."""

    GTC = "GTC"
    GTD = "GTD"
    IOC = "IOC"
    FOK = "FOK"
    GTX = "GTX"


FLAGS = ("reduce_only", "strict", "closes", "parent", "group", "index", "last")
"""What else may be said of an order: is it a member of a group, which price wakes it."""


class Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of the table: what wakes it, what it does then by time in force, and which flags go with which."""

    waits: str
    forces: dict[TimeInForce, str]
    flags: dict[str, list[TimeInForce]] = {}


TABLE = msgspec.convert(
    tomllib.loads(files("fairway.exchange").joinpath("orders.toml").read_text()), dict[OrderType, Form]
)
"""Every lawful combination."""

_TYPES = {
    (form.waits, Kind[kind] is Kind.MARKET): name for name, form in TABLE.items() for kind in form.forces.values()
}
_lawful: set[tuple[object, ...]] = set()
"""What was looked up in the table before: all of it that a form depends on. There are a few hundred."""
_AT_ONCE = {Kind.IOC: TimeInForce.IOC, Kind.FOK: TimeInForce.FOK, Kind.POST_ONLY: TimeInForce.GTX}


def form_of(name: OrderType, force: TimeInForce) -> tuple[Kind, str]:
    """What such an order does, and what wakes it. Errors: `Rejected` (`order.force`) where there is none."""
    form = TABLE[name]
    if force not in form.forces:
        raise Rejected("order.force", f"{name} orders have no {force}", kind=name, force=force)
    return Kind[form.forces[force]], form.waits


def name_of(terms: OrderTerms) -> tuple[OrderType, TimeInForce]:
    """Type and time in force of signed terms. Errors: `Rejected` (`order.kind`) where they are none."""
    if terms.kind not in Kind._value2member_map_:
        raise Rejected("order.kind", "there is no such kind of order", kind=terms.kind)
    kind, waits = Kind(terms.kind), _waits(terms)
    name = _TYPES.get((waits, kind is Kind.MARKET))
    if name is None:
        raise Rejected("order.kind", "there is no such order that trails", kind=terms.kind)
    if kind is Kind.MARKET and not waits:
        return name, TimeInForce.IOC
    return name, _AT_ONCE.get(kind) or (TimeInForce.GTD if terms.expires_ms else TimeInForce.GTC)


def _waits(terms: OrderTerms) -> str:
    if terms.callback_ppm:
        return "trail"
    if not terms.trigger_tick:
        return ""
    return "stop" if terms.trigger_above == terms.buy else "profit"


def flags_of(terms: OrderTerms) -> set[str]:
    """Those of `FLAGS` that the terms have."""
    held = {
        "reduce_only": terms.reduce_only,
        "strict": terms.strict,
        "closes": terms.closes,
        "parent": terms.parent != 0,
        "group": terms.group != 0,
        "index": terms.source == Source.INDEX,
        "last": terms.source == Source.LAST,
    }
    return {name for name, is_set in held.items() if is_set}


def check_form(terms: OrderTerms) -> None:
    """Whether there is such an order; else `Rejected` (`order.kind`, `order.flag`, `order.trigger`)."""
    waits = terms.callback_ppm != 0, terms.trigger_tick != 0, terms.trigger_above, terms.buy, terms.source
    flags = terms.reduce_only, terms.strict, terms.closes, terms.parent != 0, terms.group != 0
    shape = terms.kind, terms.expires_ms != 0, waits, flags
    if shape not in _lawful:
        _check_form(terms)
        _lawful.add(shape)


def _check_form(terms: OrderTerms) -> None:
    name, force = name_of(terms)
    flags = flags_of(terms)
    for flag in sorted(flags):
        if force not in TABLE[name].flags.get(flag, ()):
            raise Rejected("order.flag", f"a {name} {force} order cannot be so: {flag}", kind=name, force=force)
    if (terms.strict or terms.closes) and not terms.reduce_only:
        raise Rejected("order.flag", "what is strict or closes the position is reduce-only")
    if terms.strict and terms.closes:
        raise Rejected("order.flag", "what closes the position is clamped to it, whatever it is")
    if terms.trigger_above and not terms.waits:
        raise Rejected("order.trigger", "only what waits for a price waits for one above")
    if terms.callback_ppm and terms.trigger_above != terms.buy:
        raise Rejected("order.trigger", "a trailing stop of a sale wakes below the best price, of a purchase above")
