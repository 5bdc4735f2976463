"""Programs as text: one instruction a line, `push:n:hex`, `dup:k`, `roll:k`; `#` begins a comment.

`push:NAME` leaves a name to be bound later; `const` and `var` are read as `scalar` and `commit`, the words of older
texts. `disassemble` writes what `assemble` reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fairway.errors import InvalidMessage
from fairway.zkvm.op import BY_NAME, Dialect, Op, Operand, code_of
from fairway.zkvm.program import Instruction, decode

__all__ = ["ALIASES", "Source", "assemble", "disassemble", "parse", "render"]

ALIASES = {"const": "scalar", "var": "commit"}
INDEX_BOUND = 1 << 32


@dataclass(frozen=True, slots=True)
class Source:
    """Instructions and, for each, the line of the text it came from."""

    instructions: tuple[Instruction, ...]
    lines: tuple[int, ...]


def parse(text: str) -> Source:
    """The instructions written in `text`. Errors: `InvalidMessage` with the fact `line`."""
    words = list(_words(text))
    return Source(
        tuple(_instruction(word, line) for line, word in words),
        tuple(line for line, _ in words),
    )


def assemble(text: str, dialect: Dialect) -> tuple[Instruction, ...]:
    """The instructions in `text`, all of which `dialect` has. Errors: `InvalidMessage` with the fact `line`."""
    source = parse(text)
    for instruction, line in zip(source.instructions, source.lines, strict=True):
        if code_of(instruction.op, dialect) is None:
            raise InvalidMessage(
                "zkvm.dialect", "the dialect has no such instruction", line=line, op=instruction.op.name
            )
    return source.instructions


def disassemble(code: bytes, dialect: Dialect) -> str:
    """The text of some bytecode. Errors: `InvalidMessage` as `decode`."""
    return render(decode(code, dialect))


def render(instructions: Sequence[Instruction]) -> str:
    """The text of instructions, one a line."""
    return "\n".join(_text(instruction) for instruction in instructions)


def op_named(name: str, line: int) -> Op:
    """The op of that name or alias. Errors: `InvalidMessage` with the fact `line`."""
    op = BY_NAME.get(ALIASES.get(name, name))
    if op is None:
        raise InvalidMessage("zkvm.mnemonic", "no such instruction", line=line, word=name)
    return op


def _words(text: str) -> Iterator[tuple[int, str]]:
    for line, content in enumerate(text.splitlines(), start=1):
        for word in content.partition("#")[0].split():
            yield line, word


def _instruction(word: str, line: int) -> Instruction:
    name, *arguments = word.split(":")
    op = op_named(name, line)
    match op.operand, arguments:
        case Operand.NONE, []:
            return Instruction(op)
        case Operand.INDEX, [k]:
            return Instruction(op, _number(k, line))
        case Operand.PAIR, [m, n]:
            return Instruction(op, (_number(m, line), _number(n, line)))
        case Operand.BYTES, [n, x]:
            return Instruction(op, _content(n, x, line))
        case Operand.BYTES, [symbol] if op.name == "push" and symbol.isidentifier():
            return Instruction(op, symbol)
    raise InvalidMessage("zkvm.operand", "the instruction has another operand", line=line, word=word[:80])


def _number(text: str, line: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) < INDEX_BOUND):
        raise InvalidMessage("zkvm.operand", "an operand is a number below 2^32", line=line, word=text[:80])
    return int(text)


def _content(length: str, digits: str, line: int) -> bytes:
    try:
        content = bytes.fromhex(digits)
    except ValueError:
        raise InvalidMessage("zkvm.operand", "a string is written in hex", line=line, word=digits[:80]) from None
    if len(content) != _number(length, line):
        raise InvalidMessage("zkvm.operand", "a string is not as long as it says", line=line, length=len(content))
    return content


def _text(instruction: Instruction) -> str:
    op, operand = instruction
    match operand:
        case None:
            return op.name
        case bytes():
            return f"{op.name}:{len(operand)}:{operand.hex()}"
        case (first, second):
            return f"{op.name}:{first}:{second}"
        case _:
            return f"{op.name}:{operand}"
