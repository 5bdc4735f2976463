"""What a prover's worker does: a settlement's proof, or one of the steps by which an epoch is ranged.

    lay_out        the epoch's digest, and its openings in groups
    prove_group    the range proof of one group: many workers, one group each
    check_epoch    all groups together, against the records as published

Each function is a worker's whole errand: all that it needs is in its arguments, and nothing stays behind. A group's
proof is verified with its epoch, a settlement's before it comes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fairway.crypto.pedersen import Opening, commit_all
from fairway.settlement import epoch
from fairway.settlement.note import Opened, OrderTx
from fairway.settlement.proof import prove, verify_batch
from fairway.settlement.settlement import Settlement, SettlementTx

__all__ = ["Job", "Layout", "check_epoch", "lay_out", "prove_group", "prove_settlements"]


@dataclass(frozen=True, slots=True)
class Job:
    """A settlement and the fills that it publishes. Secret."""

    settlement: Settlement
    published: tuple[Opened, ...]

    def private(self) -> list[Opened | Settlement]:
        """The records with their openings, in the order of the epoch."""
        return [*self.published, self.settlement]

    def public(self) -> list[OrderTx | SettlementTx]:
        """The records as published, the settlement's own proof left out."""
        settlement = self.settlement
        tx = SettlementTx(settlement.statement, settlement.commitments, b"")
        return [*(opened.transaction() for opened in self.published), tx]


@dataclass(frozen=True, slots=True)
class Layout:
    """An epoch before its proofs: its digest, and what each group has to range. Secret: `groups`."""

    digest: bytes
    groups: tuple[tuple[Opening, ...], ...]


def prove_settlements(jobs: Sequence[Job], entropy: bytes) -> list[tuple[bytes, bytes]]:
    """Each settlement's txid and proof, verified together. Secret: both arguments. Errors: `InvalidProof`."""
    txs = [prove(job.settlement, entropy) for job in jobs]
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
