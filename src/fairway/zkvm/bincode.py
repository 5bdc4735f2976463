"""Bincode 1.3 as ZkOS serialises with it: fields in order, integers little-endian, no padding and no names.

    enum tag u32 · length of a sequence u64 · option u8 (0 or 1) · a struct is its fields

A `Codec` reads and writes one form. What it accepts it writes back to the same bytes: tags, flags and text that have
no such form are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar

from fairway.errors import InvalidMessage

__all__ = [
    "Codec",
    "Reader",
    "choice",
    "decode",
    "enumeration",
    "fixed",
    "many",
    "maybe",
    "number",
    "record",
    "sized",
    "text",
]

T = TypeVar("T")


class Reader:
    """Bytes read from the front."""

    __slots__ = ("_encoded", "offset")

    def __init__(self, encoded: bytes) -> None:
        self._encoded = encoded
        self.offset = 0

    def take(self, length: int) -> bytes:
        """The next `length` bytes. Errors: `InvalidMessage`."""
        taken = self._encoded[self.offset : self.offset + length]
        if len(taken) != length:
            raise InvalidMessage("bincode.truncated", "the bytes end too early", offset=self.offset)
        self.offset += length
        return taken

    def rest(self) -> int:
        """How many bytes are left."""
        return len(self._encoded) - self.offset


@dataclass(frozen=True, slots=True)
class Codec(Generic[T]):
    """How one form is read, and how it is written."""

    read: Callable[[Reader], T]
    write: Callable[[T], bytes]


def decode(codec: Codec[T], encoded: bytes) -> T:
    """The value of which `encoded` is all. Errors: `InvalidMessage`."""
    reader = Reader(encoded)
    value = codec.read(reader)
    if reader.rest():
        raise InvalidMessage("bincode.trailing", "there are bytes after the end", offset=reader.offset)
    return value


def number(width: int, *, signed: bool = False) -> Codec[int]:
    """An integer of `width` bytes."""

    def write(value: int) -> bytes:
        try:
            return value.to_bytes(width, "little", signed=signed)
        except OverflowError:
            raise InvalidMessage("bincode.number", "a number does not fit its width", width=width) from None

    return Codec(lambda reader: int.from_bytes(reader.take(width), "little", signed=signed), write)


_TAG, _LENGTH, _FLAG = number(4), number(8), number(1)


def fixed(length: int) -> Codec[bytes]:
    """Bytes of one length, without a prefix."""

    def write(value: bytes) -> bytes:
        if len(value) != length:
            raise InvalidMessage("bincode.length", "bytes have another length", wanted=length, length=len(value))
        return value

    return Codec(lambda reader: reader.take(length), write)


sized: Codec[bytes] = Codec(
    lambda reader: reader.take(_LENGTH.read(reader)),
    lambda value: _LENGTH.write(len(value)) + value,
)
"""Bytes behind their length."""


def _text(reader: Reader) -> str:
    offset = reader.offset
    try:
        return sized.read(reader).decode()
    except UnicodeDecodeError:
        raise InvalidMessage("bincode.text", "a text is not UTF-8", offset=offset) from None


text: Codec[str] = Codec(_text, lambda value: sized.write(value.encode()))
"""UTF-8 behind its length in bytes."""


def many(item: Codec[T]) -> Codec[tuple[T, ...]]:
    """Items behind their count; each takes at least a byte, so that a count cannot exceed what is there."""

    def read(reader: Reader) -> tuple[T, ...]:
        count = _LENGTH.read(reader)
        if count > reader.rest():
            raise InvalidMessage("bincode.truncated", "there are fewer items than it says", offset=reader.offset)
        return tuple(item.read(reader) for _ in range(count))

    return Codec(read, lambda values: _LENGTH.write(len(values)) + b"".join(map(item.write, values)))


def maybe(item: Codec[T]) -> Codec[T | None]:
    """An item, or nothing."""

    def read(reader: Reader) -> T | None:
        flag = _FLAG.read(reader)
        if flag > 1:
            raise InvalidMessage("bincode.flag", "an option is neither 0 nor 1", offset=reader.offset - 1)
        return item.read(reader) if flag else None

    return Codec(read, lambda value: b"\0" if value is None else b"\1" + item.write(value))


def record(kind: type[T], *parts: Codec[Any]) -> Codec[T]:
    """A dataclass whose fields are `parts`, in order."""
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]  # every kind here is a dataclass

    def write(value: T) -> bytes:
        return b"".join(part.write(getattr(value, name)) for name, part in zip(names, parts, strict=True))

    return Codec(lambda reader: kind(*(part.read(reader) for part in parts)), write)


def choice(name: str, *variants: tuple[int, tuple[type, ...], Codec[Any]]) -> Codec[Any]:
    """One of several forms behind its tag: (tag, types, form). A tag without a form is `bincode.variant`."""
    forms = {tag: codec for tag, _, codec in variants}
    tags = {kind: tag for tag, kinds, _ in variants for kind in kinds}

    def read(reader: Reader) -> Any:
        tag = _TAG.read(reader)
        if tag not in forms:
            raise InvalidMessage(
                "bincode.variant", f"no {name} of this kind is known", tag=tag, offset=reader.offset - 4
            )
        return forms[tag].read(reader)

    def write(value: Any) -> bytes:
        tag = tags[type(value)]
        return _TAG.write(tag) + bytes(forms[tag].write(value))

    return Codec(read, write)


def enumeration(name: str, kind: Callable[[int], T]) -> Codec[T]:
    """A member of an `IntEnum`, as its tag."""

    def read(reader: Reader) -> T:
        tag = _TAG.read(reader)
        try:
            return kind(tag)
        except ValueError:
            raise InvalidMessage("bincode.variant", f"no {name} of this kind is known", tag=tag) from None

    return Codec(read, lambda value: _TAG.write(int(value)))  # type: ignore[call-overload]
