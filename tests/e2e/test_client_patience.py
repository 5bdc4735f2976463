"""An online user signs what he owes in good time, for no other reason than the venue's patience."""

from __future__ import annotations

from tests.simulation.world import World

from fairway.client.session import SIGN_AFTER
from fairway.client.wish import Wish
from fairway.exchange.terms import Kind
from fairway.units import TON


def test_a_taker_is_behind_until_he_signs_and_not_after():
    world = World()
    maker, taker = world.join("maker", 500 * TON), world.join("taker", 500 * TON)
    world.price(2, 51_500)
    world.propose(maker, [Wish(2, True, 100, 51_500)])
    replica = world.users[taker].replica
    assert not replica.is_behind
    world.propose(taker, [Wish(2, False, 40, 51_500, Kind.IOC)])
    assert replica.is_behind
    world.propose(taker)
    assert not replica.is_behind
    assert replica.unanswered == 1  # the service has answered again; that asks for nothing


def test_the_session_signs_well_within_the_patience():
    assert SIGN_AFTER >= 2
