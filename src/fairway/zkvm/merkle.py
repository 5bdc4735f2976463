"""Merkle trees over transcripts: RFC 6962 in shape, Merlin in place of the hash function.

A leaf is a list of labelled messages. Tree and leaf share one labelled transcript, so that a tree of one purpose says
nothing in another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

from fairway.crypto.merlin import Transcript
from fairway.errors import InvalidMessage

__all__ = ["Leaf", "Path", "Tree"]

Leaf = Sequence[tuple[bytes, bytes]]
HASH_BYTES = 32
DEPTH_BOUND = 32


class Path(NamedTuple):
    """The way from a leaf to its root: neighbours from the bottom up; bit i of `position` set where leaf is right."""

    position: int
    neighbors: tuple[bytes, ...]

    def encode(self) -> bytes:
        """`position:LE64 count:LE32 neighbour:32*`."""
        count = len(self.neighbors)
        return self.position.to_bytes(8, "little") + count.to_bytes(4, "little") + b"".join(self.neighbors)

    @classmethod
    def decode(cls, encoded: bytes) -> Self:
        """The path of which `encoded` is all. Errors: `InvalidMessage`."""
        count = int.from_bytes(encoded[8:12], "little")
        position = int.from_bytes(encoded[:8], "little")
        if len(encoded) != 12 + HASH_BYTES * count or len(encoded) < 12 or position >> count or count > DEPTH_BOUND:
            raise InvalidMessage("zkvm.path", "the bytes are no path in a tree", length=len(encoded))
        return cls(position, tuple(encoded[i : i + HASH_BYTES] for i in range(12, len(encoded), HASH_BYTES)))


class Tree:
    """Trees of one purpose, which is the label of their transcript."""

    __slots__ = ("_start",)

    def __init__(self, label: bytes) -> None:
        self._start = Transcript(label)

    def root(self, leaves: Sequence[Leaf]) -> bytes:
        """The root over `leaves`, 32 bytes."""
        if not leaves:
            return self._start.fork().challenge(b"merkle.empty")
        if len(leaves) == 1:
            return self.leaf(leaves[0])
        half = _half(len(leaves))
        return self._node(self.root(leaves[:half]), self.root(leaves[half:]))

    def path(self, leaves: Sequence[Leaf], index: int) -> Path:
        """The path of leaf `index`."""
        if len(leaves) == 1:
            return Path(0, ())
        half = _half(len(leaves))
        if index < half:
            below, neighbor, bit = self.path(leaves[:half], index), self.root(leaves[half:]), 0
        else:
            below, neighbor, bit = self.path(leaves[half:], index - half), self.root(leaves[:half]), 1
        return Path(below.position | bit << len(below.neighbors), (*below.neighbors, neighbor))

    def climbed(self, leaf: Leaf, path: Path) -> bytes:
        """The root that `path` leads to from `leaf`."""
        current = self.leaf(leaf)
        for level, neighbor in enumerate(path.neighbors):
            right = path.position >> level & 1
            current = self._node(neighbor, current) if right else self._node(current, neighbor)
        return current

    def leaf(self, leaf: Leaf) -> bytes:
        """The hash of one leaf."""
        transcript = self._start.fork()
        for label, message in leaf:
            transcript.append(label, message)
        return transcript.challenge(b"merkle.leaf")

    def _node(self, left: bytes, right: bytes) -> bytes:
        transcript = self._start.fork()
        transcript.append(b"L", left)
        transcript.append(b"R", right)
        return transcript.challenge(b"merkle.node")


def _half(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1
