"""What a watchtower keeps, in one SQLite file: the newest deposit of each channel, and rounds of each venue's oracle.

WAL with `synchronous=FULL`: what `put` returned from survives a loss of power, so a receipt is given only after it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from fairway.client.watchtower_wire import Charge, Handed, charge_of
from fairway.errors import Rejected, Unavailable
from fairway.exchange import wire

__all__ = ["TowerStore"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS charge (
    channel BLOB PRIMARY KEY, seqno_a INTEGER NOT NULL, seqno_b INTEGER NOT NULL, seen INTEGER NOT NULL,
    payload BLOB NOT NULL, signature BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS round (
    vault TEXT, market INTEGER, number INTEGER, payload BLOB NOT NULL, PRIMARY KEY (vault, market, number)
) STRICT, WITHOUT ROWID;
"""
ROUNDS = 8192
"""How many of a market's newest rounds are kept: hours, at one a second."""
OWNER_ONLY = 0o600

_encoder = msgspec.msgpack.Encoder()
_rounds = msgspec.msgpack.Decoder(wire.Round)


class TowerStore:
    """The file at `path`, made if it is not there. Errors: `Unavailable` with `tower.disk` or `tower.corrupt`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with _translated(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(OWNER_ONLY)
            self._database = sqlite3.connect(path)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.executescript(SCHEMA)

    def put(self, charge: Charge, handed: Handed) -> None:
        """Make `charge` what is kept of its channel, durable on return.

        Errors: `Rejected` `tower.outdated` where something newer is kept already.
        """
        row = (charge.channel_id, *charge.version, handed.payload, handed.signature)
        with _translated(self.path), self._database:
            done = self._database.execute(
                "INSERT INTO charge VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (channel) DO UPDATE SET "
                "seqno_a = excluded.seqno_a, seqno_b = excluded.seqno_b, seen = excluded.seen, "
                "payload = excluded.payload, signature = excluded.signature "
                "WHERE (excluded.seqno_a, excluded.seen) >= (charge.seqno_a, charge.seen)",
                row,
            )
        if not done.rowcount:
            raise Rejected("tower.outdated", "something newer is kept of this channel", seqno_a=charge.version[0])

    def charges(self) -> Iterator[Charge]:
        """Everything that is kept."""
        with _translated(self.path):
            rows = self._database.execute("SELECT payload, signature FROM charge").fetchall()
        for row in rows:
            yield charge_of(Handed(*row))

    def handed(self, channel_id: bytes) -> Handed | None:
        """The newest deposit of a channel, as its user signed it."""
        with _translated(self.path):
            query = "SELECT payload, signature FROM charge WHERE channel = ?"
            row = self._database.execute(query, (channel_id,)).fetchone()
        return Handed(*row) if row else None

    def forget(self, channel_id: bytes) -> None:
        """The channel has paid out."""
        with _translated(self.path), self._database:
            self._database.execute("DELETE FROM charge WHERE channel = ?", (channel_id,))

    def put_rounds(self, vault: str, rounds: Iterable[wire.Round]) -> None:
        """Keep verified rounds of the venue of `vault`; the oldest of a market make room."""
        rows = [(vault, each.market, each.round, _encoder.encode(each)) for each in rounds]
        with _translated(self.path), self._database:
            self._database.executemany("INSERT OR IGNORE INTO round VALUES (?, ?, ?, ?)", rows)
            self._database.executemany(
                "DELETE FROM round WHERE vault = ? AND market = ? AND number <= "
                "(SELECT max(number) FROM round WHERE vault = ? AND market = ?) - ?",
                [(vault, market, vault, market, ROUNDS) for market in {row[1] for row in rows}],
            )

    def rounds(self, vault: str) -> list[wire.Round]:
        """The rounds kept of a venue."""
        with _translated(self.path):
            rows = self._database.execute("SELECT payload FROM round WHERE vault = ?", (vault,)).fetchall()
        return [_rounds.decode(payload) for (payload,) in rows]

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.OperationalError, OSError) as error:
        raise Unavailable("tower.disk", f"cannot use the tower's file: {error}", path=str(path)) from error
    except sqlite3.DatabaseError as error:
        raise Unavailable("tower.corrupt", f"the tower's file is damaged: {error}", path=str(path)) from error
