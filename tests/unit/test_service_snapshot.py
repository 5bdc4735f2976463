"""A start from a snapshot: it ends where a replay ends, and uses nothing that is not exactly what it should be."""

from __future__ import annotations

import hashlib
import random
import stat
from types import FunctionType

import msgspec
import pytest
from tests.simulation.test_exchange_flow import wander
from tests.simulation.test_snapshot_histories import replayed
from tests.simulation.world import World

from fairway.errors import Unavailable
from fairway.exchange.engine import Engine
from fairway.exchange.entry import link
from fairway.service import image, snapshot
from fairway.service.archive import Checkpoint
from fairway.service.follower import Entries, Follower, Mark, Strayed, Written
from fairway.service.journal import Journal
from fairway.service.run import Sequencer
from fairway.service.state import State
from fairway.units import TON


def history(seed=5, steps=60):
    world = World(seed)
    for name in range(4):
        world.join(f"trader {name}", 300 * TON)
    wander(world, steps)
    return world.journal


HISTORY = history()
PLACES = 30, 50
"""The entries at which there are checkpoints and snapshots."""


def checkpoint_of(state, seq):
    return Checkpoint(seq, state.engine.digest(), state.engine.book_digest())


def kept(folder, payloads=HISTORY, places=PLACES):
    """A journal in `folder`, and snapshots at `places`."""
    journal = Journal.open(folder)
    journal.append(payloads)
    for seq in places:
        state = replayed(payloads[: seq + 1])
        journal.add_checkpoint(checkpoint_of(state, seq))
        snapshot.keep(folder, state, journal.hash_at(seq), checkpoint_of(state, seq))
    return journal


class Learner:
    """A performer that only learns."""

    def __init__(self, state):
        self.recall = state.recall


def started(folder, journal):
    """What a start in `folder` finds, with the tail replayed."""
    found = snapshot.find(folder, journal)
    sequencer = Sequencer(found.state.engine, journal, Learner(found.state), lambda: 0)
    return found, sequencer.replay(found.seq)


def check_start(folder, journal, since, *codes):
    """A start goes on from entry `since`, says why not from another, and ends where a whole replay does."""
    found, gone = started(folder, journal)
    assert (found.seq, gone.since) == (since, since)
    assert [line.rpartition("[")[2].strip("]") for line in found.refused] == list(codes)
    payloads = journal.page(-1, 1 << 30)
    assert found.state.engine.digest() == replayed(payloads).engine.digest()
    assert gone.entries == len(payloads)


def altered(path, **changes):
    """The snapshot in `path` with some fields changed, under its right hash."""
    changed = msgspec.structs.replace(snapshot.load(path), **changes)
    content = snapshot.MAGIC + msgspec.msgpack.encode(changed)
    path.write_bytes(content + hashlib.sha256(content).digest())


@pytest.fixture
def journal(tmp_path):
    journal = kept(tmp_path)
    yield journal
    journal.close()


def newest(folder):
    return snapshot.path_of(folder, PLACES[-1])


def test_a_start_goes_on_from_the_newest_snapshot_and_ends_where_a_replay_does(tmp_path, journal):
    check_start(tmp_path, journal, 50)


def test_without_a_snapshot_everything_is_replayed(tmp_path):
    journal = kept(tmp_path, places=())
    check_start(tmp_path, journal, -1)
    journal.close()


def test_only_the_newest_two_are_kept_and_nobody_else_reads_them(tmp_path):
    journal = kept(tmp_path, places=(10, 20, 30, 40))
    assert sorted(path.name for path in tmp_path.glob("*snapshot*")) == [f"snapshot-{seq:015}" for seq in (30, 40)]
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("snapshot-*")} == {0o600}
    newest = snapshot.path_of(tmp_path, 40)
    newest.chmod(0o644)
    check_start(tmp_path, journal, 30, "files.mode")
    journal.close()


def test_a_byte_that_flips_anywhere_is_noticed_and_the_one_before_is_used(tmp_path, journal):
    content, chance = newest(tmp_path).read_bytes(), random.Random(1)
    for place in [0, 25, len(content) - 1, *(chance.randrange(len(content)) for _ in range(60))]:
        newest(tmp_path).write_bytes(content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :])
        with pytest.raises(Unavailable, match=r"snapshot\.damaged"):
            snapshot.load(newest(tmp_path))
    check_start(tmp_path, journal, 30, "snapshot.damaged")


