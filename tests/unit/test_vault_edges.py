"""The vault at its edges: every refusal with its code and its facts, and what is just allowed beside it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairway.errors import FairwayError, IllegalTransition, Rejected
from fairway.units import TON
from fairway.vault import books as vault
from fairway.vault.books import absolve, account, come_home, open_account, pre_register, punish, settle_claims, wrap
from fairway.vault.evidence import Fill, owed_at
from fairway.vault.losses import answer, show, slash, slash_fine, slash_stake, take
from fairway.vault.pool import LEAST, lend, post_bond, post_value, repay, return_bond, withdraw
from fairway.vault.state import Account, Books, Claim, Lien, Notice, Payment, Pool, Reopening

ALICE, FRESH, BOB, GONE = 1, 2, 3, 4
BOOKS = Books(
    locked=1_000 * TON,
    protected=110 * TON,
    bond=50 * TON,
    accounts={
        ALICE: Account(b"alice", deposit=100, held=1100, liens={7: Lien(5, 1), 8: Lien(6, 2)}, owed=11, seen=4),
        FRESH: Account(b"alice"),
        BOB: Account(b"bob", deposit=10, held=110, notice=Notice(9, 20, 3, 100), slashed=frozenset({6})),
        GONE: Account(b"alice", ended=True),
    },
    pool=Pool(value=400 * TON, shares=200 * TON, epoch=3, posted_s=50, lenders={b"lender": 200 * TON}),
)
WAITING = replace(BOOKS, claims=(Claim(b"carl", 1),))
LEAVING = replace(BOOKS, pool=replace(BOOKS.pool, exits=(Claim(b"lender", 1),)))
DONE = replace(BOOKS, protected=0, supply=0, sink=0, accounts={})

REFUSED = [
    (lambda: account(BOOKS, 9), "vault.unknown_channel", {"channel_id": 9}),
    (lambda: open_account(BOOKS, ALICE, b"thief"), "vault.channel_known", {"channel_id": ALICE}),
    (lambda: wrap(BOOKS, GONE, 1), "vault.channel_ended", {"channel_id": GONE}),
    (lambda: wrap(BOOKS, ALICE, 0), "vault.nano", {"nano": 0}),
    (lambda: post_bond(BOOKS, -1), "vault.nano", {"nano": -1}),
    (lambda: pre_register(BOOKS, ALICE, Reopening(BOB, 1)), "vault.reopen", {"channel_id": ALICE}),
    (lambda: pre_register(BOOKS, ALICE, Reopening(ALICE, 1)), "vault.reopen", {"channel_id": ALICE}),
    (lambda: pre_register(BOOKS, ALICE, Reopening(GONE, 1)), "vault.reopen", {"channel_id": ALICE}),
    (lambda: pre_register(BOOKS, GONE, Reopening(FRESH, 1)), "vault.reopen", {"channel_id": GONE}),
    (lambda: punish(BOOKS, ALICE, 7, Lien(1, 1)), "vault.lien", {"match_id": 7}),
    (lambda: punish(BOOKS, GONE, 9, Lien(1, 1)), "vault.lien", {"match_id": 9}),
    (lambda: absolve(BOOKS, ALICE, 9), "vault.no_lien", {"match_id": 9}),
    (lambda: show(BOOKS, BOB, 30, 0, 9, 100), "vault.notice", {"b_seqno": 9}),
    (lambda: show(BOOKS, ALICE, 30, 0, 3, 100), "vault.notice", {"b_seqno": 3}),
    (lambda: show(BOOKS, ALICE, 30, 30, 4, 100), "vault.no_loss", {"nano": 0}),
    (lambda: show(BOOKS, GONE, 30, 0, 4, 100), "vault.channel_ended", {"channel_id": GONE}),
    (lambda: answer(BOOKS, BOB, 12, 3, promised=False), "vault.answer", {"b_seqno": 3}),
    (lambda: answer(BOOKS, BOB, 11, 4, promised=False), "vault.answer", {"b_seqno": 4}),
    (lambda: answer(BOOKS, ALICE, 11, 4, promised=True), "vault.no_notice", {}),
    (lambda: take(BOOKS, BOB, 99), "vault.too_early", {"due_s": 100}),
    (lambda: take(BOOKS, ALICE, 99), "vault.no_notice", {}),
    (lambda: slash(BOOKS, BOB, 6, 1), "vault.slashed", {"seqno": 6}),
    (lambda: slash(BOOKS, BOB, 7, 0), "vault.slashed", {"seqno": 7}),
    (lambda: slash(replace(BOOKS, bond=0), BOB, 7, 1), "vault.slashed", {"seqno": 7}),
    (lambda: lend(BOOKS, b"lender", LEAST - 1), "vault.shares", {"nano": LEAST - 1}),
    (lambda: lend(Books(), b"lender", LEAST - 1), "vault.shares", {"nano": LEAST - 1}),
    (lambda: lend(pooled(value=0, shares=5), b"lender", LEAST), "vault.shares", {"nano": LEAST}),
    (lambda: lend(pooled(value=2 * LEAST, shares=1), b"lender", LEAST), "vault.shares", {"nano": LEAST}),
    (lambda: withdraw(BOOKS, b"lender", 0), "vault.shares", {"shares": 0}),
    (lambda: withdraw(BOOKS, b"lender", -1), "vault.shares", {"shares": -1}),
    (lambda: withdraw(BOOKS, b"lender", 200 * TON + 1), "vault.shares", {"shares": 200 * TON + 1}),
    (lambda: withdraw(BOOKS, b"stranger", TON), "vault.shares", {"shares": TON}),
    (lambda: withdraw(BOOKS, b"lender", LEAST // 2 - 1), "vault.shares", {"shares": LEAST // 2 - 1}),
    (lambda: withdraw(pooled(value=0, shares=5), b"one", 5), "vault.shares", {"shares": 5}),
    (lambda: post_value(BOOKS, 3, 400 * TON, 99, 9), "vault.posted", {"epoch": 3}),
    (lambda: post_value(BOOKS, 5, 400 * TON, 99, 9), "vault.posted", {"epoch": 5}),
    (lambda: post_value(BOOKS, 4, 400 * TON, 58, 9), "vault.posted", {"epoch": 4}),
    (lambda: post_value(BOOKS, 4, 500 * TON + 1, 59, 9), "vault.posted", {"value": 500 * TON + 1}),
    (lambda: post_value(BOOKS, 4, 300 * TON - 1, 59, 9), "vault.posted", {"value": 300 * TON - 1}),
    (lambda: post_value(held(449 * TON), 4, 400 * TON, 59, 9), "vault.posted", {"value": 400 * TON}),
    (lambda: repay(BOOKS, b"op", 440 * TON + 1), "vault.not_free", {"nano": 440 * TON + 1, "free": 840 * TON}),
    (lambda: repay(WAITING, b"op", 1), "vault.not_free", {"nano": 1, "free": 840 * TON}),
    (lambda: repay(LEAVING, b"op", 1), "vault.not_free", {"nano": 1, "free": 840 * TON}),
    (lambda: return_bond(DONE, b"op", 50 * TON + 1), "vault.bond_bound", {"nano": 50 * TON + 1}),
    (lambda: return_bond(replace(DONE, locked=420 * TON), b"op", 21 * TON), "vault.bond_bound", {"nano": 21 * TON}),
    (lambda: return_bond(replace(DONE, supply=1), b"op", 1), "vault.bond_bound", {"nano": 1}),
    (lambda: return_bond(replace(DONE, claims=WAITING.claims), b"op", 1), "vault.bond_bound", {"nano": 1}),
    (lambda: return_bond(replace(DONE, pool=LEAVING.pool), b"op", 1), "vault.bond_bound", {"nano": 1}),
]


def pooled(*, value: int, shares: int) -> Books:
    return Books(locked=value, pool=Pool(value=value, shares=shares, lenders={b"one": shares}))


def held(nano: int) -> Books:
    return replace(BOOKS, locked=nano)


def refusal(call: object) -> FairwayError:
    with pytest.raises(FairwayError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize(("call", "code", "facts"), REFUSED)
def test_a_refusal_has_its_code_and_says_what_it_is_about(call, code, facts):
    error = refusal(call)
    assert (type(error), error.code, error.facts) == (Rejected, code, facts)


@pytest.mark.parametrize("units", [-1, 1101])
def test_a_channel_that_returns_what_it_does_not_hold_stops_us(units):
    error = refusal(lambda: come_home(BOOKS, ALICE, units, to_sink=False, ended=True))
    assert (type(error), error.code, error.facts) == (IllegalTransition, "vault.units", {"units": units})


def test_what_is_just_allowed_is_allowed():
    assert show(BOOKS, ALICE, 1, 0, 4, 100).accounts[ALICE].notice == Notice(1, 1, 4, 100)
    assert answer(BOOKS, BOB, 12, 4, promised=False).accounts[BOB].notice.nano == 8
    assert take(BOOKS, BOB, 100)[0].accounts[BOB].notice is None
    assert lend(BOOKS, b"new", LEAST)[0].pool.lenders[b"new"] == LEAST // 2
    assert withdraw(BOOKS, b"lender", LEAST // 2)[1] == (Payment(b"lender", LEAST),)
    assert post_value(BOOKS, 4, 500 * TON, 59, 9).pool == replace(BOOKS.pool, epoch=4, value=500 * TON, posted_s=59)
    assert post_value(BOOKS, 4, 300 * TON, 59, 9).pool.value == 300 * TON
    assert post_value(held(450 * TON), 4, 400 * TON, 59, 9).pool.value == 400 * TON
    assert repay(BOOKS, b"op", 440 * TON)[1] == (Payment(b"op", 440 * TON),)
    assert return_bond(DONE, b"op", 50 * TON)[0].bond == 0
    assert return_bond(replace(DONE, locked=420 * TON), b"op", 20 * TON)[0].locked == 400 * TON


def test_who_holds_everything_may_leave_with_less_than_anyone_may_lend():
    books, paid = withdraw(pooled(value=9, shares=3), b"one", 3)
    assert (paid, books.pool.lenders, books.pool.value) == ((Payment(b"one", 9),), {b"one": 0}, 0)
    assert withdraw(pooled(value=7, shares=1), b"one", 1)[1] == (Payment(b"one", 7),)


def test_a_pool_worth_one_nano_still_has_a_price():
    books, _ = lend(pooled(value=1, shares=3), b"two", LEAST)
    assert books.pool.lenders[b"two"] == 3 * LEAST


def test_a_step_of_a_large_value_is_a_quarter_to_the_nano():
    value = 4 * (2**53 + 1)
    books = replace(pooled(value=value, shares=1), locked=2 * value)
    assert post_value(books, 1, value + 2**53 + 1, 0, 0).pool.value == value + 2**53 + 1
    assert refusal(lambda: post_value(books, 1, value + 2**53 + 2, 0, 0)).code == "vault.posted"


def test_a_stake_that_the_bond_cuts_gives_the_user_its_quarter_rounded_down():
    assert slash_stake(7, 5) == 7
    assert repr(slash_fine(7)) == "1"
    assert slash_stake(21, 5) == 20


def test_four_who_wait_are_paid_by_a_move_and_the_fifth_by_the_next():
    waiting = tuple(Claim(b"%d" % n, 10) for n in range(5))
    books, paid = settle_claims(replace(BOOKS, claims=waiting))
    assert [payment.wallet for payment in paid] == [b"0", b"1", b"2", b"3"]
    books, paid = settle_claims(books)
    assert (paid, books.claims) == ((Payment(b"4", 10),), ())


def test_what_is_left_of_a_claim_is_still_its_wallet_s():
    books, paid = settle_claims(
        replace(BOOKS, protected=BOOKS.locked - 7, claims=(Claim(b"one", 10), Claim(b"two", 1)))
    )
    assert (paid, books.claims) == ((Payment(b"one", 7),), (Claim(b"one", 3), Claim(b"two", 1)))


def test_a_gain_goes_behind_those_who_wait_even_where_there_is_free_ton():
    waiting = tuple(Claim(b"%d" % n, 10) for n in range(6))
    books, paid = come_home(replace(BOOKS, claims=waiting), BOB, 12, to_sink=False, ended=False)
    assert paid[0] == Payment(b"bob", 10)
    assert books.claims == (*waiting[4:], Claim(b"bob", 2))


def test_what_a_redemption_charged_is_owed_no_more():
    books, paid = come_home(BOOKS, ALICE, 8, to_sink=False, ended=False)
    assert (paid, books.accounts[ALICE].owed) == ((), 3)
    books, paid = come_home(books, ALICE, 8, to_sink=False, ended=False)
    assert (paid, books.accounts[ALICE].owed) == ((Payment(b"alice", 5),), 0)


@pytest.mark.parametrize(("settled", "paid"), [(0, 19), (4, 23), (11, 30), (12, 30)])
def test_what_conditionals_took_is_not_charged_again(settled, paid):
    _, payments = come_home(BOOKS, ALICE, 30, to_sink=False, ended=True, settled=settled)
    assert payments == (Payment(b"alice", paid),)


def test_a_lifted_lien_leaves_the_others():
    entry = absolve(BOOKS, ALICE, 7).accounts[ALICE]
    assert (entry.liens, entry.owed) == ({8: Lien(6, 2)}, 6)


def test_a_reopening_holds_for_one_redemption_and_wraps_nothing_where_nothing_is_left():
    books = pre_register(BOOKS, ALICE, Reopening(FRESH, payout=19))
    books, paid = come_home(books, ALICE, 30, to_sink=False, ended=False)
    assert (paid, books.accounts[FRESH].deposit) == ((Payment(b"alice", 19),), 0)
    assert books.accounts[ALICE].reopening is None
    books, paid = come_home(books, ALICE, 30, to_sink=False, ended=False)
    assert paid == (Payment(b"alice", 30),)


def test_a_reopening_into_a_channel_that_has_ended_meanwhile_pays_all():
    books = pre_register(BOOKS, ALICE, Reopening(FRESH, payout=1))
    books = vault.with_account(books, FRESH, replace(books.accounts[FRESH], ended=True))
    assert come_home(books, ALICE, 30, to_sink=False, ended=False)[1] == (Payment(b"alice", 19),)


@given(
    st.booleans(),
    st.booleans(),
    st.integers(1, 10**6),
    st.integers(1, 10**4),
    st.integers(1, 10**6),
    st.integers(1, 10**6),
    st.integers(-(10**3), 10**3),
    st.integers(0, 10**12),
)
def test_a_fill_owes_its_exact_loss_rounded_against_it_up_to_the_reserve(
    inverse, buy, unit, lots, entry, exit_tick, fee, reserve
):
    size = unit * lots
    cost = size // entry if inverse else size * entry
    worth = Fraction(size, exit_tick) if inverse else Fraction(size * exit_tick)
    gain = (worth - cost) * (1 if buy != inverse else -1) - fee
    owed = owed_at(Fill(inverse, buy, unit, lots, cost, fee), exit_tick, reserve)
    assert min(max(0, -gain), reserve) <= owed <= reserve
    assert owed < max(0, -gain) + 1


def test_a_channel_and_the_books_begin_with_nothing():
    fresh = Account(b"wallet", 0, 0, 0, False, {}, None, 0, 0, frozenset(), None)
    assert repr(Account(b"wallet")) == repr(fresh)
    assert repr(Books()) == repr(Books(0, 0, 0, 0, 0, 0, {}, (), Pool(0, 0, 0, 0, {}, ())))
