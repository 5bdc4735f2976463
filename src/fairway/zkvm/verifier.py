"""The verifier: runs a program on commitments alone and checks the proof against what it built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fairway.crypto import r1cs
from fairway.zkvm.program import Instruction
from fairway.zkvm.types import Item
from fairway.zkvm.vm import Circuit, run

__all__ = ["Claim", "Public", "circuit_of", "verify", "verify_batch"]


class Public:
    """The verifier's delegate: it knows no witness."""

    __slots__ = ()

    def allocate(self) -> int | None:
        """No value: only the prover knows one."""
        return None


@dataclass(frozen=True, slots=True)
class Claim:
    """A proof, and what it claims: that `instructions` hold on `inputs`, under `statement`."""

    instructions: Sequence[Instruction]
    statement: bytes | None
    proof: bytes
    inputs: Sequence[Item] = ()


def circuit_of(instructions: Sequence[Instruction], inputs: Sequence[Item] = ()) -> Circuit:
    """The circuit of a program, as a verifier sees it. Errors: `InvalidMessage`."""
    return run(instructions, Public(), inputs)


def verify(claim: Claim) -> None:
    """Refuse a claim that does not hold. Errors: `InvalidProof`, `InvalidMessage`."""
    verify_batch([claim])


def verify_batch(claims: Sequence[Claim]) -> None:
    """Refuse a batch with a claim that does not hold; cheaper than one by one.

    Errors: `InvalidProof`, `InvalidMessage`, with the fact `index` of the first bad claim.
    """
    r1cs.verify_batch([_item(claim) for claim in claims])


def _item(claim: Claim) -> r1cs.Item:
    circuit = circuit_of(claim.instructions, claim.inputs)
    return r1cs.Item(circuit.tape, circuit.commitments, claim.statement, claim.proof)
