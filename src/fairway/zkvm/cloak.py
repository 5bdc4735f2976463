"""Nothing from nothing: values in and values out are equal in every flavor, and nobody sees which is which.

Inputs count as they are, outputs negated, all in one row of k = m + n.

1. **Shuffle.** A sorting network of switches brings equal flavors together. A switch has a secret bit b (b·(1 − b) = 0)
   and adds b·(y − x) to its first side and b·(x − y) to its second, for quantity and flavor alike: the row is permuted,
   whatever the bits are.
2. **Fold.** From left to right, a running sum either takes the next value in (flavors equal: D = A + B) or must be
   zero and starts again with it (A = 0, D = B). At the end it must be zero.
3. **Range.** Each output's quantity lies in [0, 2⁶⁴).

A flavor whose values stand in two runs must be zero in each, so its total is zero in every case. With each quantity
below 2⁶⁴ in size and k ≤ 64 no sum reaches the group order. No challenge is drawn: the statement is that of the
published `cloak`, the constraints are not (ADR 0014).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fairway.crypto.r1cs import ONE, Gate, Linear, Tape
from fairway.errors import InvalidMessage
from fairway.zkvm.constraint import Expression
from fairway.zkvm.contract import WideValue

__all__ = ["CLOAK_BOUND", "cloak", "comparators"]

CLOAK_BOUND = 64
NOTHING = Expression(())

_Pair = tuple[int, int]


def cloak(tape: Tape, inputs: Sequence[WideValue], outputs: Sequence[WideValue]) -> None:
    """Demand of `tape` that the outputs are the inputs merged and split, and that no output is negative.

    Errors: `InvalidMessage` for more than 64 values.
    """
    if len(inputs) + len(outputs) > CLOAK_BOUND:
        raise InvalidMessage("zkvm.cloak_bound", "a cloak has too many values", bound=CLOAK_BOUND)
    row = [*inputs, *map(_negated, outputs)]
    if row:
        _fold(tape, _shuffled(tape, row))
    for output in outputs:
        tape.range64(output.quantity.linear())


def comparators(count: int) -> Iterator[tuple[int, int]]:
    """Batcher's merge exchange: switches that can bring `count` items into any order (Knuth 5.2.2 M)."""
    top = 1 << max(count - 1, 0).bit_length() >> 1
    p = top
    while p:
        q, r, d = top, 0, p
        while True:
            yield from ((i, i + d) for i in range(count - d) if i & p == r)
            if q == p:
                break
            d, q, r = q - p, q >> 1, p
        p >>= 1


def _shuffled(tape: Tape, row: list[WideValue]) -> list[WideValue]:
    ranks = _ranks(row)
    for i, j in comparators(len(row)):
        crossed = None if ranks is None else ranks[i] > ranks[j]
        row[i], row[j] = _switched(tape, row[i], row[j], crossed)
        if ranks is not None and crossed:
            ranks[i], ranks[j] = ranks[j], ranks[i]
    return row


def _ranks(row: Sequence[WideValue]) -> list[int] | None:
    """The place of each value when equal flavors stand together; None where the machine only verifies."""
    flavors = [value.assignment[1] for value in row if value.assignment is not None]
    if len(flavors) != len(row):
        return None
    ranks = [0] * len(row)
    for rank, index in enumerate(sorted(range(len(row)), key=lambda i: (flavors[i], i))):
        ranks[index] = rank
    return ranks


def _switched(tape: Tape, x: WideValue, y: WideValue, crossed: bool | None) -> tuple[WideValue, WideValue]:
    bit = Expression(((tape.alloc(None if crossed is None else int(crossed)), 1),))
    _, _, product = tape.multiply(bit.linear(), bit.scaled(-1).plus(Expression((), 1)).linear())
    tape.constrain(((product, 1),))
    q = _moved(tape, bit, x.quantity, y.quantity)
    f = _moved(tape, bit, x.flavor, y.flavor)
    first, second = (y.assignment, x.assignment) if crossed else (x.assignment, y.assignment)
    return (
        WideValue(x.quantity.plus(q), x.flavor.plus(f), first),
        WideValue(y.quantity.plus(q.scaled(-1)), y.flavor.plus(f.scaled(-1)), second),
    )


def _moved(tape: Tape, bit: Expression, x: Expression, y: Expression) -> Expression:
    """The product b·(y − x)."""
    _, _, product = tape.multiply(bit.linear(), y.plus(x.scaled(-1)).linear())
    return Expression(((product, 1),))


def _fold(tape: Tape, row: Sequence[WideValue]) -> None:
    running = row[0]
    if len(row) == 1:
        tape.constrain(running.quantity.linear() or ((ONE, 0),))
    for index, value in enumerate(row[1:], start=2):
        last = index == len(row)
        total = _total(running.assignment, value.assignment)
        after = NOTHING if last else Expression(((tape.alloc(None if total is None else total[0]), 1),))
        tape.verify(
            (
                _difference(running.flavor, value.flavor),
                _difference(after, running.quantity.plus(value.quantity)),
                Gate.AND,
                running.quantity.linear(),
                _difference(after, value.quantity),
                Gate.AND,
                Gate.OR,
            )
        )
        running = WideValue(after, value.flavor, total)


def _total(running: _Pair | None, value: _Pair | None) -> _Pair | None:
    if running is None or value is None:
        return None
    same = running[1] == value[1]
    return (running[0] + value[0] if same else value[0]), value[1]


def _difference(left: Expression, right: Expression) -> Linear:
    return left.plus(right.scaled(-1)).linear()


def _negated(value: WideValue) -> WideValue:
    known = value.assignment
    return WideValue(value.quantity.scaled(-1), value.flavor, None if known is None else (-known[0], known[1]))
