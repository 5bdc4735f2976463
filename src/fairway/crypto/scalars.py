"""Scalars: integers modulo the order of the Ristretto255 group, 32 bytes little-endian on the wire.

A Python integer is neither zeroised nor constant-time. Secret scalars live here only between their derivation and
the call into the core.
"""

from __future__ import annotations

from fairway.crypto.keys import Expander
from fairway.errors import InvalidMessage

__all__ = ["ORDER", "SCALAR_BYTES", "Scalars", "derive_scalar", "from_bytes", "to_bytes"]

ORDER = 2**252 + 27742317777372353535851937790883648493
SCALAR_BYTES = 32
SCALAR_DOMAIN = b"fairway.scalar.v1"


def to_bytes(value: int) -> bytes:
    """The canonical encoding of `value` modulo the order; negative values are welcome."""
    return (value % ORDER).to_bytes(SCALAR_BYTES, "little")


def from_bytes(encoded: bytes) -> int:
    """The scalar below the order that `encoded` stands for. Errors: `InvalidMessage` for any other 32 bytes."""
    if len(encoded) != SCALAR_BYTES:
        raise InvalidMessage("scalar.length", "a scalar has 32 bytes", length=len(encoded))
    value = int.from_bytes(encoded, "little")
    if value >= ORDER:
        raise InvalidMessage("scalar.non_canonical", "the scalar is not below the group order", encoded=encoded)
    return value


class Scalars:
    """Scalars that one secret gives. Secret: all of it."""

    __slots__ = ("_expander",)

    def __init__(self, secret: bytes) -> None:
        self._expander = Expander(secret, SCALAR_DOMAIN)

    def derive(self, *parts: bytes) -> int:
        """The scalar of `parts`: 64 bytes of HKDF, reduced, so that the bias is below 2⁻²⁵⁸. Secret: the result."""
        return int.from_bytes(self._expander.expand(parts, 64), "little") % ORDER


def derive_scalar(secret: bytes, *parts: bytes) -> int:
    """What `Scalars` gives of `secret`. Secret: `secret` and the result."""
    return Scalars(secret).derive(*parts)
