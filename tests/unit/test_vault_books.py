"""The vault's arithmetic, on the worked example of docs/spec/contracts.md and on its edges."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fairway.errors import IllegalTransition, Rejected
from fairway.vault import pool
from fairway.vault.books import absolve, come_home, open_account, pre_register, punish, rate, wrap
from fairway.vault.losses import answer, show, slash, take
from fairway.vault.pool import lend, post_bond, post_value, repay, return_bond, withdraw
from fairway.vault.state import UNITS, Books, Claim, Lien, Payment, Reopening

ALICE, BOB, CARL = 1, 2, 3
WALLETS = {ALICE: b"alice", BOB: b"bob", CARL: b"carl"}


def opened(deposits: dict[int, int]) -> Books:
    books = Books()
    for channel_id, deposit in deposits.items():
        books = wrap(open_account(books, channel_id, WALLETS[channel_id]), channel_id, deposit)
    return books


def closed(books: Books, channel_id: int, share: int) -> tuple[Books, tuple[Payment, ...]]:
    rest = books.accounts[channel_id].held - share
    books, first = come_home(books, channel_id, share, to_sink=False, ended=True)
    books, second = come_home(books, channel_id, rest, to_sink=True, ended=True)
    return books, first + second


def figures(books: Books) -> dict[str, int]:
    return {"tvl": books.tvl, "supply": books.supply, "missing": books.missing}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example's TON are nano here, and so is the least that is lent."""
    monkeypatch.setattr(pool, "LEAST", 1)


@pytest.fixture
def example() -> Books:
    return opened({ALICE: 10, BOB: 15, CARL: 100})


def test_the_worked_example_mints_eleven_units_a_ton(example: Books):
    assert [example.accounts[each].held for each in (ALICE, BOB, CARL)] == [110, 165, 1100]
    assert figures(example) == {"tvl": 125, "supply": 1375, "missing": 0}


def test_alice_then_carl_burn_55_and_1144(example: Books):
    books, paid = closed(example, ALICE, 5)
    assert paid == (Payment(b"alice", 5),)
    assert figures(books) == {"tvl": 120, "supply": 1320, "missing": 0}
    books, paid = closed(books, CARL, 104)
    assert paid == (Payment(b"carl", 104),)
    assert figures(books) == {"tvl": 16, "supply": 176, "missing": 0}


def test_carl_first_burns_1100_of_1144_when_a_bond_bridges_and_alice_then_burns_99(example: Books):
    books, _ = post_bond(example, 4)
    books, paid = closed(books, CARL, 104)
    assert paid == (Payment(b"carl", 104),)
    assert figures(books) == {"tvl": 21, "supply": 275, "missing": 44}
    books, paid = closed(books, ALICE, 5)
    assert paid == (Payment(b"alice", 5),)
    assert figures(books) == {"tvl": 16, "supply": 176, "missing": 0}


def test_carl_first_waits_for_four_when_nothing_bridges(example: Books):
    books, paid = closed(example, CARL, 104)
    assert paid == (Payment(b"carl", 100),)
    assert (books.claimed, books.free) == (4, 0)
    assert figures(books) == {"tvl": 25, "supply": 275, "missing": 0}
    books, paid = closed(books, ALICE, 5)
    assert paid == (Payment(b"alice", 5), Payment(b"carl", 4))
    assert figures(books) == {"tvl": 16, "supply": 176, "missing": 0}


def test_carl_first_is_paid_at_once_from_a_lenders_deposit(example: Books):
    books, _ = lend(example, b"lender", 4)
    books, paid = closed(books, CARL, 104)
    assert paid == (Payment(b"carl", 104),)
    assert figures(books) == {"tvl": 25, "supply": 275, "missing": 0}


def test_ten_to_eight_burns_22_and_not_the_88_that_would_break_the_ratio():
    books, _ = closed(opened({ALICE: 10}), ALICE, 8)
    assert figures(books) == {"tvl": 2, "supply": 22, "missing": 0}


