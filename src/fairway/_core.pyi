# ruff: noqa: PYI021 - a stub of compiled code is the only place where its contract can be read
"""The face of the Rust core: bytes in, bytes out, the GIL released while it works.

Scalars are 32 bytes little-endian and canonical, points are canonical Ristretto255 encodings; sequences of either
stand end to end. Nothing else in Python calls these: `fairway.crypto` is their only caller.
"""

__all__ = [
    "CoreError",
    "combine",
    "commit_batch",
    "ed25519_verify",
    "r1cs_prove",
    "r1cs_verify_batch",
    "range_prove",
    "range_verify_batch",
]

class CoreError(ValueError):
    """Arguments: fault ("encoding", "proof" or "witness"), code, sentence, index of the item or None."""

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
