"""The LendTx and its making: first money, deposits, redemptions and income, in the manner of the SettlementTx.

A `Lending` holds the openings; a `LendTx` holds the statement, the commitments V and the proof. Both have one txid,
SHA-256(statement ‖ V). The pool's state is a chain: what one record leaves is what the next begins at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple, Self

from fairway.crypto.pedersen import Opening, combine, commit_all
from fairway.errors import IllegalTransition, InvalidProof, Rejected
from fairway.settlement.lend import LendKind, LendStatement, LendTerms, holds, names_of, ranged
from fairway.settlement.note import Blinding
from fairway.settlement.sums import commitment_of, opening_of
from fairway.settlement.values import LIMB
from fairway.settlement.wire import Reader, pack_openings, sized
from fairway.units import FUNDING_SCALE

__all__ = ["NOTHING", "LendTx", "Lending", "PoolState", "earn", "initialise_pool", "lend", "redeem"]


NOTHING = bytes(32)
"""The commitment to zero without a blinding: what books hold before the first record."""


class PoolState(NamedTuple):
    """What opens the pool's chain: lendState and total shares. Secret."""

    lend_state: Opening
    shares: Opening


@dataclass(frozen=True, slots=True)
class Lending:
    """A lender's move with the openings of its commitments V. Secret."""

    statement: LendStatement
    openings: tuple[Opening, ...]

    @property
    def commitments(self) -> tuple[bytes, ...]:
        """V."""
        return tuple(commit_all(self.openings))

    @property
    def txid(self) -> bytes:
        """SHA-256(statement ‖ V)."""
        return _txid(self.statement, self.commitments)

    @property
    def pool_after(self) -> PoolState:
        """The pool that the move leaves."""
        known = self.witness()
        return PoolState(known["LS1"], known["T1"])

    @property
    def moved(self) -> Opening:
        """The shares that the lender gains (or, redeeming, gives up); of income, none."""
        known = self.witness()
        if self.statement.kind is LendKind.EARN:
            return Opening(0, 0)
        return known["Sh" if "Sh" in known else "Dep"]

    @property
    def paid(self) -> int:
        """What goes into the pool, or out of it, nano."""
        known = self.witness()
        return known["W" if self.statement.kind is LendKind.REDEEM else "Dep"].value

    def witness(self) -> Mapping[str, Opening]:
        """The openings by name."""
        return dict(zip(names_of(self.statement.kind), self.openings, strict=True))

    def ranged(self) -> list[Opening]:
        """The openings of all that the epoch must range."""
        known = self.witness()
        return [opening_of(terms, known) for terms in ranged(self.statement.kind)]

    def encode(self) -> bytes:
        """The job for a prover in another process. Secret."""
        return self.statement.encode() + pack_openings(self.openings)

    @classmethod
    def decode(cls, encoded: bytes) -> Self:
        """The job in `encoded`. Errors: `InvalidMessage`."""
        reader = Reader(encoded)
        statement = LendStatement.read(reader)
        openings = reader.openings(len(names_of(statement.kind)))
        reader.end()
        return cls(statement, openings)


@dataclass(frozen=True, slots=True)
class LendTx:
    """What the public gets of a move. Valid once `verify` passed; final once its epoch verified too."""

    statement: LendStatement
    commitments: tuple[bytes, ...]
    proof: bytes

    def __post_init__(self) -> None:
        if len(self.commitments) != len(names_of(self.statement.kind)):
            raise InvalidProof("settlement.commitments", "a lender's move has another number of commitments")

    @property
    def txid(self) -> bytes:
        """SHA-256(statement ‖ V); the proof is no part of it."""
        return _txid(self.statement, self.commitments)

    @property
    def held_after(self) -> bytes:
        """What this move alone adds to the lender's shares; of a redemption, what it leaves him."""
        known = self.by_name()
        if self.statement.kind is LendKind.EARN:
            return NOTHING
        if self.statement.kind is LendKind.REDEEM:
            return combine([(1, known["H0"]), (-1, known["Sh"])])
        return known["Sh" if "Sh" in known else "Dep"]

    def by_name(self) -> Mapping[str, bytes]:
        """The commitments by name."""
        return dict(zip(names_of(self.statement.kind), self.commitments, strict=True))

    def ranged(self) -> list[bytes]:
        """The commitments of all that the epoch must range."""
        known = self.by_name()
        return [commitment_of(terms, known) for terms in ranged(self.statement.kind)]

    def encode(self) -> bytes:
        """The record's bytes."""
        return self.statement.encode() + b"".join(self.commitments) + sized(self.proof)

    @classmethod
    def decode(cls, encoded: bytes) -> Self:
        """The record in `encoded`. Errors: `InvalidMessage`."""
        reader = Reader(encoded)
        statement = LendStatement.read(reader)
        commitments = reader.points(len(names_of(statement.kind)))
        proof = reader.sized()
        reader.end()
        return cls(statement, commitments, proof)


