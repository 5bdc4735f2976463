"""The journal's entries as a hash chain: pure, so that the service writes and the auditor checks with the same lines.

    hash(-1) = SHA-256("fairway journal v1")
    hash(n)  = SHA-256("fairway journal entry v1" ‖ hash(n-1) ‖ n (8 bytes, big-endian) ‖ payload)

One altered, missing, added or moved entry breaks every hash after it; the newest hash stands for the whole history.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fairway.errors import Unavailable

__all__ = ["GENESIS", "Entry", "check_chain", "entry_hash", "link"]

GENESIS = hashlib.sha256(b"fairway journal v1").digest()
DOMAIN = b"fairway journal entry v1"


class Entry(NamedTuple):
    """Entry number `seq` (from 0) with its place in the chain; `payload` is an encoded event."""

    seq: int
    hash: bytes
    payload: bytes


def entry_hash(previous: bytes, seq: int, payload: bytes) -> bytes:
    """The hash of entry `seq` that follows the entry with hash `previous`."""
    return hashlib.sha256(b"%b%b%b%b" % (DOMAIN, previous, seq.to_bytes(8), payload)).digest()


def link(previous: bytes, first: int, payloads: Iterable[bytes]) -> list[Entry]:
    """`payloads` as the entries `first`, `first` + 1, … that follow the hash `previous`."""
    entries = []
    for seq, payload in enumerate(payloads, first):
        previous = entry_hash(previous, seq, payload)
        entries.append(Entry(seq, previous, payload))
    return entries


def check_chain(entries: Iterable[Entry], previous: bytes = GENESIS, first: int = 0) -> Iterator[Entry]:
    """`entries` again, one by one, each checked to be the next of the chain after `previous`.

    Raises `Unavailable` (`journal.corrupt`) with `seq`, the first entry that is missing or not what was written.
    """
    for seq, entry in enumerate(entries, first):
        number, known, payload = entry
        if number != seq:
            raise Unavailable("journal.corrupt", f"entry {seq} is missing; {number} stands there", seq=seq)
        previous = entry_hash(previous, seq, payload)
        if known != previous:
            raise Unavailable("journal.corrupt", f"entry {seq} is not what was written", seq=seq)
        yield entry
