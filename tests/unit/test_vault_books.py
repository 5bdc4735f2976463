"""The vault's arithmetic, on the worked example of docs/spec/contracts.md and on its edges."""

from __future__ import annotations

import pytest

from fairway.errors import IllegalTransition, Rejected
from fairway.vault.books import (
    UNITS,
    Books,
    Lien,
    Payment,
    Reopening,
    absolve,
    come_home,
    lend,
    open_account,
    post_bond,
    pre_register,
    punish,
    rate,
    repay,
    return_bond,
    void,
    wrap,
)

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
    books, _ = lend(example, 4)
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


def test_a_voided_lien_costs_the_operator_his_bond(example: Books):
    books, _ = post_bond(example, 5)
    books, paid = void(punish(books, ALICE, 7, Lien(4, 2)), ALICE, 7)
    assert paid == (Payment(b"alice", 4),)
    assert (books.bond, books.tvl, books.accounts[ALICE].owed) == (1, 125, 0)


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
