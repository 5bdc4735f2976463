"""The committed values of a settlement: their names in order, what of them must be ranged, and their arithmetic.

IM AM P LS0 LS1     margin, what is left of it, payment, pool before and after
Q C K e             lots closed, their cost and funding base, the remainder of the floor
b cover             bad debt and what the insurance pays of it (bankrupt only)
Q0 C0 K0 IM0        the note before a partial close
eC eK low high      remainders of the two proportions; K + 2¹²⁷ in two 64-bit limbs (partial only)
"""

from __future__ import annotations

from collections.abc import Mapping

from fairway.settlement.statement import Cause, Kind, Statement
from fairway.settlement.sums import ONE, Sum

__all__ = ["BASE_MIDDLE", "LIMB", "holds", "names_of", "pool_after", "ranged", "shortfall"]

LIMB = 1 << 64
BASE_MIDDLE = 1 << 127

_NAMES = ("IM", "AM", "P", "LS0", "LS1", "Q", "C", "K", "e")
_DEBT_NAMES = ("b", "cover")
_PARTIAL_NAMES = ("Q0", "C0", "K0", "IM0", "eC", "eK", "low", "high")


def names_of(statement: Statement) -> tuple[str, ...]:
    """The names of V, in order."""
    debt = _DEBT_NAMES if statement.kind is Kind.BANKRUPT else ()
    return _NAMES + debt + (_PARTIAL_NAMES if statement.partial else ())


def pool_after(statement: Statement) -> Sum:
    """The lendState that a settlement leaves: LS1, and what the insurance covered of a bad debt."""
    return ((1, "LS1"), (1, "cover")) if statement.kind is Kind.BANKRUPT else ((1, "LS1"),)


def ranged(statement: Statement) -> tuple[Sum, ...]:
    """What must lie in [0, 2⁶⁴) for the program to mean what it says."""
    sums = (*_plain("P", "AM", "e"), _room(statement.profit().divisor, "e"))
    if statement.kind is Kind.BANKRUPT:
        sums += (*_plain("b", "cover"), _difference("b", "cover"))
    if statement.partial:
        sums += (*_plain("Q", "IM", "C", "eC", "eK", "low", "high"), _difference("Q0", "Q"), _difference("IM0", "IM"))
        sums += tuple(((1, "Q0"), (-1, ONE), (-1, remainder)) for remainder in ("eC", "eK"))
    return sums


def shortfall(statement: Statement, v: Mapping[str, int]) -> int:
    """W of the liquidation's condition, on the whole note."""
    factors = statement.condition()
    before = "0" if statement.partial else ""
    lots, cost, base, margin = (v[name + before] for name in ("Q", "C", "K", "IM"))
    return factors.lots * lots + factors.cost * cost + factors.base * base + factors.margin * margin + factors.constant


def holds(statement: Statement, v: Mapping[str, int]) -> bool:
    """Whether the values satisfy every clause of the program and every range, as integers."""
    return (
        _pays(statement, v)
        and _is_profit(statement, v)
        and (statement.kind is not Kind.BANKRUPT or (v["AM"] == 0 and v.get("IM0", v["IM"]) == v["IM"]))
        and (statement.cause is not Cause.LIQUIDATION or 0 <= shortfall(statement, v) < LIMB**3)
        and (not statement.partial or _is_proportional(v))
        and all(
            0 <= sum(k * (1 if name == ONE else v[name]) for k, name in terms) < LIMB for terms in ranged(statement)
        )
    )


def _pays(statement: Statement, v: Mapping[str, int]) -> bool:
    sign = 1 if statement.kind is Kind.GAIN else -1
    return v["AM"] - v["IM"] == sign * v["P"] and v["LS0"] - v["LS1"] == sign * v["P"]


def _is_profit(statement: Statement, v: Mapping[str, int]) -> bool:
    factors = statement.profit()
    left = factors.divisor * (v["AM"] - v.get("b", 0) - v["IM"]) + v["e"]
    return left == factors.lots * v["Q"] + factors.cost * v["C"] + factors.base * v["K"]


def _is_proportional(v: Mapping[str, int]) -> bool:
    return (
        v["C"] * v["Q0"] + v["eC"] == v["C0"] * v["Q"]
        and v["K"] * v["Q0"] + v["eK"] == v["K0"] * v["Q"]
        and v["K"] + BASE_MIDDLE == v["low"] + LIMB * v["high"]
    )


def _plain(*names: str) -> tuple[Sum, ...]:
    return tuple(((1, name),) for name in names)


def _difference(whole: str, part: str) -> Sum:
    return ((1, whole), (-1, part))


def _room(bound: int, name: str) -> Sum:
    """What `name` lacks to bound − 1: that it is not negative says name < bound."""
    return ((bound - 1, ONE), (-1, name))
