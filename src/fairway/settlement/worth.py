"""What the pool is worth, whatever the prices are.

The pool stands opposite to every trader. In each market lots balance (Σ s·Q = 0), so what all traders would gain by
closing now does not depend on the price, and neither does what would be left:

    NAV = LS + Σ_linear s·C − Σ_inverse s·C − ΣK ÷ S        over all open notes

S·NAV is a linear sum of commitments that the public has. Each note adds its part, `part`; a fill and a partial close
move it by theirs.
"""

from __future__ import annotations

from collections.abc import Iterable

from fairway.crypto.pedersen import Opening
from fairway.settlement.note import Note
from fairway.settlement.sums import Sum
from fairway.units import FUNDING_SCALE

__all__ = ["net_worth", "part", "part_of"]


def part_of(side: int, *, inverse: bool) -> Sum:
    """What a note adds to S·NAV, as a sum over its C and K."""
    return ((-side if inverse else side) * FUNDING_SCALE, "C"), (-1, "K")


def part(note: Note) -> Opening:
    """The opening of what `note` adds to S·NAV. Secret."""
    (cost, _), (base, _) = part_of(note.side, inverse=note.inverse)
    return Opening(
        cost * note.cost.value + base * note.base.value, cost * note.cost.blinding + base * note.base.blinding
    )


def net_worth(pool: Opening, notes: Iterable[Note]) -> Opening:
    """The opening of V = S·NAV of a pool with lendState `pool` while `notes` are open. Secret."""
    total = Opening(FUNDING_SCALE * pool.value, FUNDING_SCALE * pool.blinding)
    for note in notes:
        total += part(note)
    return total
