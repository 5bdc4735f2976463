"""No blinding serves two commitments: with two under one blinding, their difference would show."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from fairway.exchange.settling import Settling

NAMES = ("LS0", "LS1", "Q", "C", "K", "IM", "AM", "P", "e", "eC", "eK", "low", "high", "b", "cover")


class Stuck(Settling):
    """The planted bug: the counter of records stands still."""

    __slots__ = ()

    def _fresh(self):
        self._slots = 0
        return super()._fresh()


def blindings(kind: type[Settling], secret: bytes, records: int) -> list[int]:
    settling = kind(None, secret, 0)
    drawn = [settling.pool.blinding]
    for _ in range(records):
        fresh = settling._fresh()
        drawn += [fresh(name) for name in NAMES]
    return drawn


@given(st.sets(st.binary(min_size=32, max_size=32), min_size=1, max_size=3), st.integers(1, 20))
def test_blindings_never_repeat_in_one_venue_or_between_two(secrets, records):
    drawn = [each for secret in secrets for each in blindings(Settling, secret, records)]
    assert len(set(drawn)) == len(drawn)


def test_a_replay_draws_the_same_blindings():
    first, again = (blindings(Settling, bytes(32), 5) for _ in range(2))
    assert first == again
    assert all(a != b for a, b in pairwise(first))


def test_a_counter_that_stands_still_is_caught():
    drawn = blindings(Stuck, bytes(32), 2)
    assert len(set(drawn)) < len(drawn)
