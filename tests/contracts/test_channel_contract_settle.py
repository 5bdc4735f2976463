"""Promises inside halves are worth on chain what their terms say, at a price that nobody chose."""

from __future__ import annotations

import pytest
from channel_stage import (
    CHANNEL,
    NOTHING,
    QUARANTINE_S,
    SETTLING_S,
    TON,
    WALLET_B,
    Stage,
    body,
    half_a,
    half_b,
    signed,
)
from evidence import (
    DELAY_MS,
    KEY,
    MARKET,
    MARKET_CODE,
    NETWORK,
    ORACLE,
    ORACLES,
    ORDER_CODE,
    ORDER_KEY,
    fill_input,
    flat,
    inputs,
    market_input,
    order,
    position,
    proof,
    pruned_proof,
    receipt,
    rounds,
    signed_round,
)

from fairway.chain.interface import Transaction
from fairway.channel.codec import Closed, OpenSettle, Settle, decode
from fairway.channel.conditional import Conditional
from fairway.channel.conditionals import Conditionals
from fairway.crypto.keys import sign
from fairway.errors import Rejected
from fairway.exchange import wire
from fairway.exchange.claims import claims
from fairway.exchange.conditions import chain_conditional
from fairway.exchange.paper import Exit, Paper, Promised
from fairway.exchange.terms import MarketTerms, OracleRound, OrderTerms
from fairway.risk.contract import Contract, Payoff, brackets
from fairway.risk.position import Position, outcome
from fairway.ton.cells import Builder, Cell, from_boc
from fairway.ton.contracts import condition_code
from fairway.units import FUNDING_SCALE, Lot, Nano, Ppm

TIERS = brackets([(10**15, 100_000, 50_000)])


def kept(number: int, at_ms: int, mark: int) -> wire.Round:
    """A round as a user's record has it."""
    digest = OracleRound(NETWORK, MARKET, number, at_ms, mark, mark, 0).digest()
    return wire.Round(MARKET, number, at_ms, mark, mark, 0, {place: sign(ORACLES[place], digest) for place in (0, 2)})


class Dispute:
    """A quarantine in which one side promised `conditionals`, settled by the other."""

    def __init__(self, conditionals: Conditionals, *, by_a: bool) -> None:
        self.by_a, self.conditionals = by_a, conditionals
        self.stage = Stage().funded(10 * TON, 100 * TON)
        a = body(9, 0, conditionals if by_a else None)
        b = body(9, 0, None if by_a else conditionals)
        assert self.stage.start(half_a(a), half_b(b), by_a=True).exit_code == 0
        self.started_ms = self.stage.router.now * 1000
        self.exit_ms = self.started_ms + DELAY_MS
        self.stage.router.advance(QUARANTINE_S + 1)

    def settle(
        self, shown: dict[int, Cell], *, proven: Conditionals | None = None, nano: int = TON // 5
    ) -> Transaction:
        statement = Settle(CHANNEL, inputs(shown), proof(proven or self.conditionals))
        return self.stage.tell(signed(statement, by_a=not self.by_a), nano)

    def notes(self) -> list[Closed]:
        """What the contract told both sides when it paid them, read from their own schema."""
        self.stage.router.advance(SETTLING_S)
        finished = self.stage.finish()
        assert finished.result_code == 0
        return [told for each in finished.outgoing if isinstance(told := decode(from_boc(each.body)), Closed)]

    def owed(self) -> int:
        """What B has got of A's money (or A of B's, if B promised) once all is paid out."""
        self.stage.router.advance(SETTLING_S)
        assert self.stage.finish().result_code == 0
        paid = self.stage.paid(WALLET_B) - 100 * TON
        return paid if self.by_a else -paid


def promised(terms: MarketTerms) -> Conditionals:
    return Conditionals([(KEY, Conditional(terms.cell(), MARKET_CODE, TON))])


