"""Evidence as the vault reads it, in the layouts of contracts/schema.tlb.

Halves, receipts, rounds and terms come as cells; whoever makes them is not this module's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytoniq_core import HashMap

from fairway.ton.cells import Builder, Cell
from fairway.ton.merkle import entry_proof

__all__ = [
    "Acknowledgement",
    "FillEvidence",
    "Promise",
    "SignedCell",
    "SignedRound",
    "bytes_cell",
    "late_receipt",
    "two_halves",
]

_TWO_HALVES, _LATE_RECEIPT = 0x54574F48, 0x4C415445


@dataclass(frozen=True, slots=True)
class SignedCell:
    """A cell and the signature of its hash: a half, a receipt."""

    signature: bytes
    cell: Cell

    def to_cell(self) -> Cell:
        """Signature, then reference."""
        return Builder().store_bytes(self.signature).store_ref(self.cell).end_cell()


@dataclass(frozen=True, slots=True)
class SignedRound:
    """An oracle round and signatures of its hash by oracle index."""

    cell: Cell
    signatures: Mapping[int, bytes]

    def to_cell(self) -> Cell:
        """Round, then the dictionary of signatures."""
        signatures = HashMap(8, value_serializer=lambda signature, builder: builder.store_ref(bytes_cell(signature)))
        for index, signature in self.signatures.items():
            signatures.set_int_key(index, signature)
        return Builder().store_ref(self.cell).store_dict(signatures.serialize()).end_cell()


@dataclass(frozen=True, slots=True)
class Promise:
    """A conditional in a signed half: the half, the root of its conditionals, and the key it stands under."""

    half: SignedCell
    conditionals: Cell
    key: int

    def to_cell(self) -> Cell:
        """Key, half, Merkle proof."""
        body = Builder().store_uint(self.key, 32).store_ref(self.half.to_cell())
        return body.store_ref(entry_proof(self.conditionals, 32, self.key)).end_cell()


@dataclass(frozen=True, slots=True)
class FillEvidence:
    """A fill as three parties signed it: taker's order, service's receipt, maker's order; and what it is worth now.

    `before` and `after` are consecutive rounds around the end of the taker's time to sign.
    """

    maker_channel: bytes
    taker: Promise
    maker: Promise
    receipt: SignedCell
    before: SignedRound
    after: SignedRound

    def to_cell(self) -> Cell:
        """The contract's cell."""
        rounds = Builder().store_ref(self.before.to_cell()).store_ref(self.after.to_cell()).end_cell()
        body = Builder().store_bytes(self.maker_channel).store_ref(self.taker.to_cell()).store_ref(self.maker.to_cell())
        return body.store_ref(self.receipt.to_cell()).store_ref(rounds).end_cell()


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A half of the service, and the root of the conditionals in the user's half that it cites; None: there are none.

    Of them only `key` is shown.
    """

    service: SignedCell
    conditionals: Cell | None
    key: int

    def to_cell(self) -> Cell:
        """Half, Merkle proof."""
        proof = entry_proof(self.conditionals, 32, self.key) if self.conditionals else None
        return Builder().store_ref(self.service.to_cell()).store_maybe_ref(proof).end_cell()


def two_halves(first: SignedCell, second: SignedCell) -> Cell:
    """Two halves of one side under one seqno."""
    body = Builder().store_uint(_TWO_HALVES, 32)
    return body.store_ref(first.to_cell()).store_ref(second.to_cell()).end_cell()


def late_receipt(placed: Acknowledgement, dropped: Acknowledgement, receipt: SignedCell) -> Cell:
    """An order that the service acknowledged, its cancel that it acknowledged too, a receipt that fills it after."""
    body = Builder().store_uint(_LATE_RECEIPT, 32).store_uint(placed.key, 32).store_ref(placed.to_cell())
    return body.store_ref(dropped.to_cell()).store_ref(receipt.to_cell()).end_cell()


def bytes_cell(value: bytes) -> Cell:
    """A cell of these bytes."""
    return Builder().store_bytes(value).end_cell()
