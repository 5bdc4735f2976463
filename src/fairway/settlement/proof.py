"""Proving and verifying settlements one by one or in batches: milliseconds, for workers and auditors.

A proof says that the program of its statement holds for V. What V's values are bounded by is the epoch's part.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from fairway.settlement import lend_programs, programs
from fairway.settlement.lend import LendStatement
from fairway.settlement.lending import Lending, LendTx
from fairway.settlement.settlement import Settlement, SettlementTx
from fairway.settlement.statement import Cause, Statement
from fairway.settlement.values import LIMB, shortfall
from fairway.zkvm import prover, verifier

__all__ = ["prove", "verify", "verify_batch"]


@overload
def prove(settlement: Settlement, entropy: bytes) -> SettlementTx: ...
@overload
def prove(settlement: Lending, entropy: bytes) -> LendTx: ...
def prove(settlement: Settlement | Lending, entropy: bytes) -> SettlementTx | LendTx:
    """The settlement or lender's move with its proof; 32 bytes of `entropy`, equal inputs give an equal proof.

    Secret: both. Errors: `Rejected` if the values do not satisfy the program.
    """
    commitments = settlement.commitments
    claim = _claim(settlement.statement, commitments, b"")
    wires = _wires(settlement) if isinstance(settlement, Settlement) else ()
    proof = prover.prove(claim.instructions, settlement.openings, claim.statement, entropy, wires=wires)
    if isinstance(settlement, Lending):
        return LendTx(settlement.statement, commitments, proof)
    return SettlementTx(settlement.statement, commitments, proof)


def verify(tx: SettlementTx | LendTx) -> None:
    """Refuse a record whose program does not hold. Errors: `InvalidProof`, `InvalidMessage`."""
    verify_batch([tx])


def verify_batch(txs: Sequence[SettlementTx | LendTx]) -> None:
    """Refuse a batch with a bad record; cheaper than one by one.

    Errors: `InvalidProof`, `InvalidMessage`, with the fact `index` of the first bad one.
    """
    verifier.verify_batch([_claim(tx.statement, tx.commitments, tx.proof) for tx in txs])


def _claim(statement: Statement | LendStatement, commitments: Sequence[bytes], proof: bytes) -> verifier.Claim:
    if isinstance(statement, LendStatement):
        absorbed = lend_programs.absorbed(statement)
        return verifier.Claim(lend_programs.program_of(statement, commitments), absorbed, proof)
    return verifier.Claim(programs.program_of(statement, commitments), programs.absorbed(statement), proof)


def _wires(settlement: Settlement) -> tuple[int, ...]:
    """The limbs of W, which a liquidation's program allocates."""
    statement = settlement.statement
    if statement.cause is not Cause.LIQUIDATION:
        return ()
    values = {name: opening.value for name, opening in settlement.witness().items()}
    rest, low = divmod(shortfall(statement, values), LIMB)
    high, middle = divmod(rest, LIMB)
    return low, middle, high
