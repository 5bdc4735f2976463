"""Cross margin: one pot for positions of several markets, the same for engine and user, proven close by close."""

from __future__ import annotations

import dataclasses

import pytest
from msgspec.structs import replace
from tests.simulation.world import World

from fairway.channel.machine import MARKET_KEYS
from fairway.client.judge import Judge
from fairway.client.margin import Margin
from fairway.client.wish import Wish
from fairway.errors import IllegalTransition, InvalidMessage
from fairway.exchange import closing
from fairway.exchange.account import Account
from fairway.exchange.change import Forced, Marked
from fairway.exchange.effect import ProveRecord, Push
from fairway.exchange.listing import default_listings
from fairway.exchange.sharing import close_shared, paid
from fairway.exchange.terms import CROSS, CrossTerms, Kind
from fairway.risk.contract import Tier
from fairway.risk.margin import unrealised
from fairway.risk.position import Position
from fairway.settlement.chain import NOTHING, PublicBooks
from fairway.settlement.job import is_proven, published
from fairway.settlement.proof import prove, verify
from fairway.units import TON, Lot, Nano, Ppm

LINEAR, INVERSE = 2, 1
ENTROPY = bytes(range(32))


def met(pot=500, **founding):
    """Ada has a pot, Bob makes the markets with margins of their own."""
    world = World(**founding)
    for name, deposit in (("ada", 3_000), ("bob", 30_000), ("cora", 30_000)):
        world.join(name, deposit * TON)
    world.price(LINEAR, 50_000)
    world.price(INVERSE, 52_000)
    ada, bob, cora = world.users
    if pot:
        world.propose(ada, margins=[Margin(CROSS, pot * TON)])
    return world, ada, bob, cora


def take(world, who, maker, market, lots, price, leverage=0, **more):
    """`who` buys (or sells, lots below zero) from an order that `maker` rests."""
    buy = lots > 0
    world.propose(maker, [Wish(market, not buy, abs(lots), price, leverage=5)])
    world.propose(who, [Wish(market, buy, abs(lots), price, Kind.IOC, leverage, **more)])


def signed_terms(world, who, *wishes):
    """What `wishes` are as terms, whatever the rules say."""
    key = world.engine.accounts[who].next_key
    return [wish.terms(world.users[who].replica.rules, who, key + place) for place, wish in enumerate(wishes)]


def pot_of(world, who):
    pot = world.engine.accounts[who].pot
    return pot.margin, pot.cap


def spread(pot=500):
    """Ada is long in both markets out of one pot."""
    world, ada, bob, cora = met(pot)
    take(world, ada, bob, LINEAR, 10_000, 50_000)
    take(world, ada, bob, INVERSE, 20_000, 52_000)
    return world, ada, bob, cora


def won(world, who, market):
    account = world.engine.accounts[who]
    position, newest = account.positions[market].position, account.rounds[market]
    return unrealised(account.rules.listing(market).contract, position, newest.mark, newest.funding)


def changes(world, who, kind, since=0):
    pushed = [each for each in world.effects[since:] if isinstance(each, Push) and each.channel_id == who]
    return [change for push in pushed for change in push.changes if isinstance(change, kind)]


def books_of(world):
    """All records proven, verified and posted, as an outsider would."""
    books = PublicBooks(NOTHING)
    for wanted in world.effects:
        if isinstance(wanted, ProveRecord):
            record = prove(wanted.record, ENTROPY) if is_proven(wanted.record) else published(wanted.record)
            if is_proven(wanted.record):
                verify(record)
            for each in (*(opened.transaction() for opened in wanted.fills), record):
                books.apply(each)
    return books


def test_a_pot_is_opened_by_its_owners_signature_and_both_halves_carry_it():
    world, ada, _, _ = met()
    assert pot_of(world, ada) == (500 * TON, 5_000 * TON)
    channel, key = world.engine.channels[ada], MARKET_KEYS + CROSS
    assert channel.a_conditionals.get(key).maximum == 500 * TON
    assert channel.b_conditionals.get(key).maximum == 5_000 * TON
    assert world.engine.accounts[ada].available == world.engine.accounts[ada].balance - 500 * TON - TON // 2


