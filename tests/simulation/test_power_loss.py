"""Power fails at any instant of a journal's or a record's life: what was acknowledged is there, whole, byte for byte.

Our own code, on a disk that forgets (`tests/simulation/disk.py`). A life is written, killed at many instants,
each time with another remainder of what was not synced; one of the remainders is lived on from, so that recoveries are
interrupted too. `synchronous = NORMAL` and `OFF`, a disk that lies about its syncs and a journal that does without its
transaction are the planted bugs.
"""

from __future__ import annotations

import os
from contextlib import closing
from itertools import count
from pathlib import Path
from random import Random
from typing import NamedTuple

import apsw
import pytest

from fairway.client.store import Store
from fairway.errors import Unavailable
from fairway.exchange import wire
from fairway.exchange.entry import link
from fairway.service.archive import Checkpoint, Letter
from fairway.service.journal import Journal
from tests.simulation.disk import Disk, Medium, Spool

LOSSES = int(os.environ.get("FAIRWAY_POWER_LOSSES", "1000000" if os.environ.get("FAIRWAY_SIM") else "15000"))
SEED = int(os.environ.get("SEED", "1"))
CONTROL = 2_000
PER_LIFE = 150
TOPIC = b"topic or channel"
FULL = "PRAGMA synchronous = FULL"


class Database(apsw.Connection):
    """What we use of `sqlite3`, by a SQLite that takes our disk; a checkpoint every few pages."""

    synchronous = FULL

    def __init__(self, path, disk):
        super().__init__(str(path), vfs=disk.label)
        self.wal_autocheckpoint(12)
        super().execute("PRAGMA locking_mode = EXCLUSIVE")  # the disk has no memory that processes share

    def execute(self, sql, *bindings):
        return super().execute(self.synchronous if sql == FULL else sql, *bindings)

    def executescript(self, sql):
        super().execute(sql)


class Normal(Database):
    """The log is synced before a checkpoint only."""

    synchronous = "PRAGMA synchronous = NORMAL"


class Off(Database):
    """Nothing is synced."""

    synchronous = "PRAGMA synchronous = OFF"


class Service:
    """The service's journal."""

    @staticmethod
    def opened(folder, connected):
        return Journal.open(folder, connected)

    @staticmethod
    def drawn(journal, chance):
        seq = journal.newest.seq + 1
        payloads = [chance.randbytes(chance.choice((0, 9, 300, 5000))) for _ in range(chance.randint(1, 4))]
        frames = [chance.randbytes(chance.choice((5, 700))) for _ in range(chance.randint(0, 3))]
        return payloads, [Letter(TOPIC, 4 * seq + n, seq, frame) for n, frame in enumerate(frames)]

    @staticmethod
    def append(journal, batch, chance):
        journal.append(*batch)
        if chance.random() < 0.2:
            journal.add_checkpoint(Checkpoint(journal.newest.seq, b"d" * 32, b"b" * 32))

    @staticmethod
    def found(journal):
        return [entry.payload for entry in journal.entries()], journal.letters_after(TOPIC, -1, 1 << 40)


class Hasty(Service):
    """The planted bug: a batch in as many transactions as it has rows."""

    @staticmethod
    def append(journal, batch, chance):
        entries = link(journal.newest.hash, journal.newest.seq + 1, batch[0])
        journal._database.executemany("INSERT INTO entries VALUES (?, ?, ?)", entries)
        journal._database.executemany("INSERT INTO outbox VALUES (?, ?, ?, ?)", batch[1])
        journal.newest = entries[-1]


class User:
    """A user's record."""

    @staticmethod
    def opened(folder, connected):
        return Store(folder / "record.sqlite", connected)

    @staticmethod
    def drawn(store, chance):
        seqno = len(list(store.record(TOPIC)))
        return (
            [
                wire.Propose(TOPIC, seqno + n, 0, bytes(32), 1, chance.randbytes(chance.choice((0, 64, 5000))))
                for n in range(chance.randint(1, 3))
            ],
        )

    @staticmethod
    def append(store, batch, chance):
        store.append(TOPIC, *batch[0])

    @staticmethod
    def found(store):
        return (list(store.record(TOPIC)),)


class Slot(NamedTuple):
    """A machine: its disk, the folder of what is kept, who keeps what, how the database is opened."""

    disk: Disk
    folder: Path
    keeper: type[Service | User] = Service
    database: type[Database] = Database
    is_honest: bool = True

    def opened(self):
        made = []

        def connected(path):
            made.append(self.database(path, self.disk))
            return made[0]

        try:
            return self.keeper.opened(self.folder, connected)
        except Exception:
            for database in made:
                database.close()
            raise


class Toll:
    """How often power failed, and what was wrong afterwards."""

    def __init__(self):
        self.losses = self.lost = self.corrupt = self.recovered = 0
        self.first = ""

    def __repr__(self):
        return f"{self.losses} losses of power: {self.lost} lost, {self.corrupt} corrupt; first: {self.first or 'none'}"


NAMES = (f"forgetful {number}" for number in count())


@pytest.fixture
def disk(monkeypatch):
    monkeypatch.setattr("fairway.service.journal.sync_folder", lambda folder: None)  # the real folder has no part in it
    made = Disk(next(NAMES))
    yield made
    made.unregister()


