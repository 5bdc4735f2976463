"""The vault and the real channel contract together: every TON is in exactly one of wallet, vault and channel."""

from __future__ import annotations

import pytest
from vault_case import B_SEQNO, Case, acknowledged
from vault_real import RealStage
from vault_stage import RESPONSE_MS, Party, address, succeeded

from fairway.channel.codec import Close, Commit, Finish, Start
from fairway.ton.vault_messages import (
    EVIDENCE_VALUE,
    REOPEN_VALUE,
    WORD_VALUE,
    WRAP_VALUE,
    absolve,
    punish_fill,
    reopen,
    sink_of,
)
from fairway.units import TON
from fairway.vault import books as model


@pytest.fixture
def stage() -> RealStage:
    return RealStage()


def test_wrap_fills_both_sides_of_the_channel(stage: RealStage):
    alice = stage.opened("alice", 10 * TON)
    assert stage.deposits(alice) == (10 * TON, 100 * TON)
    stage.agree()


def test_what_a_wrap_does_not_cost_comes_back_to_whoever_sent_it(stage: RealStage):
    """His TON carries both sides' units: the vault keeps none of it, nor the sink, where nobody could fetch it."""
    alice = stage.opened("alice", 10 * TON)
    before, locked = stage.balance("alice"), stage.router.account(str(stage.vault)).balance
    sink = stage.router.account(str(sink_of(stage.vault))).balance
    done = succeeded(stage.wrap(alice, TON))
    assert stage.router.account(str(sink_of(stage.vault))).balance == sink == 0
    assert stage.router.account(str(stage.vault)).balance - locked < TON + TON // 1000
    spent = WRAP_VALUE - (stage.balance("alice") - before)
    assert spent < 2 * sum(each.fees for each in done)


def test_wrap_then_cooperative_close_pays_the_users_fixed_wallet(stage: RealStage):
    alice = stage.opened("alice", 10 * TON)
    before = stage.balance("alice")
    done = stage.close(alice, sent_a=3 * TON, sent_b=TON)
    stage.follow(alice, 8 * TON, done)
    assert 8 * TON <= stage.balance("alice") - before < 9 * TON
    assert stage.account(alice).ended


def test_the_worked_example_runs_through_real_channels(stage: RealStage):
    alice, bob, carl = (stage.opened(name, nano * TON) for name, nano in (("alice", 10), ("bob", 15), ("carl", 100)))
    stage.follow(carl, 104 * TON, stage.close(carl, sent_b=4 * TON))
    assert stage.view().claims == ((address("carl"), 4 * TON),)
    stage.follow(alice, 5 * TON, stage.close(alice, sent_a=5 * TON))
    view = stage.agree()
    assert (view.supply, view.locked, view.missing, view.claims) == (176 * TON, 16 * TON, 0, ())
    assert stage.deposits(bob) == (15 * TON, 150 * TON)


def test_a_close_alone_needs_nobodys_permission(stage: RealStage):
    alice = stage.opened("alice", 10 * TON)
    start = Start(alice.channel_id, *stage.halves(alice, sent_a=2 * TON, sent_b=0))
    succeeded(stage.tell(alice, stage.signed(alice, start)))
    stage.router.advance(2 * 3600 + 1)
    stage.follow(alice, 8 * TON, stage.tell(alice, Finish()))


def test_a_partial_withdrawal_by_commit_leaves_the_channel_open(stage: RealStage):
    alice = stage.opened("alice", 10 * TON)
    commit = Commit(alice.channel_id, TON, 0, 2, 2, 4 * TON, 0)
    succeeded(stage.tell(alice, stage.agreed(alice, commit)))
    stage.books, payments = model.come_home(stage.books, alice.channel_id, 4 * TON, to_sink=False, ended=False)
    assert payments == (model.Payment(b"alice", 4 * TON),)
    assert stage.agree().protected == 6 * TON
    stage.tell(alice, stage.agreed(alice, Close(alice.channel_id, TON, 0, 3, 3)))
    for units, to_sink in ((101 * TON, True), (5 * TON, False)):
        stage.books, _ = model.come_home(stage.books, alice.channel_id, units, to_sink=to_sink, ended=True)
    stage.agree()


def test_a_partial_withdrawal_by_reopening_fills_the_next_channel(stage: RealStage):
    old, new = stage.opened("alice", 10 * TON), stage.opened("alice", salt=1)
    succeeded(stage.word(old.wallet, reopen(old.channel, new.channel, 3 * TON), REOPEN_VALUE + WORD_VALUE))
    stage.books = model.pre_register(stage.books, old.channel_id, model.Reopening(new.channel_id, 3 * TON))
    stage.follow(old, 9 * TON, stage.close(old, sent_a=TON))
    assert stage.deposits(new) == (6 * TON, 60 * TON)


def test_a_top_up_that_a_channel_cannot_take_comes_back_as_ton(stage: RealStage):
    """A channel in quarantine takes no deposit: both sides' units come home, and the user has his TON again."""
    alice = stage.opened("alice", 10 * TON)
    start = Start(alice.channel_id, *stage.halves(alice, sent_a=0, sent_b=0))
    succeeded(stage.tell(alice, stage.signed(alice, start)))
    before = stage.balance("alice")
    succeeded(stage.wrap(alice, 5 * TON))
    assert 5 * TON <= stage.balance("alice") - before < 6 * TON
    view = stage.view()
    assert (view.locked, view.protected, view.supply) == (10 * TON, 10 * TON, 110 * TON)


def punished(stage: RealStage) -> Party:
    case = Case(stage.opened("alice", 10 * TON), stage.opened("bob", 10 * TON))
    stage.router.advance(RESPONSE_MS // 1000)
    succeeded(stage.word(address("anyone"), punish_fill(case.taker.channel, case.evidence()), EVIDENCE_VALUE))
    return case.taker


def test_a_punished_channel_closes_at_its_own_reduced_rate(stage: RealStage):
    alice = punished(stage)
    owed = stage.account(alice).owed
    stage.books = model.punish(stage.books, alice.channel_id, 77, model.Lien(owed, B_SEQNO))
    before = stage.balance("alice")
    stage.follow(alice, 9 * TON, stage.close(alice, sent_a=TON))
    assert 0 <= stage.balance("alice") - before - (9 * TON - owed) < TON
    assert owed > 3 * TON


def test_a_punished_user_who_signs_closes_at_the_full_rate(stage: RealStage):
    alice = punished(stage)
    signed = absolve(alice.channel, 77, acknowledged(alice, seqno=11))
    succeeded(stage.word(alice.wallet, signed, EVIDENCE_VALUE))
    before = stage.balance("alice")
    stage.follow(alice, 9 * TON, stage.close(alice, sent_a=TON))
    assert stage.balance("alice") - before >= 9 * TON
