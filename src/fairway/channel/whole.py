"""R6: the pair that counts in a dispute is whole. The last steps of `fairway.channel.dispute`.

A half of B that A has not answered gains what A's next half must pay for. Were the two taken from different states, the
gains of the one would meet the costs of the other: a fill would be charged twice, or its fee not at all.
"""

from __future__ import annotations

from dataclasses import replace

from fairway.channel.dispute import A, B, Dispute, Pair
from fairway.channel.state import Half
from fairway.errors import Rejected

__all__ = ["adopt", "recall"]


def adopt(dispute: Dispute, pair: Pair, expected: tuple[int, bytes]) -> Dispute:
    """The dispute with a `pair` in which A's half says what B's half expects: a sum and a conditionals' hash.

    Errors: `Rejected` with `dispute.outdated` (below a floor, or B's half cites something older than A's floor, or is
    no newer than what was adopted before), `dispute.unexpected` (A's half says something else).
    """
    mine, theirs = pair
    floor_a, floor_b = dispute.floors
    least = dispute.pair[B].seqno + 1 if dispute.adopted else floor_b
    if min(theirs.cited, mine.seqno) < floor_a or theirs.seqno < least:
        raise Rejected("dispute.outdated", "a half is older than what the other side has seen", floor=floor_a)
    if (mine.sent, mine.body.conditionals_hash) != expected:
        raise Rejected("dispute.unexpected", "a half says something else than what is expected", sent=expected[0])
    return replace(dispute, pair=pair, adopted=True)


def recall(dispute: Dispute, half: Half) -> Dispute:
    """The dispute with the `half` of B that A's half in quarantine cites, where another stands.

    Errors: `Rejected` (`dispute.uncited`).
    """
    is_cited = dispute.pair[A].counterparty == half.body
    if dispute.adopted or not is_cited or half.seqno == dispute.pair[B].seqno:
        raise Rejected("dispute.uncited", "only what the other half in quarantine cites is recalled")
    return replace(dispute, pair=(dispute.pair[A], half))
