"""Ed25519 as the chain checks it, and seeds derived from one root.

Everything that is not the one canonical form is refused: keys of small or mixed order, non-canonical encodings of a
key, a signature's `S` at or above the group order. libsodium signs, in constant time. The core verifies, by libsodium's
rules and with its verdicts, in little more than half its time.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Self

from nacl.bindings import (
    crypto_core_ed25519_is_valid_point,
    crypto_sign,
    crypto_sign_seed_keypair,
)

from fairway import _core
from fairway.errors import InvalidMessage, InvalidSignature, WeakKey

__all__ = ["Expander", "Signer", "check_public_key", "derive_seed", "expand", "public_key", "sign", "verify"]

KEY_BYTES = 32
SIGNATURE_BYTES = 64
SEED_DOMAIN = b"fairway.seed.v1"
EXPANSION_BOUND_BYTES = 255 * 32
INNER, OUTER = (bytes(byte ^ padding for byte in range(256)) for padding in (0x36, 0x5C))
"""The paddings of HMAC, as tables to translate a key by."""


def check_public_key(key: bytes) -> None:
    """Refuse a key that is not the canonical encoding of a point of the prime-order group.

    Errors: `WeakKey`. With a key of small order one signature fits many messages.
    """
    if len(key) != KEY_BYTES:
        raise WeakKey("key.length", "a public key has 32 bytes", length=len(key))
    if not crypto_core_ed25519_is_valid_point(key):
        raise WeakKey("key.weak", "the public key is of small order or not in canonical form", key=key)


@dataclass(frozen=True, slots=True)
class Signer:
    """A signing key expanded once, for whoever signs often. Secret: all of it but `key`."""

    key: bytes
    _expanded: bytes = field(repr=False, compare=False)

    @classmethod
    def of(cls, seed: bytes) -> Self:
        """The signer of a 32-byte seed."""
        if len(seed) != KEY_BYTES:
            raise InvalidMessage("key.seed_length", "a seed has 32 bytes", length=len(seed))
        key, expanded = crypto_sign_seed_keypair(seed)
        return cls(key, expanded)

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature of `message` (deterministic, RFC 8032). Constant time."""
        return bytes(crypto_sign(message, self._expanded)[:SIGNATURE_BYTES])


def public_key(seed: bytes) -> bytes:
    """The public key of a 32-byte seed. Secret: `seed`."""
    return Signer.of(seed).key


def sign(seed: bytes, message: bytes) -> bytes:
    """The 64-byte signature of `message` (deterministic, RFC 8032). Secret: `seed`. Constant time."""
    return Signer.of(seed).sign(message)


def verify(key: bytes, message: bytes, signature: bytes) -> None:
    """Refuse a signature that `key` did not make over `message`.

    Refused are keys and `R` of small order, non-canonical keys, and `S` at or above the group order.
    Errors: `InvalidSignature`.
    """
    if len(key) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        raise InvalidSignature("signature.length", "a key has 32 bytes and a signature 64", key=key)
    if not _core.ed25519_verify(key, message, signature):
        raise InvalidSignature("signature.invalid", "the key did not make this signature", key=key)


class Expander:
    """HKDF-SHA256 (RFC 5869) of one secret for one domain, extracted once for whoever expands often. Secret: all."""

    __slots__ = ("_inner", "_key", "_outer")

    def __init__(self, secret: bytes, domain: bytes) -> None:
        self.__setstate__(hmac.digest(domain, secret, "sha256"))

    def __getstate__(self) -> bytes:
        return self._key

    def __setstate__(self, key: bytes) -> None:
        self._key = key
        self._inner = sha256(key.ljust(64, b"\0").translate(INNER))
        self._outer = sha256(key.ljust(64, b"\0").translate(OUTER))

    def expand(self, parts: tuple[bytes, ...], length: int) -> bytes:
        """`length` bytes bound to `parts`, whose lengths are part of the input. Secret: the result.

        Bounds: `length` ≤ 8160.
        """
        if not 0 < length <= EXPANSION_BOUND_BYTES:
            raise InvalidMessage("key.expansion_length", "HKDF-SHA256 gives 1 to 8160 bytes", length=length)
        information = b"".join([len(part).to_bytes(4, "little") + part for part in parts])
        block = expanded = b""
        for counter in range(1, -(-length // 32) + 1):
            block = self._authenticated(block + information + bytes((counter,)))
            expanded += block
        return expanded[:length]

    def _authenticated(self, message: bytes) -> bytes:
        """HMAC-SHA256, with both paddings of the key hashed already."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()


def expand(secret: bytes, domain: bytes, parts: tuple[bytes, ...], length: int) -> bytes:
    """What `Expander` gives of `secret`. Secret: `secret` and the result."""
    return Expander(secret, domain).expand(parts, length)


def derive_seed(root: bytes, label: str, *parts: bytes) -> bytes:
    """The 32-byte seed that `root` gives for a purpose (`label`) and its particulars. Secret: `root`, the result."""
    return expand(root, SEED_DOMAIN, (label.encode(), *parts), KEY_BYTES)
