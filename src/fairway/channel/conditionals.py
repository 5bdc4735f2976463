"""All conditionals of one half: a persistent map from 32-bit keys, named by its root hash."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from fairway.channel import trie
from fairway.channel.conditional import Conditional
from fairway.channel.state import NO_CONDITIONALS
from fairway.errors import Rejected
from fairway.ton.cells import Cell

__all__ = ["Conditional", "Conditionals"]

FOLDED = 32
"""Conditionals that are made again, in a third of a millisecond, for the first change among them."""

# A half is judged before it is taken, and by the channel as well as by the account: the same change of the same map is
# made several times within one event. Maps never change, so the newest results are simply handed out again.
_remove = lru_cache(maxsize=256)(trie.remove)


@lru_cache(maxsize=256)
def _insert(root: trie.Node | None, key: int, conditional: Conditional) -> trie.Node:
    return trie.insert(root, _checked(key), conditional)


class Conditionals:
    """An immutable map; `add` and `drop` return another and share with it all that did not change.

    Two maps are equal when their root hashes and their maxima are.
    """

    __slots__ = ("_root",)

    def __init__(self, items: Iterable[tuple[int, Conditional]] = ()) -> None:
        root: trie.Node | None = None
        for key, conditional in items:
            root = trie.insert(root, _checked(key), conditional)
        self._root = root

    def add(self, key: int, conditional: Conditional) -> Conditionals:
        """With `conditional` under `key`; `Rejected` with `channel.key` where the key is taken."""
        try:
            return _over(_insert(self._root, key, conditional))
        except KeyError:
            raise Rejected("channel.key", "a key names one conditional", key=key) from None

    def replace(self, key: int, conditional: Conditional) -> Conditionals:
        """With another `conditional` under `key`; `Rejected` with `channel.key` where there is no such key."""
        try:
            return _over(trie.replace(self._root, key, conditional))
        except KeyError:
            raise Rejected("channel.key", "there is no conditional under this key", key=key) from None

    def drop(self, key: int) -> Conditionals:
        """Without `key`; `Rejected` with `channel.key` where there is no such key."""
        try:
            return _over(_remove(self._root, key))
        except KeyError:
            raise Rejected("channel.key", "there is no conditional under this key", key=key) from None

    def folded(self, recipe: trie.Recipe) -> Conditionals:
        """The same, all of which `recipe` can make again, with most of it not kept; a small map is kept whole."""
        root = self._root
        return _over(trie.fold(root, FOLDED, recipe)) if root is not None and root.count > FOLDED else self

    def update(self, adds: Iterable[tuple[int, Conditional]], drops: Iterable[int]) -> Conditionals:
        """After `drops`, then `adds`."""
        changed = self
        for key in drops:
            changed = changed.drop(key)
        for key, conditional in adds:
            changed = changed.add(key, conditional)
        return changed

    def get(self, key: int) -> Conditional | None:
        """The conditional under `key`, or None."""
        return trie.find(self._root, key)

    def root_hash(self) -> bytes:
        """The hash of the dictionary's root cell; 32 zero bytes when it is empty."""
        return self._root.hash if self._root else NO_CONDITIONALS

    def root_cell(self) -> Cell | None:
        """The dictionary's root cell; None when it is empty."""
        return self._root.cell().to_cell() if self._root else None

    def maximum(self) -> int:
        """The most that all of them pay together, nano."""
        return self._root.maximum if self._root else 0

    def items(self) -> Iterator[tuple[int, Conditional]]:
        """Keys and conditionals in the order of the keys."""
        return ((leaf.key, leaf.conditional) for leaf in trie.leaves(self._root))

    def __iter__(self) -> Iterator[int]:
        return (leaf.key for leaf in trie.leaves(self._root))

    def __len__(self) -> int:
        return self._root.count if self._root else 0

    def __contains__(self, key: int) -> bool:
        return trie.find(self._root, key) is not None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Conditionals):
            return NotImplemented
        return self.root_hash() == other.root_hash() and self.maximum() == other.maximum()

    def __hash__(self) -> int:
        return hash(self.root_hash())

    def __reduce__(self) -> tuple[type[Conditionals], tuple[tuple[tuple[int, Conditional], ...]]]:
        return Conditionals, (tuple(self.items()),)

    def __repr__(self) -> str:
        return f"<Conditionals {len(self)} at most {self.maximum()} {self.root_hash().hex()[:8]}>"


def _over(root: trie.Node | None) -> Conditionals:
    changed = Conditionals.__new__(Conditionals)
    changed._root = root  # noqa: SLF001 - the one other constructor of this class
    return changed


def _checked(key: int) -> int:
    if not 0 <= key < 1 << trie.KEY_BITS:
        raise Rejected("channel.key", "keys have 32 bits", key=key)
    return key
