"""Expressions, which are linear sums of variables, and constraints, which are trees over their equalities.

Folding is part of the machine's meaning, not a saving: a constant factor must not take a multiplier and a constraint
between constants must not reach the tape, because either would change the proof.
"""

from __future__ import annotations

from typing import NamedTuple

from fairway.crypto.r1cs import ONE, Gate, Linear, Token, Variable
from fairway.crypto.scalars import ORDER

__all__ = ["Constraint", "Expression"]


class Expression(NamedTuple):
    """`Σ weight·variable + constant`. With no terms at all it is a constant expression."""

    terms: tuple[tuple[Variable, int], ...]
    constant: int = 0

    @property
    def is_constant(self) -> bool:
        """Whether the sum has no variable in it, not even with weight zero."""
        return not self.terms

    def plus(self, other: Expression) -> Expression:
        """The sum; a variable may then stand in it twice."""
        return Expression(self.terms + other.terms, self.constant + other.constant)

    def scaled(self, factor: int) -> Expression:
        """The product with a cleartext scalar."""
        terms = tuple((variable, weight * factor % ORDER) for variable, weight in self.terms)
        return Expression(terms, self.constant * factor % ORDER)

    def linear(self) -> Linear:
        """The expression as the tape takes it."""
        return (*self.terms, (ONE, self.constant)) if self.constant else self.terms


class Constraint(NamedTuple):
    """A boolean tree in postfix over leaves that must be zero, or a `truth` that is known already."""

    tokens: tuple[Token, ...]
    truth: bool | None = None

    @classmethod
    def equal(cls, left: Expression, right: Expression) -> Constraint:
        """Left = right."""
        if left.is_constant and right.is_constant:
            return cls((), (left.constant - right.constant) % ORDER == 0)
        return cls((left.plus(right.scaled(-1)).linear(),))

    def both(self, other: Constraint) -> Constraint:
        """This and the other."""
        if self.truth is None and other.truth is None:
            return Constraint((*self.tokens, *other.tokens, Gate.AND))
        known, rest = (self, other) if self.truth is not None else (other, self)
        return rest if known.truth else known

    def either(self, other: Constraint) -> Constraint:
        """This or the other, or both."""
        if self.truth is None and other.truth is None:
            return Constraint((*self.tokens, *other.tokens, Gate.OR))
        known, rest = (self, other) if self.truth is not None else (other, self)
        return known if known.truth else rest

    def inverted(self) -> Constraint:
        """Not this."""
        if self.truth is None:
            return Constraint((*self.tokens, Gate.NOT))
        return Constraint((), not self.truth)
