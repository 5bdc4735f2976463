"""Which form the objects of a class have in an image, and which classes may be in one at all."""

from __future__ import annotations

import sys
from collections import OrderedDict, deque
from dataclasses import is_dataclass
from enum import Enum
from typing import Any

import msgspec

from fairway.service.forms import Cells, Checked, Form, Members, Named, Whole
from fairway.service.shells import Deque, List, Map, Record, Set, Stated
from fairway.ton.cells import Cell

__all__ = ["form_named", "form_of"]

PACKAGE = "fairway"

_BUILT_IN: dict[type, Form] = {
    tuple: Whole(tuple),
    frozenset: Whole(frozenset),
    list: List(),
    deque: Deque(),
    set: Set(),
    dict: Map(dict),
    OrderedDict: Map(OrderedDict),
    Cell: Cells("cell"),
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
        return Members(name, kind)
    if issubclass(kind, tuple):
        return Named(name, kind)
    if issubclass(kind, msgspec.Struct) and hasattr(kind, "__post_init__"):
        return Checked(name, kind)
    if hasattr(kind, "__setstate__") and not is_dataclass(kind):
        return Stated(name, kind)
    return Record(name, kind, _fields_of(kind) + sorted(getattr(example, "__dict__", ())))


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
        if not (isinstance(form, Record) and kind.__dictoffset__ and fields[: len(form.fields)] == form.fields):
            raise TypeError(f"{name} has other fields")
        return Record(name, kind, fields)
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
