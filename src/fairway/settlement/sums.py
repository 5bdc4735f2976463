"""Public linear sums of committed values, written once and read twice: over openings and over commitments.

A sum is `Σ factor·name`; the name `ONE` is the cleartext 1. Reading it over the openings gives the prover his witness,
over the commitments the verifier his commitment, and both are the same point: so a derived value (D − 1 − e, Q0 − Q, a
cost that is price times lots) needs no commitment of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

from fairway.crypto.pedersen import Opening, combine, commit

__all__ = ["ONE", "Sum", "commitment_of", "opening_of"]

ONE = "1"
Sum = tuple[tuple[int, str], ...]

_ONE_POINT = commit(1, 0)


def opening_of(terms: Sum, openings: Mapping[str, Opening]) -> Opening:
    """The opening of a sum. A sum of one name with factor 1 is that name's own opening."""
    if len(terms) == 1 and terms[0][0] == 1:
        return openings[terms[0][1]]
    value = sum(factor * (1 if name == ONE else openings[name].value) for factor, name in terms)
    blinding = sum(factor * openings[name].blinding for factor, name in terms if name != ONE)
    return Opening(value, blinding)


def commitment_of(terms: Sum, commitments: Mapping[str, bytes]) -> bytes:
    """The commitment of a sum, from commitments alone."""
    if len(terms) == 1 and terms[0][0] == 1:
        return commitments[terms[0][1]]
    return combine([(factor, _ONE_POINT if name == ONE else commitments[name]) for factor, name in terms])
