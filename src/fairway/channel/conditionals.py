"""All conditionals of one half: a persistent map from 32-bit keys, named by its root hash."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import NamedTuple, Protocol, TypeAlias

from fairway.channel.conditional import Conditional
from fairway.channel.layout import dictionary_cell
from fairway.crypto.hashmap import Hashmap
from fairway.errors import IllegalTransition, Rejected
from fairway.ton.cells import Cell

__all__ = ["Conditional", "Conditionals", "Recipe"]

Promises: TypeAlias = "Hashmap[Conditional]"

FOLDED = 32
"""Conditionals that are made again, in a third of a millisecond, for the first change among them."""


class Recipe(Protocol):
    """Where conditionals come from that are not kept. Equal for ever: a key gives the same one each time."""

    def keys(self, first: int, beyond: int) -> Iterable[int]:
        """The keys from `first` and below `beyond`, in order."""

    def make(self, key: int) -> Conditional:
        """What stands under one of the keys."""


class Image(NamedTuple):
    """A map as a snapshot keeps it: what is kept of it by its keys, the recipe of the rest, and its name."""

    keys: tuple[int, ...]
    conditionals: tuple[Conditional, ...]
    recipe: Recipe | None
    root_hash: bytes


class Conditionals:
    """An immutable map; `add` and `drop` return another and share with it all that did not change.

    Two maps are equal when their root hashes and their maxima are. Read back from an image, a map is made again when
    somebody asks for it: most are kept as proof and never asked.
    """

    __slots__ = ("_image", "_root")

    _image: Image
    _root: Promises

    def __init__(self, items: Iterable[tuple[int, Conditional]] = ()) -> None:
        self._root = Hashmap()
        for key, conditional in items:
            self._root = _inserted(self._root, key, conditional)

    def add(self, key: int, conditional: Conditional) -> Conditionals:
        """With `conditional` under `key`; `Rejected` with `channel.key` where the key is taken, or has not 32 bits."""
        return _over(_inserted(self._root, key, conditional))

    def replace(self, key: int, conditional: Conditional) -> Conditionals:
        """With another `conditional` under `key`; `Rejected` with `channel.key` where there is no such key."""
        try:
            root = self._root.replace(key, conditional, conditional.tail, conditional.depth, conditional.maximum)
        except (KeyError, OverflowError):
            raise Rejected("channel.key", "there is no conditional under this key", key=key) from None
        except RuntimeError as error:
            raise _unmade(error) from None
        return _over(root)

    def drop(self, key: int) -> Conditionals:
        """Without `key`; `Rejected` with `channel.key` where there is no such key."""
        try:
            return _over(self._root.remove(key))
        except (KeyError, OverflowError):
            raise Rejected("channel.key", "there is no conditional under this key", key=key) from None
        except RuntimeError as error:
            raise _unmade(error) from None

    def folded(self, recipe: Recipe) -> Conditionals:
        """The same, all of which `recipe` can make again, with most of it not kept; a small map is kept whole.

        Whoever looks into it then, or changes it, gets the part on his way made again: `IllegalTransition`
        (`channel.recipe`) where that comes out otherwise.
        """
        if len(self) <= FOLDED:
            return self
        return _over(self._root.folded(FOLDED, partial(_made, recipe)))

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
        try:
            return self._root.get(key)
        except RuntimeError as error:
            raise _unmade(error) from None

    def root_hash(self) -> bytes:
        """The hash of the dictionary's root cell; 32 zero bytes (`NO_CONDITIONALS`) when it is empty."""
        return self._root.root_hash()

    def root_cell(self) -> Cell | None:
        """The dictionary's root cell; None when it is empty."""
        items = self._items()
        return dictionary_cell(items).to_cell() if items else None

    def maximum(self) -> int:
        """The most that all of them pay together, nano."""
        return self._root.maximum

    def items(self) -> Iterator[tuple[int, Conditional]]:
        """Keys and conditionals in the order of the keys."""
        return iter(self._items())

    def _items(self) -> list[tuple[int, Conditional]]:
        try:
            return self._root.items()
        except RuntimeError as error:
            raise _unmade(error) from None

    def __iter__(self) -> Iterator[int]:
        return (key for key, _ in self._items())

    def __len__(self) -> int:
        return len(self._root)

    def __contains__(self, key: int) -> bool:
        return self.get(key) is not None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Conditionals):
            return NotImplemented
        return self.root_hash() == other.root_hash() and self.maximum() == other.maximum()

    def __hash__(self) -> int:
        return hash(self.root_hash())

    def __getstate__(self) -> Image:
        image: Image | None = getattr(self, "_image", None)
        if image is not None:
            return image
        items, made = self._root.image()
        recipe: Recipe | None = made.args[0] if isinstance(made, partial) else None
        return Image(tuple([key for key, _ in items]), tuple([each for _, each in items]), recipe, self.root_hash())

    def __setstate__(self, image: Image) -> None:
        self._image = image

    def __getattr__(self, name: str) -> Promises:
        """The map, where only its image is there."""
        if name != "_root":
            raise AttributeError(name)
        self._root = root = _read(self._image)
        del self._image
        return root

    def __repr__(self) -> str:
        return f"<Conditionals {len(self)} at most {self.maximum()} {self.root_hash().hex()[:8]}>"


def _read(image: Image) -> Promises:
    """The map of an image; `IllegalTransition` (`channel.recipe`) where it comes out otherwise."""
    root: Promises = Hashmap()
    if image.recipe is not None:
        for key in image.recipe.keys(0, 1 << 32):
            root = _inserted(root, key, image.recipe.make(key))
        root = root.folded(FOLDED, partial(_made, image.recipe))
    for key, conditional in zip(image.keys, image.conditionals, strict=True):
        put = root.replace if key in root else root.insert
        root = put(key, conditional, conditional.tail, conditional.depth, conditional.maximum)
    if root.root_hash() != image.root_hash:
        raise IllegalTransition("channel.recipe", "a map does not come out of its image as it was")
    return root


def _made(recipe: Recipe, first: int, last: int) -> list[tuple[int, Conditional, bytes, int, int]]:
    made = ((key, recipe.make(key)) for key in recipe.keys(first, last + 1))
    return [(key, each, each.tail, each.depth, each.maximum) for key, each in made]


def _inserted(root: Promises, key: int, conditional: Conditional) -> Promises:
    try:
        return root.insert(key, conditional, conditional.tail, conditional.depth, conditional.maximum)
    except (KeyError, OverflowError):
        raise Rejected("channel.key", "a key has 32 bits and names one conditional", key=key) from None
    except RuntimeError as error:
        raise _unmade(error) from None


def _unmade(error: RuntimeError) -> IllegalTransition:
    return IllegalTransition("channel.recipe", str(error))


def _over(root: Promises) -> Conditionals:
    changed = Conditionals.__new__(Conditionals)
    changed._root = root  # noqa: SLF001 - the one other constructor of this class
    return changed
