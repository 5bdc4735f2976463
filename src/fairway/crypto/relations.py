"""Statements about public points, checked together: `Σ scalar·point + base·B = 0` for each of them.

All of them become one multiscalar multiplication. The weights are drawn from a hash of the whole batch, so that no
entropy is needed and no statement can be made to cancel another.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256, sha512
from typing import NamedTuple

from fairway.crypto.pedersen import combine, commit
from fairway.crypto.scalars import ORDER, to_bytes
from fairway.errors import InvalidMessage, InvalidProof

__all__ = ["BASE", "BLINDING_BASE", "Relation", "check", "check_all"]

DOMAIN = b"fairway.relations.v1"
IDENTITY = bytes(32)
BASE = commit(1, 0)
"""B, which values and keys stand on."""
BLINDING_BASE = commit(0, 1)
"""The base of blindings; nobody knows its logarithm to B."""


class Relation(NamedTuple):
    """`Σ scalar·point + base·B = 0`, points as 32 bytes each."""

    terms: tuple[tuple[int, bytes], ...]
    base: int = 0


def check(relations: Sequence[Relation]) -> None:
    """Refuse a batch in which one relation is false (but for a chance of about 2⁻²⁵⁰).

    Variable time: everything in it is public. Errors: `InvalidProof`; `InvalidMessage` for bytes that are no point.
    """
    if not relations:
        return
    seed = sha256(DOMAIN + b"".join(map(_encoded, relations))).digest()
    terms: list[tuple[int, bytes]] = []
    base = 0
    for index, relation in enumerate(relations):
        weight = int.from_bytes(sha512(seed + index.to_bytes(8, "little")).digest(), "little") % ORDER
        terms += [(weight * scalar % ORDER, point) for scalar, point in relation.terms]
        base += weight * relation.base
    if combine([*terms, (base, BASE)]) != IDENTITY:
        raise InvalidProof("relation.false", "a statement about public points is false")


def check_all(groups: Sequence[Sequence[Relation]]) -> None:
    """As `check` for all the groups at once; the error has the fact `index` of the first bad group."""
    try:
        check([relation for group in groups for relation in group])
    except InvalidMessage:
        _check_each(groups)
        raise


def _check_each(groups: Sequence[Sequence[Relation]]) -> None:
    for index, group in enumerate(groups):
        try:
            check(group)
        except InvalidMessage as error:
            error.facts["index"] = index
            raise


def _encoded(relation: Relation) -> bytes:
    terms = b"".join(to_bytes(scalar) + point for scalar, point in relation.terms)
    return len(relation.terms).to_bytes(4, "little") + terms + to_bytes(relation.base)
