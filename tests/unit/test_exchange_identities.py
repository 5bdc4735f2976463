"""What must be true after every event, each with a planted bug that the check of that very event catches."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.simulation.test_exchange_flow import wander
from tests.simulation.world import World

from fairway.client.wish import Wish
from fairway.errors import IllegalTransition
from fairway.exchange import engine, trading
from fairway.exchange.account import Account
from fairway.exchange.ledger import FEES, INSURANCE, POOL, WORLD, Ledger, user
from fairway.exchange.live_order import LiveOrder
from fairway.exchange.rules import Requirement
from fairway.exchange.settling import Settling
from fairway.exchange.tally import Tally
from fairway.exchange.terms import Kind
from fairway.exchange.venue import Venue
from fairway.market.book import Book
from fairway.units import TON

MARKET, MARK = 2, 50_000


@pytest.fixture
def world():
    world = World()
    for name in ("ada", "bob"):
        world.join(name, 300 * TON)
    world.price(MARKET, MARK)
    return world


@pytest.fixture
def planted(monkeypatch):
    """Plants bugs, and leaves every check to the event itself: nothing is counted anew."""
    monkeypatch.setattr(Venue, "check", lambda _venue: None)
    return monkeypatch


def trade(world):
    ada, bob = world.users
    world.propose(bob, [Wish(MARKET, False, 10, MARK, leverage=5)])
    world.propose(ada, [Wish(MARKET, True, 10, MARK, leverage=5)])
    world.propose(bob, [Wish(MARKET, True, 10, MARK + 40, leverage=5)])
    world.propose(ada, [Wish(MARKET, False, 10, MARK + 40, Kind.IOC, leverage=5)])


def test_without_a_bug_nothing_breaks(world):
    trade(world)
    world.engine.venue.check()
    assert world.engine.venue.counts.settlements == 2


def moved_wrongly(monkeypatch, reason, credit):
    """`Ledger.move` puts transfers for `reason` into the hands of `credit`, or of nobody."""
    move = Ledger.move

    def wrong(ledger, debit, to, nano, why, *market):
        move(ledger, debit, credit if why == reason and credit else to, nano, why, *market)
        if why == reason and not credit:
            ledger.balances[to] -= nano

    monkeypatch.setattr(Ledger, "move", wrong)


@pytest.mark.parametrize(
    ("reason", "credit", "code"),
    [
        ("fee", "", "ledger.conservation"),
        ("profit", "", "venue.account"),
        ("loss", "", "ledger.conservation"),
        ("loss", FEES, "venue.lend_state"),
        ("profit", INSURANCE, "venue.account"),
        ("fee", WORLD, "venue.lend_state"),
        ("fee", POOL, "venue.lend_state"),
    ],
)
def test_money_that_vanishes_or_goes_astray_is_found_by_its_own_event(world, planted, reason, credit, code):
    moved_wrongly(planted, reason, credit)
    with pytest.raises(IllegalTransition) as caught:
        trade(world)
    assert caught.value.code == code


def test_a_fill_with_one_leg_is_found(world, planted):
    def one_leg(venue, turn, channel_id, key, match_id, lots, *rest, taker):
        return fill(venue, turn, channel_id, key, match_id, lots if taker else lots - 1, *rest, taker=taker)

    fill = trading._fill
    planted.setattr(trading, "_fill", one_leg)
    with pytest.raises(IllegalTransition) as caught:
        trade(world)
    assert caught.value.code == "venue.positions"


def test_a_pool_that_is_not_the_proven_one_is_found(world, planted):
    close = Settling.close

    def forgets(settling, closing, closure, cover):
        before = settling.pool
        settled = close(settling, closing, closure, cover)
        if settling.count == 2:
            settling.pool = before
        return settled

    planted.setattr(Settling, "close", forgets)
    with pytest.raises(IllegalTransition) as caught:
        trade(world)
    assert caught.value.code == "venue.lend_state"


def test_a_channel_that_was_charged_another_fee_than_the_ledger_is_found(world, planted):
    charge = Account._charge
    planted.setattr(Account, "_charge", lambda account, nano: charge(account, nano + 1))
    with pytest.raises(IllegalTransition) as caught:
        trade(world)
    assert caught.value.code == "venue.account"


def test_an_account_below_zero_is_found(world):
    ledger = world.engine.venue.ledger
    ledger.move(FEES, INSURANCE, 1, "theft")
    with pytest.raises(IllegalTransition) as caught:
        world.price(MARKET, MARK)
    assert caught.value.code == "ledger.negative"


def test_a_count_of_everything_finds_what_was_changed_behind_its_back(world):
    trade(world)
    venue, ada = world.engine.venue, next(iter(world.users))
    venue.ledger.balances[user(ada)] += 1
    with pytest.raises(IllegalTransition) as caught:
        venue.check()
    assert caught.value.code == "ledger.conservation"
    venue.ledger.balances[user(ada)] -= 1
    venue.holders[MARKET][ada] = None
    with pytest.raises(IllegalTransition) as caught:
        venue.check()
    assert caught.value.code == "venue.holders"


def test_everything_is_counted_anew_now_and_then(world, monkeypatch):
    counted = []
    monkeypatch.setattr(engine, "RECOUNT_EVERY", 2)
    monkeypatch.setattr(Venue, "check", lambda _venue: counted.append(True))
    replayed = world.replayed()
    assert len(counted) == replayed.applied // 2


def test_a_replay_by_other_rules_arrives_at_another_digest(world, monkeypatch):
    trade(world)
    honest = world.replayed()
    assert honest.digest() == world.engine.digest()
    fee = LiveOrder.fee_for
    monkeypatch.setattr(LiveOrder, "fee_for", lambda order, lots, charged: fee(order, lots, charged) - 1)
    # What users signed no longer follows either: their halves are refused, and the state shows it.
    assert world.replayed().digest() != world.engine.digest()


def test_a_book_that_forgets_who_came_first_has_another_digest(world, monkeypatch):
    ada, bob = world.users
    for who in (ada, bob):
        world.propose(who, [Wish(MARKET, True, 5, MARK - 10)])
    rest = Book.rest

    def jumps_the_queue(book, order_id, owner, *, buy, lots, price):
        rest(book, order_id, owner, buy=buy, lots=lots, price=price)
        book._levels[price if buy else -price].move_to_end(book.get(order_id).slot, last=False)

    monkeypatch.setattr(Book, "rest", jumps_the_queue)
    assert world.replayed().book_digest() != world.engine.book_digest()


def test_the_parts_of_a_reserve_free_what_each_fill_posts_and_costs():
    world = World()
    ada = world.join("ada", 300 * TON)
    world.price(MARKET, MARK)
    world.propose(ada, [Wish(MARKET, True, 8, MARK)])
    (order,) = world.engine.accounts[ada].orders.values()
    for margin, fees in ((4, 1), (5, 1), (1, 0), (999, 7)):
        part = replace(order, requirement=Requirement(margin, fees))
        for filled in range(8):
            before, after = replace(part, lots=filled), replace(part, lots=filled + 1)
            most = before.fee_for(1, fees + 1)
            assert before.margin_for(1) >= 0 <= most == -before.fee_for(1, -fees - 1)
            assert before.reserved - after.reserved == before.margin_for(1) + most


def test_a_crowd_in_distress_leaves_every_identity_whole():
    world = World(5)
    for name in range(12):
        world.join(f"trader {name}", 60 * TON)
    wander(world, 700)
    counts = world.engine.venue.counts
    assert counts.liquidations > 5
    assert counts.deleverages > 5
    assert world.replayed().digest() == world.engine.digest()


def fill_in_part(world):
    ada, bob = world.users
    world.propose(bob, [Wish(MARKET, False, 10, MARK, leverage=5), Wish(MARKET, False, 10, MARK + 9, leverage=5)])
    world.propose(ada, [Wish(MARKET, True, 14, MARK + 9, leverage=5)])


def test_live_orders_are_tallied_as_they_are_filled_and_go(world):
    fill_in_part(world)
    world.engine.venue.check()


@pytest.mark.parametrize("forgotten", ["begin", "less", "end"])
def test_a_tally_that_forgets_is_caught(world, monkeypatch, forgotten):
    monkeypatch.setattr(Tally, forgotten, lambda *_: None)
    with pytest.raises(IllegalTransition) as caught:
        fill_in_part(world)
    assert caught.value.code == "venue.tally"
