"""The public records of a venue as one bundle, and what can be vouched for from it alone.

A bundle holds every record in its order, with its proof, and the proofs of all epochs; and, for who is entitled to
look, a box for one view key with the openings of each group of records. It holds no wallet, no channel, no signature
and nothing of the journal. `check` believes none of it: bytes, chains, proofs and ranges, then openings against
commitments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import msgspec

from fairway.audit.lie import Lie
from fairway.crypto.pedersen import commit_all
from fairway.crypto.viewing import open_box, seal_for
from fairway.errors import UNREADABLE, FairwayError, InvalidMessage
from fairway.exchange.effect import AnyEffect, ProveRecord
from fairway.exchange.event import AnyEvent, EpochProved, Proved
from fairway.settlement.chain import NOTHING, PublicBooks, Record
from fairway.settlement.epoch import EpochProof, verify_epoch
from fairway.settlement.job import published
from fairway.settlement.lend import DOMAIN as LENT
from fairway.settlement.lending import LendTx
from fairway.settlement.note import DOMAIN as FILLED
from fairway.settlement.note import OrderTx
from fairway.settlement.proof import verify_batch
from fairway.settlement.settlement import SettlementTx
from fairway.settlement.solvency import DOMAIN as SHOWN
from fairway.settlement.solvency import Solvency, SolvencyTx
from fairway.settlement.statement import DOMAIN as SETTLED
from fairway.settlement.wire import Reader, pack_openings
from fairway.units import FUNDING_SCALE, div_down

__all__ = ["Bundle", "Publisher", "Seen", "Worth", "check", "decode", "encode"]

READERS: dict[bytes, Callable[[bytes], Record]] = {
    FILLED: OrderTx.decode,
    SETTLED: SettlementTx.decode,
    LENT: LendTx.decode,
    SHOWN: SolvencyTx.decode,
}


class Group(msgspec.Struct, array_like=True, frozen=True):
    """A record and the fills published before it; `box` has their openings, empty where there is no view key."""

    fills: list[bytes]
    record: bytes
    box: bytes = b""


class Epoch(msgspec.Struct, array_like=True, frozen=True):
    """The ranges of groups `first` ≤ n < `last`."""

    first: int
    last: int
    proof: bytes


class Bundle(msgspec.Struct, array_like=True, frozen=True, tag="fairway.records.v1"):
    """Everything public. `pool` is the commitment that the pool begins at, zeros where a record begins it."""

    pool: bytes
    groups: list[Group]
    epochs: list[Epoch]


class Worth(NamedTuple):
    """The pool at a showing, opened by the view key: nano, but for `shares`."""

    record: int
    nav: int
    lend_state: int
    shares: int


class Seen(NamedTuple):
    """What a bundle was found to hold; `worths` only where a view key opened it."""

    records: int
    proofs: int
    epochs: int
    ranged_values: int
    showings: int
    opened: int
    worths: tuple[Worth, ...]


class Publisher:
    """Collects a bundle from a journal under re-execution; only what an epoch made final is in it."""

    def __init__(self, pool: bytes = NOTHING, view_key: bytes | None = None) -> None:
        self._pool = pool
        self._view_key = view_key
        self._made: list[ProveRecord] = []
        self._proofs: dict[bytes, bytes] = {}
        self._epochs: list[Epoch] = []

    def note(self, event: AnyEvent, effects: Sequence[AnyEffect]) -> None:
        """The next event and what the engine did about it."""
        self._made += [effect for effect in effects if isinstance(effect, ProveRecord)]
        if isinstance(event, Proved):
            self._proofs[event.txid] = event.proof
        elif isinstance(event, EpochProved):
            self._epochs.append(Epoch(event.first, event.last, event.proof))

    def bundle(self, entropy: Callable[[], bytes]) -> Bundle:
        """What is final so far; `entropy` gives 32 fresh bytes for each box."""
        last = self._epochs[-1].last if self._epochs else 0
        return Bundle(self._pool, [self._group(each, entropy) for each in self._made[:last]], self._epochs)

    def _group(self, made: ProveRecord, entropy: Callable[[], bytes]) -> Group:
        fills = [opened.transaction().encode() for opened in made.fills]
        record = published(made.record, self._proofs.get(made.record.txid, b"")).encode()
        if self._view_key is None:
            return Group(fills, record)
        known = [opening for opened in made.fills for opening in opened.openings]
        known += (made.record.worth, made.record.high) if isinstance(made.record, Solvency) else made.record.openings
        return Group(fills, record, seal_for(self._view_key, pack_openings(known), entropy()))


def encode(bundle: Bundle) -> bytes:
    """The bundle's bytes."""
    return msgspec.msgpack.encode(bundle)


