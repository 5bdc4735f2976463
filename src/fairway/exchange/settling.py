"""Every close becomes a SettlementTx: the notes of open positions, the chain of lendState, and the blindings.

Commitments are made when a position closes; the fills that opened it are published with it. All is a function of the
journal: blindings come from the founding secret and a counter, so a replay makes the same commitments and txids.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fairway.crypto.keys import derive_seed
from fairway.crypto.pedersen import Opening
from fairway.crypto.scalars import Scalars
from fairway.exchange.rules import Rules
from fairway.risk.contract import Contract, Payoff
from fairway.risk.position import Closure, Position
from fairway.settlement.note import Fill, Note, Opened, open_note
from fairway.settlement.settlement import Settlement, settle
from fairway.settlement.statement import Cause, Terms, binding
from fairway.units import MILLION

__all__ = ["CAUSES", "Close", "Settling"]

CAUSES = {
    "trade": Cause.TRADE,
    "dispute": Cause.TRADE,
    "liquidation": Cause.LIQUIDATION,
    "deleverage": Cause.DELEVERAGE,
}
"""The settlement's word for the reason of a close."""


@dataclass(frozen=True, slots=True)
class Close:
    """What the engine knows of a close when it happens; `order` is the hash of the order, or zeros for a forced one."""

    channel_id: bytes
    market: int
    seqno: int
    order: bytes
    reason: str
    price: int
    mark: int
    funding: int
    liquidation_price: int
    at_ms: int


@dataclass(slots=True)
class _Open:
    """An open position's note, and its fills that are not published yet."""

    note: Note
    unpublished: list[Opened]


class Settling:
    """The notes of all open positions and the pool's newest commitment."""

    __slots__ = ("_notes", "_rules", "_scalars", "_secret", "_slots", "count", "pool")

    def __init__(self, rules: Rules, secret: bytes, pool: int) -> None:
        self._rules = rules
        self._secret = secret
        self._scalars = Scalars(secret)
        self._slots = 0
        self._notes: dict[tuple[bytes, int], _Open] = {}
        self.pool = Opening(pool, self._fresh()("LS0"))
        self.count = 0

    def open(self, channel_id: bytes, market: int, added: Position, price: int, funding: int, at_ms: int) -> None:
        """A fill opened or increased a position by `added`."""
        blinding = self._fresh()
        held = self._notes.get((channel_id, market))
        name = held.note.name if held else derive_seed(self._secret, "fairway note", self._slots.to_bytes(8))
        contract = self._rules.listing(market).contract
        inverse = contract.payoff is Payoff.INVERSE
        fill = Fill(
            network=self._rules.network,
            market=market,
            inverse=inverse,
            unit=contract.unit,
            side=added.s,
            price=price,
            funding_index=funding,
            at_ms=at_ms,
            note=name,
        )
        opened = open_note(fill, added.lots, added.margin, blinding)
        if held is None:
            self._notes[channel_id, market] = _Open(opened.note, [opened])
        else:
            held.note += opened.note
            held.unpublished.append(opened)

    def close(self, close: Close, closure: Closure, cover: int) -> tuple[Settlement, tuple[Opened, ...]]:
        """The settlement of `closure`, of whose bad debt the insurance pays `cover`, and the fills it publishes."""
        held = self._notes[close.channel_id, close.market]
        blinding = self._fresh()
        settlement = settle(held.note, self.pool, closure, self._terms(close, held.note), blinding, cover)
        published = tuple(held.unpublished)
        rest = settlement.note_after(held.note)
        if rest is None:
            del self._notes[close.channel_id, close.market]
        else:
            self._notes[close.channel_id, close.market] = _Open(rest, [])
        self.pool = settlement.pool_after
        self.count += 1
        return settlement, published

    def held(self, channel_id: bytes, market: int) -> tuple[int, int] | None:
        """The lots and margin of an open position's note; None where there is none."""
        held = self._notes.get((channel_id, market))
        return (held.note.lots.value, held.note.margin.value) if held else None

    def _terms(self, close: Close, note: Note) -> Terms:
        contract, cause = self._rules.listing(close.market).contract, CAUSES[close.reason]
        liquidated = cause is Cause.LIQUIDATION
        maintenance, deduction = _bracket(contract, note.lots.value, close.mark) if liquidated else (0, 0)
        salt = derive_seed(self._secret, "fairway settlement salt", self._slots.to_bytes(8))
        return Terms(
            network=self._rules.network,
            market=close.market,
            inverse=note.inverse,
            unit=note.unit,
            side=note.side,
            cause=cause,
            settlement_price=close.price,
            mark_price=close.mark,
            funding_index=close.funding,
            liquidation_price=close.liquidation_price if liquidated else 0,
            maintenance=maintenance,
            deduction=deduction,
            at_ms=close.at_ms,
            note=note.name,
            binding=binding(close.channel_id, close.seqno, close.order, salt),
        )

    def _fresh(self) -> Callable[[str], int]:
        """Blindings for one record; no two records share one."""
        self._slots += 1
        slot = self._slots.to_bytes(8)
        return lambda name: self._scalars.derive(b"blinding", slot, name.encode())


def _bracket(contract: Contract, lots: int, mark: int) -> tuple[int, int]:
    """The rate and deduction of the bracket that asks for most at `mark`: the one that `is_liquidatable` judges by."""
    a, b = contract.ratio(mark)
    value = contract.unit * lots * a
    tier = max(contract.tiers, key=lambda tier: tier.maintenance * value - MILLION * tier.deduction * b)
    return tier.maintenance, tier.deduction
