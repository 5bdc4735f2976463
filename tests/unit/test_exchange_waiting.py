"""Orders that wait: for a price of their choice, for another order, for the best price to pass; their owner is away."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.simulation.world import World

from fairway.client.brackets import attached, one_cancels_other, one_triggers
from fairway.client.wish import Wish
from fairway.errors import IllegalTransition, InvalidMessage
from fairway.exchange import dropping, waking
from fairway.exchange.alarms import Alarms
from fairway.exchange.change import Dropped, Triggered
from fairway.exchange.effect import Push
from fairway.exchange.fills import find_fired
from fairway.exchange.past import Status
from fairway.exchange.terms import Kind, Receipt, Source
from fairway.service import papers
from fairway.units import TON

MARKET, MARK = 2, 50_000


@pytest.fixture
def world():
    world = World()
    for name in ("ada", "bob", "cy"):
        world.join(name, 300 * TON)
    world.price(MARKET, MARK)
    return world


@pytest.fixture
def held(world):
    """Ada is long 10, Bob short; Cy bids 10 a little below, and asks 10 a little above."""
    ada, bob, cy = world.users
    world.propose(bob, [sell(10)])
    world.propose(ada, [buy(10)])
    world.propose(cy, [buy(10, MARK - 2_000), sell(10, MARK + 2_000)])
    return world


def names(world):
    return list(world.users)


def buy(lots, price=MARK, kind=Kind.LIMIT, **more):
    return Wish(MARKET, True, lots, price, kind, 5, **more)


def sell(lots, price=MARK, kind=Kind.LIMIT, **more):
    return Wish(MARKET, False, lots, price, kind, 5, **more)


def stop(trigger=MARK - 500, lots=10, **more):
    return sell(lots, trigger * 94 // 100, Kind.MARKET, reduce_only=True, trigger_tick=trigger, **more)


def profit(trigger=MARK + 500, lots=10, **more):
    more = {"trigger_above": True, **more}
    return sell(lots, trigger * 94 // 100, Kind.MARKET, reduce_only=True, trigger_tick=trigger, **more)


def trail(callback=10_000, lots=10, **more):
    return sell(lots, MARK * 94 // 100, Kind.MARKET, reduce_only=True, callback_ppm=callback, **more)


def position(world, who):
    return world.engine.accounts[who].signed_lots(MARKET)


def live(world, who):
    return sorted(world.engine.accounts[who].orders)


def ended(world, who, key):
    return world.engine.accounts[who].past.ended(key)


# What wakes


def test_a_stop_by_the_index_does_not_hear_the_mark(held):
    ada, *_ = names(held)
    held.propose(ada, [stop(source=Source.INDEX)])
    held.price(MARKET, MARK - 600, index=MARK - 499)
    assert position(held, ada) == 10
    held.price(MARKET, MARK - 400, index=MARK - 500)
    assert position(held, ada) == 0


def test_a_stop_by_the_last_trade_fires_within_the_event_that_traded_there(held):
    ada, bob, cy = names(held)
    held.propose(ada, [stop(source=Source.LAST)])
    held.price(MARKET, MARK - 900)
    assert position(held, ada) == 10
    held.propose(cy, [buy(1, MARK - 500)])
    held.propose(bob, [sell(1, MARK - 500)])
    assert position(held, ada) == 0
    assert held.engine.venue.counts.stop_losses == 1


def test_a_trade_beyond_the_band_of_the_mark_wakes_nobody(held):
    ada, bob, cy = names(held)
    held.propose(cy, [buy(1, MARK - 500)])
    held.propose(bob, [sell(2, MARK - 500)])
    held.propose(ada, [stop(source=Source.LAST)])
    held.price(MARKET, MARK * 12 // 10)
    held.propose(cy, [buy(1, MARK - 500)])
    assert held.engine.venue.counts.fills == 3
    assert position(held, ada) == 10


def test_an_entry_may_wait_too_and_then_rest(held):
    ada, bob, _ = names(held)
    held.propose(ada, [buy(5, MARK + 400, trigger_tick=MARK + 300, trigger_above=True)])
    (key,) = live(held, ada)
    held.price(MARKET, MARK + 300)
    assert held.engine.accounts[ada].orders[key].triggered
    held.propose(bob, [sell(5, MARK + 400)])
    assert position(held, ada) == 15


def test_what_closes_takes_whatever_is_held_and_pays_its_fee_from_that(held):
    ada, bob, _ = names(held)
    held.propose(ada, [stop(lots=10_000_000, closes=True)])
    (key,) = live(held, ada)
    assert held.engine.accounts[ada].orders[key].reserved == 0
    held.propose(bob, [sell(7)])
    held.propose(ada, [buy(7)])
    held.propose(names(held)[2], [buy(20, MARK - 1_000)])
    fees = held.engine.venue.ledger.balances["fees"]
    held.price(MARKET, MARK - 600)
    assert position(held, ada) == 0
    assert held.engine.venue.ledger.balances["fees"] > fees
    assert ended(held, ada, key).status is Status.FILLED


def test_a_strict_order_leaves_where_another_is_clamped(held):
    ada, *_ = names(held)
    assert held.try_propose(ada, [sell(11, MARK + 900, reduce_only=True, strict=True)]) == "order.reduce_only"
    held.propose(ada, [sell(10, MARK + 900, reduce_only=True, strict=True), sell(10, MARK + 901, reduce_only=True)])
    strict, clamped = live(held, ada)
    held.propose(ada, [sell(3, MARK - 2_000, Kind.IOC)])
    assert live(held, ada) == [clamped]
    assert ended(held, ada, strict).status is Status.CANCELED
    assert held.engine.venue.books[MARKET].get(int.from_bytes(ada) << 32 | clamped).lots == 7


def test_a_clamped_order_grows_again_with_the_position_behind_the_others_of_its_price(held):
    ada, bob, cy = names(held)
    held.propose(ada, [sell(20, MARK + 900, reduce_only=True)])
    held.propose(cy, [sell(1, MARK + 900)])
    (key,) = live(held, ada)
    held.propose(bob, [sell(4)])
    held.propose(ada, [buy(4)])
    book = held.engine.venue.books[MARKET]
    assert book.get(int.from_bytes(ada) << 32 | key).lots == 14
    assert [each.owner for each in book if each.price == MARK + 900] == [int.from_bytes(cy), int.from_bytes(ada)]


# What trails


def test_a_trailing_stop_follows_the_best_mark_and_its_owner_recomputes_it(held):
    ada, *_ = names(held)
    held.propose(ada, [trail(callback=10_000)])
    for mark in (MARK + 1_000, MARK + 600, MARK + 700):
        held.price(MARKET, mark)
        assert position(held, ada) == 10
    held.price(MARKET, 50_490)  # ⌊51,000 · 0.99⌋
    assert position(held, ada) == 0
    (fired,) = [change for change in changes(held, ada) if isinstance(change, Triggered)]
    assert fired.peak.mark == MARK + 1_000


def test_a_trailing_stop_with_an_activation_waits_for_it(held):
    ada, *_ = names(held)
    held.propose(ada, [trail(callback=10_000, trigger_tick=MARK + 500)])
    held.price(MARKET, MARK - 900)
    assert position(held, ada) == 10
    held.price(MARKET, MARK + 500)
    held.price(MARKET, (MARK + 500) * 99 // 100 + 1)
    assert position(held, ada) == 10
    held.price(MARKET, (MARK + 500) * 99 // 100)
    assert position(held, ada) == 0


def test_planted_a_trailing_stop_that_slips_is_refused_by_its_owner(held, monkeypatch):
    ada, *_ = names(held)
    held.propose(ada, [trail(callback=10_000)])
    fired = Alarms.fired

    def early(self, market, source, price, newest):
        return fired(self, market, source, price - 200, newest)

    monkeypatch.setattr(Alarms, "fired", early)
    with pytest.raises(InvalidMessage, match=r"judge\.trigger"):
        held.price(MARKET, MARK - 400)


# One of several


def test_when_one_of_a_group_fires_the_other_leaves_before_it_meets_the_book(held):
    ada, *_ = names(held)
    held.propose(ada, one_cancels_other(stop(), profit()))
    losing, winning = live(held, ada)
    held.price(MARKET, MARK + 500)
    assert position(held, ada) == 0
    assert live(held, ada) == []
    assert ended(held, ada, winning).status is Status.FILLED
    assert ended(held, ada, losing).reason == "sibling"


def test_when_one_of_a_group_fills_in_part_the_other_leaves(held):
    ada, bob, _ = names(held)
    held.propose(ada, one_cancels_other(sell(10, MARK + 100, reduce_only=True), stop()))
    resting, _stop = live(held, ada)
    held.propose(bob, [buy(1, MARK + 100)])
    assert live(held, ada) == [resting]


def test_of_two_resting_orders_of_a_group_a_taker_meets_one(world):
    ada, bob, cy = names(world)
    world.propose(ada, one_cancels_other(sell(5), sell(5, MARK + 10)))
    assert world.try_propose(cy, [buy(10, MARK + 10, Kind.FOK)]) == ""
    assert position(world, cy) == 0
    world.propose(bob, [buy(10, MARK + 10, Kind.IOC)])
    assert position(world, bob) == 5


def test_a_group_takes_no_more_members_once_it_has_begun(held):
    ada, bob, _ = names(held)
    held.propose(ada, one_cancels_other(sell(10, MARK + 100, reduce_only=True)))
    (first,) = live(held, ada)
    assert held.try_propose(ada, [stop(group_key=first)]) == ""
    held.propose(bob, [buy(1, MARK + 100)])
    assert held.try_propose(ada, [stop(group_key=first)]) == "order.group"
    assert held.try_propose(ada, [stop(group_key=99)]) == "order.group"


def test_planted_a_sibling_that_stays_is_a_lie(held, monkeypatch):
    ada, *_ = names(held)
    held.propose(ada, one_cancels_other(stop(), sell(10, MARK + 900, reduce_only=True)))
    monkeypatch.setattr(waking, "send_siblings_away", lambda *_: None)
    monkeypatch.setattr("fairway.exchange.trading.send_siblings_away", lambda *_: None)
    held.price(MARKET, MARK - 499)
    monkeypatch.setattr(dropping, "reconcile", lambda *_: None)
    monkeypatch.setattr("fairway.exchange.trading.reconcile", lambda *_: None)
    with pytest.raises(InvalidMessage, match=r"judge\.group"):
        held.price(MARKET, MARK - 500)


# One after another


def test_take_profit_and_stop_loss_come_to_life_with_the_entry_and_one_ends_the_other(world):
    ada, bob, cy = names(world)
    world.propose(ada, attached(buy(10), profit(), stop()))
    entry, winning, losing = live(world, ada)
    world.price(MARKET, MARK - 500)
    assert live(world, ada) == [entry, winning, losing], "nothing wakes before the entry is filled"
    world.propose(bob, [sell(4)])
    assert all(world.engine.accounts[ada].orders[key].armed for key in (winning, losing))
    world.propose(bob, [sell(6)])
    world.propose(cy, [buy(10, MARK - 1_000)])
    world.price(MARKET, MARK - 500)
    assert position(world, ada) == 0
    assert live(world, ada) == []
    assert (ended(world, ada, losing).status, ended(world, ada, winning).reason) == (Status.FILLED, "sibling")


def test_exits_attached_to_an_entry_that_takes_at_once_are_alive_at_once(world):
    ada, bob, _ = names(world)
    world.propose(bob, [sell(10)])
    world.propose(ada, attached(buy(10), sell(10, MARK + 500, reduce_only=True), stop()))
    assert len(live(world, ada)) == 2
    assert [each.lots for each in world.engine.venue.books[MARKET]] == [10]
    world.propose(bob, [buy(10, MARK + 500)])
    assert position(world, ada) == 0
    assert not live(world, ada)


def test_what_waits_for_an_order_goes_with_it_unless_that_was_filled(world):
    ada, bob, _ = names(world)
    world.propose(ada, attached(buy(10), profit(), stop()))
    entry, *exits = live(world, ada)
    world.propose(ada, [], [entry])
    assert [ended(world, ada, key).reason for key in exits] == ["unarmed", "unarmed"]
    world.propose(ada, attached(buy(10), profit(), stop()))
    entry, *exits = live(world, ada)
    world.propose(bob, [sell(1)])
    world.propose(ada, [], [entry])
    assert live(world, ada) == exits


def test_an_order_that_follows_another_takes_when_that_is_filled_and_not_before(world):
    ada, bob, cy = names(world)
    world.propose(cy, [sell(3, MARK + 50)])
    world.propose(ada, one_triggers(buy(5), buy(3, MARK + 50, Kind.IOC)))
    assert position(world, ada) == 0
    world.propose(bob, [sell(5)])
    assert position(world, ada) == 8
    assert not live(world, ada)


def test_an_order_waits_only_for_one_that_is_live_in_its_market(world):
    ada, *_ = names(world)
    world.propose(ada, [buy(1)])
    world.propose(ada, [], live(world, ada))
    assert world.try_propose(ada, [replace(buy(5), after=1)]) == "order.parent"
    world.price(1, 52_000)
    elsewhere = Wish(1, True, 5, 52_000)
    assert world.try_propose(ada, [elsewhere, replace(buy(5), after=1)]) == "order.parent"


def test_planted_an_order_that_meets_the_book_before_its_parent_is_filled_is_a_lie(world, monkeypatch):
    ada, bob, _ = names(world)
    world.propose(bob, [sell(5, MARK + 10)])
    monkeypatch.setattr("fairway.exchange.proposals.enter", waking.arrive)
    with pytest.raises(IllegalTransition, match=r"account\.fill"):
        world.propose(ada, one_triggers(buy(5), buy(3, MARK + 10)))


def test_every_replay_of_what_waited_gives_the_same_state(held):
    ada, bob, cy = names(held)
    held.propose(ada, [trail(5_000), *one_cancels_other(stop(), profit())])
    held.propose(bob, attached(buy(4, MARK - 100), profit(MARK + 900, 4)))
    held.propose(cy, [stop(MARK - 700, source=Source.LAST, lots=1)] if position(held, cy) > 0 else [buy(2, MARK - 50)])
    for mark in (MARK + 200, MARK - 200, MARK + 450, MARK - 300):
        held.price(MARKET, mark)
    assert held.replayed().digest() == held.engine.digest()


def changes(world, who):
    pushed = [wanted for wanted in world.effects if isinstance(wanted, Push) and wanted.channel_id == who]
    return [change for push in pushed for change in push.changes]


def test_every_drop_has_a_reason_that_has_a_status(held):
    assert all(change.reason for who in held.users for change in changes(held, who) if isinstance(change, Dropped))


def test_the_service_keeps_the_peak_of_a_stop_longer_than_the_rounds(held, monkeypatch):
    monkeypatch.setattr(papers, "ROUNDS", 4)
    ada, *_ = names(held)
    held.propose(ada, [trail(callback=10_000)])
    (terms,) = [order.terms for order in held.engine.accounts[ada].orders.values()]
    kept, marks = papers.Papers(), (MARK + 1_000, *[MARK + 600] * 9, 50_490)
    for mark in marks:
        before = len(held.effects)
        held.price(MARKET, mark)
        kept.note(held.engine.venue.priced[MARKET], held.effects[before:])
    receipt = Receipt(ada, b"", 0, b"", 0, 0, 0, 0, 0, held.now_ms, 0)
    found = find_fired(terms, receipt, kept.until(held.now_ms))
    assert (found.peak.mark, found.fired.mark) == (MARK + 1_000, 50_490)
