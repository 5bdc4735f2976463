"""What an image holds is the state: every attribute, every sharing, and everything that happens after."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from fairway.errors import Unavailable
from fairway.exchange import event
from fairway.service import image, kinds, shells
from fairway.service.state import State
from fairway.units import TON
from tests.simulation.alike import PLAIN, attributes, check_alike
from tests.simulation.exchange_machine import ExchangeMachine
from tests.simulation.test_exchange_flow import wander
from tests.simulation.world import World

LENDER = "0:" + "22" * 32


def apply(state, payload):
    """One more entry; what comes of it."""
    happened = event.decode(payload)
    effects = state.engine.apply(happened)
    state.recall(happened, effects)
    return effects


def replayed(journal):
    state = State()
    for payload in journal:
        apply(state, payload)
    return state


def check_restored(journal, cut):
    """The state after `cut` entries is itself again from its image, and goes on as it would have."""
    replay = replayed(journal[:cut])
    digest = replay.engine.digest()
    written = image.write(replay)
    restored = image.read(written)
    assert image.write(restored) == written
    check_alike(replay, restored)
    assert restored.engine.digest() == digest
    for payload in journal[cut:]:
        check_alike(apply(replay, payload), apply(restored, payload), shared=False)
        assert restored.engine.digest() == replay.engine.digest()
    check_alike(replay, restored, shared=False)
    restored.engine.venue.check()


@pytest.fixture(scope="module")
def eventful():
    """A journal in which users trade, leave and are liquidated, and lenders come and go."""
    world = World(3)
    names = [world.join(f"trader {name}", 300 * TON) for name in range(6)]
    wander(world, 250)
    world.lend(LENDER, 40 * TON)
    world.switch(1, 2)
    world.switch(0, 2)
    world.assess()
    wander(world, 250)
    signing = [name for name in names if world.engine.channels[name].a is not None]
    world.dispute(signing[0])
    world.dispute(signing[1], stale=1)
    for market in (1, 2):
        world.now_ms += 6_000
        world.price(market, 51_000)
    world.end(signing[0])
    world.leave(LENDER, 5 * TON, 40 * TON, 5 * TON)
    return world.journal


@pytest.mark.parametrize("part", [0, 35, 70, 98, 100])
def test_a_state_comes_back_from_its_image_whole_and_goes_on_as_it_would_have(eventful, part):
    check_restored(eventful, max(1, len(eventful) * part // 100))


class Restored(ExchangeMachine):
    """Histories that hypothesis draws, each cut somewhere."""

    def teardown(self):
        world = getattr(self, "world", None)
        if world is not None and not world.is_broken:
            check_restored(world.journal, random.Random(len(world.journal)).randrange(1, len(world.journal)))


def test_whatever_may_happen_to_a_venue_is_in_its_image():
    chosen = settings(
        max_examples=12,
        stateful_step_count=60,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        deadline=None,
        database=None,
    )
    run_state_machine_as_test(seed(20_251)(Restored), settings=chosen)


def fields_held(thing):
    """Every field of every class in a graph, with an object that holds something there; found without the codec."""
    found, waiting, seen = {}, [thing], set()
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, PLAIN):
            continue
        seen.add(id(each))
        if isinstance(each, dict):
            waiting += [*each, *each.values()]
        elif isinstance(each, (list, tuple, set, frozenset)) or type(each).__name__ == "deque":
            waiting += each
        elif type(each).__module__.startswith("fairway"):
            held = attributes(each)
            found |= {(type(each), name): each for name, value in held.items() if value is not None}
            waiting += held.values()
    return found


def test_a_field_that_is_left_out_is_found_whichever_it_is(eventful, monkeypatch):
    """The planted bugs: an image without one field, for every field of every class of the state."""
    honest, planted = kinds.form_of, 0
    for (kind, name), holder in fields_held(replayed(eventful[:300])).items():
        if not isinstance(honest(kind, holder), shells.Record):
            continue

        def forgetful(asked, example, kind=kind, name=name):
            form = honest(asked, example)
            if asked is kind:
                return shells.Record(form.name, kind, [field for field in form.fields if field != name])
            return form

        monkeypatch.setattr(kinds, "form_of", forgetful)
        monkeypatch.setattr(image, "form_of", forgetful)
        with pytest.raises((AssertionError, TypeError, Unavailable)):
            check_alike(holder, image.read(image.write(holder)))
        planted += 1
    assert planted > 150
