"""What a record proves against the service by its own signatures: the bond pays for two things that it signed for one.

    two halves        the one kept as evidence, and the one in the log under its seqno
    a late receipt    an order that the service acknowledged, its cancel likewise, and a later fill of it

Whatever else it said that cannot be true stays evidence for people: the vault judges these two.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from fairway.channel.conditionals import Conditionals
from fairway.channel.state import NO_CONDITIONALS, Body, Half, SignedHalf
from fairway.client.replica import Replica
from fairway.client.store import Store
from fairway.crypto import keys
from fairway.errors import InvalidMessage
from fairway.exchange import wire
from fairway.exchange.change import Filled
from fairway.exchange.live_order import LiveOrder
from fairway.exchange.reading import read_receipt
from fairway.exchange.site import channel_setup
from fairway.exchange.terms import Receipt
from fairway.risk.contract import fee, fill_cost
from fairway.ton.cells import Cell, to_cell
from fairway.ton.vault_messages import Acknowledgement, SignedCell, slash_late_receipt, slash_two_halves

__all__ = ["Accusation", "accusations", "late_receipt_of"]

Said = wire.Pushed | wire.Granted


class Accusation(NamedTuple):
    """The vault's message that proves a lie, and the seqno of the half that is one too many."""

    seqno: int
    body: Cell


class _Acknowledged(NamedTuple):
    """A half of the service, and the conditionals in the half of the user that it cites."""

    b: SignedHalf
    conditionals: Conditionals


def accusations(store: Store, channel_id: bytes) -> list[Accusation]:
    """Everything that the record of a channel proves, once for each seqno. Errors: those of a record."""
    kept = [wire.decode_reply(each.frame) for each in store.evidence(channel_id)]
    said = [each for each in kept if isinstance(each, wire.Pushed | wire.Granted)]
    if not said:
        return []
    record = _Record(store, channel_id)
    proven = [proof for each in said for proof in (*record.two_halves(each), *record.late_receipts(each))]
    return list({proof.seqno: proof for proof in proven}.values())


def late_receipt_of(store: Store, channel_id: bytes, shown: SignedCell) -> Accusation | None:
    """What a receipt proves beside the record of a channel, wherever it was shown; None where it proves nothing.

    Errors: those of a record.
    """
    welcome = next(store.record(channel_id))
    assert isinstance(welcome, wire.Welcome)
    if not _is_signed(welcome.key_b, shown.cell.hash, shown.signature):
        return None
    return next(_Record(store, channel_id).late(shown), None)