def test_a_file_that_is_cut_short_is_noticed(tmp_path, journal):
    content = newest(tmp_path).read_bytes()
    for length in [0, 1, 19, 40, len(content) // 2, len(content) - 1]:
        newest(tmp_path).write_bytes(content[:length])
        with pytest.raises(Unavailable, match=r"snapshot\.damaged"):
            snapshot.load(newest(tmp_path))
    check_start(tmp_path, journal, 30, "snapshot.damaged")


def test_where_none_is_good_everything_is_replayed(tmp_path, journal):
    for path in tmp_path.glob("snapshot-*"):
        path.write_bytes(b"junk")
    check_start(tmp_path, journal, -1, "snapshot.damaged", "snapshot.damaged")


def test_a_snapshot_of_another_venue_is_refused(tmp_path, journal):
    other = tmp_path / "other"
    kept(other, history(6)).close()
    newest(tmp_path).write_bytes(newest(other).read_bytes())
    check_start(tmp_path, journal, 30, "snapshot.foreign")


def test_a_snapshot_ahead_of_the_journal_is_refused(tmp_path, journal):
    old = tmp_path / "old"
    journal = kept(old, HISTORY[:40], places=(30,))
    newest(old).write_bytes(newest(tmp_path).read_bytes())
    newest(old).chmod(0o600)
    check_start(old, journal, 30, "snapshot.ahead")
    journal.close()


def test_a_snapshot_of_other_code_is_refused(tmp_path, journal, monkeypatch):
    monkeypatch.setattr(snapshot, "build", lambda: bytes(32))
    check_start(tmp_path, journal, -1, "snapshot.build", "snapshot.build")


def test_a_changed_source_is_other_code(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "rule.py").write_text("a = 1\n")
    before = snapshot._sources(tmp_path, "")
    (tmp_path / "inner" / "rule.py").write_text("a = 2\n")
    assert [name for name, _ in before] == ["inner/rule.py"]
    assert snapshot._sources(tmp_path, "") != before


@pytest.mark.parametrize("fields", [{"digest": bytes(32)}, {"book_digest": bytes(32)}, {"seq": 51}])
def test_a_snapshot_that_says_other_than_the_journal_is_refused(tmp_path, journal, fields):
    altered(newest(tmp_path), **fields)
    check_start(tmp_path, journal, 30, "snapshot.foreign" if "seq" in fields else "snapshot.checkpoint")


def test_a_snapshot_without_its_checkpoint_is_refused(tmp_path, journal):
    journal._database.execute("DELETE FROM checkpoints WHERE seq = 50")
    check_start(tmp_path, journal, 30, "snapshot.checkpoint")


def richer(state):
    next(iter(state.engine.accounts.values())).deposit += TON


def unheld(state):
    state.engine.venue.holders[1].clear()
    state.engine.venue.holders[2].clear()


def ahead(state):
    state.engine.applied += 1


def forgetful(state):
    del state.engine.venue.accounts


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (richer, "snapshot.digest"),
        (unheld, "snapshot.state"),
        (ahead, "snapshot.state"),
        (forgetful, "snapshot.state"),
    ],
)
def test_a_state_that_is_not_what_it_should_be_is_refused_under_any_hash(tmp_path, journal, wrong, code):
    """The planted bugs: the file is as it was written, and what was written is wrong."""
    state = replayed(HISTORY[:51])
    written = image.write(state)
    honest = image.read(written)
    wrong(honest)
    if wrong is forgetful:
        altered(newest(tmp_path), image=image.write([1]))
    else:
        altered(newest(tmp_path), image=image.write(honest))
    check_start(tmp_path, journal, 30, code)


def test_a_digest_that_a_replay_of_the_tail_does_not_reach_ends_the_start(tmp_path, journal):
    journal.add_checkpoint(Checkpoint(55, bytes(32), bytes(32)))
    with pytest.raises(Unavailable, match=r"journal\.replay"):
        started(tmp_path, journal)


def test_the_chain_is_checked_from_the_first_entry_whatever_the_start_goes_on_from(tmp_path, journal):
    journal._database.execute("UPDATE entries SET payload = x'00' WHERE seq = 7")
    with pytest.raises(Unavailable) as caught:
        started(tmp_path, journal)
    assert (caught.value.code, caught.value.facts["seq"]) == ("journal.corrupt", 7)


