"""Scalars: integers modulo the order of the Ristretto255 group, 32 bytes little-endian on the wire.

A Python integer is neither zeroised nor constant-time. Secret scalars live here only between their derivation and
the call into the core.
"""

from __future__ import annotations

from fairway.crypto.keys import expand
from fairway.errors import InvalidMessage

__all__ = ["ORDER", "SCALAR_BYTES", "derive_scalar", "from_bytes", "to_bytes"]

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


def derive_scalar(secret: bytes, *parts: bytes) -> int:
    """A scalar bound to `secret` and `parts`: 64 bytes of HKDF, reduced, so that the bias is below 2⁻²⁵⁸.

    Secret: `secret` and the result.
    """
    return int.from_bytes(expand(secret, SCALAR_DOMAIN, parts, 64), "little") % ORDER
