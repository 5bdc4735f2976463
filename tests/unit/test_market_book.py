import pytest

from fairway.errors import IllegalTransition, Rejected
from fairway.market.book import Book


def filled_book() -> Book:
    book = Book()
    for order_id, buy, lots, price in [
        (1, True, 5, 99),
        (2, True, 7, 100),
        (3, True, 1, 100),
        (4, False, 2, 102),
        (5, False, 3, 101),
        (6, False, 4, 101),
    ]:
        book.rest(order_id, 10 + order_id, buy=buy, lots=lots, price=price)
    return book


def test_an_empty_book_has_no_best_prices_and_meets_nobody():
    book = Book()
    assert (book.best_bid(), book.best_ask(), len(book), book.depth(5)) == (None, None, 0, ([], []))
    assert not book.crosses(buy=True, limit=10**6)
    assert list(book.walk(buy=False, limit=1)) == []


def test_price_comes_before_time_and_time_within_a_price():
    book = filled_book()
    assert [resting.order_id for resting in book.walk(buy=False, limit=1)] == [2, 3, 1]
    assert [resting.order_id for resting in book.walk(buy=True, limit=1000)] == [5, 6, 4]


def test_a_walk_ends_at_the_limit():
    book = filled_book()
    assert [resting.order_id for resting in book.walk(buy=False, limit=100)] == [2, 3]
    assert [resting.order_id for resting in book.walk(buy=True, limit=101)] == [5, 6]
    assert list(book.walk(buy=True, limit=100)) == []


def test_depth_sums_the_lots_of_each_price_best_first():
    book = filled_book()
    assert book.depth(2) == ([(100, 8), (99, 5)], [(101, 7), (102, 2)])
    assert book.depth(1) == ([(100, 8)], [(101, 7)])
    assert book.level_lots(100, buy=True) == 8
    assert book.level_lots(100, buy=False) == 0


def test_a_part_taken_leaves_the_order_in_its_place():
    book = filled_book()
    assert book.take(2, 6) == 1
    assert [(resting.order_id, resting.lots) for resting in book.walk(buy=False, limit=100)] == [(2, 1), (3, 1)]
    assert book.take(2, 1) == 0
    assert 2 not in book
    assert book.get(2) is None


def test_a_level_that_empties_is_forgotten():
    book = filled_book()
    book.cancel(2)
    assert book.cancel(3).price == 100
    assert (book.best_bid(), len(book)) == (99, 4)
    book.rest(7, 0, buy=False, lots=1, price=100)
    assert book.best_ask() == 100


def test_amending_down_keeps_the_place_and_nothing_else_is_an_amendment():
    book = filled_book()
    book.amend(2, 3)
    assert next(book.walk(buy=False, limit=1)).lots == 3
    for lots in (0, 3, 4):
        with pytest.raises(Rejected, match=r"market\.amend"):
            book.amend(2, lots)


def test_an_unknown_order_is_neither_cancelled_nor_amended():
    for act in (lambda book: book.cancel(9), lambda book: book.amend(9, 1)):
        with pytest.raises(Rejected, match=r"market\.unknown_order"):
            act(filled_book())


@pytest.mark.parametrize(
    "act",
    [
        lambda book: book.rest(7, 0, buy=True, lots=1, price=101),
        lambda book: book.rest(7, 0, buy=False, lots=1, price=100),
        lambda book: book.rest(1, 0, buy=True, lots=1, price=99),
        lambda book: book.rest(7, 0, buy=True, lots=0, price=99),
        lambda book: book.take(1, 6),
        lambda book: book.take(1, 0),
        lambda book: book.take(9, 1),
    ],
    ids=["crossing bid", "crossing ask", "known order", "no lots", "too many", "none", "unknown"],
)
def test_the_book_stops_at_what_the_engine_must_not_do_and_stays_as_it_is(act):
    book = filled_book()
    before = book.digest()
    with pytest.raises(IllegalTransition):
        act(book)
    assert book.digest() == before


def test_the_digest_tells_every_field_and_the_order_of_arrival_apart():
    def digest(*orders):
        book = Book()
        for order_id, owner, buy, lots, price in orders:
            book.rest(order_id, owner, buy=buy, lots=lots, price=price)
        return book.digest()

    first, second = (1, 7, True, 5, 99), (2, 7, True, 5, 99)
    variants = [
        (3, 7, True, 5, 99),
        (1, 8, True, 5, 99),
        (1, 7, False, 5, 99),
        (1, 7, True, 6, 99),
        (1, 7, True, 5, 98),
    ]
    digests = [digest(), digest(first), *(digest(variant) for variant in variants)]
    digests += [digest(first, second), digest(second, first)]
    assert len(set(digests)) == len(digests)


def test_the_digest_of_the_spec_example_is_as_printed():
    book = Book()
    book.rest(2, 12, buy=False, lots=3, price=101)
    book.rest(1, 11, buy=True, lots=5, price=99)
    assert Book().digest().hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert book.digest().hex() == "e6cf856a1480331471a3c71a7e35bbc4d1ac1fea8ba169375bba3e8dd1107629"
