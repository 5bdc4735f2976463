"""What the vault was told of the pool is held against what the records show of it."""

from __future__ import annotations

import pytest

from fairway.audit.lie import Lie
from fairway.audit.onchain import Posted, check_posts
from fairway.exchange.shown import Shown
from fairway.units import FUNDING_SCALE

RECORD = b"r" * 32
ZEROS = dict.fromkeys(Shown._fields, 0)
SHOWN = {RECORD: Shown(**ZEROS | {"worth": 1_100 * FUNDING_SCALE, "shares": 1_000, "txid": RECORD})}


@pytest.mark.parametrize(
    ("before", "value"), [(1_000, 1_100), (1_000, 1_050), (1_100, 1_100), (2_000, 1_500), (2_000, 1_100)]
)
def test_a_value_on_the_way_to_what_is_proven_passes(before, value):
    check_posts([Posted(before, value, 1_000, RECORD)], SHOWN)


@pytest.mark.parametrize(("before", "value"), [(1_000, 1_101), (1_000, 999), (2_000, 1_099), (1_100, 1_099)])
def test_a_value_past_it_or_away_from_it_is_named(before, value):
    with pytest.raises(Lie, match=r"audit\.posted"):
        check_posts([Posted(before, value, 1_000, RECORD)], SHOWN)


def test_a_value_from_no_record_is_named():
    with pytest.raises(Lie, match=r"audit\.posted"):
        check_posts([Posted(1_000, 1_100, 1_000, b"x" * 32)], SHOWN)
