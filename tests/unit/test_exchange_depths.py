"""Caps that follow the depth of the book: what others rest for a while, and nothing that anybody rests for himself."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

sys.path.append(str(Path(__file__).parents[2]))

from examples import thin_book
from tests.simulation.world import World

from fairway.client.wish import Wish
from fairway.errors import IllegalTransition, Rejected
from fairway.exchange import depths as depths_module
from fairway.exchange.change import Dropped
from fairway.exchange.depths import EVERY_MS, Depths, Sample, caps_of
from fairway.exchange.event import Funded
from fairway.exchange.listing import Caps, DepthRule, default_listings, parse_listings
from fairway.exchange.terms import Kind
from fairway.exchange.venue import Venue, owner_of
from fairway.market.book import Book
from fairway.market.depth import NOTHING, Rested, rested
from fairway.units import TON

MARKET, MARK = 2, 50_000
WINDOW_MS = 600_000
RULE = DepthRule(25_000, WINDOW_MS, 500_000, 2_000_000, 50, 200)
(LISTING,) = (replace(each, caps=Caps(1_000, 5_000, RULE)) for each in default_listings() if each.market == MARKET)


def order(lots, price, **more):
    return Wish(MARKET, lots > 0, abs(lots), price, leverage=10, **more)


class Thin:
    """A market whose caps follow its depth, two makers, a whale and a friend of its."""

    def __init__(self, rule=RULE):
        listings = [replace(each, caps=Caps(1_000, 5_000, rule)) for each in default_listings()]
        self.world = World(listings=listings)
        names = ("maker", "other", "whale", "friend")
        self.maker, self.other, self.whale, self.friend = (self.world.join(name, 3_000 * TON) for name in names)
        self.world.price(MARKET, MARK)

    @property
    def venue(self):
        return self.world.engine.venue

    def wait(self, ms, step_ms=1_000):
        for _ in range(ms // step_ms):
            self.world.now_ms += step_ms - 100
            self.world.price(MARKET, MARK)

    def bounds(self, name=None):
        return self.venue.bounds(MARKET, name)

    def make(self):
        for name in (self.maker, self.other):
            self.world.propose(name, [order(50, MARK - 100), order(-50, MARK + 100)])


@pytest.fixture
def thin():
    return Thin()


ORDERS = st.lists(st.tuples(st.integers(1, 3), st.booleans(), st.integers(1, 9), st.integers(1, 20)), max_size=20)


@given(ORDERS, st.integers(1, 12), st.integers(9, 22))
@settings(max_examples=60)
def test_what_rests_near_a_price_is_counted_by_owner_and_side(orders, lowest, highest):
    book, naive = Book(), {}
    for number, (owner, buy, lots, away) in enumerate(orders):
        price = 11 - min(away, 10) if buy else 11 + away
        book.rest(number, owner, buy=buy, lots=lots, price=price)
        if (buy and price >= lowest) or (not buy and price <= highest):
            bids, asks = naive.get(owner, (0, 0))
            naive[owner] = (bids + lots * buy, asks + lots * (not buy))
    assert rested(book, lowest, highest) == naive


def test_a_new_market_begins_at_its_least_caps_and_the_fixed_ones_stay_the_most():
    assert caps_of(LISTING, NOTHING) == (50, 50, 200)
    assert caps_of(LISTING, Rested(1_000, 140)) == (500, 70, 280)
    assert caps_of(LISTING, Rested(10_000_000, 10_000_000)) == (1_000, 1_000, 5_000)
    assert caps_of(replace(LISTING, caps=Caps(7, 9)), Rested(10_000_000, 10_000_000)) == (7, 7, 9)
    assert caps_of(replace(LISTING, caps=Caps(depth=RULE)), Rested(1_000, 140)) == (500, 70, 280)


def test_a_cap_grows_with_what_others_have_rested_for_long(thin):
    rule = replace(RULE, position=1_000_000)
    thin = Thin(rule)
    thin.make()
    assert thin.bounds(thin.whale) == (50, 50, 200)
    thin.wait(3 * WINDOW_MS, 20_000)
    long, short, interest = thin.bounds(thin.whale)
    assert 90 <= long <= 100
    assert 90 <= short <= 100
    assert interest == 200
    assert thin.world.try_propose(thin.whale, [order(long + 1, MARK - 200)]) == "order.position_cap"
    assert thin.world.try_propose(thin.whale, [order(long, MARK - 200)]) == ""
    assert thin.world.replayed().digest() == thin.world.engine.digest()


def test_nobody_widens_his_own_cap_by_what_he_rests(thin):
    thin.world.propose(thin.whale, [order(50, MARK - 100), order(-50, MARK + 100)])
    thin.wait(3 * WINDOW_MS, 20_000)
    depths = thin.venue.depths
    assert depths.of_others(MARKET, owner_of(thin.whale)) == NOTHING
    assert depths.of_others(MARKET).bids >= 45
    assert thin.bounds(thin.whale) == (50, 50, 200)


def test_planted_own_orders_that_count_are_caught(monkeypatch):
    real = Depths.of_others
    monkeypatch.setattr(Depths, "of_others", lambda self, market, owner=None: real(self, market))
    thin = Thin(replace(RULE, least_position=1_000, position=30_000_000))
    thin.world.propose(thin.whale, [order(50, MARK - 100)])
    thin.wait(WINDOW_MS, 20_000)
    assert thin.venue.depths.of_others(MARKET, owner_of(thin.whale)) != NOTHING


def known(thin):
    """Whoever has an average, however small, in the market."""
    (averages,) = (owners for market, owners in thin.venue.depths.facts()[2] if market == MARKET)
    return averages


def flash(thin):
    """Somebody shows fifty lots now and then: placed, and taken back in the same moment."""
    for _ in range(120):
        thin.wait(2_000)
        thin.world.now_ms += 50
        (key,) = place(thin, thin.friend, order(50, MARK - 100))
        thin.world.propose(thin.friend, drops=[key])


def place(thin, name, *wishes):
    thin.world.propose(name, list(wishes))
    return list(thin.world.engine.accounts[name].orders)[-len(wishes) :]


def test_what_rests_for_a_moment_counts_for_nothing(thin):
    flash(thin)
    assert known(thin) == []


def test_planted_a_book_looked_at_after_the_event_counts_what_was_only_shown(thin, monkeypatch):
    real = Depths.take

    def after(self, sample):
        real(self, Sample(sample.at_ms, self._count(thin.venue.books, thin.venue.rounds)))

    monkeypatch.setattr(Depths, "take", after)
    # Whoever knows the moment shows his lots just then.
    monkeypatch.setattr(depths_module, "EVERY_MS", 1)
    flash(thin)
    assert known(thin) != []


def test_the_moments_are_not_known_to_whoever_knows_the_rules():
    listings = {MARKET: LISTING}
    gaps = set()
    for secret in (bytes(32), bytes(range(32))):
        depths, at_ms = Depths(listings, secret, 0), 0
        for _ in range(50):
            assert at_ms < depths.due_ms <= at_ms + 2 * EVERY_MS
            gaps.add(depths.due_ms - at_ms)
            at_ms = depths.due_ms
            depths.take(Sample(at_ms, {MARKET: {}}))
    assert len(gaps) > 90


def test_an_average_moves_by_the_time_that_passed_and_forgets_who_is_gone():
    depths = Depths({MARKET: LISTING}, bytes(32), 0)
    depths.take(Sample(WINDOW_MS // 4, {MARKET: {7: Rested(100, 40)}}))
    assert depths.of_others(MARKET) == (25, 10)
    depths.take(Sample(WINDOW_MS // 2, {MARKET: {7: Rested(100, 40), 8: Rested(8, 0)}}))
    assert depths.of_others(MARKET, 7) == (2, 0)
    assert depths.of_others(MARKET, 8) == (43, 17)
    depths.take(Sample(2 * WINDOW_MS, {MARKET: {8: Rested(8, 0)}}))
    assert depths.of_others(MARKET) == (8, 0)
    assert len(depths.facts()[2][0][1]) == 1
    at_ms = 2 * WINDOW_MS
    while depths.of_others(MARKET) != NOTHING or depths.facts()[2][0][1]:
        at_ms += WINDOW_MS // 8
        depths.take(Sample(at_ms, {MARKET: {}}))
    assert at_ms < 40 * WINDOW_MS
    assert depths.check()


@given(
    st.lists(st.tuples(st.integers(1, 2 * WINDOW_MS), st.integers(0, 1 << 40), st.integers(0, 1 << 40)), max_size=30)
)
def test_an_average_never_leaves_what_was_seen(samples):
    depths, at_ms = Depths({MARKET: LISTING}, bytes(32), 0), 0
    for elapsed_ms, bids, asks in samples:
        at_ms += elapsed_ms
        depths.take(Sample(at_ms, {MARKET: {1: Rested(bids, asks), 2: Rested(asks, bids)}}))
        assert depths.check()
        seen = max(max(bids, asks) for _, bids, asks in samples)
        assert all(0 <= side <= seen for side in depths.of_others(MARKET, 1))


def test_a_cap_that_shrinks_closes_nothing_and_lets_everybody_reduce_but_not_turn():
    thin = Thin(replace(RULE, position=1_000_000))
    thin.make()
    thin.wait(3 * WINDOW_MS, 20_000)
    thin.world.propose(thin.friend, [order(-50, MARK)])
    thin.world.propose(thin.whale, [order(80, MARK + 100, kind=Kind.IOC)])
    for name in (thin.maker, thin.other):
        thin.world.propose(name, drops=list(thin.world.engine.accounts[name].orders))
    thin.wait(3 * WINDOW_MS, 20_000)
    assert thin.bounds(thin.whale).long == 50
    whale = thin.world.engine.accounts[thin.whale]
    assert whale.signed_lots(MARKET) == 80
    assert thin.world.try_propose(thin.whale, [order(1, MARK - 50)]) == "order.position_cap"
    assert thin.world.try_propose(thin.whale, [order(-131, MARK + 50)]) == "order.position_cap"
    assert thin.world.try_propose(thin.whale, [order(-130, MARK + 50)]) == ""
    thin.world.propose(thin.whale, drops=list(whale.orders))
    thin.world.propose(thin.maker, [order(40, MARK)])
    thin.world.propose(thin.whale, [order(-40, MARK, kind=Kind.IOC)])
    assert whale.signed_lots(MARKET) == 40


def test_an_order_that_wakes_in_a_thin_market_opens_no_more_than_it_may():
    thin = Thin(replace(RULE, position=1_000_000))
    thin.make()
    thin.wait(3 * WINDOW_MS, 20_000)
    stop = order(90, MARK + 1_000, kind=Kind.MARKET, trigger_tick=MARK + 500, trigger_above=True)
    thin.world.propose(thin.whale, [stop])
    for name in (thin.maker, thin.other):
        thin.world.propose(name, drops=list(thin.world.engine.accounts[name].orders))
    thin.wait(3 * WINDOW_MS, 20_000)
    pushed = len(thin.world.effects)
    thin.world.price(MARKET, MARK + 600)
    changes = [change for each in thin.world.effects[pushed:] for change in getattr(each, "changes", ())]
    assert [change.reason for change in changes if isinstance(change, Dropped)] == ["position_cap"]


def test_open_interest_follows_the_thinner_side():
    thin = Thin(replace(RULE, interest=1_000_000, least_interest=60))
    thin.world.propose(thin.maker, [order(50, MARK - 100), order(-30, MARK + 100)])
    thin.world.propose(thin.other, [order(50, MARK - 100), order(-30, MARK + 100)])
    thin.wait(6 * WINDOW_MS, 20_000)
    assert thin.bounds().interest == 60
    thin.world.propose(thin.friend, [order(-40, MARK)])
    thin.world.propose(thin.whale, [order(40, MARK, kind=Kind.IOC)])
    thin.world.propose(thin.friend, [order(-10, MARK)])
    thin.world.propose(thin.other, [order(21, MARK, kind=Kind.IOC)])
    assert thin.venue.open_lots[MARKET] == 40


def test_a_refused_event_leaves_the_averages_as_they_were(thin, monkeypatch):
    thin.make()
    thin.world.now_ms += 2 * EVERY_MS + 1
    before = thin.world.engine.digest()
    counted = []
    real = depths_module.rested
    monkeypatch.setattr(depths_module, "rested", lambda *asked: counted.append(asked) or real(*asked))
    for _ in range(5):
        with pytest.raises(Rejected):
            refused(thin)
    assert thin.world.engine.digest() == before
    assert len(counted) == 1, "the books are counted once, however many events are refused"
    thin.world.price(MARKET, MARK)
    assert thin.venue.depths.of_others(MARKET).bids > 0


def refused(thin):
    unknown = Funded(at_ms=thin.world.now_ms, channel_id=bytes(16), deposit_a=1, deposit_b=10, transaction=bytes(32))
    thin.world.engine.apply(unknown)


def test_planted_sums_that_forget_an_owner_are_found_by_the_recount(thin, monkeypatch):
    monkeypatch.setattr(depths_module, "_sum", lambda averages: NOTHING)
    thin.make()
    thin.wait(2 * EVERY_MS, 20_000)
    monkeypatch.undo()
    with pytest.raises(IllegalTransition, match=r"venue\.depths"):
        thin.venue.check()


def test_a_rule_out_of_its_bounds_is_refused_and_the_standard_markets_have_one():
    text = (Path(depths_module.__file__).parent / "markets.toml").read_text()
    for wrong in ("band = 0", "band = 1_000_000", "window_s = 0", "position = 0", "least_position = 0"):
        name = wrong.split(" = ", maxsplit=1)[0]
        lines = [line if "depth = {" not in line else _with(line, name, wrong) for line in text.splitlines()]
        with pytest.raises(Rejected, match=r"market\.caps"):
            parse_listings("\n".join(lines))
    assert all(listing.caps.depth is not None for listing in default_listings())


def _with(line, name, wrong):
    head, _, rest = line.partition(f" {name} = ")
    return f"{head} {wrong}{rest[rest.index(',') if ',' in rest else rest.index(' }') :]}"


def test_a_whale_cannot_hold_more_than_a_thinning_book_takes_back():
    stage = thin_book.play()
    stage.check()
    assert stage.lots("whale") == 110
    assert "a bid for one more is order.position_cap" in stage.lines[3]


def test_planted_a_venue_that_does_not_ask_the_book_lets_the_whale_in(monkeypatch):
    boundless = caps_of(replace(LISTING, caps=Caps()), NOTHING)
    monkeypatch.setattr(Venue, "bounds", lambda self, market, channel_id=None: boundless)
    stage = thin_book.play()
    assert "is taken" in stage.lines[0]
