"""The one place where an error of the Rust core becomes an error of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fairway._core import CoreError
from fairway.errors import FairwayError, InvalidMessage, InvalidProof, Rejected

__all__ = ["translated"]

BY_FAULT: dict[str, type[FairwayError]] = {
    "encoding": InvalidMessage,
    "proof": InvalidProof,
    "witness": Rejected,
}


@contextmanager
def translated() -> Iterator[None]:
    """Turn a `CoreError` into `InvalidMessage`, `InvalidProof` or `Rejected`, with its code and the item's index."""
    try:
        yield
    except CoreError as error:
        fault, code, message, index = error.args
        facts = {} if index is None else {"index": index}
        raise BY_FAULT[fault](code, message, **facts) from None
