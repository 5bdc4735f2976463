"""The forms of what is made empty and filled later: records, lists, queues, sets and dictionaries."""

from __future__ import annotations

from collections import deque
from functools import partial
from itertools import chain, repeat
from operator import attrgetter
from typing import Any

import msgspec

from fairway.service.forms import Column, Shell, check_keys, cut, in_order, on_each, parted

__all__ = ["Deque", "List", "Map", "Record", "Set", "Stated"]


class Record(Shell):
    """Records, a column a field, whether they lie in slots or in a dictionary."""

    def __init__(self, name: str, kind: type, fields: list[str]) -> None:
        super().__init__(name, fields, len(fields))
        self._kind = kind

    def columns(self, objects: list[Any]) -> list[Column]:
        """See `Form`."""
        if hasattr(objects[0], "__dict__") and any(vars(each).keys() != set(self.fields) for each in objects):
            raise TypeError(f"objects of {self.name} have different fields")
        return [list(map(attrgetter(field), objects)) for field in self.fields]

    def blank(self, count: int, columns: list[Column]) -> list[Any]:
        """See `Shell`."""
        del columns
        if issubclass(self._kind, msgspec.Struct):
            make = partial(self._kind, **dict.fromkeys(self._kind.__struct_fields__))
            return [make() for _ in range(count)]
        return list(map(object.__new__, repeat(self._kind, count)))

    def fill(self, made: list[Any], columns: list[Column]) -> None:
        """See `Shell`."""
        for field, column in zip(self.fields, columns, strict=True):
            if len(column) != len(made):
                raise ValueError("a column has another length")
            descriptor = getattr(self._kind, field, None)
            if hasattr(descriptor, "__objclass__"):
                on_each(descriptor.__set__, made, column)  # type: ignore[union-attr]
            else:
                deque(map(object.__setattr__, made, repeat(field), column), maxlen=0)


class Stated(Shell):
    """Objects that say themselves what they are made of again, such as a hash that has begun."""

    def __init__(self, name: str, kind: type) -> None:
        super().__init__(name)
        self._kind = kind

    def columns(self, objects: list[Any]) -> list[Column]:
        """See `Form`."""
        return [[each.__getstate__() for each in objects]]

    def blank(self, count: int, columns: list[Column]) -> list[Any]:
        """See `Shell`."""
        del columns
        return list(map(object.__new__, repeat(self._kind, count)))

    def fill(self, made: list[Any], columns: list[Column]) -> None:
        """See `Shell`."""
        for each, column in zip(made, columns[0], strict=True):
            each.__setstate__(column)


class List(Shell):
    """Lists."""

    def __init__(self) -> None:
        super().__init__("list", width=2)

    def columns(self, objects: list[Any]) -> list[Column]:
        """See `Form`."""
        return cut(objects)

    def blank(self, count: int, columns: list[Column]) -> list[Any]:
        """See `Shell`."""
        del columns
        return [[] for _ in range(count)]

    def fill(self, made: list[Any], columns: list[Column]) -> None:
        """See `Shell`."""
        on_each(list.extend, made, parted(*columns))


class Deque(Shell):
    """Queues with their bounds."""

    head = 1

    def __init__(self) -> None:
        super().__init__("deque", width=3)

    def columns(self, objects: list[Any]) -> list[Column]:
        """See `Form`."""
        return [[each.maxlen for each in objects], *cut(objects)]

    def blank(self, count: int, columns: list[Column]) -> list[Any]:
        """See `Shell`."""
        del count
        return [deque(maxlen=most) for most in columns[0]]

    def fill(self, made: list[Any], columns: list[Column]) -> None:
        """See `Shell`."""
        on_each(deque.extend, made, parted(*columns))


class Set(Shell):
    """Sets."""

    hashing = True

    def __init__(self) -> None:
        super().__init__("set", width=2)

    def columns(self, objects: list[Any]) -> list[Column]:
        """See `Form`."""
        return cut([in_order(each) for each in objects])

    def blank(self, count: int, columns: list[Column]) -> list[Any]:
        """See `Shell`."""
        del columns
        return [set() for _ in range(count)]

    def fill(self, made: list[Any], columns: list[Column]) -> None:
        """See `Shell`."""
        on_each(set.update, made, parted(*columns))


class Map(Shell):
    """Dictionaries, in the order of their keys."""

    hashing = True

    def __init__(self, kind: type[dict[Any, Any]]) -> None:
        super().__init__(kind.__name__, width=3)
        self._kind = kind

    def columns(self, objects: list[Any]) -> list[Column]:
        """See `Form`."""
        lengths, keys = cut(objects)
        check_keys(keys)
        return [lengths, keys, list(chain.from_iterable(each.values() for each in objects))]

    def blank(self, count: int, columns: list[Column]) -> list[Any]:
        """See `Shell`."""
        del columns
        return [self._kind() for _ in range(count)]

    def fill(self, made: list[Any], columns: list[Column]) -> None:
        """See `Shell`."""
        lengths, keys, values = columns
        pairs = zip(keys, values, strict=True)
        on_each(self._kind.update, made, parted(lengths, pairs))
