"""Rank-1 constraint proofs (Bulletproofs) over one flat, ordered tape.

Whoever builds a circuit writes a `Tape`; the prover's and the verifier's tape for one circuit are equal byte for
byte. Order is meaning: it fixes the order of commitments in the transcript, the numbering of multipliers and the
power of the challenge `z` that each constraint takes. One call into the core proves or verifies it, with no callback.

Two profiles, told apart by `statement`:

- **strict** (`bytes`): `Transcript("fairway.zk.v1")`, the statement absorbed before everything else. The tape itself
  is not absorbed, so the statement must name all that shapes it: the program and every cleartext scalar.
- **compatible** (`None`): `Transcript("ZkVM.r1cs")`, byte for byte as the published `bulletproofs` crate and the
  ZkVM's script mode. For other people's proofs only; nothing of value may rest on it.

The tape's bytes (integers little-endian):

    01 commit     index:u32                  absorbs commitment `index` (again, if it is named again)
    02 multiply   left:linear right:linear   a multiplier bound to both sides
    03 alloc                                 a free wire: left, then right of the same multiplier
    04 range64    value:linear               0 ≤ value < 2⁶⁴, by 64 multipliers
    05 constrain  value:linear               value = 0, in the first phase
    06 verify     count:u16 token*           a boolean tree in postfix, constrained in the second phase

    token   00 leaf:linear (true if zero) | 01 and | 02 or | 03 not
    linear  count:u16 (kind:u8 number:u32 scalar:32)*       kind  0 one, 1 committed, 2 left, 3 right, 4 output
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from fairway import _core
from fairway.crypto._boundary import translated
from fairway.crypto.pedersen import Opening, commit_all, encode_openings
from fairway.crypto.scalars import to_bytes
from fairway.errors import InvalidMessage, Rejected

__all__ = [
    "MULTIPLIER_BOUND",
    "ONE",
    "Gate",
    "Item",
    "Kind",
    "Linear",
    "Tape",
    "Token",
    "Variable",
    "prove",
    "verify",
    "verify_batch",
]

RANGE_BITS = 64
COUNT_BOUND = 2**16
MULTIPLIER_BOUND = 2**14
ENTROPY_BYTES = 32


class Kind(IntEnum):
    """Where a variable lives."""

    ONE = 0
    COMMITTED = 1
    LEFT = 2
    RIGHT = 3
    OUTPUT = 4


class Variable(NamedTuple):
    """A wire of the circuit: the constant one, a committed value, or a side of a multiplier."""

    kind: Kind
    number: int


ONE = Variable(Kind.ONE, 0)
"""The constant: `(ONE, 5)` is the term 5."""

Linear = Sequence[tuple[Variable, int]]
"""A linear combination `Σ scalar·variable`; scalars are integers of any sign; a variable may stand in it twice."""


class Gate(IntEnum):
    """What joins the subtrees of a `verify`. A tree is *true* where its expression is zero."""

    AND = 1
    OR = 2
    NOT = 3


Token = Linear | Gate
"""One place of a tree in postfix: a leaf (true if zero) or a gate over the one or two trees before it."""


class Tape:
    """A circuit under construction; see the head of this file for its bytes.

    Assignments of `alloc` are kept beside the tape and are needed by the prover only.
    """

    __slots__ = ("_assignments", "_bytes", "_committed", "_multipliers", "_pending")

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._assignments: list[int | None] = []
        self._committed = 0
        self._multipliers = 0
        self._pending: int | None = None

    def commit(self, index: int) -> Variable:
        """Absorb commitment `index` (of the list given to prove and verify) and give its variable."""
        self._bytes += b"\x01" + index.to_bytes(4, "little")
        self._committed += 1
        return Variable(Kind.COMMITTED, self._committed - 1)

    def multiply(self, left: Linear, right: Linear) -> tuple[Variable, Variable, Variable]:
        """Allocate a multiplier whose inputs are bound to `left` and `right`: (left, right, output)."""
        self._bytes += b"\x02" + _linear(left) + _linear(right)
        return self._multiplier()

    def alloc(self, assignment: int | None = None) -> Variable:
        """Allocate one free wire: the left input of a new multiplier, then the right input of the same one.

        Its value (`assignment`) is the prover's to give. As in the published crate, other multipliers may be
        allocated between the two, and a lone left wire has the right wire zero.
        """
        self._bytes += b"\x03"
        self._assignments.append(assignment)
        if self._pending is None:
            left, _, _ = self._multiplier()
            self._pending = left.number
            return left
        right = Variable(Kind.RIGHT, self._pending)
        self._pending = None
        return right

    def range64(self, value: Linear) -> None:
        """Demand 0 ≤ `value` < 2⁶⁴, at the price of 64 multipliers."""
        self._bytes += b"\x04" + _linear(value)
        self._count(RANGE_BITS)

    def constrain(self, value: Linear) -> None:
        """Demand that `value` is zero, in the first phase."""
        self._bytes += b"\x05" + _linear(value)

    def verify(self, tree: Sequence[Token]) -> None:
        """Demand, in the second phase, that a boolean tree in postfix is true.

        AND folds its sides by the challenge `ZkVM.verify.and-challenge`; OR costs one multiplier, NOT two.
        """
        self._bytes += b"\x06" + _count16(len(tree))
        for token in tree:
            self._bytes += bytes([token]) if isinstance(token, Gate) else b"\x00" + _linear(token)

    @property
    def multipliers(self) -> int:
        """How many multipliers the first phase has; the gates of `verify` add theirs in the second."""
        return self._multipliers

    def encoded(self) -> bytes:
        """The tape's bytes."""
        return bytes(self._bytes)

    def assignments(self) -> bytes:
        """The values of all `alloc`s, as the prover's core takes them. Errors: `Rejected` if one is missing."""
        return b"".join(_assigned(value) for value in self._assignments)

    def _multiplier(self) -> tuple[Variable, Variable, Variable]:
        index = self._multipliers
        self._count(1)
        return Variable(Kind.LEFT, index), Variable(Kind.RIGHT, index), Variable(Kind.OUTPUT, index)

    def _count(self, multipliers: int) -> None:
        self._multipliers += multipliers
        if self._multipliers > MULTIPLIER_BOUND:
            raise InvalidMessage("tape.multipliers", "the circuit is too large", bound=MULTIPLIER_BOUND)


