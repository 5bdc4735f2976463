"""A recording on the scale of our market: proportions are kept, the depth follows the exchange's own rule."""

from __future__ import annotations

import pytest
import recorded
from recorded import T0

from fairway.cli.demo.feed import Depth, Quote, Snapshot, Survey, Trade, records
from fairway.cli.demo.picture import Picture, Recording, Scale
from fairway.exchange.listing import default_listings
from fairway.units import TON

UNIT = 10**8
STEP = UNIT // 100
CONTRACT = default_listings()[1].contract
START = 51_500


def scale(price=2_681_620_000 * 100, step=STEP):
    return Scale.of(Survey(T0, T0 + 9, price, step, 1, 2, 4 * UNIT), CONTRACT, START, 20 * TON)


def picture():
    return Picture.of(scale(), Survey(T0, T0 + 9, 2_681_620_000 * 100, STEP, 1, 2, 4 * UNIT))


@pytest.mark.parametrize(
    ("price", "step", "ticks"),
    [(2_681_62 * STEP, STEP, 1), (60_000 * UNIT, STEP, 1), (10_000 * 1_000, 1_000, 5), (3, 1, 17_167)],
)
def test_a_recorded_step_is_a_whole_number_of_ticks_and_at_least_one(price, step, ticks):
    made = scale(price, step)
    assert made.ticks == ticks
    assert made.tick(price + step) - made.tick(price) == ticks


def test_moves_keep_their_proportion():
    made = scale()
    assert made.tick(268_484 * STEP) * 267_790 == made.tick(267_790 * STEP) * 268_484


def test_a_trade_of_mean_size_is_worth_what_was_asked_and_sizes_keep_their_proportion():
    made = scale()
    lots, price = made.lots(2 * UNIT), made.tick(268_162 * STEP)
    one = price * CONTRACT.unit
    assert 20 * TON - one < lots * one <= 20 * TON
    assert 0 <= made.lots(200 * UNIT) - 100 * lots < 100
    assert made.lots(0) == 1


def test_before_anything_is_played_every_source_but_the_depth_has_the_first_price():
    assert [(name, price, at) for name, price, at in picture().sources()] == [
        ("ticker", 268_162, T0),
        ("trades", 268_162, T0),
    ]


def shown(*read):
    seen = picture()
    for record in read:
        seen.show(record)
    return seen


def level(step, size=1):
    return step * STEP, size * UNIT


def ticks(seen, count=9):
    return [(bid[0], ask[0]) for bid, ask in seen.levels(count)]


WHOLE = Snapshot(T0, 10, [level(99), level(98), level(97)], [level(101), level(102), level(103)])
BEST = Quote(T0, 99 * STEP, UNIT, 101 * STEP, UNIT, STEP)


def test_the_depth_stands_behind_the_newest_quote():
    assert ticks(shown(WHOLE, BEST)) == [(99, 101), (98, 102), (97, 103)]
    assert ticks(shown(WHOLE, BEST), 2) == [(99, 101), (98, 102)]


def test_a_quote_newer_than_the_depth_hides_what_it_crosses():
    newer = Quote(T0, 97 * STEP, UNIT, 98 * STEP, UNIT, STEP)
    assert ticks(shown(WHOLE, newer)) == [(97, 98)]


def test_an_update_sets_sizes_and_zero_takes_a_price_away():
    update = Depth(T0, 11, 12, 10, [level(98, 0)], [level(102, 7)])
    seen = shown(WHOLE, update, BEST)
    assert ticks(seen) == [(99, 101), (97, 102)]
    assert seen.levels(2)[1][1][1] == seen.scale.lots(7 * UNIT)


def test_an_update_that_the_snapshot_covers_changes_nothing():
    assert ticks(shown(WHOLE, Depth(T0, 9, 10, 8, [level(98, 0)], []), BEST)) == [(99, 101), (98, 102), (97, 103)]


def test_updates_that_came_before_the_snapshot_count_if_they_go_beyond_it():
    early = [Depth(T0, 9, 10, 8, [level(99, 0)], []), Depth(T0, 15, 16, 10, [level(98, 0)], [])]
    assert ticks(shown(*early, WHOLE, BEST)) == [(99, 101), (97, 102)]


def test_a_missing_update_ends_the_depth_until_the_next_snapshot():
    seen = shown(WHOLE, Depth(T0, 20, 21, 19, [level(98, 0)], []), BEST)
    assert ticks(seen) == [(99, 101)]
    assert "depth" not in [name for name, *_ in seen.sources()]
    seen.show(Snapshot(T0, 30, [level(96)], [level(104)]))
    assert ticks(seen) == [(99, 101), (96, 104)]


def test_every_source_has_its_price_and_its_time():
    seen = shown(WHOLE, Trade(T0 + 1, 102 * STEP, UNIT, False, STEP), Quote(T0 + 5, 98 * STEP, 1, 100 * STEP, 1, STEP))
    assert list(seen.sources()) == [("ticker", 99, T0 + 5), ("trades", 102, T0 + 1), ("depth", 100, T0 + 5)]


def test_orders_come_from_groups_of_trades_spread_over_the_whole_recording(tmp_path):
    path = recorded.write(tmp_path / "feed", recorded.wandering(100))
    assert Recording.read(path, CONTRACT, START, 1_000).group == 1
    assert Recording.read(path, CONTRACT, START, 100).group == 2
    assert Recording.read(path, CONTRACT, START, 60).group == 4


def test_the_chain_begins_before_the_recording(tmp_path):
    path = recorded.write(tmp_path / "feed", recorded.wandering(10))
    _, begins = Recording.read(path, CONTRACT, START, 1_000).chain_options
    assert 0 < int(begins) < T0 // 1000


@pytest.mark.slow
def test_the_real_depth_agrees_with_the_real_quotes_to_the_end():
    recording = Recording.read(recorded.real(), CONTRACT, START, 2_000)
    seen = Picture.of(recording.scale, recording.found)
    for record in records(recording.path):
        seen.show(record)
    prices = [price for _, price, _ in seen.sources()]
    assert len(prices) == 3
    assert max(prices) - min(prices) <= max(prices) // 1_000
    assert len(seen.levels(5)) == 5
