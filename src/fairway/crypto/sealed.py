"""Secrets at rest: a passphrase seals a few bytes (Argon2id, then XChaCha20-Poly1305).

    magic (16) ‖ passes (4, big-endian) ‖ memory in KiB (4) ‖ salt (16) ‖ nonce (24) ‖ ciphertext and tag

Everything before the ciphertext is authenticated with it, and so is `label`, which says what the secret is for: a
file moved to another place does not open there. Pure: the entropy is an argument, files are the shell's business.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt, crypto_aead_xchacha20poly1305_ietf_encrypt
from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id

from fairway.errors import InvalidMessage, Rejected

__all__ = ["ENTROPY_SIZE", "STANDARD", "Cost", "seal", "unseal"]

MAGIC = b"fairway sealed 1"
HEADER = struct.Struct(">16sII16s24s")
TAG_SIZE = 16
ENTROPY_SIZE = 40
"""Bytes `seal` needs: the salt, then the nonce."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one guess of the passphrase costs: passes over so many KiB of memory."""

    passes: int
    memory_kib: int


STANDARD = Cost(passes=3, memory_kib=64 * 1024)
HIGHEST = Cost(passes=16, memory_kib=1024 * 1024)


def seal(secret: bytes, passphrase: bytes, label: str, entropy: bytes, cost: Cost = STANDARD) -> bytes:
    """`secret` under `passphrase`, to be opened with the same `label` only.

    `entropy` is `ENTROPY_SIZE` fresh random bytes, never used twice. Raises `ValueError` on another size.

    Secret: `secret`, `passphrase`.
    """
    if len(entropy) != ENTROPY_SIZE:
        raise ValueError(f"sealing needs {ENTROPY_SIZE} bytes of entropy")
    header = HEADER.pack(MAGIC, cost.passes, cost.memory_kib, entropy[:16], entropy[16:])
    key = _key(passphrase, entropy[:16], cost)
    return header + crypto_aead_xchacha20poly1305_ietf_encrypt(secret, header + label.encode(), entropy[16:], key)


def unseal(sealed: bytes, passphrase: bytes, label: str) -> bytes:
    """The secret in `sealed`.

    `InvalidMessage` (`sealed.format`) where the bytes were never sealed here, or ask for more work than any file of
    ours; `Rejected` (`sealed.passphrase`) where passphrase or label is wrong or a byte was altered: nobody can tell.

    Secret: `passphrase` and the result.
    """
    if len(sealed) < HEADER.size + TAG_SIZE or not sealed.startswith(MAGIC):
        raise InvalidMessage("sealed.format", "these bytes are not a sealed secret")
    header, box = sealed[: HEADER.size], sealed[HEADER.size :]
    _, passes, memory_kib, salt, nonce = HEADER.unpack(header)
    if not (1 <= passes <= HIGHEST.passes and 8 <= memory_kib <= HIGHEST.memory_kib):
        raise InvalidMessage("sealed.format", "the sealed secret asks for an unlawful amount of work")
    key = _key(passphrase, salt, Cost(passes, memory_kib))
    try:
        return crypto_aead_xchacha20poly1305_ietf_decrypt(box, header + label.encode(), nonce, key)
    except CryptoError:
        raise Rejected("sealed.passphrase", "the passphrase is wrong, or the sealed secret was altered") from None


def _key(passphrase: bytes, salt: bytes, cost: Cost) -> bytes:
    return argon2id.kdf(32, passphrase, salt, opslimit=cost.passes, memlimit=cost.memory_kib * 1024)
