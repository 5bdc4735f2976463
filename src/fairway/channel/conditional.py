"""A conditional: a payment that holds only if its condition is shown an input that satisfies it.

In the dictionary of a half its value is an inline slice of four bytes and two references, `88 70 8A D9`: push the
terms (first reference), push 0 (the method id of `main`), push the shared code (second reference), jump.
"""

from __future__ import annotations

from fairway.errors import InvalidMessage
from fairway.ton.cells import COINS_BOUND, AnyCell, reference

__all__ = ["CONDITION_BITS", "CONDITION_CODE", "Conditional"]

CONDITION_CODE = 0x88708AD9
CONDITION_BITS = 32


class Conditional:
    """`terms` under shared `code`, which pays at most `maximum` nano. Equal conditionals have equal cells.

    `depth` and `tail` are what the leaf that holds it hashes of its two references. Nobody writes to any of it.
    """

    __slots__ = ("code", "depth", "maximum", "tail", "terms")

    def __init__(self, terms: AnyCell, code: AnyCell, maximum: int) -> None:
        if not 0 <= maximum < COINS_BOUND:
            raise InvalidMessage("channel.maximum", "a conditional pays between 0 and 2^120 nano", maximum=maximum)
        (terms_depth, terms_hash), (code_depth, code_hash) = reference(terms), reference(code)
        self.terms = terms
        self.code = code
        self.maximum = maximum
        self.depth: int = int.from_bytes(max(terms_depth, code_depth)) + 1
        self.tail: bytes = terms_depth + code_depth + terms_hash + code_hash

    def paying(self, maximum: int) -> Conditional:
        """The same in the other side's half, where it pays at most `maximum`."""
        if not 0 <= maximum < COINS_BOUND:
            raise InvalidMessage("channel.maximum", "a conditional pays between 0 and 2^120 nano", maximum=maximum)
        other = Conditional.__new__(Conditional)
        other.terms, other.code, other.maximum = self.terms, self.code, maximum
        other.depth, other.tail = self.depth, self.tail
        return other

    def __repr__(self) -> str:
        return f"<Conditional {self.terms_hash.hex()[:8]} at most {self.maximum}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Conditional) and self.tail == other.tail and self.maximum == other.maximum

    def __hash__(self) -> int:
        return hash((self.tail, self.maximum))

    @property
    def terms_hash(self) -> bytes:
        """The hash of the terms' cell: an order's name in receipts."""
        return self.tail[4:36]

    @property
    def code_hash(self) -> bytes:
        """The hash of the shared code: which kind of condition this is."""
        return self.tail[36:68]
