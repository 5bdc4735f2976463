"""What ties settlements together: the chain of a channel, the chain of the pool, and the notes in between.

A channel's B half carries `h = SHA-256(h_prev ‖ txid)` over the settlements of that channel. The public follows the
rest from the records in the order they were made:

1. a settlement's pool commitment LS0 is the one the record before it left; so are a lender's LS0 and T0,
2. the note it consumes is the sum of the fills of that name, less what partial closes took,
3. a note is consumed under the terms it was opened with, and no record counts twice,
4. a lender's shares are the sum of what his note was given less what it gave up,
5. the net worth that shares are priced on, and that is shown to be at least zero, is the sum over the pool and every
   open note.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256

from fairway.crypto.pedersen import combine
from fairway.errors import InvalidProof
from fairway.settlement.lend import LendKind
from fairway.settlement.lending import NOTHING, LendTx
from fairway.settlement.note import Fill, NotePoints, OrderTx
from fairway.settlement.settlement import SettlementTx
from fairway.settlement.solvency import SolvencyTx
from fairway.settlement.statement import Terms
from fairway.settlement.worth import part_of
from fairway.units import FUNDING_SCALE

__all__ = ["CHAIN_START", "NOTHING", "PublicBooks", "Record", "chain_next"]

CHAIN_START = bytes(32)
Record = OrderTx | SettlementTx | LendTx | SolvencyTx


def chain_next(previous: bytes, txid: bytes) -> bytes:
    """The head of a channel's chain after one more settlement: SHA-256(previous ‖ txid)."""
    return sha256(previous + txid).digest()


@dataclass(slots=True)
class PublicBooks:
    """What a reader of the records knows: the pool's commitments, each open note with its terms, each lender's shares.

    `head` is the txid of the last record, `claims` what the open notes add to S·NAV and `lots` Σ s·Q by network and
    market, both as commitments.

    `apply` moves it by one record, or raises and leaves it as it was. Proofs are not looked at: that is `proof` and
    `epoch`.
    """

    pool: bytes
    notes: dict[bytes, tuple[tuple[int, int, bool, int, int], NotePoints]] = field(default_factory=dict)
    seen: set[bytes] = field(default_factory=set)
    head: bytes = CHAIN_START
    shares: bytes = NOTHING
    holdings: dict[bytes, bytes] = field(default_factory=dict)
    claims: bytes = NOTHING
    lots: dict[tuple[int, int], bytes] = field(default_factory=dict)

    @property
    def worth(self) -> bytes:
        """The commitment to V = S·NAV."""
        return combine([(FUNDING_SCALE, self.pool), (1, self.claims)])

    def apply(self, tx: Record) -> None:
        """Follow one record.

        Errors: `InvalidProof` with `settlement.pool`, `.note`, `.terms`, `.shares`, `.worth`, `.head`, `.balance`
        or `.repeated`.
        """
        txid = tx.txid
        if txid in self.seen:
            raise InvalidProof("settlement.repeated", "a record was published twice", txid=txid)
        match tx:
            case OrderTx():
                self._open(tx)
            case SettlementTx():
                self._settle(tx)
            case LendTx():
                self._lend(tx)
            case SolvencyTx():
                self._check_solvency(tx)
        self.seen.add(txid)
        self.head = txid

    def _open(self, tx: OrderTx) -> None:
        name, terms, added = tx.fill.note, _terms(tx.fill), tx.points()
        known = self.notes.get(name)
        if known is not None and known[0] != terms:
            raise InvalidProof("settlement.terms", "a fill adds to a note of other terms", note=name)
        points = known[1].plus(added) if known is not None else added
        self._move(tx.fill, added.lots, added.cost, added.base, 1)
        self.notes[name] = (terms, points)

    def _settle(self, tx: SettlementTx) -> None:
        name = tx.statement.note
        terms, points = self.notes.get(name, (None, None))
        if terms != _terms(tx.statement):
            raise InvalidProof("settlement.terms", "a settlement has other terms than its note", note=name)
        if points != tx.note_before:
            raise InvalidProof("settlement.note", "a settlement consumes what its note does not hold", note=name)
        if tx.pool_before != self.pool:
            raise InvalidProof("settlement.pool", "a settlement does not begin at the pool the last one left")
        rest, pool, closed = tx.note_after, tx.pool_after, tx.by_name()
        self._move(tx.statement, closed["Q"], closed["C"], closed["K"], -1)
        self.pool = pool
        if rest is None:
            del self.notes[name]
        else:
            self.notes[name] = (_terms(tx.statement), rest)

    def _lend(self, tx: LendTx) -> None:
        name, known = tx.statement.note, tx.by_name()
        if (known.get("LS0", NOTHING), known.get("T0", NOTHING)) != (self.pool, self.shares):
            raise InvalidProof("settlement.pool", "a lender's move does not begin at the pool the last record left")
        if "V" in known:
            self._check_worth(known["V"])
        held = self.holdings.get(name, NOTHING)
        if known.get("H0", held) != held:
            raise InvalidProof("settlement.shares", "a lender redeems what his note does not hold", note=name)
        redeems = tx.statement.kind is LendKind.REDEEM
        self.holdings[name] = tx.held_after if redeems else combine([(1, held), (1, tx.held_after)])
        self.pool, self.shares = known["LS1"], known["T1"]

    def _check_solvency(self, tx: SolvencyTx) -> None:
        if tx.terms.head != self.head:
            raise InvalidProof("settlement.head", "the pool is shown to be solvent at another place of the records")
        self._check_worth(tx.worth)
        tx.check_balances({market: point for market, point in self.lots.items() if point != NOTHING})

    def _check_worth(self, worth: bytes) -> None:
        if worth != self.worth:
            raise InvalidProof("settlement.worth", "a record speaks of another net worth than the notes and pool have")

    def _move(self, terms: Fill | Terms, lots: bytes, cost: bytes, base: bytes, factor: int) -> None:
        """Put a note's part into the net worth and into its market's lots, or with factor −1 take it out."""
        market = terms.network, terms.market
        (of_cost, _), (of_base, _) = part_of(terms.side, inverse=terms.inverse)
        claims = combine([(1, self.claims), (factor * of_cost, cost), (factor * of_base, base)])
        self.lots[market] = combine([(1, self.lots.get(market, NOTHING)), (factor * terms.side, lots)])
        self.claims = claims


def _terms(source: Fill | Terms) -> tuple[int, int, bool, int, int]:
    return source.network, source.market, source.inverse, source.unit, source.side