def test_cross_positions_stand_for_each_other_where_alone_one_would_be_liquidated():
    world, ada, bob, cora = spread()
    take(world, cora, bob, LINEAR, 10_000, 50_000, 10)
    world.price(INVERSE, 55_000)
    world.propose(bob, [Wish(LINEAR, True, 20_000, 45_500, leverage=5)])
    world.price(LINEAR, 45_500)
    assert won(world, ada, LINEAR) < -TON * 440
    assert changes(world, cora, Forced)
    assert not changes(world, ada, Forced)
    world.price(INVERSE, 52_500)
    assert {change.market for change in changes(world, ada, Forced)} == {LINEAR}
    assert {change.reason for change in changes(world, ada, Forced)} == {"liquidation"}


def test_a_close_that_loses_more_than_the_pot_has_is_paid_by_what_the_others_have_won():
    world, ada, bob, _ = spread(pot=445)
    world.price(INVERSE, 58_000)
    world.price(LINEAR, 45_200)
    before, since = pot_of(world, ada), len(world.effects)
    gain, loss = won(world, ada, INVERSE), -won(world, ada, LINEAR)
    assert loss > before[0]
    take(world, ada, bob, LINEAR, -10_000, 45_200, reduce_only=True)
    (marked,) = changes(world, ada, Marked, since)
    assert (marked.market, marked.price) == (INVERSE, 58_000)
    assert pot_of(world, ada) == (before[0] + gain - loss, before[1] - gain)
    assert world.engine.accounts[ada].positions.keys() == {INVERSE}
    assert -1 <= won(world, ada, INVERSE) <= 0
    books = books_of(world)
    assert books.pool == world.engine.venue.settling.pool.commitment


def test_what_pot_and_positions_are_worth_together_moves_by_prices_only():
    world, ada, bob, _ = spread()
    world.price(INVERSE, 54_000)
    world.price(LINEAR, 51_000)
    account = world.engine.accounts[ada]

    def worth():
        return account.pot.margin + sum(won(world, ada, market) for market in account.positions)

    before = worth()
    for lots in (3_000, 3_000, 4_000):
        take(world, ada, bob, LINEAR, -lots, 51_000, reduce_only=True)
        assert before - 3 <= worth() <= before
        before = worth()
    assert account.positions.keys() == {INVERSE}
    world.propose(ada, margins=[Margin(CROSS, -200 * TON)])
    assert worth() == before - 200 * TON


def test_orders_are_carried_by_the_pot_and_not_by_the_balance():
    world, ada, bob, _ = met(pot=100)
    wish = Wish(LINEAR, True, 10_000, 50_000, leverage=0)
    assert world.try_propose(ada, [wish]) == "order.margin"
    assert world.try_propose(ada, [Wish(LINEAR, True, 3_900, 50_000, leverage=0)]) == ""
    assert world.try_propose(ada, [Wish(INVERSE, True, 3_000, 52_000, leverage=0)]) == "order.margin"
    assert world.engine.accounts[ada].reserved == world.engine.accounts[ada].orders[1].requirement.fees
    assert world.try_propose(bob, [wish]) == "order.pot"


def test_a_market_is_either_cross_or_isolated():
    world, ada, bob, _ = met()
    take(world, ada, bob, LINEAR, 1_000, 50_000)
    assert world.try_propose(ada, [Wish(LINEAR, True, 100, 50_000, leverage=5)]) == "order.margin_mode"
    world.propose(ada, [Wish(INVERSE, True, 100, 50_000, leverage=5)])
    assert world.try_propose(ada, [Wish(INVERSE, True, 100, 50_000, leverage=0)]) == "order.margin_mode"


def test_orders_of_one_half_do_not_mix_the_margins_of_a_market():
    world, ada, *_ = met()
    both = [Wish(LINEAR, True, 1_000, 49_000, leverage=0), Wish(LINEAR, True, 1_000, 49_100, leverage=5)]
    assert world.try_propose(ada, both) == "order.margin_mode"
    assert world.try_propose(ada, both[::-1]) == "order.margin_mode"
    assert world.hostile(ada, signed_terms(world, ada, *both)) == "order.margin_mode"


def test_a_cross_order_in_a_market_without_a_price_is_refused():
    world = World()
    ada = world.join("ada", 3_000 * TON)
    world.price(INVERSE, 52_000)
    world.propose(ada, margins=[Margin(CROSS, 500 * TON)])
    wish = Wish(LINEAR, True, 1_000, 50_000, leverage=0)
    assert world.hostile(ada, signed_terms(world, ada, wish)) == "market.no_price"
    move = Margin(CROSS, -TON).move(world.engine.accounts[ada])
    assert world.hostile(ada, signed_terms(world, ada, wish), moves=[move]) == "market.no_price"


