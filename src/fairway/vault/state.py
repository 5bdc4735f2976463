"""What the vault's books hold: channels' accounts, liens, notices of losses, waiting gains, lenders' shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["LEVERAGE", "UNITS", "Account", "Books", "Claim", "Lien", "Notice", "Payment", "Pool", "Reopening"]

LEVERAGE = 10
"""λ: wrapped units on the service's side for each on the user's."""

UNITS = LEVERAGE + 1
"""Wrapped units for each nano of a deposit."""


@dataclass(frozen=True, slots=True)
class Lien:
    """What a channel owes for one match until its user has signed it; `b_seqno` is the service's half that says so."""

    owed: int
    b_seqno: int


@dataclass(frozen=True, slots=True)
class Reopening:
    """The wallet's word for a close to come: pay out up to `payout`, wrap the rest into `channel_id`."""

    channel_id: int
    payout: int


@dataclass(frozen=True, slots=True)
class Notice:
    """A loss that is shown and not moved yet, until `due_s`: what the user signed away, and the half of B he cites."""

    nano: int
    sent_a: int
    b_seqno: int
    due_s: int


@dataclass(frozen=True, slots=True)
class Account:
    """One channel in the books. `held` units are in its jetton wallet, so `held = 0` means that all came home.

    `moved` is what its deposit protects no more because both sides have signed it lost; `seen` the service's newest
    half that answered a notice of such a loss; `slashed` the seqnos under which the service is proven to have lied.
    """

    wallet: bytes
    deposit: int = 0
    held: int = 0
    owed: int = 0
    ended: bool = False
    liens: Mapping[int, Lien] = field(default_factory=dict)
    reopening: Reopening | None = None
    moved: int = 0
    seen: int = 0
    slashed: frozenset[int] = frozenset()
    notice: Notice | None = None


@dataclass(frozen=True, slots=True)
class Payment:
    """TON that leaves the vault now."""

    wallet: bytes
    nano: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A gain that waits its turn for free TON, or a lender who has left."""

    wallet: bytes
    nano: int


@dataclass(frozen=True, slots=True)
class Pool:
    """What lenders own: `shares` worth `value`, as the service last posted it; `exits` wait behind every gain."""

    value: int = 0
    shares: int = 0
    epoch: int = 0
    posted_s: int = 0
    lenders: Mapping[bytes, int] = field(default_factory=dict)
    exits: tuple[Claim, ...] = ()


@dataclass(frozen=True, slots=True)
class Books:
    """The whole of the vault's accounting."""

    locked: int = 0
    protected: int = 0
    bond: int = 0
    supply: int = 0
    sink: int = 0
    missing: int = 0
    accounts: Mapping[int, Account] = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()
    pool: Pool = field(default_factory=Pool)

    @property
    def tvl(self) -> int:
        """TON wrapped and not taken out."""
        return self.locked - self.bond

    @property
    def free(self) -> int:
        """TON that backs no open deposit."""
        return self.locked - self.protected

    @property
    def claimed(self) -> int:
        """TON that waiting gains add up to."""
        return sum(claim.nano for claim in self.claims)
