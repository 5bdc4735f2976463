"""What makes the vault charge a channel, what lifts the charge, and every forgery it refuses."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from vault_case import (
    B_SEQNO,
    DEADLINE_MS,
    FILLED_MS,
    KEY,
    POSITION_KEY,
    Case,
    acknowledged,
    holding,
    oracle_round,
    order,
    position,
    promise,
    receipt,
    rest,
    signed_half,
    signed_round,
)
from vault_stage import (
    MARKET_CODE,
    ORACLES,
    ORDER_CODE,
    RESPONSE_MS,
    SERVICE,
    Party,
    Stage,
    address,
    refused,
    signer,
    succeeded,
)

from fairway.channel.conditionals import Conditionals
from fairway.channel.state import Body
from fairway.service.sight import come_home, punished_match
from fairway.ton.vault_messages import (
    EVIDENCE_VALUE,
    absolve,
    punish_fill,
    punish_liquidation,
)
from fairway.units import TON
from fairway.vault import books as model
from fairway.vault.evidence import Fill, owed_at

OWED = 3 * TON + TON // 40
LIQUIDATION_MATCH = 1 << 63 | POSITION_KEY
EVIDENCE, SIGNATURE, TOO_EARLY, NOTHING_OWED, NOT_SIGNED, CHARGED, SUPERSEDED = 812, 813, 814, 815, 816, 810, 819


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def case(stage: Stage) -> Case:
    case = Case(stage.opened("alice", 10 * TON), stage.opened("bob", 10 * TON))
    stage.router.advance(RESPONSE_MS // 1000)
    return case


def punish(stage: Stage, case: Case):
    return stage.word(address("anyone"), punish_fill(case.taker.channel, case.evidence()), EVIDENCE_VALUE)


def liquidate(stage: Stage, party: Party, terms=None, tick=None, **forged):
    tick = tick or oracle_round(4, FILLED_MS, 41_000)
    shown = promise(party, POSITION_KEY, terms or position(party), **forged)
    body = punish_liquidation(party.channel, shown, signed_round(tick, forged.get("oracles", ORACLES[:3])))
    return stage.word(address("anyone"), body, EVIDENCE_VALUE)


def lift(stage: Stage, party: Party, seqno: int, match_id: int = 77, conditionals=None, key: int = KEY):
    shown = acknowledged(party, seqno, conditionals=conditionals, key=key)
    return stage.word(address("anyone"), absolve(party.channel, match_id, shown), EVIDENCE_VALUE)


def test_a_fill_that_is_not_signed_lowers_the_rate_by_what_it_lost(stage: Stage, case: Case):
    done = succeeded(punish(stage, case))
    assert punished_match(done[0]) == 77
    stage.books = model.punish(stage.books, case.taker.channel_id, 77, model.Lien(OWED, B_SEQNO))
    lien = stage.account(case.taker).liens[77]
    assert (lien.owed, lien.key, lien.lots, lien.seqno_a, lien.seqno_b) == (OWED, KEY, 1000, 10, B_SEQNO)
    stage.closes(case.taker, 10 * TON)
    assert stage.agree().locked - stage.agree().protected == OWED


def test_the_charge_of_one_channel_leaves_every_other_at_its_full_rate(stage: Stage, case: Case):
    succeeded(punish(stage, case))
    stage.closes(case.maker, 10 * TON)
    assert stage.account(case.maker).owed == 0


def test_a_user_who_signs_is_absolved_and_paid_in_full(stage: Stage, case: Case):
    succeeded(punish(stage, case))
    succeeded(lift(stage, case.taker, seqno=11))
    refused(punish(stage, case), SUPERSEDED)
    assert stage.account(case.taker).owed == 0
    stage.closes(case.taker, 10 * TON)
    stage.agree()


def test_a_dodged_liquidation_brings_the_rate_to_zero(stage: Stage, case: Case):
    done = succeeded(liquidate(stage, case.taker))
    assert punished_match(done[0]) == LIQUIDATION_MATCH
    stage.books = model.punish(stage.books, case.taker.channel_id, LIQUIDATION_MATCH, model.Lien(10 * TON, 0))
    redeemed = stage.router.get(str(stage.vault), "get_redemption", (int.from_bytes(case.taker.channel), 9 * TON))
    assert redeemed == (0,)
    stage.closes(case.taker, 9 * TON)
    stage.agree()


def test_what_conditionals_took_at_the_end_is_not_charged_again(stage: Stage, case: Case):
    succeeded(punish(stage, case))
    stage.books = model.punish(stage.books, case.taker.channel_id, 77, model.Lien(OWED, B_SEQNO))
    done = succeeded(stage.transfer(case.taker, 6 * TON, stage.vault, settled=2 * TON))
    stage.books, payments = model.come_home(
        stage.books, case.taker.channel_id, 6 * TON, to_sink=False, ended=True, settled=2 * TON
    )
    assert payments[0].nano == 8 * TON - OWED
    stage.check_payments(done, payments)
    stage.agree()
    (home,) = [home for each in done if (home := come_home(each)) is not None]
    assert (home.value, home.charged) == (6 * TON, OWED - 2 * TON)


def test_signing_after_a_dodged_liquidation_absolves_too(stage: Stage, case: Case):
    succeeded(liquidate(stage, case.taker))
    still = holding(POSITION_KEY, position(case.taker))
    refused(lift(stage, case.taker, 11, LIQUIDATION_MATCH, still, POSITION_KEY), NOT_SIGNED)
    succeeded(lift(stage, case.taker, 11, LIQUIDATION_MATCH, key=POSITION_KEY))
    assert stage.account(case.taker).owed == 0


def test_a_short_is_beyond_its_liquidation_price_from_above(stage: Stage, case: Case):
    short = position(case.taker, long=False, liquidation_tick=59_000)
    refused(liquidate(stage, case.taker, short, oracle_round(4, FILLED_MS, 58_999)), EVIDENCE)
    succeeded(liquidate(stage, case.taker, short, oracle_round(4, FILLED_MS, 59_000)))


@pytest.mark.parametrize(
    ("terms", "tick", "code"),
    [
        ({}, {"mark": 41_001}, EVIDENCE),
        ({}, {"network": -239}, EVIDENCE),
        ({}, {"market": 4}, EVIDENCE),
        ({}, {"at_ms": FILLED_MS - 1}, EVIDENCE),
        ({}, {"at_ms": FILLED_MS + 1}, TOO_EARLY),
        ({"since_ms": FILLED_MS + 1}, {}, EVIDENCE),
    ],
)
def test_a_liquidation_needs_a_mark_beyond_its_price_while_the_position_stood(
    stage: Stage, case: Case, terms: dict, tick: dict, code: int
):
    shown = msgspec.structs.replace(oracle_round(4, FILLED_MS, 41_000), **tick)
    refused(liquidate(stage, case.taker, position(case.taker, **terms), shown), code)


def test_a_position_is_proven_by_its_owners_half_and_known_code(stage: Stage, case: Case):
    refused(liquidate(stage, case.taker, signer=SERVICE), SIGNATURE)
    refused(liquidate(stage, case.taker, position(case.maker)), EVIDENCE)
    refused(liquidate(stage, case.taker, code=ORDER_CODE), EVIDENCE)


def test_fewer_oracles_than_the_threshold_or_a_stranger_say_nothing(stage: Stage, case: Case):
    refused(liquidate(stage, case.taker, oracles=ORACLES[:2]), SIGNATURE)
    refused(liquidate(stage, case.taker, oracles=[*ORACLES[:2], signer("stranger")]), SIGNATURE)
    refused(liquidate(stage, case.taker, oracles=[*ORACLES[:3], signer("stranger")]), SIGNATURE)


def test_a_match_is_charged_once(stage: Stage, case: Case):
    succeeded(punish(stage, case))
    refused(punish(stage, case), CHARGED)


def test_before_the_users_time_is_over_nobody_is_charged():
    stage = Stage()
    case = Case(stage.opened("alice", 10 * TON), stage.opened("bob", 10 * TON))
    stage.router.advance(RESPONSE_MS // 1000 - 1)
    refused(punish(stage, case), TOO_EARLY)


def test_a_fill_that_won_is_not_charged(stage: Stage, case: Case):
    refused(punish(stage, Case(case.taker, case.maker, mark=51_000)), NOTHING_OWED)


def test_nobody_chooses_the_round_that_prices_a_fill(stage: Stage, case: Case):
    late = signed_round(oracle_round(10, DEADLINE_MS + 1, 40_000))
    refused(punish(stage, case.forge(after=late)), EVIDENCE)
    refused(punish(stage, case.forge(before=signed_round(oracle_round(9, DEADLINE_MS, 47_000)), after=late)), EVIDENCE)
    early = signed_round(oracle_round(9, DEADLINE_MS - 1, 40_000))
    refused(punish(stage, case.forge(after=early)), EVIDENCE)


def forged_pieces(case: Case) -> dict[str, tuple[dict[str, object], int]]:
    alice, bob = case.taker, case.maker
    bought, sold = order(alice, buy=True), order(bob, buy=False)
    stranger = signer("stranger")
    return {
        "the receipt is the service's": ({"receipt_signer": stranger}, SIGNATURE),
        "the receipt is of this channel's own key": ({"receipt_signer": bob.key_b}, SIGNATURE),
        "the taker signed his half": ({"taker_promise": promise(alice, KEY, bought, signer=stranger)}, SIGNATURE),
        "the maker signed his half": ({"maker_promise": promise(bob, KEY, sold, signer=stranger)}, SIGNATURE),
        "the half is of this channel": (
            {"taker_promise": promise(bob, KEY, bought, signer=alice.key)},
            EVIDENCE,
        ),
        "the maker's channel is the one named": ({"maker_channel": alice.channel}, SIGNATURE),
        "the maker's channel is registered": ({"maker_channel": bytes(32)}, 800),
        "the order's code is known": ({"taker_promise": promise(alice, KEY, bought, code=MARKET_CODE)}, EVIDENCE),
        "the receipt names this order": ({"receipt": receipt(order(alice, buy=True, lots=1001), sold)}, EVIDENCE),
        "the receipt names the order that was met": (
            {"receipt": receipt(bought, order(bob, buy=False, lots=1001))},
            EVIDENCE,
        ),
        "the fill is within the limit": ({"receipt": receipt(bought, sold, cost=50 * TON + 1)}, EVIDENCE),
        "the fill is within the size": ({"receipt": receipt(bought, sold, lots=1001)}, EVIDENCE),
        "the fill is in time": ({"receipt": receipt(bought, sold, at_ms=FILLED_MS + 2)}, EVIDENCE),
        "the fee is as agreed": ({"receipt": receipt(bought, sold, fee=TON // 40 + 1001)}, EVIDENCE),
        "the match is a match": ({"receipt": receipt(bought, sold, match_id=1 << 63)}, EVIDENCE),
        "the maker took the other side": ({"met": order(bob, buy=True)}, EVIDENCE),
        "the maker traded the same market": ({"met": order(bob, buy=False, market=4)}, EVIDENCE),
        "the maker's limit allows the price": ({"met": order(bob, buy=False, limit_tick=50_001)}, EVIDENCE),
    }


FORGERIES = tuple(forged_pieces(Case(Stage().party("alice"), Stage().party("bob"))))


@pytest.mark.parametrize("claim", FORGERIES)
def test_a_charge_is_refused_unless(stage: Stage, case: Case, claim: str):
    pieces, code = forged_pieces(case)[claim]
    refused(punish(stage, case.forge(**pieces)), code)
    assert stage.account(case.taker).owed == 0


def test_the_dictionary_is_the_one_the_half_commits_to(stage: Stage, case: Case):
    honest = case.evidence()
    other = holding(KEY, order(case.taker, buy=True, reserve=9 * TON)).root_cell()
    forged = promise(case.taker, KEY, order(case.taker, buy=True))
    swapped = type(forged)(forged.half, other, KEY)
    refused(punish(stage, case.forge(taker_promise=swapped)), EVIDENCE)
    wrong_key = type(forged)(forged.half, forged.conditionals, KEY + 1)
    refused(punish(stage, case.forge(taker_promise=wrong_key)), EVIDENCE)
    assert honest.taker.key == KEY


def test_the_user_does_not_absolve_himself(stage: Stage, case: Case):
    """What he cites himself counts for nothing: only what the service acknowledged, and that must hold the fill."""
    succeeded(punish(stage, case))
    placed = order(case.taker, buy=True)
    shown = acknowledged(case.taker, 11)
    invented = signed_half(case.taker, case.taker.key, 13, Conditionals(), Body(11, 0, bytes(32)))
    unread = signed_half(case.taker, case.taker.key_b, 13, Conditionals())
    for answer, code in ((invented, SIGNATURE), (unread, NOT_SIGNED)):
        body = absolve(case.taker.channel, 77, replace(shown, service=answer))
        refused(stage.word(case.taker.wallet, body, EVIDENCE_VALUE), code)
    refused(lift(stage, case.taker, seqno=10), NOT_SIGNED)
    refused(lift(stage, case.taker, seqno=11, match_id=78), 811)
    refused(lift(stage, case.taker, seqno=11, conditionals=holding(KEY, placed)), NOT_SIGNED)
    refused(lift(stage, case.taker, seqno=11, conditionals=rest(placed, 999)), NOT_SIGNED)
    hidden = replace(acknowledged(case.taker, 11, conditionals=holding(KEY, placed)), conditionals=None)
    refused(stage.word(case.taker.wallet, absolve(case.taker.channel, 77, hidden), EVIDENCE_VALUE), EVIDENCE)
    assert stage.account(case.taker).owed == OWED


def test_an_order_whose_rest_counts_the_fill_is_signed(stage: Stage, case: Case):
    succeeded(punish(stage, case))
    succeeded(lift(stage, case.taker, seqno=11, conditionals=rest(order(case.taker, buy=True), 1000)))
    assert stage.account(case.taker).owed == 0


def test_a_cancel_that_the_service_acknowledged_voids_the_lien(stage: Stage, case: Case):
    succeeded(punish(stage, case))
    succeeded(lift(stage, case.taker, seqno=11, conditionals=holding(KEY + 1, order(case.taker, buy=True))))
    assert stage.account(case.taker).owed == 0


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("buy", [False, True])
@pytest.mark.parametrize("mark", [30_011, 49_999, 50_000, 50_001, 69_997])
def test_contract_and_model_owe_the_same_nano(stage: Stage, case: Case, inverse: bool, buy: bool, mark: int):
    unit = 50_000_001 * 1_000_000 // 7 if inverse else 1000
    cost = unit * 1000 // 50_000 + (0 if buy else 1) if inverse else 50 * TON
    taker = order(case.taker, buy=buy, inverse=inverse, unit=unit)
    maker = order(case.maker, buy=not buy, inverse=inverse, unit=unit)
    paid = receipt(taker, maker, cost=cost, fee=cost // 2000)
    owed = owed_at(Fill(inverse, buy, unit, 1000, cost, cost // 2000), mark, taker.reserve)
    after = signed_round(oracle_round(9, DEADLINE_MS, mark))
    done = punish(stage, case.forge(order=taker, met=maker, receipt=paid, after=after))
    if owed:
        succeeded(done)
    else:
        refused(done, NOTHING_OWED)
    assert stage.account(case.taker).owed == owed
