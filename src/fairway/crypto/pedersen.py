"""Pedersen commitments over Ristretto255: `value·B + blinding·B_blinding`, 32 bytes each.

Hiding by the blinding, binding by the discrete logarithm, and additive: the sum of two commitments opens to the
sums. The bases are those of the published `bulletproofs` crate.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Self

from fairway import _core
from fairway.crypto._boundary import translated
from fairway.crypto.scalars import ORDER, to_bytes

__all__ = ["POINT_BYTES", "Opening", "combine", "commit", "commit_all", "encode_openings"]

POINT_BYTES = 32


class Opening:
    """What opens a commitment. Secret: `value` and `blinding`, which therefore stay out of `repr`.

    `value` is an integer of any sign and counts modulo the group order; `blinding` is kept reduced. Nobody writes to
    either.
    """

    __slots__ = ("_commitment", "blinding", "value")

    def __init__(self, value: int, blinding: int) -> None:
        self.value = value
        self.blinding = blinding % ORDER
        self._commitment = b""

    @property
    def commitment(self) -> bytes:
        """The commitment, 32 bytes; computed once."""
        if not self._commitment:
            self._commitment = commit(self.value, self.blinding)
        return self._commitment

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Opening):
            return NotImplemented
        return (self.value, self.blinding) == (other.value, other.blinding)

    def __hash__(self) -> int:
        return hash((self.value, self.blinding))

    def __repr__(self) -> str:
        return "Opening()"

    def __add__(self, other: Self) -> Self:
        return type(self)(self.value + other.value, self.blinding + other.blinding)

    def __sub__(self, other: Self) -> Self:
        return type(self)(self.value - other.value, self.blinding - other.blinding)


def commit(value: int, blinding: int) -> bytes:
    """The commitment to `value` under `blinding`, 32 bytes. Secret: both. Constant time once inside the core."""
    with translated():
        return _core.commit_batch(to_bytes(value), to_bytes(blinding))


def commit_all(openings: Iterable[Opening]) -> list[bytes]:
    """The commitments of many openings in one call; each opening remembers its own."""
    known = list(openings)
    missing = [opening for opening in known if not opening._commitment]  # noqa: SLF001
    with translated():
        points = _core.commit_batch(*encode_openings(missing))
    for i, opening in enumerate(missing):
        opening._commitment = points[i * POINT_BYTES : (i + 1) * POINT_BYTES]  # noqa: SLF001
    return [opening.commitment for opening in known]


def combine(terms: Sequence[tuple[int, bytes]]) -> bytes:
    """`Σ scalar·point`, 32 bytes, for public scalars and points (variable time).

    Scalars may be negative. The empty sum is the identity, 32 zero bytes. Errors: `InvalidMessage` for a point that
    is not in canonical form.
    """
    with translated():
        return _core.combine(b"".join(to_bytes(scalar) for scalar, _ in terms), b"".join(point for _, point in terms))


def encode_openings(openings: Sequence[Opening]) -> tuple[bytes, bytes]:
    """The values and the blindings of `openings` as the core takes them: scalars end to end."""
    values = b"".join(to_bytes(opening.value) for opening in openings)
    blindings = b"".join(to_bytes(opening.blinding) for opening in openings)
    return values, blindings
