"""A fill that its taker will not sign, as evidence: every piece can be exchanged for a forged one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import msgspec
from vault_stage import MARKET_CODE, NETWORK, ORACLES, ORDER_CODE, RESPONSE_MS, Party

from fairway.chain.router import GENESIS
from fairway.channel.conditionals import Conditional, Conditionals
from fairway.channel.state import Body, Half
from fairway.crypto.keys import Signer
from fairway.exchange.terms import MarketTerms, OracleRound, OrderTerms, Receipt
from fairway.ton.cells import Builder, Cell, to_cell
from fairway.ton.vault_messages import Acknowledgement, FillEvidence, Promise, SignedCell, SignedRound
from fairway.units import TON

FILLED_MS = GENESIS * 1000
DEADLINE_MS = FILLED_MS + RESPONSE_MS
MARKET, KEY, POSITION_KEY = 3, 5, 1 << 31 | 3
B_SEQNO = 12


def order(party: Party, *, buy: bool, **changes: object) -> OrderTerms:
    """1000 lots at 50,000 ticks and 1000 nano: a worth of 50 TON."""
    terms = OrderTerms(
        channel_id=party.channel_id.to_bytes(16),
        key=KEY,
        market=MARKET,
        inverse=False,
        buy=buy,
        reduce_only=False,
        kind=0,
        lots=1000,
        limit_tick=50_000,
        trigger_tick=0,
        trigger_above=False,
        unit=1000,
        reserve=8 * TON,
        fee_ppm=500,
        expires_ms=FILLED_MS + 1,
        leverage=10,
    )
    return msgspec.structs.replace(terms, **changes)


def position(party: Party, **changes: object) -> MarketTerms:
    terms = MarketTerms(
        channel_id=party.channel_id.to_bytes(16),
        market=MARKET,
        inverse=False,
        long=True,
        lots=1000,
        unit=1000,
        cost=50 * TON,
        funding_base=0,
        margin=10 * TON,
        ratio=9,
        liquidation_tick=41_000,
        since_ms=FILLED_MS,
        mark=0,
        funding=0,
    )
    return msgspec.structs.replace(terms, **changes)


def receipt(taker: OrderTerms, maker: OrderTerms, **changes: object) -> Receipt:
    paid = Receipt(
        channel_id=taker.channel_id,
        order=taker.digest(),
        match_id=77,
        maker=maker.digest(),
        lots=1000,
        cost=50 * TON,
        fee=TON // 40,
        base=0,
        b_seqno=B_SEQNO,
        at_ms=FILLED_MS,
        price=50_000,
    )
    return msgspec.structs.replace(paid, **changes)


def oracle_round(number: int, at_ms: int, mark: int, **changes: object) -> OracleRound:
    tick = OracleRound(network=NETWORK, market=MARKET, round=number, at_ms=at_ms, index=mark, mark=mark, funding=0)
    return msgspec.structs.replace(tick, **changes)


def signed_round(tick: OracleRound, signers: Sequence[Signer] = ORACLES[:3]) -> SignedRound:
    signatures = {ORACLES.index(each) if each in ORACLES else 3: each.sign(tick.digest()) for each in signers}
    return SignedRound(to_cell(tick.cell()), signatures)


def holding(key: int, terms: OrderTerms | MarketTerms, code: Cell | None = None) -> Conditionals:
    """The conditionals of a half that carries these terms, and another one beside them."""
    code = code or (ORDER_CODE if isinstance(terms, OrderTerms) else MARKET_CODE)
    other = Conditional(Cell.empty(), ORDER_CODE, 0)
    return Conditionals([(key, Conditional(terms.cell(), code, 0)), (3, other)])


def signed_half(
    party: Party, key: Signer, seqno: int, conditionals: Conditionals, cites: Body | None = None
) -> SignedCell:
    half = Half(party.channel_id, Body(seqno, 0, conditionals.root_hash()), cites)
    return SignedCell(key.sign(half.digest()), half.to_cell())


def promise(party: Party, key: int, terms: OrderTerms | MarketTerms, **forged: object) -> Promise:
    conditionals = holding(key, terms, forged.get("code"))
    half = signed_half(party, forged.get("signer", party.key), 10, conditionals)
    return Promise(half, conditionals.root_cell(), key)


def acknowledged(
    party: Party, seqno: int, by: int = B_SEQNO + 1, conditionals: Conditionals | None = None, key: int = KEY
) -> Acknowledgement:
    """The service's half `by` that cites the user's body `seqno` with these conditionals."""
    conditionals = conditionals or Conditionals()
    body = Body(seqno, 0, conditionals.root_hash())
    half = signed_half(party, party.key_b, by, Conditionals(), body)
    return Acknowledgement(half, conditionals.root_cell(), key)


def rest(placed: OrderTerms, lots: int) -> Conditionals:
    """Of an order, what is left when `lots` are signed."""
    left = Builder().store_uint(0x4F524453, 32).store_uint(lots, 48).store_uint(lots * TON // 20, 80).store_coins(0)
    return Conditionals([(placed.key, Conditional(left.store_ref(to_cell(placed.cell())).end_cell(), ORDER_CODE, 0))])


@dataclass(frozen=True)
class Case:
    """The taker bought from the maker; then the mark fell to 47,000: he owes 3 TON and the fee."""

    taker: Party
    maker: Party
    mark: int = 47_000
    pieces: dict[str, object] = field(default_factory=dict)

    def forge(self, **pieces: object) -> Case:
        return replace(self, pieces={**self.pieces, **pieces})

    def evidence(self) -> FillEvidence:
        taker: OrderTerms = self.pieces.get("order", order(self.taker, buy=True))
        maker: OrderTerms = self.pieces.get("met", order(self.maker, buy=False))
        paid = self.pieces.get("receipt", receipt(taker, maker))
        signer: Signer = self.pieces.get("receipt_signer", self.taker.key_b)
        return FillEvidence(
            maker_channel=self.pieces.get("maker_channel", self.maker.channel),
            taker=self.pieces.get("taker_promise", promise(self.taker, KEY, taker)),
            maker=self.pieces.get("maker_promise", promise(self.maker, KEY, maker)),
            receipt=SignedCell(signer.sign(paid.digest()), to_cell(paid.cell())),
            before=self.pieces.get("before", signed_round(oracle_round(8, DEADLINE_MS - 1, 48_000))),
            after=self.pieces.get("after", signed_round(oracle_round(9, DEADLINE_MS, self.mark))),
        )
