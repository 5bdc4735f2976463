"""Liquidation in steps, what is lawful in distress, and the record of a deleverage that anyone recomputes."""

from __future__ import annotations

import pytest
from tests.simulation.world import World

from fairway.client.wish import Wish
from fairway.errors import InvalidMessage
from fairway.exchange import distress, effect, lawful, trading
from fairway.exchange.change import Forced
from fairway.exchange.ledger import INSURANCE
from fairway.exchange.terms import Kind
from fairway.risk.deleverage import Candidate, allocate, score
from fairway.risk.liquidation import bankruptcy_price, partial_lots
from fairway.risk.margin import health
from fairway.units import TON

MARKET, MARK = 2, 50_000
DISTRESS = MARK * 973 // 1000
"""A mark at which a long of leverage 20 is below its maintenance and not bankrupt."""


@pytest.fixture
def world():
    """Ada is long 1,000 lots at leverage 20; Bob and Cy are short against her, Cy with more of the risk."""
    world = World()
    for name in ("ada", "bob", "cy", "dan"):
        world.join(name, 3_000 * TON)
    world.price(MARKET, MARK)
    ada, bob, cy, _ = world.users
    world.propose(bob, [Wish(MARKET, False, 400, MARK, leverage=2)])
    world.propose(cy, [Wish(MARKET, False, 600, MARK, leverage=10)])
    world.propose(ada, [Wish(MARKET, True, 1_000, MARK, leverage=20)])
    return world


def names(world):
    return list(world.users)


def position(world, who):
    return world.engine.accounts[who].positions[MARKET].position


def contract_of(world):
    return world.engine.venue.rules.listing(MARKET).contract


def health_of(world, who):
    newest = world.engine.venue.rounds[MARKET]
    return health(contract_of(world), position(world, who), newest.mark, newest.funding)


def forced_lots(world, who):
    pushes = [each for each in world.effects if isinstance(each, effect.Push) and each.channel_id == who]
    return [change.lots for push in pushes for change in push.changes if isinstance(change, Forced)]


def test_a_liquidation_closes_no_more_than_restores_the_rest_and_takes_its_fee(world):
    ada, *_, dan = names(world)
    world.propose(dan, [Wish(MARKET, True, 1_000, DISTRESS, leverage=2)])
    need = partial_lots(contract_of(world), position(world, ada), DISTRESS, 0)
    insured = world.engine.venue.ledger.balances[INSURANCE]
    balance, available = world.engine.accounts[ada].balance, world.engine.accounts[ada].available
    world.price(MARKET, DISTRESS)
    assert 0 < need < 1_000
    assert forced_lots(world, ada) == [need]
    left = health_of(world, ada)
    assert left.equity * 100 >= left.maintenance * 124
    fee = world.engine.venue.ledger.balances[INSURANCE] - insured
    assert fee == need * DISTRESS * 10_000 * 5_000 // 1_000_000
    lost = need * (MARK - DISTRESS) * 10_000
    assert world.engine.accounts[ada].balance == balance - lost - fee
    assert world.engine.accounts[ada].available == available
    assert world.replayed().digest() == world.engine.digest()


def test_a_step_is_as_large_as_the_book_and_the_next_round_goes_on(world):
    ada, *_, dan = names(world)
    world.propose(dan, [Wish(MARKET, True, 5, DISTRESS, leverage=2)])
    world.price(MARKET, DISTRESS)
    assert forced_lots(world, ada) == [5]
    world.propose(dan, [Wish(MARKET, True, 900, DISTRESS, leverage=2)])
    world.price(MARKET, DISTRESS)
    assert len(forced_lots(world, ada)) == 2
    assert health_of(world, ada).is_enough


def test_what_the_book_restores_is_not_deleveraged_though_the_mark_is_beyond_the_first_bankruptcy_price(world):
    ada, *_, dan = names(world)
    bound = bankruptcy_price(contract_of(world), position(world, ada), 0)
    world.propose(dan, [Wish(MARKET, True, 950, MARK - 100, leverage=2)])
    world.effects.clear()
    world.price(MARKET, bound - 50)
    assert forced_lots(world, ada) == [950]
    assert position(world, ada).lots == 50
    assert health_of(world, ada).is_enough
    assert not [each for each in world.effects if isinstance(each, effect.Deleveraged)]


def test_a_service_that_closes_more_than_a_step_is_caught_by_its_user(world, monkeypatch):
    ada, *_, dan = names(world)
    world.propose(dan, [Wish(MARKET, True, 1_000, DISTRESS, leverage=2)])
    monkeypatch.setattr(distress, "_step", lambda venue, name, market: position(world, ada).lots)  # planted
    with pytest.raises(InvalidMessage, match=r"judge\.step"):
        world.price(MARKET, DISTRESS)


def test_in_distress_only_what_leaves_the_position_no_worse_is_lawful(world):
    ada = names(world)[0]
    world.price(MARKET, DISTRESS)
    bound = bankruptcy_price(contract_of(world), position(world, ada), 0)
    assert not health_of(world, ada).is_enough
    assert world.try_propose(ada, [Wish(MARKET, True, 1, DISTRESS, leverage=1)]) == "order.distress"
    far = Wish(MARKET, False, 500, bound - 300, Kind.IOC, 1, reduce_only=True)
    assert world.try_propose(ada, [far]) == "order.distress"
    near = Wish(MARKET, False, 500, bound + 300, Kind.IOC, 1, reduce_only=True)
    assert world.try_propose(ada, [near]) == ""


