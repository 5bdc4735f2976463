"""The interface over HTTP: one POST per call, its name as the path, MessagePack both ways.

A call's arguments are one array. An answer is the value with status 200, or the error's code, message and facts with
status 422 (the caller's fault) or 503 (the chain's).
"""

from __future__ import annotations

from typing import Any

import msgspec

from fairway.chain.interface import Account, StackValue, Transaction
from fairway.chain.network import Network
from fairway.errors import FairwayError, InvalidMessage, Rejected, Unavailable

__all__ = ["CALLS", "RESULTS", "Failure", "call_error", "failure_of", "pack_values", "unpack_values"]

CALLS: dict[str, Any] = {
    "network": tuple[()],
    "now": tuple[()],
    "send_external": tuple[bytes],
    "get_account": tuple[str],
    "run_get": tuple[str, str, list[Any]],
    "transactions": tuple[str, int, int],
    "wait": tuple[str, int, float],
    "advance": tuple[int],
    "fund": tuple[str, int],
}
RESULTS: dict[str, Any] = {
    "network": Network,
    "now": int,
    "send_external": None,
    "get_account": Account,
    "run_get": list[Any],
    "transactions": tuple[Transaction, ...],
    "wait": tuple[Transaction, ...],
    "advance": int,
    "fund": None,
}
_FAULTS: dict[str, type[FairwayError]] = {
    "invalid": InvalidMessage,
    "rejected": Rejected,
    "unavailable": Unavailable,
}


class Failure(msgspec.Struct, frozen=True):
    """An error on its way to the caller. `fault` is one of the classes that a chain may raise."""

    fault: str
    code: str
    message: str
    facts: dict[str, Any]


def failure_of(error: FairwayError) -> Failure:
    """`error` as it travels."""
    fault = next((name for name, kind in _FAULTS.items() if isinstance(error, kind)), "unavailable")
    return Failure(fault, error.code, error.message, error.facts)


def call_error(failure: Failure) -> FairwayError:
    """The error that `failure` stands for."""
    return _FAULTS.get(failure.fault, Unavailable)(failure.code, failure.message, **failure.facts)


def pack_values(values: tuple[StackValue, ...]) -> list[Any]:
    """Stack values with integers as decimal text: they are wider than MessagePack's."""
    return [_pack(value) for value in values]


def unpack_values(values: list[Any]) -> tuple[StackValue, ...]:
    """The inverse of `pack_values`; `InvalidMessage` with `chain.value` for anything else."""
    return tuple(_unpack(value) for value in values)


def _pack(value: StackValue) -> Any:
    if isinstance(value, tuple):
        return pack_values(value)
    return str(value) if isinstance(value, int) else value


def _unpack(value: Any) -> StackValue:
    match value:
        case list():
            return unpack_values(value)
        case str():
            try:
                return int(value)
            except ValueError as error:
                raise InvalidMessage("chain.value", "a number is written in decimal") from error
        case bytes() | None:
            return value
    raise InvalidMessage("chain.value", "a stack holds numbers, cells, tuples and nothing")
