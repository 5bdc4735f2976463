"""How the objects of a state lie in an image: for each kind the columns it is written as and made of again.

Closed: records, named tuples and enumerations of this package that are loaded, and Python's own containers. Objects
are made in three ways. *Leaves* (members of enumerations, cells) come out of plain values. *Shells* are made empty and
filled once all are there, so they may refer to each other. *Values* (tuples, frozen sets, structs that have a check)
are made whole, after those that stand in them. No code of a class runs but such a check, and `__setstate__` where
a class has one.
"""

from __future__ import annotations

import sys
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import is_dataclass
from enum import Enum
from functools import partial
from itertools import chain, islice, repeat
from operator import attrgetter
from typing import Any, ClassVar

import msgspec

from fairway.ton.cells import Cell, from_boc, to_boc

__all__ = ["PLAIN", "Column", "Form", "Leaf", "Shell", "Value", "form_named", "form_of"]

PACKAGE = "fairway"
PLAIN: frozenset[type] = frozenset({int, str, bytes, bool, type(None)})
"""What stands in a column as it is."""
BAG_BOUND = 1 << 24

Column = list[Any]


class Form:
    """One class of objects: its `name` and `fields` as the image has them, `width` columns."""

    def __init__(self, name: str, fields: Sequence[str] = (), width: int = 1) -> None:
        self.name = name
        self.fields = list(fields)
        self.width = width

    def columns(self, objects: list[Any]) -> list[Column]:
        """What the objects consist of."""
        raise NotImplementedError


class Leaf(Form):
    """Made of one column of plain values."""

    def made(self, column: Column) -> list[Any]:
        """The objects again."""
        raise NotImplementedError


class Value(Form):
    """Made whole; their columns refer to what is there already."""

    def parts(self, made: Any) -> Iterable[Any]:
        """What stands in one of them."""
        return made  # type: ignore[no-any-return]

    def made(self, count: int, columns: list[Column]) -> list[Any]:
        """The objects again."""
        raise NotImplementedError


class Shell(Form):
    """Made empty, with the first `head` columns, and filled with the others; those that are `hashing` come last."""

    head: ClassVar[int] = 0
    hashing: ClassVar[bool] = False

    def blank(self, count: int, columns: list[Column]) -> list[Any]:
        """So many objects."""
        raise NotImplementedError

    def fill(self, made: list[Any], columns: list[Column]) -> None:
        """Give them what they had."""
        raise NotImplementedError


# Leaves


class _Members(Leaf):
    def __init__(self, name: str, kind: type[Enum]) -> None:
        super().__init__(name)
        self._kind = kind

    def columns(self, objects: list[Any]) -> list[Column]:
        return [[member.name for member in objects]]

    def made(self, column: Column) -> list[Any]:
        return [self._kind[name] for name in column]


class _Cells(Leaf):
    def columns(self, objects: list[Any]) -> list[Column]:
        return [list(map(to_boc, objects))]

    def made(self, column: Column) -> list[Any]:
        return [from_boc(bag, BAG_BOUND) for bag in column]


# Values


class _Named(Value):
    def __init__(self, name: str, kind: Any) -> None:
        super().__init__(name, kind._fields, len(kind._fields))
        self._make: Callable[[Iterable[Any]], Any] = partial(tuple.__new__, kind)

    def columns(self, objects: list[Any]) -> list[Column]:
        return list(map(list, zip(*objects, strict=True)))

    def made(self, count: int, columns: list[Column]) -> list[Any]:
        return list(map(self._make, zip(*columns, strict=True) if columns else repeat((), count)))


class _Checked(Value):
    """Structs with a check of their own, which cannot be made empty."""

    def __init__(self, name: str, kind: type[msgspec.Struct]) -> None:
        super().__init__(name, kind.__struct_fields__, len(kind.__struct_fields__))
        self._kind = kind

    def parts(self, made: Any) -> Iterable[Any]:
        return msgspec.structs.astuple(made)

    def columns(self, objects: list[Any]) -> list[Column]:
        return [list(map(attrgetter(field), objects)) for field in self.fields]

    def made(self, count: int, columns: list[Column]) -> list[Any]:
        del count
        make = self._kind
        return [make(**dict(zip(self.fields, values, strict=True))) for values in zip(*columns, strict=True)]


