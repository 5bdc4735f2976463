"""The durable log of events: SQLite in write-ahead mode, `synchronous=FULL`, one transaction a batch.

What `append` returned for is there after a power cut. Beside the entries stand two tables that only save work, since a
replay gives them too: checkpoints (digests to compare a replay with) and the outbox (what users who reconnect missed).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Self

from fairway.errors import Unavailable
from fairway.exchange.draft import market_topic
from fairway.exchange.entry import GENESIS, Entry, link
from fairway.service.archive import (
    JOURNAL,
    MANIFEST,
    PAGE_SIZE,
    Checkpoint,
    Letter,
    check_pages,
    read_entries,
    read_manifest,
    reporting,
    write_manifest,
)
from fairway.service.files import make_private_folder, sync_folder

__all__ = ["Journal", "Letter", "market_topic"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (seq INTEGER PRIMARY KEY, hash BLOB NOT NULL, payload BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS checkpoints
    (seq INTEGER PRIMARY KEY, digest BLOB NOT NULL, book_digest BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS outbox (topic BLOB, number INTEGER, entry INTEGER NOT NULL, frame BLOB NOT NULL,
    PRIMARY KEY (topic, number)) STRICT, WITHOUT ROWID;
"""


def connect(path: Path) -> sqlite3.Connection:
    """The database at `path`, with no transactions but those asked for."""
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)


class Journal:
    """The journal of one service, open for writing; nobody else opens it meanwhile.

    Every method raises `Unavailable` with a `journal.` code where the disk fails; what was appended before stays.
    """

    def __init__(self, folder: Path, database: sqlite3.Connection, newest: Entry) -> None:
        self._folder = folder
        self._database = database
        self.newest = newest
        """The newest durable entry; number -1 with hash `GENESIS` in an empty journal."""

    @classmethod
    def open(cls, folder: Path, connected: Callable[[Path], sqlite3.Connection] = connect) -> Self:
        """The journal in `folder`, made if absent. A seal is checked page by page, then taken off.

        `connected` opens the database; a simulated disk has its own.
        """
        make_private_folder(folder)
        path = folder / JOURNAL
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise Unavailable("journal.disk", f"cannot open {path}: {error.strerror}") from error
        manifest = read_manifest(folder)
        if manifest is not None:
            check_pages(folder, manifest)
        with reporting():
            database = connected(path)
            _configure(database)
            row = database.execute("SELECT seq, hash, x'' FROM entries ORDER BY seq DESC LIMIT 1").fetchone()
        (folder / MANIFEST).unlink(missing_ok=True)
        sync_folder(folder)
        return cls(folder, database, Entry._make(row) if row else Entry(-1, GENESIS, b""))

    def entries(self) -> Iterator[Entry]:
        """Every entry from number 0, each checked against the chain (`journal.corrupt` names the first bad one)."""
        return read_entries(self._database)

    def append(self, payloads: Sequence[bytes], letters: Sequence[Letter] = ()) -> int:
        """Make `payloads` the next entries and `letters` part of the outbox, all or nothing, durable on return.

        Returns the number of the newest entry.
        """
        entries = link(self.newest.hash, self.newest.seq + 1, payloads)
        with reporting():
            try:
                self._database.execute("BEGIN IMMEDIATE")
                self._database.executemany("INSERT INTO entries VALUES (?, ?, ?)", entries)
                self._database.executemany("INSERT OR REPLACE INTO outbox VALUES (?, ?, ?, ?)", letters)
                self._database.execute("COMMIT")
            except sqlite3.Error:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise
        if entries:
            self.newest = entries[-1]
        return self.newest.seq

    def entry(self, seq: int) -> bytes | None:
        """The payload of entry `seq`; None where there is none."""
        with reporting():
            row = self._database.execute("SELECT payload FROM entries WHERE seq = ?", (seq,)).fetchone()
        return row[0] if row else None

    def page(self, after: int, limit: int) -> list[bytes]:
        """The payloads of at most `limit` entries behind entry `after`, oldest first."""
        query = "SELECT payload FROM entries WHERE seq > ? ORDER BY seq LIMIT ?"
        with reporting():
            return [row[0] for row in self._database.execute(query, (after, limit))]

    def hash_at(self, seq: int) -> bytes | None:
        """The hash of entry `seq`; None where there is none."""
        with reporting():
            row = self._database.execute("SELECT hash FROM entries WHERE seq = ?", (seq,)).fetchone()
        return row[0] if row else None

    def add_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Remember the digests of the state after entry `checkpoint.seq`."""
        with reporting():
            self._database.execute("INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?)", checkpoint)

    def checkpoints(self) -> dict[int, Checkpoint]:
        """All checkpoints by the number of their entry."""
        with reporting():
            return {row[0]: Checkpoint(*row) for row in self._database.execute("SELECT * FROM checkpoints")}

    def checkpoint_at(self, seq: int) -> Checkpoint | None:
        """The checkpoint at entry `seq`, if there is one."""
        return self._checkpoint("WHERE seq = ?", seq)

    def checkpoint_after(self, seq: int) -> Checkpoint | None:
        """The first checkpoint behind entry `seq`, if there is one."""
        return self._checkpoint("WHERE seq > ? ORDER BY seq LIMIT 1", seq)

    def newest_checkpoint(self) -> int:
        """The entry of the newest checkpoint; -1 where there is none."""
        newest = self._checkpoint("WHERE seq >= ? ORDER BY seq DESC LIMIT 1", 0)
        return newest.seq if newest is not None else -1

    def _checkpoint(self, where: str, seq: int) -> Checkpoint | None:
        with reporting():
            row = self._database.execute(f"SELECT * FROM checkpoints {where}", (seq,)).fetchone()  # noqa: S608 - ours
        return Checkpoint._make(row) if row else None

    def letters_after(self, topic: bytes, number: int, limit: int) -> list[Letter]:
        """The first `limit` letters of `topic` above `number`, oldest first."""
        query = "SELECT * FROM outbox WHERE topic = ? AND number > ? ORDER BY number LIMIT ?"
        with reporting():
            return [Letter._make(row) for row in self._database.execute(query, (topic, number, limit))]

    def letter_at(self, topic: bytes, number: int) -> Letter | None:
        """The newest letter of `topic` that is not above `number`."""
        query = "SELECT * FROM outbox WHERE topic = ? AND number <= ? ORDER BY number DESC LIMIT 1"
        with reporting():
            row = self._database.execute(query, (topic, number)).fetchone()
        return Letter._make(row) if row else None

    def close(self) -> None:
        """Release the file without sealing it, as a crash would leave it to the next `open`."""
        self._database.close()

    def seal(self) -> None:
        """Close the journal as one file, its write-ahead log emptied, with a manifest over its pages."""
        with reporting():
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._database.close()
        write_manifest(self._folder, self.newest)


def _configure(database: sqlite3.Connection) -> None:
    database.execute(f"PRAGMA page_size = {PAGE_SIZE}")
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.executescript(SCHEMA)
    database.execute("BEGIN IMMEDIATE")  # takes the lock now, not at the first entry
    database.execute("COMMIT")
