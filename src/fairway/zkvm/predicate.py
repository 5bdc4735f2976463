"""Predicates: a key that also commits to a tree of programs, any of which opens the contract instead of a signature.

    P = X + h(X, M)·B        X a key, M the root over the programs, each beside a blinding leaf

Whoever knows the secret of X can sign for P and nobody learns that there were programs; whoever shows a program and its
path can run it, and nobody learns the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

from fairway.crypto.merlin import Transcript
from fairway.crypto.pedersen import combine
from fairway.crypto.relations import BASE, BLINDING_BASE, Relation
from fairway.errors import InvalidMessage
from fairway.zkvm.merkle import Leaf, Path, Tree

__all__ = ["CallProof", "PredicateTree", "call_relation", "flavor"]

POINT_BYTES = 32
_TREE = Tree(b"ZkVM.taproot")


class CallProof(NamedTuple):
    """The key X and the path of the program that is called: `X:32 position:LE64 count:LE32 neighbour:32*`."""

    key: bytes
    path: Path

    def encode(self) -> bytes:
        """The string that `call` takes."""
        return self.key + self.path.encode()

    @classmethod
    def decode(cls, encoded: bytes) -> Self:
        """The call proof of which `encoded` is all. Errors: `InvalidMessage`."""
        if len(encoded) < POINT_BYTES:
            raise InvalidMessage("zkvm.call_proof", "a call proof begins with a key", length=len(encoded))
        return cls(encoded[:POINT_BYTES], Path.decode(encoded[POINT_BYTES:]))


@dataclass(frozen=True, slots=True)
class PredicateTree:
    """A key and the programs that stand beside it.

    `key` None: nobody can sign, only programs open it. `blinding_key` (32 bytes, secret) hides how many programs a
    reader has not seen.
    """

    programs: tuple[bytes, ...]
    blinding_key: bytes
    key: bytes | None = None

    @property
    def inner(self) -> bytes:
        """X; without a key a point whose logarithm nobody knows."""
        return BLINDING_BASE if self.key is None else self.key

    @property
    def adjustment(self) -> int:
        """h(X, M): what the secret of X must add to itself to sign for the predicate."""
        return _adjustment(self.inner, _TREE.root(self._leaves()))

    @property
    def predicate(self) -> bytes:
        """P."""
        return combine([(1, self.inner), (self.adjustment, BASE)])

    def call_proof(self, index: int) -> CallProof:
        """What shows that program `index` stands in the tree."""
        leaves = self._leaves()
        place = leaves.index(_program_leaf(self.programs[index]), 2 * index)
        return CallProof(self.inner, _TREE.path(leaves, place))

    def _leaves(self) -> list[Leaf]:
        transcript = Transcript(b"ZkVM.taproot-derive-blinding")
        transcript.append_u64(b"n", len(self.programs))
        transcript.append(b"key", self.blinding_key)
        for code in self.programs:
            transcript.append(b"prog", code)
        leaves: list[Leaf] = []
        for code in self.programs:
            blinding = transcript.challenge(b"blinding")
            pair: list[Leaf] = [((b"blinding", blinding),), _program_leaf(code)]
            leaves += pair[::-1] if blinding[0] & 1 else pair
        return leaves


def call_relation(predicate: bytes, proof: CallProof, code: bytes) -> Relation:
    """What must be true if the program stands in the predicate's tree: 0 = −P + X + h·B."""
    root = _TREE.climbed(_program_leaf(code), proof.path)
    return Relation(((-1, predicate), (1, proof.key)), _adjustment(proof.key, root))


def flavor(predicate: bytes, metadata: bytes) -> int:
    """The flavor that a predicate issues under some metadata."""
    transcript = Transcript(b"ZkVM.issue")
    transcript.append(b"predicate", predicate)
    transcript.append(b"metadata", metadata)
    return transcript.challenge_scalar(b"flavor")


def _adjustment(key: bytes, root: bytes) -> int:
    transcript = Transcript(b"ZkVM.taproot")
    transcript.append(b"key", key)
    transcript.append(b"merkle", root)
    return transcript.challenge_scalar(b"h")


def _program_leaf(code: bytes) -> Leaf:
    return ((b"program", code),)
