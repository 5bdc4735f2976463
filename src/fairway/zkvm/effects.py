"""The instructions on values and contracts: what each does to the machine's state and to the transaction's log.

Equations of public points are deferred: they are checked together, with the signature, when the program has run.
"""

from __future__ import annotations

from collections.abc import Callable

from fairway.crypto import schnorr
from fairway.crypto.merlin import Transcript
from fairway.crypto.relations import Relation
from fairway.crypto.scalars import ORDER, from_bytes
from fairway.errors import InvalidMessage
from fairway.zkvm import contract as contracts
from fairway.zkvm import txlog
from fairway.zkvm.cloak import cloak
from fairway.zkvm.constraint import Expression
from fairway.zkvm.contract import Contract, Portable, Value, WideValue
from fairway.zkvm.predicate import CallProof, call_relation, flavor
from fairway.zkvm.state import State
from fairway.zkvm.steps import Step, index_of, point_of
from fairway.zkvm.types import Program, String, Variable, type_of
from fairway.zkvm.zkos import Coin

__all__ = ["FEE_BOUND", "STEPS"]

FEE_BOUND = 1 << 24
FEE_BYTES = 4


def _mintime(state: State, _: object) -> None:
    """ø → expression."""
    state.push(Expression((), state.header().mintime))


def _maxtime(state: State, _: object) -> None:
    """ø → expression."""
    state.push(Expression((), state.header().maxtime))


def _unblind(state: State, _: object) -> None:
    """String string → string: V = v·B."""
    value = from_bytes(state.pop(String).content)
    point = point_of(state)
    state.relations.append(Relation(((1, point),), -value))
    state.push(String(point))


def _issue(state: State, _: object) -> None:
    """Variable variable string string → contract."""
    predicate = point_of(state)
    metadata = state.pop(String).content
    flv = state.pop(Variable).commitment
    qty = state.pop(Variable).commitment
    state.charge(len(metadata))
    state.absorb(flv)
    state.tape.range64(state.absorb(qty).linear())
    state.relations.append(Relation(((1, flv),), -flavor(predicate, metadata)))
    state.record(txlog.Issue(qty, flv))
    state.push(state.lock(predicate, (Value(qty, flv),)))


def _borrow(state: State, _: object) -> None:
    """Variable variable → wide value, value: the first is what the second owes."""
    flv = state.pop(Variable).commitment
    qty = state.pop(Variable).commitment
    value = Value(qty, flv)
    owed = _widened(state, value)
    state.tape.range64(owed.quantity.linear())
    known = owed.assignment
    state.push(WideValue(owed.quantity.scaled(-1), owed.flavor, None if known is None else (-known[0], known[1])))
    state.push(value)


def _retire(state: State, _: object) -> None:
    """Value → ø."""
    state.record(txlog.Retire(*state.pop(Value)))


def _cloak(state: State, operand: object) -> None:
    """Wide values, pairs of strings → values."""
    assert isinstance(operand, tuple), "the decoder gives it a pair"
    m, n = operand
    if m + 2 * n > len(state.stack):
        raise InvalidMessage("zkvm.underflow", "the stack has too few items", depth=m + 2 * n, size=len(state.stack))
    values = [_committed_value(state) for _ in range(n)]
    outputs = [_widened(state, value) for value in values]
    inputs = [_taken(state) for _ in range(m)]
    cloak(state.tape, inputs[::-1], outputs[::-1])
    state.stack += values


def _fee(state: State, _: object) -> None:
    """String → wide value."""
    encoded = state.pop(String).content
    if len(encoded) != FEE_BYTES:
        raise InvalidMessage("zkvm.fee", "a fee has four bytes", length=len(encoded))
    quantity = int.from_bytes(encoded, "little")
    state.fee += quantity
    if state.fee > FEE_BOUND:
        raise InvalidMessage("zkvm.fee", "the fees are too high", bound=FEE_BOUND)
    state.record(txlog.Fee(quantity))
    state.push(WideValue(Expression((), -quantity), Expression(()), (-quantity, 0)))


def _input(state: State, _: object) -> None:
    """String → contract."""
    structure = state.pop(String).content
    state.charge(len(structure))
    claimed = contracts.decode(structure)
    identity = claimed.identity
    state.record(txlog.Input(identity))
    state.anchor = contracts.ratcheted(identity)
    state.push(claimed)


def _output(state: State, operand: object) -> None:
    """Items string → ø."""
    made = _locked(state, index_of(operand))
    state.record(txlog.Output(made.identity, contracts.encode(made)))


