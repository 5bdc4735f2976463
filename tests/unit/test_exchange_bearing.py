"""Nobody trades what he cannot pay: two accounts of one owner take nothing out of the insurance or from others."""

from __future__ import annotations

import pytest
from tests.simulation.world import World

from fairway.client.margin import Margin
from fairway.client.wish import Wish
from fairway.exchange import trading
from fairway.exchange.ledger import INSURANCE
from fairway.exchange.terms import CROSS, Kind
from fairway.risk.margin import is_liquidatable
from fairway.units import TON

INVERSE, LINEAR = 1, 2
LOW, MARK, HIGH = 45_100, 50_000, 54_900


@pytest.fixture
def world():
    made = World()
    for name in ("ada", "bob", "cora"):
        made.join(name, 30_000 * TON)
    made.price(LINEAR, MARK)
    made.price(INVERSE, 52_000)
    return made


def trade(world, maker, taker, lots, price, leverage, kind=Kind.IOC, market=LINEAR, **more):
    """`taker` buys (lots below zero: sells) from an order that `maker` rests."""
    world.propose(maker, [Wish(market, lots < 0, abs(lots), price, leverage=2)])
    return world.try_propose(taker, [Wish(market, lots > 0, abs(lots), price, kind, leverage, **more)])


def insured(world):
    return world.engine.venue.ledger.balances[INSURANCE]


def lots_of(world, who, market=LINEAR):
    return world.engine.accounts[who].signed_lots(market)


def holds(world, leverage):
    """Ada holds 10,000 lots at the greatest leverage: of her own, or out of a pot."""
    ada, bob, _ = world.users
    if not leverage:
        world.propose(ada, margins=[Margin(CROSS, 260 * TON)])
    trade(world, bob, ada, 10_000, MARK, leverage)
    return ada, bob


def closes_too_low(world, leverage):
    ada, bob = holds(world, leverage)
    before = insured(world)
    trade(world, bob, ada, -10_000, LOW, leverage, reduce_only=True)
    return lots_of(world, ada), insured(world) - before


@pytest.mark.parametrize("leverage", [0, 20])
def test_a_close_that_would_lose_more_than_its_margin_meets_nobody(world, leverage):
    assert closes_too_low(world, leverage) == (10_000, 0)


@pytest.mark.parametrize("leverage", [0, 20])
def test_planted_without_the_rule_the_insurance_pays_what_an_own_account_wins(world, leverage, monkeypatch):
    monkeypatch.setattr(trading, "bears", lambda *_: True)
    left, paid = closes_too_low(world, leverage)
    assert left == 0
    assert paid < -200 * TON


@pytest.mark.parametrize("leverage", [0, 20])
def test_a_resting_order_that_would_close_so_leaves_when_it_is_met(world, leverage):
    ada, bob = holds(world, leverage)
    world.propose(ada, [Wish(LINEAR, False, 10_000, LOW, leverage=leverage, reduce_only=True)])
    before = insured(world)
    world.propose(bob, [Wish(LINEAR, True, 10_000, MARK, Kind.IOC, leverage=2)])
    assert (lots_of(world, ada), insured(world)) == (10_000, before)
    assert not world.engine.accounts[ada].orders


@pytest.mark.parametrize("kind", [Kind.IOC, Kind.FOK, Kind.LIMIT])
def test_nothing_is_opened_that_would_be_in_distress_at_once(world, kind):
    ada, bob, _ = world.users
    assert trade(world, bob, ada, 10_000, HIGH, 20, kind) == ""
    assert lots_of(world, ada) == 0
    assert not world.engine.accounts[ada].orders
    assert trade(world, bob, ada, 100, 50_500, 20, kind) == ""
    assert lots_of(world, ada) == 100


def test_planted_without_the_rule_a_position_begins_in_distress(world, monkeypatch):
    monkeypatch.setattr(trading, "bears", lambda *_: True)
    ada, bob, _ = world.users
    trade(world, bob, ada, 10_000, HIGH, 20)
    account = world.engine.accounts[ada]
    contract = world.engine.rules.listings[LINEAR - 1].contract
    assert is_liquidatable(contract, account.positions[LINEAR].position, MARK, 0)


def test_what_rests_in_the_book_is_not_filled_where_its_owner_would_be_in_distress(world):
    ada, bob, cora = world.users
    world.propose(ada, [Wish(LINEAR, True, 1_000, MARK, leverage=20)])
    world.propose(cora, [Wish(LINEAR, True, 1_000, 46_000, leverage=2)])
    world.price(LINEAR, 47_000)
    world.propose(bob, [Wish(LINEAR, False, 1_000, 46_000, Kind.FOK, leverage=2)])
    assert (lots_of(world, ada), lots_of(world, cora), lots_of(world, bob)) == (0, 1_000, -1_000)


def test_an_order_is_filled_whole_or_not_at_all_whoever_cannot_bear_it(world):
    ada, bob, _ = world.users
    world.propose(ada, [Wish(LINEAR, True, 500, MARK, leverage=10), Wish(LINEAR, True, 500, MARK - 1, leverage=10)])
    world.price(LINEAR, 49_000)
    world.propose(bob, [Wish(LINEAR, False, 1_000, MARK - 1, Kind.FOK, leverage=2)])
    assert (lots_of(world, ada), lots_of(world, bob)) == (0, 0)
    world.propose(bob, [Wish(LINEAR, False, 500, MARK - 1, Kind.FOK, leverage=2)])
    assert (lots_of(world, ada), lots_of(world, bob)) == (500, -500)


def test_orders_that_a_pot_has_lost_the_margin_for_are_met_by_nobody(world):
    ada, bob, _ = world.users
    world.propose(ada, margins=[Margin(CROSS, 500 * TON)])
    trade(world, bob, ada, 10_000, MARK, 0)
    world.propose(ada, [Wish(INVERSE, True, 4_000, 52_000, leverage=0)])
    trade(world, bob, ada, -10_000, LOW, 0, reduce_only=True)
    account = world.engine.accounts[ada]
    assert account.pot.margin == 10 * TON
    world.propose(bob, [Wish(INVERSE, False, 4_000, 52_000, Kind.IOC, leverage=2)])
    assert not account.positions
    assert not account.orders
