"""What an epoch shows of the pool, and the identity that its terms must keep."""

from __future__ import annotations

from typing import NamedTuple

from fairway.units import FUNDING_SCALE, div_down

__all__ = ["Shown"]


class Shown(NamedTuple):
    """The pool at record `number`, which shows that it is solvent: `worth` is S·NAV, in nano ÷ S, of `shares`.

    `lenders` is what lenders put in less what they were paid, `operator` the operator's own (seeds and bond),
    `channels` Σ over channels of the service's side less all that was put on it, closed ones included. `settlements`
    were made since the pool was shown before, `settlements_so_far` in all.
    """

    number: int
    txid: bytes
    at_ms: int
    worth: int
    shares: int
    lend_state: int
    insurance: int
    fees: int
    bond: int
    owed: int
    lenders: int
    operator: int
    channels: int
    settlements: int
    settlements_so_far: int

    @property
    def nav(self) -> int:
        """The net worth in nano, rounded down."""
        return div_down(self.worth, FUNDING_SCALE)

    @property
    def share_price(self) -> int:
        """What a thousand million shares are worth in nano, rounded down."""
        return div_down(self.worth * 10**9, FUNDING_SCALE * self.shares) if self.shares else 0

    def holds(self) -> bool:
        """Whether lendState + insurance + fees + bond − owed = lenders + operator + channels, and the pool can pay."""
        house = self.lend_state + self.insurance + self.fees + self.bond - self.owed
        return house == self.lenders + self.operator + self.channels and self.worth >= 0
