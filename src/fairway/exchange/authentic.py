"""Whose words are these? Signatures and shapes of an event, before it is written down. Nothing changes."""

from __future__ import annotations

from fairway.channel import codec
from fairway.channel.machine import newest_b
from fairway.channel.state import SignedHalf
from fairway.crypto import keys
from fairway.errors import InvalidMessage, Rejected
from fairway.exchange.event import (
    AnyEvent,
    CloseProposed,
    CommitProposed,
    CountdownSigned,
    Mandated,
    Opened,
    Outrun,
    Priced,
    Proposed,
    Revoked,
    SweepSigned,
    Switched,
    Withdrawn,
)
from fairway.exchange.lifecycle import first_half
from fairway.exchange.mandate import cancel_digest, countdown_digest, order_digest, revoke_digest
from fairway.exchange.permits import mandate_in
from fairway.exchange.pricing import round_of, verify_round
from fairway.exchange.proposals import half_of
from fairway.exchange.sweeps import sweep_digest
from fairway.exchange.switch import switch_digest
from fairway.exchange.venue import Venue
from fairway.exchange.withdrawal import commit_statement
from fairway.ton.address import Address
from fairway.ton.cells import from_boc

__all__ = ["authenticate"]


def authenticate(venue: Venue, event: AnyEvent) -> None:
    """Check what a user or the oracle signed.

    What the shell observed itself (the chain, its provers) carries no signature; the audit checks it against the chain
    and the proofs.
    Errors: `InvalidSignature`, `WeakKey`, `InvalidMessage` (`event.width` where a number does not fit its cell);
    `Rejected` for a channel or half that is not there.
    """
    try:
        _authenticate(venue, event)
    except OverflowError as error:
        raise InvalidMessage("event.width", f"a number does not fit its place: {error}") from None


def _authenticate(venue: Venue, event: AnyEvent) -> None:
    match event:
        case Opened():
            _opened(venue, event)
        case Proposed():
            channel = venue.channel(event.channel_id)
            keys.verify(channel.key_a, half_of(channel, event).digest(), event.signature)
        case Mandated() | Withdrawn() | CountdownSigned() | Revoked():
            _under_mandate(venue, event)
        case Priced():
            founded = venue.founded
            signed = round_of(founded.network, event)
            verify_round(founded.oracle_keys, founded.oracle_threshold, signed, event.signatures)
        case CloseProposed():
            channel = venue.channel(event.channel_id)
            close = codec.Close(channel.channel_id, event.sent_a, event.sent_b, event.seqno_a, event.seqno_b)
            keys.verify(channel.key_a, close.digest(), event.signature)
        case CommitProposed():
            channel = venue.channel(event.channel_id)
            keys.verify(channel.key_a, commit_statement(event, event.channel_id).digest(), event.signature)
        case SweepSigned():
            words = venue.founded.network, event.channel_id, event.nonce, event.market, event.after_ms
            keys.verify(venue.channel(event.channel_id).key_a, sweep_digest(*words), event.signature)
        case Outrun():
            _outrun(venue, event)
        case Switched():
            _switched(venue, event)
        case _:
            pass


def _under_mandate(venue: Venue, event: Mandated | Withdrawn | CountdownSigned | Revoked) -> None:
    """The sub-key orders and cancels; its owner takes the mandate back."""
    sub_key = mandate_in(venue.account(event.channel_id), event.mandate).terms.sub_key
    match event:
        case Mandated():
            keys.verify(sub_key, order_digest(event.mandate, event.order), event.signature)
            if event.instead_of:
                keys.verify(sub_key, cancel_digest(event.channel_id, event.mandate, [event.instead_of]), event.cancel)
        case Withdrawn():
            keys.verify(sub_key, cancel_digest(event.channel_id, event.mandate, event.keys), event.signature)
        case CountdownSigned():
            digest = countdown_digest(event.channel_id, event.mandate, event.nonce, event.after_ms)
            keys.verify(sub_key, digest, event.signature)
        case Revoked():
            digest = revoke_digest(event.channel_id, event.mandate)
            keys.verify(venue.channel(event.channel_id).key_a, digest, event.signature)


def _outrun(venue: Venue, event: Outrun) -> None:
    channel, shown = venue.channel(event.channel_id), SignedHalf.from_cell(from_boc(event.half))
    if shown.half.channel_id != channel.channel_id:
        raise InvalidMessage("channel.id", "the half belongs to another channel")
    shown.verify(channel.key_b)
    if shown.half.seqno <= newest_b(channel):
        raise Rejected("channel.known", "the service knows halves as new as this one", newest=newest_b(channel))


def _switched(venue: Venue, event: Switched) -> None:
    founded = venue.founded
    if not founded.operator_key:
        raise Rejected("switch.key", "this venue was founded without a key for switches")
    keys.verify(founded.operator_key, switch_digest(founded.network, founded.vault, event), event.signature)


def _opened(venue: Venue, event: Opened) -> None:
    founded = venue.founded
    for key in (event.key_a, event.key_b):
        keys.check_public_key(key)
    vault = Address.parse(founded.vault)
    named = codec.channel_id(founded.network, vault, event.key_a, event.key_b, event.salt)
    if named.to_bytes(16) != event.channel_id:
        raise InvalidMessage("channel.id", "the channel's ID does not name its keys, network and vault")
    Address.parse(event.payout)
    keys.verify(event.key_a, first_half(event.channel_id).digest(), event.signature)
