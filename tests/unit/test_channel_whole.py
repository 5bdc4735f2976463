"""R6, step by step: which pairs A may adopt, and which half of B anyone may recall."""

from dataclasses import replace

import pytest

from fairway.channel.dispute import A, B, start
from fairway.channel.state import Body, Half
from fairway.channel.whole import adopt, recall
from fairway.errors import Rejected

PROMISES = b"\x05" * 32
EXPECTED = (20, PROMISES)


def half(seqno, cited=0, sent=0, promises=bytes(32)):
    return Half(7, Body(seqno, sent, promises), Body(cited, 0, bytes(32)) if cited else None)


def due(seqno, cited=9):
    """A's half that says what is expected."""
    return half(seqno, cited, *EXPECTED)


DISPUTE = start(B, (half(5, 6), half(8, 5)), committed=(4, 7))
"""Floors: 5 for A (B's half cites it), 7 for B."""


def test_a_side_s_floor_is_the_higher_of_what_is_committed_and_what_the_other_half_cites():
    assert DISPUTE.floors == (5, 7)


@pytest.mark.parametrize(("mine", "theirs"), [(due(5), half(7, 5)), (due(6), half(7, 5)), (due(9), half(30, 6))])
def test_a_pair_at_the_floors_that_says_what_is_expected_is_adopted(mine, theirs):
    after = adopt(DISPUTE, (mine, theirs), EXPECTED)
    assert after == replace(DISPUTE, pair=(mine, theirs), adopted=True)


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [(due(4), half(7, 5)), (due(5), half(7, 4)), (due(5), half(7)), (due(5), half(6, 5)), (due(4), half(6, 4))],
)
def test_what_is_below_a_floor_is_outdated(mine, theirs):
    with pytest.raises(Rejected) as caught:
        adopt(DISPUTE, (mine, theirs), EXPECTED)
    assert (caught.value.code, caught.value.facts) == ("dispute.outdated", {"floor": 5})


def test_after_an_adoption_only_a_newer_half_of_b_is_adopted():
    first = adopt(DISPUTE, (due(5), half(10, 5)), EXPECTED)
    for seqno in (9, 10):
        with pytest.raises(Rejected) as caught:
            adopt(first, (due(6), half(seqno, 5)), EXPECTED)
        assert caught.value.code == "dispute.outdated"
    assert adopt(first, (due(6), half(11, 5)), EXPECTED).pair[B].seqno == 11


@pytest.mark.parametrize("mine", [half(5, 9, 21, PROMISES), half(5, 9, 20), half(5, 9, 19, PROMISES)])
def test_a_half_that_says_something_else_is_unexpected(mine):
    with pytest.raises(Rejected) as caught:
        adopt(DISPUTE, (mine, half(7, 5)), EXPECTED)
    assert (caught.value.code, caught.value.facts) == ("dispute.unexpected", {"sent": 20})


def test_the_half_of_b_that_a_cites_takes_the_place_of_another_and_of_nothing_else():
    cited = half(6, 4)
    after = recall(DISPUTE, cited)
    assert after == replace(DISPUTE, pair=(DISPUTE.pair[A], cited))
    for dispute, wrong in (
        (after, cited),  # it stands there already
        (DISPUTE, half(6, 4, sent=1)),  # not the one that A cites
        (DISPUTE, DISPUTE.pair[B]),
        (replace(DISPUTE, adopted=True), cited),
    ):
        with pytest.raises(Rejected) as caught:
            recall(dispute, wrong)
        assert (caught.value.code, caught.value.facts) == ("dispute.uncited", {})
