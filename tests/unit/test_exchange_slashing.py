"""A bond that paid for a lie of the service: the ledger follows the vault, and every identity holds."""

from __future__ import annotations

import pytest
from tests.simulation.world import World

from fairway.errors import IllegalTransition, Rejected
from fairway.exchange import event, lifecycle
from fairway.exchange.ledger import BOND, INSURANCE, WORLD
from fairway.units import TON


@pytest.fixture
def world() -> World:
    world = World(3)
    world.put(event.BondPosted(at_ms=world.now_ms, amount=50 * TON, transaction=bytes(32)))
    return world


def slashed(world: World, channel_id: bytes, name: int) -> event.Slashed:
    return event.Slashed(at_ms=world.now_ms, channel_id=channel_id, transaction=bytes([name]) * 32)


def test_a_fine_goes_out_to_the_user_and_the_rest_of_the_stake_insures_everyone(world: World):
    channel_id, fine = world.join("alice", 100 * TON), world.engine.rules.fine
    before = dict(world.engine.venue.ledger.balances)
    world.put(slashed(world, channel_id, 1))
    after = world.engine.venue.ledger.balances
    moved = {name: after[name] - before[name] for name in (BOND, INSURANCE, WORLD)}
    assert moved == {BOND: -4 * fine, INSURANCE: 3 * fine, WORLD: fine}
    assert world.engine.venue.bonded == 50 * TON - 4 * fine
    world.engine.venue.check()


def test_one_transaction_is_told_once_and_of_a_channel_that_is_known(world: World):
    channel_id = world.join("alice", 100 * TON)
    world.put(slashed(world, channel_id, 1))
    with pytest.raises(Rejected, match=r"bond\.slashed"):
        world.engine.apply(slashed(world, channel_id, 1))
    with pytest.raises(Rejected, match=r"channel\.unknown"):
        world.engine.apply(slashed(world, bytes(16), 2))


def test_no_more_than_the_bond_is_taken(world: World):
    channel_id, fine, name = world.join("alice", 100 * TON), world.engine.rules.fine, 0
    while world.engine.venue.bonded:
        name += 1
        world.put(slashed(world, channel_id, name))
    assert name == -(-50 * TON // (4 * fine))
    assert world.engine.venue.ledger.balances[BOND] == 0
    with pytest.raises(Rejected, match=r"bond\.slashed"):
        world.engine.apply(slashed(world, channel_id, name + 1))
    world.engine.venue.check()


def test_planted_a_fine_that_leaves_uncounted_breaks_an_identity(world: World, monkeypatch):
    channel_id = world.join("alice", 100 * TON)
    monkeypatch.setattr(lifecycle, "slash_fine", lambda _: 0)
    real = lifecycle._draw
    monkeypatch.setattr(lifecycle, "_draw", lambda *told: real(*told[:2], world.engine.rules.fine, *told[3:]))
    with pytest.raises(IllegalTransition, match=r"venue\.lend_state"):
        world.engine.apply(slashed(world, channel_id, 1))


def test_a_lie_in_a_channel_that_the_journal_has_lost_costs_the_bond_all_the_same():
    world = World()
    world.put(event.BondPosted(at_ms=world.now_ms, amount=10 * TON, transaction=bytes(32)))
    world.put(slashed(world, event.NO_CHANNEL, 1))
    assert world.engine.venue.bonded == 8 * TON
    world.engine.venue.check()
