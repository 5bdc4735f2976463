"""Everything an audit reads from disk, and nothing it decides: the journal with its seal, users' records, the chain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from fairway.audit.auditor import Auditor
from fairway.audit.lie import Lie
from fairway.cli.chain_facts import copied, read_chain
from fairway.client.replica import Leave, Regained, Uncommitted
from fairway.client.store import Store
from fairway.errors import FairwayError, Unavailable
from fairway.exchange.entry import Entry
from fairway.service import archive

__all__ = ["Dossier", "audit"]

Progress = Callable[[str, int, int | None], None]
"""Told what is looked at, how much of it is done, and how much there is (None: not known)."""


class Dossier(NamedTuple):
    """Where things lie. `chain` and `records` are there where the folder is a demo's."""

    service: Path
    chain: Path | None
    records: tuple[Path, ...]

    @classmethod
    def of(cls, folder: Path) -> Dossier:
        """The dossier in `folder`, whose journal is in it or in its `service`; a demo has chain and records beside it.

        Errors: `Unavailable` (`journal.missing`) for any other folder.
        """
        service = next((each for each in (folder, folder / "service") if (each / archive.JOURNAL).is_file()), None)
        if service is None:
            raise Unavailable("journal.missing", f"there is no journal in {folder}")
        chain = folder / "chain" / "chain.sqlite"
        records = tuple(sorted((folder / "traders").glob("*.sqlite")))
        return cls(service, chain if chain.is_file() else None, records)


class Sealed(NamedTuple):
    """How the journal's file was found: its seal, or none where the service was interrupted; and its pages."""

    manifest: archive.Manifest | None
    pages: int


def audit(dossier: Dossier, auditor: Auditor, progress: Progress) -> Sealed:
    """Audit everything in `dossier`. Raises `Lie`, or `Unavailable` with the code of what cannot be read."""
    progress("pages", 0, None)
    sealed = _check_seal(dossier.service)
    total = sealed.manifest.entries if sealed.manifest else None
    for entry in _feed(dossier.service, auditor):
        progress("entries", entry.seq + 1, total)
    _check_head(sealed.manifest, auditor)
    progress("proofs", 0, None)
    auditor.finish(complete=sealed.manifest is not None)
    for place, path in enumerate(dossier.records):
        progress("records", place, len(dossier.records))
        _read_record(path, auditor)
    if dossier.chain is not None:
        progress("chain", 0, None)
        auditor.compare_chain(*read_chain(dossier.chain, auditor.claims))
    return sealed


def _check_seal(service: Path) -> Sealed:
    """The file is byte by byte what was sealed; else the entry that changed, or the page, is named."""
    manifest = archive.read_manifest(service)
    if manifest is not None:
        try:
            archive.check_pages(service, manifest)
        except Unavailable as error:
            raise _entry_in(service, error) from None
        return Sealed(manifest, len(manifest.pages))
    return Sealed(None, -(-(service / archive.JOURNAL).stat().st_size // archive.PAGE_SIZE))


def _entry_in(service: Path, error: Unavailable) -> Unavailable:
    """`error`, which names a page, as one that names the entry where an entry's bytes changed too."""
    try:
        archive.newest_of(archive.entries(service))
    except Unavailable as found:
        if (seq := found.facts.get("seq")) is not None:
            message = f"{found.message} ({error.message})"
            return Unavailable("journal.corrupt", message, seq=seq, **error.facts)
    return error


def _feed(service: Path, auditor: Auditor) -> Iterator[Entry]:
    """Give the auditor every entry with its letters, and every checkpoint after its entry."""
    checkpoints = {each.seq: each for each in archive.checkpoints(service)}
    groups = groupby(archive.letters(service), attrgetter("entry"))
    causing, letters = next(groups, (None, None))
    for entry in archive.entries(service):
        frames: dict[tuple[bytes, int], bytes] = {}
        if letters is not None and causing == entry.seq:
            frames = {(letter.topic, letter.number): letter.frame for letter in letters}
            causing, letters = next(groups, (None, None))
        auditor.feed(entry, frames)
        if (checkpoint := checkpoints.pop(entry.seq, None)) is not None:
            auditor.compare_checkpoint(checkpoint.digest, checkpoint.book_digest)
        yield entry
    if letters is not None:
        raise Lie(None, "audit.outbox", f"there are letters of an entry {causing} that the journal does not have")
    if checkpoints:
        raise Lie(None, "audit.checkpoint", f"a checkpoint follows an entry {min(checkpoints)} that is not there")


def _check_head(manifest: archive.Manifest | None, auditor: Auditor) -> None:
    if manifest is None:
        return
    entries, head = auditor.examiner.tally.entries, auditor.examiner.head.hex()
    if (manifest.entries, manifest.head) != (entries, head):
        raise Unavailable("journal.manifest", "the manifest's newest entry is not the journal's", seq=entries - 1)


def _read_record(path: Path, auditor: Auditor) -> None:
    with copied(path) as copy, closing(Store(copy)) as store:
        try:
            for channel_id in store.channels():
                said = (
                    entry for entry in store.record(channel_id) if not isinstance(entry, Leave | Regained | Uncommitted)
                )
                auditor.compare_record(path.stem, channel_id, said)
        except Unavailable as error:
            raise Unavailable(error.code, f"{path.name}: {error.message}", path=str(path)) from error


def is_lie(error: FairwayError) -> bool:
    """Whether what was read is wrong, and not only unreadable."""
    return isinstance(error, Lie) or error.code in {"journal.corrupt", "journal.page", "journal.manifest"}
