"""The verifier: runs a program on commitments alone and checks the proof against what it built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fairway.crypto import r1cs, relations
from fairway.zkvm.program import Instruction
from fairway.zkvm.types import Item
from fairway.zkvm.vm import ALONE, Circuit, Surroundings, run

__all__ = ["Claim", "Public", "circuit_of", "verify", "verify_batch"]


class Public:
    """The verifier's delegate: it knows no witness."""

    __slots__ = ()

    def allocate(self) -> int | None:
        """No value: only the prover knows one."""
        return None

    def value_of(self, commitment: bytes) -> int | None:  # noqa: ARG002 - the prover's delegate looks it up
        """No value: only the prover knows one."""
        return None


@dataclass(frozen=True, slots=True)
class Claim:
    """A proof, and what it claims: that `instructions` hold on `inputs`, under `statement`."""

    instructions: Sequence[Instruction]
    statement: bytes | None
    proof: bytes
    inputs: Sequence[Item] = ()
    around: Surroundings = ALONE


def circuit_of(
    instructions: Sequence[Instruction], inputs: Sequence[Item] = (), around: Surroundings = ALONE
) -> Circuit:
    """The circuit of a program, as a verifier sees it. Errors: `InvalidMessage`."""
    return run(instructions, Public(), inputs, around)


def verify(claim: Claim) -> None:
    """Refuse a claim that does not hold. Errors: `InvalidProof`, `InvalidMessage`."""
    verify_batch([claim])


def verify_batch(claims: Sequence[Claim]) -> None:
    """Refuse a batch with a claim that does not hold; cheaper than one by one.

    Errors: `InvalidProof`, `InvalidMessage`, with the fact `index` of the first bad claim.
    """
    circuits = [circuit_of(claim.instructions, claim.inputs, claim.around) for claim in claims]
    r1cs.verify_batch(
        [
            r1cs.Item(circuit.tape, circuit.commitments, claim.statement, claim.proof)
            for claim, circuit in zip(claims, circuits, strict=True)
        ]
    )
    relations.check_all([circuit.relations for circuit in circuits])
