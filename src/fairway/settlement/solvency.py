"""That the pool can pay: once an epoch, its net worth is shown to be at least zero and every market to be balanced.

V = S·NAV is the sum of commitments that any reader has; the record shows V ≥ 0 by two limbs of 64 bits, of which the
upper one is committed. In each market Σ s·Q is a commitment to zero: its blinding is published, which opens it and
nothing else. Without that, the net worth would depend on a price.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

from fairway.crypto import scalars
from fairway.crypto.pedersen import Opening, combine, commit, commit_all
from fairway.errors import InvalidProof, Rejected
from fairway.settlement.note import Blinding, Note
from fairway.settlement.values import LIMB
from fairway.settlement.wire import HASH, Number, Reader, pack, pack_openings

__all__ = ["Balance", "Solvency", "SolvencyTerms", "SolvencyTx", "show_solvency"]

DOMAIN = b"fairway.solvency.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class SolvencyTerms:
    """Which pool, when, and after which record (`head`, the txid of the last one)."""

    network: int
    at_ms: int
    pool: bytes
    head: bytes


LAYOUT = (
    Number("network", 4, signed=True),
    Number("at_ms", 8),
    Number("pool", HASH),
    Number("head", HASH),
)


@dataclass(frozen=True, slots=True)
class Balance:
    """That the lots of a market balance: Σ s·Q = `blinding`·B_blinding. Public."""

    network: int
    market: int
    blinding: int

    def point(self) -> bytes:
        """The commitment to zero that Σ s·Q must be."""
        return commit(0, self.blinding)


@dataclass(frozen=True, slots=True)
class Solvency:
    """The net worth with its openings. Secret."""

    terms: SolvencyTerms
    balances: tuple[Balance, ...]
    worth: Opening
    high: Opening

    @property
    def txid(self) -> bytes:
        """The identity of the record."""
        return self.transaction().txid

    def transaction(self) -> SolvencyTx:
        """The public record."""
        worth, high = commit_all((self.worth, self.high))
        return SolvencyTx(self.terms, self.balances, worth, high)

    def ranged(self) -> list[Opening]:
        """The openings of both limbs."""
        low = Opening(self.worth.value - LIMB * self.high.value, self.worth.blinding - LIMB * self.high.blinding)
        return [self.high, low]

    def encode(self) -> bytes:
        """The job for a prover in another process. Secret."""
        return _head(self.terms, self.balances) + pack_openings((self.worth, self.high))

    @classmethod
    def decode(cls, encoded: bytes) -> Self:
        """The job in `encoded`. Errors: `InvalidMessage`."""
        reader = Reader(encoded)
        terms, balances = _read_head(reader)
        worth, high = reader.openings(2)
        reader.end()
        return cls(terms, balances, worth, high)


@dataclass(frozen=True, slots=True)
class SolvencyTx:
    """The public record: commitments to the net worth and to its upper limb. Its proof is its epoch."""

    terms: SolvencyTerms
    balances: tuple[Balance, ...]
    worth: bytes
    high: bytes

    @property
    def txid(self) -> bytes:
        """SHA-256(record)."""
        return sha256(self.encode()).digest()

    def ranged(self) -> list[bytes]:
        """The commitments of both limbs."""
        return [self.high, combine([(1, self.worth), (-LIMB, self.high)])]

    def check_balances(self, lots: Mapping[tuple[int, int], bytes]) -> None:
        """Refuse it unless it opens Σ s·Q of every market in `lots` as zero. Errors: `InvalidProof`."""
        shown = {(each.network, each.market): each.point() for each in self.balances}
        if len(shown) != len(self.balances) or shown != dict(lots):
            raise InvalidProof("settlement.balance", "the lots of a market are not shown to balance")

    def encode(self) -> bytes:
        """The record's bytes."""
        return _head(self.terms, self.balances) + self.worth + self.high

    @classmethod
    def decode(cls, encoded: bytes) -> Self:
        """The record in `encoded`. Errors: `InvalidMessage`."""
        reader = Reader(encoded)
        terms, balances = _read_head(reader)
        worth, high = reader.points(2)
        reader.end()
        return cls(terms, balances, worth, high)


def show_solvency(
    worth: Opening, notes: Iterable[tuple[int, Note]], terms: SolvencyTerms, blinding: Blinding
) -> Solvency:
    """The record of a pool worth `worth` (V, see `worth`) while `notes` (with their networks) are open.

    Asks `blinding` for "high". Errors: `Rejected` for a pool that cannot pay, or a market that does not balance.
    """
    if not 0 <= worth.value < LIMB**2:
        raise Rejected("settlement.insolvent", "the pool is worth less than nothing")
    lots: dict[tuple[int, int], Opening] = {}
    for network, note in notes:
        signed = Opening(note.side * note.lots.value, note.side * note.lots.blinding)
        key = (network, note.market)
        lots[key] = lots[key] + signed if key in lots else signed
    if any(total.value for total in lots.values()):
        raise Rejected("settlement.balance", "the lots of a market do not balance")
    balances = tuple(Balance(*key, total.blinding) for key, total in sorted(lots.items()))
    return Solvency(terms, balances, worth, Opening(worth.value // LIMB, blinding("high")))


def _head(terms: SolvencyTerms, balances: tuple[Balance, ...]) -> bytes:
    parts = [
        each.network.to_bytes(4, "little", signed=True)
        + each.market.to_bytes(2, "little")
        + scalars.to_bytes(each.blinding)
        for each in balances
    ]
    return pack(DOMAIN, LAYOUT, terms) + len(parts).to_bytes(2, "little") + b"".join(parts)


def _read_head(reader: Reader) -> tuple[SolvencyTerms, tuple[Balance, ...]]:
    terms = SolvencyTerms(**reader.fields(DOMAIN, LAYOUT))
    count = reader.number(2)
    balances = tuple(
        Balance(reader.number(4, signed=True), reader.number(2), scalars.from_bytes(reader.take(32)))
        for _ in range(count)
    )
    return terms, balances