def read(slot):
    """All that is kept, table by table; raises where it is damaged."""
    with closing(slot.opened()) as kept:
        (sound,) = kept._database.execute("PRAGMA integrity_check").fetchone()
        assert sound == "ok", sound
        return slot.keeper.found(kept)


def live(slot, chance, history):
    """A session or two on top of `history`; returns the acknowledgements: (steps on disk, batches)."""
    told = []
    for _ in range(chance.randint(1, 2)):
        kept = slot.opened()
        for _ in range(chance.randint(1, 8)):
            history.append(slot.keeper.drawn(kept, chance))
            slot.keeper.append(kept, history[-1], chance)
            told.append((len(slot.disk.medium.tape), len(history)))
        if chance.random() < 0.5:
            kept.close()
        else:
            slot.disk.die(kept.close)
    return told


def batches_of(found, history):
    """How many batches of the history were found; None if that is not a beginning of it, whole batches only."""
    tables = tuple([] for _ in found)
    for number, batch in enumerate([tables, *history]):
        for table, rows in zip(tables, batch, strict=True):
            table.extend(rows)
        if tables == found:
            return number
    return None


def one_life(slot, chance, history, toll):
    """A life from the disk as it is, killed `PER_LIFE` times; the image to live on from, and what it holds."""
    before = len(history)
    image = slot.disk.medium.image
    told = [(0, before), *live(slot, chance, history)]
    tape, spool = slot.disk.medium.tape, Spool(slot.disk.medium, is_honest=slot.is_honest)
    instants = sorted(chance.choice((chance.randint(0, len(tape)), chance.choice(told)[0])) for _ in range(PER_LIFE))
    chosen, rest = (image, before), chance.randrange(PER_LIFE)
    for number, instant in enumerate(instants):
        spool.play(instant)
        left = spool.power_lost(chance)
        acknowledged = max(batches for step, batches in told if step <= instant)
        slot.disk.medium = Medium(left)
        toll.losses += 1
        try:
            kept = batches_of(read(slot), history)
        except (Unavailable, apsw.Error, ValueError, AssertionError) as error:
            kept = None
            toll.first = toll.first or f"corrupt: {error}"
        if kept is None:
            toll.corrupt += 1
            toll.first = toll.first or "corrupt: no beginning of what was written"
        elif kept < acknowledged:
            toll.lost += 1
            toll.first = toll.first or f"{acknowledged - kept} batches lost"
        else:
            toll.recovered += kept > acknowledged
            if number == rest:
                chosen = (left, kept)
    return chosen


def toll_of(slot, losses, seed):
    """Lives of a machine until power has failed `losses` times."""
    toll, generation = Toll(), 0
    while toll.losses < losses:
        chance = Random(f"{seed} {generation}")
        if generation % 8 == 0:
            slot.disk.medium = Medium({})
            history = []
        image, kept = one_life(slot, chance, history, toll)
        slot.disk.medium = Medium(image)
        del history[kept:]
        generation += 1
    return toll


def test_no_loss_of_power_takes_an_acknowledged_batch_or_leaves_half_of_one(disk, tmp_path):
    toll = toll_of(Slot(disk, tmp_path), LOSSES, SEED)
    assert (toll.lost, toll.corrupt) == (0, 0), f"{toll} (SEED={SEED})"
    assert toll.recovered > toll.losses // 100, "power never failed between the sync and the word"


def test_no_loss_of_power_takes_what_a_user_has_written_before_he_signed(disk, tmp_path):
    toll = toll_of(Slot(disk, tmp_path, keeper=User), LOSSES // 4, SEED)
    assert (toll.lost, toll.corrupt) == (0, 0), f"{toll} (SEED={SEED})"
    assert toll.recovered > toll.losses // 100, "power never failed between the sync and the word"
    assert toll_of(Slot(disk, tmp_path, keeper=User, database=Normal), CONTROL // 4, SEED).lost > CONTROL // 16


def test_a_log_that_is_synced_at_checkpoints_only_loses_what_was_acknowledged(disk, tmp_path):
    toll = toll_of(Slot(disk, tmp_path, database=Normal), CONTROL, SEED)
    assert toll.lost > CONTROL // 4, toll
    assert toll.corrupt == 0, toll


def test_a_journal_that_is_never_synced_is_lost_and_damaged(disk, tmp_path):
    toll = toll_of(Slot(disk, tmp_path, database=Off), CONTROL, SEED)
    assert toll.lost > CONTROL // 4, toll
    assert toll.corrupt > CONTROL // 100, toll


def test_a_disk_that_lies_about_its_syncs_is_caught(disk, tmp_path):
    toll = toll_of(Slot(disk, tmp_path, is_honest=False), CONTROL, SEED)
    assert toll.lost > CONTROL // 4, toll


def test_a_batch_in_several_transactions_is_caught(disk, tmp_path):
    toll = toll_of(Slot(disk, tmp_path, keeper=Hasty), CONTROL, SEED)
    assert toll.lost == 0, toll
    assert toll.corrupt > CONTROL // 100, toll
