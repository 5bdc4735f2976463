"""A loss that both sides signed pays winners before the loser closes, and no stale pair takes what was won back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from vault_case import POSITION_KEY, holding, position
from vault_pairs import QUARANTINE_S, answer, flat, half_of, promise_of, show, take
from vault_stage import ORDER_CODE, Party, Stage, address, refused, succeeded

from fairway.channel.conditionals import Conditionals
from fairway.channel.state import Body, Half
from fairway.exchange.conditions import cross_conditional
from fairway.exchange.reading import CROSS_KEY
from fairway.exchange.terms import CrossPosition, CrossTerms
from fairway.ton.vault_messages import EVIDENCE_VALUE, answer_loss
from fairway.units import TON
from fairway.vault import losses

EVIDENCE, SIGNATURE, TOO_EARLY, NOTHING, SUPERSEDED, NOTICE, NO_NOTICE, ENDED = 812, 813, 814, 815, 819, 820, 821, 804


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def alice(stage: Stage) -> Party:
    return stage.opened("alice", 10 * TON)


def announce(stage: Stage, party: Party, sent_a: int, sent_b: int, seqno: int, *others: Conditionals) -> None:
    """The loss is shown; the books follow, and the quarantine passes."""
    succeeded(show(stage, party, sent_a, sent_b, seqno, *others))
    stage.books = losses.show(stage.books, party.channel_id, sent_a, sent_b, seqno, stage.losses(party).notice[2])


def move(stage: Stage, party: Party) -> None:
    stage.router.advance(QUARANTINE_S)
    done = succeeded(take(stage, party))
    stage.books, payments = losses.take(stage.books, party.channel_id, 1 << 32)
    stage.check_payments(done, payments)
    stage.agree()


def test_a_winner_is_paid_by_a_loser_whose_channel_stays_open(stage: Stage, alice: Party):
    carl = stage.opened("carl", 100 * TON)
    stage.closes(carl, 104 * TON)
    assert stage.agree().claims == ((address("carl"), 4 * TON),)
    announce(stage, alice, 5 * TON, 0, 3, flat(ORDER_CODE))
    move(stage, alice)
    view = stage.agree()
    assert (view.claims, view.protected) == ((), 5 * TON)
    stage.closes(alice, 5 * TON)
    view = stage.agree()
    assert (view.supply, view.locked, view.missing) == (11 * TON, TON, 0)


def test_nothing_moves_before_the_user_could_have_answered(stage: Stage, alice: Party):
    announce(stage, alice, 5 * TON, 0, 3)
    refused(show(stage, alice, 6 * TON, 0, 4), NOTICE)
    stage.router.advance(QUARANTINE_S - 1)
    refused(take(stage, alice), TOO_EARLY)
    stage.agree()


def test_a_stale_pair_is_answered_by_a_later_half_of_the_service(stage: Stage, alice: Party):
    succeeded(show(stage, alice, 5 * TON, 0, 3))
    refused(answer(stage, alice, 4 * TON, 3), SUPERSEDED)
    refused(answer(stage, alice, 0, 4), NOTHING)
    succeeded(answer(stage, alice, 4 * TON, 4))
    assert stage.losses(alice).notice[0] == TON
    succeeded(answer(stage, alice, 5 * TON, 5))
    assert stage.losses(alice).notice is None
    stage.router.advance(QUARANTINE_S)
    refused(take(stage, alice), NO_NOTICE)
    refused(show(stage, alice, 5 * TON, 0, 3), SUPERSEDED)
    assert stage.view().protected == 10 * TON


def test_an_operator_who_answers_first_with_an_invented_top_half_bars_nobody(stage: Stage, alice: Party):
    """He signs seqno 10^9 and gives back one nano; the user's own later half counts all the same."""
    succeeded(show(stage, alice, 5 * TON, 0, 3))
    succeeded(answer(stage, alice, 1, 10**9))
    succeeded(answer(stage, alice, 4 * TON, 4))
    assert stage.losses(alice).notice[0] == TON


def test_something_open_in_a_later_half_cancels_a_notice(stage: Stage, alice: Party):
    succeeded(show(stage, alice, 5 * TON, 0, 3))
    refused(answer(stage, alice, 0, 4, flat(ORDER_CODE)), NOTHING)
    succeeded(answer(stage, alice, 0, 4, holding(POSITION_KEY, position(alice))))
    assert stage.losses(alice).notice is None


