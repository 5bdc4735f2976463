"""What must be done about an event: orders from the pure engine to the shell, in the imperative.

The shell performs them in order, only after the event that caused them is durable. Nothing here waits or fails back
into the engine; what the world answers comes in as a new event.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

from fairway.channel.conditionals import Conditionals
from fairway.channel.state import Half, SignedHalf
from fairway.exchange.change import AnyChange, Committed
from fairway.exchange.event import Priced
from fairway.exchange.ledger import Transfer
from fairway.exchange.terms import Receipt
from fairway.exchange.venue import Debt, Dodge
from fairway.risk.deleverage import Candidate
from fairway.settlement.job import Made
from fairway.settlement.note import Opened

__all__ = [
    "Absolve",
    "AnyEffect",
    "Booked",
    "Challenge",
    "Deleveraged",
    "PostValue",
    "Print",
    "ProveRecord",
    "PunishDodge",
    "PunishFill",
    "Push",
    "Refuse",
    "Share",
    "SignClose",
    "SignCommit",
    "SignHalf",
]


class SignHalf(Struct, frozen=True, gc=False):
    """Sign the service's half number 1 of a new channel and answer the one who asked."""

    channel_id: bytes
    half: Half


class Push(Struct, frozen=True, gc=False):
    """Sign `half` and `receipts` with the channel's key of the service and push both, with what they stand on."""

    channel_id: bytes
    half: Half
    changes: tuple[AnyChange, ...]
    receipts: tuple[Receipt, ...] = ()


class Refuse(Struct, frozen=True, gc=False):
    """Tell the user that his half `seqno` is consumed but not accepted, and why; `again`: not for the first time."""

    channel_id: bytes
    seqno: int
    code: str
    message: str
    again: bool = False


class SignClose(Struct, frozen=True, gc=False):
    """Countersign the cooperative close and hand both signatures to the chain."""

    channel_id: bytes
    seqno_a: int
    seqno_b: int
    sent_a: int
    sent_b: int
    signature_a: bytes
    reopen_id: bytes | None
    withdraw: int


class SignCommit(Struct, frozen=True, gc=False):
    """Countersign a withdrawal, hand both signatures to the owner, and to the chain if he does not."""

    channel_id: bytes
    committed: Committed


class Challenge(Struct, frozen=True, gc=False):
    """Answer an uncooperative close on chain with the newest pair."""

    channel_id: bytes
    a: SignedHalf
    b: Half


class PunishFill(Struct, frozen=True, gc=False):
    """Show the vault a fill that its taker did not sign in time, and the two rounds around the end of that time."""

    channel_id: bytes
    debt: Debt
    before: Priced
    after: Priced


class PunishDodge(Struct, frozen=True, gc=False):
    """Show the vault the position whose owner dodged its liquidation, and the round that liquidated it."""

    channel_id: bytes
    dodge: Dodge


class Absolve(Struct, frozen=True, gc=False):
    """Show the vault that the channel's owner has signed what he owed: the pushed half answers one with these."""

    channel_id: bytes
    match_id: int
    key: int
    conditionals: Conditionals


class ProveRecord(Struct, frozen=True, gc=False):
    """Have record `number` (from 0) proven, off the hot path; the answer is a `Proved` event.

    It is a settlement, a lender's move, or a showing of solvency, which has no proof but its epoch's. `fills` are made
    public before it; their ranges, and its own, are proven with its epoch.
    """

    number: int
    record: Made
    fills: tuple[Opened, ...]


class PostValue(Struct, frozen=True, gc=False):
    """Tell the vault what a share is worth: `worth` ÷ (S · `shares`) nano, as `record` shows, whose epoch is proven."""

    record: bytes
    worth: int
    shares: int


class Print(Struct, frozen=True, gc=False):
    """Publish one fill on the public feed of its market: `reason` is trade, liquidation or deleverage."""

    market: int
    match_id: int
    price: int
    lots: int
    taker_buys: bool
    at_ms: int
    reason: str = "trade"


class Share(NamedTuple):
    """What the candidate `key` gave up, and at which price."""

    key: int
    lots: int
    price: int


class Deleveraged(Struct, frozen=True, gc=False):
    """Publish how match `match_id` took `lots` from those opposite in `market` at the newest round, and from whom not.

    `fairway.risk.deleverage.allocate(candidates, lots)` gives the keys and lots of `shares` again, in their order; a
    candidate's key is his place among the candidates by channel ID. His score follows from his own account and the
    round: by it and by his lots he knows himself. `lots` is what those opposite could bear of what was needed.
    """

    market: int
    match_id: int
    round: int
    mark: int
    funding: int
    at_ms: int
    lots: int
    candidates: tuple[Candidate, ...]
    shares: tuple[Share, ...]


class Booked(Struct, frozen=True, gc=False):
    """Note what the event moved into and out of users' accounts, in order."""

    at_ms: int
    transfers: tuple[Transfer, ...]


AnyEffect = (
    Absolve
    | Booked
    | SignHalf
    | Push
    | Refuse
    | SignClose
    | SignCommit
    | Challenge
    | Deleveraged
    | PunishDodge
    | PunishFill
    | ProveRecord
    | PostValue
    | Print
)
