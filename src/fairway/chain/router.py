"""A small TON of one shard: accounts, logical time, a queue of internal messages, a clock. Synchronous, deterministic.

All of it lives in one SQLite database, so a chain on disk survives its process and a snapshot is a copy of the bytes.
One call is one database transaction: it happens with everything it causes, or not at all.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import msgspec
from pytoniq_core import Cell

from fairway.chain.getter import run_getter
from fairway.chain.interface import Account, StackValue, Transaction
from fairway.chain.network import Network, read_network
from fairway.chain.records import bounced, read_account, read_destination, read_transaction
from fairway.chain.tvm import TonpyTvm, Tvm
from fairway.errors import InvalidMessage, Rejected, Unavailable
from fairway.ton.messages import internal_message
from fairway.units import MILLION

GENESIS = 1_700_000_000
FAUCET = "0:" + "00" * 32

_LT_STEP = 1_000_000  # wider than any number of messages one transaction can send
_PRAGMAS = "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = FULL;"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS clock (lt INTEGER NOT NULL, offset_s INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS accounts (address TEXT PRIMARY KEY, state BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS queue (
    due INTEGER, lt INTEGER, source TEXT, destination TEXT, message BLOB, PRIMARY KEY (due, lt)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS transactions (
    address TEXT, lt INTEGER, record BLOB NOT NULL, PRIMARY KEY (address, lt)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Weather:
    """What the network does to messages: loses external ones; delays, reorders and bounces internal ones.

    Delays and shuffling reorder messages of different pairs of accounts; those of one pair arrive in order, as on the
    real network. A bounce comes from the network itself, as from an account that cannot take the message. A seed
    repeats any failure.
    """

    seed: int = 0
    lost_ppm: int = 0
    delay_s: int = 0
    bounced_ppm: int = 0
    shuffled: bool = False

    def is_lost(self, message: bytes) -> bool:
        """Whether this external message never arrives."""
        return self._draw(message) % MILLION < self.lost_ppm

    def delay(self, message: bytes) -> int:
        """How long this internal message is under way."""
        return self._draw(message) % (self.delay_s + 1)

    def is_bounced(self, message: bytes) -> bool:
        """Whether this internal message is sent back, if it may be."""
        return self._draw(b"bounce" + message) % MILLION < self.bounced_ppm

    def turn(self, message: bytes) -> int:
        """Where this internal message stands among those of other pairs that are due with it."""
        return self._draw(b"turn" + message) if self.shuffled else 0

    def _draw(self, message: bytes) -> int:
        return int.from_bytes(sha256(self.seed.to_bytes(8) + message).digest()[:8])


class Router:
    """The chain itself. `clock` gives seconds; `advance` moves what the contracts see ahead of it.

    Raises `Unavailable` with `chain.database` if the file at `path` is damaged or in use by another process.
    """

    def __init__(
        self,
        path: Path | None = None,
        clock: Callable[[], float] = lambda: GENESIS,
        weather: Weather | None = None,
        tvm: Tvm | None = None,
    ) -> None:
        self._database = _database(path)
        self._clock = clock
        self._tvm = tvm or TonpyTvm()
        self.weather = weather or Weather()

    @property
    def network(self) -> Network:
        """The network whose configuration the machine runs under."""
        return read_network(self._tvm.config)

    @property
    def now(self) -> int:
        """The time the next transaction sees."""
        (offset_s,) = self._database.execute("SELECT offset_s FROM clock").fetchone()
        return int(self._clock()) + int(offset_s)

    def begin(self, at: int) -> None:
        """Have a chain on which nothing has happened yet begin at the Unix time `at`; another one just goes on."""
        with self._database:
            self._database.execute("UPDATE clock SET offset_s = ? WHERE lt = 0", (at - int(self._clock()),))

    def advance(self, seconds: int) -> tuple[Transaction, ...]:
        """Move the clock forward and deliver what falls due."""
        if seconds < 0:
            raise Rejected("chain.clock", "time does not run backwards", seconds=seconds)
        with self._database:
            self._database.execute("UPDATE clock SET offset_s = offset_s + ?", (seconds,))
            return self._drain()

    def submit(self, message: bytes) -> tuple[Transaction, ...]:
        """Deliver an external message and what follows from it, in order; `Rejected` as `Chain.send_external`."""
        external, address = read_destination(message)
        if not external:
            raise InvalidMessage("chain.message", "only contracts send internal messages")
        if self.weather.is_lost(message):
            return ()
        with self._database:
            return (self._transact(address, message), *self._drain())

    def inject(
        self,
        source: str,
        destination: str,
        nano: int,
        body: Cell | None = None,
        *,
        bounce: bool = True,
        init: Cell | None = None,
        extra: Mapping[int, int] | None = None,
    ) -> tuple[Transaction, ...]:
        """Deliver an internal message that nobody sent: the faucet's way, and a test's to stand in a sender's shoes."""
        with self._database:
            message = internal_message(
                source, destination, nano, body, bounce=bounce, init=init, at=self.now, extra=extra
            )
            return (self._transact(destination, message.to_boc()), *self._drain())

    def deliver(self) -> tuple[Transaction, ...]:
        """Deliver what has fallen due since."""
        with self._database:
            return self._drain()

    def account(self, address: str) -> Account:
        """The newest state of an account."""
        return read_account(address, self._state(address))

    def get(self, address: str, method: str, arguments: Sequence[StackValue] = ()) -> tuple[StackValue, ...]:
        """See `Chain.run_get`."""
        return run_getter(self._tvm, self.account(address), self.now, method, arguments)

    def transactions(self, address: str, after_lt: int = 0, limit: int = 100) -> tuple[Transaction, ...]:
        """See `Chain.transactions`."""
        rows = self._database.execute(
            "SELECT record FROM transactions WHERE address = ? AND lt > ? ORDER BY lt LIMIT ?",
            (address, after_lt, limit),
        )
        return tuple(msgspec.msgpack.decode(record, type=Transaction) for (record,) in rows)

    def snapshot(self) -> bytes:
        """All of the chain as bytes."""
        return self._database.serialize()

    def restore(self, snapshot: bytes) -> None:
        """Be again what `snapshot` was: a reorganisation, seen from outside."""
        source = sqlite3.connect(":memory:")
        source.deserialize(snapshot)
        source.backup(self._database)
        source.close()

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def _drain(self) -> tuple[Transaction, ...]:
        done: list[Transaction] = []
        while (arriving := self._next_due()) is not None:
            done.append(self._transact(*arriving))
        return tuple(done)

    def _next_due(self) -> tuple[str, bytes] | None:
        """Take the next message off the queue: where it goes, and what arrives there."""
        heads = (
            "SELECT due, lt, source, destination, message FROM queue AS this WHERE due <= ? AND NOT EXISTS ("
            "SELECT 1 FROM queue AS other WHERE other.source = this.source AND other.destination = this.destination "
            "AND (other.due, other.lt) < (this.due, this.lt)) ORDER BY due, lt"
        )
        first = "SELECT due, lt, source, destination, message FROM queue WHERE due <= ? ORDER BY due, lt LIMIT 1"
        rows = self._database.execute(heads if self.weather.shuffled else first, (self.now,)).fetchall()
        if not rows:
            return None
        due, lt, source, destination, message = min(rows, key=lambda row: self.weather.turn(row[-1]))
        self._database.execute("DELETE FROM queue WHERE due = ? AND lt = ?", (due, lt))
        returned = bounced(message) if self.weather.is_bounced(message) else None
        return (destination, message) if returned is None else (source, returned)

    def _transact(self, address: str, message: bytes) -> Transaction:
        (lt,) = self._database.execute("UPDATE clock SET lt = lt + ? RETURNING lt", (_LT_STEP,)).fetchone()
        outcome = self._tvm.transact(self._state(address), message, self.now, lt)
        record, outgoing = read_transaction(address, outcome.transaction)
        self._database.execute("REPLACE INTO accounts VALUES (?, ?)", (address, outcome.account))
        self._database.execute(
            "INSERT INTO transactions VALUES (?, ?, ?)", (address, record.lt, msgspec.msgpack.encode(record))
        )
        for index, sent in enumerate(outgoing, 1):
            self._queue(lt + index, address, sent)
        return record

    def _queue(self, lt: int, source: str, message: bytes) -> None:
        _, destination = read_destination(message)
        pair = "SELECT max(due) FROM queue WHERE source = ? AND destination = ?"
        (behind,) = self._database.execute(pair, (source, destination)).fetchone()
        due = max(behind or 0, self.now + self.weather.delay(message))
        self._database.execute("INSERT INTO queue VALUES (?, ?, ?, ?, ?)", (due, lt, source, destination, message))

    def _state(self, address: str) -> bytes | None:
        row = self._database.execute("SELECT state FROM accounts WHERE address = ?", (address,)).fetchone()
        return row and bytes(row[0])


def _database(path: Path | None) -> sqlite3.Connection:
    try:
        database = sqlite3.connect(path or ":memory:", timeout=0, check_same_thread=False)
        database.executescript(_PRAGMAS + _SCHEMA)
        with database:
            database.execute("INSERT INTO clock SELECT 0, 0 WHERE NOT EXISTS (SELECT 1 FROM clock)")
    except sqlite3.Error as error:
        raise Unavailable(
            "chain.database", "the chain's file cannot be used", path=str(path), reason=str(error)
        ) from error
    return database
