"""The OrderTx: a trader's open lots as a note whose commitments add.

A fill that opens or increases a position is one `Fill`: its lots Q and margin IM are committed, its price, side
and funding index are public, and the rest follows in public:

    linear    C = unit·price·Q                           K = side·I·Q
    inverse   C·price + side·e = unit·Q, 0 ≤ e < price   K = side·I·Q

so a linear cost needs no commitment and neither needs a proof beyond ranges. A note is the sum of the fills that bear
its name, less what partial closes took from it; whoever has the OrderTx records can add them up as well as we can.
More margin for the same lots is a fill of no lots.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple, Self

from msgspec import Struct

from fairway.crypto.pedersen import Opening, combine, commit_all
from fairway.errors import IllegalTransition, InvalidMessage, InvalidProof
from fairway.settlement.sums import ONE, Sum, commitment_of, opening_of
from fairway.settlement.wire import HASH, Number, Reader, pack, pack_openings
from fairway.units import FUNDING_INDEX_BOUND, LOT_BOUND, NANO_BOUND, TICK_BOUND, UNIT_BOUND, div_down, div_up

__all__ = ["Fill", "Note", "NotePoints", "Opened", "OrderTx", "open_note"]

DOMAIN = b"fairway.order.v1"

Blinding = Callable[[str], int]
"""Gives a fresh blinding for each name it is asked for; the same ones again when a journal is replayed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """What is public of a fill that opens or increases a position.

    `note` is the note's name (32 bytes); the other letters as in `Terms`.
    """

    network: int
    market: int
    inverse: bool
    unit: int
    side: int
    price: int
    funding_index: int
    at_ms: int
    note: bytes

    def __post_init__(self) -> None:
        if not (
            self.side in {1, -1}
            and 0 < self.unit < UNIT_BOUND
            and 0 < self.price < TICK_BOUND
            and abs(self.funding_index) < FUNDING_INDEX_BOUND
        ):
            raise InvalidMessage("settlement.fill", "the terms of a fill lie outside their bounds")

    def cost_of(self, lots: int) -> int:
        """The cost of `lots`: exact for linear; inverse rounded down for a long and up for a short."""
        if not self.inverse:
            return self.unit * self.price * lots
        divide = div_down if self.side > 0 else div_up
        return divide(self.unit * lots, self.price)

    def names(self) -> tuple[str, ...]:
        """The committed values, in the order of the record."""
        return ("Q", "IM", "C") if self.inverse else ("Q", "IM")

    def cost(self) -> Sum:
        """C as a sum."""
        return ((1, "C"),) if self.inverse else ((self.unit * self.price, "Q"),)

    def base(self) -> Sum:
        """K as a sum."""
        return ((self.side * self.funding_index, "Q"),)

    def ranged(self) -> tuple[Sum, ...]:
        """What must lie in [0, 2⁶⁴)."""
        if not self.inverse:
            return (((1, "Q"),), ((1, "IM"),))
        remainder = ((self.side * self.unit, "Q"), (-self.side * self.price, "C"))
        room = ((self.price - 1, ONE), *((-factor, name) for factor, name in remainder))
        return (((1, "Q"),), ((1, "IM"),), ((1, "C"),), remainder, room)

    def encode(self) -> bytes:
        """The fill's bytes: one form, fixed length."""
        return pack(DOMAIN, LAYOUT, self)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """The fill at the reader. Errors: `InvalidMessage`."""
        values = reader.fields(DOMAIN, LAYOUT)
        if values["inverse"] not in {0, 1}:
            raise InvalidMessage("settlement.fill", "a flag is neither 0 nor 1")
        return cls(**values | {"inverse": bool(values["inverse"])})


LAYOUT = (
    Number("network", 4, signed=True),
    Number("market", 2),
    Number("inverse", 1),
    Number("unit", 8),
    Number("side", 1, signed=True),
    Number("price", 4),
    Number("funding_index", 9, signed=True),
    Number("at_ms", 8),
    Number("note", HASH),
)


class Note(Struct, frozen=True, gc=False):
    """What a trader has open under one name, with all that opens its commitments. Secret."""

    name: bytes
    market: int
    inverse: bool
    unit: int
    side: int
    lots: Opening
    cost: Opening
    base: Opening
    margin: Opening

    def __add__(self, other: Note) -> Note:
        """The note increased by another of the same name."""
        if self.terms() != other.terms():
            raise IllegalTransition("settlement.note_terms", "notes of different terms do not add up")
        return self.replaced(
            self.lots + other.lots, self.cost + other.cost, self.base + other.base, self.margin + other.margin
        )

    def replaced(self, lots: Opening, cost: Opening, base: Opening, margin: Opening) -> Note:
        """A note of the same terms with other contents."""
        return Note(self.name, self.market, self.inverse, self.unit, self.side, lots, cost, base, margin)

    def terms(self) -> tuple[bytes, int, bool, int, int]:
        """What notes must share to be added."""
        return self.name, self.market, self.inverse, self.unit, self.side

    def points(self) -> NotePoints:
        """The note's commitments."""
        return NotePoints(*commit_all((self.lots, self.cost, self.base, self.margin)))


