"""Every close becomes a SettlementTx: the notes of open positions, the chain of the pool, and the blindings.

Commitments are made when a position closes; the fills that opened it are published with it. A lender's move and a
showing of solvency publish every fill of every open note, because the net worth is a sum over all of them.
All is a function of the journal: blindings come from the founding secret and a counter, so a replay makes the same
commitments and txids.
"""

from __future__ import annotations

from hashlib import sha256

from msgspec import Struct

from fairway.crypto.keys import derive_seed
from fairway.crypto.pedersen import Opening
from fairway.crypto.scalars import Scalars
from fairway.exchange.rules import Rules
from fairway.risk.contract import Payoff
from fairway.risk.margin import bracket_at
from fairway.risk.position import Closure, Position
from fairway.settlement.chain import CHAIN_START
from fairway.settlement.job import Made
from fairway.settlement.lend import LendKind, LendTerms
from fairway.settlement.lending import Lending, PoolState, earn, initialise_pool, lend, redeem
from fairway.settlement.note import Blinding, Fill, Note, Opened, open_note
from fairway.settlement.settlement import Settlement, settle
from fairway.settlement.solvency import Solvency, SolvencyTerms, show_solvency
from fairway.settlement.statement import Cause, Terms, binding
from fairway.settlement.worth import net_worth
from fairway.units import FUNDING_SCALE

__all__ = ["CAUSES", "NO_SHARES", "Close", "Settling", "claim_of"]

CAUSES = {
    "trade": Cause.TRADE,
    "margin": Cause.TRADE,
    "marked": Cause.TRADE,
    "joint": Cause.TRADE,
    "dispute": Cause.TRADE,
    "liquidation": Cause.LIQUIDATION,
    "deleverage": Cause.DELEVERAGE,
}
"""The settlement's word for the reason of a close."""


NO_SHARES = Opening(0, 0)


def claim_of(side: int, cost: int, base: int, *, inverse: bool) -> int:
    """What an open position adds to S·NAV: `settlement.worth.part_of` in integers, for every event to afford."""
    return (-side if inverse else side) * FUNDING_SCALE * cost - base


class Close(Struct, frozen=True, gc=False):
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


class _Open(Struct):
    """An open position's note, and its fills that are not published yet."""

    note: Note
    unpublished: list[Opened]