# Images


@pytest.mark.parametrize("thing", [len, FunctionType, object(), 1.5, {1.5}, lambda: 0, {Engine(): 1}, iter(())])
def test_no_image_holds_code_or_what_it_does_not_know(thing):
    with pytest.raises(TypeError):
        image.write([thing])


@pytest.mark.parametrize(
    "name",
    [
        "os:system",
        "subprocess:Popen",
        "fairway.service.image:sys",
        "fairway.service.image:write",
        "fairway.service.files:os.system",
        "fairway.nowhere:Thing",
        "fairway.service.image:_Reader.root",
        "builtins:eval",
        "function",
        "",
    ],
)
def test_an_image_that_names_anything_but_a_class_of_the_state_is_refused(name):
    forged = msgspec.msgpack.encode(([(name, [], 1)], [msgspec.msgpack.encode(("plain", [])) for _ in range(3)], 0))
    with pytest.raises(Unavailable, match=r"image\.form"):
        image.read(forged)


def test_an_image_with_anything_changed_raises_and_does_nothing_else():
    written, chance = image.write(replayed(HISTORY[:20])), random.Random(2)
    for _ in range(300):
        place = chance.randrange(len(written))
        bad = written[:place] + bytes([chance.randrange(256)]) + written[place + 1 :]
        try:
            image.read(bad)
        except Unavailable as error:
            assert error.code == "image.form"  # noqa: PT017 - most bytes are a number or a hash, and read as another


@pytest.mark.parametrize("number", [0, -1, 2**63, 2**64, -(2**63) - 1, 2**255, -(2**300), True, None])
def test_numbers_of_any_size_come_back(number):
    assert image.read(image.write([number, (number,), {number: [number]}])) == [number, (number,), {number: [number]}]
    assert type(image.read(image.write([number]))[0]) is type(number)


# The follower


def marked(state, seq, head, *, keeps=True, errands=()):
    return Mark(head, state.engine.digest(), state.engine.book_digest(), list(errands), keeps)


def test_a_follower_writes_what_a_replay_gives_and_the_next_goes_on_from_there(tmp_path):
    entries = link(Journal.open(tmp_path).newest.hash, 0, HISTORY)
    follower = Follower(tmp_path)
    assert follower.hear(Entries(HISTORY[:31])) is None
    assert follower.hear(marked(replayed(HISTORY[:31]), 30, entries[30].hash, keeps=False)) is None
    news = follower.hear(marked(replayed(HISTORY[:31]), 30, entries[30].hash))
    assert isinstance(news, Written)
    assert (news.seq, news.size) == (30, snapshot.path_of(tmp_path, 30).stat().st_size)
    again = Follower(tmp_path, 30)
    again.hear(Entries(HISTORY[31:51]))
    assert isinstance(again.hear(marked(replayed(HISTORY[:51]), 50, entries[50].hash)), Written)
    journal = kept(tmp_path / "beside")
    newest(tmp_path / "beside").write_bytes(newest(tmp_path).read_bytes())
    check_start(tmp_path / "beside", journal, 50)
    journal.close()


def test_a_service_that_believes_other_than_its_journal_gives_is_told(tmp_path):
    """The planted bugs: a state that moved by itself, an entry that the service did not write, another order."""
    entries = link(Journal.open(tmp_path).newest.hash, 0, HISTORY)
    state = replayed(HISTORY[:31])
    richer(state)
    for word, fed in [
        (marked(state, 30, entries[30].hash), HISTORY[:31]),
        (marked(replayed(HISTORY[:31]), 30, entries[29].hash), HISTORY[:31]),
        (marked(replayed(HISTORY[:31]), 30, entries[30].hash), HISTORY[:30]),
    ]:
        follower = Follower(tmp_path)
        follower.hear(Entries(fed))
        assert isinstance(follower.hear(word), Strayed)
    assert isinstance(Follower(tmp_path).hear(Entries([b"junk"])), Strayed)
    assert isinstance(Follower(tmp_path).hear(Entries(HISTORY[:1] * 2)), Strayed)
    assert not list(tmp_path.glob("snapshot-*"))


def test_an_unfounded_state_has_an_image_too():
    assert isinstance(image.read(image.write(State())).engine, Engine)
