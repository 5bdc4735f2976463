"""An order while it lives: what was signed, and how far it has come."""

from __future__ import annotations

from msgspec import Struct

from fairway.exchange.rules import Requirement
from fairway.exchange.terms import OrderTerms
from fairway.units import share_down

__all__ = ["LiveOrder"]


class LiveOrder(Struct, frozen=True, gc=False):
    """An order of the account and how far it has come; `lots`, `cost`, `fee` and `base` are totals of its fills.

    `lost` lots went where it would have met an order of the same owner; their reserve is free once the order goes.
    """

    terms: OrderTerms
    digest: bytes
    requirement: Requirement
    triggered: bool = False
    lots: int = 0
    cost: int = 0
    fee: int = 0
    base: int = 0
    armed: bool = False
    lost: int = 0

    @property
    def left(self) -> int:
        """Lots that may still be filled."""
        return self.terms.lots - self.lots - self.lost

    @property
    def is_asleep(self) -> bool:
        """Whether it waits: for the fill of its parent, or for a price."""
        return (self.terms.parent != 0 and not self.armed) or (self.terms.waits and not self.triggered)

    @property
    def is_under_way(self) -> bool:
        """Whether it was fired or filled in part."""
        return self.triggered or self.lots > 0

    @property
    def reserved(self) -> int:
        """What of the reserve the unfilled rest still holds."""
        if not self.lots:
            return self.requirement.reserve
        return self.requirement.reserve - self.margin_of(self.lots) - self.fees_of(self.lots)

    def margin_of(self, lots: int) -> int:
        """The margin that the first `lots` bring along."""
        return share_down(self.requirement.margin, lots, self.terms.lots)

    def fees_of(self, lots: int) -> int:
        """What is reserved for the fees of the first `lots`."""
        return share_down(self.requirement.fees, lots, self.terms.lots)

    def margin_for(self, lots: int) -> int:
        """The margin the next `lots` bring along; the parts of an order add up to its whole margin exactly.

        So do the reserves for fees, and both together are what the fill frees: what it posts and costs is always there.
        """
        return self.margin_of(self.lots + lots) - self.margin_of(self.lots)

    def fee_for(self, lots: int, charged: int) -> int:
        """Of the fee (or rebate) `charged` on the next `lots`, what their part of the reserve allows."""
        most = self.fees_of(self.lots + lots) - self.fees_of(self.lots)
        return max(-most, min(charged, most))