def plain(value: int) -> Conditional:
    """A condition in the old sense, from slice to integer: it returns `value`, whatever it is shown."""
    code = Builder().store_uint(0x82, 8).store_uint(13, 5).store_int(value, 8 * 13 + 19).end_cell()  # PUSHINT
    return Conditional(Builder().end_cell(), code, TON)


@pytest.mark.parametrize("mark", [49_000, 50_000, 51_000])
@pytest.mark.parametrize("long", [True, False])
@pytest.mark.parametrize("inverse", [True, False])
def test_a_position_pays_one_side_what_the_other_lost(mark: int, long: bool, inverse: bool):
    cost = 10**14 * 10 // 50_000 if inverse else 10 * 10**4 * 50_000
    terms = position(
        long=long, inverse=inverse, unit=10**14 if inverse else 10**4, cost=cost, funding_base=77, margin=9 * TON
    )
    funding = 3 * FUNDING_SCALE
    contract = Contract(Payoff.INVERSE if inverse else Payoff.LINEAR, terms.unit, TIERS, Ppm(0), Ppm(0), Ppm(0))
    held = Position(1 if long else -1, Lot(10), Nano(cost), 77, Nano(0))
    numerator, divisor = outcome(held, contract, mark, funding)
    profit = numerator // divisor
    for by_a, expected in ((True, max(0, -profit)), (False, max(0, profit))):
        dispute = Dispute(promised(terms), by_a=by_a)
        shown = market_input(rounds(dispute.exit_ms, mark, funding))
        assert dispute.settle({KEY: shown}).exit_code == 0
        assert dispute.owed() == expected