class _Record:
    """One channel's log, played once more."""

    def __init__(self, store: Store, channel_id: bytes) -> None:
        self._store = store
        self._orders: dict[int, LiveOrder] = {}
        self._acknowledged: list[_Acknowledged] = []
        entries = store.record(channel_id)
        welcome, opened = next(entries), next(entries)
        assert isinstance(welcome, wire.Welcome)
        assert isinstance(opened, wire.Open)
        self._replica = Replica(welcome, opened)
        for entry in entries:
            self._replica.apply(entry)
            self._orders |= self._replica.account.orders
            channel = self._replica.channel
            if isinstance(entry, wire.Pushed) and channel.b is not None:
                self._acknowledged.append(_Acknowledged(channel.b, channel.a_conditionals))
        self._key_b = welcome.key_b
        self._name = channel_setup(welcome, channel_id, opened.key_a, welcome.key_b).init.hash
        self._channel_id = channel_id

    def two_halves(self, said: Said) -> Iterator[Accusation]:
        """Another half under the seqno of one that is in the log."""
        seqno = _seqno(said)
        known = self._store.half(self._channel_id, "B", seqno)
        if not isinstance(known, wire.Pushed | wire.Granted):
            return
        first, second = self._half(known), self._half(said)
        if first is not None and second is not None and first.half != second.half:
            yield Accusation(seqno, slash_two_halves(self._name, _cell(first), _cell(second)))

    def _half(self, said: Said) -> SignedHalf | None:
        """The half that was said, if the service has signed it; the half of the user it cites is in the log."""
        if isinstance(said, wire.Pushed):
            body, cites = Body(said.seqno, said.sent, said.conditionals_hash), said.cites
        else:
            body, cites = Body(1, 0, said.conditionals_hash), 1
        cited = self._store.half(self._channel_id, "A", cites)
        if isinstance(cited, wire.Open):
            answered = Body(1, 0, NO_CONDITIONALS)
        elif isinstance(cited, wire.Propose):
            answered = Body(cited.seqno, cited.sent, cited.conditionals_hash)
        else:
            return None
        half = Half(int.from_bytes(self._channel_id), body, answered)
        return SignedHalf(half, said.signature) if self._is_signed(half.digest(), said.signature) else None

    def late_receipts(self, said: Said) -> Iterator[Accusation]:
        """Fills of orders whose cancels the service had acknowledged."""
        for change in said.changes if isinstance(said, wire.Pushed) else ():
            if isinstance(said, wire.Pushed) and isinstance(change, Filled) and change.key in self._orders:
                yield from self._late(said, change)

    def _late(self, said: wire.Pushed, change: Filled) -> Iterator[Accusation]:
        receipt = self._receipt(change, said.seqno)
        signature = next((each for each in said.receipts if self._is_signed(receipt.digest(), each)), None)
        holding = [place for place, each in enumerate(self._acknowledged) if change.key in each.conditionals]
        if signature is None or not holding or holding[-1] + 1 == len(self._acknowledged):
            return
        placed, dropped = (self._shown(holding[-1] + step, change.key) for step in (0, 1))
        shown = SignedCell(signature, to_cell(receipt.cell()))
        yield Accusation(receipt.b_seqno, slash_late_receipt(self._name, placed, dropped, shown))

    def late(self, shown: SignedCell) -> Iterator[Accusation]:
        """The same of a receipt that was shown to somebody else."""
        named = read_receipt(shown.cell)
        if named is None:
            return
        order, b_seqno = named
        for key in [key for key, each in self._orders.items() if each.digest == order]:
            holding = [place for place, each in enumerate(self._acknowledged) if key in each.conditionals]
            gone = holding[-1] + 1 if holding else len(self._acknowledged)
            if gone < len(self._acknowledged) and self._acknowledged[gone].b.half.seqno < b_seqno:
                placed, dropped = (self._shown(place, key) for place in (gone - 1, gone))
                yield Accusation(b_seqno, slash_late_receipt(self._name, placed, dropped, shown))

    def _receipt(self, change: Filled, b_seqno: int) -> Receipt:
        """What the service must have signed for the fill, had the order been live as it last was."""
        order = self._orders[change.key]
        terms, contract = order.terms, self._replica.rules.listing(order.terms.market).contract
        s = 1 if terms.buy else -1
        charged = order.fee_for(change.lots, fee(contract, change.lots, change.price, taker=change.taker))
        return Receipt(
            self._channel_id,
            order.digest,
            change.match_id,
            change.other,
            order.lots + change.lots,
            order.cost + fill_cost(contract, s, change.lots, change.price),
            order.fee + charged,
            order.base + s * self._replica.rounds[terms.market].funding * change.lots,
            b_seqno,
            change.at_ms,
            change.price,
        )

    def _shown(self, place: int, key: int) -> Acknowledgement:
        acknowledged = self._acknowledged[place]
        return Acknowledgement(_cell(acknowledged.b), acknowledged.conditionals.root_cell(), key)

    def _is_signed(self, digest: bytes, signature: bytes) -> bool:
        return _is_signed(self._key_b, digest, signature)


def _is_signed(key: bytes, digest: bytes, signature: bytes) -> bool:
    try:
        keys.verify(key, digest, signature)
    except InvalidMessage:
        return False
    return True


def _seqno(said: Said) -> int:
    return said.seqno if isinstance(said, wire.Pushed) else 1


def _cell(signed: SignedHalf) -> SignedCell:
    return SignedCell(signed.signature, signed.half.to_cell())
