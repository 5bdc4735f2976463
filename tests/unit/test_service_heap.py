"""The collector while a state is built, and after."""

import gc
import weakref

from tests.simulation.test_exchange_flow import wander
from tests.simulation.world import World

from fairway.exchange.engine import Engine
from fairway.exchange.event import decode
from fairway.service.heap import THRESHOLDS, building
from fairway.units import TON


class Node:
    """Something that can be part of a cycle."""

    def __init__(self):
        self.other = self


def test_the_engine_leaves_no_cycles_behind():
    world = World(3)
    for name in range(4):
        world.join(f"trader {name}", 300 * TON)
    wander(world, 200)
    gc.collect()
    gc.disable()
    try:
        engine = Engine()
        for payload in world.journal:
            engine.apply(decode(payload))
        assert gc.collect() == 0
        Node()
        assert gc.collect() > 0
    finally:
        gc.enable()


def test_what_was_built_is_never_walked_again_and_later_cycles_are_freed():
    before = gc.get_threshold()
    try:
        with building():
            assert not gc.isenabled()
            built = [[] for _ in range(1000)]
        assert gc.isenabled()
        assert gc.get_freeze_count() >= len(built)
        assert gc.get_threshold() == THRESHOLDS
        lost = weakref.ref(Node())
        gc.collect()
        assert lost() is None
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