class Settling:
    """The notes of all open positions, the pool's newest commitments, and whose its shares are.

    `claims` is what the open notes add to S·NAV, `count` how many records were made.
    """

    __slots__ = (
        "_last",
        "_notes",
        "_rules",
        "_scalars",
        "_secret",
        "_slots",
        "claims",
        "count",
        "holdings",
        "pool",
        "shares",
    )

    def __init__(self, rules: Rules, secret: bytes, pool: int) -> None:
        self._rules = rules
        self._secret = secret
        self._scalars = Scalars(secret)
        self._slots = 0
        self._notes: dict[tuple[bytes, int], _Open] = {}
        self._last: Made | Opened | None = None
        self.pool = Opening(pool, self._fresh()("LS0"))
        self.shares = NO_SHARES
        self.holdings: dict[bytes, Opening] = {}
        self.claims = 0
        self.count = 0

    @property
    def value(self) -> int:
        """S·NAV: what the pool is worth, whatever the prices are, in nano ÷ S."""
        return FUNDING_SCALE * self.pool.value + self.claims

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
        self.claims += claim_of(added.s, added.cost, added.funding_base, inverse=inverse)
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
        self.claims -= claim_of(held.note.side, closure.cost, closure.base, inverse=held.note.inverse)
        self._count(settlement)
        return settlement, published

    def held(self, channel_id: bytes, market: int) -> tuple[int, int] | None:
        """The lots and margin of an open position's note; None where there is none."""
        held = self._notes.get((channel_id, market))
        return (held.note.lots.value, held.note.margin.value) if held else None

    # The pool

    def note_of(self, lender: str) -> bytes:
        """The name of a lender's shares; those of the pool's first money belong to nobody's wallet, `""`."""
        return derive_seed(self._secret, "fairway lender", lender.encode())

    def shares_of(self, lender: str) -> int:
        """The lender's shares."""
        return self.holdings.get(self.note_of(lender), NO_SHARES).value

    def begin(self, at_ms: int) -> Lending:
        """The pool's first money, with which it was founded, and its shares."""
        return self._moved(initialise_pool(self.pool.value, self._lending("", b"", at_ms), self._fresh()))

    def lend(self, lender: str, nano: int, source: bytes, at_ms: int) -> tuple[Lending, tuple[Opened, ...]]:
        """`nano` in for shares, and the fills that come before it; `source` is what told us. Errors: `lending.lend`."""
        move = lend(self._state, self._worth, nano, self._lending(lender, source, at_ms), self._fresh())
        return self._moved(move), self._publish()

    def redeem(self, lender: str, shares: int, source: bytes, at_ms: int) -> tuple[Lending, tuple[Opened, ...]]:
        """`shares` out for money, and the fills that come before it. Errors: `lending.redeem`."""
        held, terms = self.holdings[self.note_of(lender)], self._lending(lender, source, at_ms)
        move = redeem(self._state, self._worth, held, shares, terms, self._fresh())
        return self._moved(move), self._publish()

    def earn(self, nano: int, source: bytes, at_ms: int) -> Lending:
        """`nano` of income, which belongs to all shares alike."""
        return self._moved(earn(self._state, nano, self._lending("", source, at_ms), self._fresh()))

    def show(self, at_ms: int) -> tuple[Solvency, tuple[Opened, ...]]:
        """That the pool is solvent and lots balance, and the fills before it. Errors: `show_solvency`."""
        fills, network = self._unpublished(), self._rules.network
        last = fills[-1] if fills else self._last
        terms = SolvencyTerms(
            network=network, at_ms=at_ms, pool=self._name(), head=last.txid if last is not None else CHAIN_START
        )
        notes = [(network, each.note) for each in self._notes.values()]
        shown = show_solvency(self._worth, notes, terms, self._fresh())
        self._count(shown)
        return shown, self._publish()

    @property
    def is_published(self) -> bool:
        """Whether every fill of every open note stands in the records."""
        return not any(each.unpublished for each in self._notes.values())

    @property
    def _state(self) -> PoolState:
        return PoolState(self.pool, self.shares)

    @property
    def _worth(self) -> Opening:
        return net_worth(self.pool, (each.note for each in self._notes.values()))

    def _moved(self, move: Lending) -> Lending:
        name = move.statement.note
        self.pool, self.shares = move.pool_after
        held = self.holdings.get(name, NO_SHARES)
        if move.statement.kind is not LendKind.EARN:
            self.holdings[name] = held - move.moved if move.statement.kind is LendKind.REDEEM else held + move.moved
        self._count(move)
        return move

    def _count(self, record: Made) -> None:
        self._last = record
        self.count += 1

    def _unpublished(self) -> tuple[Opened, ...]:
        return tuple(opened for each in self._notes.values() for opened in each.unpublished)

    def _publish(self) -> tuple[Opened, ...]:
        fills = self._unpublished()
        for each in self._notes.values():
            each.unpublished = []
        return fills

    def _name(self) -> bytes:
        """The pool's name, which its records bear."""
        return derive_seed(self._secret, "fairway pool")

    def _lending(self, lender: str, source: bytes, at_ms: int) -> LendTerms:
        salt = derive_seed(self._secret, "fairway lending salt", self._slots.to_bytes(8))
        return LendTerms(
            network=self._rules.network,
            at_ms=at_ms,
            pool=self._name(),
            note=self.note_of(lender),
            binding=binding(bytes(16), 0, sha256(lender.encode() + source).digest(), salt),
        )

    def _terms(self, close: Close, note: Note) -> Terms:
        contract, cause = self._rules.listing(close.market).contract, CAUSES[close.reason]
        liquidated = cause is Cause.LIQUIDATION
        tier = bracket_at(contract, note.lots.value, close.mark)
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
            maintenance=tier.maintenance if liquidated else 0,
            deduction=tier.deduction if liquidated else 0,
            at_ms=close.at_ms,
            note=note.name,
            binding=binding(close.channel_id, close.seqno, close.order, salt),
        )

    def _fresh(self) -> Blinding:
        """Blindings for one record; no two records share one."""
        self._slots += 1
        slot = self._slots.to_bytes(8)
        return lambda name: self._scalars.derive(b"blinding", slot, name.encode())
