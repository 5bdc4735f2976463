"""The cells of a `HashmapE 32`, kept as a persistent trie: a change hashes only the path it touches.

A node of the trie is a cell of the dictionary: an edge label, then a value (`Leaf`) or two branches (`Fork`). Nodes
are never changed, only replaced, so every older root stays whole. A node's hash is taken when it is first asked for:
several changes between two roots share one hashing of their common path.

A subtree whose leaves a recipe can make again may be `Folded`: its hash and sums are kept, its nodes are not. Whoever
walks into it gets it made again along his path; the rest of it stays folded.

`start` is the key bit at which a node's label begins, `end` the one at which it ends: where a fork branches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import sha256
from typing import Protocol

from fairway.channel.conditional import CONDITION_BITS, CONDITION_CODE, Conditional
from fairway.errors import IllegalTransition
from fairway.ton.cells import Bits, Plain

__all__ = [
    "KEY_BITS",
    "Folded",
    "Fork",
    "Leaf",
    "Node",
    "Recipe",
    "find",
    "fold",
    "insert",
    "leaves",
    "remove",
    "replace",
]

KEY_BITS = 32


class Leaf:
    """One conditional under its `key`."""

    __slots__ = ("_hash", "conditional", "depth", "key", "maximum", "start")

    end = KEY_BITS
    count = 1

    def __init__(self, start: int, key: int, conditional: Conditional) -> None:
        self.start = start
        self.key = key
        self.conditional = conditional
        self.maximum = conditional.maximum
        self.depth = conditional.depth
        self._hash = b""

    @property
    def hash(self) -> bytes:
        """The hash of the leaf's cell."""
        if not self._hash:
            room = KEY_BITS - self.start
            head = _head(self.key & (1 << room) - 1, room, room, True)
            self._hash = sha256(head + self.conditional.tail).digest()
        return self._hash

    def moved(self, start: int) -> Leaf:
        """The same leaf where its label begins at another bit."""
        return Leaf(start, self.key, self.conditional)

    def cell(self) -> Plain:
        """The leaf's cell."""
        value, width = _label(*_edge(self))
        bits = Bits().uint(width, value).uint(CONDITION_BITS, CONDITION_CODE)
        return bits.cell(self.conditional.terms, self.conditional.code)


class Fork:
    """Two branches behind the bits that all their keys share; `key` is one of those keys."""

    __slots__ = ("_hash", "count", "depth", "end", "key", "left", "maximum", "right", "start")

    def __init__(self, start: int, end: int, left: Node, right: Node) -> None:
        self.start = start
        self.end = end
        self.key: int = left.key
        self.left = left
        self.right = right
        self.count: int = left.count + right.count
        self.maximum: int = left.maximum + right.maximum
        self.depth: int = 1 + (left.depth if left.depth > right.depth else right.depth)  # noqa: FURB136 - a call less
        self._hash = b""

    @property
    def hash(self) -> bytes:
        """The hash of the fork's cell."""
        if not self._hash:
            left, right, end = self.left, self.right, self.end
            length = end - self.start
            head = _head(self.key >> KEY_BITS - end & (1 << length) - 1, length, KEY_BITS - self.start, False)
            depths = (left.depth << 16 | right.depth).to_bytes(4)
            below = (left._hash or left.hash) + (right._hash or right.hash)  # noqa: SLF001 - nodes of one trie
            self._hash = sha256(head + depths + below).digest()
        return self._hash

    def moved(self, start: int) -> Fork:
        """The same fork where its label begins at another bit."""
        return Fork(start, self.end, self.left, self.right)

    def cell(self) -> Plain:
        """The fork's cell."""
        value, width = _label(*_edge(self))
        return Bits().uint(width, value).cell(self.left.cell(), self.right.cell())


class Recipe(Protocol):
    """Where leaves come from that are not kept. Equal for ever: a key gives the same conditional each time."""

    def keys(self, first: int, beyond: int) -> Iterable[int]:
        """The keys from `first` and below `beyond`."""

    def make(self, key: int) -> Conditional:
        """What stands under one of the keys."""


class Folded:
    """A subtree whose leaves `recipe` makes again; everything in it is as the recipe says."""

    __slots__ = ("_hash", "count", "depth", "end", "key", "maximum", "recipe", "start")

    def __init__(self, node: Node, recipe: Recipe) -> None:
        self.start: int = node.start
        self.end: int = node.end
        self.key: int = node.key
        self.count: int = node.count
        self.maximum: int = node.maximum
        self.depth: int = node.depth
        self.recipe = recipe
        self._hash: bytes = node.hash

    @property
    def hash(self) -> bytes:
        """The hash of the subtree's cell."""
        return self._hash

    def whole(self) -> Leaf | Fork:
        """The subtree; `IllegalTransition` (`channel.recipe`) where the recipe makes another than was folded."""
        node: Node | None = None
        for key in self.recipe.keys(*self._range()):
            node = insert(node, key, self.recipe.make(key))
        if node is not None:
            node = node.moved(self.start)
        if node is None or isinstance(node, Folded) or node.hash != self.hash:
            raise IllegalTransition("channel.recipe", "what was folded cannot be made again", key=self.key)
        return node

    def opened(self, key: int) -> Leaf | Fork:
        """The subtree along the path to `key`; what branches off stays folded."""
        return self._opened(self.whole(), key)

    def _opened(self, node: Node, key: int) -> Leaf | Fork:
        if isinstance(node, Folded):
            return self.opened(key)
        if isinstance(node, Leaf):
            return node
        if _bit(key, node.end):
            return Fork(node.start, node.end, Folded(node.left, self.recipe), self._opened(node.right, key))
        return Fork(node.start, node.end, self._opened(node.left, key), Folded(node.right, self.recipe))

    def moved(self, start: int) -> Folded:
        """The same subtree where its label begins at another bit."""
        return Folded(self.whole().moved(start), self.recipe)

    def find(self, key: int) -> Conditional | None:
        """The conditional under `key`, or None."""
        first, beyond = self._range()
        found = first <= key < beyond and key in self.recipe.keys(key, key + 1)
        return self.recipe.make(key) if found else None

    def cell(self) -> Plain:
        """The subtree's cell."""
        return self.whole().cell()

    def _range(self) -> tuple[int, int]:
        rest = KEY_BITS - self.end
        first = self.key >> rest << rest
        return first, first + (1 << rest)