class _Whole(Value):
    def __init__(self, kind: type) -> None:
        super().__init__(kind.__name__, width=2)
        self._kind = kind

    def columns(self, objects: list[Any]) -> list[Column]:
        if self._kind is frozenset:
            objects = [_sorted(each) for each in objects]
        return _cut(objects)

    def made(self, count: int, columns: list[Column]) -> list[Any]:
        del count
        return list(map(self._kind, _parts(*columns)))


# Shells


class _Record(Shell):
    def __init__(self, name: str, kind: type, fields: list[str]) -> None:
        super().__init__(name, fields, len(fields))
        self._kind = kind

    def columns(self, objects: list[Any]) -> list[Column]:
        if hasattr(objects[0], "__dict__") and any(vars(each).keys() != set(self.fields) for each in objects):
            raise TypeError(f"objects of {self.name} have different fields")
        return [list(map(attrgetter(field), objects)) for field in self.fields]

    def blank(self, count: int, columns: list[Column]) -> list[Any]:
        del columns
        if issubclass(self._kind, msgspec.Struct):
            make = partial(self._kind, **dict.fromkeys(self._kind.__struct_fields__))
            return [make() for _ in range(count)]
        return list(map(object.__new__, repeat(self._kind, count)))

    def fill(self, made: list[Any], columns: list[Column]) -> None:
        for field, column in zip(self.fields, columns, strict=True):
            if len(column) != len(made):
                raise ValueError("a column has another length")
            descriptor = getattr(self._kind, field, None)
            if hasattr(descriptor, "__objclass__"):
                _each(descriptor.__set__, made, column)  # type: ignore[union-attr]
            else:
                deque(map(object.__setattr__, made, repeat(field), column), maxlen=0)


class _Stated(Shell):
    """Objects that say themselves what they are made of again, such as a hash that has begun."""

    def __init__(self, name: str, kind: type) -> None:
        super().__init__(name)
        self._kind = kind

    def columns(self, objects: list[Any]) -> list[Column]:
        return [[each.__getstate__() for each in objects]]

    def blank(self, count: int, columns: list[Column]) -> list[Any]:
        del columns
        return list(map(object.__new__, repeat(self._kind, count)))

    def fill(self, made: list[Any], columns: list[Column]) -> None:
        for each, column in zip(made, columns[0], strict=True):
            each.__setstate__(column)


class _List(Shell):
    def __init__(self) -> None:
        super().__init__("list", width=2)

    def columns(self, objects: list[Any]) -> list[Column]:
        return _cut(objects)

    def blank(self, count: int, columns: list[Column]) -> list[Any]:
        del columns
        return [[] for _ in range(count)]

    def fill(self, made: list[Any], columns: list[Column]) -> None:
        _each(list.extend, made, _parts(*columns))


class _Deque(Shell):
    head = 1

    def __init__(self) -> None:
        super().__init__("deque", width=3)

    def columns(self, objects: list[Any]) -> list[Column]:
        return [[each.maxlen for each in objects], *_cut(objects)]

    def blank(self, count: int, columns: list[Column]) -> list[Any]:
        del count
        return [deque(maxlen=most) for most in columns[0]]

    def fill(self, made: list[Any], columns: list[Column]) -> None:
        _each(deque.extend, made, _parts(*columns))


class _Set(Shell):
    hashing = True

    def __init__(self) -> None:
        super().__init__("set", width=2)

    def columns(self, objects: list[Any]) -> list[Column]:
        return _cut([_sorted(each) for each in objects])

    def blank(self, count: int, columns: list[Column]) -> list[Any]:
        del columns
        return [set() for _ in range(count)]

    def fill(self, made: list[Any], columns: list[Column]) -> None:
        _each(set.update, made, _parts(*columns))


class _Map(Shell):
    hashing = True

    def __init__(self, kind: type[dict[Any, Any]]) -> None:
        super().__init__(kind.__name__, width=3)
        self._kind = kind

    def columns(self, objects: list[Any]) -> list[Column]:
        lengths, keys = _cut(objects)
        _check_keys(keys)
        return [lengths, keys, list(chain.from_iterable(each.values() for each in objects))]

    def blank(self, count: int, columns: list[Column]) -> list[Any]:
        del columns
        return [self._kind() for _ in range(count)]

    def fill(self, made: list[Any], columns: list[Column]) -> None:
        lengths, keys, values = columns
        pairs = zip(keys, values, strict=True)
        _each(self._kind.update, made, _parts(lengths, pairs))


