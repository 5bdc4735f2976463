"""Snapshots: files with the image of the state after one entry, from which a start goes on instead of from the first.

A snapshot is a convenience and never a proof. It is used only where it is whole (its hash), of this very code, of an
entry that the journal has under the same hash, and where the state in it has the digests that the journal's checkpoint
at that entry says and keeps the identities. Anything else is refused with its reason, and the start goes on from the
one before it, or from entry 0. The audit reads none. Secret: like the journal, it holds the pool's openings.
"""

from __future__ import annotations

import hashlib
import platform
from contextlib import suppress
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import NamedTuple

import msgspec

from fairway.errors import IllegalTransition, Unavailable
from fairway.service import image
from fairway.service.archive import Checkpoint
from fairway.service.files import read_private, write_private
from fairway.service.journal import Journal
from fairway.service.state import State

__all__ = ["Found", "Snapshot", "build", "find", "keep", "load", "path_of"]

MAGIC = b"fairway snapshot 1\n"
HASH = 32
KEPT = 2
"""Should the newest be no good, the one before it is there."""


class Snapshot(msgspec.Struct, frozen=True, array_like=True):
    """The state after entry `seq`, whose hash in the chain is `head`; `build` names the code that wrote it."""

    seq: int
    digest: bytes
    book_digest: bytes
    head: bytes
    build: bytes
    image: bytes

    @property
    def checkpoint(self) -> Checkpoint:
        """What the journal must say of this entry."""
        return Checkpoint(self.seq, self.digest, self.book_digest)


class Found(NamedTuple):
    """A state to start from, after entry `seq`; -1 and a new state where no snapshot was good.

    `refused` says why others were not.
    """

    seq: int
    state: State
    refused: list[str]


@cache
def build() -> bytes:
    """The identity of this code: an image is read by exactly the code that wrote it."""
    whole = hashlib.sha256(platform.python_version().encode())
    for name, content in sorted(_sources(files("fairway"), "")):
        whole.update(b"%d %b %d " % (len(name), name.encode(), len(content)) + content)
    return whole.digest()


def keep(folder: Path, state: State, head: bytes, checkpoint: Checkpoint) -> int:
    """Write the snapshot of `state`, that of `checkpoint`, whose entry has the hash `head`; the file's bytes.

    It is there whole or not at all, and the oldest goes. Errors: `Unavailable`, those of `write_private`.
    """
    snapshot = Snapshot(*checkpoint, head, build(), image.write(state))
    content = MAGIC + msgspec.msgpack.encode(snapshot)
    write_private(path_of(folder, snapshot.seq), content + hashlib.sha256(content).digest())
    for old in _paths(folder)[KEPT:]:
        old.unlink(missing_ok=True)
    return len(content) + HASH


def load(path: Path) -> Snapshot:
    """The snapshot in a file.

    Errors: `Unavailable`: `files.read`, `files.mode`, `snapshot.damaged`, `snapshot.build`.
    """
    content = read_private(path)
    if not content.startswith(MAGIC) or hashlib.sha256(content[:-HASH]).digest() != content[-HASH:]:
        raise Unavailable("snapshot.damaged", "it is not as it was written")
    try:
        snapshot = msgspec.msgpack.decode(memoryview(content)[len(MAGIC) : -HASH], type=Snapshot)
    except msgspec.MsgspecError as error:
        raise Unavailable("snapshot.damaged", f"it does not read: {error}") from error
    if snapshot.build != build():
        raise Unavailable("snapshot.build", "other code than this wrote it")
    return snapshot


def find(folder: Path, journal: Journal) -> Found:
    """The state of the newest snapshot in `folder` that is good for `journal`."""
    refused: list[str] = []
    for path in _paths(folder):
        try:
            snapshot = load(path)
            return Found(snapshot.seq, _restored(snapshot, journal), refused)
        except Unavailable as why:
            refused.append(f"{path.name} is not used: {why.message} [{why.code}]")
    return Found(-1, State(), refused)


def _restored(snapshot: Snapshot, journal: Journal) -> State:
    """The state in `snapshot`, compared with what the journal says of it."""
    if snapshot.seq > journal.newest.seq:
        raise Unavailable("snapshot.ahead", f"the journal ends before entry {snapshot.seq}")
    if journal.hash_at(snapshot.seq) != snapshot.head:
        raise Unavailable("snapshot.foreign", f"entry {snapshot.seq} of this journal is another")
    if journal.checkpoint_at(snapshot.seq) != snapshot.checkpoint:
        raise Unavailable("snapshot.checkpoint", "the journal's checkpoint says otherwise")
    state: State = image.read(snapshot.image)
    try:
        _check(state, snapshot)
    except IllegalTransition as fault:
        raise Unavailable("snapshot.state", f"the state in it is wrong: {fault}") from fault
    except (AttributeError, LookupError, TypeError, ValueError) as fault:
        raise Unavailable("snapshot.state", f"the state in it cannot be used: {fault!r:.200}") from fault
    return state


def _check(state: State, snapshot: Snapshot) -> None:
    """The state is that of the checkpoint, and keeps the identities."""
    engine = state.engine
    if engine.applied != snapshot.seq + 1:
        raise Unavailable("snapshot.state", f"it is not the state after entry {snapshot.seq}")
    if (engine.digest(), engine.book_digest()) != (snapshot.digest, snapshot.book_digest):
        raise Unavailable("snapshot.digest", "the state in it is not the checkpoint's")
    engine.venue.check()


def _paths(folder: Path) -> list[Path]:
    """The snapshots in `folder`, newest first."""
    return sorted(folder.glob("snapshot-*"), reverse=True)


def path_of(folder: Path, seq: int) -> Path:
    """Where the snapshot at entry `seq` is."""
    return folder / f"snapshot-{seq:015}"


def _sources(folder: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    """Every source of the package and every compiled contract, by its path."""
    found: list[tuple[str, bytes]] = []
    for each in folder.iterdir():
        name = f"{prefix}{each.name}"
        if each.is_dir():
            found += _sources(each, f"{name}/")
        elif name.endswith((".py", ".json", ".toml")):
            with suppress(OSError):
                found.append((name, each.read_bytes()))
    return found
