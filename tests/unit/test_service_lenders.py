"""What the service posts of the pool: the proven price of a share, as far as the vault lets it go at once."""

from __future__ import annotations

import pytest

from fairway.exchange.effect import PostValue
from fairway.service.lenders import posted_value
from fairway.ton.vault_views import PoolView
from fairway.units import FUNDING_SCALE


def pool(value):
    return PoolView(value, 1_000, 3, 0, bytes(32), ())


def shown(price):
    """A pool of 500 shares, each worth `price`."""
    return PostValue(b"r" * 32, 500 * price * FUNDING_SCALE, 500)


@pytest.mark.parametrize(
    ("value", "price", "most", "posted"),
    [
        (1_000, 1, 10_000, 1_000),
        (4_000, 4, 10_000, 4_000),
        (4_000, 5, 10_000, 5_000),
        (4_000, 9, 10_000, 5_000),
        (4_000, 1, 10_000, 3_000),
        (4_000, 5, 4_500, 4_500),
        (4_000, 5, 3_000, 4_000),
        (4_000, 3, 2_000, 4_000),
    ],
    ids=["same", "same of more", "a step", "one step of many", "one down", "what is there", "not there", "nor below"],
)
def test_a_posted_value_moves_towards_the_proven_price_and_never_past_it(value, price, most, posted):
    assert posted_value(pool(value), shown(price), most) == posted
