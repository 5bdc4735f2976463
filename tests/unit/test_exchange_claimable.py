"""Who is away is filled in no more orders than one claim can show; what cannot be claimed is not filled."""

from __future__ import annotations

import pytest
from tests.simulation.world import START, World

from fairway.client.wish import Wish
from fairway.exchange import claimable, trading
from fairway.exchange.change import Dropped, Filled
from fairway.exchange.claimable import MOST, SPARED, weight_of
from fairway.exchange.effect import Push
from fairway.exchange.terms import Kind
from fairway.units import TON

MARKET, MARK = 2, START[2]
OPENING = MOST - SPARED


def ladder(orders: int) -> tuple[World, bytes, bytes]:
    """A maker with so many orders, one lot each, a tick apart; and a taker who is always there."""
    world = World()
    world.price(MARKET, MARK)
    maker, taker = world.join("maker", 1_000 * TON), world.join("taker", 1_000 * TON)
    world.propose(maker, [Wish(MARKET, False, 1, MARK + place) for place in range(orders)])
    return world, maker, taker


def take(world: World, taker: bytes, lots: int, kind: Kind = Kind.IOC) -> None:
    world.propose(taker, [Wish(MARKET, True, lots, MARK + 500, kind)])


def told(world: World, name: bytes, kind: type) -> list[object]:
    pushes = [each for each in world.effects if isinstance(each, Push) and each.channel_id == name]
    return [change for each in pushes for change in each.changes if isinstance(change, kind)]


def test_one_sweep_of_a_ladder_fills_what_can_be_claimed_and_sends_the_rest_away():
    world, maker, taker = ladder(40)
    take(world, taker, 40)
    assert len(told(world, maker, Filled)) == OPENING == weight_of(world.engine.venue, maker)
    gone = [change.reason for change in told(world, maker, Dropped)]
    assert gone == ["unsigned"] * (40 - OPENING)


def test_what_is_never_met_stays_and_is_filled_once_its_owner_has_signed():
    world, maker, taker = ladder(40)
    for _ in range(OPENING):
        take(world, taker, 1)
    assert len(world.engine.accounts[maker].orders) == 40 - OPENING
    world.propose(maker)
    assert weight_of(world.engine.venue, maker) == 0
    take(world, taker, 5)
    assert len(told(world, maker, Filled)) == OPENING + 5
    assert not told(world, maker, Dropped)


def test_an_order_that_is_filled_again_and_again_is_one_receipt():
    world, maker, taker = ladder(OPENING - 1)
    world.propose(maker, [Wish(MARKET, False, 100, MARK + 400)])
    take(world, taker, OPENING - 1)
    for _ in range(50):
        take(world, taker, 1)
    assert len(told(world, maker, Filled)) == OPENING - 1 + 50
    assert weight_of(world.engine.venue, maker) == OPENING


def test_a_stop_still_reduces_for_who_has_been_away_too_long():
    world, maker, taker = ladder(30)
    stop = MARK + 1_000
    world.propose(
        maker,
        [Wish(MARKET, True, 30, stop + 500, Kind.MARKET, reduce_only=False, trigger_tick=stop, trigger_above=True)],
    )
    take(world, taker, 30)
    held = world.engine.accounts[maker].positions[MARKET].position.lots
    assert held == OPENING
    world.propose(taker, [Wish(MARKET, False, 40, stop + 100, Kind.POST_ONLY)])
    world.price(MARKET, stop)
    assert world.engine.accounts[maker].positions[MARKET].position.lots == held, "one that may open does not"


def test_one_that_only_reduces_has_room_to_itself():
    world, maker, taker = ladder(30)
    take(world, taker, 1)
    world.propose(
        maker,
        [
            Wish(
                MARKET,
                True,
                60,
                MARK + 1_500,
                Kind.MARKET,
                reduce_only=True,
                trigger_tick=MARK + 1_000,
                trigger_above=True,
            )
        ],
    )
    take(world, taker, 29)
    assert weight_of(world.engine.venue, maker) == OPENING
    world.propose(taker, [Wish(MARKET, False, 60, MARK + 1_100, Kind.POST_ONLY)])
    world.price(MARKET, MARK + 1_000)
    assert MARKET not in world.engine.accounts[maker].positions
    assert weight_of(world.engine.venue, maker) == OPENING + 2 <= MOST


def test_a_fill_or_kill_does_not_count_on_what_could_not_be_claimed():
    world, maker, taker = ladder(40)
    take(world, taker, OPENING + 1, Kind.FOK)
    assert not told(world, maker, Filled)
    take(world, taker, OPENING, Kind.FOK)
    assert len(told(world, maker, Filled)) == OPENING


def test_planted_where_nobody_counts_more_is_filled_than_one_claim_shows(monkeypatch):
    monkeypatch.setattr(trading, "would_fit", lambda *_: True)
    world, maker, taker = ladder(40)
    take(world, taker, 40)
    assert weight_of(world.engine.venue, maker) > MOST


@pytest.mark.parametrize(("waits", "trails", "weight"), [(False, False, 1), (True, False, 2), (True, True, 3)])
def test_what_is_shown_with_an_order_counts(waits, trails, weight):
    world, maker, _ = ladder(1)
    wish = Wish(
        MARKET,
        True,
        1,
        MARK + 100,
        Kind.MARKET,
        trigger_tick=MARK if waits else 0,
        trigger_above=waits,
        callback_ppm=10_000 if trails else 0,
    )
    terms = wish.terms(world.users[maker].replica.rules, maker, 99, world.engine.venue.rounds[MARKET])
    venue = world.engine.venue
    claimable.note_fill(venue, maker, terms, 7)
    assert weight_of(venue, maker) == weight
