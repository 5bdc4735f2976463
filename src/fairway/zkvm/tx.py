"""The script transaction of ZkOS: inputs and outputs, the program between them, and its proof.

`decode` and `encode` are inverse, byte for byte. `loaded` puts inputs and outputs on the stack as ZkOS does, and
`claim_of` is what the proof then claims. That proof is in script mode: it is bound to the commitments that its program
absorbs and to nothing else of the transaction. Signatures, same-value proofs and the call proof (that the script
address holds the program) are carried and not judged.

Source: the ZkOS transaction crate, serialised with bincode 1.3; tests/vectors has one that is deployed.
"""

from __future__ import annotations

from fairway.crypto import scalars
from fairway.errors import InvalidMessage
from fairway.zkvm import bincode, program, zkos
from fairway.zkvm.bincode import choice, enumeration, fixed, many, maybe, number, record, sized, text
from fairway.zkvm.op import Dialect
from fairway.zkvm.types import String
from fairway.zkvm.verifier import Claim
from fairway.zkvm.vm import Surroundings
from fairway.zkvm.zkos import (
    Closed,
    Coin,
    Datum,
    Input,
    InputCoin,
    InputMemo,
    InputState,
    Integer,
    Kind,
    Memo,
    Opaque,
    Output,
    Scalar,
    ScriptTx,
    State,
)

__all__ = ["claim_of", "decode", "encode", "loaded"]

_U8, _U32, _U64, _HASH = number(1), number(4), number(8), fixed(32)
_CLOSED = choice("commitment", (0, (Closed,), record(Closed, _HASH)))
_SCALAR = choice(
    "scalar",
    (0, (Integer,), record(Integer, number(16, signed=True))),
    (1, (Scalar,), record(Scalar, _HASH)),
)
_DATUM = choice(
    "string",
    (0, (Opaque,), record(Opaque, sized)),
    (2, (Closed,), _CLOSED),
    (3, (Integer, Scalar), _SCALAR),
)
_DATA = maybe(many(_DATUM))
_UTXO = record(zkos.Utxo, _HASH, _U8)
_COIN = record(Coin, _HASH, _HASH, text)
_MEMO = record(Memo, text, text, _CLOSED, _DATA, _U32)
_STATE = record(State, _U32, text, text, _CLOSED, _DATA, _U32)
_INPUT = record(
    Input,
    enumeration("input", Kind),
    choice(
        "input",
        (0, (InputCoin,), record(InputCoin, _UTXO, _COIN, _U8)),
        (1, (InputMemo,), record(InputMemo, _UTXO, _MEMO, _U8, maybe(_CLOSED))),
        (2, (InputState,), record(InputState, _UTXO, _STATE, _U8, _DATA)),
    ),
)
_OUTPUT = record(
    Output,
    enumeration("output", Kind),
    choice("output", (0, (Coin,), _COIN), (1, (Memo,), _MEMO), (2, (State,), _STATE)),
)
_CALL_PROOF = record(zkos.CallProof, enumeration("network", zkos.Network), _U64, many(_HASH))
_SIGMA = choice(
    "sigma proof",
    (0, (zkos.Dlog,), record(zkos.Dlog, many(_HASH), _HASH)),
    (1, (zkos.Dleq,), record(zkos.Dleq, many(_HASH), many(_HASH), many(_HASH), _HASH)),
)
_WITNESS = choice(
    "witness",
    (0, (zkos.Signature,), record(zkos.Signature, sized)),
    (1, (zkos.Dlog, zkos.Dleq), _SIGMA),
    (2, (zkos.ValueWitness,), record(zkos.ValueWitness, sized, _SIGMA)),
    (3, (zkos.StateWitness,), record(zkos.StateWitness, sized, maybe(many(_HASH)))),
)
_SCRIPT = record(
    ScriptTx,
    *(_U64, _U64, _U64),
    *(_U8, _U8, _U8),
    many(_INPUT),
    many(_OUTPUT),
    sized,
    _CALL_PROOF,
    sized,
    many(_WITNESS),
    maybe(_DATUM),
)
_BODY = choice("transaction", (1, (ScriptTx,), _SCRIPT))
_TRANSACTION = choice("transaction", (1, (ScriptTx,), _BODY))
_KINDS: dict[type, Kind] = {
    InputCoin: Kind.COIN,
    InputMemo: Kind.MEMO,
    InputState: Kind.STATE,
    Coin: Kind.COIN,
    Memo: Kind.MEMO,
    State: Kind.STATE,
}


