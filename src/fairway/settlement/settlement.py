"""The SettlementTx and its making, which is cheap enough for the engine; `proof` does the heavy part elsewhere.

A `Settlement` holds the openings: what the engine keeps and a worker proves. A `SettlementTx` holds the statement, the
commitments V and the proof: what the public gets. Both have one txid, SHA-256(statement ‖ V), known before any proof.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol, Self

from fairway.crypto.pedersen import Opening, commit_all
from fairway.errors import IllegalTransition, InvalidProof
from fairway.settlement.note import Blinding, Note, NotePoints
from fairway.settlement.statement import Cause, Kind, Statement, Terms
from fairway.settlement.sums import commitment_of, opening_of
from fairway.settlement.values import BASE_MIDDLE, LIMB, holds, names_of, pool_after, ranged
from fairway.settlement.wire import Reader, pack_openings, sized

__all__ = ["Closing", "Settlement", "SettlementTx", "settle"]


class Closing(Protocol):
    """The integers of a close, in the settlement's letters; `fairway.risk.position.Closure` has them."""

    @property
    def lots(self) -> int:
        """Q, the lots closed."""

    @property
    def cost(self) -> int:
        """C, their part of the cost, rounded down in a partial close."""

    @property
    def base(self) -> int:
        """K, their part of the funding base, rounded down in a partial close."""

    @property
    def margin(self) -> int:
        """IM, the margin that leaves with them."""

    @property
    def remainder(self) -> int:
        """The remainder e of the profit equation."""

    @property
    def available(self) -> int:
        """AM, what is left of IM."""

    @property
    def payment(self) -> int:
        """P = |AM − IM|."""

    @property
    def bad_debt(self) -> int:
        """The bad debt b, what the loss exceeds the margin by."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """A close with the openings of its commitments V, in the order of `names_of`. Secret."""

    statement: Statement
    openings: tuple[Opening, ...]

    @property
    def kind(self) -> Kind:
        """What the close did."""
        return self.statement.kind

    @property
    def commitments(self) -> tuple[bytes, ...]:
        """V."""
        return tuple(commit_all(self.openings))

    @property
    def txid(self) -> bytes:
        """SHA-256(statement ‖ V)."""
        return _txid(self.statement, self.commitments)

    @property
    def pool_after(self) -> Opening:
        """The pool's new lendState, with what the insurance covered."""
        return opening_of(pool_after(self.statement), self.witness())

    def note_after(self, note: Note) -> Note | None:
        """What remains of `note`, the one that was settled."""
        if not self.statement.partial:
            return None
        part = self.witness()
        return note.replaced(
            note.lots - part["Q"], note.cost - part["C"], note.base - part["K"], note.margin - part["IM"]
        )

    def witness(self) -> Mapping[str, Opening]:
        """The openings by name."""
        return dict(zip(names_of(self.statement), self.openings, strict=True))

    def ranged(self) -> list[Opening]:
        """The openings of all that the epoch must range."""
        known = self.witness()
        return [opening_of(terms, known) for terms in ranged(self.statement)]

    def encode(self) -> bytes:
        """The job for a prover in another process. Secret."""
        return self.statement.encode() + pack_openings(self.openings)

    @classmethod
    def decode(cls, encoded: bytes) -> Self:
        """The job in `encoded`. Errors: `InvalidMessage`."""
        reader = Reader(encoded)
        statement = Statement.read(reader)
        openings = reader.openings(len(names_of(statement)))
        reader.end()
        return cls(statement, openings)


