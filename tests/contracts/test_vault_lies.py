"""Whoever signs two things for one pays: the service from its bond, the user a fine. Nobody can be framed."""

from __future__ import annotations

import pytest
from vault_case import KEY, holding, order
from vault_pairs import STAKE, half_of, late_receipt, slash, two_halves
from vault_stage import MARKET_CODE, TREASURY, Party, Stage, address, refused, succeeded

from fairway.channel.state import Body, Half
from fairway.service.sight import punished_match
from fairway.ton.vault_messages import (
    EVIDENCE_VALUE,
    TWO_HALVES,
    WORD_VALUE,
    Acknowledgement,
    absolve,
    post_bond,
    punish_two_halves,
)
from fairway.units import TON
from fairway.vault import books as model
from fairway.vault import losses, pool

FINE = TON // 2
EVIDENCE, SIGNATURE, NOTHING, CHARGED = 812, 813, 815, 810


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    succeeded(stage.word(TREASURY, post_bond(5 * TON), 5 * TON + WORD_VALUE))
    stage.books, _ = pool.post_bond(stage.books, 5 * TON)
    return stage


@pytest.fixture
def alice(stage: Stage) -> Party:
    return stage.opened("alice", 10 * TON)


def pays(stage: Stage, party: Party, done, seqno: int) -> None:
    succeeded(done)
    stage.books, payments = losses.slash(stage.books, party.channel_id, seqno, FINE)
    stage.check_payments(done, payments)
    assert payments[0].nano == FINE
    stage.agree()


def test_two_halves_of_the_service_under_one_seqno_cost_its_bond_four_fines(stage: Stage, alice: Party):
    pays(stage, alice, slash(stage, alice, 7), 7)
    view = stage.agree()
    assert (view.bond, view.locked - view.protected) == (5 * TON - STAKE, 5 * TON - FINE)


def test_an_order_filled_after_its_cancel_was_acknowledged_costs_the_same(stage: Stage, alice: Party):
    pays(stage, alice, late_receipt(stage, alice), 14)


def test_a_lie_is_paid_once_and_as_long_as_there_is_a_bond(stage: Stage, alice: Party):
    for seqno in (7, 8, 9):
        pays_or_part = slash(stage, alice, seqno)
        succeeded(pays_or_part)
        stage.books, payments = losses.slash(stage.books, alice.channel_id, seqno, FINE)
        stage.check_payments(pays_or_part, payments)
    assert stage.agree().bond == 0
    refused(slash(stage, alice, 10), NOTHING)


def test_the_same_lie_is_not_paid_twice(stage: Stage, alice: Party):
    pays(stage, alice, slash(stage, alice, 7), 7)
    refused(slash(stage, alice, 7), CHARGED)


def test_what_a_puppet_is_slashed_waits_behind_every_gain(stage: Stage, alice: Party):
    carl = stage.opened("carl", TON)
    stage.closes(carl, 11 * TON)
    before = stage.agree()
    assert before.claims == ((address("carl"), 5 * TON),)
    done = succeeded(slash(stage, alice, 7))
    stage.books, payments = losses.slash(stage.books, alice.channel_id, 7, FINE)
    assert (payments, stage.agree().claims[-1]) == ((), (address("alice"), FINE))
    stage.check_payments(done, payments)


def test_honest_halves_of_the_service_cost_nothing(stage: Stage, alice: Party):
    first, _ = two_halves(alice, 7)
    refused(slash(stage, alice, 7, second=first), EVIDENCE)
    refused(slash(stage, alice, 7, other=8), EVIDENCE)
    refused(slash(stage, alice, 7, key=alice.key), SIGNATURE)
    refused(slash(stage, alice, 7, channel_id=alice.channel_id + 1), EVIDENCE)


@pytest.mark.parametrize(
    ("forged", "code"),
    [
        ({"b_seqno": 13}, EVIDENCE),
        ({"placed_seqno": 11}, EVIDENCE),
        ({"placed_seqno": 12}, EVIDENCE),
        ({"signer": "key"}, SIGNATURE),
        ({"filled": {"lots": 999}}, EVIDENCE),
        ({"after": {}}, EVIDENCE),
        ({"before": {}}, EVIDENCE),
        ({"code": MARKET_CODE}, EVIDENCE),
    ],
)
def test_a_fill_is_a_lie_only_after_the_drop_of_an_order_that_was_acknowledged(
    stage: Stage, alice: Party, forged: dict, code: int
):
    placed = order(alice, buy=True)
    pieces = {
        "signer": lambda name: getattr(alice, name),
        "filled": lambda changes: order(alice, buy=True, **changes),
        "after": lambda _: holding(KEY, placed),
        "before": lambda _: holding(KEY + 1, placed),
    }
    refused(
        late_receipt(stage, alice, **{name: pieces.get(name, lambda it: it)(it) for name, it in forged.items()}), code
    )
    assert stage.agree().bond == 5 * TON


def test_a_user_cannot_make_up_that_an_order_stood_before_it_was_placed(stage: Stage, alice: Party):
    """He forges an old half of his own that carries it; only what the service acknowledged counts."""
    never = holding(KEY, order(alice, buy=True))
    forged = half_of(alice.key, Half(alice.channel_id, Body(12, 0, bytes(32)), Body(10, 0, never.root_hash())))
    shown = Acknowledgement(forged, never.root_cell(), KEY)
    refused(late_receipt(stage, alice, placed=shown), SIGNATURE)


def accuse(stage: Stage, party: Party, seqno: int, **forged: object):
    body = punish_two_halves(party.channel, *two_halves(party, seqno, **{"key": party.key, **forged}))
    return stage.word(address("anyone"), body, EVIDENCE_VALUE)


def test_a_user_who_signs_twice_owes_his_fine_once_and_nothing_lifts_it(stage: Stage, alice: Party):
    done = succeeded(accuse(stage, alice, 7))
    assert punished_match(done[0]) == TWO_HALVES
    stage.books = model.punish(stage.books, alice.channel_id, TWO_HALVES, model.Lien(FINE, 0))
    refused(accuse(stage, alice, 8), CHARGED)
    service = half_of(alice.key_b, Half(alice.channel_id, Body(9, 0, bytes(32)), Body(9, 0, bytes(32))))
    lifted = absolve(alice.channel, TWO_HALVES, Acknowledgement(service, None, 0))
    refused(stage.word(alice.wallet, lifted, EVIDENCE_VALUE), 811)
    stage.closes(alice, 10 * TON)
    assert stage.agree().locked - stage.agree().protected == 5 * TON + FINE


def test_the_service_cannot_sign_twice_in_a_users_name(stage: Stage, alice: Party):
    refused(accuse(stage, alice, 7, key=alice.key_b), SIGNATURE)
    refused(accuse(stage, alice, 7, other=8), EVIDENCE)
    refused(accuse(stage, alice, 7, channel_id=alice.channel_id + 1), EVIDENCE)
    assert stage.account(alice).owed == 0