Node = Leaf | Fork | Folded


def fold(node: Node, most: int, recipe: Recipe) -> Node:
    """The trie, all of which `recipe` can make again, with its subtrees of two to `most` leaves folded."""
    if not isinstance(node, Fork):
        return node
    if node.count <= most:
        return Folded(node, recipe)
    return Fork(node.start, node.end, fold(node.left, most, recipe), fold(node.right, most, recipe))


def insert(node: Node | None, key: int, conditional: Conditional) -> Node:
    """The trie with `conditional` under the new `key`; `KeyError` where the key is taken."""
    return _insert(node, key, conditional) if node else Leaf(0, key, conditional)


def _insert(node: Node, key: int, conditional: Conditional) -> Node:
    split = KEY_BITS - (node.key ^ key).bit_length()
    if split < node.end:
        added, moved = Leaf(split + 1, key, conditional), node.moved(split + 1)
        return Fork(node.start, split, *((moved, added) if _bit(key, split) else (added, moved)))
    if not isinstance(node, Fork):
        if isinstance(node, Leaf):
            raise KeyError(key)
        return _insert(node.opened(key), key, conditional)
    if _bit(key, node.end):
        return Fork(node.start, node.end, node.left, _insert(node.right, key, conditional))
    return Fork(node.start, node.end, _insert(node.left, key, conditional), node.right)


def remove(node: Node | None, key: int) -> Node | None:
    """The trie without `key`, None when nothing is left; `KeyError` where the key is not in it."""
    if isinstance(node, Folded):
        node = node.opened(key)
    if node is None or isinstance(node, Leaf):
        if node is None or node.key != key:
            raise KeyError(key)
        return None
    if _bit(key, node.end):
        right = remove(node.right, key)
        return Fork(node.start, node.end, node.left, right) if right else node.left.moved(node.start)
    left = remove(node.left, key)
    return Fork(node.start, node.end, left, node.right) if left else node.right.moved(node.start)


def replace(node: Node | None, key: int, conditional: Conditional) -> Node:
    """The trie with another `conditional` under `key`; `KeyError` where the key is not in it."""
    if isinstance(node, Fork):
        if _bit(key, node.end):
            return Fork(node.start, node.end, node.left, replace(node.right, key, conditional))
        return Fork(node.start, node.end, replace(node.left, key, conditional), node.right)
    if isinstance(node, Folded) and node.find(key) is not None:
        return replace(node.opened(key), key, conditional)
    if node is None or node.key != key:
        raise KeyError(key)
    return Leaf(node.start, key, conditional)


def find(node: Node | None, key: int) -> Conditional | None:
    """The conditional under `key`, or None."""
    while isinstance(node, Fork):
        node = node.right if _bit(key, node.end) else node.left
    if isinstance(node, Folded):
        return node.find(key)
    return node.conditional if node and node.key == key else None


def leaves(node: Node | None) -> Iterator[Leaf]:
    """All leaves in the order of their keys."""
    if isinstance(node, Leaf):
        yield node
    elif isinstance(node, Folded):
        yield from leaves(node.whole())
    elif node:
        yield from leaves(node.left)
        yield from leaves(node.right)


def _bit(key: int, position: int) -> int:
    return key >> KEY_BITS - 1 - position & 1


def _edge(node: Node) -> tuple[int, int, int]:
    """The bits of the node's label, how many they are, and how many there could be."""
    length = node.end - node.start
    return node.key >> KEY_BITS - node.end & (1 << length) - 1, length, KEY_BITS - node.start


def _label(bits: int, length: int, room: int) -> tuple[int, int]:
    """The canonical edge label as an integer and its width: of `same$11`, `long$10` and `short$0` the shortest.

    Of labels of one width TON's reference implementation takes the last.
    """
    width = room.bit_length()
    if length > 1 and width < 2 * length - 1 and bits in {0, (1 << length) - 1}:
        return (0b110 | bits & 1) << width | length, 3 + width
    if width < length:
        return (0b10 << width | length) << length | bits, 2 + width + length
    unary = (1 << length) - 1 << 1
    return unary << length | bits, 2 + 2 * length


@lru_cache(maxsize=1 << 14)
def _head(bits: int, length: int, room: int, leaf: bool) -> bytes:
    """What the hash of a node begins with: two descriptors (two references), label, and a leaf's four bytes.

    Kept, because the labels of counted keys are few.
    """
    value, width = _label(bits, length, room)
    if leaf:
        value, width = value << CONDITION_BITS | CONDITION_CODE, width + CONDITION_BITS
    whole, rest = divmod(width, 8)
    if not rest:
        return bytes((2, 2 * whole)) + value.to_bytes(whole)
    return bytes((2, 2 * whole + 1)) + ((value << 1 | 1) << 7 - rest).to_bytes(whole + 1)
