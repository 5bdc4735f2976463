"""Whether two graphs of objects are the same down to the last attribute, and shared in the same places.

Written without the codec that it judges: attributes come from slots and dictionaries as Python has them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import is_dataclass
from enum import Enum
from itertools import chain

from fairway.ton.cells import Cell

PLAIN = (int, str, bytes, bool, type(None))


def attributes(thing: object) -> dict[str, object]:
    """Everything that an object holds; a slot that is not set is no attribute."""
    slots = chain.from_iterable(
        [each.__slots__] if isinstance(each.__slots__, str) else each.__slots__
        for each in type(thing).__mro__
        if "__slots__" in vars(each)
    )
    names = {*slots, *getattr(thing, "__dict__", ()), *getattr(thing, "__struct_fields__", ())}
    return {name: getattr(thing, name) for name in sorted(names - {"__dict__", "__weakref__"}) if hasattr(thing, name)}


def children(thing: object) -> list[tuple[str, object]]:
    """What an object refers to, by where."""
    if isinstance(thing, dict):
        pairs = enumerate(thing.items())
        return [(f"[{place} {what}]", each) for place, pair in pairs for what, each in zip("kv", pair, strict=True)]
    if isinstance(thing, (set, frozenset)):
        return [(f"{{{place}}}", each) for place, each in enumerate(sorted(thing))]
    if isinstance(thing, (list, tuple, deque)):
        return [(f"[{place}]", each) for place, each in enumerate(thing)]
    if isinstance(thing, (Cell, Enum)):
        return [(".it", thing.hash if isinstance(thing, Cell) else thing.name)]
    if hasattr(thing, "__setstate__") and not is_dataclass(thing):  # native inside: it says itself what it is
        return [(".__getstate__()", thing.__getstate__())]
    return [(f".{name}", each) for name, each in attributes(thing).items()]


def check_alike(first: object, second: object, *, shared: bool = True) -> int:
    """Raise `AssertionError` with the path of the first difference; how many objects were compared.

    With `shared` what is one object here is one object there.
    """
    twins: dict[int, object] = {}
    waiting = [("", first, second)]
    seen = []
    while waiting:
        path, one, other = waiting.pop()
        assert type(one) is type(other), f"{path}: {type(one)} and {type(other)}"
        if isinstance(one, PLAIN) and not isinstance(one, Enum):
            assert one == other, f"{path}: {one!r:.80} and {other!r:.80}"
            continue
        if id(one) in twins:
            if shared and not isinstance(one, (tuple, frozenset, Cell)):
                assert twins[id(one)] is other, f"{path}: what was one object are two"
            continue
        twins[id(one)] = other
        seen.append(one)
        mine, theirs = children(one), children(other)
        assert [name for name, _ in mine] == [name for name, _ in theirs], f"{path}: {type(one)} has other parts"
        assert getattr(one, "maxlen", 0) == getattr(other, "maxlen", 0), f"{path}: another bound"
        waiting += [(path + name, each, its) for (name, each), (_, its) in zip(mine, theirs, strict=True)]
    return len(seen)
