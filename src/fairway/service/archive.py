"""Reading a journal that no service has open: entries, checkpoints, and the seal over its pages.

A clean shutdown *seals* the journal: one file, no write-ahead log, and a manifest with the hash of each of its pages.
So an auditor can name any flipped byte, in free pages too, where no entry would miss it. Nothing here writes to
the journal.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from fairway.errors import Unavailable
from fairway.exchange.entry import GENESIS, Entry, check_chain
from fairway.service.files import write_private

__all__ = [
    "Checkpoint",
    "Letter",
    "Manifest",
    "check_pages",
    "checkpoints",
    "entries",
    "failure",
    "letters",
    "read_manifest",
    "verify",
    "write_manifest",
]

JOURNAL = "journal.sqlite"
MANIFEST = "manifest.json"
PAGE_SIZE = 4096
READ_ENTRIES = (
    "SELECT seq, ifnull(CAST(hash AS BLOB), x''), ifnull(CAST(payload AS BLOB), x'') FROM entries ORDER BY seq"
)
READ_LETTERS = (
    "SELECT ifnull(CAST(topic AS BLOB), x''), CAST(number AS INTEGER), CAST(entry AS INTEGER), "
    "ifnull(CAST(frame AS BLOB), x'') FROM outbox ORDER BY entry"
)
"""A damaged page may claim any type for a column; what arrives here is bytes."""


class Checkpoint(NamedTuple):
    """The state after entry `seq`: the engine's digest and that of its books. Replays are compared with it."""

    seq: int
    digest: bytes
    book_digest: bytes


class Letter(NamedTuple):
    """Frame `number` of a topic, caused by entry `entry`; numbers of a topic grow with their entries.

    The topic of a channel's halves is its ID, numbered by seqno; a market's rounds have `market_topic`, numbered by
    entry. Where signatures will stand the frame has the digests to be signed: nothing is signed before it is durable.
    """

    topic: bytes
    number: int
    entry: int
    frame: bytes


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The seal: how many entries, the newest one's hash, and SHA-256 of each page, all in hexadecimal.

    `seal` is the SHA-256 of the manifest itself, spelt with an empty seal: so that a byte changed here is not taken
    for one changed in the journal.
    """

    entries: int
    head: str
    page_size: int
    pages: list[str]
    seal: str = ""


def entries(folder: Path) -> Iterator[Entry]:
    """Every entry of the journal in `folder`, each checked against the chain.

    Raises `Unavailable`: `journal.missing`, or `journal.corrupt` with the first bad entry's `seq`.
    """
    with _opened(folder) as database:
        yield from read_entries(database)


def checkpoints(folder: Path) -> list[Checkpoint]:
    """The checkpoints of the journal in `folder`, oldest first."""
    with _opened(folder) as database, reporting():
        return [Checkpoint(*row) for row in database.execute("SELECT * FROM checkpoints ORDER BY seq")]


def letters(folder: Path) -> Iterator[Letter]:
    """The outbox of the journal in `folder`, in the order of the entries that caused them."""
    with _opened(folder) as database, reporting():
        for row in database.execute(READ_LETTERS):
            yield Letter._make(row)


def verify(folder: Path) -> Manifest | None:
    """Check every page against the seal, then the whole chain; the seal, or None where the journal was not sealed.

    Raises `Unavailable`: `journal.page` with `page` and `offset` of the first altered page, `journal.manifest` for a
    seal that contradicts the journal or is damaged itself, `journal.corrupt` with the first bad entry's `seq`.
    """
    manifest = read_manifest(folder)
    if manifest is not None:
        check_pages(folder, manifest)
    newest = newest_of(entries(folder))
    if manifest is not None and (manifest.entries, manifest.head) != (newest.seq + 1, newest.hash.hex()):
        raise Unavailable("journal.manifest", "the manifest's newest entry is not the journal's", seq=newest.seq)
    return manifest


def check_pages(folder: Path, manifest: Manifest) -> None:
    """Raise `Unavailable` (`journal.page`) for the first page that is not the one that was sealed."""
    found = hash_pages(folder / JOURNAL)
    for page in range(max(len(found), len(manifest.pages))):
        if found[page : page + 1] != manifest.pages[page : page + 1]:
            offset = page * PAGE_SIZE
            message = f"page {page} of the journal (from byte {offset}) is not the one that was sealed"
            raise Unavailable("journal.page", message, page=page, offset=offset)


def read_manifest(folder: Path) -> Manifest | None:
    """The seal in `folder`, None where there is none; `Unavailable` (`journal.manifest`) where a byte of it changed."""
    try:
        content = (folder / MANIFEST).read_bytes()
        manifest = msgspec.json.decode(content, type=Manifest)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, ValueError) as error:
        raise Unavailable("journal.manifest", f"the manifest cannot be read: {error}") from error
    if encode_manifest(sealed(manifest)) != content or manifest.page_size != PAGE_SIZE:
        raise Unavailable("journal.manifest", "the manifest is not as it was written")
    return manifest


def newest_of(checked: Iterable[Entry]) -> Entry:
    """The last of `checked`, all of them read; entry -1 with hash `GENESIS` where there is none."""
    last = deque(checked, maxlen=1)
    return last[0] if last else Entry(-1, GENESIS, b"")


def write_manifest(folder: Path, newest: Entry) -> None:
    """Seal the closed journal in `folder`, whose newest entry is `newest`."""
    pages = hash_pages(folder / JOURNAL)
    manifest = Manifest(entries=newest.seq + 1, head=newest.hash.hex(), page_size=PAGE_SIZE, pages=pages)
    write_private(folder / MANIFEST, encode_manifest(sealed(manifest)))


def sealed(manifest: Manifest) -> Manifest:
    """`manifest` under its own hash."""
    bare = msgspec.structs.replace(manifest, seal="")
    return msgspec.structs.replace(bare, seal=hashlib.sha256(encode_manifest(bare)).hexdigest())


def encode_manifest(manifest: Manifest) -> bytes:
    """The one spelling of `manifest`, a line a page."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def hash_pages(path: Path) -> list[str]:
    """SHA-256 of each page of the file, in hexadecimal; a torn last page counts as one."""
    with path.open("rb") as file:
        return [hashlib.sha256(page).hexdigest() for page in iter(lambda: file.read(PAGE_SIZE), b"")]


