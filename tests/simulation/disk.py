"""A disk that can lose power: what was written and not synced may be gone, torn, or there without what came before it.

`Disk` is a file system for SQLite (an apsw VFS) that keeps a tape of all that is done to it. `Spool` plays a tape up to
any instant and says what a loss of power then leaves: what was synced, and of the rest each sector as chance has it.

The rules are those that SQLite counts on, and no kinder ones (sqlite.org/psow.html, sqlite.org/atomiccommit.html):
a write changes nothing outside its own bytes; inside them, until a sync, sectors arrive in any order, in part, as noise
where the file grew, or never. A new or deleted name lasts when its folder was synced, which SQLite does with the first
sync of a journal or log that it made, and with a deletion that asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

import apsw

SECTOR = 512
POWERSAFE_OVERWRITE = apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE  # what the VFS of Unix says of every disk
JOURNALS = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL
FATES = (0.0, 0.05, 0.5, 0.95, 1.0)


class Write(NamedTuple):
    """Bytes at an offset of a file."""

    file: int
    offset: int
    data: bytes


class Truncate(NamedTuple):
    """A file of another size."""

    file: int
    size: int


class Sync(NamedTuple):
    """What was done to a file so far lasts; with `folder`, names too."""

    file: int
    folder: bool


class Name(NamedTuple):
    """A name stands for a file, or (None) for nothing."""

    name: str
    file: int | None


class SyncFolder(NamedTuple):
    """Names last."""


Step = Write | Truncate | Sync | Name | SyncFolder


class Medium:
    """What is on a disk now, as programs see it, and the `tape` of how it came there from `image`."""

    def __init__(self, image: dict[str, bytes]) -> None:
        self.image = image
        self.files = [bytearray(content) for content in image.values()]
        self.names: dict[str, int] = {name: number for number, name in enumerate(image)}
        self.tape: list[Step] = []

    def copied(self) -> Medium:
        """The same, in other hands."""
        other = Medium(self.image)
        other.files, other.names, other.tape = [bytearray(file) for file in self.files], dict(self.names), self.tape[:]
        return other


class Disk(apsw.VFS):
    """A drive with a `medium` in it."""

    def __init__(self, label: str) -> None:
        super().__init__(label, "")
        self.label = label
        self.medium = Medium({})

    def die(self, close: Callable[[], None]) -> None:
        """A process dies: that it must `close` what it had open changes nothing on the medium."""
        kept, self.medium = self.medium.copied(), Medium({})
        close()
        self.medium = kept

    def xOpen(self, name, flags):
        path, medium = name.filename() if isinstance(name, apsw.URIFilename) else str(name), self.medium
        if path not in medium.names:
            medium.names[path] = len(medium.files)
            medium.files.append(bytearray())
            medium.tape.append(Name(path, medium.names[path]))
        flags[1] = flags[0]
        return OpenFile(medium, medium.names[path], is_journal=bool(flags[0] & JOURNALS))

    def xDelete(self, filename, syncdir):
        if self.medium.names.pop(filename, None) is not None:
            self.medium.tape.append(Name(filename, None))
            if syncdir:
                self.medium.tape.append(SyncFolder())

    def xAccess(self, pathname, flags):
        return pathname in self.medium.names

    def xFullPathname(self, name):
        return name


class OpenFile:
    """One open file; nobody else has it, so locks are granted."""

    def __init__(self, medium: Medium, number: int, *, is_journal: bool) -> None:
        self.tape = medium.tape
        self.number = number
        self.content = medium.files[number]
        self.is_new = is_journal

    def xRead(self, amount, offset):
        return bytes(self.content[offset : offset + amount])

    def xWrite(self, data, offset):
        data = bytes(data)
        put(self.content, offset, data)
        self.tape.append(Write(self.number, offset, data))

    def xTruncate(self, size):
        resize(self.content, size)
        self.tape.append(Truncate(self.number, size))

    def xSync(self, flags):
        self.tape.append(Sync(self.number, self.is_new))
        self.is_new = False

    def xFileSize(self):
        return len(self.content)

    def xSectorSize(self):
        return 4096

    def xDeviceCharacteristics(self):
        return POWERSAFE_OVERWRITE

    def xLock(self, level):
        pass

    def xUnlock(self, level):
        pass

    def xCheckReservedLock(self):
        return False

    def xFileControl(self, op, ptr):
        return False

    def xClose(self):
        pass


class Spool:
    """A tape being played: what lasts already, and what only programs see. `is_honest`: a sync does what it says."""

    def __init__(self, medium: Medium, *, is_honest: bool = True) -> None:
        self.tape = medium.tape
        self.is_honest = is_honest
        self.at = 0
        self.names: dict[str, int | None] = {name: number for number, name in enumerate(medium.image)}
        self.lasting = [bytearray(content) for content in medium.image.values()]
        self.pending: list[list[Write | Truncate]] = [[] for _ in self.lasting]
        self.renamed: list[Name] = []

    def play(self, until: int) -> None:
        """Up to the step `until`."""
        for step in self.tape[self.at : until]:
            match step:
                case Write(file) | Truncate(file):
                    self.pending[file].append(step)
                case Sync(file, folder) if self.is_honest:
                    for each in self.pending[file]:
                        apply(self.lasting[file], each)
                    self.pending[file] = []
                    if folder:
                        self.sync_folder()
                case Name(_, file):
                    self.renamed.append(step)
                    if file is not None:
                        self.lasting.append(bytearray())
                        self.pending.append([])
                case SyncFolder() if self.is_honest:
                    self.sync_folder()
        self.at = until

    def sync_folder(self) -> None:
        """Names last."""
        self.names.update({step.name: step.file for step in self.renamed})
        self.renamed = []

    def power_lost(self, chance: Random) -> dict[str, bytes]:
        """An image that is left if power is lost now."""
        names = dict(self.names)
        kept = {step.name: chance.randint(0, len(self.renamed)) for step in self.renamed}
        for number, step in enumerate(self.renamed):
            if number < kept[step.name]:
                names[step.name] = step.file
        return {name: self.left_of(file, chance) for name, file in names.items() if file is not None}

    def left_of(self, file: int, chance: Random) -> bytes:
        """One file after the loss."""
        content, odds = bytearray(self.lasting[file]), chance.choice(FATES)
        for step in self.pending[file]:
            if isinstance(step, Truncate):
                if chance.random() < odds:
                    apply(content, step)
            else:
                for piece in sectors(step):
                    arrive(content, piece, odds, chance)
        return bytes(content)


def sectors(write: Write) -> Iterator[Write]:
    """The sectors that a write touches."""
    file, offset, data = write
    start = 0
    while start < len(data):
        end = min(len(data), start + SECTOR - (offset + start) % SECTOR)
        yield Write(file, offset + start, data[start:end])
        start = end


def arrive(content: bytearray, piece: Write, odds: float, chance: Random) -> None:
    """One sector arrives, or not; or its beginning only, or the file grows by it and holds noise there."""
    if chance.random() < odds:
        put(content, piece.offset, piece.data)
    elif chance.random() < 0.1:
        put(content, piece.offset, piece.data[: chance.randrange(len(piece.data))])
    elif piece.offset >= len(content) and chance.random() < 0.5:
        put(content, piece.offset, chance.choice((bytes, chance.randbytes))(len(piece.data)))


def apply(content: bytearray, step: Write | Truncate) -> None:
    """What the step does to a file."""
    if isinstance(step, Write):
        put(content, step.offset, step.data)
    else:
        resize(content, step.size)


def put(content: bytearray, offset: int, data: bytes) -> None:
    """Bytes at an offset; a gap before it reads as zeros."""
    if offset > len(content):
        resize(content, offset)
    content[offset : offset + len(data)] = data


def resize(content: bytearray, size: int) -> None:
    """The file cut, or lengthened by zeros."""
    del content[size:]
    content.extend(bytes(size - len(content)))