@dataclass(frozen=True, slots=True)
class Item:
    """One proof of a batch, and what it is a proof of. `statement` None is the compatible profile."""

    tape: Tape
    commitments: Sequence[bytes]
    statement: bytes | None
    proof: bytes


def prove(tape: Tape, openings: Sequence[Opening], statement: bytes | None, entropy: bytes) -> bytes:
    """A proof that the committed values satisfy the tape: 417 bytes for at most one multiplier.

    The randomness of the proof is drawn from the transcript, the witness and `entropy` (32 bytes) together: equal
    inputs give an equal proof, and even a repeated `entropy` does not repeat it for another witness or statement.

    Secret: `openings`, the tape's assignments, `entropy`. Errors: `Rejected` if the values do not satisfy the tape.
    """
    if len(entropy) != ENTROPY_BYTES:
        raise InvalidMessage("proof.entropy_length", "proving takes 32 bytes of entropy", length=len(entropy))
    commitments = b"".join(commit_all(openings))
    values, blindings = encode_openings(openings)
    with translated():
        return _core.r1cs_prove(tape.encoded(), values, blindings, commitments, tape.assignments(), statement, entropy)


def verify(tape: Tape, commitments: Sequence[bytes], statement: bytes | None, proof: bytes) -> None:
    """Refuse a proof that does not hold. Errors: `InvalidProof`, `InvalidMessage` for a tape that is none."""
    verify_batch([Item(tape, commitments, statement, proof)])


def verify_batch(items: Sequence[Item]) -> None:
    """Refuse a batch in which one proof does not hold; it costs much less than one by one.

    Accepts exactly what `verify` accepts for each item, but for a chance of about 2⁻²⁵⁰. The weights of the
    items are drawn from a hash of the whole batch, so no entropy is needed.

    Errors: `InvalidProof`, `InvalidMessage`, with the fact `index` of the first bad item.
    """
    with translated():
        _core.r1cs_verify_batch(
            [(item.tape.encoded(), b"".join(item.commitments), item.statement, item.proof) for item in items]
        )


def _linear(value: Linear) -> bytes:
    encoded = bytearray(_count16(len(value)))
    for (kind, number), scalar in value:
        encoded.append(kind)
        encoded += number.to_bytes(4, "little")
        encoded += to_bytes(scalar)
    return bytes(encoded)


def _count16(count: int) -> bytes:
    if count >= COUNT_BOUND:
        raise InvalidMessage("tape.count", "a linear combination or a tree is too long", count=count)
    return count.to_bytes(2, "little")


def _assigned(value: int | None) -> bytes:
    if value is None:
        raise Rejected("proof.assignment_missing", "the prover lacks the value of an allocated wire")
    return to_bytes(value)