def test_an_operator_with_a_puppet_takes_nothing_of_anyone(example: Books):
    books, paid = closed(example, CARL, 1100)
    assert paid == (Payment(b"carl", 100),)
    assert books.locked == books.protected == 25
    books, paid = closed(books, BOB, 15)
    assert paid == (Payment(b"bob", 15),)


def test_claims_are_paid_first_in_first_out_and_in_part():
    books = opened({ALICE: 10, BOB: 10, CARL: 10})
    books, _ = closed(books, ALICE, 13)
    books, _ = closed(books, BOB, 12)
    assert [claim.nano for claim in books.claims] == [3, 2]
    books, paid = closed(books, CARL, 6)
    assert paid == (Payment(b"carl", 6), Payment(b"alice", 3), Payment(b"bob", 1))
    assert [claim.nano for claim in books.claims] == [1]


def test_a_new_gain_does_not_overtake_a_waiting_one():
    books = opened({ALICE: 10, BOB: 10, CARL: 10})
    books, _ = closed(books, ALICE, 20)
    books, paid = closed(books, BOB, 12)
    assert paid == (Payment(b"bob", 10),)
    assert [claim.wallet for claim in books.claims] == [b"alice", b"bob"]


def test_the_order_of_the_two_shares_does_not_matter(example: Books):
    first, _ = come_home(example, CARL, 90, to_sink=False, ended=True)
    first, _ = come_home(first, CARL, 1010, to_sink=True, ended=True)
    second, _ = come_home(example, CARL, 1010, to_sink=True, ended=True)
    second, _ = come_home(second, CARL, 90, to_sink=False, ended=True)
    assert first == second


def test_a_top_up_that_came_too_early_is_redeemed_and_can_be_made_again():
    books = opened({ALICE: 10})
    books, _ = come_home(books, ALICE, 100, to_sink=True, ended=False)
    books, paid = come_home(books, ALICE, 10, to_sink=False, ended=False)
    assert paid == (Payment(b"alice", 10),)
    assert figures(books) == {"tvl": 0, "supply": 0, "missing": 0}
    assert wrap(books, ALICE, 10).accounts[ALICE].held == 110


def test_a_closed_channel_is_never_wrapped_into_again():
    books, _ = closed(opened({ALICE: 10}), ALICE, 10)
    with pytest.raises(Rejected, match="channel_ended"):
        wrap(books, ALICE, 1)
    with pytest.raises(Rejected, match="channel_known"):
        open_account(books, ALICE, b"thief")


def test_a_partial_withdrawal_leaves_the_rest_of_the_deposit_protected():
    books, paid = come_home(opened({ALICE: 10}), ALICE, 4, to_sink=False, ended=False)
    assert paid == (Payment(b"alice", 4),)
    assert (books.protected, books.accounts[ALICE].deposit) == (6, 6)


def test_a_reopening_pays_x_and_wraps_the_rest_in_one_move():
    books = open_account(opened({ALICE: 10}), BOB, b"alice")
    books = pre_register(books, ALICE, Reopening(BOB, payout=3))
    books, paid = closed(books, ALICE, 9)
    assert paid == (Payment(b"alice", 3),)
    assert (books.accounts[BOB].deposit, books.accounts[BOB].held) == (6, 66)
    assert figures(books) == {"tvl": 7, "supply": 77, "missing": 0}


def test_a_reopening_belongs_to_one_wallet():
    with pytest.raises(Rejected, match=r"vault\.reopen"):
        pre_register(opened({ALICE: 10, BOB: 10}), ALICE, Reopening(BOB, payout=3))


def test_a_lien_lowers_the_rate_of_its_own_channel_only(example: Books):
    books = punish(example, ALICE, 7, Lien(owed=4, b_seqno=2))
    assert rate(books, ALICE, 10) == (6, 10)
    assert rate(books, BOB, 10) == (10, 10)
    books, paid = closed(books, ALICE, 10)
    assert paid == (Payment(b"alice", 6),)
    assert books.free == 4


