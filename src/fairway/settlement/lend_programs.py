"""The programs of lenders' moves, as clauses of ZkVM text over the names of `lend`.

Each is two lines of addition (money, shares); who comes or goes takes one division by the pool's net worth besides.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from fairway.crypto.scalars import to_bytes
from fairway.settlement.lend import LendKind, LendStatement, names_of
from fairway.units import FUNDING_SCALE
from fairway.zkvm.assembler import parse
from fairway.zkvm.checker import check
from fairway.zkvm.program import Instruction, bind, digest

__all__ = ["absorbed", "bindings_of", "clauses_of", "program_of"]

SEED_PAID = "push:LS1 commit expr  push:Dep commit expr  eq verify\n"

SEED_COUNTED = "push:T1 commit expr  push:Dep commit expr  eq verify\n"

PAID_IN = "push:LS1 commit expr  push:LS0 commit expr neg add  push:Dep commit expr  eq verify\n"

COUNTED_IN = "push:T1 commit expr  push:T0 commit expr neg add  push:Sh commit expr  eq verify\n"

COUNTED_ON = "push:T1 commit expr  push:T0 commit expr  eq verify\n"

SHARES = """
push:Sh commit expr  push:V commit expr  mul  push:e commit expr  add
push:Dep commit expr  push:S scalar mul  push:T0 commit expr  mul  eq verify
"""

PAID_OUT = "push:LS0 commit expr  push:LS1 commit expr neg add  push:W commit expr  eq verify\n"

COUNTED_OUT = "push:T0 commit expr  push:T1 commit expr neg add  push:Sh commit expr  eq verify\n"

WORTH = """
push:W commit expr  push:S scalar mul  push:T0 commit expr  mul  push:e commit expr  add
push:Sh commit expr  push:V commit expr  mul  eq verify
"""

_CLAUSES = {
    LendKind.INITIAL: (SEED_PAID, SEED_COUNTED),
    LendKind.DEPOSIT: (PAID_IN, COUNTED_IN, SHARES),
    LendKind.REDEEM: (PAID_OUT, COUNTED_OUT, WORTH),
    LendKind.EARN: (PAID_IN, COUNTED_ON),
}


def clauses_of(kind: LendKind) -> tuple[str, ...]:
    """The clauses that a move must satisfy, in program order."""
    return _CLAUSES[kind]


def program_of(statement: LendStatement, commitments: Sequence[bytes]) -> tuple[Instruction, ...]:
    """The program with a move's commitments in it."""
    template, _ = _template(statement.kind)
    return bind(template, bindings_of(statement, commitments))


def absorbed(statement: LendStatement) -> bytes:
    """What a proof is bound to: the statement and the digest of its program."""
    _, identity = _template(statement.kind)
    return statement.encode() + identity


def bindings_of(statement: LendStatement, commitments: Sequence[bytes]) -> dict[str, bytes]:
    """What the names of a program stand for: V, and the funding scale."""
    return dict(zip(names_of(statement.kind), commitments, strict=True)) | {"S": to_bytes(FUNDING_SCALE)}


@cache
def _template(kind: LendKind) -> tuple[tuple[Instruction, ...], bytes]:
    """The program's instructions, checked by type, and their digest."""
    source = parse("".join(clauses_of(kind)))
    check(source.instructions, lines=source.lines)
    return source.instructions, digest(source.instructions)