def shared(*positions: CrossPosition) -> Conditionals:
    """What the service's half holds where a pot stands beside a market with nothing in it."""
    pot = CrossTerms(bytes(16), 5 * TON, 7 * TON, 10, 0, positions)
    return flat(ORDER_CODE).add(CROSS_KEY, cross_conditional(pot, ORDER_CODE)[1])


HELD = CrossPosition(3, False, True, 1, 1000, 50_000_000, 0, 50_000, 0, 50_000, 7)


def test_a_pot_without_positions_is_nothing_open_and_one_with_them_is(stage: Stage, alice: Party):
    refused(show(stage, alice, 5 * TON, 0, 3, shared(HELD)), EVIDENCE)
    announce(stage, alice, 5 * TON, 0, 3, shared())
    refused(answer(stage, alice, 0, 4, shared()), NOTHING)
    succeeded(answer(stage, alice, 0, 4, shared(HELD)))
    assert stage.losses(alice).notice is None


def test_a_loss_moves_once_and_what_is_won_back_after_it_waits_like_any_gain(stage: Stage, alice: Party):
    announce(stage, alice, 5 * TON, 0, 3)
    move(stage, alice)
    refused(show(stage, alice, 5 * TON, 0, 3), NOTHING)
    announce(stage, alice, 7 * TON, TON, 4)
    move(stage, alice)
    assert stage.view().protected == 4 * TON


def test_no_more_than_the_deposit_moves(stage: Stage, alice: Party):
    announce(stage, alice, 40 * TON, 0, 3)
    move(stage, alice)
    assert stage.view().protected == 0


def test_once_a_channel_ends_its_close_says_what_was_lost(stage: Stage, alice: Party):
    announce(stage, alice, 5 * TON, 0, 3)
    stage.pays(alice, service=100 * TON)
    stage.router.advance(QUARANTINE_S)
    refused(take(stage, alice), ENDED)
    stage.pays(alice, user=10 * TON)
    stage.agree()


@pytest.mark.parametrize(
    ("forged", "code"),
    [
        ({"key": "key_b"}, SIGNATURE),
        ({"key_b": "key"}, SIGNATURE),
        ({"channel_id": 7}, EVIDENCE),
        ({"cites": None}, EVIDENCE),
        ({"cites": Body(3, 1, bytes(32))}, EVIDENCE),
        ({"cites": Body(4, 0, bytes(32))}, EVIDENCE),
    ],
)
def test_a_pair_is_refused_unless_both_signed_it_of_this_channel_and_one_cites_the_other(
    stage: Stage, alice: Party, forged: dict, code: int
):
    forged = {name: getattr(alice, value) if isinstance(value, str) else value for name, value in forged.items()}
    refused(show(stage, alice, 5 * TON, 0, 3, **forged), code)


def test_a_pair_in_which_something_is_open_shows_no_loss(stage: Stage, alice: Party):
    held = holding(POSITION_KEY, position(alice))
    refused(show(stage, alice, 5 * TON, 0, 3, held), EVIDENCE)
    refused(show(stage, alice, 5 * TON, 0, 3, held, root=None), EVIDENCE)
    refused(show(stage, alice, 5 * TON, 0, 3, held, root=flat(ORDER_CODE).root_cell()), EVIDENCE)


def test_an_answer_is_the_services_own_half_of_this_channel(stage: Stage, alice: Party):
    bob = stage.opened("bob", TON)
    succeeded(show(stage, alice, 5 * TON, 0, 3))
    forged = half_of(alice.key, Half(alice.channel_id, Body(4, 5 * TON, bytes(32))))
    elsewhere = half_of(alice.key_b, Half(bob.channel_id, Body(4, 5 * TON, bytes(32))))
    broken = replace(promise_of(alice, 4, 5 * TON), signature=bytes(64))
    for half, code in ((forged, SIGNATURE), (elsewhere, EVIDENCE), (broken, SIGNATURE)):
        refused(stage.word(alice.wallet, answer_loss(alice.channel, half), EVIDENCE_VALUE), code)
    refused(answer(stage, bob, TON, 4), NO_NOTICE)
