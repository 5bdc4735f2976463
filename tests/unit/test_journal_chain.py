"""The journal: what was acknowledged is there, byte for byte, and every altered byte is found and named."""

import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from itertools import islice

import pytest

from fairway.errors import Unavailable
from fairway.exchange.entry import GENESIS, Entry, check_chain, entry_hash, link
from fairway.service import archive
from fairway.service.archive import Checkpoint
from fairway.service.journal import Journal, Letter

PAYLOADS = [b"event %d" % n * (n % 7) for n in range(50)]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "venue"


@pytest.fixture
def sealed(folder):
    journal = Journal.open(folder)
    for n in range(0, 50, 10):
        journal.append(PAYLOADS[n : n + 10])
    journal.seal()
    return folder


def payloads(entries):
    return [entry.payload for entry in entries]


def refusal(call, *arguments):
    with pytest.raises(Unavailable) as caught:
        call(*arguments)
    return caught.value


@contextmanager
def written(path):
    """The database at `path` behind the service's back, all of it in the one file afterwards."""
    with closing(sqlite3.connect(path)) as database:
        with database:
            yield database
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def write_and_die(folder, payload):
    """One acknowledged entry of a process that then dies without closing anything."""
    script = """
import os, sys
from pathlib import Path
from fairway.service.journal import Journal
journal = Journal.open(Path(sys.argv[1]))
journal.append([sys.argv[2].encode()])
os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", script, str(folder), payload.decode()], check=False).returncode == 9


def test_an_entry_hash_commits_to_the_previous_hash_the_number_and_the_payload():
    base = entry_hash(GENESIS, 0, b"payload")
    assert (
        len({base, entry_hash(base, 0, b"payload"), entry_hash(GENESIS, 1, b"payload"), entry_hash(GENESIS, 0, b"")})
        == 4
    )


@pytest.mark.parametrize(
    "tamper",
    [
        lambda e: [*e[:20], e[20]._replace(payload=b"another"), *e[21:]],
        lambda e: [*e[:20], e[20]._replace(hash=bytes(32)), *e[21:]],
        lambda e: e[:20] + e[21:],
        lambda e: [*e[:20], e[21], e[20], *e[22:]],
        lambda e: (
            e[:20] + [Entry(20, *link(e[19].hash, 20, [b"x"])[0][1:])] + [Entry(n + 1, h, p) for n, h, p in e[20:]]
        ),
    ],
    ids=["payload", "hash", "missing", "swapped", "inserted"],
)
def test_the_first_wrong_entry_of_a_chain_is_named(tamper):
    entries = tamper(link(GENESIS, 0, PAYLOADS))
    error = refusal(list, check_chain(entries))
    assert (error.code, error.facts["seq"]) in {("journal.corrupt", 20), ("journal.corrupt", 21)}


def test_what_was_appended_is_read_back_in_order_across_restarts(folder):
    journal = Journal.open(folder)
    assert journal.append(PAYLOADS[:30]) == 29
    journal.close()
    journal = Journal.open(folder)
    assert journal.append(PAYLOADS[30:]) == 49
    assert payloads(journal.entries()) == PAYLOADS
    journal.seal()
    assert payloads(archive.entries(folder)) == PAYLOADS


def test_an_unsealed_journal_is_read_without_being_written_to(folder):
    write_and_die(folder, b"left in the write-ahead log")
    before = (folder / archive.JOURNAL).read_bytes()
    assert payloads(archive.entries(folder)) == [b"left in the write-ahead log"]
    assert (folder / archive.JOURNAL).read_bytes() == before
    assert archive.verify(folder) is None


def test_the_journal_is_for_its_owner_only(folder):
    journal = Journal.open(folder)
    journal.append(PAYLOADS)
    files = list(folder.iterdir())
    assert {path.name for path in files} >= {"journal.sqlite", "journal.sqlite-wal"}
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in files)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_every_commit_reaches_the_disk_before_it_is_acknowledged(folder):
    journal = Journal.open(folder)
    assert journal._database.execute("PRAGMA synchronous").fetchone() == (2,)
    assert journal._database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_second_service_on_the_same_journal_is_refused(folder):
    first = Journal.open(folder)
    assert refusal(Journal.open, folder).code == "journal.locked"
    first.append(PAYLOADS)


def test_a_full_disk_is_said_so_and_loses_no_acknowledged_entry(folder):
    journal = Journal.open(folder)
    journal.append(PAYLOADS)
    pages = journal._database.execute("PRAGMA page_count").fetchone()[0]
    journal._database.execute(f"PRAGMA max_page_count = {pages + 2}")
    assert refusal(journal.append, [b"x" * 100_000], [Letter(b"c", 1, 50, b"f")]).code == "journal.full"
    assert journal.newest.seq == 49
    assert journal.letters_after(b"c", 0, 10) == []
    journal.close()
    assert payloads(Journal.open(folder).entries()) == PAYLOADS


def test_a_file_size_limit_stops_the_journal_without_loss(folder):
    script = """
import resource, signal, sys
from pathlib import Path
from fairway.errors import Unavailable
from fairway.service.journal import Journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
journal = Journal.open(Path(sys.argv[1]))
while True:
    try:
        acknowledged = journal.append([b"entry" * 200] * 10)
    except Unavailable as error:
        print(acknowledged, error.code)
        break
