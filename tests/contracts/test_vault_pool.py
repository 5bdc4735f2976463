"""Lenders hold shares in the contract itself, leave with nobody's permission, and never with a deposit or the bond."""

from __future__ import annotations

import pytest
from vault_pairs import QUARANTINE_S, post
from vault_stage import SERVICE, TREASURY, Stage, address, refused, signer, succeeded

from fairway.errors import Rejected
from fairway.ton.vault_messages import WORD_VALUE, lend, post_bond, repay, return_bond, withdraw
from fairway.units import TON
from fairway.vault import pool

SHARES, POSTED, TOO_EARLY, SIGNATURE, NOT_FREE, NOT_TREASURY = 822, 823, 814, 813, 807, 806
ONE, TWO = address("lender one"), address("lender two")


class Lending(Stage):
    """The same, with lenders; the books follow."""

    def lends(self, name: str, nano: int) -> None:
        done = succeeded(self.word(address(name), lend(nano), nano + WORD_VALUE))
        self.books, payments = pool.lend(self.books, name.encode(), nano)
        self.check_payments(done, payments)
        self.agree()

    def withdraws(self, name: str, shares: int) -> int:
        done = succeeded(self.word(address(name), withdraw(shares)))
        self.books, payments = pool.withdraw(self.books, name.encode(), shares)
        self.check_payments(done, payments)
        self.agree()
        return sum(payment.nano for payment in payments)

    def posts(self, epoch: int, value: int) -> None:
        done = succeeded(post(self, epoch, value))
        self.books = pool.post_value(self.books, epoch, value, done[0].at, QUARANTINE_S)
        self.agree()

    def shares(self, name: str) -> int:
        owner = address(name)
        (held,) = self.router.get(str(self.vault), "get_shares", (owner,))
        return held


@pytest.fixture
def stage() -> Lending:
    return Lending()


def test_a_lender_is_paid_back_what_he_lent_without_asking_anybody(stage: Lending):
    stage.lends("lender one", 10 * TON)
    assert stage.withdraws("lender one", 4 * TON) == 4 * TON
    assert stage.withdraws("lender one", 6 * TON) == 6 * TON
    assert stage.agree().locked == 0


def test_shares_are_bought_and_sold_at_the_posted_value(stage: Lending):
    stage.lends("lender one", 100 * TON)
    stage.posts(1, 80 * TON)
    stage.lends("lender two", 80 * TON)
    assert stage.books.pool.lenders == {b"lender one": 100 * TON, b"lender two": 100 * TON}
    assert stage.withdraws("lender one", 100 * TON) == 80 * TON


def test_a_lender_who_leaves_is_paid_behind_every_gain_from_what_others_lose(stage: Lending):
    alice, carl = stage.opened("alice", 10 * TON), stage.opened("carl", 100 * TON)
    stage.lends("lender one", 3 * TON)
    stage.closes(carl, 105 * TON)
    assert stage.withdraws("lender one", 3 * TON) == 0
    stage.agree()
    refused(stage.word(TREASURY, repay(TREASURY, 1)), NOT_FREE)
    stage.closes(alice, 4 * TON)
    assert stage.agree().locked == TON
    assert stage.books.pool.exits == ()


def test_a_lender_never_takes_the_bond(stage: Lending):
    stage.lends("lender one", 3 * TON)
    succeeded(stage.word(TREASURY, post_bond(4 * TON), 4 * TON + WORD_VALUE))
    stage.books, _ = pool.post_bond(stage.books, 4 * TON)
    carl = stage.opened("carl", 100 * TON)
    stage.closes(carl, 102 * TON)
    assert stage.withdraws("lender one", 3 * TON) == TON
    assert stage.agree().bond == 4 * TON
    refused(stage.word(TREASURY, return_bond(4 * TON)), NOT_FREE)


def test_nobody_lends_dust_or_leaves_with_it_unless_it_is_all_he_has(stage: Lending):
    refused(stage.word(ONE, lend(TON - 1), TON - 1 + WORD_VALUE), SHARES)
    stage.lends("lender one", 2 * TON)
    refused(stage.word(ONE, withdraw(TON - 1)), SHARES)
    for nano in (TON - 1, 0):
        with pytest.raises(Rejected, match=r"vault\.(shares|nano)"):
            pool.lend(stage.books, b"lender one", nano)
    with pytest.raises(Rejected, match=r"vault\.shares"):
        pool.withdraw(stage.books, b"lender one", TON - 1)
    assert stage.withdraws("lender one", TON + 1) == TON + 1
    assert stage.withdraws("lender one", TON - 1) == TON - 1


def test_nobody_withdraws_shares_that_are_not_his(stage: Lending):
    stage.lends("lender one", 10 * TON)
    for wallet, shares in ((TREASURY, 1), (TWO, TON), (ONE, 10 * TON + 1), (ONE, 0)):
        refused(stage.word(wallet, withdraw(shares)), SHARES)
    refused(stage.word(ONE, lend(0), WORD_VALUE), SHARES)


def test_a_value_is_the_services_word_for_this_vault_one_epoch_a_quarter_and_a_quarantine_at_a_time(stage: Lending):
    stage.lends("lender one", 100 * TON)
    refused(post(stage, 1, 100 * TON, signer("stranger")), SIGNATURE)
    refused(post(stage, 1, 100 * TON, vault=address("another vault")), POSTED)
    for epoch, value in ((0, 100), (2, 100), (1, 126), (1, 74), (1, 101)):
        refused(post(stage, epoch, value * TON, SERVICE), POSTED)
    stage.posts(1, 80 * TON)
    refused(post(stage, 2, 80 * TON), TOO_EARLY)
    refused(post(stage, 1, 80 * TON), POSTED)
    stage.router.advance(QUARANTINE_S)
    stage.posts(2, 100 * TON)


def test_the_operator_takes_fees_but_nothing_of_what_shares_are_worth(stage: Lending):
    stage.lends("lender one", 10 * TON)
    refused(stage.word(TREASURY, repay(TREASURY, 1)), NOT_FREE)
    stage.closes(stage.opened("alice", 10 * TON), 7 * TON)
    refused(stage.word(TREASURY, repay(TREASURY, 3 * TON + 1)), NOT_FREE)
    refused(stage.word(ONE, repay(ONE, 1)), NOT_TREASURY)
    done = succeeded(stage.word(TREASURY, repay(TREASURY, 3 * TON)))
    stage.books, payments = pool.repay(stage.books, b"treasury", 3 * TON)
    stage.check_payments(done, payments)
    assert stage.agree().locked == 10 * TON


def test_the_pool_is_no_way_to_a_deposit(stage: Lending):
    """The service posts a rise, a quarter at a time, up to all TON there is, and its puppet leaves with it."""
    victim = stage.opened("victim", 100 * TON)
    stage.lends("puppet", 10 * TON)
    for epoch in range(1, 11):
        stage.router.advance(QUARANTINE_S)
        stage.posts(epoch, stage.books.pool.value * 5 // 4)
    assert stage.books.pool.value > 90 * TON
    assert stage.withdraws("puppet", 10 * TON) == 10 * TON
    stage.closes(victim, 100 * TON)
    stage.agree()
