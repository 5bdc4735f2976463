"""The user's own record: everything he signed and everything the service signed for him, in order, in one SQLite file.

One append-only log per channel. Its entries are the wire's own messages, so that replaying them through the replica is
exactly what happened live; a half of the user is written *before* it is signed, without its signature (Ed25519 is
deterministic: signing again after a crash repeats the same bytes). One seqno of one side names one entry for ever:
the file itself refuses a second.

WAL with `synchronous=FULL`: what `append` returned from survives a loss of power.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from fairway.client.replica import Entry
from fairway.client.watchtower_wire import Watched
from fairway.errors import IllegalTransition, Unavailable
from fairway.exchange import wire

__all__ = ["Evidence", "Store"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
    number  INTEGER PRIMARY KEY,
    channel BLOB NOT NULL,
    side    TEXT,              -- whose half this is, A or B; null for anything else
    seqno   INTEGER,
    payload BLOB NOT NULL,
    UNIQUE (channel, side, seqno)
) STRICT;
CREATE TABLE IF NOT EXISTS evidence (
    number  INTEGER PRIMARY KEY,
    channel BLOB NOT NULL,
    code    TEXT NOT NULL,
    message TEXT NOT NULL,
    frame   BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS watched (    -- the newest receipt of each watchtower
    channel BLOB NOT NULL,
    tower   BLOB NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (channel, tower)
) STRICT;
"""
OWNER_ONLY = 0o600

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Entry)


class Evidence(NamedTuple):
    """A frame of the service that cannot be true, and why not; the channel's log is what it is judged by."""

    code: str
    message: str
    frame: bytes


class Store:
    """The record at `path`, made if it is not there; `close` it. `connected` opens the database.

    Errors: `Unavailable` with `store.exists`, `store.disk` or `store.corrupt` (not a record, or damaged).
    """

    def __init__(self, path: Path, connected: Callable[[Path], sqlite3.Connection] = sqlite3.connect) -> None:
        self.path = path
        with _translated(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(OWNER_ONLY)
            self._database = connected(path)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.executescript(SCHEMA)

    def append(self, channel_id: bytes, *entries: Entry) -> None:
        """Write `entries`, all or none, durable on return.

        A half under a seqno that its side has used already is `IllegalTransition` (`store.equivocation`).
        """
        rows = [(channel_id, *_half(entry), _encoder.encode(entry)) for entry in entries]
        with _translated(self.path), self._database:
            self._database.executemany("INSERT INTO entry (channel, side, seqno, payload) VALUES (?, ?, ?, ?)", rows)

    def record(self, channel_id: bytes) -> Iterator[Entry]:
        """The log of a channel, oldest first."""
        with _translated(self.path):
            query = "SELECT payload FROM entry WHERE channel = ? ORDER BY number"
            for (payload,) in self._database.execute(query, (channel_id,)):
                yield _decoder.decode(payload)

    def half(self, channel_id: bytes, side: Literal["A", "B"], seqno: int) -> Entry | None:
        """The entry that holds the half `seqno` of a side, or None."""
        with _translated(self.path):
            query = "SELECT payload FROM entry WHERE channel = ? AND side = ? AND seqno = ?"
            row = self._database.execute(query, (channel_id, side, seqno)).fetchone()
            return _decoder.decode(row[0]) if row else None

    def channels(self) -> list[bytes]:
        """The IDs of all channels, the newest last."""
        with _translated(self.path):
            query = "SELECT channel FROM entry GROUP BY channel ORDER BY min(number)"
            return [channel for (channel,) in self._database.execute(query)]

    def keep_evidence(self, channel_id: bytes, evidence: Evidence) -> None:
        """Write down a lie of the service, durable on return."""
        with _translated(self.path), self._database:
            self._database.execute(
                "INSERT INTO evidence (channel, code, message, frame) VALUES (?, ?, ?, ?)", (channel_id, *evidence)
            )

    def evidence(self, channel_id: bytes) -> list[Evidence]:
        """The lies of the service in a channel, oldest first."""
        with _translated(self.path):
            query = "SELECT code, message, frame FROM evidence WHERE channel = ? ORDER BY number"
            return [Evidence(*row) for row in self._database.execute(query, (channel_id,))]

    def keep_receipt(self, channel_id: bytes, receipt: Watched) -> None:
        """Write down the newest receipt of a watchtower, durable on return."""
        with _translated(self.path), self._database:
            self._database.execute(
                "REPLACE INTO watched VALUES (?, ?, ?)", (channel_id, receipt.key, _encoder.encode(receipt))
            )

    def receipts(self, channel_id: bytes) -> list[Watched]:
        """The newest receipt of each watchtower that stands for a channel."""
        with _translated(self.path):
            rows = self._database.execute("SELECT payload FROM watched WHERE channel = ?", (channel_id,)).fetchall()
            return [msgspec.msgpack.decode(payload, type=Watched) for (payload,) in rows]

    def export(self, path: Path) -> None:
        """A consistent copy of the whole record as a new private file, while this one stays in use."""
        if path.exists():
            raise Unavailable("store.exists", "there is a file already", path=str(path))
        with _translated(path):
            path.touch(OWNER_ONLY, exist_ok=False)
            with closing(sqlite3.connect(path)) as copy:
                self._database.backup(copy)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()


def _half(entry: Entry) -> tuple[str | None, int | None]:
    """Whose half `entry` is and under which seqno; nothing for an entry that is none."""
    match entry:
        case wire.Open():
            return "A", 1
        case wire.Granted():
            return "B", 1
        case wire.Propose():
            return "A", entry.seqno
        case wire.Pushed():
            return "B", entry.seqno
    return None, None


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """The disk's errors and SQLite's as ours."""
    try:
        yield
    except sqlite3.IntegrityError:
        raise IllegalTransition("store.equivocation", "a second half under one seqno", path=str(path)) from None
    except (sqlite3.OperationalError, OSError) as error:
        raise Unavailable("store.disk", f"cannot use the record: {error}", path=str(path)) from error
    except (sqlite3.DatabaseError, msgspec.DecodeError) as error:
        raise Unavailable("store.corrupt", f"the record is damaged: {error}", path=str(path)) from error
