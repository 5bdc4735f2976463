"""The user's record: append-only, durable, and one half for ever under each seqno."""

import sqlite3

import pytest

from fairway.client.store import Evidence, Store
from fairway.errors import IllegalTransition, Unavailable
from fairway.exchange import event, wire

ID = bytes(range(16))
OTHER = bytes(16)
HASH = bytes(32)


def propose(seqno, sent=0, signature=b""):
    return wire.Propose(ID, seqno, sent, HASH, 1, signature)


def pushed(seqno, sent=0):
    return wire.Pushed(ID, seqno, sent, HASH, 1, bytes(64), [])


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "record.sqlite")
    yield store
    store.close()


def test_entries_come_back_as_they_were_in_their_order(store):
    entries = [
        wire.Open(ID, HASH, HASH, "0:00", b""),
        wire.Granted(ID, bytes(32), bytes(64)),
        event.Funded(at_ms=5, channel_id=ID, deposit_a=1 << 62, deposit_b=10, transaction=HASH),
        propose(2),
        wire.Round(1, 1, 2, 3, 4, -5, {0: bytes(64)}),
        pushed(2),
        wire.Refused(ID, 3, "order.margin", "no", 2),
    ]
    store.append(ID, *entries[:3])
    store.append(OTHER, wire.Granted(OTHER, bytes(32), bytes(64)))
    store.append(ID, *entries[3:])
    assert list(store.record(ID)) == entries
    assert store.channels() == [ID, OTHER]


@pytest.mark.parametrize("half", [propose, pushed])
def test_one_seqno_of_one_side_names_one_half_for_ever(store, half):
    store.append(ID, half(2))
    for second in (half(2, sent=1), half(2)):
        with pytest.raises(IllegalTransition, match=r"store\.equivocation"):
            store.append(ID, half(3), second)
    assert list(store.record(ID)) == [half(2)], "all or nothing"


def test_the_record_survives_its_process_without_a_close(tmp_path, store):
    store.append(ID, propose(2))
    reader = Store(store.path)
    assert list(reader.record(ID)) == [propose(2)]
    assert reader._database.execute("PRAGMA synchronous").fetchone() == (2,)
    assert reader._database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    reader.close()


def test_evidence_is_kept_beside_the_log(store):
    lie = Evidence("channel.sent", "the service altered what it sent", b"frame")
    store.keep_evidence(ID, lie)
    assert store.evidence(ID) == [lie]
    assert store.evidence(OTHER) == []
    assert list(store.record(ID)) == []


def test_a_backup_is_a_private_copy_that_opens_as_a_record(tmp_path, store):
    store.append(ID, propose(2))
    path = tmp_path / "copy.sqlite"
    store.export(path)
    assert path.stat().st_mode & 0o777 == store.path.stat().st_mode & 0o777 == 0o600
    copy = Store(path)
    assert list(copy.record(ID)) == [propose(2)]
    copy.close()
    with pytest.raises(Unavailable, match=r"store\.exists"):
        store.export(path)


def test_a_damaged_record_and_a_missing_disk_each_have_their_code(tmp_path):
    (tmp_path / "noise").write_bytes(b"not a database, and long enough to be read as one" * 40)
    with pytest.raises(Unavailable, match=r"store\.corrupt"):
        Store(tmp_path / "noise")
    with pytest.raises(Unavailable, match=r"store\.disk"):
        Store(tmp_path / "noise" / "below-a-file")
    store = Store(tmp_path / "good")
    store.append(ID, propose(2))
    store._database.execute("UPDATE entry SET payload = x'00'")
    with pytest.raises(Unavailable, match=r"store\.corrupt"):
        list(store.record(ID))
    store.close()


def test_planted_without_the_uniqueness_a_second_half_would_slip_in(tmp_path):
    store = Store(tmp_path / "weak")
    store._database.executescript(
        "DROP TABLE entry; CREATE TABLE entry (number INTEGER PRIMARY KEY, channel, side, seqno, payload)"
    )
    store.append(ID, propose(2))
    store.append(ID, propose(2, sent=1))
    assert len(list(store.record(ID))) == 2
    store.close()
    assert sqlite3.sqlite_version_info >= (3, 37), "STRICT tables"
