"""A flip: an order that closes all lots of one side and opens lots of the other at the same price.

It is two records, a whole close and the opening of another note, and nothing new to prove: what ties them is public.
"""

from __future__ import annotations

from fairway.crypto.pedersen import Opening
from fairway.errors import IllegalTransition, InvalidProof
from fairway.settlement.note import Blinding, Fill, Note, Opened, OrderTx, open_note
from fairway.settlement.settlement import Closing, Settlement, SettlementTx, settle
from fairway.settlement.statement import Terms

__all__ = ["check_flip", "flip"]


def flip(
    note: Note,
    pool: Opening,
    closing: Closing,
    terms: Terms,
    name: bytes,
    lots: int,
    margin: int,
    blinding: Blinding,
) -> tuple[Settlement, Opened]:
    """The close of all of `note`, and `lots` with `margin` opened as note `name` on the other side at that price.

    Asks `blinding` as `settle`, then as `open_note`. Errors: `IllegalTransition` if lots stay behind.
    """
    if closing.lots != note.lots.value or name == note.name:
        raise IllegalTransition("settlement.flip", "a flip closes all of a note and opens another")
    settlement = settle(note, pool, closing, terms, blinding)
    return settlement, open_note(_turned(terms, name), lots, margin, blinding)


def check_flip(closed: SettlementTx, opened: OrderTx) -> None:
    """Refuse two records that are no flip. Errors: `InvalidProof`."""
    fill = opened.fill
    if closed.statement.partial or fill.note == closed.statement.note or fill != _turned(closed.statement, fill.note):
        raise InvalidProof("settlement.flip", "what was opened is not the other side at the price of the close")


def _turned(terms: Terms, name: bytes) -> Fill:
    return Fill(
        network=terms.network,
        market=terms.market,
        inverse=terms.inverse,
        unit=terms.unit,
        side=-terms.side,
        price=terms.settlement_price,
        funding_index=terms.funding_index,
        at_ms=terms.at_ms,
        note=name,
    )
