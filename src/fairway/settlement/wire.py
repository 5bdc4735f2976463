"""Records as bytes: fixed fields in a fixed order, little-endian, with one form only.

A layout is a table of (name, width, signed); width 0 is a 32-byte hash. Variable parts (points, proofs) follow with
their counts. Whatever does not read back to the same bytes is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from fairway.crypto import scalars
from fairway.crypto.pedersen import Opening
from fairway.errors import InvalidMessage

__all__ = ["HASH", "Number", "Reader", "pack", "pack_openings", "sized"]

HASH = 0
HASH_BYTES = 32


class Number(NamedTuple):
    """One field of a layout: an integer of `width` bytes, or 32 bytes where `width` is `HASH`."""

    name: str
    width: int
    signed: bool = False


def pack(domain: bytes, layout: tuple[Number, ...], record: object) -> bytes:
    """`domain`, then each field of `record`. Errors: `InvalidMessage` if a field does not fit its width."""
    parts = [domain]
    for name, width, signed in layout:
        value = getattr(record, name)
        try:
            parts.append(_hash(value) if width == HASH else int.to_bytes(value, width, "little", signed=signed))
        except (OverflowError, ValueError):
            raise InvalidMessage("wire.field", "a field does not fit its width", field=name) from None
    return b"".join(parts)


class Reader:
    """Reads a record from the front. Errors: `InvalidMessage` with `wire.truncated` or `wire.trailing`."""

    __slots__ = ("_encoded", "_offset")

    def __init__(self, encoded: bytes) -> None:
        self._encoded = encoded
        self._offset = 0

    def take(self, length: int) -> bytes:
        """The next `length` bytes."""
        taken = self._encoded[self._offset : self._offset + length]
        if len(taken) != length:
            raise InvalidMessage("wire.truncated", "a record ends too early", offset=self._offset)
        self._offset += length
        return taken

    def number(self, width: int, *, signed: bool = False) -> int:
        """The next integer."""
        return int.from_bytes(self.take(width), "little", signed=signed)

    def fields(self, domain: bytes, layout: tuple[Number, ...]) -> dict[str, Any]:
        """The fields of a record packed under `domain`."""
        if self.take(len(domain)) != domain:
            raise InvalidMessage("wire.domain", "a record of another kind", wanted=domain)
        return {
            name: self.take(HASH_BYTES) if width == HASH else self.number(width, signed=signed)
            for name, width, signed in layout
        }

    def points(self, count: int) -> tuple[bytes, ...]:
        """The next `count` commitments."""
        return tuple(self.take(HASH_BYTES) for _ in range(count))

    def openings(self, count: int) -> tuple[Opening, ...]:
        """The next `count` openings."""
        return tuple(
            Opening(self.number(HASH_BYTES, signed=True), scalars.from_bytes(self.take(HASH_BYTES)))
            for _ in range(count)
        )

    def sized(self) -> bytes:
        """The next 32-bit length and that many bytes."""
        return self.take(self.number(4))

    def end(self) -> None:
        """Refuse what is left over."""
        if self._offset != len(self._encoded):
            raise InvalidMessage("wire.trailing", "a record has bytes after its end", offset=self._offset)


def pack_openings(openings: Iterable[Opening]) -> bytes:
    """Openings as signed values and canonical blindings, 64 bytes each. Secret."""
    return b"".join(
        opening.value.to_bytes(HASH_BYTES, "little", signed=True) + scalars.to_bytes(opening.blinding)
        for opening in openings
    )


def sized(content: bytes) -> bytes:
    """`content` behind its 32-bit length."""
    return len(content).to_bytes(4, "little") + content


def _hash(value: bytes) -> bytes:
    if len(value) != HASH_BYTES:
        raise ValueError
    return value