@pytest.mark.parametrize("field", ["limit_tick", "lots", "market"])
def test_an_order_that_is_none_is_refused_beside_a_move_of_the_pot_too(field):
    world, ada, *_ = met()
    (terms,) = signed_terms(world, ada, Wish(INVERSE, True, 1_000, 52_000, leverage=0))
    move = Margin(CROSS, -TON).move(world.engine.accounts[ada])
    assert world.hostile(ada, [replace(terms, **{field: 0})], moves=[move]) in {
        "units.tick",
        "market.size",
        "market.unknown",
    }


def test_a_pot_that_has_outgrown_its_bracket_takes_more_margin():
    lowest = Tier(Nano(6_000 * TON), Ppm(50_000), Ppm(25_000), Nano(0))
    small = [replace(each, contract=dataclasses.replace(each.contract, tiers=(lowest,))) for each in default_listings()]
    world, ada, bob, _ = met(listings=small)
    take(world, ada, bob, LINEAR, 10_000, 50_000, 0)
    world.propose(bob, margins=[Margin(LINEAR, 5_000 * TON)])
    world.price(LINEAR, 60_001)
    assert world.engine.accounts[ada].positions
    assert world.try_propose(ada, [], margins=[Margin(CROSS, -TON)]) == "risk.notional"
    assert world.try_propose(ada, [], margins=[Margin(CROSS, TON)]) == ""


def test_orders_that_the_pot_no_longer_carries_go_before_anything_is_liquidated():
    world, ada, bob, _ = met(pot=500)
    take(world, ada, bob, LINEAR, 10_000, 50_000)
    world.propose(ada, [Wish(INVERSE, True, 25_000, 50_000, leverage=0)])
    world.price(LINEAR, 48_000)
    assert world.engine.accounts[ada].orders
    world.price(LINEAR, 46_700)
    account = world.engine.accounts[ada]
    assert not account.orders
    assert [ended.reason for ended in account.past.all()][-1] == "margin"
    assert not changes(world, ada, Forced)


def test_margin_leaves_the_pot_only_as_far_as_what_it_holds_allows():
    world, ada, *_ = spread()
    assert world.try_propose(ada, [], margins=[Margin(CROSS, -60 * TON)]) == "margin.requirement"
    assert world.try_propose(ada, [], margins=[Margin(CROSS, -50 * TON)]) == ""
    world.price(LINEAR, 49_900)
    assert world.try_propose(ada, [], margins=[Margin(CROSS, -1)]) == "margin.requirement"
    assert world.try_propose(ada, [], margins=[Margin(CROSS, 0)]) == "margin.same"


def test_a_pot_that_loses_everything_is_closed_at_its_bankruptcy_and_costs_nobody_else():
    world, ada, *_ = spread(pot=450)
    insurance = world.engine.venue.ledger.balances["insurance"]
    for mark in (46_000, 42_000, 40_000):
        world.price(LINEAR, mark)
        world.price(INVERSE, 50_000)
    account = world.engine.accounts[ada]
    assert not account.positions
    assert account.pot.margin >= 0
    assert world.engine.venue.ledger.balances["insurance"] >= insurance - 10
    assert books_of(world).pool == world.engine.venue.settling.pool.commitment


def test_what_is_won_beyond_the_cap_nobody_promised():
    terms = CrossTerms(bytes(16), 100, 30, 10, 0, ())
    position = Position(1, Lot(10), Nano(10 * 50_000), 0, Nano(0))
    contract = default_listings()[LINEAR - 1].contract
    closure = close_shared(terms, position, contract, 10, 50_001, 0)
    assert paid(terms, closure) == (CrossTerms(bytes(16), 130, 0, 10, 0, ()), closure.payment - 30)


def test_a_pot_that_holds_nothing_any_more_is_emptied():
    world, ada, bob, _ = met()
    take(world, ada, bob, LINEAR, 1_000, 50_000)
    take(world, ada, bob, LINEAR, -1_000, 50_000, reduce_only=True)
    world.price(LINEAR, 50_100)
    world.propose(ada, margins=[Margin(CROSS, -500 * TON)])
    assert pot_of(world, ada) == (0, 0)
    assert world.engine.accounts[ada].posted == 0


