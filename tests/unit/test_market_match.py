import pytest

from fairway.errors import IllegalTransition
from fairway.market.book import Book
from fairway.market.match import UNFILLED, WOULD_TAKE, Plan, commit, plan
from fairway.market.order import Fill, Force, Order, Prevention

ME, OTHER = 1, 2


def book_of(*asks: tuple[int, int, int, int]) -> Book:
    """A book of (order_id, owner, lots, price) to sell."""
    book = Book()
    for order_id, owner, lots, price in asks:
        book.rest(order_id, owner, buy=False, lots=lots, price=price)
    return book


def buy(lots: int, limit: int, force: Force = Force.GOOD_TILL_CANCELED, **terms) -> Order:
    return Order(100, ME, True, lots, limit, force, **terms)


def test_an_order_fills_at_the_makers_prices_and_rests_with_what_is_left():
    book = book_of((1, OTHER, 2, 101), (2, OTHER, 3, 100), (3, OTHER, 9, 103))
    planned = plan(book, buy(6, 102))
    assert planned == Plan((Fill(2, 100, 100, 3, 0), Fill(1, 100, 101, 2, 0)), (), 1)
    commit(book, buy(6, 102), planned)
    assert (book.best_bid(), book.best_ask(), len(book)) == (102, 103, 2)


def test_a_plan_changes_nothing():
    book = book_of((1, OTHER, 2, 101))
    before = book.digest()
    plan(book, buy(6, 102))
    assert book.digest() == before


@pytest.mark.parametrize(
    ("force", "limit", "planned"),
    [
        (Force.GOOD_TILL_CANCELED, 99, Plan(rest_lots=5)),
        (Force.POST_ONLY, 99, Plan(rest_lots=5)),
        (Force.IMMEDIATE_OR_CANCEL, 99, Plan(expired_lots=5)),
        (Force.FILL_OR_KILL, 99, Plan(reject=UNFILLED)),
        (Force.GOOD_TILL_CANCELED, 100, Plan((Fill(1, 100, 100, 2, 0),), (), 3)),
        (Force.POST_ONLY, 100, Plan(reject=WOULD_TAKE)),
        (Force.IMMEDIATE_OR_CANCEL, 100, Plan((Fill(1, 100, 100, 2, 0),), (), 0, 3)),
        (Force.FILL_OR_KILL, 100, Plan(reject=UNFILLED)),
        (Force.FILL_OR_KILL, 101, Plan((Fill(1, 100, 100, 2, 0), Fill(2, 100, 101, 3, 1)))),
    ],
)
def test_each_force_does_what_its_name_says(force, limit, planned):
    assert plan(book_of((1, OTHER, 2, 100), (2, OTHER, 4, 101)), buy(5, limit, force)) == planned


@pytest.mark.parametrize(
    ("prevention", "planned"),
    [
        (Prevention.EXPIRE_TAKER, Plan((Fill(1, 100, 100, 1, 0),), (), 0, 9, self_trade=True)),
        (
            Prevention.EXPIRE_MAKER,
            Plan((Fill(1, 100, 100, 1, 0), Fill(3, 100, 100, 4, 0)), ((2, 3),), 5, 0, self_trade=True),
        ),
        (Prevention.EXPIRE_BOTH, Plan((Fill(1, 100, 100, 1, 0),), ((2, 3),), 0, 9, self_trade=True)),
        (
            Prevention.DECREMENT,
            Plan((Fill(1, 100, 100, 1, 0), Fill(3, 100, 100, 4, 0)), ((2, 3),), 2, 3, self_trade=True),
        ),
    ],
)
def test_nobody_trades_with_himself(prevention, planned):
    book = book_of((1, OTHER, 1, 100), (2, ME, 3, 100), (3, OTHER, 4, 100))
    order = buy(10, 100, prevention=prevention)
    assert plan(book, order) == planned
    commit(book, order, planned)
    assert (2 in book) == (prevention is Prevention.EXPIRE_TAKER)


def test_a_larger_maker_is_decremented_and_stays():
    book = book_of((2, ME, 3, 100))
    order = buy(2, 100, prevention=Prevention.DECREMENT)
    planned = plan(book, order)
    assert planned == Plan((), ((2, 2),), 0, 2, self_trade=True)
    commit(book, order, planned)
    assert book.get(2).lots == 1


def test_fill_or_kill_counts_only_real_fills():
    book = book_of((1, ME, 5, 100), (2, OTHER, 4, 100))
    for prevention in Prevention:
        assert plan(book, buy(5, 100, Force.FILL_OR_KILL, prevention=prevention)).reject == UNFILLED
    enough = plan(book, buy(4, 100, Force.FILL_OR_KILL, prevention=Prevention.EXPIRE_MAKER))
    assert enough.fills == (Fill(2, 100, 100, 4, 0),)


def test_a_rejected_plan_is_never_committed():
    with pytest.raises(IllegalTransition):
        commit(Book(), buy(1, 1), Plan(reject=UNFILLED))
