"""Candles against a count by hand: whatever was filled when, every interval says the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairway.errors import IllegalTransition
from fairway.market import candle
from fairway.market.candle import DAY_MS, INTERVALS_MS, KEPT, MINUTE_MS, Candle, Candles

BEGIN_MS = 1_699_833_600_000  # a Monday, midnight
FILLS = st.lists(
    st.tuples(
        st.sampled_from([0, 1, MINUTE_MS - 1, MINUTE_MS, 17 * MINUTE_MS, 5 * 60 * MINUTE_MS, 2 * DAY_MS]),
        st.integers(1, 1000),
        st.integers(1, 50),
        st.booleans(),
    ),
    min_size=1,
    max_size=30,
)


def recorded(steps):
    """Candles of fills so far apart, and the fills (at_ms, price, lots, taker_buys)."""
    candles, fills, at_ms = Candles(), [], BEGIN_MS
    for step, price, lots, buys in steps:
        at_ms += step
        candles.add(at_ms, price, lots, taker_buys=buys)
        fills.append((at_ms, price, lots, buys))
    return candles, fills


def by_hand(fills, length, opens_ms):
    """The candle of one span, from the fills alone; flat at the close before it."""
    inside = [fill for fill in fills if opens_ms <= fill[0] < opens_ms + length]
    if not inside:
        close = [fill for fill in fills if fill[0] < opens_ms][-1][1]
        return Candle(opens_ms, close, close, close, close)
    prices = [price for _, price, _, _ in inside]
    lots = sum(lots for _, _, lots, _ in inside)
    turnover = sum(price * lots for _, price, lots, _ in inside)
    bought = sum(lots for _, _, lots, buys in inside if buys)
    return Candle(opens_ms, prices[0], max(prices), min(prices), prices[-1], lots, turnover, len(inside), bought)


@given(steps=FILLS, interval=st.sampled_from(sorted(INTERVALS_MS)), after=st.integers(0, DAY_MS))
def test_every_interval_is_what_a_count_by_hand_gives(steps, interval, after):
    candles, fills = recorded(steps)
    length, until_ms = INTERVALS_MS[interval], fills[-1][0] + after
    made = candles.newest(interval, 200, until_ms)
    assert made == [by_hand(fills, length, each.opens_ms) for each in made]
    assert [each.opens_ms - made[0].opens_ms for each in made] == [place * length for place in range(len(made))]
    assert made[-1].opens_ms <= until_ms < made[-1].opens_ms + length
    assert len(made) == 200 or made[0].opens_ms <= fills[0][0] < made[0].opens_ms + length


@given(steps=FILLS)
def test_a_day_rolls_by_the_minute(steps):
    candles, fills = recorded(steps)
    now_ms = fills[-1][0]
    since = now_ms - now_ms % MINUTE_MS - DAY_MS + MINUTE_MS
    assert candles.rolling(now_ms).lots == sum(lots for at_ms, _, lots, _ in fills if at_ms >= since)


def test_a_market_that_rests_a_day_has_its_last_price_and_nothing_more():
    candles, fills = recorded([(0, 7, 3, True)])
    assert candles.rolling(fills[0][0] + 2 * DAY_MS) == Candle(
        fills[0][0] - fills[0][0] % 1 + DAY_MS + MINUTE_MS, 7, 7, 7, 7
    )


def test_no_market_makes_a_candle_before_its_first_fill():
    assert Candles().newest("1m", 10, BEGIN_MS) == []
    assert Candles().rolling(BEGIN_MS) is None
    candles, _ = recorded([(MINUTE_MS, 5, 1, True)])
    assert candles.newest("1m", 10, BEGIN_MS) == []


def test_weeks_begin_on_a_monday():
    candles, _ = recorded([(3 * DAY_MS, 5, 1, True)])
    assert [each.opens_ms for each in candles.newest("1w", 1, BEGIN_MS + 3 * DAY_MS)] == [BEGIN_MS]


def test_no_market_fills_the_memory():
    candles, _ = recorded([(MINUTE_MS, 5, 1, True)] * (KEPT + 10))
    assert len(candles.newest("1m", 2 * KEPT, BEGIN_MS + (KEPT + 10) * MINUTE_MS)) == KEPT


def test_a_fill_before_the_newest_candle_is_our_own_fault():
    candles, _ = recorded([(MINUTE_MS, 5, 1, True)])
    with pytest.raises(IllegalTransition, match=r"market\.candle"):
        candles.add(BEGIN_MS, 5, 1, taker_buys=True)


def test_a_planted_bug_is_caught(monkeypatch):
    """A gap filled at the open before it instead of the close."""
    flat = candle._flat

    def planted(before, opens_ms):
        return flat(Candle(0, before.open, before.high, before.low, before.open), opens_ms)

    monkeypatch.setattr(candle, "_flat", planted)
    with pytest.raises(AssertionError):
        test_every_interval_is_what_a_count_by_hand_gives.hypothesis.inner_test(
            steps=[(0, 5, 1, True), (1, 9, 1, True), (2 * MINUTE_MS, 9, 1, True)], interval="1m", after=0
        )