@dataclass(frozen=True, slots=True)
class SettlementTx:
    """What the public gets of a close. Valid once `verify` passed; final once its epoch verified too."""

    statement: Statement
    commitments: tuple[bytes, ...]
    proof: bytes

    def __post_init__(self) -> None:
        if len(self.commitments) != len(names_of(self.statement)):
            raise InvalidProof("settlement.commitments", "a settlement has another number of commitments")

    @property
    def txid(self) -> bytes:
        """SHA-256(statement ‖ V); the proof is no part of it."""
        return _txid(self.statement, self.commitments)

    @property
    def pool_before(self) -> bytes:
        """The lendState consumed."""
        return self.by_name()["LS0"]

    @property
    def pool_after(self) -> bytes:
        """The lendState left, with what the insurance covered."""
        return commitment_of(pool_after(self.statement), self.by_name())

    @property
    def note_before(self) -> NotePoints:
        """The note consumed."""
        known, suffix = self.by_name(), "0" if self.statement.partial else ""
        return NotePoints(known["Q" + suffix], known["C" + suffix], known["K" + suffix], known["IM" + suffix])

    @property
    def note_after(self) -> NotePoints | None:
        """What remains of the note."""
        known = self.by_name()
        closed = NotePoints(known["Q"], known["C"], known["K"], known["IM"])
        return self.note_before.plus(closed, -1) if self.statement.partial else None

    def by_name(self) -> Mapping[str, bytes]:
        """The commitments by name."""
        return dict(zip(names_of(self.statement), self.commitments, strict=True))

    def ranged(self) -> list[bytes]:
        """The commitments of all that the epoch must range."""
        known = self.by_name()
        return [commitment_of(terms, known) for terms in ranged(self.statement)]

    def encode(self) -> bytes:
        """The record's bytes."""
        return self.statement.encode() + b"".join(self.commitments) + sized(self.proof)

    @classmethod
    def decode(cls, encoded: bytes) -> Self:
        """The record in `encoded`. Errors: `InvalidMessage`."""
        reader = Reader(encoded)
        statement = Statement.read(reader)
        commitments = reader.points(len(names_of(statement)))
        proof = reader.sized()
        reader.end()
        return cls(statement, commitments, proof)


def settle(note: Note, pool: Opening, closing: Closing, terms: Terms, blinding: Blinding, cover: int = 0) -> Settlement:
    """The settlement of a close: `closing.lots` of `note`, paid from or into `pool`.

    The kind follows from the integers and the cause. `cover` is what the insurance pays of the bad debt. Asks
    `blinding` once for each new commitment, by its name. Errors: `IllegalTransition` if the integers break a rule
    that the proof would have to show.
    """
    statement = Statement.of(terms, _kind(closing, terms), partial=closing.lots != note.lots.value)
    known = _before(note, pool, partial=statement.partial)
    values = _values(note, pool, closing, cover)
    openings = tuple(
        known[name] if name in known else Opening(values[name], blinding(name)) for name in names_of(statement)
    )
    settlement = Settlement(statement, openings)
    v = {name: opening.value for name, opening in settlement.witness().items()}
    agrees = all(v[name] == values[name] for name in v.keys() & values.keys())
    if not (agrees and note.terms() == _note_terms(terms) and holds(statement, v)):
        raise IllegalTransition("settlement.arithmetic", "the integers of a close break the rules it is proven by")
    return settlement


def _kind(closing: Closing, terms: Terms) -> Kind:
    if closing.bad_debt:
        return Kind.BANKRUPT
    if closing.available >= closing.margin:
        return Kind.GAIN
    return Kind.LIQUIDATION if terms.cause is Cause.LIQUIDATION else Kind.LOSS


def _note_terms(terms: Terms) -> tuple[bytes, int, bool, int, int]:
    return terms.note, terms.market, terms.inverse, terms.unit, terms.side


def _before(note: Note, pool: Opening, *, partial: bool) -> dict[str, Opening]:
    suffix = "0" if partial else ""
    names = ("Q" + suffix, "C" + suffix, "K" + suffix, "IM" + suffix)
    return dict(zip(names, (note.lots, note.cost, note.base, note.margin), strict=True)) | {"LS0": pool}


def _values(note: Note, pool: Opening, closing: Closing, cover: int) -> dict[str, int]:
    """Every value that a settlement may commit to and that no earlier record has committed to."""
    paid = closing.payment if closing.available < closing.margin else -closing.payment
    shifted = closing.base + BASE_MIDDLE
    return {
        "IM": closing.margin,
        "AM": closing.available,
        "P": closing.payment,
        "LS1": pool.value + paid,
        "Q": closing.lots,
        "C": closing.cost,
        "K": closing.base,
        "e": closing.remainder,
        "b": closing.bad_debt,
        "cover": cover,
        "eC": note.cost.value * closing.lots - closing.cost * note.lots.value,
        "eK": note.base.value * closing.lots - closing.base * note.lots.value,
        "low": shifted % LIMB,
        "high": shifted // LIMB,
    }


def _txid(statement: Statement, commitments: Sequence[bytes]) -> bytes:
    return sha256(statement.encode() + b"".join(commitments)).digest()