def test_closing_whatever_is_held_pays_its_fee_out_of_the_pot():
    world, ada, bob, _ = met()
    take(world, ada, bob, LINEAR, 1_000, 50_000)
    before = pot_of(world, ada)[0]
    world.propose(bob, [Wish(LINEAR, True, 1_000, 50_000, leverage=5)])
    most = world.engine.venue.rules.listing(LINEAR).instrument.max_lots
    closing = Wish(LINEAR, False, most, 49_000, Kind.MARKET, 0, True, 50_500, True, closes=True)
    world.propose(ada, [closing])
    world.price(LINEAR, 50_500)
    account = world.engine.accounts[ada]
    assert not account.positions
    assert before - TON // 2 < pot_of(world, ada)[0] < before


def test_who_leaves_is_paid_what_pot_and_positions_are_worth_together():
    world, ada, *_ = spread(pot=445)
    world.price(INVERSE, 58_000)
    world.price(LINEAR, 45_200)
    account = world.engine.accounts[ada]
    worth = account.balance + sum(won(world, ada, market) for market in account.positions)
    world.dispute(ada)
    world.now_ms += 6_000
    world.price(LINEAR, 45_200)
    world.price(INVERSE, 58_000)
    assert not account.positions
    assert worth - 2 <= account.balance <= worth
    world.end(ada)


def test_a_replay_makes_the_same_state():
    world, ada, bob, _ = spread(pot=445)
    world.price(INVERSE, 58_000)
    world.price(LINEAR, 45_200)
    take(world, ada, bob, LINEAR, -10_000, 45_200, reduce_only=True)
    again = world.replayed()
    assert again.digest() == world.engine.digest()
    assert again.accounts[ada].pot == world.engine.accounts[ada].pot


def test_planted_without_what_others_have_won_a_loss_would_be_everybodys(monkeypatch):
    monkeypatch.setattr(closing, "_pay_in", lambda *_: False)
    with pytest.raises(ValueError, match="not enough values"):
        test_a_close_that_loses_more_than_the_pot_has_is_paid_by_what_the_others_have_won()


def test_planted_a_position_judged_alone_is_liquidated_though_the_pot_carries_it(monkeypatch):
    monkeypatch.setattr(Account, "_beside", lambda *_: [])
    with pytest.raises(AssertionError):
        test_cross_positions_stand_for_each_other_where_alone_one_would_be_liquidated()


def judge_of(world, who):
    replica = world.users[who].replica
    return Judge(replica.account, None, 9, replica.welcome, bytes(32))


def test_a_liquidation_that_the_joint_prices_do_not_justify_is_a_lie():
    world, ada, *_ = spread()
    world.price(INVERSE, 55_000)
    world.price(LINEAR, 45_500)
    forced = Forced(LINEAR, 9, 100, 45_500, "liquidation", world.rounds[LINEAR], bytes(32), world.now_ms)
    with pytest.raises(InvalidMessage, match=r"judge\.liquidation"):
        judge_of(world, ada).apply(forced)


def test_a_position_marked_at_another_price_than_the_mark_is_a_lie():
    world, ada, *_ = spread()
    world.price(INVERSE, 54_000)
    with pytest.raises(InvalidMessage, match=r"judge\.marked"):
        judge_of(world, ada).apply(Marked(INVERSE, 54_001, world.rounds[INVERSE], bytes(32), world.now_ms))
    with pytest.raises(IllegalTransition, match=r"account\.mark"):
        judge_of(world, ada).apply(Marked(LINEAR, 50_000, world.rounds[LINEAR], bytes(32), world.now_ms))


def marked_by(world, who):
    judge = judge_of(world, who)
    judge.apply(Marked(INVERSE, 54_000, world.rounds[INVERSE], bytes(32), world.now_ms))
    return judge


def test_a_mark_that_no_close_needs_is_a_lie():
    world, ada, *_ = spread()
    world.price(INVERSE, 54_000)
    judge = marked_by(world, ada)
    with pytest.raises(InvalidMessage, match=r"judge\.marked"):
        judge.close()


def test_a_mark_before_a_close_that_the_pot_could_pay_is_a_lie():
    world, ada, *_ = spread()
    world.price(INVERSE, 54_000)
    judge = marked_by(world, ada)
    forced = Forced(LINEAR, 9, 100, 49_900, "deleverage", world.rounds[LINEAR], bytes(32), world.now_ms)
    with pytest.raises(InvalidMessage, match=r"judge\.marked"):
        judge.apply(forced)