"""
    ran = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=True)
    acknowledged, code = ran.stdout.split()
    assert code in {"journal.disk", "journal.full"}
    assert len(list(Journal.open(folder).entries())) >= int(acknowledged) + 1 > 0


def test_a_batch_is_stored_whole_or_not_at_all(folder):
    journal = Journal.open(folder)
    journal.append(PAYLOADS[:10])
    refusal(journal.append, [b"good"], [Letter(b"c", 1, 10, None)])
    assert journal.append(PAYLOADS[10:]) == 49
    assert payloads(journal.entries()) == PAYLOADS


def test_no_journal_is_not_an_empty_journal(folder):
    assert refusal(list, archive.entries(folder)).code == "journal.missing"


def test_a_file_that_is_no_journal_is_refused(folder):
    folder.mkdir()
    (folder / archive.JOURNAL).write_bytes(b"not a database" * 1000)
    assert refusal(Journal.open, folder).code == "journal.corrupt"


def test_an_altered_entry_is_named_by_its_number(sealed):
    (sealed / archive.MANIFEST).unlink()
    with written(sealed / archive.JOURNAL) as database:
        database.execute("UPDATE entries SET payload = x'00' WHERE seq = 33")
    error = refusal(archive.verify, sealed)
    assert (error.code, error.facts["seq"]) == ("journal.corrupt", 33)


def test_every_flipped_byte_of_a_sealed_journal_is_found_with_its_page(sealed):
    path = sealed / archive.JOURNAL
    with written(path) as database:  # leave free pages behind, where no entry would miss a byte
        database.execute("PRAGMA secure_delete = OFF")
        database.execute("CREATE TABLE scratch AS SELECT zeroblob(9000)")
        database.execute("DROP TABLE scratch")
    archive.write_manifest(sealed, list(archive.entries(sealed))[-1])
    assert archive.verify(sealed).entries == 50
    content = path.read_bytes()
    for offset in range(0, len(content), 1009):
        path.write_bytes(content[:offset] + bytes((content[offset] ^ 1,)) + content[offset + 1 :])
        error = refusal(archive.verify, sealed)
        assert (error.code, error.facts["page"]) == ("journal.page", offset // archive.PAGE_SIZE)


def test_every_flipped_byte_of_the_seal_is_found(sealed):
    path = sealed / archive.MANIFEST
    content = path.read_bytes()
    for offset in range(len(content)):
        path.write_bytes(content[:offset] + bytes((content[offset] ^ 1,)) + content[offset + 1 :])
        assert refusal(archive.verify, sealed).code == "journal.manifest"


def test_entries_cut_off_a_sealed_journal_are_missed(sealed):
    with written(sealed / archive.JOURNAL) as database:
        database.execute("DELETE FROM entries WHERE seq = 49")
    assert refusal(archive.verify, sealed).code == "journal.page"
    manifest = archive.read_manifest(sealed)
    archive.write_manifest(sealed, Entry(48, bytes(32), b""))
    assert manifest.entries == 50
    assert refusal(archive.verify, sealed).code == "journal.manifest"


def test_a_damaged_sealed_journal_is_not_opened_for_writing(sealed):
    path = sealed / archive.JOURNAL
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)
    assert refusal(Journal.open, sealed).code == "journal.page"
    assert (sealed / archive.MANIFEST).exists()


def test_opening_takes_the_seal_off_and_sealing_leaves_one_file(sealed):
    journal = Journal.open(sealed)
    assert not (sealed / archive.MANIFEST).exists()
    journal.append([b"one more"])
    journal.seal()
    assert sorted(path.name for path in sealed.iterdir()) == ["journal.sqlite", "manifest.json"]
    assert archive.verify(sealed).entries == 51


def test_checkpoints_are_kept_by_entry(folder):
    journal = Journal.open(folder)
    journal.append(PAYLOADS)
    journal.add_checkpoint(Checkpoint(9, b"d" * 32, b"b" * 32))
    assert journal.checkpoints() == {9: Checkpoint(9, b"d" * 32, b"b" * 32)}
    journal.seal()
    assert archive.checkpoints(folder) == [Checkpoint(9, b"d" * 32, b"b" * 32)]


def test_letters_of_a_topic_come_back_in_order_and_bounded(folder):
    journal = Journal.open(folder)
    letters = [Letter(b"ch", n, 10 * n, b"f%d" % n) for n in (3, 1, 2, 4)]
    journal.append([b"e"], [*letters, Letter(b"other", 9, 1, b"x")])
    assert [letter.frame for letter in journal.letters_after(b"ch", 1, 2)] == [b"f2", b"f3"]
    assert journal.letter_at(b"ch", 99) == Letter(b"ch", 4, 40, b"f4")
    assert journal.letter_at(b"ch", 0) is None


def test_reading_is_lazy_so_a_long_journal_needs_no_memory(folder):
    journal = Journal.open(folder)
    journal.append(PAYLOADS)
    assert payloads(islice(journal.entries(), 3)) == PAYLOADS[:3]
