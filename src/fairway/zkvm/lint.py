"""A lint for programs that demand less than they seem to.

    unused     a committed value, an allocated wire or a cleartext name stands in no constraint, product or range
    unbounded  a committed value is in no range: modulo the group order it may be "negative"
    cancels    a cleartext name scales whole constraints only, so that every value but zero says the same

It finds the common mistakes; that it finds none is no proof of soundness.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fairway.crypto.r1cs import ONE, Gate, Linear, Tape, Token, Variable
from fairway.crypto.scalars import ORDER, to_bytes
from fairway.zkvm.program import Instruction, bind
from fairway.zkvm.verifier import Public
from fairway.zkvm.vm import Machine

__all__ = ["Finding", "lint"]


class Finding(NamedTuple):
    """`code` is one of the words above; `name` what it is about."""

    code: str
    name: str


class _Recorder(Tape):
    """A tape that remembers, besides its bytes, what was put on it."""

    __slots__ = ("committed", "demands", "exact", "ranged", "wires")

    def __init__(self) -> None:
        super().__init__()
        self.committed: dict[Variable, int] = {}
        self.wires: list[Variable] = []
        self.demands: list[Linear] = []
        self.exact: list[Linear] = []
        self.ranged: set[Variable] = set()

    def commit(self, index: int) -> Variable:
        variable = super().commit(index)
        self.committed[variable] = index
        return variable

    def alloc(self, assignment: int | None = None) -> Variable:
        variable = super().alloc(assignment)
        self.wires.append(variable)
        return variable

    def multiply(self, left: Linear, right: Linear) -> tuple[Variable, Variable, Variable]:
        self.exact += [left, right]
        return super().multiply(left, right)

    def range64(self, value: Linear) -> None:
        self.exact.append(value)
        self.ranged |= {variable for variable, _ in value}
        super().range64(value)

    def verify(self, tree: Sequence[Token]) -> None:
        self.demands += [token for token in tree if not isinstance(token, Gate)]
        super().verify(tree)

    def used(self) -> set[Variable]:
        """Every variable that stands in something."""
        return {variable for linear in (*self.demands, *self.exact) for variable, _ in linear}


def lint(template: Sequence[Instruction]) -> list[Finding]:
    """The findings for a template that starts from an empty stack. Errors: `InvalidMessage` as the machine's."""
    names = sorted({instruction.operand for instruction in template if isinstance(instruction.operand, str)})
    values = {name: to_bytes(3**40 + index) for index, name in enumerate(names)}
    tape, commitments = _recorded(template, values)
    by_content = {content: name for name, content in values.items()}
    labels = {variable: by_content.get(commitments[index], str(index)) for variable, index in tape.committed.items()}
    used = {labels.get(variable) for variable in tape.used()}
    ranged = {labels.get(variable) for variable in tape.ranged}
    committed = list(dict.fromkeys(labels.values()))
    return [
        *(Finding("unused", name) for name in committed if name not in used),
        *(Finding("unused", f"w{i}") for i, wire in enumerate(tape.wires) if wire not in tape.used()),
        *(Finding("unbounded", name) for name in committed if name not in ranged),
        *(
            Finding("unused" if other.encoded() == tape.encoded() else "cancels", name)
            for name in names
            if name not in committed
            and _says_the_same(tape, other := _recorded(template, values | {name: to_bytes(5**40)})[0])
        ),
    ]


def _recorded(template: Sequence[Instruction], values: Mapping[str, bytes]) -> tuple[_Recorder, tuple[bytes, ...]]:
    machine = Machine(Public())
    machine.tape = tape = _Recorder()
    return tape, machine.finish(bind(template, values)).commitments


def _says_the_same(one: _Recorder, other: _Recorder) -> bool:
    """Whether two tapes of one template are equal up to a factor on each of their demands."""
    return all(map(_is_equal, one.exact, other.exact)) and all(map(_is_multiple, one.demands, other.demands))


def _is_equal(one: Linear, other: Linear) -> bool:
    return _summed(one) == _summed(other)


def _is_multiple(one: Linear, other: Linear) -> bool:
    left, right = _summed(one), _summed(other)
    pivot = next(iter(left), ONE)
    return left.keys() == right.keys() and all(
        left[key] * right[pivot] % ORDER == right[key] * left[pivot] % ORDER for key in left
    )


def _summed(linear: Linear) -> dict[Variable, int]:
    total: dict[Variable, int] = {}
    for variable, weight in linear:
        total[variable] = (total.get(variable, 0) + weight) % ORDER
    return {variable: weight for variable, weight in total.items() if weight}