_BUILT_IN: dict[type, Form] = {
    tuple: _Whole(tuple),
    frozenset: _Whole(frozenset),
    list: _List(),
    deque: _Deque(),
    set: _Set(),
    dict: _Map(dict),
    OrderedDict: _Map(OrderedDict),
    Cell: _Cells("cell"),
}
_BY_NAME = {form.name: form for form in _BUILT_IN.values()}


def form_of(kind: type, example: object) -> Form:
    """The form of a class, with an object of it to show what fields it has where the class does not say.

    Errors: `TypeError` for a class that no image holds.
    """
    if kind in _BUILT_IN:
        return _BUILT_IN[kind]
    name = f"{kind.__module__}:{kind.__qualname__}"
    if kind.__module__.partition(".")[0] != PACKAGE or not all(map(_is_known, kind.__mro__)):
        raise TypeError(f"no image holds an object of {name}")
    if issubclass(kind, Enum):
        return _Members(name, kind)
    if issubclass(kind, tuple):
        return _Named(name, kind)
    if issubclass(kind, msgspec.Struct) and hasattr(kind, "__post_init__"):
        return _Checked(name, kind)
    if hasattr(kind, "__setstate__") and not is_dataclass(kind):
        return _Stated(name, kind)
    return _Record(name, kind, _fields_of(kind) + sorted(getattr(example, "__dict__", ())))


def form_named(name: str, fields: list[str]) -> Form:
    """The form that an image names, of a class of this package that is loaded and has these fields.

    Errors: `TypeError`, `LookupError`, `AttributeError`.
    """
    if name in _BY_NAME:
        return _BY_NAME[name]
    module, _, path = name.partition(":")
    if module.partition(".")[0] != PACKAGE:
        raise TypeError(f"{name} is no class of this package")
    kind: Any = sys.modules[module]
    for part in path.split("."):
        kind = getattr(kind, part)
    if not isinstance(kind, type) or f"{kind.__module__}:{kind.__qualname__}" != name:
        raise TypeError(f"{name} is no class")
    form = form_of(kind, None)
    if form.fields != fields:
        if not (isinstance(form, _Record) and kind.__dictoffset__ and fields[: len(form.fields)] == form.fields):
            raise TypeError(f"{name} has other fields")
        return _Record(name, kind, fields)
    return form


def _is_known(base: type) -> bool:
    """Whether a base of a class adds nothing to its objects but fields."""
    return base.__module__.partition(".")[0] in {PACKAGE, "enum", "msgspec"} or base in {object, tuple, int, str}


def _fields_of(kind: type) -> list[str]:
    """The fields that every object of the class has."""
    if issubclass(kind, msgspec.Struct):
        return list(kind.__struct_fields__)
    slots: dict[str, None] = {}
    for base in reversed(kind.__mro__):
        own = base.__dict__.get("__slots__", ())
        slots |= dict.fromkeys([own] if isinstance(own, str) else own)
    return [slot for slot in slots if slot not in {"__dict__", "__weakref__"}]


def _check_keys(keys: Column) -> None:
    """What a dictionary or a set finds its entries by is whole before it is filled."""
    for kind in set(map(type, keys)) - PLAIN:
        if not issubclass(kind, tuple | Enum):
            raise TypeError(f"no image holds a key of {kind!r}")
        if issubclass(kind, tuple):
            _check_keys([part for key in keys if type(key) is kind for part in key])


def _sorted(members: Iterable[Any]) -> list[Any]:
    """A set's members in an order that does not depend on the process."""
    ordered = sorted(members)
    _check_keys(ordered)
    return ordered


def _cut(objects: list[Any]) -> list[Column]:
    """How many members each has, and all of them end to end."""
    return [list(map(len, objects)), list(chain.from_iterable(objects))]


def _parts(lengths: Sequence[int], members: Iterable[Any]) -> Iterator[Column]:
    """`members` again in parts of these lengths."""
    rest = iter(members)
    for length in lengths:
        yield list(islice(rest, length))


def _each(act: Callable[[Any, Any], Any], made: Iterable[Any], values: Iterable[Any]) -> None:
    """`act` on each of `made` with its value."""
    deque(map(act, made, values), maxlen=0)
