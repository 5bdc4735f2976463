"""The machine: one flat step, and a delegate for the one thing that prover and verifier do differently.

Both run the same instructions and write the same tape; only the prover knows what an allocated wire is worth. The
stack starts with the inputs and must end empty. Budgets bound what an unknown program may cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from fairway.crypto import scalars
from fairway.crypto.pedersen import POINT_BYTES
from fairway.crypto.r1cs import Tape
from fairway.errors import InvalidMessage
from fairway.zkvm.constraint import Constraint, Expression
from fairway.zkvm.program import Instruction
from fairway.zkvm.types import COPYABLE, DROPPABLE, Item, Program, String, Variable, type_of

__all__ = ["Circuit", "Delegate", "Machine", "run", "trace"]

INSTRUCTION_BOUND = 4096
STACK_BOUND = 1024
TERM_BOUND = 512
RANGE_BOUND = 1 << 64

T = TypeVar("T", String, Program, Variable, Expression, Constraint)


class Delegate(Protocol):
    """What prover and verifier answer differently."""

    def allocate(self) -> int | None:
        """The value of the next allocated wire; None where the machine only verifies."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """What a program says about committed values: the tape, and the commitments it names by index."""

    tape: Tape
    commitments: tuple[bytes, ...]


class Machine:
    """A stack, the tape written so far and the commitments met so far."""

    __slots__ = ("_commitments", "_delegate", "stack", "tape")

    def __init__(self, delegate: Delegate, inputs: Sequence[Item] = ()) -> None:
        self.stack: list[Item] = list(inputs)
        self.tape = Tape()
        self._delegate = delegate
        self._commitments: dict[bytes, int] = {}

    def step(self, instruction: Instruction) -> None:
        """Do one instruction. Errors: `InvalidMessage`."""
        step = _STEPS.get(instruction.op.name)
        if step is None:
            raise InvalidMessage("zkvm.unsupported", "the op needs a transaction around it", op=instruction.op.name)
        step(self, instruction.operand)
        if len(self.stack) > STACK_BOUND:
            raise InvalidMessage("zkvm.stack_bound", "the stack is too deep", bound=STACK_BOUND)

    def circuit(self) -> Circuit:
        """What was built. Errors: `InvalidMessage` if the stack is not empty."""
        if self.stack:
            raise InvalidMessage("zkvm.leftover", "the program leaves items on the stack", count=len(self.stack))
        return Circuit(self.tape, tuple(self._commitments))

    def pop(self, kind: type[T]) -> T:
        """The top of the stack, which must be of that type."""
        if not self.stack:
            raise InvalidMessage("zkvm.underflow", "the stack has too few items", size=0)
        item = self.stack.pop()
        if type(item) is not kind:
            raise InvalidMessage("zkvm.type", f"wanted {kind.__name__}, found {type_of(item).value}")
        return item

    def at(self, k: int) -> Item:
        """The item `k` below the top."""
        if k >= len(self.stack):
            raise InvalidMessage("zkvm.underflow", "the stack has too few items", depth=k, size=len(self.stack))
        return self.stack[-k - 1]

    def absorb(self, commitment: bytes) -> Expression:
        """A fresh variable for a commitment: one that is named twice is absorbed twice."""
        index = self._commitments.setdefault(commitment, len(self._commitments))
        return Expression(((self.tape.commit(index), 1),))

    def allocate(self) -> Expression:
        """A fresh wire that no commitment stands for."""
        return Expression(((self.tape.alloc(self._delegate.allocate()), 1),))


def run(instructions: Sequence[Instruction], delegate: Delegate, inputs: Sequence[Item] = ()) -> Circuit:
    """The circuit that a program makes of its inputs. Errors: `InvalidMessage`."""
    machine = Machine(delegate, inputs)
    for instruction in _bounded(instructions):
        machine.step(instruction)
    return machine.circuit()


def trace(
    instructions: Sequence[Instruction], delegate: Delegate, inputs: Sequence[Item] = ()
) -> Iterator[tuple[Instruction, tuple[Item, ...]]]:
    """Each instruction with the stack (bottom first) that it leaves."""
    machine = Machine(delegate, inputs)
    for instruction in _bounded(instructions):
        machine.step(instruction)
        yield instruction, tuple(machine.stack)


def _bounded(instructions: Sequence[Instruction]) -> Sequence[Instruction]:
    if len(instructions) > INSTRUCTION_BOUND:
        raise InvalidMessage("zkvm.instruction_bound", "the program is too long", bound=INSTRUCTION_BOUND)
    return instructions


def _push(machine: Machine, operand: object) -> None:
    """ø → string."""
    machine.stack.append(String(_bound(operand)))


def _program(machine: Machine, operand: object) -> None:
    """ø → program."""
    machine.stack.append(Program(_bound(operand)))


def _drop(machine: Machine, _: object) -> None:
    """Item → ø."""
    if type_of(machine.at(0)) not in DROPPABLE:
        raise InvalidMessage("zkvm.not_droppable", "an item that must be used exactly once was dropped")
    machine.stack.pop()


def _dup(machine: Machine, operand: object) -> None:
    """x(k) … x(0) → x(k) … x(0) x(k)."""
    item = machine.at(_index(operand))
    if type_of(item) not in COPYABLE:
        raise InvalidMessage("zkvm.not_copyable", "an item that must be used exactly once was copied")
    machine.stack.append(item)


def _roll(machine: Machine, operand: object) -> None:
    """x(k) x(k-1) … x(0) → x(k-1) … x(0) x(k)."""
    k = _index(operand)
    machine.at(k)
    machine.stack.append(machine.stack.pop(-k - 1))


def _scalar(machine: Machine, _: object) -> None:
    """String → expression, a constant one."""
    machine.stack.append(Expression((), scalars.from_bytes(machine.pop(String).content)))


def _commit(machine: Machine, _: object) -> None:
    """String → variable."""
    point = machine.pop(String).content
    if len(point) != POINT_BYTES:
        raise InvalidMessage("zkvm.point", "a commitment has 32 bytes", length=len(point))
    machine.stack.append(Variable(point))


def _alloc(machine: Machine, _: object) -> None:
    """ø → expression."""
    machine.stack.append(machine.allocate())


def _expr(machine: Machine, _: object) -> None:
    """Variable → expression."""
    machine.stack.append(machine.absorb(machine.pop(Variable).commitment))


def _neg(machine: Machine, _: object) -> None:
    """Expression → expression."""
    machine.stack.append(machine.pop(Expression).scaled(-1))


def _add(machine: Machine, _: object) -> None:
    """Expression expression → expression."""
    right = machine.pop(Expression)
    left = machine.pop(Expression)
    if len(left.terms) + len(right.terms) > TERM_BOUND:
        raise InvalidMessage("zkvm.term_bound", "an expression has too many terms", bound=TERM_BOUND)
    machine.stack.append(left.plus(right))


def _mul(machine: Machine, _: object) -> None:
    """Expression expression → expression, without a multiplier where either is constant."""
    right = machine.pop(Expression)
    left = machine.pop(Expression)
    if right.is_constant:
        machine.stack.append(left.scaled(right.constant))
    elif left.is_constant:
        machine.stack.append(right.scaled(left.constant))
    else:
        _, _, output = machine.tape.multiply(left.linear(), right.linear())
        machine.stack.append(Expression(((output, 1),)))


def _eq(machine: Machine, _: object) -> None:
    """Expression expression → constraint."""
    right = machine.pop(Expression)
    machine.stack.append(Constraint.equal(machine.pop(Expression), right))


def _range(machine: Machine, _: object) -> None:
    """Expression → expression, the same, in [0, 2⁶⁴)."""
    expression = machine.pop(Expression)
    if not expression.is_constant:
        machine.tape.range64(expression.linear())
    elif expression.constant % scalars.ORDER >= RANGE_BOUND:
        raise InvalidMessage("zkvm.range", "a cleartext value lies outside [0, 2^64)")
    machine.stack.append(expression)


def _and(machine: Machine, _: object) -> None:
    """Constraint constraint → constraint."""
    right = machine.pop(Constraint)
    machine.stack.append(machine.pop(Constraint).both(right))


def _or(machine: Machine, _: object) -> None:
    """Constraint constraint → constraint."""
    right = machine.pop(Constraint)
    machine.stack.append(machine.pop(Constraint).either(right))


def _not(machine: Machine, _: object) -> None:
    """Constraint → constraint."""
    machine.stack.append(machine.pop(Constraint).inverted())


def _verify(machine: Machine, _: object) -> None:
    """Constraint → ø."""
    constraint = machine.pop(Constraint)
    if constraint.truth is None:
        machine.tape.verify(constraint.tokens)
    elif not constraint.truth:
        raise InvalidMessage("zkvm.false", "a constraint between cleartext values is false")


def _bound(operand: object) -> bytes:
    if not isinstance(operand, bytes):
        raise InvalidMessage("zkvm.unbound", "the template has a name without a value", name=str(operand))
    return operand


def _index(operand: object) -> int:
    assert isinstance(operand, int), "the decoder gives dup and roll an index"
    return operand


_STEPS: dict[str, Callable[[Machine, object], None]] = {
    "push": _push,
    "program": _program,
    "drop": _drop,
    "dup": _dup,
    "roll": _roll,
    "scalar": _scalar,
    "commit": _commit,
    "alloc": _alloc,
    "expr": _expr,
    "neg": _neg,
    "add": _add,
    "mul": _mul,
    "eq": _eq,
    "range": _range,
    "and": _and,
    "or": _or,
    "not": _not,
    "verify": _verify,
}
