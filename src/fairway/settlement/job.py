"""What a prover's worker does: a record's proof, or one of the steps by which an epoch is ranged.

    lay_out        the epoch's digest, and its openings in groups
    prove_group    the range proof of one group: many workers, one group each
    check_epoch    all groups together, against the records as published

Each function is a worker's whole errand: all that it needs is in its arguments, and nothing stays behind. A group's
proof is verified with its epoch, a record's own before it comes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fairway.crypto.pedersen import Opening, commit_all
from fairway.settlement import epoch
from fairway.settlement.chain import Record
from fairway.settlement.lending import Lending, LendTx
from fairway.settlement.note import Opened
from fairway.settlement.proof import prove, verify_batch
from fairway.settlement.settlement import Settlement, SettlementTx
from fairway.settlement.solvency import Solvency, SolvencyTx

__all__ = ["Job", "Layout", "Made", "check_epoch", "is_proven", "lay_out", "prove_group", "prove_records", "published"]

Made = Settlement | Lending | Solvency
"""A record with its openings, as the exchange makes it. Secret."""


def is_proven(made: Made) -> bool:
    """Whether the record has a proof of its own; a record of solvency is proven by its epoch alone."""
    return not isinstance(made, Solvency)


def published(made: Made, proof: bytes = b"") -> SettlementTx | LendTx | SolvencyTx:
    """The public record, with its `proof` where that is there."""
    match made:
        case Settlement():
            return SettlementTx(made.statement, made.commitments, proof)
        case Lending():
            return LendTx(made.statement, made.commitments, proof)
        case Solvency():
            return made.transaction()


@dataclass(frozen=True, slots=True)
class Job:
    """A record and the fills that are published before it. Secret."""

    record: Made
    fills: tuple[Opened, ...]

    def private(self) -> list[Opened | Made]:
        """The records with their openings, in the order of the epoch."""
        return [*self.fills, self.record]

    def public(self) -> list[Record]:
        """The records as published, the record's own proof left out."""
        return [*(opened.transaction() for opened in self.fills), published(self.record)]


@dataclass(frozen=True, slots=True)
class Layout:
    """An epoch before its proofs: its digest, and what each group has to range. Secret: `groups`."""

    digest: bytes
    groups: tuple[tuple[Opening, ...], ...]


def prove_records(jobs: Sequence[Job], entropy: bytes) -> list[tuple[bytes, bytes]]:
    """Each record's txid and proof, verified together. Secret: both arguments. Errors: `InvalidProof`."""
    txs = [prove(job.record, entropy) for job in jobs if not isinstance(job.record, Solvency)]
    verify_batch(txs)
    return [(tx.txid, tx.proof) for tx in txs]


def lay_out(jobs: Sequence[Job], _: bytes) -> Layout:
    """The epoch of `jobs`, its commitments made once for all who work on it. Secret: `jobs`."""
    records = [record for job in jobs for record in job.private()]
    groups = tuple(tuple(group) for group in epoch.groups(records))
    for group in groups:
        commit_all(group)
    return Layout(epoch.digest(record.txid for record in records), groups)


def prove_group(digest: bytes, index: int, group: Sequence[Opening], entropy: bytes) -> bytes:
    """The proof of one group. Secret: `group`, `entropy`. Errors: `Rejected` for a value out of range."""
    return epoch.prove_group(digest, index, group, entropy)


def check_epoch(jobs: Sequence[Job], proofs: Sequence[bytes], _: bytes) -> bytes:
    """The epoch's proof, checked as any reader will. Secret: `jobs`. Errors: `InvalidProof`."""
    proof = epoch.EpochProof(tuple(proofs))
    epoch.verify_epoch([record for job in jobs for record in job.public()], proof)
    return proof.encode()
