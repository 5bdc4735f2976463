"""What a claimant has kept when a channel ends alone, and the half that it claims on.

    rounds#_ before:^SignedRound after:^SignedRound = Rounds;

Anybody may have kept rounds and receipts: the signatures are all that counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from fairway.channel.conditionals import Conditionals
from fairway.exchange.terms import OracleRound, OrderTerms, Receipt
from fairway.ton.cells import Builder, Cell, to_cell
from fairway.ton.vault_messages import SignedRound

__all__ = ["Exit", "Mandated", "Paper", "Promised", "Shown", "rounds_cell", "signed_cell"]


class Shown(Protocol):
    """A round with its signatures, as the journal or a user's record keeps it: `event.Priced`, `wire.Round`."""

    @property
    def market(self) -> int:
        """The market's number."""

    @property
    def round(self) -> int:
        """The round's number."""

    @property
    def round_ms(self) -> int:
        """When it was."""

    @property
    def index(self) -> int:
        """The index price."""

    @property
    def mark(self) -> int:
        """The mark price."""

    @property
    def funding(self) -> int:
        """The funding index."""

    @property
    def signatures(self) -> dict[int, bytes]:
        """By the signer's place."""


class Exit(NamedTuple):
    """Two consecutive rounds of a market with the exit moment between them, or on the later one."""

    before: Shown
    after: Shown


class Promised(NamedTuple):
    """A half that is claimed on: its promises, its seqno, and whether it is side A's."""

    conditionals: Conditionals
    seqno: int
    by_a: bool


class Mandated(NamedTuple):
    """By whose leave an order was placed that its owner's half does not hold: the mandate's key, the sub-key's word."""

    mandate: int
    signature: bytes


@dataclass(frozen=True, slots=True)
class Paper:
    """What a claimant has kept: exits by market, rounds before the start, receipts (signed) and orders by their hash.

    `earlier` are no later than the start, `following` the first ones after it: that a round was in force at some moment
    the next one shows. In the markets of `standing` the position was not liquidated when it came: it
    is valued at the exit, whatever its price has touched. `is_late`: the last quarter of the settling has begun, and
    what has no exit ends at the last mark that both sides know. `mandated` has the words of sub-keys, by the order.
    """

    network: int
    exits: Mapping[int, Exit]
    earlier: Iterable[Shown] = ()
    standing: frozenset[int] = frozenset()
    receipts: Mapping[bytes, tuple[Receipt, bytes]] = field(default_factory=dict)
    orders: Mapping[bytes, OrderTerms] = field(default_factory=dict)
    is_late: bool = False
    mandated: Mapping[bytes, Mandated] = field(default_factory=dict)
    following: Iterable[Shown] = ()


def rounds_cell(network: int, shown: Exit) -> Cell:
    """The two rounds of an exit, as conditions read them."""
    return (
        Builder().store_ref(signed_cell(network, shown.before)).store_ref(signed_cell(network, shown.after)).end_cell()
    )


def signed_cell(network: int, shown: Shown) -> Cell:
    """The round with its signatures, as conditions read it."""
    cell = OracleRound(
        network, shown.market, shown.round, shown.round_ms, shown.index, shown.mark, shown.funding
    ).cell()
    return SignedRound(to_cell(cell), shown.signatures).to_cell()
