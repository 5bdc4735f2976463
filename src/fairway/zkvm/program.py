"""Bytecode to instructions and back.

    instruction = opcode:u8 operand;  operand = nothing | k:LE32 | m:LE32 n:LE32 | n:LE32 x:n bytes

A *template* is a program in which some strings are names instead of bytes; `bind` puts the bytes in. The program that
a statement speaks of is the template: its digest is the same whatever it is bound to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

from fairway.errors import InvalidMessage
from fairway.zkvm.op import BY_CODE, BY_NAME, Dialect, Op, Operand, code_of

__all__ = ["CODE_BOUND", "Instruction", "bind", "decode", "digest", "encode", "push"]

CODE_BOUND = 1 << 16
DIGEST_DOMAIN = b"fairway.program.v1"


class Instruction(NamedTuple):
    """An op and its operand; a `str` operand is the name of bytes that are yet to be bound."""

    op: Op
    operand: int | tuple[int, int] | bytes | str | None = None


def push(content: bytes | str) -> Instruction:
    """The instruction that puts a string (or, by name, one to be bound) on the stack."""
    return Instruction(BY_NAME["push"], content)


def decode(code: bytes, dialect: Dialect) -> tuple[Instruction, ...]:
    """The instructions in `code`. Errors: `InvalidMessage` for an unknown opcode or a cut operand."""
    if len(code) > CODE_BOUND:
        raise InvalidMessage("zkvm.code_length", "the bytecode is too long", length=len(code), bound=CODE_BOUND)
    instructions = []
    offset = 0
    while offset < len(code):
        op = BY_CODE[dialect].get(code[offset])
        if op is None:
            raise InvalidMessage("zkvm.opcode", "no such opcode", opcode=code[offset], offset=offset)
        operand, offset = _operand(code, offset + 1, op.operand)
        instructions.append(Instruction(op, operand))
    return tuple(instructions)


def encode(instructions: Sequence[Instruction], dialect: Dialect) -> bytes:
    """The bytecode of `instructions`. Errors: `InvalidMessage` for an op the dialect lacks or an unbound name."""
    return b"".join(_encoded(instruction, dialect) for instruction in instructions)


def bind(template: Sequence[Instruction], values: Mapping[str, bytes]) -> tuple[Instruction, ...]:
    """`template` with bytes for every name. Errors: `InvalidMessage` for a name that `values` lacks."""
    return tuple(
        Instruction(instruction.op, _value(instruction.operand, values))
        if isinstance(instruction.operand, str)
        else instruction
        for instruction in template
    )


def digest(template: Sequence[Instruction]) -> bytes:
    """The identity of a template, 32 bytes: its bytecode (zkvm dialect) with every name pushed as UTF-8 and marked."""
    marked = (
        Instruction(BY_NAME["program"], instruction.operand.encode())
        if isinstance(instruction.operand, str)
        else instruction
        for instruction in template
    )
    return sha256(DIGEST_DOMAIN + encode(tuple(marked), Dialect.ZKVM)).digest()


def _value(name: str, values: Mapping[str, bytes]) -> bytes:
    if name not in values:
        raise InvalidMessage("zkvm.unbound", "the template has a name without a value", name=name)
    return values[name]


def _operand(code: bytes, offset: int, kind: Operand) -> tuple[int | tuple[int, int] | bytes | None, int]:
    if kind is Operand.NONE:
        return None, offset
    first = int.from_bytes(_slice(code, offset, 4), "little")
    offset += 4
    if kind is Operand.INDEX:
        return first, offset
    if kind is Operand.PAIR:
        return (first, int.from_bytes(_slice(code, offset, 4), "little")), offset + 4
    return _slice(code, offset, first), offset + first


def _slice(code: bytes, offset: int, length: int) -> bytes:
    taken = code[offset : offset + length]
    if len(taken) != length:
        raise InvalidMessage("zkvm.truncated", "the bytecode ends inside an operand", offset=offset)
    return taken


def _encoded(instruction: Instruction, dialect: Dialect) -> bytes:
    op, operand = instruction
    code = code_of(op, dialect)
    if code is None:
        raise InvalidMessage("zkvm.dialect", "the dialect has no such instruction", op=op.name, dialect=dialect.value)
    match operand:
        case str():
            raise InvalidMessage("zkvm.unbound", "a template with free names has no bytecode", name=operand)
        case bytes():
            return bytes([code]) + _le32(len(operand)) + operand
        case int():
            return bytes([code]) + _le32(operand)
        case (first, second):
            return bytes([code]) + _le32(first) + _le32(second)
        case None:
            return bytes([code])


def _le32(number: int) -> bytes:
    return number.to_bytes(4, "little")
