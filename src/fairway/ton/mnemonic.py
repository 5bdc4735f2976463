"""The 24 words of a TON wallet, by the standard that wallet apps share: words → entropy → seed of the wallet's key.

    entropy = HMAC-SHA512(words joined by a space, "")
    seed    = PBKDF2-HMAC-SHA512(entropy, "TON default seed", 100000 rounds), its first 32 bytes
    lawful  : PBKDF2-HMAC-SHA512(entropy, "TON seed version", 390 rounds) begins with a zero byte

The words are those of BIP 39, the rest is not. Words under a password of their own are not taken.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from hashlib import pbkdf2_hmac, sha512

from pytoniq_core.crypto.keys import words as foreign_words

from fairway.errors import InvalidMessage, Rejected

__all__ = ["COUNT", "DRAW_SIZE", "WORDS", "check_words", "draw_words", "words_entropy", "words_seed"]

WORDS: tuple[str, ...] = tuple(foreign_words)
"""The 2048 words, in order."""
COUNT = 24
DRAW_SIZE = 33
"""Bytes that `draw_words` needs: eleven bits a word."""

_ROUNDS = 100_000
_INDEX_BITS = 11
_KNOWN = frozenset(WORDS)


def check_words(words: Sequence[str]) -> tuple[str, ...]:
    """The words in their one form. Secret: `words`, and the result.

    Errors: `Rejected` `mnemonic.count`, `mnemonic.word` (fact `position`, from 1), `mnemonic.checksum`.
    """
    clean = tuple(word.strip().lower() for word in words)
    if len(clean) != COUNT:
        raise Rejected("mnemonic.count", "a TON wallet has 24 words", count=len(clean))
    for position, word in enumerate(clean, 1):
        if word not in _KNOWN:
            raise Rejected("mnemonic.word", f"word {position} is not in the list of words", position=position)
    if not _is_lawful(words_entropy(clean)):
        raise Rejected("mnemonic.checksum", "no TON wallet has these words: one is another, or they are out of order")
    return clean


def draw_words(entropy: bytes) -> tuple[str, ...] | None:
    """The words that 33 random bytes name, or None where they are not lawful (255 of 256): draw again.

    Secret: `entropy` and the result.
    """
    if len(entropy) != DRAW_SIZE:
        raise InvalidMessage("mnemonic.entropy", "24 words need 33 bytes", length=len(entropy))
    number = int.from_bytes(entropy)
    words = tuple(WORDS[number >> _INDEX_BITS * place & len(WORDS) - 1] for place in reversed(range(COUNT)))
    return words if _is_lawful(words_entropy(words)) else None


def words_entropy(words: Sequence[str]) -> bytes:
    """The 64 bytes that stand for the words. Secret: `words` and the result."""
    return hmac.digest(" ".join(words).encode(), b"", sha512)


def words_seed(words: Sequence[str]) -> bytes:
    """The 32-byte Ed25519 seed of the wallet. Secret: `words` and the result."""
    return pbkdf2_hmac("sha512", words_entropy(words), b"TON default seed", _ROUNDS)[:32]


def _is_lawful(entropy: bytes) -> bool:
    return pbkdf2_hmac("sha512", entropy, b"TON seed version", _ROUNDS // 256)[0] == 0
