"""The instructions on the stack and the constraints: what each does to the machine's state."""

from __future__ import annotations

from collections.abc import Callable

from fairway.crypto import scalars
from fairway.crypto.pedersen import POINT_BYTES
from fairway.errors import InvalidMessage
from fairway.zkvm.constraint import Constraint, Expression
from fairway.zkvm.state import State
from fairway.zkvm.types import COPYABLE, DROPPABLE, Program, String, Variable, type_of

__all__ = ["STEPS", "Step", "index_of", "point_of"]

TERM_BOUND = 512
RANGE_BOUND = 1 << 64

Step = Callable[[State, object], None]


def _push(state: State, operand: object) -> None:
    """ø → string."""
    state.push(String(_bound(operand)))


def _program(state: State, operand: object) -> None:
    """ø → program."""
    state.push(Program(_bound(operand)))


def _drop(state: State, _: object) -> None:
    """Item → ø."""
    if type_of(state.at(0)) not in DROPPABLE:
        raise InvalidMessage("zkvm.not_droppable", "an item that must be used exactly once was dropped")
    state.stack.pop()


def _dup(state: State, operand: object) -> None:
    """x(k) … x(0) → x(k) … x(0) x(k)."""
    item = state.at(index_of(operand))
    if type_of(item) not in COPYABLE:
        raise InvalidMessage("zkvm.not_copyable", "an item that must be used exactly once was copied")
    state.push(item)


def _roll(state: State, operand: object) -> None:
    """x(k) x(k-1) … x(0) → x(k-1) … x(0) x(k)."""
    k = index_of(operand)
    state.at(k)
    state.push(state.stack.pop(-k - 1))


def _scalar(state: State, _: object) -> None:
    """String → expression, a constant one."""
    state.push(Expression((), scalars.from_bytes(state.pop(String).content)))


def _commit(state: State, _: object) -> None:
    """String → variable."""
    state.push(Variable(point_of(state)))


def _alloc(state: State, _: object) -> None:
    """ø → expression."""
    state.push(state.allocate())


def _expr(state: State, _: object) -> None:
    """Variable → expression."""
    state.push(state.absorb(state.pop(Variable).commitment))


def _neg(state: State, _: object) -> None:
    """Expression → expression."""
    state.push(state.pop(Expression).scaled(-1))


def _add(state: State, _: object) -> None:
    """Expression expression → expression."""
    right = state.pop(Expression)
    left = state.pop(Expression)
    if len(left.terms) + len(right.terms) > TERM_BOUND:
        raise InvalidMessage("zkvm.term_bound", "an expression has too many terms", bound=TERM_BOUND)
    state.push(left.plus(right))


def _mul(state: State, _: object) -> None:
    """Expression expression → expression, without a multiplier where either is constant."""
    right = state.pop(Expression)
    left = state.pop(Expression)
    if right.is_constant:
        state.push(left.scaled(right.constant))
    elif left.is_constant:
        state.push(right.scaled(left.constant))
    else:
        _, _, output = state.tape.multiply(left.linear(), right.linear())
        state.push(Expression(((output, 1),)))


def _eq(state: State, _: object) -> None:
    """Expression expression → constraint."""
    right = state.pop(Expression)
    state.push(Constraint.equal(state.pop(Expression), right))


def _range(state: State, _: object) -> None:
    """Expression → expression, the same, in [0, 2⁶⁴)."""
    expression = state.pop(Expression)
    if not expression.is_constant:
        state.tape.range64(expression.linear())
    elif expression.constant % scalars.ORDER >= RANGE_BOUND:
        raise InvalidMessage("zkvm.range", "a cleartext value lies outside [0, 2^64)")
    state.push(expression)


def _and(state: State, _: object) -> None:
    """Constraint constraint → constraint."""
    right = state.pop(Constraint)
    state.push(state.pop(Constraint).both(right))


def _or(state: State, _: object) -> None:
    """Constraint constraint → constraint."""
    right = state.pop(Constraint)
    state.push(state.pop(Constraint).either(right))


def _not(state: State, _: object) -> None:
    """Constraint → constraint."""
    state.push(state.pop(Constraint).inverted())


def _verify(state: State, _: object) -> None:
    """Constraint → ø."""
    constraint = state.pop(Constraint)
    if constraint.truth is None:
        state.tape.verify(constraint.tokens)
    elif not constraint.truth:
        raise InvalidMessage("zkvm.false", "a constraint between cleartext values is false")


def _bound(operand: object) -> bytes:
    if not isinstance(operand, bytes):
        raise InvalidMessage("zkvm.unbound", "the template has a name without a value", name=str(operand))
    return operand


def index_of(operand: object) -> int:
    """The operand of an instruction that has an index."""
    assert isinstance(operand, int), "the decoder gives it an index"
    return operand


def point_of(state: State) -> bytes:
    """The top of the stack as a point: 32 bytes; whether it is one is asked when an equation reads it."""
    point = state.pop(String).content
    if len(point) != POINT_BYTES:
        raise InvalidMessage("zkvm.point", "a point has 32 bytes", length=len(point))
    return point


STEPS: dict[str, Step] = {
    "push": _push,
    "program": _program,
    "drop": _drop,
    "dup": _dup,
    "roll": _roll,
    "scalar": _scalar,
    "commit": _commit,
    "alloc": _alloc,
    "expr": _expr,
    "neg": _neg,
    "add": _add,
    "mul": _mul,
    "eq": _eq,
    "range": _range,
    "and": _and,
    "or": _or,
    "not": _not,
    "verify": _verify,
}
"""The instructions that need nothing but a stack and a tape, by name."""
