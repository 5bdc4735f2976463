"""Epochs: the ranges of many records, proven together in groups of sixteen.

A settlement is *final* when an epoch with it verifies, and so is a note once the epoch with its fills does. Groups are
independent, so workers prove them in parallel; each is bound to the digest of the whole epoch and to its own number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol, Self, TypeVar

from fairway.crypto import ranges
from fairway.crypto.pedersen import Opening
from fairway.errors import InvalidProof
from fairway.settlement.wire import Reader, sized

__all__ = ["EpochProof", "Private", "Public", "digest", "groups", "prove_epoch", "prove_group", "verify_epoch"]

DOMAIN = b"fairway.epoch.v1"
BITS = 64
GROUP = 16

T = TypeVar("T")


class Private(Protocol):
    """A record with its openings: `Settlement` or `Opened`."""

    @property
    def txid(self) -> bytes:
        """The record's identity."""

    def ranged(self) -> list[Opening]:
        """The openings of what must be ranged."""


class Public(Protocol):
    """A record as published: `SettlementTx` or `OrderTx`."""

    @property
    def txid(self) -> bytes:
        """The record's identity."""

    def ranged(self) -> list[bytes]:
        """The commitments of what must be ranged."""


@dataclass(frozen=True, slots=True)
class EpochProof:
    """One range proof a group, in order."""

    proofs: tuple[bytes, ...]

    def encode(self) -> bytes:
        """The proof's bytes."""
        return DOMAIN + len(self.proofs).to_bytes(4, "little") + b"".join(sized(proof) for proof in self.proofs)

    @classmethod
    def decode(cls, encoded: bytes) -> Self:
        """The proof in `encoded`. Errors: `InvalidMessage`."""
        reader = Reader(encoded)
        reader.fields(DOMAIN, ())
        proofs = tuple(reader.sized() for _ in range(reader.number(4)))
        reader.end()
        return cls(proofs)


def digest(txids: Iterable[bytes]) -> bytes:
    """The identity of an epoch: its records, in order."""
    return sha256(DOMAIN + b"".join(txids)).digest()


def groups(records: Sequence[Private]) -> list[Sequence[Opening]]:
    """The openings to be ranged, in the groups they are proven in. Secret."""
    return _grouped([opening for record in records for opening in record.ranged()])


def prove_group(epoch: bytes, index: int, openings: Sequence[Opening], entropy: bytes) -> bytes:
    """The proof of group `index` of the epoch with that digest: one worker's job. Secret: `openings`, `entropy`."""
    return ranges.prove(openings, BITS, _statement(epoch, index), entropy)


def prove_epoch(records: Sequence[Private], entropy: bytes) -> EpochProof:
    """The ranges of all `records`; entropy 32 bytes. Secret: both. Errors: `Rejected` for a value out of range."""
    epoch = digest(record.txid for record in records)
    return EpochProof(tuple(prove_group(epoch, index, group, entropy) for index, group in enumerate(groups(records))))


def verify_epoch(records: Sequence[Public], proof: EpochProof) -> None:
    """Refuse an epoch in which a value of a record is not shown to be in range. Errors: `InvalidProof`."""
    epoch = digest(record.txid for record in records)
    grouped = _grouped([point for record in records for point in record.ranged()])
    if len(grouped) != len(proof.proofs):
        raise InvalidProof("epoch.groups", "an epoch has another number of groups", wanted=len(grouped))
    ranges.verify_batch(
        [
            (group, BITS, _statement(epoch, index), part)
            for index, (group, part) in enumerate(zip(grouped, proof.proofs, strict=True))
        ]
    )


def _grouped(values: Sequence[T]) -> list[Sequence[T]]:
    return [values[start : start + GROUP] for start in range(0, len(values), GROUP)]


def _statement(epoch: bytes, index: int) -> bytes:
    return DOMAIN + epoch + index.to_bytes(4, "little")
