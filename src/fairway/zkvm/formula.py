"""What a program demands, as formulas a person can read: `P·LP = LP·(IM − AM) and LS1 − LS0 = P`.

A string pushed without a name is shown by its first four bytes; an allocated wire is `w0`, `w1`, …
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from fairway.zkvm.checker import infer
from fairway.zkvm.program import Instruction
from fairway.zkvm.types import Type

__all__ = ["formulas", "stacks"]

_OR, _AND, _SUM, _PRODUCT, _ATOM = range(5)


class _Term(NamedTuple):
    """A piece of text and how tightly its outermost sign binds."""

    text: str
    binding: int = _ATOM

    def within(self, binding: int) -> str:
        """The text, in parentheses where it binds less tightly than what it stands in."""
        return self.text if self.binding >= binding else f"({self.text})"


def formulas(instructions: Sequence[Instruction], inputs: Sequence[str] = ()) -> list[str]:
    """One line for each `verify` and `range`, in program order; `inputs` name the strings it starts with.

    Errors: `InvalidMessage` where the program does not type-check, or enters another program (`zkvm.dynamic`).
    """
    writer = _Writer([_Term(name) for name in inputs])
    types: tuple[Type, ...] = (Type.STRING,) * len(inputs)
    for instruction in instructions:
        types = infer((instruction,), types)
        writer.step(instruction)
    return writer.lines


def stacks(
    instructions: Sequence[Instruction], inputs: Sequence[str] = ()
) -> Iterator[tuple[Instruction, tuple[tuple[Type, str], ...]]]:
    """Each instruction with the stack it leaves, bottom first, as types and texts. Nothing is run.

    Errors: `InvalidMessage` at the first instruction that does not type-check, after those before it.
    """
    types: tuple[Type, ...] = (Type.STRING,) * len(inputs)
    writer = _Writer([_Term(name) for name in inputs])
    for instruction in instructions:
        types = infer((instruction,), types)
        writer.step(instruction)
        yield instruction, tuple(zip(types, writer.texts(), strict=True))


class _Writer:
    __slots__ = ("_stack", "_wires", "lines")

    def __init__(self, inputs: list[_Term]) -> None:
        self._stack = inputs
        self._wires = 0
        self.lines: list[str] = []

    def texts(self) -> list[str]:
        return [term.text for term in self._stack]

    def step(self, instruction: Instruction) -> None:
        op, operand = instruction
        match op.name, operand:
            case "push" | "program", str() | bytes():
                self._stack.append(_Term(operand if isinstance(operand, str) else f"0x{operand[:4].hex()}"))
            case "drop", _:
                self._stack.pop()
            case "dup", int(k):
                self._stack.append(self._stack[-k - 1])
            case "roll", int(k):
                self._stack.append(self._stack.pop(-k - 1))
            case "alloc", _:
                self._stack.append(_Term(f"w{self._wires}"))
                self._wires += 1
            case "range", _:
                self.lines.append(f"0 ≤ {self._stack[-1].text} < 2⁶⁴")
            case "verify", _:
                self.lines.append(self._stack.pop().text)
            case _:
                taken, given = _arity(instruction)
                arguments = [self._stack.pop() for _ in range(taken)][::-1]
                self._stack += _written(instruction, arguments, given)


def _arity(instruction: Instruction) -> tuple[int, int]:
    """How many items an op takes and gives."""
    op, operand = instruction
    match op.name, operand:
        case "cloak", (int(m), int(n)):
            return m + 2 * n, n
        case "output" | "contract", int(k):
            return k + 1, int(op.name == "contract")
    return len(op.takes or ()), len(op.gives or ())


def _written(instruction: Instruction, taken: list[_Term], given: int) -> list[_Term]:
    """What an op gives: a formula's own sign where there is one, else a call by name."""
    op, operand = instruction
    if op.name in _SILENT:
        return taken
    if op.name in _SIGNS:
        return [_SIGNS[op.name](*taken)]
    arguments = [str(operand)] if isinstance(operand, int) and not taken else [term.text for term in taken]
    call = f"{op.name}({', '.join(arguments)})"
    return [_Term(call if given == 1 else f"{call}[{index}]") for index in range(given)]


def _add(left: _Term, right: _Term) -> _Term:
    if right.text.startswith("−") and right.binding == _PRODUCT:
        return _Term(f"{left.text} − {right.text[1:]}", _SUM)
    return _Term(f"{left.text} + {right.text}", _SUM)


def _neg(term: _Term) -> _Term:
    return _Term(f"−{term.within(_ATOM if term.text.startswith('−') else _PRODUCT)}", _PRODUCT)


_SILENT = frozenset({"scalar", "commit", "expr"})
_SIGNS: dict[str, Callable[..., _Term]] = {
    "neg": _neg,
    "not": lambda term: _Term(f"not ({term.text})"),
    "add": _add,
    "mul": lambda left, right: _Term(f"{left.within(_PRODUCT)}·{right.within(_PRODUCT)}", _PRODUCT),
    "eq": lambda left, right: _Term(f"{left.text} = {right.text}"),
    "and": lambda left, right: _Term(f"{left.within(_AND)} and {right.within(_AND)}", _AND),
    "or": lambda left, right: _Term(f"{left.within(_OR)} or {right.within(_OR)}", _OR),
}