def test_a_position_loses_no_more_than_its_margin_and_wins_no_more_than_its_cap():
    terms = position(margin=TON // 1000, ratio=2)
    for by_a, mark, most in ((True, 1, TON // 1000), (False, 400_000, TON // 500)):
        dispute = Dispute(promised(terms), by_a=by_a)
        dispute.settle({KEY: market_input(rounds(dispute.exit_ms, mark))})
        assert dispute.owed() == most


def test_the_exit_is_the_first_round_after_the_delay_and_no_other():
    dispute = Dispute(promised(position()), by_a=True)
    for wrong_ms in (dispute.exit_ms - 1, dispute.exit_ms + 2):
        assert dispute.settle({KEY: market_input(rounds(wrong_ms, 49_000))}).exit_code == 143
    gap = Builder().store_ref(signed_round(39, dispute.exit_ms - 1, 1)).store_ref(signed_round(41, dispute.exit_ms, 1))
    assert dispute.settle({KEY: market_input(gap.end_cell())}).exit_code == 143


def test_a_round_needs_its_threshold_of_known_keys():
    dispute = Dispute(promised(position()), by_a=True)
    before, alone = signed_round(40, dispute.exit_ms - 1, 1), signed_round(41, dispute.exit_ms, 1, signers=[1])
    lonely = Builder().store_ref(before).store_ref(alone).end_cell()
    assert dispute.settle({KEY: market_input(lonely)}).exit_code == 143


def test_a_touched_liquidation_price_costs_the_margin():
    terms = position(liquidation_tick=45_000, since_ms=1000)
    dispute = Dispute(promised(terms), by_a=True)
    ended = rounds(dispute.exit_ms, 51_000)
    for at_ms, mark in ((999, 45_000), (dispute.started_ms + 1, 45_000), (2000, 45_001)):
        assert dispute.settle({KEY: market_input(ended, signed_round(3, at_ms, mark))}).exit_code == 143
    assert dispute.settle({KEY: market_input(ended, signed_round(3, 2000, 45_000))}).exit_code == 0
    assert dispute.owed() == TON + 10 * 1000 * 1000, "the margin, and what the mirror has won since"


@pytest.mark.parametrize("mark", [49_001, 51_003])
@pytest.mark.parametrize("long", [True, False])
@pytest.mark.parametrize("inverse", [True, False])
def test_a_claim_shows_what_owes_and_nothing_else(mark: int, long: bool, inverse: bool):
    cost = 10**14 * 10 // 50_000 if inverse else 10 * 10**4 * 50_000
    terms = position(long=long, inverse=inverse, unit=10**14 if inverse else 10**4, cost=cost, margin=9 * TON)
    wins = (mark > 50_000) == long
    for by_a in (True, False):
        dispute = Dispute(promised(terms), by_a=by_a)
        exits = {MARKET: Exit(kept(40, dispute.exit_ms - 1, 1), kept(41, dispute.exit_ms, mark))}
        if wins == by_a:
            with pytest.raises(Rejected, match=r"claims\.nothing"):
                claims(CHANNEL, Promised(dispute.conditionals, 9, by_a), Paper(NETWORK, exits))
            continue
        ((_, statement),) = claims(CHANNEL, Promised(dispute.conditionals, 9, by_a), Paper(NETWORK, exits))
        assert dispute.stage.tell(signed(statement, by_a=not by_a)).exit_code == 0
        assert dispute.owed() > 0


def test_a_claim_takes_a_touched_position_whole_but_not_one_that_stood():
    terms = position(liquidation_tick=45_000, since_ms=1000)
    dispute = Dispute(promised(terms), by_a=True)
    touches = [kept(2, 999, 45_000), kept(3, 2000, 45_000)]
    exits = {MARKET: Exit(kept(40, dispute.exit_ms - 1, 1), kept(41, dispute.exit_ms, 50_000))}
    half = Promised(dispute.conditionals, 9, by_a=True)
    with pytest.raises(Rejected, match=r"claims\.nothing"):
        claims(CHANNEL, half, Paper(NETWORK, exits, touches, frozenset({MARKET})))
    ((_, statement),) = claims(CHANNEL, half, Paper(NETWORK, exits, touches))
    assert dispute.stage.tell(signed(statement, by_a=False)).exit_code == 0
    assert dispute.owed() == TON


def holding(placed: OrderTerms, terms: MarketTerms | None = None, rest: Cell | None = None) -> Conditionals:
    """A half with one order, and what it holds of the market."""
    order_terms = rest or placed.cell()
    market = Conditional((terms or flat()).cell(), MARKET_CODE, TON)
    return Conditionals([(ORDER_KEY, Conditional(order_terms, ORDER_CODE, TON)), (KEY, market)])


def filled_at(dispute: Dispute, mark: int, fill: Cell, touch: Cell | None = None) -> dict[int, Cell]:
    return {KEY: market_input(rounds(dispute.exit_ms, mark), touch, {ORDER_KEY: fill})}


def test_an_order_pays_what_its_fills_lost_at_the_exit():
    placed = order()
    for by_a, mark, expected in ((True, 49_000, 10**7 + 9), (False, 51_000, 10**7 - 9)):
        dispute = Dispute(holding(placed), by_a=by_a)
        filled = receipt(placed, 10, 10 * 1000 * 50_000, 9, dispute.started_ms)
        assert dispute.settle(filled_at(dispute, mark, fill_input(filled))).exit_code == 0
        assert dispute.owed() == expected


def test_an_order_alone_pays_nothing():
    dispute = Dispute(holding(order()), by_a=True)
    assert dispute.settle({ORDER_KEY: Builder().end_cell()}).exit_code == 0
    assert dispute.owed() == 0


def test_no_receipt_fills_an_order_beyond_what_was_signed():
    placed = order(expires_ms=1000)
    dispute = Dispute(holding(placed), by_a=True)
    fair = 10 * 1000 * 50_000
    beyond = [(10, fair + 1, 0, 1), (11, fair, 0, 1), (10, fair, TON, 1), (10, fair, 0, 1001)]
    for lots, cost, fee, at_ms in beyond:
        shown = fill_input(receipt(placed, lots, cost, fee, at_ms))
        assert dispute.settle(filled_at(dispute, 49_000, shown)).exit_code == 143
    forged = fill_input(receipt(placed, 10, fair, 0, 1), seed=b"a" * 32)
    assert dispute.settle(filled_at(dispute, 49_000, forged)).exit_code == 143
    lawful = fill_input(receipt(placed, 10, fair, 0, 1))
    assert dispute.settle(filled_at(dispute, 49_000, lawful)).exit_code == 0


def test_what_the_position_already_holds_is_not_paid_again():
    placed = order()
    rest = Builder().store_uint(0x4F524453, 32).store_uint(4, 48).store_uint(4 * 1000 * 50_000, 80)
    known = rest.store_int(0, 80).store_int(0, 128).store_ref(placed.cell().to_cell()).end_cell()
    dispute = Dispute(holding(placed, rest=known), by_a=True)
    filled = receipt(placed, 10, 10 * 1000 * 50_000, 0, dispute.started_ms)
    assert dispute.settle(filled_at(dispute, 49_000, fill_input(filled))).exit_code == 0
    assert dispute.owed() == 6 * 1000 * 1000


def test_an_order_that_b_filled_after_its_half_speaks_by_its_receipt_alone():
    placed = order()
    alone = Conditionals([(KEY, Conditional(flat().cell(), MARKET_CODE, TON))])
    for by_a, b_seqno, exit_code in ((False, 9, 143), (False, 10, 0), (True, 10, 143)):
        dispute = Dispute(alone, by_a=by_a)
        filled = receipt(placed, 10, 10 * 1000 * 50_000, 0, dispute.started_ms, b_seqno=b_seqno)
        shown = fill_input(filled, placed)
        assert dispute.settle(filled_at(dispute, 49_000 if by_a else 51_000, shown)).exit_code == exit_code


def test_a_stop_is_filled_only_after_a_round_that_reached_it():
    placed = order(buy=False, limit_tick=40_000, trigger_tick=45_000, kind=4, round=7)
    for number, mark, at_ms, exit_code in (
        (7, 44_000, 2000, 143),
        (8, 45_001, 2000, 143),
        (8, 44_000, 3001, 143),
        (8, 45_000, 3000, 0),
    ):
        dispute = Dispute(holding(placed), by_a=True)
        filled = receipt(placed, 10, 10 * 1000 * 45_000, 0, 3000)
        shown = fill_input(filled, fired=signed_round(number, at_ms, mark))
        assert dispute.settle(filled_at(dispute, 46_000, shown)).exit_code == exit_code
    dispute = Dispute(holding(placed), by_a=True)
    assert dispute.settle(filled_at(dispute, 46_000, fill_input(filled))).exit_code == 143


def stop(**changes: int) -> OrderTerms:
    return order(buy=False, limit_tick=40_000, kind=4, round=7, **changes)


def settled_with(placed: OrderTerms, fired: Cell | None, peak: Cell | None = None) -> int:
    dispute = Dispute(holding(placed), by_a=True)
    filled = receipt(placed, 10, 10 * 1000 * 45_000, 0, 3000)
    return dispute.settle(filled_at(dispute, 46_000, fill_input(filled, fired=fired, peak=peak))).exit_code


def test_an_order_by_the_index_is_fired_by_the_index_and_one_by_the_last_trade_by_its_owners_trust():
    by_index = stop(trigger_tick=45_000, source=1)
    assert settled_with(by_index, signed_round(8, 2000, 46_000, index=45_000)) == 0
    assert settled_with(by_index, signed_round(8, 2000, 44_000, index=45_001)) == 143
    assert settled_with(stop(trigger_tick=45_000, source=2), None) == 0


@pytest.mark.parametrize(
    ("peak", "fired", "exit_code"),
    [
        ((7, 50_000), (8, 45_000), 0),  # ⌊50,000 · 0.9⌋: the round its owner knew may be the best
        ((9, 50_009), (12, 45_008), 0),
        ((9, 50_009), (12, 45_009), 143),  # not back that far
        ((6, 50_000), (8, 45_000), 143),  # a peak from before the order
        ((8, 50_000), (8, 45_000), 143),  # at once peak and fall
        ((9, 50_000), (8, 45_000), 143),  # the fall came first
        (None, (8, 45_000), 143),
        ((8, 50_000), None, 143),
    ],
)
def test_a_trailing_stop_is_filled_only_after_it_came_back_from_a_signed_best(peak, fired, exit_code):
    placed = stop(callback_ppm=100_000)
    shown = [signed_round(each[0], 2000, each[1]) if each else None for each in (fired, peak)]
    assert settled_with(placed, *shown) == exit_code


@pytest.mark.parametrize(("best", "exit_code"), [(49_999, 143), (50_000, 0), (50_001, 0)])
def test_a_trailing_stop_follows_only_from_its_activation_on(best, exit_code):
    placed = stop(callback_ppm=100_000, trigger_tick=50_000)
    assert settled_with(placed, signed_round(9, 2000, 44_000), signed_round(8, 1000, best)) == exit_code


def test_the_trailing_stop_of_a_short_wakes_above_the_lowest():
    placed = order(buy=True, limit_tick=60_000, kind=4, round=7, callback_ppm=100_000, trigger_above=True)
    for mark, exit_code in ((49_500, 143), (49_501, 0)):  # ⌈45,001 · 1.1⌉ = 49,502 and ⌈45,000 · 1.1⌉ = 49,500
        dispute = Dispute(holding(placed), by_a=True)
        filled = receipt(placed, 10, 10 * 1000 * 45_000, 0, 3000)
        peak = signed_round(8, 1000, 45_001 if exit_code else 45_000)
        shown = fill_input(filled, fired=signed_round(9, 2000, mark), peak=peak)
        assert dispute.settle(filled_at(dispute, 44_000, shown)).exit_code == exit_code


def test_of_a_group_no_more_is_filled_than_its_largest_order():
    pair = [order(key=key, lots=10, group=3) for key in (3, 4)]
    promises = [(each.key, Conditional(each.cell(), ORDER_CODE, TON)) for each in pair]
    conditionals = Conditionals([*promises, (KEY, Conditional(flat().cell(), MARKET_CODE, TON))])
    for lots, exit_code in (((6, 5), 143), ((6, 4), 0)):
        dispute = Dispute(conditionals, by_a=True)
        receipts = [receipt(each, of, of * 1000 * 50_000, 0, 1) for each, of in zip(pair, lots, strict=True)]
        fills = {each.key: fill_input(shown) for each, shown in zip(pair, receipts, strict=True)}
        shown = {KEY: market_input(rounds(dispute.exit_ms, 49_000), None, fills)}
        assert dispute.settle(shown).exit_code == exit_code
    assert dispute.owed() == 10 * 1000 * 1000


def test_without_any_round_the_last_mark_of_both_counts_when_time_is_short():
    for terms, late, exit_code in (
        (position(mark=49_000), 0, 143),
        (position(), 1, 143),
        (position(mark=49_000), 1, 0),
    ):
        dispute = Dispute(promised(terms), by_a=True)
        dispute.stage.router.advance(late * SETTLING_S * 3 // 4)
        assert dispute.settle({KEY: market_input()}).exit_code == exit_code
    assert dispute.owed() == 10 * 1000 * 1000


def test_a_promise_is_settled_once_and_the_others_stay():
    conditionals = Conditionals([(1, plain(TON)), (2, plain(2 * TON))])
    dispute = Dispute(conditionals, by_a=True)
    nothing = Builder().end_cell()
    assert dispute.settle({1: nothing}).exit_code == 0
    assert dispute.settle({1: nothing}).exit_code == 115
    assert dispute.stage.view().quarantine.a.sent == TON
    assert dispute.owed() == TON


@pytest.mark.parametrize(("by_a", "settled"), [(True, 3 * TON), (False, 0)])
def test_the_last_note_says_what_conditionals_took_from_the_user(by_a: bool, settled: int):
    dispute = Dispute(Conditionals([(1, plain(TON)), (2, plain(2 * TON))]), by_a=by_a)
    nothing = Builder().end_cell()
    assert dispute.settle({1: nothing, 2: nothing}).exit_code == 0
    assert dispute.notes() == [Closed(CHANNEL, settled)] * 2


def test_a_promise_that_was_not_made_cannot_be_settled():
    dispute = Dispute(Conditionals([(1, plain(TON))]), by_a=True)
    nothing = Builder().end_cell()
    assert dispute.settle({2: nothing}).exit_code == 115
    assert dispute.settle({1: nothing}, proven=Conditionals([(1, plain(2 * TON))])).exit_code == 115


@pytest.mark.parametrize("value", [-1, (1 << 96) * 17])
def test_a_result_outside_its_bounds_is_refused(value: int):
    dispute = Dispute(Conditionals([(1, plain(value))]), by_a=True)
    assert dispute.settle({1: Builder().end_cell()}).exit_code == 144


def coded(code: str) -> Conditional:
    return Conditional(Builder().end_cell(), Builder().store_bytes(bytes.fromhex(code)).end_cell(), TON)


@pytest.mark.parametrize("code", ["F2C0C9", "90EA", "F000"], ids=["throws", "loops", "calls us"])
def test_a_condition_that_fails_harms_nobody(code: str):
    dispute = Dispute(Conditionals([(1, coded(code))]), by_a=True)
    assert dispute.settle({1: Builder().end_cell()}, nano=TON).exit_code == 143
    assert dispute.owed() == 0


def test_a_condition_cannot_write_our_storage_or_send():
    dispute = Dispute(Conditionals([(1, coded("C8C9ED54" + "C8C970FB00" + "75"))]), by_a=True)  # c4, an action, 5
    settled = dispute.settle({1: Builder().end_cell()})
    assert settled.exit_code == 0
    assert len(settled.outgoing) == 1  # the excess
    assert dispute.owed() == 5


def test_a_condition_may_look_at_the_clock():
    """Those of the living contract do: a virtual channel has a deadline."""
    dispute = Dispute(Conditionals([(1, coded("F823" + "75"))]), by_a=True)  # NOW, 5
    assert dispute.settle({1: Builder().end_cell()}).exit_code == 0
    assert dispute.owed() == 5


def test_a_proof_may_leave_out_the_other_promises():
    conditionals = Conditionals([(1, plain(TON)), (1 << 31, plain(2 * TON))])
    dispute = Dispute(conditionals, by_a=True)
    slim = pruned_proof(conditionals, keep=0)
    nothing = Builder().end_cell()
    for key, exit_code in ((1 << 31, 9), (1, 0)):
        statement = Settle(CHANNEL, inputs({key: nothing}), slim)
        assert dispute.stage.tell(signed(statement, by_a=False)).exit_code == exit_code
    assert dispute.owed() == TON


def test_the_settlement_chain_pays_nothing():
    dispute = Dispute(
        Conditionals([(0xFFFFFFFF, chain_conditional(b"\7" * 32, 5, bytes(32), condition_code("chain")))]), by_a=False
    )
    assert dispute.settle({0xFFFFFFFF: Builder().end_cell()}).exit_code == 0
    assert dispute.owed() == 0


def test_settling_has_its_window_and_its_hand():
    dispute = Dispute(Conditionals([(1, plain(TON))]), by_a=True)
    statement = Settle(CHANNEL, inputs({1: Builder().end_cell()}), proof(dispute.conditionals))
    stage = dispute.stage
    stolen = signed(statement, by_a=True)
    assert stage.tell(type(stolen)(False, stolen.signature, statement)).exit_code == 101
    assert stage.tell(OpenSettle(False, statement)).exit_code == 146
    stage.router.advance(SETTLING_S // 2)
    assert stage.tell(OpenSettle(False, statement)).exit_code == 0
    stage.router.advance(SETTLING_S // 2)
    assert stage.tell(signed(statement, by_a=False)).exit_code == 112


def test_unbound_code_is_only_a_name():
    terms = position()
    dispute = Dispute(Conditionals([(KEY, Conditional(terms.cell(), condition_code("market"), TON))]), by_a=True)
    assert dispute.settle({KEY: market_input(rounds(dispute.exit_ms, 49_000))}).exit_code == 143
    assert ORACLE.hash != NOTHING