def decode(encoded: bytes) -> ScriptTx:
    """The script transaction in `encoded`. Errors: `InvalidMessage`."""
    transaction: ScriptTx = bincode.decode(_TRANSACTION, encoded)
    counts = len(transaction.inputs), len(transaction.outputs), len(transaction.witnesses)
    if counts != (transaction.input_count, transaction.output_count, transaction.witness_count):
        raise InvalidMessage("zkos.count", "a transaction says another count of inputs, outputs or witnesses")
    if any(each.kind is not _KINDS[type(each.spent)] for each in transaction.inputs) or any(
        each.kind is not _KINDS[type(each.created)] for each in transaction.outputs
    ):
        raise InvalidMessage("zkos.kind", "an input or an output says another kind than it has")
    return transaction


def encode(transaction: ScriptTx) -> bytes:
    """The bytes of `transaction`. Errors: `InvalidMessage` for a field that does not fit."""
    return _TRANSACTION.write(transaction)


def loaded(transaction: ScriptTx) -> tuple[String, ...]:
    """The stack that the program starts from, bottom first: inputs with the outputs of their place, then the data.

    coin → memo    the memo's commitment and data
    memo → coin    the memo's commitment and data, and the coin's value
    state → state  both commitments, pairs of variables before and after, the script's data

    Errors: `InvalidMessage` for another pair, or a string that has no bytes.
    """
    if len(transaction.inputs) != len(transaction.outputs):
        raise InvalidMessage("zkos.pairs", "inputs and outputs do not pair up")
    data: list[Datum] = []
    for put, made in zip(transaction.inputs, transaction.outputs, strict=True):
        match put.spent, made.created:
            case InputCoin(), Memo() as memo:
                data += [memo.commitment, *(memo.data or ())]
            case InputMemo(_, memo, _, value), Coin():
                data += [memo.commitment, *(memo.data or ()), *((value,) if value else ())]
            case InputState(_, before, _, extra), State() as after:
                data += [before.commitment, after.commitment, *_paired(before, after), *(extra or ())]
            case _:
                raise InvalidMessage("zkos.pairs", "no program takes an input and an output of these kinds")
    if transaction.data is not None:
        data.append(transaction.data)
    return tuple(String(_content(datum)) for datum in data)


def claim_of(transaction: ScriptTx) -> Claim:
    """What the transaction's proof claims. Errors: `InvalidMessage` as `loaded`, or for bytecode that is none."""
    instructions = program.decode(transaction.program, Dialect.ZKOS)
    around = Surroundings(
        Dialect.ZKOS,
        coins_in=tuple(each.spent.coin if isinstance(each.spent, InputCoin) else None for each in transaction.inputs),
        coins_out=tuple(each.created if isinstance(each.created, Coin) else None for each in transaction.outputs),
    )
    return Claim(instructions, None, transaction.proof, loaded(transaction), around)


def _paired(before: State, after: State) -> list[Datum]:
    old, new = before.variables or (), after.variables or ()
    if len(old) != len(new):
        raise InvalidMessage("zkos.pairs", "a state has another number of variables after than before")
    return [variable for pair in zip(old, new, strict=True) for variable in pair]


def _content(datum: Datum) -> bytes:
    match datum:
        case Opaque(content):
            return content
        case Closed(point):
            return point
        case Scalar(encoded):
            return encoded
        case Integer(value):
            return scalars.to_bytes(value)