class NotePoints(NamedTuple):
    """A note as the public sees it."""

    lots: bytes
    cost: bytes
    base: bytes
    margin: bytes

    def plus(self, other: NotePoints, factor: int = 1) -> NotePoints:
        """The sum (or with factor −1 the difference), commitment by commitment."""
        return NotePoints(*(combine([(1, mine), (factor, its)]) for mine, its in zip(self, other, strict=True)))


@dataclass(frozen=True, slots=True)
class Opened:
    """A fill with its openings: what proves and publishes an OrderTx. Secret."""

    fill: Fill
    openings: tuple[Opening, ...]

    @property
    def note(self) -> Note:
        """The note of this fill alone."""
        fill, known = self.fill, self.witness()
        return Note(
            fill.note,
            fill.market,
            fill.inverse,
            fill.unit,
            fill.side,
            known["Q"],
            opening_of(fill.cost(), known),
            opening_of(fill.base(), known),
            known["IM"],
        )

    def witness(self) -> Mapping[str, Opening]:
        """The openings by name."""
        return dict(zip(self.fill.names(), self.openings, strict=True))

    def ranged(self) -> list[Opening]:
        """The openings of all that the epoch must range."""
        known = self.witness()
        return [opening_of(terms, known) for terms in self.fill.ranged()]

    @property
    def txid(self) -> bytes:
        """The identity of the record."""
        return self.transaction().txid

    def transaction(self) -> OrderTx:
        """The public record."""
        return OrderTx(self.fill, tuple(commit_all(self.openings)))

    def encode(self) -> bytes:
        """The job for a prover in another process. Secret."""
        return self.fill.encode() + pack_openings(self.openings)

    @classmethod
    def decode(cls, encoded: bytes) -> Self:
        """The job in `encoded`. Errors: `InvalidMessage`."""
        reader = Reader(encoded)
        fill = Fill.read(reader)
        openings = reader.openings(len(fill.names()))
        reader.end()
        return cls(fill, openings)


@dataclass(frozen=True, slots=True)
class OrderTx:
    """The public record of a fill: what it says, and the commitments to Q, IM and, if inverse, C."""

    fill: Fill
    commitments: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if len(self.commitments) != len(self.fill.names()):
            raise InvalidProof("settlement.commitments", "an OrderTx has another number of commitments")

    @property
    def txid(self) -> bytes:
        """SHA-256(fill ‖ commitments)."""
        return sha256(self.encode()).digest()

    def points(self) -> NotePoints:
        """What it adds to its note."""
        known = self.by_name()
        cost, base = (commitment_of(terms, known) for terms in (self.fill.cost(), self.fill.base()))
        return NotePoints(known["Q"], cost, base, known["IM"])

    def ranged(self) -> list[bytes]:
        """The commitments of all that the epoch must range."""
        known = self.by_name()
        return [commitment_of(terms, known) for terms in self.fill.ranged()]

    def by_name(self) -> Mapping[str, bytes]:
        """The commitments by name."""
        return dict(zip(self.fill.names(), self.commitments, strict=True))

    def encode(self) -> bytes:
        """The record's bytes."""
        return self.fill.encode() + b"".join(self.commitments)

    @classmethod
    def decode(cls, encoded: bytes) -> Self:
        """The record in `encoded`. Errors: `InvalidMessage`."""
        reader = Reader(encoded)
        fill = Fill.read(reader)
        commitments = reader.points(len(fill.names()))
        reader.end()
        return cls(fill, commitments)


def open_note(fill: Fill, lots: int, margin: int, blinding: Blinding) -> Opened:
    """A fill of `lots` that posts `margin`; `.note` is what it adds to the trader's note. No commitment is made yet.

    Asks `blinding` for "Q", "IM" and, if inverse, "C". Errors: `IllegalTransition` for values outside their bounds.
    """
    cost = fill.cost_of(lots)
    if not (0 <= lots < LOT_BOUND and 0 <= margin < NANO_BOUND and cost < NANO_BOUND):
        raise IllegalTransition(
            "settlement.open", "a fill lies outside its bounds", lots=lots, margin=margin, cost=cost
        )
    values = {"Q": lots, "IM": margin, "C": cost}
    return Opened(fill, tuple(Opening(values[name], blinding(name)) for name in fill.names()))
