"""Replies that carry the service's signatures: unsigned while they wait in the journal, signed when they leave.

An unsigned reply has, where each signature will stand, the digest that it will be a signature of. Ed25519 is
deterministic: signing the same letter again after a crash repeats the same bytes.
"""

from __future__ import annotations

from msgspec.structs import replace

from fairway.crypto.keys import Signer
from fairway.exchange.effect import Push, SignHalf
from fairway.exchange.event import Priced
from fairway.exchange.wire import Granted, Pushed, Round

__all__ = ["round_of", "signed", "unsigned"]


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


def signed(reply: Granted | Pushed, signer: Signer) -> Granted | Pushed:
    """`reply` with every digest signed."""
    if isinstance(reply, Granted):
        return replace(reply, signature=signer.sign(reply.signature))
    receipts = [signer.sign(digest) for digest in reply.receipts]
    return replace(reply, signature=signer.sign(reply.signature), receipts=receipts)


def round_of(event: Priced) -> Round:
    """The round of the oracle as users get it."""
    return Round(event.market, event.round, event.round_ms, event.index, event.mark, event.funding, event.signatures)
