"""What the service is about to sign, before it signs: the replies of an event with digests in place of signatures.

The service makes these durable with the entry that causes them; the auditor makes them again and compares.
"""

from __future__ import annotations

from collections.abc import Sequence

from fairway.exchange.effect import AnyEffect, Push, Refuse, SignHalf
from fairway.exchange.event import AnyEvent, Priced, Proposed
from fairway.exchange.wire import Granted, Pushed, Refused, Round, encode

__all__ = ["fate_of", "market_topic", "own_topic", "round_of", "unsigned"]


def market_topic(market: int) -> bytes:
    """The topic of the market's oracle rounds."""
    return market.to_bytes(2)


def own_topic(channel_id: bytes) -> bytes:
    """The topic of what became of the user's own halves."""
    return b"own" + channel_id


def fate_of(event: AnyEvent, effects: Sequence[AnyEffect]) -> bytes | None:
    """The frame that says what became of the user's half in `event`: empty where it was accepted, else its refusal.

    None where `event` is none, or its seqno was consumed before.
    """
    if not isinstance(event, Proposed):
        return None
    for effect in effects:
        if isinstance(effect, Refuse):
            return None if effect.again else encode(refused(effect, event.cites))
    return b""


def refused(effect: Refuse, newest: int) -> Refused:
    """The reply that `effect` asks for, where `newest` is the service's newest half."""
    return Refused(effect.channel_id, effect.seqno, effect.code, effect.message, newest)


def unsigned(effect: SignHalf | Push) -> Granted | Pushed:
    """The reply that `effect` asks for, with digests in place of signatures."""
    half = effect.half
    if isinstance(effect, SignHalf):
        return Granted(effect.channel_id, half.body.conditionals_hash, half.digest())
    return Pushed(
        effect.channel_id,
        half.seqno,
        half.sent,
        half.body.conditionals_hash,
        half.cited,
        half.digest(),
        list(effect.changes),
        [receipt.digest() for receipt in effect.receipts],
    )


def round_of(event: Priced) -> Round:
    """The round of the oracle as users get it."""
    return Round(event.market, event.round, event.round_ms, event.index, event.mark, event.funding, event.signatures)
