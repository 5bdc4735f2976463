"""A disk that fails: what a cut of the power leaves of an SQLite file, and writes that are refused.

SQLite writes, then waits for the disk. Cut in between, any of the sectors written since may be there, or not, or torn
off. A dead process is never closed: closing would write, so the files are looked at first.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import NamedTuple

SECTOR = 512
BESIDE = "-wal"
UNSYNCED = "PRAGMA synchronous = OFF"
"""What is lost is decided here, by pictures; nothing need be waited for."""


class Picture(NamedTuple):
    """An SQLite file at one moment, and the log beside it."""

    file: bytes
    log: bytes

    @classmethod
    def of(cls, path: Path) -> Picture:
        return cls(_content(path), _content(path.with_name(path.name + BESIDE)))

    def lay(self, path: Path) -> None:
        """Put these bytes where there is nothing yet."""
        path.write_bytes(self.file)
        path.chmod(0o600)
        if self.log:
            path.with_name(path.name + BESIDE).write_bytes(self.log)


def torn(before: Picture, after: Picture, random: Random) -> Picture:
    """What may be there when the power went between `before` and `after`.

    The log reaches the disk before anything of it moves into the file: where that has happened the log is whole.
    """
    if before.file != after.file:
        return Picture(_mixed(before.file, after.file, random), after.log)
    return Picture(after.file, _mixed(before.log, after.log, random))


def _mixed(old: bytes, new: bytes, random: Random) -> bytes:
    places = range(0, max(len(old), len(new)), SECTOR)
    end = random.choice(places) if places and random.random() < 0.5 else len(new)
    keeps = random.random()
    parts = []
    for place in places:
        was, now = old[place : place + SECTOR], new[place : place + SECTOR]
        taken = now if place < end and random.random() < keeps else was
        parts.append(taken if taken or place >= end else bytes(len(now)))
    return b"".join(parts)


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""
