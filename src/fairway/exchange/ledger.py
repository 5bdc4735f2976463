"""Double entry: every movement of money is one transfer with a debit, a credit, an amount and a reason.

Accounts: `world` (what came from outside, negative), `pool` (lendState), `insurance`, `fees`, `bond`, `operator` (what
he owes when nothing else covers a loss, negative), `leaving` (withdrawals that both sides have signed and the chain has
not shown), and one per channel, named by its ID. The balances of all accounts
add up to zero before and after every transfer, because a transfer has two ends; `check` recounts them. Side B's room in
a channel is bookkeeping, not money, and is not here.
"""

from __future__ import annotations

from typing import NamedTuple

from fairway.errors import IllegalTransition
from fairway.units import NANO_BOUND

__all__ = ["BOND", "FEES", "HOUSE", "INSURANCE", "LEAVING", "OPERATOR", "POOL", "WORLD", "Ledger", "Transfer", "user"]

WORLD = "world"
POOL = "pool"
INSURANCE = "insurance"
FEES = "fees"
BOND = "bond"
OPERATOR = "operator"
LEAVING = "leaving"
HOUSE = (WORLD, POOL, INSURANCE, FEES, BOND, OPERATOR, LEAVING)
"""The accounts that are no channel's."""

OWING = frozenset({WORLD, POOL, OPERATOR})
"""The accounts that may stand below zero."""


def user(channel_id: bytes) -> str:
    """The name of a channel's account."""
    return channel_id.hex()


class Transfer(NamedTuple):
    """`nano` ≥ 0 moved out of account `debit` into account `credit`, in `market` where it was one (else 0)."""

    debit: str
    credit: str
    nano: int
    reason: str
    market: int = 0


class Ledger:
    """Balances, and the transfers of the event under way."""

    __slots__ = ("balances", "recent")

    def __init__(self) -> None:
        self.balances: dict[str, int] = dict.fromkeys(HOUSE, 0)
        self.recent: list[Transfer] = []

    def move(self, debit: str, credit: str, nano: int, reason: str, market: int = 0) -> None:
        """Record one transfer; zero is not recorded. A negative or boundless amount is our own fault."""
        if nano == 0:
            return
        if not 0 < nano < NANO_BOUND:
            raise IllegalTransition("ledger.amount", "a transfer out of bounds", nano=nano, reason=reason)
        self.balances[debit] = self.balances.get(debit, 0) - nano
        self.balances[credit] = self.balances.get(credit, 0) + nano
        self.recent.append(Transfer(debit, credit, nano, reason, market))

    def settle_event(self) -> tuple[Transfer, ...]:
        """Close the event: check what it moved, hand out its transfers, begin the next."""
        if not self.recent:
            return ()
        transfers = tuple(self.recent)
        self.recent.clear()
        for name in {end for transfer in transfers for end in (transfer.debit, transfer.credit)}:
            if self.balances[name] < 0 and name not in OWING:
                raise IllegalTransition("ledger.negative", "an account fell below zero", account=name)
        return transfers

    def check(self) -> None:
        """Recount: all balances add up to zero (I1), and only those of `OWING` are negative."""
        if total := sum(self.balances.values()):
            raise IllegalTransition("ledger.conservation", "money appeared or vanished", nano=total)
        for name, balance in self.balances.items():
            if balance < 0 and name not in OWING:
                raise IllegalTransition("ledger.negative", "an account fell below zero", account=name)
