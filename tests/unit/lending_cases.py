"""Lenders' moves on a pool with open notes, and a small public world in which records follow each other."""

from dataclasses import dataclass, field

from settlement_cases import BINDING, INVERSE, LINEAR, blinder

from fairway.crypto.pedersen import Opening
from fairway.risk.position import closed, opened
from fairway.settlement.chain import PublicBooks
from fairway.settlement.lend import LendKind, LendTerms
from fairway.settlement.lending import Lending, PoolState, earn, initialise_pool, lend, redeem
from fairway.settlement.note import Fill, Opened, open_note
from fairway.settlement.proof import prove
from fairway.settlement.settlement import settle
from fairway.settlement.solvency import SolvencyTerms, show_solvency
from fairway.settlement.statement import Cause, Terms
from fairway.settlement.worth import net_worth

NETWORK, POOL_NAME, ENTROPY = -239, b"p" * 32, bytes(range(32))
OPERATOR, LENDER, OTHER = b"o" * 32, b"l" * 32, b"m" * 32
STATE = PoolState(Opening(5 * 10**12, 77), Opening(4 * 10**12, 78))
WORTH = Opening(65536 * 5 * 10**12 + 123_456_789, 79)
WIDE = Opening((10**12 << 64) + 12_345, 79)
HELD = Opening(10**12, 80)


def terms(note: bytes = LENDER, at_ms: int = 3) -> LendTerms:
    return LendTerms(network=NETWORK, at_ms=at_ms, pool=POOL_NAME, note=note, binding=BINDING)


MOVES = {
    "initial": lambda: initialise_pool(10**12, terms(OPERATOR), blinder("seed")),
    "deposit": lambda: lend(STATE, WORTH, 10**9 + 7, terms(), blinder("in")),
    "redeem": lambda: redeem(STATE, WORTH, HELD, 10**9 + 7, terms(), blinder("out")),
    "redeem, all": lambda: redeem(STATE, WORTH, HELD, HELD.value, terms(), blinder("out")),
    "earn": lambda: earn(STATE, 10**9 + 7, terms(OPERATOR), blinder("earn")),
    "deposit, wide": lambda: lend(STATE, WIDE, 2**61 + 3**30, terms(), blinder("in")),
    "redeem, wide": lambda: redeem(
        PoolState(STATE.lend_state, Opening(2**63, 78)), WORTH, HELD, 10**9 + 7, terms(), blinder("out")
    ),
}
KINDS = {"initial": LendKind.INITIAL, "deposit": LendKind.DEPOSIT, "redeem": LendKind.REDEEM}


@dataclass
class World:
    """A pool with its lenders and traders, in openings, and the books of a reader who sees the records only."""

    books: PublicBooks = field(default_factory=lambda: PublicBooks(bytes(32)))
    pool: PoolState = field(default_factory=lambda: PoolState(Opening(0, 0), Opening(0, 0)))
    notes: dict = field(default_factory=dict)
    positions: dict = field(default_factory=dict)
    holdings: dict = field(default_factory=dict)
    private: list = field(default_factory=list)
    public: list = field(default_factory=list)

    @property
    def worth(self) -> Opening:
        return net_worth(self.pool.lend_state, self.notes.values())

    def _blinding(self):
        return blinder(f"world {len(self.private)}")

    def publish(self, private, public):
        self.books.apply(public)
        self.private.append(private)
        self.public.append(public)
        return private

    def start(self, nano: int) -> Lending:
        return self._moved(initialise_pool(nano, terms(OPERATOR), self._blinding()), 1)

    def lend(self, name: bytes, nano: int) -> Lending:
        at = len(self.private)
        return self._moved(lend(self.pool, self.worth, nano, terms(name, at), self._blinding()), 1)

    def redeem(self, name: bytes, shares: int) -> Lending:
        at, held = len(self.private), self.holdings[name]
        return self._moved(redeem(self.pool, self.worth, held, shares, terms(name, at), self._blinding()), -1)

    def _moved(self, move: Lending, sign: int) -> Lending:
        self.publish(move, prove(move, ENTROPY))
        self.pool = move.pool_after
        held, name = self.holdings.get(move.statement.note, Opening(0, 0)), move.statement.note
        self.holdings[name] = held + move.moved if sign > 0 else held - move.moved
        return move

    def trade(self, buyer: bytes, seller: bytes, lots: int, price: int, **about):
        """A fill that opens or increases `buyer` and `seller`, notes of the same market."""
        for name, side in ((buyer, 1), (seller, -1)):
            self.open(name, side, lots, price, **about)

    def open(self, name: bytes, side: int, lots: int, price: int, *, contract=LINEAR, index=0, margin=10**10):
        fill = Fill(
            network=NETWORK, market=int(contract is INVERSE), inverse=contract is INVERSE, unit=contract.unit,
            side=side, price=price, funding_index=index, at_ms=len(self.private), note=name,
        )  # fmt: skip
        made: Opened = open_note(fill, lots, margin, self._blinding())
        self.publish(made, made.transaction())
        self.positions[name] = opened(self.positions.get(name), contract, side, lots, price, index, margin)
        self.notes[name] = self.notes[name] + made.note if name in self.notes else made.note

    def close(self, name: bytes, price: int, *, lots=None, index=0):
        note, position = self.notes[name], self.positions[name]
        contract = INVERSE if note.inverse else LINEAR
        closure = closed(position, contract, lots or position.lots, price, index)
        about = Terms(
            network=NETWORK, market=note.market, inverse=note.inverse, unit=note.unit, side=note.side,
            cause=Cause.TRADE, settlement_price=price, mark_price=price, funding_index=index,
            at_ms=len(self.private), note=name, binding=BINDING,
        )  # fmt: skip
        settlement = settle(note, self.pool.lend_state, closure, about, self._blinding())
        self.publish(settlement, prove(settlement, ENTROPY))
        self.pool = PoolState(settlement.pool_after, self.pool.shares)
        rest = settlement.note_after(note)
        if rest is None:
            del self.notes[name], self.positions[name]
        else:
            self.notes[name], self.positions[name] = rest, closure.rest
        return settlement

    def solvency(self):
        at = SolvencyTerms(network=NETWORK, at_ms=9, pool=POOL_NAME, head=self.books.head)
        return show_solvency(self.worth, [(NETWORK, note) for note in self.notes.values()], at, self._blinding())