def test_a_lien_above_the_share_makes_the_rate_zero(example: Books):
    books = punish(example, ALICE, 7, Lien(owed=40, b_seqno=2))
    assert rate(books, ALICE, 10) == (0, 10)
    assert rate(books, ALICE, 0) == (0, 1)
    assert closed(books, ALICE, 10)[1] == ()


def test_an_absolved_channel_redeems_in_full(example: Books):
    books = absolve(punish(example, ALICE, 7, Lien(4, 2)), ALICE, 7)
    assert closed(books, ALICE, 10)[1] == (Payment(b"alice", 10),)


def test_a_match_is_charged_once(example: Books):
    books = punish(example, ALICE, 7, Lien(4, 2))
    with pytest.raises(Rejected, match=r"vault\.lien"):
        punish(books, ALICE, 7, Lien(4, 2))
    with pytest.raises(Rejected, match="no_lien"):
        absolve(books, ALICE, 8)


def test_a_lie_of_the_service_forfeits_four_fines_and_one_of_them_is_the_users(example: Books):
    books, _ = post_bond(example, 50)
    books, paid = slash(books, ALICE, seqno=7, fine=5)
    assert paid == (Payment(b"alice", 5),)
    assert (books.bond, books.free, books.locked) == (30, 45, 170)
    assert books.supply == UNITS * books.tvl + books.missing
    with pytest.raises(Rejected, match="slashed"):
        slash(books, ALICE, seqno=7, fine=5)


def test_what_a_puppet_is_slashed_waits_behind_every_gain(example: Books):
    books, _ = closed(example, CARL, 104)
    books, _ = post_bond(replace(books, claims=(Claim(b"carl", 100),)), 20)
    books, paid = slash(replace(books, claims=(Claim(b"carl", 100),)), ALICE, seqno=7, fine=5)
    assert [claim.wallet for claim in books.claims] == [b"carl", b"alice"]
    assert paid == ()


def test_a_loss_that_both_signed_pays_a_winner_before_the_loser_closes(example: Books):
    books, _ = closed(example, CARL, 104)
    books = show(books, ALICE, sent_a=5, sent_b=0, b_seqno=3, due_s=100)
    with pytest.raises(Rejected, match="too_early"):
        take(books, ALICE, 99)
    books, paid = take(books, ALICE, 100)
    assert paid == (Payment(b"carl", 4),)
    assert (books.accounts[ALICE].deposit, books.free) == (5, 1)
    books, paid = closed(books, ALICE, 5)
    assert paid == (Payment(b"alice", 5),)
    assert figures(books) == {"tvl": 16, "supply": 176, "missing": 0}


def test_a_later_promise_of_the_service_answers_a_stale_pair(example: Books):
    announced = show(example, ALICE, sent_a=5, sent_b=0, b_seqno=3, due_s=100)
    with pytest.raises(Rejected, match="answer"):
        answer(announced, ALICE, 4, 3, promised=False)
    books = answer(announced, ALICE, 4, 4, promised=False)
    assert take(books, ALICE, 100)[0].accounts[ALICE].deposit == 9
    books = answer(announced, ALICE, 0, 4, promised=True)
    with pytest.raises(Rejected, match="no_notice"):
        take(books, ALICE, 100)
    with pytest.raises(Rejected, match="notice"):
        show(books, ALICE, sent_a=5, sent_b=0, b_seqno=3, due_s=200)


def test_a_loss_moves_once_and_what_is_won_back_is_a_gain(example: Books):
    books, _ = take(show(example, ALICE, 5, 0, 3, 0), ALICE, 0)
    with pytest.raises(Rejected, match="no_loss"):
        show(books, ALICE, 5, 0, 3, 0)
    books, _ = take(show(books, ALICE, 7, 0, 4, 0), ALICE, 0)
    assert books.accounts[ALICE].deposit == 3
    assert closed(books, ALICE, 10)[1] == (Payment(b"alice", 10),)
    held = replace(books, protected=books.locked)
    assert come_home(held, ALICE, 10, to_sink=False, ended=True)[1] == (Payment(b"alice", 3),)


