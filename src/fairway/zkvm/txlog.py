"""What a transaction does to the world, in the order it does it, and the identity that follows from it.

txid = MerkleRoot("ZkVM.txid", header, entry…)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fairway.zkvm.merkle import Leaf, Tree

__all__ = ["Entry", "Fee", "Header", "Input", "Issue", "Log", "Output", "Retire", "txid"]

_TREE = Tree(b"ZkVM.txid")


class Header(NamedTuple):
    """Version and time bounds, in ms since 1970."""

    version: int
    mintime: int
    maxtime: int

    def leaf(self) -> Leaf:
        """The header as the first leaf of the identity."""
        fields = (b"tx.version", self.version), (b"tx.mintime", self.mintime), (b"tx.maxtime", self.maxtime)
        return tuple((label, value.to_bytes(8, "little")) for label, value in fields)


class Input(NamedTuple):
    """A contract claimed from the world, by identity."""

    identity: bytes

    def leaf(self) -> Leaf:
        """The entry as a leaf."""
        return ((b"input", self.identity),)


class Output(NamedTuple):
    """A contract left to the world; `structure` is what a later `input` takes."""

    identity: bytes
    structure: bytes

    def leaf(self) -> Leaf:
        """The entry as a leaf."""
        return ((b"output", self.identity),)


class Issue(NamedTuple):
    """A value made of nothing, by the predicate that its flavor names."""

    quantity: bytes
    flavor: bytes

    def leaf(self) -> Leaf:
        """The entry as a leaf."""
        return (b"issue.q", self.quantity), (b"issue.f", self.flavor)


class Retire(NamedTuple):
    """A value taken out of the world."""

    quantity: bytes
    flavor: bytes

    def leaf(self) -> Leaf:
        """The entry as a leaf."""
        return (b"retire.q", self.quantity), (b"retire.f", self.flavor)


class Fee(NamedTuple):
    """What is paid for carrying the transaction, in cleartext."""

    quantity: int

    def leaf(self) -> Leaf:
        """The entry as a leaf."""
        return ((b"fee", self.quantity.to_bytes(8, "little")),)


class Log(NamedTuple):
    """Bytes that the transaction wants to be seen with."""

    content: bytes

    def leaf(self) -> Leaf:
        """The entry as a leaf."""
        return ((b"data", self.content),)


Entry = Input | Output | Issue | Retire | Fee | Log


def txid(header: Header, log: Sequence[Entry]) -> bytes:
    """The transaction's identity, 32 bytes."""
    return _TREE.root([header.leaf(), *(entry.leaf() for entry in log)])
