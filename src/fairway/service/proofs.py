"""The newest public records, for whoever wants to verify one. The journal has all of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fairway.errors import Rejected
from fairway.exchange.effect import AnyEffect, ProveRecord
from fairway.exchange.event import AnyEvent, EpochProved, Proved
from fairway.settlement.job import published
from fairway.settlement.lending import LendTx
from fairway.settlement.settlement import SettlementTx
from fairway.settlement.solvency import SolvencyTx

__all__ = ["Proofs", "Record"]

KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Record:
    """Record `number`; `tx` has its proof once `is_proved`, and is final once `is_ranged` by its epoch too."""

    number: int
    tx: SettlementTx | LendTx | SolvencyTx
    is_ranged: bool = False

    @property
    def is_proved(self) -> bool:
        """Whether the record's own proof is there; one of solvency has none."""
        return isinstance(self.tx, SolvencyTx) or bool(self.tx.proof)


class Proofs:
    """The newest `KEPT` records by their txid."""

    def __init__(self) -> None:
        self._records: OrderedDict[bytes, Record] = OrderedDict()

    def get(self, txid: bytes) -> Record:
        """The record, or `Rejected` (`proof.unknown`)."""
        record = self._records.get(txid)
        if record is None:
            raise Rejected("proof.unknown", "no such settlement is among the newest")
        return record

    def note(self, event: AnyEvent, effects: Sequence[AnyEffect]) -> None:
        """Add new records, and what `event` proved of the known ones."""
        for effect in effects:
            if isinstance(effect, ProveRecord):
                tx = published(effect.record)
                self._records[tx.txid] = Record(effect.number, tx)
        while len(self._records) > KEPT:
            self._records.popitem(last=False)
        if isinstance(event, Proved) and event.txid in self._records:
            known = self._records[event.txid]
            if not isinstance(known.tx, SolvencyTx):
                self._records[event.txid] = replace(known, tx=replace(known.tx, proof=event.proof))
        elif isinstance(event, EpochProved):
            for txid, known in self._records.items():
                if event.first <= known.number < event.last:
                    self._records[txid] = replace(known, is_ranged=True)