def decode(content: bytes) -> Bundle:
    """The bundle in `content`. Errors: `Lie` (`records.format`)."""
    try:
        return msgspec.msgpack.decode(content, type=Bundle)
    except UNREADABLE as error:
        raise Lie(None, "records.format", f"this is no bundle of records: {error}") from None


def check(bundle: Bundle, seed: bytes | None = None) -> Seen:
    """Vouch for a bundle, or raise `Lie` for the first group that is wrong; `seed` is a view key's. Secret: `seed`."""
    groups = [_read(number, each) for number, each in enumerate(bundle.groups)]
    _follow(bundle.pool, groups)
    worths = () if seed is None else tuple(_opened(bundle, groups, seed))
    proofs, ranged = _verify(groups), _verify_epochs(bundle, groups)
    flat = [record for records in groups for record in records]
    showings = sum(isinstance(record, SolvencyTx) for record in flat)
    return Seen(len(flat), proofs, len(bundle.epochs), ranged, showings, 0 if seed is None else len(groups), worths)


def _read(number: int, group: Group) -> list[Record]:
    with _blaming(number):
        return [_record(content) for content in (*group.fills, group.record)]


def _record(content: bytes) -> Record:
    for domain, reader in READERS.items():
        if content.startswith(domain):
            record = reader(content)
            if record.encode() == content:
                return record
    raise InvalidMessage("records.format", "these bytes are no record")


def _follow(pool: bytes, groups: Sequence[Sequence[Record]]) -> None:
    books = PublicBooks(pool)
    for number, records in enumerate(groups):
        with _blaming(number):
            for record in records:
                books.apply(record)


def _opened(bundle: Bundle, groups: Sequence[Sequence[Record]], seed: bytes) -> Iterator[Worth]:
    """Open every box, and compare what is in it with the commitments; what each showing of the pool says."""
    state = shares = 0
    for number, records in enumerate(groups):
        points = [point for record in records for point in _points(record)]
        with _blaming(number):
            reader = Reader(open_box(seed, bundle.groups[number].box))
            known = reader.openings(len(points))
            reader.end()
        if commit_all(known) != points:
            raise Lie(None, "records.openings", f"what opens group {number} is not what it commits to")
        last = records[-1]
        own = known[len(known) - len(_points(last)) :]
        if isinstance(last, SolvencyTx):
            yield Worth(number, div_down(own[0].value, FUNDING_SCALE), state, shares)
        else:
            named = {name: each.value for name, each in zip(last.by_name(), own, strict=True)}
            state = named.get("LS1", state) + named.get("cover", 0)
            shares = named.get("T1", shares)


def _points(record: Record) -> list[bytes]:
    return [record.worth, record.high] if isinstance(record, SolvencyTx) else list(record.commitments)


def _verify(groups: Sequence[Sequence[Record]]) -> int:
    proven = [(n, each) for n, group in enumerate(groups) for each in group if isinstance(each, SettlementTx | LendTx)]
    try:
        verify_batch([each for _, each in proven])
    except FairwayError as error:
        index = error.facts.get("index", 0)
        number, _ = proven[index if isinstance(index, int) else 0]
        raise Lie(None, error.code, f"the proof in group {number}: {error.message}") from error
    return len(proven)


def _verify_epochs(bundle: Bundle, groups: Sequence[Sequence[Record]]) -> int:
    """Every group stands in one epoch, and its ranges hold; how many values they are of."""
    ranged, following = 0, 0
    for epoch in bundle.epochs:
        if epoch.first != following or not epoch.first < epoch.last <= len(groups):
            raise Lie(None, "records.epoch", f"the epoch from group {epoch.first} does not follow the last one")
        records = [record for group in groups[epoch.first : epoch.last] for record in group]
        with _blaming(epoch.first):
            verify_epoch(records, EpochProof.decode(epoch.proof))
        ranged += sum(len(record.ranged()) for record in records)
        following = epoch.last
    if following != len(groups):
        raise Lie(None, "records.epoch", f"groups from {following} on are in no epoch")
    return ranged


@contextmanager
def _blaming(number: int) -> Iterator[None]:
    """Whatever is refused inside is the fault of group `number`."""
    try:
        yield
    except Lie:
        raise
    except FairwayError as error:
        raise Lie(None, error.code, f"group {number}: {error.message}") from error
