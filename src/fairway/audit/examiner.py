"""Re-execution of a journal, entry by entry, with everything checked that the running service took on trust.

The service checks signatures before it writes and proofs before it takes them; the examiner believes neither. It asks
of every entry: is it next in the hash chain, does it decode, did whoever is said to have signed it sign it, do the
rules allow it, does the state keep its identities, do the proofs verify, do pool and notes chain, was each payout what
the channel and its liens say? The first `no` ends the audit.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from fairway.audit.lie import Lie
from fairway.errors import FairwayError, InvalidMessage
from fairway.exchange.effect import AnyEffect, Deleveraged, ProveRecord, SignClose
from fairway.exchange.engine import Engine
from fairway.exchange.entry import GENESIS, Entry, entry_hash
from fairway.exchange.event import AnyEvent, Closed, EpochProved, Founded, PaidOut, Proved, RateSet, decode, encode
from fairway.exchange.shown import Shown
from fairway.risk.deleverage import allocate
from fairway.settlement.chain import NOTHING, PublicBooks, Record
from fairway.settlement.epoch import EpochProof, verify_epoch
from fairway.settlement.job import Made, is_proven, published
from fairway.settlement.lending import LendTx
from fairway.settlement.proof import verify_batch
from fairway.settlement.settlement import SettlementTx
from fairway.settlement.solvency import SolvencyTx

__all__ = ["Examiner", "Lie", "Tally"]

BATCH = 64
"""Proofs verified together; a bad one is named all the same."""


@dataclass(slots=True)
class Tally:
    """What an audit has looked at so far."""

    entries: int = 0
    signatures: int = 0
    settlements: int = 0
    lender_moves: int = 0
    proofs: int = 0
    epochs: int = 0
    ranged_values: int = 0
    payouts: int = 0
    unproven: int = 0
    """Records of a service that was interrupted, whose proofs it still owes."""
    unranged: int = 0
    """Records, proven or not, that stand in no epoch yet."""


@dataclass(frozen=True, slots=True)
class _Pending:
    """A record as re-executed, waiting for the proof that the journal brings later."""

    seq: int
    record: Made


@dataclass(slots=True)
class Examiner:
    """One audit under way. Feed it every entry in order, then `finish`."""

    engine: Engine = field(default_factory=Engine)
    tally: Tally = field(default_factory=Tally)
    _previous: bytes = GENESIS
    _at_ms: int = 0
    _pending: dict[bytes, _Pending] = field(default_factory=dict)
    epochs: list[Shown] = field(default_factory=list)
    """The pool at the end of every epoch that showed it."""
    _records: list[tuple[Record, ...]] = field(default_factory=list)
    _unverified: list[tuple[int, SettlementTx | LendTx]] = field(default_factory=list)
    _books: PublicBooks = field(default_factory=lambda: PublicBooks(NOTHING))
    _liens: dict[bytes, dict[int, int]] = field(default_factory=dict)
    _agreed: dict[bytes, int] = field(default_factory=dict)

    @property
    def head(self) -> bytes:
        """The hash of the newest entry, which stands for all before it."""
        return self._previous

    def feed(self, entry: Entry) -> list[AnyEffect]:
        """Examine the next entry; raises `Lie`. Returns what the engine did about it, for further comparison."""
        seq = self.tally.entries
        if entry.seq != seq or entry.hash != entry_hash(self._previous, seq, entry.payload):
            raise Lie(seq, "audit.chain", "the entry is not the one that was written here")
        event = _decoded(seq, entry.payload)
        if event.at_ms < self._at_ms:
            raise Lie(seq, "audit.time", "the entry is older than the one before it")
        self._at_ms = event.at_ms
        try:
            self.engine.authenticate(event)
            effects = self.engine.apply(event)
            self._follow(seq, event, effects)
        except Lie:
            raise
        except FairwayError as error:
            raise Lie(seq, error.code, error.message) from error
        except Exception as error:
            # The service applied every entry before it wrote it: one that breaks the rules' own code was never applied.
            raise Lie(seq, "audit.value", f"a value of the entry is impossible: {error!r}") from error
        self._previous = entry.hash
        self.tally.entries += 1
        return effects

    def finish(self, *, complete: bool = True) -> Tally:
        """Verify what waits in batches; every record must have its proof and stand in an epoch.

        A journal that is not `complete`, its service interrupted, may still owe them: the tally says how many.
        """
        self._verify()
        venue = self.engine.venue
        self.tally.unproven, self.tally.unranged = len(self._pending), venue.settling.count - venue.final
        if complete and self._pending:
            first = min(self._pending.values(), key=lambda pending: pending.seq)
            raise Lie(first.seq, "audit.unproven", "a record of this entry was never proven")
        if complete and self.tally.unranged:
            raise Lie(self.tally.entries - 1, "audit.epoch", f"records from {venue.final} on are in no epoch")
        if not venue.lend_state_matches_channels():
            raise Lie(self.tally.entries - 1, "audit.lend_state", "lendState is not what the channels say")
        return self.tally

    def _follow(self, seq: int, event: AnyEvent, effects: list[AnyEffect]) -> None:
        for effect in effects:
            if isinstance(effect, ProveRecord):
                self._recorded(seq, effect)
            elif isinstance(effect, Deleveraged):
                _check_shares(seq, effect)
            elif isinstance(effect, SignClose):
                account = self.engine.accounts[effect.channel_id]
                self._agreed[effect.channel_id] = account.balance
        match event:
            case Founded() if not event.pool_seed:
                self._books = PublicBooks(self.engine.venue.settling.pool.commitment)
            case Proved():
                self._proved(seq, event)
            case EpochProved():
                self._epoch(seq, event)
            case RateSet():
                self._liens.setdefault(event.channel_id, {})[event.match_id] = event.owed
            case Closed() | PaidOut():
                self._paid(event)
            case _:
                self.tally.signatures += hasattr(event, "signature") + len(getattr(event, "signatures", ()))

    # Records

    def _recorded(self, seq: int, effect: ProveRecord) -> None:
        """The public records chain: each consumes the pool and the note that the ones before it left."""
        unproven = published(effect.record)
        group: tuple[Record, ...] = (*(opened.transaction() for opened in effect.fills), unproven)
        for record in group:
            self._books.apply(record)
        if is_proven(effect.record):
            self._pending[unproven.txid] = _Pending(seq, effect.record)
        self._records.append(group)
        self.tally.settlements += isinstance(unproven, SettlementTx)
        self.tally.lender_moves += isinstance(unproven, LendTx)

    def _proved(self, seq: int, event: Proved) -> None:
        pending = self._pending.pop(event.txid, None)
        if pending is None:
            raise InvalidMessage("audit.proof", "a proof of a record that does not wait for one")
        proven = published(pending.record, event.proof)
        assert not isinstance(proven, SolvencyTx)
        self._unverified.append((seq, proven))
        if len(self._unverified) >= BATCH:
            self._verify()

    def _verify(self) -> None:
        waiting, self._unverified = self._unverified, []
        if not waiting:
            return
        try:
            verify_batch([tx for _, tx in waiting])
        except FairwayError as error:
            index = error.facts.get("index", 0)
            raise Lie(waiting[index if isinstance(index, int) else 0][0], error.code, error.message) from error
        self.tally.proofs += len(waiting)

    def _epoch(self, seq: int, event: EpochProved) -> None:
        records = [record for group in self._records[event.first : event.last] for record in group]
        self._shown(seq, event)
        try:
            verify_epoch(records, EpochProof.decode(event.proof))
        except FairwayError as error:
            raise Lie(seq, error.code, error.message) from error
        self.tally.epochs += 1
        self.tally.ranged_values += sum(len(record.ranged()) for record in records)

    def _shown(self, seq: int, event: EpochProved) -> None:
        """What the epoch shows of the pool keeps its identity, and its net worth is that of the records."""
        shown = self.engine.venue.shown
        if shown is None or not event.first <= shown.number < event.last:
            return
        if not shown.holds():
            raise Lie(seq, "audit.pool", "what the pool, insurance and fees hold is not what was put in and won")
        self.epochs.append(shown)

    # Payouts

    def _paid(self, event: Closed | PaidOut) -> None:
        """The user came home with what both signed, or with his own last half; the vault paid it less his liens.

        It charges less where conditionals have taken some of it before: how much, the chain shows.
        """
        if isinstance(event, PaidOut):
            self._withdrawn(event)
        else:
            self._ended(event)
        owed = sum(self._liens.get(event.channel_id, {}).values())
        if not max(0, event.value_a - owed) <= event.paid <= event.value_a:
            raise InvalidMessage("audit.payout", "the vault paid another sum than the channel's value less its liens")
        self.tally.payouts += 1

    def _ended(self, event: Closed) -> None:
        agreed = self._agreed.get(event.channel_id)
        if agreed is not None and event.value_a != agreed:
            raise InvalidMessage("audit.payout", "a cooperative close came home with another sum than was signed")

    def _withdrawn(self, event: PaidOut) -> None:
        """What came home while the channel goes on is what both had signed."""
        if event.channel_id in self.engine.venue.withdrawals.advanced:
            raise InvalidMessage("audit.payout", "a withdrawal came home that no entry has signed")


def _check_shares(seq: int, record: Deleveraged) -> None:
    """Who gave up how much follows from the candidates that are published with it."""
    if [(share.key, share.lots) for share in record.shares] != allocate(record.candidates, record.lots):
        raise Lie(seq, "audit.deleverage", "the shares of a deleverage do not follow from its candidates")


def _decoded(seq: int, payload: bytes) -> AnyEvent:
    """The event in `payload`, which must be its one encoding."""
    try:
        event = decode(payload)
    except msgspec.DecodeError as error:
        raise Lie(seq, "audit.entry", f"the entry does not decode: {error}") from error
    if encode(event) != payload:
        raise Lie(seq, "audit.entry", "the entry is not in its one encoding")
    return event