def initialise_pool(seed: int, terms: LendTerms, blinding: Blinding) -> Lending:
    """The pool's first money: as many shares as nano, held by `terms.note`.

    Asks `blinding` once for each new commitment, by its name, as do those below. Errors: `Rejected` for no money.
    """
    if seed < 1:
        raise Rejected("settlement.deposit", "a pool begins with money in it", nano=seed)
    return _made(LendKind.INITIAL, terms, blinding, {}, {"Dep": seed, "LS1": seed, "T1": seed})


def lend(pool: PoolState, worth: Opening, deposit: int, terms: LendTerms, blinding: Blinding) -> Lending:
    """Money in for shares at the pool's net worth; `worth` opens V = S·NAV before it (`worth.net_worth`).

    Errors: `Rejected` where the pool is worth nothing or the money buys no share.
    """
    if worth.value < 1 or deposit < 1:
        raise Rejected("settlement.deposit", "money cannot be lent to this pool", nano=deposit)
    shares, remainder = divmod(FUNDING_SCALE * deposit * pool.shares.value, worth.value)
    if shares < 1:
        raise Rejected("settlement.shares", "the money buys no share", nano=deposit)
    values = {"Dep": deposit, "Sh": shares, "LS1": pool.lend_state.value + deposit, "T1": pool.shares.value + shares}
    values |= _limbs(remainder, worth.value)
    return _made(LendKind.DEPOSIT, terms, blinding, _before(pool, worth), values)


def redeem(
    pool: PoolState, worth: Opening, held: Opening, shares: int, terms: LendTerms, blinding: Blinding
) -> Lending:
    """Shares in for money at the pool's net worth; `held` opens all shares of the lender's note.

    Errors: `Rejected` where the pool is worth nothing or the lender has fewer shares.
    """
    if worth.value < 0 or not 1 <= shares <= min(held.value, pool.shares.value):
        raise Rejected("settlement.shares", "these shares cannot be redeemed", shares=shares)
    divisor = FUNDING_SCALE * pool.shares.value
    paid, remainder = divmod(shares * worth.value, divisor)
    values = {"W": paid, "Sh": shares, "LS1": pool.lend_state.value - paid, "T1": pool.shares.value - shares}
    values |= _limbs(remainder, divisor)
    return _made(LendKind.REDEEM, terms, blinding, _before(pool, worth) | {"H0": held}, values)


def earn(pool: PoolState, income: int, terms: LendTerms, blinding: Blinding) -> Lending:
    """Money in for no shares, so that every share is worth more. Errors: `Rejected` for no money."""
    if income < 1:
        raise Rejected("settlement.deposit", "income is more than nothing", nano=income)
    values = {"Dep": income, "LS1": pool.lend_state.value + income, "T1": pool.shares.value}
    return _made(LendKind.EARN, terms, blinding, {"LS0": pool.lend_state, "T0": pool.shares}, values)


def _before(pool: PoolState, worth: Opening) -> dict[str, Opening]:
    return {"LS0": pool.lend_state, "T0": pool.shares, "V": worth}


def _limbs(remainder: int, divisor: int) -> dict[str, int]:
    """The remainder, its upper limb, and the upper limb of what it lacks to the divisor less one."""
    return {"e": remainder, "eh": remainder // LIMB, "gh": (divisor - 1 - remainder) // LIMB}


def _made(
    kind: LendKind, terms: LendTerms, blinding: Blinding, known: Mapping[str, Opening], values: Mapping[str, int]
) -> Lending:
    openings = tuple(known[name] if name in known else Opening(values[name], blinding(name)) for name in names_of(kind))
    lending = Lending(LendStatement.of(terms, kind), openings)
    if not holds(kind, {name: opening.value for name, opening in lending.witness().items()}):
        raise IllegalTransition("settlement.lending", "the integers of a move break the rules it is proven by")
    return lending


def _txid(statement: LendStatement, commitments: Sequence[bytes]) -> bytes:
    return sha256(statement.encode() + b"".join(commitments)).digest()
