"""Replies that carry the service's signatures: unsigned while they wait in the journal, signed when they leave.

An unsigned reply has, where each signature will stand, the digest that it will be a signature of. Ed25519 is
deterministic: signing the same letter again after a crash repeats the same bytes.
"""

from __future__ import annotations

from msgspec.structs import replace

from fairway.crypto.keys import Signer
from fairway.exchange.draft import round_of, unsigned
from fairway.exchange.wire import Granted, Pushed

__all__ = ["round_of", "signed", "unsigned"]


def signed(reply: Granted | Pushed, signer: Signer) -> Granted | Pushed:
    """`reply` with every digest signed."""
    if isinstance(reply, Granted):
        return replace(reply, signature=signer.sign(reply.signature))
    receipts = [signer.sign(digest) for digest in reply.receipts]
    return replace(reply, signature=signer.sign(reply.signature), receipts=receipts)
