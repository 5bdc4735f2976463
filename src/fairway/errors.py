"""The tree of errors, split by whose fault, and their stable codes.

    FairwayError
    ├── InvalidMessage      the peer sent bytes or facts that cannot be true; keep the evidence
    │   ├── InvalidSignature
    │   ├── InvalidProof
    │   └── WeakKey
    ├── Rejected            a lawful wish that the rules refuse; nothing changed
    ├── Unavailable         the world around us failed (disk, port, chain); try again or repair
    └── IllegalTransition   our own fault: the table has no such move; stop

Every error carries `code`, a stable word of the form `area.reason` that goes over the wire and is never reused, and
`facts`, the values that explain it. A code's numeric twin for exchange clients stands in `service/api`.
"""

from __future__ import annotations

import msgspec

__all__ = [
    "UNREADABLE",
    "FairwayError",
    "IllegalTransition",
    "InvalidMessage",
    "InvalidProof",
    "InvalidSignature",
    "Rejected",
    "Unavailable",
    "WeakKey",
]

Fact = int | str | bytes | None

UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
"""What msgspec raises for bytes that it cannot read: text that is no UTF-8, and nesting without end, by other names."""


class FairwayError(Exception):
    """An error with a stable `code`, a sentence for a person, and `facts` that explain it."""

    def __init__(self, code: str, message: str, **facts: Fact) -> None:
        super().__init__(f"{message} [{code}]")
        self.code = code
        self.message = message
        self.facts = facts

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuilt, (type(self), self.code, self.message, self.facts)


class InvalidMessage(FairwayError):
    """The peer's fault: bytes that do not decode, or facts that cannot be true."""


class InvalidSignature(InvalidMessage):
    """A signature that the named key did not make."""


class InvalidProof(InvalidMessage):
    """A proof that does not verify."""


class WeakKey(InvalidMessage):
    """A public key of small order or in a non-canonical encoding."""


class Rejected(FairwayError):
    """A lawful wish that the rules refuse; the state is as it was."""


class Unavailable(FairwayError):
    """The world around us failed: disk, port, keystore, chain."""


class IllegalTransition(FairwayError):
    """Our own fault: a move that the table does not have. The process stops."""


def _rebuilt(kind: type[FairwayError], code: str, message: str, facts: dict[str, Fact]) -> FairwayError:
    """An error that came from another process."""
    return kind(code, message, **facts)
