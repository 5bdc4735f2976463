"""A map of which most is made again when somebody looks is the same map, and weighs what was touched."""

from __future__ import annotations

import pickle

import pytest
from benchmarks import flow
from hypothesis import given, settings
from hypothesis import strategies as st

from fairway.channel import conditionals
from fairway.channel.conditionals import FOLDED, Conditional, Conditionals
from fairway.errors import IllegalTransition, Rejected
from fairway.exchange.rules import Rules
from fairway.exchange.untouched import Untouched
from fairway.ton.cells import Bits

CODE = Bits().uint(8, 7).cell()


def conditional(number):
    return Conditional(Bits().uint(64, number).cell(), CODE, number)


class Numbers:
    """A recipe for some keys, each with what its number says; how often it was asked is counted."""

    def __init__(self, keys, add=0):
        self.known, self.add, self.made = sorted(keys), add, 0

    def keys(self, first, beyond):
        return [key for key in self.known if first <= key < beyond]

    def make(self, key):
        self.made += 1
        return conditional(key + self.add)


def whole(keys):
    return Conditionals((key, conditional(key)) for key in keys)


def nodes(map_):
    """How many nodes a map keeps."""
    return map_._root.kept


def check_same(folded, kept):
    assert folded == kept
    assert folded.root_hash() == kept.root_hash()
    assert folded.root_cell().hash == kept.root_cell().hash
    assert list(folded.items()) == list(kept.items())
    assert (len(folded), folded.maximum()) == (len(kept), kept.maximum())


ANY = st.integers(0, 2**32 - 1)
NEAR = st.integers(2**31, 2**31 + 300)


@settings(max_examples=25, deadline=None)
@given(
    keys=st.sets(st.one_of(NEAR, ANY), min_size=FOLDED + 1, max_size=150),
    steps=st.lists(st.tuples(st.sampled_from(["add", "replace", "drop"]), st.one_of(NEAR, ANY), ANY), max_size=25),
)
def test_whatever_is_done_to_a_folded_map_it_is_the_map_that_was_kept(keys, steps):
    kept, folded = whole(keys), whole(keys).folded(Numbers(keys))
    check_same(folded, kept)
    for what, key, number in steps:
        place = sorted(kept)[number % len(kept)] if number % 3 else key
        arguments = (place,) if what == "drop" else (place, conditional(number))
        try:
            kept = getattr(kept, what)(*arguments)
        except Rejected as refusal:
            with pytest.raises(Rejected, match=refusal.code):
                getattr(folded, what)(*arguments)
        else:
            folded = getattr(folded, what)(*arguments)
        assert folded.get(place) == kept.get(place)
        assert (place in folded) == (place in kept)
        assert folded.root_hash() == kept.root_hash()
    check_same(folded, kept)


def test_a_change_makes_again_what_is_near_it_and_keeps_its_own_path():
    keys = range(2**31, 2**31 + 1000)
    recipe = Numbers(keys)
    folded = whole(keys).folded(recipe)
    assert nodes(folded) < 1000 // FOLDED * 4
    changed = folded.replace(2**31 + 500, conditional(7))
    assert 0 < recipe.made <= FOLDED + 1
    assert nodes(changed) <= nodes(folded) + 2 * FOLDED.bit_length()
    assert recipe.made == (made := recipe.made)
    assert changed.get(2**31 + 500) == conditional(7)
    assert recipe.made == made, "what was changed is there"


def test_a_small_map_is_kept_whole():
    keys = range(FOLDED)
    assert nodes(whole(keys).folded(Numbers(keys))) == 2 * FOLDED - 1


@pytest.mark.parametrize("recipe", [Numbers(range(99), add=1), Numbers(range(50)), Numbers(range(1, 99)), Numbers(())])
def test_a_recipe_that_makes_another_map_is_our_own_fault(recipe):
    """The planted bugs: other conditionals, fewer keys."""
    folded = whole(range(99)).folded(recipe)
    for act in (lambda: list(folded), folded.root_cell):
        with pytest.raises(IllegalTransition, match=r"channel\.recipe"):
            act()
    assert folded == whole(range(99))


def test_a_venue_of_many_markets_ends_in_the_same_state_folded_and_kept(monkeypatch):
    folded = flow.record(60, users=4, markets=70)
    monkeypatch.setattr(conditionals, "FOLDED", 1 << 32)
    kept = flow.record(60, users=4, markets=70)
    assert folded == kept
    assert folded.orders > 20


def test_the_promises_of_an_untouched_market_name_its_channel():
    rules = Rules(flow._founded(3))
    one, other = (Untouched(rules, bytes([name]) * 16).promises() for name in (1, 2))
    assert len(one) == 3
    assert one != other


def test_an_image_keeps_what_was_touched_and_is_read_when_somebody_asks():
    keys = range(2**31, 2**31 + 200)
    changed = whole(keys).folded(Numbers(keys)).replace(2**31 + 70, conditional(7)).add(9, conditional(9))
    image = changed.__getstate__()
    assert len(image.keys) < 2 * FOLDED
    again = pickle.loads(pickle.dumps(changed))
    assert again._image.keys == image.keys, "nobody asked yet"
    check_same(again, changed)
    assert nodes(again) <= nodes(changed)
    with pytest.raises(AttributeError):
        _ = again._image


@pytest.mark.parametrize("wrong", [{"root_hash": bytes(32)}, {"conditionals": ()}, {"recipe": Numbers(range(3))}])
def test_an_image_of_another_map_is_our_own_fault(wrong):
    read = Conditionals.__new__(Conditionals)
    read.__setstate__(
        whole(range(50)).folded(Numbers(range(50))).replace(3, conditional(8)).__getstate__()._replace(**wrong)
    )
    with pytest.raises((IllegalTransition, ValueError)):
        read.root_hash()
