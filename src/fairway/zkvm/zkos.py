"""The parts of a ZkOS script transaction, as it is published. `tx` reads and writes them.

What is signed over, and the proofs that a coin and a memo have the same value, are carried and not judged here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

__all__ = [
    "CallProof", "Closed", "Coin", "Datum", "Dleq", "Dlog", "Input", "InputCoin", "InputMemo", "InputState", "Integer",
    "Kind", "Memo", "Network", "Opaque", "Output", "Scalar", "ScriptTx", "Signature", "State", "StateWitness", "Utxo",
    "ValueWitness",
]  # fmt: skip


class Kind(IntEnum):
    """What an input or an output is; the form that follows must be of the same kind."""

    COIN = 0
    MEMO = 1
    STATE = 2


class Network(IntEnum):
    """The network of a script address."""

    MAINNET = 0
    TESTNET = 1


@dataclass(frozen=True, slots=True)
class Utxo:
    """An output of an earlier transaction."""

    txid: bytes
    index: int


@dataclass(frozen=True, slots=True)
class Closed:
    """A commitment whose opening is not in the transaction."""

    point: bytes


@dataclass(frozen=True, slots=True)
class Opaque:
    """A string without a meaning."""

    content: bytes


@dataclass(frozen=True, slots=True)
class Integer:
    """A cleartext integer."""

    value: int


@dataclass(frozen=True, slots=True)
class Scalar:
    """A cleartext scalar, 32 bytes."""

    encoded: bytes


Datum = Opaque | Closed | Integer | Scalar
"""A string that the program finds on its stack."""


@dataclass(frozen=True, slots=True)
class Coin:
    """A value encrypted to its owner (ElGamal: c, d)."""

    c: bytes
    d: bytes
    owner: str


@dataclass(frozen=True, slots=True)
class Memo:
    """A committed value that a script holds for its owner."""

    script: str
    owner: str
    commitment: Closed
    data: tuple[Datum, ...] | None
    timebounds: int


@dataclass(frozen=True, slots=True)
class State:
    """The script's own value and variables."""

    nonce: int
    script: str
    owner: str
    commitment: Closed
    variables: tuple[Datum, ...] | None
    timebounds: int


@dataclass(frozen=True, slots=True)
class InputCoin:
    """A coin that is spent; `witness` is the index of what authorises it."""

    utxo: Utxo
    coin: Coin
    witness: int


@dataclass(frozen=True, slots=True)
class InputMemo:
    """A memo that is spent, and the value of the coin that it becomes."""

    utxo: Utxo
    memo: Memo
    witness: int
    coin_value: Closed | None


@dataclass(frozen=True, slots=True)
class InputState:
    """A state that is replaced, with what its script needs besides."""

    utxo: Utxo
    state: State
    witness: int
    script_data: tuple[Datum, ...] | None


@dataclass(frozen=True, slots=True)
class Input:
    """One input."""

    kind: Kind
    spent: InputCoin | InputMemo | InputState


@dataclass(frozen=True, slots=True)
class Output:
    """One output."""

    kind: Kind
    created: Coin | Memo | State


@dataclass(frozen=True, slots=True)
class CallProof:
    """The Merkle path from the program to its script address."""

    network: Network
    position: int
    neighbours: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature over an input and its output."""

    signature: bytes


@dataclass(frozen=True, slots=True)
class Dlog:
    """A proof of a discrete logarithm."""

    first: tuple[bytes, ...]
    challenge: bytes


@dataclass(frozen=True, slots=True)
class Dleq:
    """A proof that discrete logarithms are equal: responses, then the challenge."""

    first: tuple[bytes, ...]
    second: tuple[bytes, ...]
    third: tuple[bytes, ...]
    challenge: bytes


@dataclass(frozen=True, slots=True)
class ValueWitness:
    """A signature, and a proof that coin and memo have the same value."""

    signature: bytes
    same_value: Dlog | Dleq


@dataclass(frozen=True, slots=True)
class StateWitness:
    """A signature, and for a new contract the blindings of its zeros."""

    signature: bytes
    zeros: tuple[bytes, ...] | None


@dataclass(frozen=True, slots=True)
class ScriptTx:
    """A transaction that runs a program."""

    version: int
    fee: int
    maturity: int
    input_count: int
    output_count: int
    witness_count: int
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    program: bytes
    call_proof: CallProof
    proof: bytes
    witnesses: tuple[Signature | Dlog | Dleq | ValueWitness | StateWitness, ...]
    data: Datum | None
