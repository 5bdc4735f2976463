"""The programs that settlements run, as clauses of ZkVM text over the names of `values` and cleartext factors.

GAIN and LIQUIDATED are, instruction by instruction, the two programs of the ZkOS settlement page (the second with the
`const` that its print lacks). Alone they hold no money: LP cancels out and nothing is bounded. The profit equation
ties AM to the lots, and the epoch's ranges bound what they speak of.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from fairway.crypto.scalars import to_bytes
from fairway.settlement.statement import Cause, Kind, Statement
from fairway.settlement.values import BASE_MIDDLE, LIMB, names_of
from fairway.zkvm.assembler import parse
from fairway.zkvm.checker import check
from fairway.zkvm.program import Instruction, bind, digest

__all__ = ["absorbed", "bindings_of", "clauses_of", "program_of"]

GAIN = """
push:AM commit expr  push:IM commit expr  neg add
push:P commit  dup:0 expr  roll:2 eq
push:LS0 commit expr  push:LS1 commit expr  neg add
roll:2 expr  eq and verify
"""

LOSS = """
push:IM commit expr  push:AM commit expr  neg add
push:P commit  dup:0 expr  roll:2 eq
push:LS1 commit expr  push:LS0 commit expr  neg add
roll:2 expr  eq and verify
"""

LIQUIDATED = """
push:IM commit expr  push:AM commit expr  neg add
push:LP dup:0 scalar  roll:2 mul
push:P commit  dup:0 expr  roll:3 scalar mul  roll:2 eq
push:LS1 commit expr  push:LS0 commit expr  neg add
roll:2 expr  eq and verify
"""

DEBT = "push:b commit expr neg add"

PROFIT = """
push:AM commit expr  push:IM commit expr neg add  {debt}  push:D scalar mul  push:e commit expr add
push:Q commit expr  push:nQ scalar mul
push:C commit expr  push:nC scalar mul  add
push:K commit expr  push:nK scalar mul  add
eq verify
"""

NOTHING_LEFT = "push:AM commit expr  push:zero scalar  eq verify\n"

ALL_MARGIN = "push:IM commit expr  push:IM0 commit expr  eq verify\n"

CONDITION = """
push:Q{before} commit expr  push:wQ scalar mul
push:C{before} commit expr  push:wC scalar mul  add
push:K{before} commit expr  push:wK scalar mul  add
push:IM{before} commit expr  push:wIM scalar mul  add
push:w1 scalar add
alloc range
alloc range  push:limb scalar mul  add
alloc range  push:limb scalar push:limb scalar mul mul  add
eq verify
"""

PROPORTION = """
push:C commit expr  push:Q0 commit expr  mul  push:eC commit expr  add
push:C0 commit expr  push:Q commit expr  mul  eq
push:K commit expr  push:Q0 commit expr  mul  push:eK commit expr  add
push:K0 commit expr  push:Q commit expr  mul  eq  and
push:K commit expr  push:middle scalar  add
push:low commit expr  push:high commit expr  push:limb scalar mul  add  eq  and  verify
"""


def clauses_of(statement: Statement) -> tuple[str, ...]:
    """The clauses that a settlement must satisfy, in program order."""
    return _clauses(statement.kind, statement.cause is Cause.LIQUIDATION, statement.partial)


def program_of(statement: Statement, commitments: Sequence[bytes]) -> tuple[Instruction, ...]:
    """The program with a settlement's commitments and cleartext factors in it."""
    template, _ = _template(clauses_of(statement))
    return bind(template, bindings_of(statement, commitments))


def absorbed(statement: Statement) -> bytes:
    """What a proof is bound to: the statement and the digest of its program."""
    _, identity = _template(clauses_of(statement))
    return statement.encode() + identity


def bindings_of(statement: Statement, commitments: Sequence[bytes]) -> dict[str, bytes]:
    """What the names of a program stand for: V, and the cleartext factors that the statement implies."""
    profit = statement.profit()
    factors = {"D": profit.divisor, "nQ": profit.lots, "nC": profit.cost, "nK": profit.base}
    factors |= {"zero": 0, "limb": LIMB, "middle": BASE_MIDDLE}
    if statement.cause is Cause.LIQUIDATION:
        w = statement.condition()
        factors |= {"wQ": w.lots, "wC": w.cost, "wK": w.base, "wIM": w.margin, "w1": w.constant}
        factors |= {"LP": statement.liquidation_price}
    committed = dict(zip(names_of(statement), commitments, strict=True))
    return committed | {name: to_bytes(factor) for name, factor in factors.items()}


@cache
def _clauses(kind: Kind, liquidated: bool, partial: bool) -> tuple[str, ...]:
    bankrupt = kind is Kind.BANKRUPT
    clauses = [
        GAIN if kind is Kind.GAIN else LIQUIDATED if liquidated else LOSS,
        PROFIT.format(debt=DEBT if bankrupt else ""),
    ]
    if bankrupt:
        clauses += [NOTHING_LEFT, ALL_MARGIN] if partial else [NOTHING_LEFT]
    if liquidated:
        clauses.append(CONDITION.format(before="0" if partial else ""))
    if partial:
        clauses.append(PROPORTION)
    return tuple(clauses)


@cache
def _template(clauses: tuple[str, ...]) -> tuple[tuple[Instruction, ...], bytes]:
    """The program's instructions, checked by type, and their digest."""
    source = parse("".join(clauses))
    check(source.instructions, lines=source.lines)
    return source.instructions, digest(source.instructions)
