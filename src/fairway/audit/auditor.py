"""A whole audit, step by step: entries with what stands beside them, then the end, users' records and the chain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fairway.audit.examiner import Examiner
from fairway.audit.lie import Lie
from fairway.audit.onchain import ChainClaims, ChannelFacts, Compared, VaultFacts, check_posts
from fairway.audit.outbox import Frames, check_checkpoint, check_letters
from fairway.audit.spoken import Said, Spoken
from fairway.exchange.entry import Entry
from fairway.exchange.event import decode

__all__ = ["Auditor", "Findings"]


@dataclass(slots=True)
class Findings:
    """What was compared beside the entries themselves; `chain` is None where there was no chain to look at."""

    letters: int = 0
    checkpoints: int = 0
    records: int = 0
    halves_of_service: int = 0
    halves_of_users: int = 0
    receipts: int = 0
    chain: Compared | None = None


@dataclass(slots=True)
class Auditor:
    """One audit under way. Every step raises `Lie` for the first thing that is wrong."""

    examiner: Examiner = field(default_factory=Examiner)
    findings: Findings = field(default_factory=Findings)
    claims: ChainClaims = field(default_factory=ChainClaims)
    _spoken: Spoken = field(default_factory=Spoken)

    def feed(self, entry: Entry, letters: Frames) -> None:
        """The next entry and the letters that it is said to have caused."""
        seq = self.examiner.tally.entries
        effects = self.examiner.feed(entry)
        event = decode(entry.payload)
        self.findings.letters += check_letters(seq, event, effects, letters)
        self.claims.note(seq, event)
        self._spoken.note(seq, event, effects)

    def compare_checkpoint(self, digest: bytes, book_digest: bytes) -> None:
        """The checkpoint that is said to have been taken after the newest entry."""
        check_checkpoint(self.examiner.tally.entries - 1, self.examiner.engine, digest, book_digest)
        self.findings.checkpoints += 1

    def finish(self, *, complete: bool) -> None:
        """The journal ends here; a `complete` one owes no proof."""
        if not self.examiner.tally.entries:
            raise Lie(None, "audit.empty", "the journal has no entry, not even the founding one")
        self.examiner.finish(complete=complete)

    def compare_record(self, owner: str, channel_id: bytes, record: Iterable[Said]) -> None:
        """A user's record of one channel."""
        heard = self._spoken.check_record(owner, channel_id, record)
        self.findings.records += 1
        self.findings.halves_of_service += heard.of_service
        self.findings.halves_of_users += heard.of_user
        self.findings.receipts += heard.receipts

    def compare_chain(self, vault: VaultFacts, channels: Mapping[bytes, ChannelFacts]) -> None:
        """What the chain shows now."""
        check_posts(vault.posts, {each.txid: each for each in self.examiner.epochs})
        self.findings.chain = self.claims.check(vault, channels, self.examiner.engine.venue.ledger)
