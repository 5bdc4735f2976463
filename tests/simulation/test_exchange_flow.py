"""Seeded flows of many users over both markets: every half is checked by its user, every identity after every event."""

from __future__ import annotations

import pytest

from fairway.client.margin import Margin
from fairway.client.wish import Wish
from fairway.exchange.terms import Kind
from fairway.units import TON
from tests.simulation.world import START, World

MARKETS = (1, 2)


def wander(world: World, steps: int) -> None:
    """Let everyone quote, take, cancel and stop out while both prices wander."""
    rng, marks = world.random, dict(START)
    for market in MARKETS:
        world.price(market, marks[market])
    for _ in range(steps):
        channel_id = rng.choice(list(world.users))
        account = world.users[channel_id].replica.account
        market = rng.choice(MARKETS)
        if rng.random() < 0.1:
            marks[market] = max(100, marks[market] + rng.randint(-marks[market] // 25, marks[market] // 25))
            world.price(market, marks[market], funding=world.engine.venue.rounds[market].funding + rng.randint(-40, 60))
        elif account.orders and rng.random() < 0.2:
            world.try_propose(channel_id, [], [rng.choice(list(account.orders))])
        elif market in account.positions and rng.random() < 0.2:
            world.try_propose(channel_id, [], [], [margin(world, market)])
        else:
            world.try_propose(channel_id, [wish(world, market, marks[market], channel_id)])


def margin(world: World, market: int) -> Margin:
    if world.random.random() < 0.3:
        return Margin(market, leverage=world.random.choice([1, 3, 10, 20]))
    return Margin(market, world.random.randint(-3 * TON, 3 * TON))


def wish(world: World, market: int, mark: int, channel_id: bytes) -> Wish:
    rng = world.random
    buy, lots = rng.random() < 0.5, rng.randint(1, 400)
    held = world.users[channel_id].replica.account.positions.get(market)
    if held is not None and rng.random() < 0.3:
        above = rng.random() < 0.5
        trigger = mark * (1010 if above else 990) // 1000
        buy = held.position.s < 0
        limit = trigger * (1050 if buy else 950) // 1000
        return Wish(market, buy, held.position.lots, limit, Kind.MARKET, 5, True, trigger, above)
    drift = rng.randint(-30, 30) * mark // 10_000
    kind = rng.choice([Kind.LIMIT, Kind.LIMIT, Kind.POST_ONLY, Kind.IOC, Kind.MARKET, Kind.FOK])
    return Wish(market, buy, lots, mark + drift, kind, rng.choice([1, 5, 10, 20]))


@pytest.mark.parametrize("seed", range(3))
def test_every_half_is_followed_by_its_user_and_all_identities_hold(seed):
    world = World(seed)
    for name in range(8):
        world.join(f"trader {name}", 300 * TON)
    wander(world, 1_500)
    counts, venue = world.engine.venue.counts, world.engine.venue
    assert counts.fills > 200
    assert counts.liquidations > 0
    assert counts.take_profits > 0
    assert counts.stop_losses > 0
    assert counts.settlements > 50
    assert counts.margin_moves > 50
    assert venue.lend_state_matches_channels()


def test_a_replay_arrives_at_the_same_state_and_the_same_books():
    world = World(7)
    for name in range(6):
        world.join(f"trader {name}", 300 * TON)
    wander(world, 600)
    replayed = world.replayed()
    assert replayed.digest() == world.engine.digest()
    assert replayed.book_digest() == world.engine.book_digest()


def test_a_taker_is_behind_until_he_signs_and_not_after():
    world = World()
    maker, taker = world.join("maker", 500 * TON), world.join("taker", 500 * TON)
    world.price(2, START[2])
    world.propose(maker, [Wish(2, True, 100, START[2])])
    replica = world.users[taker].replica
    assert not replica.is_behind
    world.propose(taker, [Wish(2, False, 40, START[2], Kind.IOC)])
    assert replica.is_behind
    world.propose(taker)
    assert not replica.is_behind
    assert replica.unanswered == 1  # the service has answered again; that asks for nothing