def test_an_order_in_distress_leaves_the_margin_with_the_rest(world):
    ada, *_, dan = names(world)
    world.price(MARKET, DISTRESS)
    before, margin = health_of(world, ada), position(world, ada).margin
    world.propose(dan, [Wish(MARKET, True, 500, DISTRESS, leverage=2)])
    world.propose(ada, [Wish(MARKET, False, 500, DISTRESS, Kind.IOC, 1, reduce_only=True)])
    assert position(world, ada).margin == margin - 500 * (MARK - DISTRESS) * 10_000
    after = health_of(world, ada)
    assert after.equity == before.equity
    assert after.is_enough


def far_stop(world):
    """Ada leaves a stop whose limit is far beyond her bankruptcy price; only such bids are there when it wakes."""
    ada, *_, dan = names(world)
    bound = bankruptcy_price(contract_of(world), position(world, ada), 0)
    trigger = MARK * 985 // 1000
    world.propose(ada, [Wish(MARKET, False, 500, bound - 700, Kind.MARKET, 1, True, trigger)])
    world.propose(dan, [Wish(MARKET, True, 500, bound - 300, leverage=2)])
    insured = world.engine.venue.ledger.balances[INSURANCE]
    world.price(MARKET, DISTRESS)
    return ada, insured


def test_a_stop_that_wakes_in_distress_takes_nothing_beyond_the_bankruptcy_price(world):
    ada, insured = far_stop(world)
    assert position(world, ada).lots == 1_000
    assert world.engine.venue.ledger.balances[INSURANCE] >= insured


def test_without_the_bound_a_stop_costs_more_than_its_share(world, monkeypatch):
    monkeypatch.setattr(trading, "bears", lambda *_: True)  # planted
    ada, _ = far_stop(world)
    assert position(world, ada).lots < 1_000


def test_without_the_rule_a_bad_close_leaves_the_position_worse(world, monkeypatch):
    ada, *_, dan = names(world)
    world.price(MARKET, DISTRESS)
    monkeypatch.setattr(lawful, "_check_distress", lambda *_: None)  # planted
    monkeypatch.setattr(trading, "bears", lambda *_: True)
    before = health_of(world, ada)
    low = bankruptcy_price(contract_of(world), position(world, ada), 0) - 300
    world.propose(dan, [Wish(MARKET, True, 500, low, leverage=2)])
    world.propose(ada, [Wish(MARKET, False, 500, low, Kind.IOC, 1, reduce_only=True)])
    after = health_of(world, ada)
    assert after.equity * before.maintenance < before.equity * after.maintenance


def test_a_deleverage_leaves_a_record_from_which_its_shares_and_scores_follow(world):
    ada, bob, cy, _ = names(world)
    world.effects.clear()
    mark = bankruptcy_price(contract_of(world), position(world, ada), 0) - 50
    held = {who: position(world, who) for who in (bob, cy)}
    world.price(MARKET, mark)
    (record,) = [each for each in world.effects if isinstance(each, effect.Deleveraged)]
    assert [(share.key, share.lots) for share in record.shares] == allocate(record.candidates, record.lots)
    assert record.lots == 1_000
    owners = sorted((bob, cy))
    for candidate in record.candidates:
        mine = held[owners[candidate.key]]
        assert candidate == Candidate(
            candidate.key, mine.lots, score(contract_of(world), mine, record.mark, record.funding)
        )
    for share in record.shares:
        pushes = [each for each in world.effects if isinstance(each, effect.Push)]
        mine = next(each for each in pushes if each.channel_id == owners[share.key])
        assert [(c.match_id, c.lots, c.price) for c in mine.changes] == [(record.match_id, share.lots, share.price)]


def test_a_deleverage_that_spares_somebody_does_not_follow_from_its_record(world, monkeypatch):
    ada, *_, dan = names(world)
    world.propose(dan, [Wish(MARKET, True, 700, MARK, leverage=1)])
    world.propose(ada, [Wish(MARKET, False, 700, MARK, Kind.IOC, 1, reduce_only=True)])
    fair = distress.allocate
    monkeypatch.setattr(distress, "allocate", lambda asked, lots: fair(asked[1:], lots))  # planted
    world.effects.clear()
    world.price(MARKET, bankruptcy_price(contract_of(world), position(world, ada), 0) - 50)
    (record,) = [each for each in world.effects if isinstance(each, effect.Deleveraged)]
    assert [(share.key, share.lots) for share in record.shares] != allocate(record.candidates, record.lots)


def test_who_leaves_alone_is_deleveraged_last(world):
    ada, bob, cy, _ = names(world)
    world.propose(cy)
    world.dispute(cy)
    world.effects.clear()
    world.price(MARKET, bankruptcy_price(contract_of(world), position(world, ada), 0) - 50)
    (record,) = [each for each in world.effects if isinstance(each, effect.Deleveraged)]
    owners = sorted((bob, cy))
    assert [owners[share.key] for share in record.shares] == [bob, cy]
    assert [each.last for each in record.candidates] == [owner == cy for owner in owners]
