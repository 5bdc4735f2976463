"""Programs as the command line meets them: a file, `-` for standard input, or hex; assembler, builder or bytecode."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fairway.crypto.scalars import to_bytes
from fairway.errors import InvalidMessage, Unavailable
from fairway.zkvm import assembler, builder, checker
from fairway.zkvm.formula import stacks
from fairway.zkvm.op import BY_NAME, Dialect, code_of
from fairway.zkvm.program import Instruction, bind, decode
from fairway.zkvm.txlog import Header
from fairway.zkvm.types import String, Type
from fairway.zkvm.verifier import circuit_of
from fairway.zkvm.vm import INSTRUCTION_BOUND, Circuit, Surroundings

__all__ = ["Listing", "content_of", "hex_of", "listing", "read_text"]

TEXT_BOUND = 1 << 20
STANDARD_INPUT = "-"
_HEX = re.compile(r"(?:0x)?((?:[0-9a-fA-F]{2})+)", re.ASCII)
_BUILDER = re.compile(r"\s*(?:p\s*)?\.", re.ASCII)


@dataclass(frozen=True, slots=True)
class Listing:
    """A program, the line of each instruction (none for bytecode), and the strings that it starts from.

    `built`: it is written as calls of the builder.
    """

    instructions: tuple[Instruction, ...]
    lines: tuple[int, ...]
    inputs: tuple[str, ...] = ()
    built: bool = False
    dialect: Dialect = Dialect.ZKVM

    @property
    def names(self) -> tuple[str, ...]:
        """The names that are yet to be bound, once each."""
        return tuple(dict.fromkeys(each.operand for each in self.instructions if isinstance(each.operand, str)))

    def check(self) -> None:
        """Refuse a program that is not well-typed, naming the line. Errors: `InvalidMessage`."""
        checker.check(self.instructions, [Type.STRING] * len(self.inputs), self.lines, self.dialect)

    def committed(self) -> tuple[str, ...]:
        """What the program takes as commitments, in order and once each: names, or the beginnings of bytes.

        Errors: `InvalidMessage` (`zkvm.dynamic`) where it opens contracts or enters other programs.
        """
        found: list[str] = []
        top = self.inputs[-1] if self.inputs else ""
        for instruction, stack in stacks(self.instructions, self.inputs):
            if instruction.op.name == "commit":
                found.append(top)
            top = stack[-1][1] if stack else ""
        return tuple(dict.fromkeys(found))

    def stand_in(self) -> Circuit:
        """The circuit with other bytes for whatever is not bound, in some transaction: of the real one's size.

        Errors: `InvalidMessage` where the program cannot run, or not with these bytes.
        """
        values = {name: to_bytes(3**40 + index) for index, name in enumerate((*self.names, *self.inputs))}
        inputs = [String(values[name]) for name in self.inputs]
        return circuit_of(bind(self.instructions, values), inputs, Surroundings(self.dialect, Header(1, 0, 0)))


def listing(argument: str, dialect: Dialect, inputs: Sequence[str] = ()) -> Listing:
    """The program that a command was given. Errors: `InvalidMessage` with the line, `Unavailable`."""
    content = content_of(argument)
    if _is_hex(content):
        return Listing(_bounded(decode(hex_of(content), dialect)), (), tuple(inputs), dialect=dialect)
    built = _BUILDER.match(content) is not None
    source = builder.parse(content) if built else assembler.parse(content)
    if not source.instructions:
        raise InvalidMessage("zkvm.empty", "there is no instruction in it")
    for (op, _), line in zip(source.instructions, source.lines, strict=True):
        if code_of(op, dialect) is None:
            raise InvalidMessage("zkvm.dialect", f"{dialect.value} has no {op.name}", line=line)
    return Listing(_bounded(source.instructions), source.lines, tuple(inputs), built, dialect)


def content_of(argument: str) -> str:
    """What an argument stands for: itself if it is hex, else the text of the file it names. Errors: as `read_text`."""
    return argument if _HEX.fullmatch(argument) else read_text(argument)


def hex_of(text: str) -> bytes:
    """The bytes written in `text`, white space apart. Errors: `InvalidMessage`."""
    match = _HEX.fullmatch("".join(text.split()))
    if match is None:
        raise InvalidMessage("zkvm.hex", "this is not hex: two digits a byte")
    return bytes.fromhex(match[1])


def read_text(name: str) -> str:
    """The text of a file, or of standard input. Errors: `InvalidMessage`, `Unavailable`."""
    try:
        if name == STANDARD_INPUT:
            content = sys.stdin.buffer.read(TEXT_BOUND + 1)
        else:
            with Path(name).open("rb") as file:
                content = file.read(TEXT_BOUND + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no such name"
        raise Unavailable("zkvm.file", f"cannot read {name[:80]!r}: {reason}") from None
    if len(content) > TEXT_BOUND:
        raise InvalidMessage("zkvm.text_length", "the text is too long", bound=TEXT_BOUND)
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise InvalidMessage("zkvm.text", "this is not text; write bytecode as hex") from None


def _bounded(instructions: tuple[Instruction, ...]) -> tuple[Instruction, ...]:
    if len(instructions) > INSTRUCTION_BOUND:
        raise InvalidMessage("zkvm.instruction_bound", "the program is too long", bound=INSTRUCTION_BOUND)
    return instructions


def _is_hex(content: str) -> bool:
    """Whether a text is bytecode in hex: `add` alone is an instruction, though it has hex digits only."""
    words = content.split()
    compact = "".join(words)
    return bool(compact) and _HEX.fullmatch(compact) is not None and not any(word in BY_NAME for word in words)
