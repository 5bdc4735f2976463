"""The static type checker: what a program does to the types on the stack, without running it.

A program that passes cannot fail at run time for a type, an empty stack or items left over; it can still fail for a
string that is no scalar, a budget, or a cleartext constraint that is false.
"""

from __future__ import annotations

from collections.abc import Sequence

from fairway.errors import InvalidMessage
from fairway.zkvm.program import Instruction
from fairway.zkvm.types import COPYABLE, DROPPABLE, Type

__all__ = ["check", "infer"]


def check(instructions: Sequence[Instruction], inputs: Sequence[Type] = (), lines: Sequence[int] = ()) -> None:
    """Refuse a program that does not lead from `inputs` (bottom first) to the empty stack. Errors: as `infer`."""
    left = infer(instructions, inputs, lines)
    if left:
        raise InvalidMessage(
            "zkvm.leftover", "the program leaves items on the stack", count=len(left), top=left[-1].value
        )


def infer(
    instructions: Sequence[Instruction], inputs: Sequence[Type] = (), lines: Sequence[int] = ()
) -> tuple[Type, ...]:
    """The types on the stack after the program, bottom first.

    Errors: `InvalidMessage` with the facts `instruction` (index) and, where `lines` are given, `line`.
    """
    stack = list(inputs)
    for index, instruction in enumerate(instructions):
        try:
            _apply(stack, instruction)
        except InvalidMessage as error:
            error.facts["instruction"] = index
            if lines:
                error.facts["line"] = lines[index]
            raise
    return tuple(stack)


def _apply(stack: list[Type], instruction: Instruction) -> None:
    op, operand = instruction
    match op.name, operand:
        case "drop", _:
            _demand(_at(stack, 0) in DROPPABLE, "zkvm.not_droppable", "drop", _at(stack, 0))
            stack.pop()
        case "dup", int(k):
            _demand(_at(stack, k) in COPYABLE, "zkvm.not_copyable", "dup", _at(stack, k))
            stack.append(_at(stack, k))
        case "roll", int(k):
            _at(stack, k)
            stack.append(stack.pop(-k - 1))
        case _:
            if op.takes is None or op.gives is None:
                raise InvalidMessage("zkvm.unsupported", "the op needs a transaction around it", op=op.name)
            for wanted in reversed(op.takes):
                _take(stack, wanted, op.name)
            stack.extend(op.gives)


def _take(stack: list[Type], wanted: Type, name: str) -> None:
    found = _at(stack, 0)
    if found is not wanted:
        hint = "; a const (scalar) is missing before it" if (found, wanted) == (Type.STRING, Type.EXPRESSION) else ""
        raise InvalidMessage(
            "zkvm.type",
            f"{name} wants {wanted.value}, found {found.value}{hint}",
            op=name,
            wanted=wanted.value,
            found=found.value,
        )
    stack.pop()


def _at(stack: list[Type], k: int) -> Type:
    if k >= len(stack):
        raise InvalidMessage("zkvm.underflow", "the stack has too few items", depth=k, size=len(stack))
    return stack[-k - 1]


def _demand(holds: bool, code: str, name: str, found: Type) -> None:
    if not holds:
        raise InvalidMessage(code, f"{name} of an item that must be used exactly once", op=name, found=found.value)
