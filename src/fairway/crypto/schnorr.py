"""Schnorr signatures over Ristretto255 as the published `starsig` and `musig` crates make them.

A signature is `R ‖ s` with `s·B = R + Σ c·X`. The message is whatever the transcript has absorbed. The multi-message
form signs one message a key with one signature; each key's challenge has its own index.
"""

from __future__ import annotations

from collections.abc import Sequence

from fairway.crypto.merlin import Transcript
from fairway.crypto.pedersen import commit
from fairway.crypto.relations import Relation
from fairway.crypto.scalars import ORDER, derive_scalar, from_bytes, to_bytes
from fairway.errors import InvalidMessage, InvalidSignature

__all__ = ["SIGNATURE_BYTES", "relation", "relation_multi", "sign", "sign_multi", "verification_key"]

SIGNATURE_BYTES = 64
NONCE_DOMAIN = b"fairway.schnorr.v1"
Submessages = Sequence[tuple[bytes, bytes]]


def verification_key(secret: int) -> bytes:
    """The key X = x·B of a secret scalar. Secret: `secret`."""
    return commit(secret, 0)


def sign(transcript: Transcript, secret: int, entropy: bytes) -> bytes:
    """The signature of what `transcript` has absorbed. Secret: `secret`, `entropy` (any length; hedges the nonce)."""
    key = verification_key(secret)
    nonce, point = _nonce(transcript, [secret], entropy)
    return point + to_bytes(nonce + _challenge(transcript, key, point) * secret)


def relation(transcript: Transcript, key: bytes, signature: bytes) -> Relation:
    """What must be true if `key` signed what `transcript` has absorbed. Errors: `InvalidMessage` for another form."""
    point, s = _parsed(signature)
    return Relation(((1, point), (_challenge(transcript, key, point), key)), -s)


def sign_multi(transcript: Transcript, secrets: Sequence[int], messages: Submessages, entropy: bytes) -> bytes:
    """One signature for (key, message) pairs by the secrets of their keys. Secret: `secrets`, `entropy`."""
    if [verification_key(secret) for secret in secrets] != [key for key, _ in messages] or not messages:
        raise InvalidMessage("schnorr.keys", "the secrets are not those of the keys")
    context = _context(transcript, messages)
    nonce, point = _nonce(context, secrets, entropy)
    challenges = _challenges(context, point, len(messages))
    return point + to_bytes(nonce + sum(c * x for c, x in zip(challenges, secrets, strict=True)))


def relation_multi(transcript: Transcript, messages: Submessages, signature: bytes) -> Relation:
    """What must be true if each key signed its message. Errors: `InvalidMessage` for another form."""
    point, s = _parsed(signature)
    challenges = _challenges(_context(transcript, messages), point, len(messages))
    return Relation(((1, point), *((c, key) for c, (key, _) in zip(challenges, messages, strict=True))), -s)


def _parsed(signature: bytes) -> tuple[bytes, int]:
    if len(signature) != SIGNATURE_BYTES:
        raise InvalidSignature("schnorr.length", "a signature has 64 bytes", length=len(signature))
    return signature[:32], from_bytes(signature[32:])


def _nonce(transcript: Transcript, secrets: Sequence[int], entropy: bytes) -> tuple[int, bytes]:
    drawn = transcript.fork().challenge(b"nonce", 64)
    nonce = derive_scalar(b"".join(map(to_bytes, secrets)), NONCE_DOMAIN, drawn, entropy) or 1
    return nonce % ORDER, commit(nonce, 0)


def _challenge(transcript: Transcript, key: bytes, point: bytes) -> int:
    transcript = transcript.fork()
    transcript.append(b"dom-sep", b"starsig v1")
    transcript.append(b"X", key)
    transcript.append(b"R", point)
    return transcript.challenge_scalar(b"c")


def _context(transcript: Transcript, messages: Submessages) -> Transcript:
    transcript = transcript.fork()
    transcript.append(b"dom-sep", b"musig-multimessage v1")
    transcript.append_u64(b"n", len(messages))
    for key, message in messages:
        transcript.append(b"X", key)
        transcript.append(b"m", message)
    return transcript


def _challenges(context: Transcript, point: bytes, count: int) -> list[int]:
    context = context.fork()
    context.append(b"R", point)
    challenges = []
    for index in range(count):
        own = context.fork()
        own.append_u64(b"i", index)
        challenges.append(own.challenge_scalar(b"c"))
    return challenges
