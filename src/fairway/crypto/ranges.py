"""Aggregated range proofs: many committed values, each at least 0 and below 2^bits, in one short proof.

The wire format is that of the published `bulletproofs` crate. The transcript is `Transcript("fairway.range.v1")`
with the statement absorbed first. The number of values is padded to a power of two with the commitment to zero
without blinding (the identity), by the prover and by the verifier.
"""

from __future__ import annotations

from collections.abc import Sequence

from fairway import _core
from fairway.crypto._boundary import translated
from fairway.crypto.pedersen import Opening, encode_openings
from fairway.errors import InvalidMessage, Rejected

__all__ = ["WIDTHS", "prove", "verify_batch"]

WIDTHS = (8, 16, 32, 64)
ENTROPY_BYTES = 32


def prove(openings: Sequence[Opening], bits: int, statement: bytes, entropy: bytes) -> bytes:
    """A proof that 0 ≤ value < 2^bits for each opening.

    Bounds: 1 to 64 openings; `bits` is one of `WIDTHS`; 32 bytes of entropy, used as in `r1cs.prove`.
    Secret: `openings`, `entropy`. Errors: `Rejected` if a value is out of range.
    """
    if len(entropy) != ENTROPY_BYTES:
        raise InvalidMessage("proof.entropy_length", "proving takes 32 bytes of entropy", length=len(entropy))
    if bits not in WIDTHS:
        raise InvalidMessage("range.bits", "a range is 8, 16, 32 or 64 bits wide", bits=bits)
    if any(not 0 <= opening.value < 2**bits for opening in openings):
        raise Rejected("range.out_of_range", "a value is not in the range to be proven", bits=bits)
    values, blindings = encode_openings(openings)
    with translated():
        return _core.range_prove(values, blindings, bits, statement, entropy)


def verify_batch(items: Sequence[tuple[Sequence[bytes], int, bytes, bytes]]) -> None:
    """Refuse a batch of (commitments, bits, statement, proof) in which one proof does not hold.

    All proofs become one multiscalar multiplication. Errors: `InvalidProof`, `InvalidMessage`, with the fact `index`
    of the first bad item.
    """
    with translated():
        _core.range_verify_batch(
            [(b"".join(commitments), bits, statement, proof) for commitments, bits, statement, proof in items]
        )