def _contract(state: State, operand: object) -> None:
    """Items string → contract."""
    state.push(_locked(state, index_of(operand)))


def _log(state: State, _: object) -> None:
    """String → ø."""
    state.record(txlog.Log(state.pop(String).content))


def _eval(state: State, _: object) -> None:
    """Program → what it leaves."""
    state.enter(state.pop(Program))


def _call(state: State, _: object) -> None:
    """Contract string program → payload, and what the program makes of it."""
    program = state.pop(Program)
    proof = CallProof.decode(state.pop(String).content)
    opened = state.pop(Contract)
    state.charge(len(program.code), 2 + len(proof.path.neighbors))
    state.relations.append(call_relation(opened.predicate, proof, program.code))
    state.stack += opened.payload
    state.enter(program)


def _signtx(state: State, _: object) -> None:
    """Contract → payload; its key must sign the transaction."""
    state.header()
    opened = state.pop(Contract)
    state.signers.append((opened.predicate, opened.identity))
    state.stack += opened.payload


def _signid(state: State, _: object) -> None:
    """Contract program string → payload, and what the program makes of it; signed for this contract."""
    _delegated(state, b"ZkVM.signid", lambda opened: (b"contract", opened.identity))


def _signtag(state: State, _: object) -> None:
    """Contract program string → payload with its tag on top, and what the program makes of it; signed for the tag."""
    _delegated(state, b"ZkVM.signtag", lambda opened: (b"tag", _tag(opened)))


def _inputcoin(state: State, operand: object) -> None:
    """ø → coin."""
    state.push(_coin(state.around.coins_in, index_of(operand)))


def _outputcoin(state: State, operand: object) -> None:
    """ø → coin."""
    state.push(_coin(state.around.coins_out, index_of(operand)))


def _delegated(state: State, label: bytes, subject: Callable[[Contract], tuple[bytes, bytes]]) -> None:
    signature = state.pop(String).content
    program = state.pop(Program)
    opened = state.pop(Contract)
    name, content = subject(opened)
    state.charge(len(content) + len(program.code))
    transcript = Transcript(label)
    transcript.append(name, content)
    transcript.append(b"prog", program.code)
    state.relations.append(schnorr.relation(transcript, opened.predicate, signature))
    state.stack += opened.payload
    state.enter(program)


def _tag(opened: Contract) -> bytes:
    if not opened.payload or not isinstance(tag := opened.payload[-1], String):
        raise InvalidMessage("zkvm.tag", "the contract's payload has no tag on top")
    return tag.content


def _coin(coins: tuple[Coin | None, ...], index: int) -> Coin:
    coin = coins[index] if index < len(coins) else None
    if coin is None:
        raise InvalidMessage("zkvm.coin", "the transaction has no coin in that place", index=index)
    return coin


def _committed_value(state: State) -> Value:
    flv = point_of(state)
    return Value(point_of(state), flv)


def _widened(state: State, value: Value) -> WideValue:
    quantity, kind = state.absorb(value.quantity), state.absorb(value.flavor)
    q, f = (state.delegate.value_of(point) for point in value)
    return WideValue(quantity, kind, None if q is None or f is None else (q, f % ORDER))


def _taken(state: State) -> WideValue:
    item = state.pop_any()
    if isinstance(item, Value):
        return _widened(state, item)
    if isinstance(item, WideValue):
        return item
    raise InvalidMessage("zkvm.type", f"wanted a value, found {type_of(item).value}")


def _locked(state: State, count: int) -> Contract:
    predicate = point_of(state)
    if count > len(state.stack):
        raise InvalidMessage("zkvm.underflow", "the stack has too few items", depth=count, size=len(state.stack))
    cut = len(state.stack) - count
    payload: list[Portable] = []
    for item in state.stack[cut:]:
        if not isinstance(item, String | Program | Value):
            raise InvalidMessage("zkvm.not_portable", f"a contract cannot hold a {type_of(item).value}")
        payload.append(item)
    del state.stack[cut:]
    return state.lock(predicate, tuple(payload))


STEPS: dict[str, Step] = {
    "mintime": _mintime,
    "maxtime": _maxtime,
    "unblind": _unblind,
    "issue": _issue,
    "borrow": _borrow,
    "retire": _retire,
    "cloak": _cloak,
    "fee": _fee,
    "input": _input,
    "output": _output,
    "contract": _contract,
    "log": _log,
    "eval": _eval,
    "call": _call,
    "signtx": _signtx,
    "signid": _signid,
    "signtag": _signtag,
    "inputcoin": _inputcoin,
    "outputcoin": _outputcoin,
}
"""The instructions that make, move and take values, by name."""
