"""Proving and verifying settlements one by one or in batches: milliseconds, for workers and auditors.

A proof says that the program of its statement holds for V. What V's values are bounded by is the epoch's part.
"""

from __future__ import annotations

from collections.abc import Sequence

from fairway.settlement.programs import absorbed, program_of
from fairway.settlement.settlement import Settlement, SettlementTx
from fairway.settlement.statement import Cause
from fairway.settlement.values import LIMB, shortfall
from fairway.zkvm import prover, verifier

__all__ = ["prove", "verify", "verify_batch"]


def prove(settlement: Settlement, entropy: bytes) -> SettlementTx:
    """The settlement with its proof; 32 bytes of `entropy`, equal inputs give an equal proof. Secret: both."""
    statement, commitments = settlement.statement, settlement.commitments
    proof = prover.prove(
        program_of(statement, commitments),
        settlement.openings,
        absorbed(statement),
        entropy,
        wires=_wires(settlement),
    )
    return SettlementTx(statement, commitments, proof)


def verify(tx: SettlementTx) -> None:
    """Refuse a settlement whose program does not hold. Errors: `InvalidProof`, `InvalidMessage`."""
    verify_batch([tx])


def verify_batch(txs: Sequence[SettlementTx]) -> None:
    """Refuse a batch with a bad settlement; cheaper than one by one.

    Errors: `InvalidProof`, `InvalidMessage`, with the fact `index` of the first bad one.
    """
    verifier.verify_batch([_claim(tx) for tx in txs])


def _claim(tx: SettlementTx) -> verifier.Claim:
    return verifier.Claim(program_of(tx.statement, tx.commitments), absorbed(tx.statement), tx.proof)


def _wires(settlement: Settlement) -> tuple[int, ...]:
    """The limbs of W, which a liquidation's program allocates."""
    statement = settlement.statement
    if statement.cause is not Cause.LIQUIDATION:
        return ()
    values = {name: opening.value for name, opening in settlement.witness().items()}
    rest, low = divmod(shortfall(statement, values), LIMB)
    high, middle = divmod(rest, LIMB)
    return low, middle, high
