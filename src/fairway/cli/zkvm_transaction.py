"""Transactions as the command line prints them: what stands in one of ZkOS, what one of the ZkVM does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from fairway.zkvm import assembler, transaction
from fairway.zkvm.op import Dialect
from fairway.zkvm.txlog import Entry, Output

__all__ = ["described", "verified"]


def verified(encoded: bytes) -> Iterator[str]:
    """The program of a transaction of the ZkVM, and below it what it does if signature and proof hold.

    Errors: `InvalidMessage`, `InvalidProof`.
    """
    decoded = transaction.decode(encoded)
    yield assembler.disassemble(decoded.program, Dialect.ZKVM)
    yield ""
    effects = transaction.verify(decoded)
    yield f"{'valid':<12}  {effects.txid.hex()}"
    yield f"{'time':<12}  {effects.header.mintime} to {effects.header.maxtime} ms"
    yield from map(_effect, effects.log)
    for key, contract in effects.signers:
        yield f"{'signed':<12}  {contract.hex()} by {key.hex()}"


def _effect(entry: Entry) -> str:
    shown = entry[:1] if isinstance(entry, Output) else entry
    values = " ".join(str(value) if isinstance(value, int) else value.hex() for value in shown)
    return f"{type(entry).__name__.lower():<12}  {values}"


def described(value: Any, indent: str = "") -> Iterator[str]:
    """A dataclass as lines: fields by name, what they hold below."""
    for field in fields(value):
        content = getattr(value, field.name)
        if isinstance(content, tuple) and content:
            for index, item in enumerate(content):
                yield from _entry(f"{field.name}[{index}]", item, indent)
        else:
            yield from _entry(field.name, content, indent)


def _entry(label: str, content: Any, indent: str) -> Iterator[str]:
    if is_dataclass(content):
        yield f"{indent}{label}: {type(content).__name__}"
        yield from described(content, indent + "  ")
    else:
        yield f"{indent}{label}: {_plain(content)}"


def _plain(content: Any) -> str:
    match content:
        case None | ():
            return "-"
        case bytes():
            return content.hex()
        case Enum():
            return content.name.lower()
        case str():
            return content if content.isprintable() else repr(content)
    return str(content)
