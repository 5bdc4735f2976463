"""What the service is about to sign, before it signs: the replies of an event with digests in place of signatures.

The service makes these durable with the entry that causes them; the auditor makes them again and compares.
"""

from __future__ import annotations

from fairway.exchange.effect import Push, SignHalf
from fairway.exchange.event import Priced
from fairway.exchange.wire import Granted, Pushed, Round

__all__ = ["market_topic", "round_of", "unsigned"]


def market_topic(market: int) -> bytes:
    """The topic of the market's oracle rounds."""
    return market.to_bytes(2)


def unsigned(effect: SignHalf | Push) -> Granted | Pushed:
    """The reply that `effect` asks for, with digests in place of signatures."""
    half = effect.half
    if isinstance(effect, SignHalf):
        return Granted(effect.channel_id, half.digest())
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