def read_entries(database: sqlite3.Connection) -> Iterator[Entry]:
    """Every entry in `database`, each checked; a page that SQLite cannot read is reported as the entry it hid."""
    newest = -1
    with reporting():
        rows = database.execute(READ_ENTRIES)
    try:
        for entry in check_chain(map(Entry._make, rows)):
            newest = entry.seq
            yield entry
    except sqlite3.Error as error:
        raise Unavailable("journal.corrupt", f"entry {newest + 1} cannot be read: {error}", seq=newest + 1) from error


@contextmanager
def reporting() -> Iterator[None]:
    """Turn SQLite's errors into `Unavailable` with a stable code."""
    try:
        yield
    except sqlite3.Error as error:
        raise failure(error) from error


def failure(error: sqlite3.Error) -> Unavailable:
    """`error` as one of `journal.full`, `journal.locked`, `journal.corrupt`, `journal.disk`."""
    name = getattr(error, "sqlite_errorname", "SQLITE_ERROR")
    if name == "SQLITE_FULL":
        return Unavailable("journal.full", "the disk is full; the journal takes no more entries")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Unavailable("journal.locked", "another process has this journal open")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return Unavailable("journal.corrupt", f"the journal is damaged: {error}")
    return Unavailable("journal.disk", f"the journal's disk failed: {error} ({name})")


@contextmanager
def _opened(folder: Path) -> Iterator[sqlite3.Connection]:
    path = folder / JOURNAL
    if not path.is_file():
        raise Unavailable("journal.missing", f"there is no journal in {folder}")
    mode = "immutable=1" if (folder / MANIFEST).exists() else "mode=ro"
    with reporting():
        database = sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True)
    with closing(database):
        yield database
