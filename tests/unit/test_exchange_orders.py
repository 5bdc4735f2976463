"""Orders, whoever sends them: refused with a code and at the price of a seqno, or filled as they say; none stops us."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.simulation.world import World

from fairway.client.wish import Wish
from fairway.exchange import event
from fairway.exchange.terms import Kind
from fairway.units import TON

MARKET, MARK = 2, 50_000


@pytest.fixture
def world():
    world = World()
    for name in ("ada", "bob", "cy"):
        world.join(name, 300 * TON)
    world.price(MARKET, MARK)
    return world


def names(world):
    return list(world.users)


def buy(lots, price=MARK, kind=Kind.LIMIT, leverage=10, **more):
    return Wish(MARKET, True, lots, price, kind, leverage, **more)


def sell(lots, price=MARK, kind=Kind.LIMIT, leverage=10, **more):
    return Wish(MARKET, False, lots, price, kind, leverage, **more)


def terms(world, who, wish, **changes):
    account = world.engine.accounts[who]
    return replace(wish.terms(account.rules, who, account.next_key), **changes)


def resting(world):
    return [(order.buy, order.lots, order.price) for order in world.engine.venue.books[MARKET]]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"kind": 77}, "order.kind"),
        ({"kind": -1}, "order.kind"),
        ({"trigger_tick": 5}, "market.band"),
        ({"trigger_tick": -5}, "units.tick"),
        ({"trigger_above": True}, "order.trigger"),
        ({"callback_ppm": -1}, "order.callback"),
        ({"callback_ppm": 999, "kind": Kind.MARKET}, "order.callback"),
        ({"callback_ppm": 1 << 40, "kind": Kind.MARKET}, "order.callback"),
        ({"callback_ppm": 5_000, "kind": Kind.MARKET}, "order.trigger"),
        ({"callback_ppm": 5_000}, "order.kind"),
        ({"source": 3}, "order.source"),
        ({"source": 1}, "order.flag"),
        ({"prevention": 4}, "order.prevention"),
        ({"prevention": -1}, "order.prevention"),
        ({"round": -1}, "order.round"),
        ({"strict": True}, "order.flag"),
        ({"closes": True}, "order.flag"),
        ({"client_id": "a" * 37}, "order.client_id"),
        ({"client_id": "no spaces"}, "order.client_id"),
        ({"client_id": "é"}, "order.client_id"),
        ({"parent": 9}, "order.parent"),
        ({"parent": -9}, "order.parent"),
        ({"group": 9}, "order.group"),
        ({"group": 1 << 60}, "order.group"),
        ({"kind": Kind.MARKET, "trigger_tick": 1 << 40, "reduce_only": True}, "units.tick"),
        ({"kind": Kind.MARKET, "trigger_tick": -1, "reduce_only": True}, "units.tick"),
        ({"inverse": True}, "order.contract"),
        ({"unit": 1 << 63}, "order.contract"),
        ({"fee_ppm": 1 << 60}, "order.fee"),
        ({"leverage": 0}, "order.reserve"),
        ({"leverage": 1 << 62}, "order.leverage"),
        ({"expires_ms": 1}, "order.expired"),
        ({"expires_ms": -1}, "order.expired"),
        ({"reserve": 0}, "order.reserve"),
        ({"reserve": -1}, "order.reserve"),
        ({"key": 9}, "order.key"),
        ({"key": 1 << 40}, "order.key"),
        ({"channel_id": bytes(3)}, "order.key"),
        ({"lots": 0}, "market.size"),
        ({"lots": -4}, "market.size"),
        ({"lots": 1 << 62}, "market.size"),
        ({"limit_tick": 0}, "units.tick"),
        ({"limit_tick": 1 << 32}, "units.tick"),
        ({"market": 9}, "market.unknown"),
    ],
)
def test_hostile_terms_are_refused_at_the_price_of_a_seqno_and_change_nothing_else(world, changes, code):
    ada = names(world)[0]
    order, channel = terms(world, ada, buy(1), **changes), world.engine.channels[ada]
    balances, consumed = dict(world.engine.venue.ledger.balances), channel.a_consumed
    assert world.hostile(ada, [order]) == code
    assert channel.a_consumed == consumed + 1
    assert world.engine.venue.ledger.balances == balances
    assert not world.engine.accounts[ada].orders
    assert world.try_propose(ada, [buy(1)]) == ""


def test_what_does_not_follow_from_the_accounts_own_state_is_refused(world):
    ada, bob, _ = names(world)
    assert world.hostile(ada, [], [1]) == "order.unknown"
    assert world.hostile(ada, [terms(world, ada, sell(1, reduce_only=True))]) == "order.reduce_only"
    assert world.hostile(ada, [terms(world, ada, buy(7_000))]) == "order.margin"
    assert world.hostile(ada, [terms(world, ada, buy(1, 2 * MARK))]) == "market.band"
    assert world.hostile(ada, [terms(world, ada, buy(1))] * 201) == "market.orders"
    assert world.hostile(ada, [terms(world, ada, buy(1))]) == "channel.conditionals"
    world.propose(bob, [sell(1)])
    key = next(iter(world.engine.accounts[bob].orders))
    assert world.hostile(bob, [], [key, key]) == "order.unknown"


def test_no_round_no_orders(world):
    ada = names(world)[0]
    assert world.try_propose(ada, [Wish(1, True, 1, 52_000)]) == "market.no_price"
    assert world.try_propose(ada, [buy(1)]) == ""


def test_a_seqno_that_runs_ahead_or_a_channel_that_is_leaving_consumes_nothing(world):
    ada = names(world)[0]
    consumed = world.engine.channels[ada].a_consumed
    assert world.hostile(ada, ahead=2) == "channel.seqno"
    assert world.hostile(ada, [terms(world, ada, buy(1), kind=77)], ahead=5) == "order.kind"
    world.dispute(ada)
    assert world.hostile(ada) == "channel.phase"
    assert world.engine.channels[ada].a_consumed == consumed


def test_many_small_orders_allow_no_more_leverage_than_one_large_one(world):
    ada = world.join("whale", 10_000 * TON)
    wishes = [buy(9_000, leverage=20)] * 2
    assert world.try_propose(ada, wishes[:1]) == ""
    assert world.try_propose(ada, [buy(15_000, leverage=20)]) == "order.leverage"
    assert world.try_propose(ada, [buy(15_000, leverage=10)]) == ""


@pytest.mark.parametrize("lots", [7, 8, 97])
def test_a_user_who_has_reserved_all_he_has_can_be_filled_lot_by_lot(lots):
    world = World()
    maker, taker = world.join("maker", 300 * TON), world.join("taker", 300 * TON)
    world.price(MARKET, MARK)
    wish = buy(lots)
    deposit = terms(world, maker, wish).reserve + world.engine.rules.fine
    tight = world.join("tight", deposit)
    assert world.try_propose(tight, [wish]) == ""
    assert world.engine.accounts[tight].available == 0
    for _ in range(lots):
        assert world.try_propose(taker, [sell(1, kind=Kind.IOC)]) == ""
    account = world.engine.accounts[tight]
    assert account.signed_lots(MARKET) == lots
    assert account.available >= 0
    assert account.posted == wish_margin(world, wish)
    assert world.replayed().digest() == world.engine.digest()


def wish_margin(world, wish):
    return world.engine.venue.rules.requirement(
        MARKET, reduce_only=False, lots=wish.lots, limit=wish.limit_tick, leverage=wish.leverage
    ).margin


def test_a_fill_far_better_than_the_limit_costs_no_more_than_was_reserved_for_it(world):
    bidder = names(world)[0]
    assert world.try_propose(bidder, [buy(10, MARK * 109 // 100, leverage=1)]) == ""
    for mark in (MARK // 2, MARK // 4):
        world.price(MARKET, mark)
    wish = sell(10, MARK // 4 * 91 // 100, Kind.IOC)
    reserve = terms(world, bidder, wish).reserve
    tight = world.join("tight", reserve + world.engine.rules.fine)
    assert world.try_propose(tight, [wish]) == ""
    account = world.engine.accounts[tight]
    assert account.signed_lots(MARKET) == -10
    assert account.available == 0


def test_a_stop_bounds_its_fills_near_its_trigger(world):
    ada, bob, _ = names(world)
    world.propose(bob, [sell(10)])
    world.propose(ada, [buy(10)])
    stop = sell(10, 1, Kind.MARKET, reduce_only=True, trigger_tick=MARK - 500)
    assert world.hostile(ada, [terms(world, ada, stop)]) == "market.band"


def test_a_stop_that_the_mark_is_beyond_already_fires_at_the_next_round_while_its_owner_is_away(world):
    ada, bob, cy = names(world)
    world.propose(bob, [sell(10)])
    world.propose(ada, [buy(10)])
    world.propose(cy, [buy(10, MARK - 100)])
    world.propose(ada, [sell(10, MARK - 200, Kind.MARKET, reduce_only=True, trigger_tick=MARK + 10)])
    assert world.engine.accounts[ada].signed_lots(MARKET) == 10
    world.price(MARKET, MARK)
    assert world.engine.accounts[ada].signed_lots(MARKET) == 0
    assert world.engine.venue.counts.stop_losses == 1


def test_an_order_whose_time_has_passed_is_dropped_when_someone_comes_to_fill_it(world):
    ada, bob, cy = names(world)
    world.propose(ada, [sell(5, expires_ms=world.now_ms + 50)])
    world.propose(cy, [sell(5, MARK + 10)])
    world.now_ms += 60
    assert world.try_propose(bob, [buy(8, MARK + 20, Kind.FOK)]) == ""
    assert world.engine.accounts[bob].signed_lots(MARKET) == 0
    assert world.try_propose(bob, [buy(5, MARK + 20, Kind.IOC)]) == ""
    assert world.engine.accounts[bob].signed_lots(MARKET) == 5
    assert world.engine.accounts[cy].signed_lots(MARKET) == -5
    assert not world.engine.accounts[ada].orders


def test_expired_orders_leave_at_the_next_round(world):
    ada = names(world)[0]
    world.propose(ada, [sell(5, expires_ms=world.now_ms + 50), sell(5, expires_ms=world.now_ms + 10_000)])
    world.price(MARKET, MARK)
    assert len(world.engine.accounts[ada].orders) == 1


def test_a_post_only_order_never_takes_and_an_ioc_order_never_rests(world):
    ada, bob, _ = names(world)
    world.propose(ada, [sell(5)])
    world.propose(bob, [buy(5, kind=Kind.POST_ONLY)])
    assert world.engine.accounts[bob].signed_lots(MARKET) == 0
    world.propose(bob, [buy(9, kind=Kind.IOC)])
    assert world.engine.accounts[bob].signed_lots(MARKET) == 5
    assert resting(world) == []


def test_a_fill_or_kill_order_is_filled_whole_or_not_at_all_beside_reduce_only_makers(world):
    ada, bob, cy = names(world)
    world.propose(bob, [sell(10)])
    world.propose(ada, [buy(10)])
    world.propose(ada, [sell(10, MARK + 10, reduce_only=True), sell(10, MARK + 20, reduce_only=True)])
    world.propose(cy, [buy(11, MARK + 50, Kind.FOK)])
    assert world.engine.accounts[cy].signed_lots(MARKET) == 0
    world.propose(cy, [buy(10, MARK + 50, Kind.FOK)])
    assert world.engine.accounts[cy].signed_lots(MARKET) == 10
    assert resting(world) == []


def test_a_market_order_fills_up_to_its_bound_only(world):
    ada, bob, _ = names(world)
    world.propose(ada, [sell(5), sell(5, MARK + 500)])
    world.propose(bob, [buy(10, MARK + 100, Kind.MARKET)])
    assert world.engine.accounts[bob].signed_lots(MARKET) == 5
    assert resting(world) == [(False, 5, MARK + 500)]


def test_reduce_only_orders_shrink_with_the_position_and_go_with_it(world):
    ada, bob, cy = names(world)
    world.propose(bob, [sell(10)])
    world.propose(ada, [buy(10)])
    world.propose(ada, [sell(10, MARK + 300, reduce_only=True)])
    world.propose(cy, [buy(6, MARK - 10)])
    world.propose(ada, [sell(6, MARK - 10, Kind.IOC)])
    assert resting(world) == [(False, 4, MARK + 300)]
    world.propose(cy, [buy(4, MARK - 10)])
    world.propose(ada, [sell(4, MARK - 10, Kind.IOC)])
    assert resting(world) == []
    assert not world.engine.accounts[ada].orders


def test_a_user_never_meets_himself(world):
    ada = names(world)[0]
    world.propose(ada, [sell(5)])
    world.propose(ada, [buy(5)])
    assert world.engine.accounts[ada].signed_lots(MARKET) == 0
    assert resting(world) == [(False, 5, MARK)]


def test_a_cancel_that_comes_too_late_loses_and_uses_up_its_seqno(world):
    ada, bob, _ = names(world)
    world.propose(ada, [sell(5)])
    key = next(iter(world.engine.accounts[ada].orders))
    world.propose(bob, [buy(5)])
    consumed = world.engine.channels[ada].a_consumed
    assert world.hostile(ada, [], [key]) == "order.unknown"
    assert world.engine.channels[ada].a_consumed == consumed + 1
    assert world.engine.venue.counts.cancels_lost == 1


@pytest.mark.parametrize("number", [-1, 1 << 130])
def test_a_close_with_numbers_that_fit_no_cell_is_the_senders_fault(world, number):
    ada = names(world)[0]
    closing = event.CloseProposed(
        at_ms=world.now_ms, channel_id=ada, seqno_a=1, seqno_b=1, sent_a=number, sent_b=0, signature=bytes(64)
    )
    assert world.code_of(closing) == "event.width"
