"""The prover: runs a program with the openings of the commitments it names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from fairway.crypto import r1cs
from fairway.crypto.pedersen import Opening
from fairway.errors import Rejected
from fairway.zkvm.program import Instruction
from fairway.zkvm.types import Item
from fairway.zkvm.vm import Circuit, run

__all__ = ["Witness", "prove", "prove_circuit"]


@dataclass(frozen=True, slots=True)
class Witness:
    """The prover's delegate: it knows what commitments and allocated wires are worth. Secret."""

    known: Mapping[bytes, Opening]
    wires: Iterator[int]

    @classmethod
    def of(cls, openings: Iterable[Opening], wires: Iterable[int] = ()) -> Self:
        """The witness that knows these openings, and the wires in program order."""
        return cls({opening.commitment: opening for opening in openings}, iter(wires))

    def allocate(self) -> int | None:
        """The next wire's value."""
        return next(self.wires, None)

    def value_of(self, commitment: bytes) -> int | None:
        """What the commitment opens to, if it is known."""
        opening = self.known.get(commitment)
        return None if opening is None else opening.value


def prove(
    instructions: Sequence[Instruction],
    openings: Iterable[Opening],
    statement: bytes | None,
    entropy: bytes,
    *,
    inputs: Sequence[Item] = (),
    wires: Iterable[int] = (),
) -> bytes:
    """A proof that the program holds for the committed values.

    `openings` open every commitment the program names, in any order; `wires` are the values of its `alloc`s in program
    order. `statement` is what the proof is bound to; None is the *script mode* of the published machine, which binds
    it to nothing but the commitments and must never move money.

    Secret: `openings`, `wires`, `entropy`. Errors: `InvalidMessage` for a bad program; `Rejected` if an opening is
    missing or the values do not satisfy the program.
    """
    witness = Witness.of(openings, wires)
    return prove_circuit(run(instructions, witness, inputs), witness, statement, entropy)


def prove_circuit(circuit: Circuit, witness: Witness, statement: bytes | None, entropy: bytes) -> bytes:
    """A proof of what a program built while it ran with `witness`. Secret, errors: as `prove`."""
    if not witness.known.keys() >= set(circuit.commitments):
        raise Rejected("zkvm.opening_missing", "the prover cannot open a commitment that the program names")
    return r1cs.prove(circuit.tape, [witness.known[point] for point in circuit.commitments], statement, entropy)
