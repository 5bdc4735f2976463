"""What a user signs to say who he is on a connection; bound to the network and to the service's fresh challenge."""

from __future__ import annotations

import hashlib

__all__ = ["CHALLENGE_SIZE", "hello_digest"]

CHALLENGE_SIZE = 32


def hello_digest(network: int, challenge: bytes) -> bytes:
    """SHA-256("fairway hello" ‖ network (4 bytes, big-endian, two's complement) ‖ challenge)."""
    return hashlib.sha256(b"fairway hello" + network.to_bytes(4, signed=True) + challenge).digest()
