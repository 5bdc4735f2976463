"""The prover: runs a program with the openings of the commitments it names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from fairway.crypto import r1cs
from fairway.crypto.pedersen import Opening
from fairway.errors import Rejected
from fairway.zkvm.program import Instruction
from fairway.zkvm.types import Item
from fairway.zkvm.vm import run

__all__ = ["prove"]


@dataclass(frozen=True, slots=True)
class _Witness:
    """The prover's delegate: it knows what allocated wires are worth. Secret."""

    wires: Iterator[int]

    def allocate(self) -> int | None:
        return next(self.wires, None)


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
    circuit = run(instructions, _Witness(iter(wires)), inputs)
    known = {opening.commitment: opening for opening in openings}
    if not known.keys() >= set(circuit.commitments):
        raise Rejected("zkvm.opening_missing", "the prover cannot open a commitment that the program names")
    return r1cs.prove(circuit.tape, [known[point] for point in circuit.commitments], statement, entropy)
