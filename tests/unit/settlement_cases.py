"""Closes to settle: real positions, closed by the risk rules, in both payoffs, whole and in part."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from itertools import count

from fairway.crypto.pedersen import Opening
from fairway.risk.contract import Contract, Payoff, brackets
from fairway.risk.position import Closure, closed, opened
from fairway.settlement.note import Fill, Note, Opened, open_note
from fairway.settlement.settlement import Settlement, settle
from fairway.settlement.statement import Cause, Terms

NOTE, BINDING, ENTROPY = b"n" * 32, b"b" * 32, bytes(range(32))
POOL = Opening(5 * 10**12, 1234567)
LINEAR = Contract(Payoff.LINEAR, 1000, brackets([(10**15, 50_000, 25_000)]), 0, 500, 5000)
INVERSE = Contract(Payoff.INVERSE, 10**12, brackets([(10**15, 50_000, 25_000)]), 0, 500, 5000)
OPENED_AT, INDEX_THEN, INDEX_NOW = 30_007, -1_234_567, 7_654_321


def blinder(seed: str) -> Callable[[str], int]:
    """Fresh blindings, the same ones for the same seed."""
    asked = count()
    return lambda name: int.from_bytes(sha256(f"{seed} {next(asked)} {name}".encode()).digest())


@dataclass(frozen=True)
class Case:
    """A close with all that led to it."""

    opened: Opened
    closure: Closure
    terms: Terms
    cover: int = 0

    @property
    def note(self) -> Note:
        return self.opened.note

    def settle(self, seed: str = "case") -> Settlement:
        return settle(self.note, POOL, self.closure, self.terms, blinder(seed), self.cover)


def case(
    price: int,
    *,
    contract=LINEAR,
    side=1,
    lots=701,
    held=1001,
    margin=10**9,
    cause=Cause.TRADE,
    mark=None,
    cover=0,
    index=INDEX_NOW,
) -> Case:
    """`lots` of a position of `held` lots, opened at 30,007 with `margin`, closed at `price`."""
    fill = Fill(
        network=-239, market=3, inverse=contract is INVERSE, unit=contract.unit, side=side, price=OPENED_AT,
        funding_index=INDEX_THEN, at_ms=1, note=NOTE,
    )  # fmt: skip
    position = opened(None, contract, side, held, OPENED_AT, INDEX_THEN, margin)
    bracket = {"liquidation_price": 29_000, "maintenance": 25_000} if cause is Cause.LIQUIDATION else {}
    terms = Terms(
        network=-239, market=3, inverse=contract is INVERSE, unit=contract.unit, side=side, cause=cause,
        settlement_price=price, mark_price=mark or price, funding_index=index, at_ms=2, note=NOTE, binding=BINDING,
        **bracket,
    )  # fmt: skip
    closure = closed(position, contract, lots, price, index)
    return Case(open_note(fill, held, margin, blinder("open")), closure, terms, cover)


CASES = {
    "gain": lambda: case(31_111),
    "gain of nothing": lambda: case(OPENED_AT, index=INDEX_THEN),
    "loss": lambda: case(29_111),
    "short gain": lambda: case(29_111, side=-1),
    "short loss": lambda: case(30_808, side=-1),
    "gain, whole": lambda: case(31_111, lots=1001),
    "loss, whole": lambda: case(29_111, lots=1001),
    "liquidation": lambda: case(29_300, cause=Cause.LIQUIDATION, mark=29_200),
    "liquidation, whole": lambda: case(29_300, lots=1001, cause=Cause.LIQUIDATION, mark=29_200),
    "liquidation at a gain": lambda: case(31_000, cause=Cause.LIQUIDATION, mark=29_200),
    "bankrupt": lambda: case(28_000, cause=Cause.LIQUIDATION, cover=999),
    "bankrupt, whole": lambda: case(28_000, lots=1001, cause=Cause.LIQUIDATION, cover=10**8),
    "bankrupt by trade": lambda: case(28_000),
    "inverse gain": lambda: case(31_111, contract=INVERSE),
    "inverse loss, whole": lambda: case(29_700, contract=INVERSE, lots=1001),
    "inverse short gain": lambda: case(29_111, contract=INVERSE, side=-1),
    "inverse short loss": lambda: case(30_500, contract=INVERSE, side=-1),
    "inverse liquidation": lambda: case(29_300, contract=INVERSE, cause=Cause.LIQUIDATION, mark=29_200),
    "inverse bankrupt": lambda: case(28_000, contract=INVERSE, cause=Cause.LIQUIDATION),
}
