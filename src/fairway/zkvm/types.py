"""What may lie on the stack, and which of it may be copied or dropped.

Types are linear: an expression or a constraint is used exactly once, unless it is dropped; a value, a wide value or a
contract is used exactly once and never dropped. Portable are what a contract may hold.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from fairway.zkvm.constraint import Constraint, Expression
from fairway.zkvm.contract import Contract, Program, String, Value, WideValue
from fairway.zkvm.zkos import Coin

__all__ = ["COPYABLE", "DROPPABLE", "PORTABLE", "Item", "Program", "String", "Type", "Variable", "type_of"]


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
PORTABLE = frozenset({Type.STRING, Type.PROGRAM, Type.VALUE})


class Variable(NamedTuple):
    """A committed value that no constraint has used yet."""

    commitment: bytes


Item = String | Program | Variable | Expression | Constraint | Value | WideValue | Contract | Coin

_TYPES: dict[type, Type] = {
    String: Type.STRING,
    Program: Type.PROGRAM,
    Variable: Type.VARIABLE,
    Expression: Type.EXPRESSION,
    Constraint: Type.CONSTRAINT,
    Value: Type.VALUE,
    WideValue: Type.WIDE_VALUE,
    Contract: Type.CONTRACT,
    Coin: Type.COIN,
}


def type_of(item: Item) -> Type:
    """The type of `item`."""
    return _TYPES[type(item)]
