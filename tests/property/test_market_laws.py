"""The laws of the book against a naive model, each with planted bugs that it must catch."""

from bisect import bisect_left
from collections import Counter
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairway.errors import IllegalTransition
from fairway.market import book as book_module
from fairway.market import match as match_module
from fairway.market.book import Book
from fairway.market.match import commit, plan
from fairway.market.order import Fill, Force, Order, Prevention
from fairway.market.trigger import Triggers

QUICK = settings(max_examples=150, deadline=None, derandomize=True, database=None, report_multiple_bugs=False)

SEEDS = range(300)


def moves_of(seed):
    """Forty moves in a narrow market, so that orders meet, queue up and belong to one owner often."""
    random = Random(seed)
    for number in range(1, 41):
        if random.random() < 0.25:
            yield random.choice(["cancel", "shrink"]), random.randrange(40)
        else:
            force = random.choice([*Force, Force.GOOD_TILL_CANCELED, Force.GOOD_TILL_CANCELED])
            buy = random.random() < 0.5
            limit = random.randint(97, 101) if buy else random.randint(99, 103)
            prevention = random.choice(list(Prevention))
            yield Order(number, random.randint(1, 4), buy, random.randint(1, 6), limit, force, prevention)


class Naive:
    """A book as a plain list, sorted anew at each step: slow and evident."""

    def __init__(self):
        self.rows = []  # [order_id, owner, buy, lots, price], in order of arrival

    def match(self, order):
        """(fills, lots left to rest or None if rejected), by the letter of the spec."""
        before = [list(row) for row in self.rows]
        meets = [row for row in self.rows if row[2] != order.buy and not _misses(order, row[4])]
        meets.sort(key=lambda row: row[4] if order.buy else -row[4])
        if meets and order.force is Force.POST_ONLY:
            return [], None
        fills, left, lost = [], order.lots, 0
        for row in meets:
            if not left:
                break
            step = min(left, row[3])
            if row[1] != order.owner:
                row[3] -= step
                left -= step
                fills.append((row[0], row[4], step, row[3]))
                continue
            if order.prevention in {Prevention.EXPIRE_TAKER, Prevention.EXPIRE_BOTH}:
                lost, left = lost + left, 0
            if order.prevention in {Prevention.EXPIRE_MAKER, Prevention.EXPIRE_BOTH}:
                row[3] = 0
            if order.prevention is Prevention.DECREMENT:
                row[3], left, lost = row[3] - step, left - step, lost + step
        if order.force is Force.FILL_OR_KILL and left + lost:
            self.rows = before
            return [], None
        self.rows = [row for row in self.rows if row[3]]
        if left and order.force in {Force.GOOD_TILL_CANCELED, Force.POST_ONLY}:
            self.rows.append([order.order_id, order.owner, order.buy, left, order.limit])
            return fills, left
        return fills, 0

    def canonical(self):
        bids = sorted((row for row in self.rows if row[2]), key=lambda row: -row[4])
        asks = sorted((row for row in self.rows if not row[2]), key=lambda row: row[4])
        return [tuple(row) for row in bids + asks]


def _misses(order, price):
    return price > order.limit if order.buy else price < order.limit


def shown(book):
    return [(row.order_id, row.owner, row.buy, row.lots, row.price) for row in book]


def rebuilt(book):
    again = Book()
    for row in book:
        again.rest(row.order_id, row.owner, buy=row.buy, lots=row.lots, price=row.price)
    return again


def play(moves):
    """Run the moves on the book, and after each check every law against the naive model. Returns what happened."""
    book, naive, seen = Book(), Naive(), Counter()
    for move in moves:
        if isinstance(move, Order):
            seen.update(play_order(book, naive, move))
        else:
            seen[move[0]] += play_change(book, naive, *move)
        bid, ask = book.best_bid(), book.best_ask()
        assert bid is None or ask is None or bid < ask, "crossed"
        assert shown(book) == naive.canonical()
        assert rebuilt(book).digest() == book.digest()
        assert len(book) == len(naive.rows)
    return seen


def play_order(book, naive, order):
    before = book.digest()
    planned = plan(book, order)
    assert book.digest() == before, "a plan changed the book"
    fills, rest = naive.match(order)
    assert (planned.reject is not None) == (rest is None)
    assert [(fill.maker_id, fill.price, fill.lots, fill.maker_left) for fill in planned.fills] == fills
    if rest is None:
        return ["rejected"]
    lots_before = sum(row.lots for row in book)
    commit(book, order, planned)
    filled, removed = sum(fill.lots for fill in planned.fills), sum(lots for _, lots in planned.removed)
    assert filled + planned.rest_lots + planned.expired_lots == order.lots, "lots are lost"
    assert planned.rest_lots == rest
    assert sum(row.lots for row in book) == lots_before - filled - removed + rest
    return ["filled"] * len(fills) + ["prevented"] * planned.self_trade + ["rested"] * bool(rest)


def play_change(book, naive, kind, choice):
    row = naive.rows[choice % len(naive.rows)] if naive.rows else None
    if row is None or (kind == "shrink" and row[3] == 1):
        return 0
    if kind == "cancel":
        naive.rows.remove(row)
        book.cancel(row[0])
    else:
        row[3] -= 1
        book.amend(row[0], row[3])
    return 1


