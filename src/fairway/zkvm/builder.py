"""Programs written as calls of a builder, the way the documentation of ZkOS prints them.

    p.push(Commitment::blinded(IM))
    .var()
    .expr()
    .roll:2()

`.push(Commitment::blinded(NAME))` and `.push(NAME)` both leave NAME to be bound; `.dup()` means `.dup:0()`; `r#` is
Rust's escape of a keyword. The text is checked by type at once, so that an error names its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from fairway.errors import InvalidMessage
from fairway.zkvm.assembler import Source, op_named
from fairway.zkvm.checker import check
from fairway.zkvm.op import Operand
from fairway.zkvm.program import Instruction
from fairway.zkvm.types import Type

__all__ = ["build", "parse"]

_CALL = re.compile(
    r"\s*(?:p\s*)?\.(?:r#)?(?P<name>[a-z]+)(?::(?P<index>[0-9]{1,9}))?"
    r"\((?:Commitment::blinded\((?P<committed>\w+)\)|(?P<cleartext>\w*))\);?\s*",
    re.ASCII,
)


def build(text: str, inputs: Sequence[Type] = ()) -> tuple[Instruction, ...]:
    """The template written in `text`, which runs from a stack of `inputs` to an empty one.

    Errors: `InvalidMessage` with the fact `line`; `zkvm.type` says which instruction wants what, and where a string
    stands in place of an expression, that a `.const()` is missing before it.
    """
    source = parse(text)
    check(source.instructions, inputs, source.lines)
    return source.instructions


def parse(text: str) -> Source:
    """The calls in `text` as instructions, not yet checked by type. Errors: `InvalidMessage` with the fact `line`."""
    calls = list(_calls(text))
    return Source(tuple(_instruction(call, line) for line, call in calls), tuple(line for line, _ in calls))


def _calls(text: str) -> Iterator[tuple[int, re.Match[str]]]:
    offset = 0
    while offset < len(text.rstrip()):
        call = _CALL.match(text, offset)
        if call is None:
            start = len(text) - len(text[offset:].lstrip())
            raise InvalidMessage("zkvm.builder", "this is not a call of the builder", line=_line(text, start))
        yield _line(text, call.start("name")), call
        offset = call.end()


def _line(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


def _instruction(call: re.Match[str], line: int) -> Instruction:
    op = op_named(call["name"], line)
    name = call["committed"] or call["cleartext"]
    match op.operand, call["index"], name:
        case Operand.NONE, None, "":
            return Instruction(op)
        case Operand.INDEX, index, "":
            return Instruction(op, int(index or 0))
        case Operand.BYTES, None, name if op.name == "push" and name.isidentifier():
            return Instruction(op, name)
    raise InvalidMessage("zkvm.operand", "the call has another argument", line=line, word=call["name"])
