"""The public part of a lender's move: what kind, which pool, whose shares, when. All of it is absorbed first.

The letters of docs/spec/settlement.md: LS lendState, T total pool shares, Sh shares moved, V the pool's net worth times
the funding scale, Dep what is paid in, W what is paid out, H the lender's shares, e the remainder of the division.

    initial    LS1 = Dep          T1 = Dep
    deposit    LS1 = LS0 + Dep    T1 = T0 + Sh    Sh·V + e = S·Dep·T0,   0 ≤ e < V
    redeem     LS1 = LS0 − W      T1 = T0 − Sh    S·W·T0 + e = Sh·V,     0 ≤ e < S·T0
    earn       LS1 = LS0 + Dep    T1 = T0

Both divisions round against the lender who moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Self

from fairway.errors import InvalidMessage
from fairway.settlement.sums import ONE, Sum
from fairway.settlement.values import LIMB
from fairway.settlement.wire import HASH, Number, Reader, pack
from fairway.units import FUNDING_SCALE

__all__ = ["LendKind", "LendStatement", "LendTerms", "holds", "names_of", "ranged"]

DOMAIN = b"fairway.lend.v1"

_INITIAL = ("Dep", "LS1", "T1")
_DEPOSIT = ("Dep", "Sh", "LS0", "LS1", "T0", "T1", "V", "e", "eh", "gh")
_EARN = ("Dep", "LS0", "LS1", "T0", "T1")
_REDEEM = ("W", "Sh", "LS0", "LS1", "T0", "T1", "V", "e", "eh", "gh", "H0")


class LendKind(IntEnum):
    """What the move does: first money, money in for shares, shares in for money, money in for nothing (income)."""

    INITIAL = 0
    DEPOSIT = 1
    REDEEM = 2
    EARN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class LendTerms:
    """What is public of a move before its numbers are known.

    `pool` and `note` name the pool and the lender's shares, `binding` hides channel, seqno and wish behind a salt as
    in a settlement; 32 bytes each.
    """

    network: int
    at_ms: int
    pool: bytes
    note: bytes
    binding: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LendStatement(LendTerms):
    """The terms and the kind of the move."""

    kind: LendKind

    @classmethod
    def of(cls, terms: LendTerms, kind: LendKind) -> Self:
        """The statement of a move on `terms`."""
        return cls(**{field.name: getattr(terms, field.name) for field in fields(LendTerms)}, kind=kind)

    def encode(self) -> bytes:
        """The statement's bytes: one form, fixed length."""
        return pack(DOMAIN, LAYOUT, self)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """The statement at the reader. Errors: `InvalidMessage`."""
        values = reader.fields(DOMAIN, LAYOUT)
        if values["kind"] not in set(LendKind):
            raise InvalidMessage("settlement.statement", "a lender's move has no such kind", kind=values["kind"])
        return cls(**values | {"kind": LendKind(values["kind"])})


LAYOUT = (
    Number("kind", 1),
    Number("network", 4, signed=True),
    Number("at_ms", 8),
    Number("pool", HASH),
    Number("note", HASH),
    Number("binding", HASH),
)


_NAMES = {
    LendKind.INITIAL: _INITIAL,
    LendKind.DEPOSIT: _DEPOSIT,
    LendKind.REDEEM: _REDEEM,
    LendKind.EARN: _EARN,
}


def names_of(kind: LendKind) -> tuple[str, ...]:
    """The names of V, in order."""
    return _NAMES[kind]


def ranged(kind: LendKind) -> tuple[Sum, ...]:
    """What must lie in [0, 2⁶⁴) for the program to mean what it says.

    The remainder e and what it lacks to its divisor may take more than 64 bits. Each is in two limbs, of which the
    upper one (eh, gh) is committed and the lower one is what is left.
    """
    if kind is LendKind.INITIAL:
        return (((1, "Dep"), (-1, ONE)),)
    if kind is LendKind.EARN:
        return (((1, "Dep"),),)
    paid: Sum = ((1, "Dep" if kind is LendKind.DEPOSIT else "W"),)
    divisor: Sum = ((1, "V"),) if kind is LendKind.DEPOSIT else ((FUNDING_SCALE, "T0"),)
    sums: tuple[Sum, ...] = (
        paid,
        ((1, "Sh"),),
        ((1, "T1"),),
        ((1, "eh"),),
        ((1, "e"), (-LIMB, "eh")),
        ((1, "gh"),),
        (*divisor, (-1, ONE), (-1, "e"), (-LIMB, "gh")),
    )
    return sums if kind is LendKind.DEPOSIT else (*sums, ((1, "H0"), (-1, "Sh")))


def holds(kind: LendKind, v: Mapping[str, int]) -> bool:
    """Whether the values satisfy every clause of the program and every range, as integers."""
    in_range = all(0 <= sum(k * (1 if name == ONE else v[name]) for k, name in terms) < LIMB for terms in ranged(kind))
    return in_range and _adds_up(kind, v)


def _adds_up(kind: LendKind, v: Mapping[str, int]) -> bool:
    if kind is LendKind.INITIAL:
        return v["LS1"] == v["T1"] == v["Dep"]
    if kind is LendKind.EARN:
        return v["LS1"] - v["LS0"] == v["Dep"] and v["T1"] == v["T0"]
    if kind is LendKind.DEPOSIT:
        moved = v["LS1"] - v["LS0"] == v["Dep"] and v["T1"] - v["T0"] == v["Sh"]
        return moved and v["Sh"] * v["V"] + v["e"] == FUNDING_SCALE * v["Dep"] * v["T0"]
    moved = v["LS0"] - v["LS1"] == v["W"] and v["T0"] - v["T1"] == v["Sh"]
    return moved and FUNDING_SCALE * v["W"] * v["T0"] + v["e"] == v["Sh"] * v["V"]
