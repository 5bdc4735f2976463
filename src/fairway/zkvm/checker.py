"""The static type checker: what a program does to the types on the stack, without running it.

A program that passes cannot fail at run time for a type, an empty stack or items left over; it can still fail for a
string that is no scalar, a budget, or a cleartext constraint that is false. What a contract holds and what a program on
the stack does are known only when they run: `eval`, `call` and the three signatures are `zkvm.dynamic` here.
"""

from __future__ import annotations

from collections.abc import Sequence

from fairway.errors import InvalidMessage
from fairway.zkvm.program import Instruction
from fairway.zkvm.types import COPYABLE, DROPPABLE, PORTABLE, Type

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
        case "cloak", (int(m), int(n)):
            _cloak(stack, m, n)
        case "output" | "contract", int(k):
            _lock(stack, k, op.name)
            stack.extend((Type.CONTRACT,) if op.name == "contract" else ())
        case _:
            if op.takes is None or op.gives is None:
                raise InvalidMessage("zkvm.dynamic", "what the op leaves is known only when it runs", op=op.name)
            for wanted in reversed(op.takes):
                _take(stack, wanted, op.name)
            stack.extend(op.gives)


def _cloak(stack: list[Type], m: int, n: int) -> None:
    if m + 2 * n:
        _at(stack, m + 2 * n - 1)
    for _ in range(2 * n):
        _take(stack, Type.STRING, "cloak")
    for _ in range(m):
        found = stack.pop()
        _demand(found in {Type.VALUE, Type.WIDE_VALUE}, "zkvm.type", "cloak", found)
    stack.extend([Type.VALUE] * n)


def _lock(stack: list[Type], k: int, name: str) -> None:
    _take(stack, Type.STRING, name)
    for _ in range(k):
        found = _at(stack, 0)
        _demand(found in PORTABLE, "zkvm.not_portable", name, found)
        stack.pop()


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
        raise InvalidMessage(code, f"{name} of {found.value}: {_FORBIDDEN[code]}", op=name, found=found.value)


_FORBIDDEN = {
    "zkvm.not_droppable": "it must be used exactly once",
    "zkvm.not_copyable": "it must be used exactly once",
    "zkvm.not_portable": "a contract cannot hold it",
    "zkvm.type": "it takes values",
}
