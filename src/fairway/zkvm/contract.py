"""Values and the contracts that lock them.

A contract is a payload of portable items under a predicate (a point: who may take the payload). Its identity covers
both and an anchor that no other contract has, so that a signature for one contract serves no other.

    output = anchor:32 predicate:32 k:LE32 item*
    item   = 00 n:LE32 string:n | 01 n:LE32 program:n | 02 quantity:32 flavor:32
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from fairway.crypto.merlin import Transcript
from fairway.errors import InvalidMessage
from fairway.zkvm.bincode import Reader
from fairway.zkvm.constraint import Expression

__all__ = ["Contract", "Portable", "Program", "String", "Value", "WideValue", "decode", "encode", "ratcheted"]

POINT_BYTES = 32


class String(NamedTuple):
    """Bytes without a meaning yet: a scalar once `scalar` reads them, a commitment once `commit` does."""

    content: bytes


class Program(NamedTuple):
    """Bytecode as an item."""

    code: bytes


class Value(NamedTuple):
    """A quantity of a flavor, committed, the quantity shown to lie in [0, 2⁶⁴)."""

    quantity: bytes
    flavor: bytes


class WideValue(NamedTuple):
    """A value whose quantity may be negative: only `cloak` takes it. The prover knows its `assignment`."""

    quantity: Expression
    flavor: Expression
    assignment: tuple[int, int] | None = None


Portable = String | Program | Value


@dataclass(frozen=True, slots=True)
class Contract:
    """What is locked, by whom, and what makes it unlike any other."""

    anchor: bytes
    predicate: bytes
    payload: tuple[Portable, ...]
    _identity: bytes = field(default=b"", init=False, repr=False, compare=False)

    @property
    def identity(self) -> bytes:
        """The contract's identity, 32 bytes; computed once."""
        if not self._identity:
            object.__setattr__(self, "_identity", self._hashed())
        return self._identity

    def _hashed(self) -> bytes:
        transcript = Transcript(b"ZkVM.contractid")
        transcript.append(b"anchor", self.anchor)
        transcript.append(b"predicate", self.predicate)
        transcript.append(b"k", _le32(len(self.payload)))
        for item in self.payload:
            for label, content in _fields(item):
                transcript.append(label, content)
        return transcript.challenge(b"id")


def ratcheted(identity: bytes) -> bytes:
    """The anchor that a claimed contract leaves: its identity was an anchor already, in the transaction before."""
    transcript = Transcript(b"ZkVM.ratchet-anchor")
    transcript.append(b"old", identity)
    return transcript.challenge(b"new")


def encode(contract: Contract) -> bytes:
    """The output structure that `input` takes."""
    contents = [content for item in contract.payload for _, content in _fields(item)]
    return b"".join((contract.anchor, contract.predicate, _le32(len(contract.payload)), *contents))


def decode(encoded: bytes) -> Contract:
    """The contract of which `encoded` is all. Errors: `InvalidMessage`."""
    reader = Reader(encoded)
    anchor, predicate = reader.take(32), reader.take(POINT_BYTES)
    count = int.from_bytes(reader.take(4), "little")
    if count > reader.rest():
        raise InvalidMessage("zkvm.output", "an output has fewer items than it says", count=count)
    payload = tuple(_item(reader) for _ in range(count))
    if reader.rest():
        raise InvalidMessage("zkvm.output", "an output has bytes after its end", offset=reader.offset)
    return Contract(anchor, predicate, payload)


def _item(reader: Reader) -> Portable:
    match reader.take(1)[0]:
        case 0:
            return String(reader.take(int.from_bytes(reader.take(4), "little")))
        case 1:
            return Program(reader.take(int.from_bytes(reader.take(4), "little")))
        case 2:
            return Value(reader.take(POINT_BYTES), reader.take(POINT_BYTES))
    raise InvalidMessage("zkvm.output", "an item of an output has no such kind", offset=reader.offset)


def _fields(item: Portable) -> tuple[tuple[bytes, bytes], ...]:
    """An item's bytes with the labels that an identity absorbs them under."""
    match item:
        case String(content):
            return (b"type", b"\0"), (b"n", _le32(len(content))), (b"string", content)
        case Program(code):
            return (b"type", b"\1"), (b"n", _le32(len(code))), (b"program", code)
        case Value(quantity, flavor):
            return (b"type", b"\2"), (b"qty", quantity), (b"flv", flavor)


def _le32(number: int) -> bytes:
    return number.to_bytes(4, "little")
