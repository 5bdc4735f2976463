"""Boxes for one reader: whoever has the view key's seed opens them, whoever has the public half can fill them.

A box is libsodium's sealed box: an ephemeral X25519 key ‖ XSalsa20-Poly1305 under the key agreed with it. Nothing in it
says who filled it. Pure: the ephemeral key comes out of the entropy that is given.
"""

from __future__ import annotations

from hashlib import blake2b

from nacl.bindings import crypto_box_easy, crypto_box_NONCEBYTES, crypto_box_seal_open, crypto_box_seed_keypair
from nacl.exceptions import CryptoError

from fairway.errors import InvalidMessage, Rejected

__all__ = ["KEY_SIZE", "open_box", "seal_for", "view_key"]

KEY_SIZE = 32


def view_key(seed: bytes) -> bytes:
    """The public half of the view key with this 32-byte seed. Secret: `seed`."""
    public, _ = crypto_box_seed_keypair(seed)
    return public


def seal_for(key: bytes, content: bytes, entropy: bytes) -> bytes:
    """`content` for the owner of the view key `key`; `entropy` is 32 fresh bytes, never used twice.

    Secret: `content`, `entropy`. Errors: `InvalidMessage` (`view.key`) for what is no key.
    """
    if len(key) != KEY_SIZE:
        raise InvalidMessage("view.key", "a view key has 32 bytes")
    ephemeral, secret = crypto_box_seed_keypair(entropy)
    nonce = blake2b(ephemeral + key, digest_size=crypto_box_NONCEBYTES).digest()
    try:
        return ephemeral + crypto_box_easy(content, nonce, key, secret)
    except (CryptoError, RuntimeError):
        raise InvalidMessage("view.key", "this point is no view key") from None


def open_box(seed: bytes, box: bytes) -> bytes:
    """What is in the box. Secret: `seed`, the result. Errors: `Rejected` (`view.box`): for another key, or altered."""
    try:
        return crypto_box_seal_open(box, *crypto_box_seed_keypair(seed))
    except (CryptoError, TypeError, ValueError):
        raise Rejected("view.box", "the box is for another view key, or was altered") from None
