"""The static type checker: what a program does to the types on the stack, without running it.

A program that passes cannot fail at run time for a type, an empty stack or items left over; it can still fail for a
string that is no scalar, a budget, or a cleartext constraint that is false. It follows strings, programs and payloads
that stand in the program. Where what `eval`, `call` or a signature opens is known only when it runs, they are
`zkvm.dynamic`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fairway.errors import InvalidMessage
from fairway.zkvm import contract
from fairway.zkvm.op import Dialect
from fairway.zkvm.program import Instruction, decode
from fairway.zkvm.types import COPYABLE, DROPPABLE, PORTABLE, Program, String, Type, type_of

__all__ = ["check", "infer"]

INSTRUCTION_BOUND = 4096
STACK_BOUND = 1024


class _Item(NamedTuple):
    """A type, and where the program shows it the bytes of a string or program, or what a contract holds."""

    type: Type
    content: bytes | None = None
    payload: tuple[_Item, ...] | None = None


def check(
    instructions: Sequence[Instruction],
    inputs: Sequence[Type] = (),
    lines: Sequence[int] = (),
    dialect: Dialect = Dialect.ZKVM,
) -> None:
    """Refuse a program that does not lead from `inputs` (bottom first) to the empty stack. Errors: as `infer`."""
    left = infer(instructions, inputs, lines, dialect)
    if left:
        raise InvalidMessage(
            "zkvm.leftover", "the program leaves items on the stack", count=len(left), top=left[-1].value
        )


def infer(
    instructions: Sequence[Instruction],
    inputs: Sequence[Type] = (),
    lines: Sequence[int] = (),
    dialect: Dialect = Dialect.ZKVM,
) -> tuple[Type, ...]:
    """The types on the stack after the program, bottom first; `dialect` numbers the programs that it enters.

    Errors: `InvalidMessage` with the facts `instruction` (index) and, where `lines` are given, `line`.
    """
    walk = _Walk([_Item(kind) for kind in inputs], dialect)
    for index, instruction in enumerate(instructions):
        try:
            walk.run(instruction)
        except InvalidMessage as error:
            error.facts["instruction"] = index
            if lines:
                error.facts["line"] = lines[index]
            raise
    return tuple(item.type for item in walk.stack)


class _Walk:
    """A stack of items, and how many instructions of entered programs are left."""

    __slots__ = ("_dialect", "_left", "stack")

    def __init__(self, stack: list[_Item], dialect: Dialect) -> None:
        self.stack = stack
        self._dialect = dialect
        self._left = INSTRUCTION_BOUND

    def run(self, instruction: Instruction) -> None:
        """Apply an instruction, and whatever program it enters before the next."""
        frames: list[Iterator[Instruction]] = [iter((instruction,))]
        while frames:
            current = next(frames[-1], None)
            if current is None:
                frames.pop()
            elif (entered := self._apply(current)) is not None:
                frames.append(iter(self._entered(entered)))

    def _entered(self, code: bytes) -> Sequence[Instruction]:
        program = decode(code, self._dialect)
        self._left -= len(program)
        if self._left < 0:
            raise InvalidMessage("zkvm.instruction_bound", "the program is too long", bound=INSTRUCTION_BOUND)
        return program

    def _apply(self, instruction: Instruction) -> bytes | None:
        """Move the stack; the bytecode of a program that is to be entered, if any."""
        op, operand = instruction
        match op.name, operand:
            case "push", bytes(content):
                self.stack.append(_Item(Type.STRING, content))
            case "program", bytes(content):
                self.stack.append(_Item(Type.PROGRAM, content))
            case "drop" | "dup" | "roll", k:
                self._move(op.name, k if isinstance(k, int) else 0)
            case "cloak", (int(m), int(n)):
                self._cloak(m, n)
            case "output" | "contract" | "input" | "issue", k:
                self._lock(instruction, k if isinstance(k, int) else 0)
            case "eval" | "call" | "signtx" | "signid" | "signtag", _:
                return self._open(op.name)
            case _:
                self._plain(instruction)
        return None

    def _plain(self, instruction: Instruction) -> None:
        op = instruction.op
        for wanted in reversed(op.takes or ()):
            self._take(wanted, op.name)
        self.stack.extend(_Item(kind) for kind in op.gives or ())

    def _move(self, name: str, k: int) -> None:
        item = self._at(k)
        if name == "roll":
            self.stack.append(self.stack.pop(-k - 1))
        elif name == "dup":
            _demand(item.type in COPYABLE, "zkvm.not_copyable", name, item.type)
            self.stack.append(item)
        else:
            _demand(item.type in DROPPABLE, "zkvm.not_droppable", name, item.type)
            self.stack.pop()

    def _cloak(self, m: int, n: int) -> None:
        if m + 2 * n:
            self._at(m + 2 * n - 1)
        for _ in range(2 * n):
            self._take(Type.STRING, "cloak")
        for _ in range(m):
            found = self.stack.pop().type
            _demand(found in {Type.VALUE, Type.WIDE_VALUE}, "zkvm.type", "cloak", found)
        self.stack.extend([_Item(Type.VALUE)] * n)

    def _lock(self, instruction: Instruction, k: int) -> None:
        """What makes a contract: of an output, of a value, of items."""
        name = instruction.op.name
        if name == "issue":
            self._plain(instruction)
            self.stack[-1] = _Item(Type.CONTRACT, payload=(_Item(Type.VALUE),))
            return
        top = self._take(Type.STRING, name)
        if name == "input":
            self.stack.append(_Item(Type.CONTRACT, payload=_payload(top.content)))
            return
        if k:
            self._at(k - 1)
        items = tuple(self.stack[len(self.stack) - k :])
        for item in items:
            _demand(item.type in PORTABLE, "zkvm.not_portable", name, item.type)
        del self.stack[len(self.stack) - k :]
        self.stack.extend([_Item(Type.CONTRACT, payload=items)] if name == "contract" else [])

    def _open(self, name: str) -> bytes | None:
        """What opens a contract or enters a program; the program's bytecode."""
        code: bytes | None = b""
        if name in {"signid", "signtag"}:
            self._take(Type.STRING, name)
        if name != "signtx":
            code = self._take(Type.PROGRAM, name).content
        if name == "call":
            self._take(Type.STRING, name)
        payload = () if name == "eval" else self._take(Type.CONTRACT, name).payload
        if code is None or payload is None:
            raise InvalidMessage("zkvm.dynamic", "what the op leaves is known only when it runs", op=name)
        if name == "signtag" and not (payload and payload[-1].type is Type.STRING):
            raise InvalidMessage("zkvm.tag", "the contract's payload has no tag on top", op=name)
        self.stack.extend(payload)
        if len(self.stack) > STACK_BOUND:
            raise InvalidMessage("zkvm.stack_bound", "the stack is too deep", bound=STACK_BOUND)
        return code

    def _take(self, wanted: Type, name: str) -> _Item:
        found = self._at(0).type
        if found is not wanted:
            missing = (found, wanted) == (Type.STRING, Type.EXPRESSION)
            hint = "; a const (scalar) is missing before it" if missing else ""
            raise InvalidMessage(
                "zkvm.type",
                f"{name} wants {wanted.value}, found {found.value}{hint}",
                op=name,
                wanted=wanted.value,
                found=found.value,
            )
        return self.stack.pop()

    def _at(self, k: int) -> _Item:
        if k >= len(self.stack):
            raise InvalidMessage("zkvm.underflow", "the stack has too few items", depth=k, size=len(self.stack))
        return self.stack[-k - 1]


def _payload(structure: bytes | None) -> tuple[_Item, ...] | None:
    """What a claimed contract holds, if the program shows its bytes and they are such."""
    if structure is None:
        return None
    try:
        claimed = contract.decode(structure)
    except InvalidMessage:
        return None
    return tuple(_shown(item) for item in claimed.payload)


def _shown(item: contract.Portable) -> _Item:
    match item:
        case String(content) | Program(content):
            return _Item(type_of(item), content)
    return _Item(type_of(item))


def _demand(holds: bool, code: str, name: str, found: Type) -> None:
    if not holds:
        raise InvalidMessage(code, f"{name} of {found.value}: {_FORBIDDEN[code]}", op=name, found=found.value)


_FORBIDDEN = {
    "zkvm.not_droppable": "it must be used exactly once",
    "zkvm.not_copyable": "it must be used exactly once",
    "zkvm.not_portable": "a contract cannot hold it",
    "zkvm.type": "it takes values",
}
