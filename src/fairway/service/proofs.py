"""The public records of the newest settlements, for whoever wants to verify one. The journal has all of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fairway.errors import Rejected
from fairway.exchange.effect import AnyEffect, ProveSettlement
from fairway.exchange.event import AnyEvent, EpochProved, Proved
from fairway.settlement.settlement import SettlementTx

__all__ = ["Proofs", "Record"]

KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Record:
    """Settlement `number`; `tx` has its proof once `is_proved`, and is final once `is_ranged` by its epoch too."""

    number: int
    tx: SettlementTx
    is_ranged: bool = False

    @property
    def is_proved(self) -> bool:
        """Whether the settlement's own proof is there."""
        return bool(self.tx.proof)


class Proofs:
    """The newest `KEPT` settlements by their txid."""

    def __init__(self) -> None:
        self._records: OrderedDict[bytes, Record] = OrderedDict()

    def get(self, txid: bytes) -> Record:
        """The record, or `Rejected` (`proof.unknown`)."""
        record = self._records.get(txid)
        if record is None:
            raise Rejected("proof.unknown", "no such settlement is among the newest")
        return record

    def note(self, event: AnyEvent, effects: Sequence[AnyEffect]) -> None:
        """Add new settlements, and what `event` proved of the known ones."""
        for effect in effects:
            if isinstance(effect, ProveSettlement):
                settlement = effect.settlement
                tx = SettlementTx(settlement.statement, settlement.commitments, b"")
                self._records[tx.txid] = Record(effect.number, tx)
        while len(self._records) > KEPT:
            self._records.popitem(last=False)
        if isinstance(event, Proved) and event.txid in self._records:
            known = self._records[event.txid]
            self._records[event.txid] = replace(known, tx=replace(known.tx, proof=event.proof))
        elif isinstance(event, EpochProved):
            for txid, known in self._records.items():
                if event.first <= known.number < event.last:
                    self._records[txid] = replace(known, is_ranged=True)
