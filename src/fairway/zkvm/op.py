"""The instruction set: one row an opcode, for both dialects.

`zkvm` is the published specification of the ZkVM; `zkos` is the dialect that ZkOS deploys, which renumbers what comes
after 0x1d and has coins. An opcode that a dialect does not assign is an error, never a no-op.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from fairway.zkvm.types import Type

__all__ = ["BY_CODE", "BY_NAME", "Dialect", "Op", "Operand", "code_of"]


class Dialect(Enum):
    """Which numbering of opcodes some bytecode follows."""

    ZKVM = "zkvm"
    ZKOS = "zkos"


class Operand(Enum):
    """What follows the opcode: nothing, one or two little-endian 32-bit numbers, or a length and that many bytes."""

    NONE = 0
    INDEX = 1
    PAIR = 2
    BYTES = 3


@dataclass(frozen=True, slots=True)
class Op:
    """One instruction: its name, its opcode in each dialect (None: unassigned) and its effect on the stack.

    `takes` and `gives` list types from the bottom up; None marks an effect that depends on the operand or the item.
    """

    name: str
    zkvm: int | None
    zkos: int | None
    operand: Operand
    takes: tuple[Type, ...] | None
    gives: tuple[Type, ...] | None


_NONE, _INDEX, _PAIR, _BYTES = Operand.NONE, Operand.INDEX, Operand.PAIR, Operand.BYTES
_S, _P, _V, _E, _C = Type.STRING, Type.PROGRAM, Type.VARIABLE, Type.EXPRESSION, Type.CONSTRAINT
_CONTRACT, _VALUE, _WIDE, _COIN = Type.CONTRACT, Type.VALUE, Type.WIDE_VALUE, Type.COIN

OPS = (
    Op("push", 0x00, 0x00, _BYTES, (), (_S,)),
    Op("program", 0x01, 0x01, _BYTES, (), (_P,)),
    Op("drop", 0x02, 0x02, _NONE, None, None),
    Op("dup", 0x03, 0x03, _INDEX, None, None),
    Op("roll", 0x04, 0x04, _INDEX, None, None),
    Op("scalar", 0x05, 0x05, _NONE, (_S,), (_E,)),
    Op("commit", 0x06, 0x06, _NONE, (_S,), (_V,)),
    Op("alloc", 0x07, 0x07, _NONE, (), (_E,)),
    Op("mintime", 0x08, None, _NONE, (), (_E,)),
    Op("maxtime", 0x09, None, _NONE, (), (_E,)),
    Op("expr", 0x0A, 0x0A, _NONE, (_V,), (_E,)),
    Op("neg", 0x0B, 0x0B, _NONE, (_E,), (_E,)),
    Op("add", 0x0C, 0x0C, _NONE, (_E, _E), (_E,)),
    Op("mul", 0x0D, 0x0D, _NONE, (_E, _E), (_E,)),
    Op("eq", 0x0E, 0x0E, _NONE, (_E, _E), (_C,)),
    Op("range", 0x0F, 0x0F, _NONE, (_E,), (_E,)),
    Op("and", 0x10, 0x10, _NONE, (_C, _C), (_C,)),
    Op("or", 0x11, 0x11, _NONE, (_C, _C), (_C,)),
    Op("not", 0x12, 0x12, _NONE, (_C,), (_C,)),
    Op("verify", 0x13, 0x13, _NONE, (_C,), ()),
    Op("unblind", 0x14, 0x14, _NONE, (_S, _S), (_S,)),
    Op("issue", 0x15, 0x15, _NONE, (_V, _V, _S, _S), (_CONTRACT,)),
    Op("borrow", 0x16, 0x16, _NONE, (_V, _V), (_WIDE, _VALUE)),
    Op("retire", 0x17, 0x17, _NONE, (_VALUE,), ()),
    Op("cloak", 0x18, None, _PAIR, None, None),
    Op("fee", 0x19, 0x19, _NONE, (_S,), (_WIDE,)),
    Op("input", 0x1A, 0x1A, _NONE, (_S,), (_CONTRACT,)),
    Op("output", 0x1B, 0x1B, _INDEX, None, None),
    Op("contract", 0x1C, 0x1C, _INDEX, None, None),
    Op("log", 0x1D, 0x1D, _NONE, (_S,), ()),
    Op("eval", 0x1E, None, _NONE, None, None),
    Op("call", 0x1F, 0x1E, _NONE, None, None),
    Op("signtx", 0x20, 0x1F, _NONE, None, None),
    Op("signid", 0x21, 0x20, _NONE, None, None),
    Op("signtag", 0x22, 0x21, _NONE, None, None),
    Op("inputcoin", None, 0x22, _INDEX, (), (_COIN,)),
    Op("outputcoin", None, 0x23, _INDEX, (), (_COIN,)),
)

BY_NAME = {op.name: op for op in OPS}


def code_of(op: Op, dialect: Dialect) -> int | None:
    """The opcode of `op` in `dialect`, or None where it has none."""
    return op.zkvm if dialect is Dialect.ZKVM else op.zkos


BY_CODE: dict[Dialect, dict[int, Op]] = {
    dialect: {code: op for op in OPS if (code := code_of(op, dialect)) is not None} for dialect in Dialect
}
