"""What may lie on the stack, and which of it may be copied or dropped.

Types are linear: an expression or a constraint is used exactly once, unless it is dropped. A value of a type that the
machine does not run (contract, value, wide value, coin) is known to the type checker only.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from fairway.zkvm.constraint import Constraint, Expression

__all__ = ["COPYABLE", "DROPPABLE", "Item", "Program", "String", "Type", "Variable", "type_of"]


class Type(Enum):
    """The type of a stack item."""

    STRING = "string"
    PROGRAM = "program"
    CONTRACT = "contract"
    VALUE = "value"
    WIDE_VALUE = "wide value"
    VARIABLE = "variable"
    EXPRESSION = "expression"
    CONSTRAINT = "constraint"
    COIN = "coin"


COPYABLE = frozenset({Type.STRING, Type.VARIABLE, Type.COIN})
DROPPABLE = COPYABLE | {Type.PROGRAM, Type.EXPRESSION, Type.CONSTRAINT}


class String(NamedTuple):
    """Bytes without a meaning yet: a scalar once `scalar` reads them, a commitment once `commit` does."""

    content: bytes


class Program(NamedTuple):
    """Bytecode as an item."""

    code: bytes


class Variable(NamedTuple):
    """A committed value that no constraint has used yet."""

    commitment: bytes


Item = String | Program | Variable | Expression | Constraint

_TYPES: dict[type, Type] = {
    String: Type.STRING,
    Program: Type.PROGRAM,
    Variable: Type.VARIABLE,
    Expression: Type.EXPRESSION,
    Constraint: Type.CONSTRAINT,
}


def type_of(item: Item) -> Type:
    """The type of `item`."""
    return _TYPES[type(item)]
