"""How the objects of a state lie in an image: for each kind the columns it is written as and made of again.

Closed: records, named tuples and enumerations of this package that are loaded, and Python's own containers. Objects
are made in three ways. *Leaves* (members of enumerations, cells) come out of plain values. *Shells* are made empty and
filled once all are there, so they may refer to each other. *Values* (tuples, frozen sets, structs that have a check)
are made whole, after those that stand in them. No code of a class runs but such a check, and `__setstate__` where
a class has one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from functools import partial
from itertools import chain, islice, repeat
from operator import attrgetter
from typing import Any, ClassVar

import msgspec

from fairway.ton.cells import from_boc, to_boc

__all__ = [
    "PLAIN",
    "Cells",
    "Checked",
    "Column",
    "Form",
    "Leaf",
    "Members",
    "Named",
    "Shell",
    "Value",
    "Whole",
    "check_keys",
    "cut",
    "in_order",
    "on_each",
    "parted",
]

PLAIN: frozenset[type] = frozenset({int, str, bytes, bool, type(None)})
"""What stands in a column as it is."""
BAG_BOUND = 1 << 24

Column = list[Any]


class Form(ABC):
    """One class of objects: its `name` and `fields` as the image has them, `width` columns."""

    def __init__(self, name: str, fields: Sequence[str] = (), width: int = 1) -> None:
        self.name = name
        self.fields = list(fields)
        self.width = width

    @abstractmethod
    def columns(self, objects: list[Any]) -> list[Column]:
        """What the objects consist of."""


class Leaf(Form):
    """Made of one column of plain values."""

    @abstractmethod
    def made(self, column: Column) -> list[Any]:
        """The objects again."""


class Value(Form):
    """Made whole; their columns refer to what is there already."""

    def parts(self, made: Any) -> Iterable[Any]:
        """What stands in one of them."""
        return made  # type: ignore[no-any-return]

    @abstractmethod
    def made(self, count: int, columns: list[Column]) -> list[Any]:
        """The objects again."""


class Shell(Form):
    """Made empty, with the first `head` columns, and filled with the others; those that are `hashing` come last."""

    head: ClassVar[int] = 0
    hashing: ClassVar[bool] = False

    @abstractmethod
    def blank(self, count: int, columns: list[Column]) -> list[Any]:
        """So many objects."""

    @abstractmethod
    def fill(self, made: list[Any], columns: list[Column]) -> None:
        """Give them what they had."""


# Leaves


class Members(Leaf):
    """Members of an enumeration, by name."""

    def __init__(self, name: str, kind: type[Enum]) -> None:
        super().__init__(name)
        self._kind = kind

    def columns(self, objects: list[Any]) -> list[Column]:
        """See `Form`."""
        return [[member.name for member in objects]]

    def made(self, column: Column) -> list[Any]:
        """See `Leaf`."""
        return [self._kind[name] for name in column]


class Cells(Leaf):
    """Cells of pytoniq-core, each as a bag."""

    def columns(self, objects: list[Any]) -> list[Column]:
        """See `Form`."""
        return [list(map(to_boc, objects))]

    def made(self, column: Column) -> list[Any]:
        """See `Leaf`."""
        return [from_boc(bag, BAG_BOUND) for bag in column]


# Values


class Named(Value):
    """Named tuples, a column a field."""

    def __init__(self, name: str, kind: Any) -> None:
        super().__init__(name, kind._fields, len(kind._fields))
        self._make: Callable[[Iterable[Any]], Any] = partial(tuple.__new__, kind)

    def columns(self, objects: list[Any]) -> list[Column]:
        """See `Form`."""
        return list(map(list, zip(*objects, strict=True)))

    def made(self, count: int, columns: list[Column]) -> list[Any]:
        """See `Value`."""
        return list(map(self._make, zip(*columns, strict=True) if columns else repeat((), count)))


class Checked(Value):
    """Structs with a check of their own, which cannot be made empty."""

    def __init__(self, name: str, kind: type[msgspec.Struct]) -> None:
        super().__init__(name, kind.__struct_fields__, len(kind.__struct_fields__))
        self._kind = kind

    def parts(self, made: Any) -> Iterable[Any]:
        """See `Value`."""
        return msgspec.structs.astuple(made)

    def columns(self, objects: list[Any]) -> list[Column]:
        """See `Form`."""
        return [list(map(attrgetter(field), objects)) for field in self.fields]

    def made(self, count: int, columns: list[Column]) -> list[Any]:
        """See `Value`."""
        del count
        make = self._kind
        return [make(**dict(zip(self.fields, values, strict=True))) for values in zip(*columns, strict=True)]


class Whole(Value):
    """Plain tuples and frozen sets."""

    def __init__(self, kind: type) -> None:
        super().__init__(kind.__name__, width=2)
        self._kind = kind

    def columns(self, objects: list[Any]) -> list[Column]:
        """See `Form`."""
        if self._kind is frozenset:
            objects = [in_order(each) for each in objects]
        return cut(objects)

    def made(self, count: int, columns: list[Column]) -> list[Any]:
        """See `Value`."""
        del count
        return list(map(self._kind, parted(*columns)))


def check_keys(keys: Column) -> None:
    """What a dictionary or a set finds its entries by is whole before it is filled."""
    for kind in set(map(type, keys)) - PLAIN:
        if not issubclass(kind, tuple | Enum):
            raise TypeError(f"no image holds a key of {kind!r}")
        if issubclass(kind, tuple):
            check_keys([part for key in keys if type(key) is kind for part in key])


def in_order(members: Iterable[Any]) -> list[Any]:
    """A set's members in an order that does not depend on the process."""
    ordered = sorted(members)
    check_keys(ordered)
    return ordered


def cut(objects: list[Any]) -> list[Column]:
    """How many members each has, and all of them end to end."""
    return [list(map(len, objects)), list(chain.from_iterable(objects))]


def parted(lengths: Sequence[int], members: Iterable[Any]) -> Iterator[Column]:
    """`members` again in parts of these lengths."""
    rest = iter(members)
    for length in lengths:
        yield list(islice(rest, length))


def on_each(act: Callable[[Any, Any], Any], made: Iterable[Any], values: Iterable[Any]) -> None:
    """`act` on each of `made` with its value."""
    deque(map(act, made, values), maxlen=0)