def test_of_a_channel_that_has_ended_no_pair_is_heard(example: Books):
    announced = show(example, ALICE, 5, 0, 3, 0)
    books, _ = come_home(announced, ALICE, 50, to_sink=True, ended=True)
    for move in (lambda: show(books, ALICE, 5, 0, 3, 0), lambda: take(books, ALICE, 0)):
        with pytest.raises(Rejected, match="channel_ended"):
            move()


def test_a_share_costs_what_the_service_posted_and_is_worth_it():
    books, _ = lend(Books(), b"one", 100)
    books = post_value(books, 1, 90, now_s=0, pause_s=0)
    books, _ = lend(books, b"two", 90)
    assert books.pool.lenders == {b"one": 100, b"two": 100}
    books = post_value(books, 2, 135, now_s=0, pause_s=0)
    books, paid = withdraw(books, b"one", 100)
    assert paid == (Payment(b"one", 67),)
    assert (books.pool.value, books.pool.shares) == (68, 100)


def test_a_value_moves_a_quarter_at_a_time_and_leaves_time_to_leave():
    books, _ = lend(Books(), b"one", 100)
    for epoch, value, now_s in ((1, 126, 9), (1, 74, 9), (2, 100, 9), (0, 100, 9), (1, 101, 9)):
        with pytest.raises(Rejected, match="posted"):
            post_value(books, epoch, value, now_s, pause_s=5)
    books = post_value(books, 1, 75, now_s=9, pause_s=5)
    with pytest.raises(Rejected, match="posted"):
        post_value(books, 2, 75, now_s=13, pause_s=5)
    assert post_value(books, 2, 93, now_s=14, pause_s=5).pool.value == 93


def test_a_lender_who_leaves_waits_behind_gains_and_never_takes_the_bond(example: Books):
    books, _ = post_bond(lend(example, b"lender", 3)[0], 4)
    books, paid = closed(books, CARL, 105)
    assert paid == (Payment(b"carl", 105),)
    books, paid = withdraw(books, b"lender", 3)
    assert (paid, books.free, books.pool.exits) == ((), 2, (Claim(b"lender", 3),))
    with pytest.raises(Rejected, match="not_free"):
        repay(books, b"operator", 1)
    books, paid = closed(books, ALICE, 5)
    assert paid == (Payment(b"alice", 5), Payment(b"lender", 3))


def test_the_operator_takes_nothing_of_what_shares_are_worth():
    books, _ = lend(Books(), b"lender", 10)
    with pytest.raises(Rejected, match="not_free"):
        repay(books, b"operator", 1)
    books = post_value(books, 1, 8, now_s=0, pause_s=0)
    assert repay(books, b"operator", 2)[1] == (Payment(b"operator", 2),)


def test_the_operator_is_repaid_behind_every_claim_and_never_from_the_bond(example: Books):
    books, _ = post_bond(example, 5)
    with pytest.raises(Rejected, match="not_free"):
        repay(books, b"operator", 1)
    books, _ = closed(books, ALICE, 7)
    books, paid = repay(books, b"operator", 3)
    assert paid == (Payment(b"operator", 3),)
    assert books.supply == UNITS * books.tvl + books.missing


def test_the_bond_leaves_last(example: Books):
    books, _ = post_bond(example, 5)
    with pytest.raises(Rejected, match="bond_bound"):
        return_bond(books, b"operator", 5)
    for channel_id in (ALICE, BOB, CARL):
        books, _ = closed(books, channel_id, example.accounts[channel_id].deposit)
    assert return_bond(books, b"operator", 5)[1] == (Payment(b"operator", 5),)


def test_a_channel_cannot_return_what_it_does_not_hold(example: Books):
    with pytest.raises(IllegalTransition):
        come_home(example, ALICE, 111, to_sink=False, ended=True)
