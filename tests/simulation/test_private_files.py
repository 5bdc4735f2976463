"""Power fails at any instant while a private file is written: the old one is left or the new one, and then the new one.

Everything that the two writers do to a folder is watched. Between any two steps, names are what they were at one moment
since the folder was last synced, each by itself, and a file that was not synced holds anything: what it had, nothing,
a part, zeros, or all of it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fairway.client import keystore
from fairway.errors import Unavailable
from fairway.service import files

OLD, NEW = b"old secret" * 200, b"new secret" * 300
STEPS = ("open", "fsync", "replace", "link", "unlink")


class Folder:
    """A folder and what a loss of power could make of it."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = path
        self.lasting: dict[int, bytes] = {}
        self.now: dict[int, bytes] = {}
        self.names: list[dict[str, int]] = []
        self.seen: list[set[bytes | None]] = []
        self.look()
        self.lasting, self.seen = dict(self.now), []
        for step in STEPS:
            monkeypatch.setattr(os, step, self.watched(step, getattr(os, step)))

    def watched(self, step, real):
        def call(*arguments, **options):
            self.look()
            if step == "fsync":
                self.sync(os.fstat(arguments[0]).st_ino)
            result = real(*arguments, **options)
            self.look()
            return result

        return call

    def look(self):
        """What stands there now, and what would be left of it."""
        with os.scandir(self.path) as found:
            names = {entry.name: entry.inode() for entry in found}
        self.now.update({inode: (self.path / name).read_bytes() for name, inode in names.items()})
        self.names.append(names)
        self.seen.append(self.left("secret"))

    def sync(self, inode):
        if inode == self.path.stat().st_ino:
            self.names = self.names[-1:]
        else:
            self.lasting[inode] = self.now[inode]

    def left(self, name):
        """All that a reader may find under `name` if power is lost now; None for no such file."""
        found = set()
        for inode in {names.get(name) for names in self.names}:
            found |= {None} if inode is None else self.contents(inode)
        return found

    def contents(self, inode):
        now, lasting = self.now[inode], self.lasting.get(inode, b"")
        if now == lasting:
            return {now}
        return {lasting, b"", now[: len(now) // 2], bytes(len(now)), now}


def careless(path, content):
    """The planted bug: in place."""
    path.write_bytes(content)


def unsynced(path, content):
    """The planted bug: renamed before it is synced."""
    fresh = path.with_name("fresh")
    fresh.write_bytes(content)
    fresh.replace(path)
    files.sync_folder(path.parent)


def unnamed(path, content):
    """The planted bug: the folder is not synced."""
    fresh = path.with_name("fresh")
    with fresh.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def written(tmp_path, write, before):
    """What could be found at each instant while `write` replaced `before` by `NEW`, and what after it returned."""
    path = tmp_path / "secret"
    if before is not None:
        path.write_bytes(before)
    with pytest.MonkeyPatch.context() as monkeypatch:
        folder = Folder(tmp_path, monkeypatch)
        write(path, NEW)
        folder.look()
    return set().union(*folder.seen), folder.seen[-1]


@pytest.mark.parametrize("before", [None, OLD])
def test_a_private_file_of_the_service_is_the_old_one_or_the_new_one(tmp_path, before):
    assert written(tmp_path, files.write_private, before) == ({before, NEW}, {NEW})


def test_what_a_broken_attempt_left_does_not_stand_in_the_way(tmp_path):
    (tmp_path / ".secret.new").write_bytes(NEW[:7])
    assert written(tmp_path, files.write_private, OLD) == ({OLD, NEW}, {NEW})


def test_a_keystore_is_there_whole_or_not_at_all(tmp_path):
    assert written(tmp_path, keystore.write_private, None) == ({None, NEW}, {NEW})
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_a_keystore_that_is_there_stays_whatever_happens(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(OLD)
    with pytest.MonkeyPatch.context() as monkeypatch:
        folder = Folder(tmp_path, monkeypatch)
        with pytest.raises(Unavailable):
            keystore.write_private(path, NEW)
    assert set().union(*folder.seen) == {OLD}


@pytest.mark.parametrize(
    ("write", "torn", "unkept"), [(careless, True, True), (unsynced, True, True), (unnamed, False, True)]
)
def test_a_writer_that_leaves_out_a_step_is_caught(tmp_path, write, torn, unkept):
    seen, after = written(tmp_path, write, OLD)
    assert bool(seen - {OLD, NEW}) == torn
    assert (after != {NEW}) == unkept
