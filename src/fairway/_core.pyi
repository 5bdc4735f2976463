# ruff: noqa: PYI021 - a stub of compiled code is the only place where its contract can be read
"""The face of the Rust core: bytes in, bytes out, the GIL released while it works.

Scalars are 32 bytes little-endian and canonical, points are canonical Ristretto255 encodings; sequences of either
stand end to end. Nothing else in Python calls these: `fairway.crypto` is their only caller.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = [
    "CoreError",
    "Hashmap",
    "combine",
    "commit_batch",
    "ed25519_verify",
    "r1cs_prove",
    "r1cs_verify_batch",
    "range_prove",
    "range_verify_batch",
]

_T = TypeVar("_T")

class CoreError(ValueError):
    """Arguments: fault ("encoding", "proof" or "witness"), code, sentence, index of the item or None."""

class Hashmap(Generic[_T]):
    """An immutable map from 32-bit keys; a change gives another and shares with it all that stayed.

    Its cells are those of a `HashmapE 32`. With each value goes what its leaf hashes: `tail`, the depths and hashes of
    two references, `depth`, that of the leaf, and `maximum`, of which the map knows the sum. `insert` raises `KeyError`
    where the key is taken, `replace` and `remove` where it is not there; any other key is an `OverflowError`.
    """

    def __new__(cls) -> Hashmap[_T]: ...
    def insert(self, key: int, value: _T, tail: bytes, depth: int, maximum: int, /) -> Hashmap[_T]: ...
    def replace(self, key: int, value: _T, tail: bytes, depth: int, maximum: int, /) -> Hashmap[_T]: ...
    def remove(self, key: int, /) -> Hashmap[_T]: ...
    def folded(self, most: int, recipe: Callable[[int, int], list[tuple[int, _T, bytes, int, int]]], /) -> Hashmap[_T]:
        """The same, all of which `recipe` can make again, from a first to a last key, with what `insert` takes.

        Of its subtrees of two to `most` values only hashes and sums are kept. `RuntimeError` where one is wanted and
        does not come out as it was.
        """

    def get(self, key: int, /) -> _T | None: ...
    def items(self) -> list[tuple[int, _T]]: ...
    def image(self) -> tuple[list[tuple[int, _T]], Callable[[int, int], list[tuple[int, _T, bytes, int, int]]] | None]:
        """The items that are kept, and the recipe of the others."""

    def root_hash(self) -> bytes: ...
    @property
    def maximum(self) -> int: ...
    @property
    def kept(self) -> int:
        """How many nodes are kept."""

    def __len__(self) -> int: ...
    def __contains__(self, key: int, /) -> bool: ...

def commit_batch(values: bytes, blindings: bytes, /) -> bytes:
    """One Pedersen commitment for each pair of scalars."""

def ed25519_verify(key: bytes, message: bytes, signature: bytes, /) -> bool:
    """Whether the key made the signature of the message, by libsodium's rules. Variable time; the GIL is kept."""

def combine(scalars: bytes, points: bytes, /) -> bytes:
    """The sum of scalar·point, in variable time."""

def r1cs_prove(
    tape: bytes,
    values: bytes,
    blindings: bytes,
    commitments: bytes,
    assignments: bytes,
    statement: bytes | None,
    entropy: bytes,
    /,
) -> bytes:
    """A proof that the secrets satisfy the tape; the commitments are taken as what the openings open."""

def r1cs_verify_batch(items: list[tuple[bytes, bytes, bytes | None, bytes]], /) -> None:
    """Verify (tape, commitments, statement, proof) items together."""

def range_prove(values: bytes, blindings: bytes, bits: int, statement: bytes, entropy: bytes, /) -> bytes:
    """An aggregated range proof, padded to a power of two."""

def range_verify_batch(items: list[tuple[bytes, int, bytes, bytes]], /) -> None:
    """Verify (commitments, bits, statement, proof) items together."""