def test_the_book_is_never_crossed_conserves_lots_and_agrees_with_the_naive_model():
    for seed in SEEDS:
        play(moves_of(seed))


def test_the_moves_reach_every_kind_of_event():
    seen = Counter()
    for seed in SEEDS:
        seen.update(play(moves_of(seed)))
    for kind in ("filled", "rested", "rejected", "prevented", "cancel", "shrink"):
        assert seen[kind] > 200, (kind, seen)


@QUICK
@given(st.permutations(range(6)), st.lists(st.integers(0, 5), max_size=4))
def test_the_digest_depends_on_what_rests_and_not_on_how_it_came(order, detours):
    straight, wandering = Book(), Book()
    for number in range(6):
        straight.rest(number, 1, buy=number < 3, lots=2, price=90 + number)
    for number in order:
        wandering.rest(number, 1, buy=number < 3, lots=5, price=90 + number)
        for detour in detours:
            wandering.rest(100 + detour, 1, buy=False, lots=1, price=200)
            wandering.cancel(100 + detour)
        wandering.take(number, 2)
        wandering.amend(number, 2)
    assert straight.digest() == wandering.digest()


@QUICK
@given(
    st.lists(st.tuples(st.integers(90, 110), st.booleans()), max_size=20), st.lists(st.integers(88, 112), max_size=8)
)
def test_a_sleeping_order_wakes_once_at_the_first_price_beyond_its_threshold(thresholds, prices):
    triggers = Triggers()
    asleep = {}
    for number, (threshold, above) in enumerate(thresholds):
        triggers.add(number, threshold, above=above)
        asleep[number] = threshold, above
    for price in prices:
        due = {number for number, (at, above) in asleep.items() if (price >= at if above else price <= at)}
        woken = triggers.fired(price)
        assert sorted(woken) == sorted(due)
        keys = [(not asleep[number][1], abs(asleep[number][0] - price) * -1, number) for number in woken]
        assert all(one < two for one, two in pairwise(keys))
        for number in woken:
            del asleep[number]


class ForgetfulBook(Book):
    """Planted: a level that empties is kept."""

    def _remove(self, resting):
        key = resting.price if resting.buy else -resting.price
        del self._levels[key][resting.order_id], self._orders[resting.order_id]


class ImpatientBook(Book):
    """Planted: an amended order goes to the back."""

    def amend(self, order_id, lots):
        row = self.cancel(order_id)
        self.rest(order_id, row.owner, buy=row.buy, lots=lots, price=row.price)


class WrongLevelBook(Book):
    """Planted: the sorted prices lose the wrong one."""

    def _remove(self, resting):
        keys = self._bids if resting.buy else self._asks
        key = resting.price if resting.buy else -resting.price
        level = self._levels[key]
        del level[resting.order_id], self._orders[resting.order_id]
        if not level:
            del self._levels[key]
            del keys[max(0, bisect_left(keys, key) - 1)]


def unsorted_insort(keys, key):
    keys.append(key)


def generous_fill(maker_id, taker_id, price, lots, maker_left):
    return Fill(maker_id, taker_id, price, max(1, lots - 1), maker_left)


PLANTED = [
    (match_module, "prevented", lambda prevention, taker_lots, maker: (0, 0)),
    (match_module, "_ALL_OR_NOTHING", None),
    (match_module, "_NEVER_RESTS", None),
    (match_module, "_POST_ONLY", None),
    (match_module, "Fill", generous_fill),
    (book_module, "insort", unsorted_insort),
]


@pytest.mark.parametrize(("module", "name", "bug"), PLANTED, ids=lambda value: getattr(value, "__name__", str(value)))
def test_a_bug_planted_in_the_matching_is_caught(monkeypatch, module, name, bug):
    monkeypatch.setattr(module, name, bug)
    with pytest.raises((AssertionError, IllegalTransition)):
        test_the_book_is_never_crossed_conserves_lots_and_agrees_with_the_naive_model()


@pytest.mark.parametrize("bug", [ForgetfulBook, ImpatientBook, WrongLevelBook])
def test_a_bug_planted_in_the_book_is_caught(monkeypatch, bug):
    monkeypatch.setitem(globals(), "Book", bug)
    with pytest.raises((AssertionError, IllegalTransition, KeyError, IndexError)):
        test_the_book_is_never_crossed_conserves_lots_and_agrees_with_the_naive_model()


def test_a_digest_that_follows_the_order_of_arrival_is_caught(monkeypatch):
    monkeypatch.setattr(Book, "__iter__", lambda self: iter(self._orders.values()))
    with pytest.raises(AssertionError):
        test_the_digest_depends_on_what_rests_and_not_on_how_it_came()


def test_a_trigger_that_wakes_late_is_caught(monkeypatch):
    wake = Triggers._wake
    monkeypatch.setattr(Triggers, "_wake", lambda self, sleeping, key: wake(self, sleeping, key - 1))
    with pytest.raises(AssertionError):
        test_a_sleeping_order_wakes_once_at_the_first_price_beyond_its_threshold()
