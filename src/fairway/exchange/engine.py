"""The engine: one function from an event to effects, and the only place where all rules meet.

    authenticate(event)   signatures and shapes: whose words are these? (pure; the shell asks before it writes)
    apply(event)          the event happens; what must be done about it comes back

`apply` either raises `Rejected` with nothing changed, or succeeds. A refused proposal is an event too: its seqno is
consumed, and the user is told. After every event the identities of docs/spec/exchange.md hold, or the engine raises
`IllegalTransition` and the process stops. Time, entropy and signatures come in with events; nothing here reads a clock.
"""

from __future__ import annotations

import msgspec

from fairway.channel.machine import Channel, next_b
from fairway.channel.phase import TRADING
from fairway.errors import IllegalTransition, Rejected
from fairway.exchange import lending, lifecycle
from fairway.exchange.account import Account
from fairway.exchange.authentic import authenticate
from fairway.exchange.dropping import take_sweep
from fairway.exchange.effect import AnyEffect, Booked, Push
from fairway.exchange.event import (
    AnyEvent,
    Assessed,
    BondPosted,
    Closed,
    CloseProposed,
    CommitProposed,
    CountdownSigned,
    Disputed,
    EpochProved,
    Founded,
    Funded,
    Left,
    Lent,
    Mandated,
    Opened,
    Outrun,
    PaidOut,
    Priced,
    Proposed,
    Proved,
    RateSet,
    Revoked,
    Slashed,
    SweepSigned,
    Switched,
    Withdrawn,
)
from fairway.exchange.ledger import HOUSE
from fairway.exchange.mandating import count_down, order_under, revoke, withdraw
from fairway.exchange.pricing import price
from fairway.exchange.proposals import propose
from fairway.exchange.turn import Turn
from fairway.exchange.venue import Venue
from fairway.exchange.waking import run_down
from fairway.exchange.withdrawing import pay_out, sign_commit

__all__ = ["Engine"]

RECOUNT_EVERY = 4096
"""Events between two counts of everything; in between, each event checks what it touched."""

_canonical = msgspec.msgpack.Encoder().encode


class Engine:
    """The venue and the number of events applied to it. The first event is `Founded`."""

    __slots__ = ("_venue", "applied")

    def __init__(self) -> None:
        self._venue: Venue | None = None
        self.applied = 0

    @property
    def venue(self) -> Venue:
        """The state; it exists from the founding event on."""
        if self._venue is None:
            raise IllegalTransition("engine.unfounded", "the first event founds the venue")
        return self._venue

    @property
    def rules(self) -> Founded:
        """The founding event: the venue's rules."""
        return self.venue.founded

    @property
    def channels(self) -> dict[bytes, Channel]:
        """All channels by their ID. Read only."""
        return self.venue.channels

    @property
    def accounts(self) -> dict[bytes, Account]:
        """All accounts by their channel's ID. Read only."""
        return self.venue.accounts

    def digest(self) -> bytes:
        """The hash of the whole state."""
        return self.venue.digest(_canonical)

    def book_digest(self) -> bytes:
        """The hash of the order books."""
        return self.venue.book_digest()

    def authenticate(self, event: AnyEvent) -> None:
        """Raise unless whoever is said to have signed `event` did; see `authentic.authenticate`."""
        if not isinstance(event, Founded):
            authenticate(self.venue, event)

    def apply(self, event: AnyEvent) -> list[AnyEffect]:
        """Let `event` happen; what must be done about it, in order. `Rejected` leaves everything as it was."""
        if isinstance(event, Founded):
            return self._found(event)
        turn, depths = Turn(event.at_ms), self.venue.depths
        is_due = event.at_ms >= depths.due_ms
        sample = depths.look(self.venue.books, self.venue.rounds, event.at_ms) if is_due else None
        _dispatch(self.venue, turn, event)
        run_down(self.venue, turn)
        try:
            pushes = _push(self.venue, turn)
        except Rejected as refusal:
            # Every rule was asked before anything changed; a half that cannot be made now is our own fault.
            raise IllegalTransition("engine.push", f"a half cannot be made: {refusal}") from refusal
        if sample is not None:
            depths.take(sample)
        booked = _check(self.venue, turn)
        self.applied += 1
        if self.applied % RECOUNT_EVERY == 0:
            self.venue.check()
        return turn.effects + pushes + booked

    def _found(self, event: Founded) -> list[AnyEffect]:
        if self._venue is not None:
            raise Rejected("engine.founded", "the venue is founded once")
        self._venue = Venue(event)
        turn = Turn(event.at_ms)
        lending.begin(self._venue, turn)
        self._venue.ledger.settle_event()
        self.applied = 1
        return turn.effects


def _dispatch(venue: Venue, turn: Turn, event: AnyEvent) -> None:  # noqa: C901, PLR0912, PLR0915 - the table of events
    match event:
        case Proposed():
            propose(venue, turn, event)
        case Mandated():
            order_under(venue, turn, event)
        case Withdrawn():
            withdraw(venue, turn, event)
        case CountdownSigned():
            count_down(venue, turn, event)
        case Revoked():
            revoke(venue, turn, event)
        case Priced():
            price(venue, turn, event)
        case Opened():
            lifecycle.open_channel(venue, turn, event)
        case Funded():
            lifecycle.fund_channel(venue, turn, event)
        case CloseProposed():
            lifecycle.sign_close(venue, turn, event)
        case CommitProposed():
            sign_commit(venue, turn, event)
        case PaidOut():
            pay_out(venue, turn, event)
        case Disputed():
            lifecycle.dispute(venue, turn, event)
        case Outrun():
            lifecycle.halt(venue, turn, event)
        case RateSet():
            lifecycle.set_rate(venue, turn, event)
        case Closed():
            lifecycle.close(venue, turn, event)
        case BondPosted():
            lifecycle.post_bond(venue, turn, event)
        case Switched():
            venue.throw(event)
        case Slashed():
            lifecycle.slash(venue, turn, event)
        case Proved():
            venue.prove(event.txid)
        case EpochProved():
            lending.finish_epoch(venue, turn, event)
        case Lent():
            lending.lend(venue, turn, event)
        case Left():
            lending.leave(venue, turn, event)
        case Assessed():
            lending.assess(venue, turn, event)
        case SweepSigned():
            take_sweep(venue, turn, event)
        case Founded():
            raise IllegalTransition("engine.founded", "the venue is founded once")


def _check(venue: Venue, turn: Turn) -> list[AnyEffect]:
    """The identities; what the event moved of users' money."""
    transfers = venue.ledger.settle_event()
    if not transfers:
        venue.check_touched(turn.changes)
        return []
    moved = {end for transfer in transfers for end in (transfer.debit, transfer.credit)}
    users = moved.difference(HOUSE)
    venue.check_touched({bytes.fromhex(name) for name in users} | turn.changes.keys())
    return [Booked(turn.at_ms, transfers)] if users else []


def _push(venue: Venue, turn: Turn) -> list[AnyEffect]:
    """A new half of the service for every channel that the event touched and in which halves are still signed."""
    pushes: list[AnyEffect] = []
    for channel_id, changes in turn.changes.items():
        channel, account = venue.channels[channel_id], venue.accounts[channel_id]
        if channel.phase not in TRADING:
            continue
        half = next_b(channel, account.earned, account.promised(), account.expected())
        pushes.append(Push(channel_id, half, tuple(changes), tuple(turn.receipts.get(channel_id, ()))))
    return pushes
