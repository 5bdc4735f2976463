"""The public part of a close. Every cleartext scalar of its program follows from it, and it is all absorbed first.

The letters of docs/spec/settlement.md: SP settlement price, MP mark price, I1 funding index, S funding scale, D
divisor. With (a, b) = (price, 1) linear or (1, price) inverse, and w = +1 linear or −1 inverse:

    D = S·b        N = nQ·Q + nC·C + nK·K        nQ = w·s·S·unit·a − s·I1·b,   nC = −w·s·S·b,   nK = b
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from hashlib import sha256
from typing import NamedTuple, Self

from fairway.errors import InvalidMessage
from fairway.settlement.wire import HASH, Number, Reader, pack
from fairway.units import FUNDING_INDEX_BOUND, FUNDING_SCALE, MILLION, NANO_BOUND, TICK_BOUND, UNIT_BOUND

__all__ = ["Cause", "Condition", "Kind", "Profit", "Statement", "Terms", "binding"]

DOMAIN = b"fairway.settlement.v1"
BINDING_DOMAIN = b"fairway.binding.v1"


class Kind(IntEnum):
    """What the close did: AM ≥ IM; AM < IM; the same by the maintenance rule; a debt that nothing is left to pay."""

    GAIN = 0
    LOSS = 1
    LIQUIDATION = 2
    BANKRUPT = 3


class Cause(IntEnum):
    """Who wanted the close: the trader's order, the maintenance rule, the deleveraging of another's debt."""

    TRADE = 0
    LIQUIDATION = 1
    DELEVERAGE = 2


class Profit(NamedTuple):
    """The cleartext factors of D·(AM − b − IM) + e = lots·Q + cost·C + base·K."""

    divisor: int
    lots: int
    cost: int
    base: int


class Condition(NamedTuple):
    """The cleartext factors of W = lots·Q + cost·C + base·K + margin·IM + constant, at least 0 in a liquidation."""

    lots: int
    cost: int
    base: int
    margin: int
    constant: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is public of a close before its numbers are known.

    `unit` is nano per lot and tick (linear) or nano per lot at tick 1 (inverse); `side` +1 long, −1 short;
    `funding_index` I1 in nano ÷ 2¹⁶; `maintenance` (ppm) and `deduction` (nano) are the bracket that judged a
    liquidation and `liquidation_price` the one that was displayed, all 0 for another cause; `note` names the note that
    is consumed and `binding` hides channel, seqno and order behind a salt, 32 bytes each.
    """

    network: int
    market: int
    inverse: bool
    unit: int
    side: int
    cause: Cause
    settlement_price: int
    mark_price: int
    funding_index: int
    liquidation_price: int = 0
    maintenance: int = 0
    deduction: int = 0
    at_ms: int
    note: bytes
    binding: bytes

    def __post_init__(self) -> None:
        if not (self._prices_are_lawful() and self._bracket_is_lawful()):
            raise InvalidMessage("settlement.terms", "the terms of a settlement lie outside their bounds")

    def profit(self) -> Profit:
        """The factors of the profit equation, at the settlement price."""
        return self._profit(self.settlement_price)

    def condition(self) -> Condition:
        """The factors of the liquidation's condition, at the mark: MP judges, SP pays.

        W = maintenance·S·unit·a·Q − 10⁶·(N + D·(IM + deduction)), which is (maintenance − equity)·10⁶·D.
        """
        divisor, lots, cost, base = self._profit(self.mark_price)
        a, _ = self._ratio(self.mark_price)
        return Condition(
            lots=self.maintenance * FUNDING_SCALE * self.unit * a - MILLION * lots,
            cost=-MILLION * cost,
            base=-MILLION * base,
            margin=-MILLION * divisor,
            constant=-MILLION * divisor * self.deduction,
        )

    def _ratio(self, price: int) -> tuple[int, int]:
        return (1, price) if self.inverse else (price, 1)

    def _profit(self, price: int) -> Profit:
        a, b = self._ratio(price)
        ws = -self.side if self.inverse else self.side
        return Profit(
            divisor=FUNDING_SCALE * b,
            lots=ws * FUNDING_SCALE * self.unit * a - self.side * self.funding_index * b,
            cost=-ws * FUNDING_SCALE * b,
            base=b,
        )

    def _prices_are_lawful(self) -> bool:
        return (
            self.side in {1, -1}
            and 0 < self.unit < UNIT_BOUND
            and 0 < self.settlement_price < TICK_BOUND
            and 0 < self.mark_price < TICK_BOUND
            and abs(self.funding_index) < FUNDING_INDEX_BOUND
        )

    def _bracket_is_lawful(self) -> bool:
        if self.cause is not Cause.LIQUIDATION:
            return self.liquidation_price == self.maintenance == self.deduction == 0
        return (
            0 < self.liquidation_price < TICK_BOUND
            and 0 < self.maintenance < MILLION
            and 0 <= self.deduction < NANO_BOUND
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement(Terms):
    """The terms and what the close turned out to be; `partial` if lots of the note remain."""

    kind: Kind
    partial: bool

    def __post_init__(self) -> None:
        Terms.__post_init__(self)
        if self.kind is Kind.LIQUIDATION and self.cause is not Cause.LIQUIDATION:
            raise InvalidMessage("settlement.kind", "a liquidation without its cause")
        if self.kind is Kind.LOSS and self.cause is Cause.LIQUIDATION:
            raise InvalidMessage("settlement.kind", "a loss by liquidation is of the kind liquidation")

    @classmethod
    def of(cls, terms: Terms, kind: Kind, *, partial: bool) -> Self:
        """The statement of a close on `terms`."""
        return cls(**{field.name: getattr(terms, field.name) for field in fields(Terms)}, kind=kind, partial=partial)

    def encode(self) -> bytes:
        """The statement's bytes: one form, fixed length."""
        return pack(DOMAIN, LAYOUT, self)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """The statement at the reader. Errors: `InvalidMessage`."""
        values = reader.fields(DOMAIN, LAYOUT)
        try:
            values |= {
                "kind": Kind(values["kind"]),
                "cause": Cause(values["cause"]),
                "inverse": _flag(values["inverse"]),
                "partial": _flag(values["partial"]),
            }
        except ValueError:
            raise InvalidMessage("settlement.statement", "a field of the statement has no such value") from None
        return cls(**values)


LAYOUT = (
    Number("kind", 1),
    Number("partial", 1),
    Number("network", 4, signed=True),
    Number("market", 2),
    Number("inverse", 1),
    Number("unit", 8),
    Number("side", 1, signed=True),
    Number("cause", 1),
    Number("settlement_price", 4),
    Number("mark_price", 4),
    Number("funding_index", 9, signed=True),
    Number("liquidation_price", 4),
    Number("maintenance", 4),
    Number("deduction", 8),
    Number("at_ms", 8),
    Number("note", HASH),
    Number("binding", HASH),
)


def binding(channel_id: bytes, seqno: int, order: bytes, salt: bytes) -> bytes:
    """What a statement shows of a channel's half and an order: a hash that nobody opens without the `salt`.

    `channel_id` 16 bytes, `order` a hash, `salt` 32 bytes.
    """
    return sha256(BINDING_DOMAIN + channel_id + seqno.to_bytes(8, "big") + order + salt).digest()


def _flag(value: int) -> bool:
    if value not in {0, 1}:
        raise ValueError
    return bool(value)
