"""An image: a graph of the project's own objects as bytes, and back: every field, and every sharing of it.

Nothing is written by hand for a class: whatever fields it has are in its image, so none can be forgotten; an object to
which two others refer is one object again. Reading runs no code of what it reads (`fairway.service.forms`).

Objects of one class lie together, a column for each field, and columns are moved by loops of C: a step of Python for
each of some ten million fields would take as long as a replay. Objects are numbered in the order in which they are made
again: plain values that stand in a column among references; leaves; shells; values, those first in which no other
stands. A graph has no cycles but through shells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Any, NamedTuple

import msgspec

from fairway.errors import FairwayError, Unavailable
from fairway.service.forms import PLAIN, Column, Form, Leaf, Shell, Value
from fairway.service.kinds import form_named, form_of

__all__ = ["read", "write"]

UNREADABLE = (
    FairwayError,
    msgspec.MsgspecError,
    ArithmeticError,
    AttributeError,
    LookupError,
    StopIteration,
    TypeError,
    ValueError,
)
"""What bytes that are no image run into."""
NUMBER = 1
"""The extension under which an integer of more than 64 bits is written."""
SHORT = 64
"""In longer columns text and bytes that come again are written, and made, once."""


class _Group(NamedTuple):
    """So many objects of one class."""

    name: str
    fields: list[str]
    size: int


class _Image(NamedTuple):
    """`columns` are those of all groups one after another, each encoded by itself, behind that of plain values."""

    groups: list[_Group]
    columns: list[bytes]
    root: int


def write(root: object) -> bytes:
    """The image of `root` and of all that it refers to.

    Errors: `TypeError` for an object of a kind that no image holds, such as a function.
    """
    return _Writer(root).image()


def read(image: bytes) -> Any:
    """What `write` was given. Errors: `Unavailable` (`image.form`) for bytes that `write` of this code did not make."""
    try:
        return _Reader(msgspec.msgpack.decode(image, type=_Image), len(image)).root()
    except UNREADABLE as error:
        raise Unavailable("image.form", f"not an image of this version: {error!r:.200}") from error


class _Writer:
    """One image in the making."""

    def __init__(self, root: object) -> None:
        self._root = root
        self._plain: dict[tuple[type, Any], int] = {}
        """Plain values among references, by type and value: 1 is not True."""
        self._known: set[int] = set()
        """The identities of all objects met so far, which the root or a column holds."""
        self._fresh: dict[type, list[object]] = {}
        self._met: dict[type, list[object]] = {}
        self._forms: dict[type, Form] = {}
        self._columns: dict[type, list[Column]] = {}
        self._kinds: dict[type, list[set[type]]] = {}
        """The classes of what stands in each column."""
        self._numbers: dict[int, int] = {}

    def image(self) -> bytes:
        """All of it."""
        self._discover()
        ordered = list(self._ordered())
        for _, _, columns in ordered:
            for column, kinds in columns:
                self._set_apart(column, kinds)
        numbers = range(len(self._plain), len(self._plain) + len(self._known))
        places = chain.from_iterable(map(id, objects) for _, objects, _ in ordered)
        self._numbers = dict(zip(places, numbers, strict=True))
        apart = [value for _, value in self._plain]
        encoded = [_plain(apart, set(map(type, apart)))]
        encoded += [self._column(*column) for _, _, columns in ordered for column in columns]
        named = [_Group(form.name, form.fields, len(objects)) for form, objects, _ in ordered]
        return msgspec.msgpack.encode(_Image(named, encoded, self._numbers[id(self._root)]))

    def _discover(self) -> None:
        self._look([self._root])
        while self._fresh:
            kind, objects = self._fresh.popitem()
            self._met.setdefault(kind, []).extend(objects)
            if kind not in self._forms:
                form = self._forms[kind] = form_of(kind, objects[0])
                self._columns[kind] = [[] for _ in range(form.width)]
                self._kinds[kind] = [set() for _ in range(form.width)]
            columns = self._forms[kind].columns(objects)
            for whole, kinds, column in zip(self._columns[kind], self._kinds[kind], columns, strict=True):
                whole.extend(column)
                kinds.update(self._look(column))

    def _look(self, column: Column) -> set[type]:
        """Take on the objects in a column that were not met before; the classes of all that stands in it."""
        kinds = set(map(type, column))
        if kinds <= PLAIN:
            return kinds
        known = self._known
        found = dict(zip(map(id, column), column, strict=True))
        new = {key: each for key, each in found.items() if key not in known and type(each) not in PLAIN}
        known.update(new)
        for each in new.values():
            self._fresh.setdefault(type(each), []).append(each)
        return kinds

    def _set_apart(self, column: Column, kinds: set[type]) -> None:
        """Number the plain values of a column that has references too."""
        if kinds & PLAIN and not kinds <= PLAIN:
            for each in dict.fromkeys((type(value), value) for value in column if type(value) in PLAIN):
                self._plain.setdefault(each, len(self._plain))

    def _ordered(self) -> Iterator[tuple[Form, list[object], list[tuple[Column, set[type]]]]]:
        """The objects by class, in the order in which they are made again."""
        for stage in (Leaf, Shell):
            for kind, objects in self._met.items():
                if isinstance(self._forms[kind], stage):
                    yield self._forms[kind], objects, list(zip(self._columns[kind], self._kinds[kind], strict=True))
        for form, objects in self._levels():
            yield form, objects, [(column, set(map(type, column))) for column in form.columns(objects)]

    def _levels(self) -> Iterator[tuple[Form, list[Any]]]:
        """Values by class: first those in which no others stand, then those in which only these stand, and so on."""
        waiting = {form: self._met[kind] for kind, form in self._forms.items() if isinstance(form, Value)}
        missing = set(chain.from_iterable(map(id, objects) for objects in waiting.values()))
        while missing:
            made: set[int] = set()
            for form, objects in waiting.items():
                ready = [each for each in objects if missing.isdisjoint(map(id, form.parts(each)))]
                if ready:
                    yield form, ready
                    made.update(map(id, ready))
            if not made:
                raise TypeError("tuples stand in each other")
            missing -= made
            waiting = {form: [each for each in objects if id(each) in missing] for form, objects in waiting.items()}

    def _column(self, column: Column, kinds: set[type]) -> bytes:
        if kinds <= PLAIN:
            return _plain(column, kinds)
        plain, numbers = self._plain, self._numbers
        if kinds & PLAIN:
            found = [plain[type(each), each] if type(each) in PLAIN else numbers[id(each)] for each in column]
        else:
            found = list(map(numbers.__getitem__, map(id, column)))
        return msgspec.msgpack.encode(("references", found))


def _plain(column: Column, kinds: set[type]) -> bytes:
    """A column of plain values, of these classes."""
    if len(column) > SHORT and kinds <= {str, bytes, type(None)}:
        places = {value: place for place, value in enumerate(dict.fromkeys(column))}
        if 2 * len(places) <= len(column):
            return msgspec.msgpack.encode(("shared", list(places), list(map(places.__getitem__, column))))
    try:
        return msgspec.msgpack.encode(("plain", column))
    except OverflowError:
        return msgspec.msgpack.encode(("plain", list(map(_narrow, column))))


def _narrow(value: Any) -> Any:
    if type(value) is not int or -(1 << 63) <= value < 1 << 64:
        return value
    return msgspec.msgpack.Ext(NUMBER, value.to_bytes(value.bit_length() // 8 + 1, signed=True))


def _wide(code: int, data: memoryview) -> int:
    if code != NUMBER:
        raise ValueError("an unknown extension")
    return int.from_bytes(data, signed=True)


_decode: Callable[[bytes], Any] = msgspec.msgpack.Decoder(ext_hook=_wide).decode


class _Reader:
    """One image on its way back, of no class more than `most` objects."""

    def __init__(self, image: _Image, most: int) -> None:
        self._image = image
        self._most = most
        self._columns = iter(image.columns)
        self._objects: list[Any] = []

    def root(self) -> Any:
        """What the image is of."""
        self._objects += self._next()
        shells: list[tuple[Shell, list[Any], list[bytes]]] = []
        for name, fields, count in self._image.groups:
            form = form_named(name, fields)
            if count > self._most:
                raise ValueError("there are more objects than bytes")
            if isinstance(form, Leaf):
                made = form.made(self._next())
            elif isinstance(form, Value):
                made = form.made(count, [self._next() for _ in range(form.width)])
            elif isinstance(form, Shell):
                made = form.blank(count, [self._next() for _ in range(form.head)])
                shells.append((form, made, list(islice(self._columns, form.width - form.head))))
            if len(made) != count:
                raise ValueError("a class has another number of objects")
            self._objects += made
        for form, made, columns in sorted(shells, key=lambda each: each[0].hashing):
            form.fill(made, list(map(self._column, columns)))
        if next(self._columns, None) is not None:
            raise ValueError("there are more columns than fields")
        return self._objects[self._image.root]

    def _next(self) -> Column:
        return self._column(next(self._columns))

    def _column(self, encoded: bytes) -> Column:
        match _decode(encoded):
            case ["plain", column]:
                return list(column)
            case ["references", references]:
                return list(map(self._objects.__getitem__, references))
            case ["shared", values, places]:
                return list(map(values.__getitem__, places))
        raise ValueError("an unknown column")
