"""The follower: a process that replays the journal as it grows, and writes snapshots of what comes out.

    service ── entries, checkpoints ──▶ follower ── a snapshot at a checkpoint
            ◀── written, or strayed ──

So the service never stops for a snapshot, and a snapshot is what a replay gives, from the first entry on, never what
the service merely believes. Where both differ at a checkpoint, the follower says so; without it the next start would.
It goes on from the snapshot from which the service started, and ends with its input.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from fairway.errors import FairwayError, Unavailable
from fairway.exchange.entry import GENESIS, entry_hash
from fairway.exchange.event import decode
from fairway.service import image, snapshot
from fairway.service.archive import Checkpoint
from fairway.service.heap import building
from fairway.service.state import State

__all__ = ["AnyNews", "Entries", "Failed", "Follower", "Mark", "Strayed", "Written", "frame", "news_of"]

LENGTH = 4
NICENESS = 10
"""Trading and proofs come first."""


class Entries(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The payloads of the next entries."""

    payloads: list[bytes]


class Mark(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A checkpoint at the newest entry, and of the errands so far those that are not done.

    `keeps` asks for a snapshot.
    """

    head: bytes
    digest: bytes
    book_digest: bytes
    errands: list[int]
    keeps: bool


class Written(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A snapshot at entry `seq` is durable."""

    seq: int
    size: int
    elapsed_ms: int


class Strayed(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The replay does not give what the service has at entry `seq`."""

    seq: int
    why: str


class Failed(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """There is no snapshot at entry `seq`; the next may succeed."""

    seq: int
    why: str


AnyWord = Entries | Mark
AnyNews = Written | Strayed | Failed

_word_of = msgspec.msgpack.Decoder(AnyWord).decode
news_of = msgspec.msgpack.Decoder(AnyNews).decode


def frame(word: AnyWord | AnyNews) -> bytes:
    """A word or a piece of news as it goes over a pipe, behind its length."""
    encoded = msgspec.msgpack.encode(word)
    return len(encoded).to_bytes(LENGTH) + encoded


class Follower:
    """A replay of the journal in `folder` that goes on from the snapshot at entry `since`, or from the first entry."""

    def __init__(self, folder: Path, since: int = -1) -> None:
        self._folder = folder
        self._state, self._seq, self._head = State(), -1, GENESIS
        if since >= 0:
            found = snapshot.load(snapshot.path_of(folder, since))
            self._state, self._seq, self._head = image.read(found.image), found.seq, found.head

    def hear(self, word: AnyWord) -> AnyNews | None:
        """Follow the service by one word; what it should know."""
        if isinstance(word, Entries):
            return self._replay(word.payloads)
        engine = self._state.engine
        if (self._head, engine.digest(), engine.book_digest()) != (word.head, word.digest, word.book_digest):
            return Strayed(self._seq, "the state is another")
        self._state.docket.keep(word.errands)
        return self._keep(word) if word.keeps else None

    def _replay(self, payloads: list[bytes]) -> Strayed | None:
        for payload in payloads:
            self._seq += 1
            self._head = entry_hash(self._head, self._seq, payload)
            try:
                event = decode(payload)
                self._state.recall(event, self._state.engine.apply(event))
            except (msgspec.DecodeError, FairwayError) as error:
                return Strayed(self._seq, str(error))
        return None

    def _keep(self, mark: Mark) -> Written | Failed:
        began = time.monotonic_ns()
        try:
            checkpoint = Checkpoint(self._seq, mark.digest, mark.book_digest)
            size = snapshot.keep(self._folder, self._state, self._head, checkpoint)
        except (TypeError, Unavailable, OSError) as trouble:
            return Failed(self._seq, str(trouble))
        return Written(self._seq, size, (time.monotonic_ns() - began) // 1_000_000)


def _words(pipe: BinaryIO) -> Iterator[AnyWord]:
    """What the service says until it ends, or is ended."""
    while len(length := pipe.read(LENGTH)) == LENGTH:
        encoded = pipe.read(size := int.from_bytes(length))
        if len(encoded) < size:
            return
        yield _word_of(encoded)


def main(folder: Path, since: int) -> None:
    """Follow the service at the other end of standard input."""
    os.nice(NICENESS)
    with building():
        follower = Follower(folder, since)
    for word in _words(sys.stdin.buffer):
        news = follower.hear(word)
        if news is not None:
            sys.stdout.buffer.write(frame(news))
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
