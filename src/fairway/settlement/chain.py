"""What ties settlements together: the chain of a channel, the chain of the pool, and the notes in between.

A channel's B half carries `h = SHA-256(h_prev ‖ txid)` over the settlements of that channel. The public follows the
rest from the records in the order they were made:

1. a settlement's pool commitment LS0 is the one the settlement before it left,
2. the note it consumes is the sum of the fills of that name, less what partial closes took,
3. a note is consumed under the terms it was opened with, and no record counts twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256

from fairway.errors import InvalidProof
from fairway.settlement.note import Fill, NotePoints, OrderTx
from fairway.settlement.settlement import SettlementTx
from fairway.settlement.statement import Terms

__all__ = ["CHAIN_START", "PublicBooks", "chain_next"]

CHAIN_START = bytes(32)


def chain_next(previous: bytes, txid: bytes) -> bytes:
    """The head of a channel's chain after one more settlement: SHA-256(previous ‖ txid)."""
    return sha256(previous + txid).digest()


@dataclass(slots=True)
class PublicBooks:
    """What a reader of the records knows: the pool's commitment, and each open note with its terms.

    `apply` moves it by one record, or raises and leaves it as it was. Proofs are not looked at: that is `proof` and
    `epoch`.
    """

    pool: bytes
    notes: dict[bytes, tuple[tuple[int, int, bool, int, int], NotePoints]] = field(default_factory=dict)
    seen: set[bytes] = field(default_factory=set)

    def apply(self, tx: OrderTx | SettlementTx) -> None:
        """Follow one record. Errors: `InvalidProof` with `settlement.pool`, `.note`, `.terms` or `.repeated`."""
        txid = tx.txid
        if txid in self.seen:
            raise InvalidProof("settlement.repeated", "a record was published twice", txid=txid)
        if isinstance(tx, OrderTx):
            self._open(tx)
        else:
            self._settle(tx)
        self.seen.add(txid)

    def _open(self, tx: OrderTx) -> None:
        name, terms, added = tx.fill.note, _terms(tx.fill), tx.points()
        known = self.notes.get(name)
        if known is not None and known[0] != terms:
            raise InvalidProof("settlement.terms", "a fill adds to a note of other terms", note=name)
        self.notes[name] = (terms, known[1].plus(added) if known is not None else added)

    def _settle(self, tx: SettlementTx) -> None:
        name = tx.statement.note
        terms, points = self.notes.get(name, (None, None))
        if terms != _terms(tx.statement):
            raise InvalidProof("settlement.terms", "a settlement has other terms than its note", note=name)
        if points != tx.note_before:
            raise InvalidProof("settlement.note", "a settlement consumes what its note does not hold", note=name)
        if tx.pool_before != self.pool:
            raise InvalidProof("settlement.pool", "a settlement does not begin at the pool the last one left")
        rest = tx.note_after
        self.pool = tx.pool_after
        if rest is None:
            del self.notes[name]
        else:
            self.notes[name] = (_terms(tx.statement), rest)


def _terms(source: Fill | Terms) -> tuple[int, int, bool, int, int]:
    return source.network, source.market, source.inverse, source.unit, source.side
