import pytest

from fairway.errors import IllegalTransition, Rejected
from fairway.market.instrument import Instrument, check_count, check_price, check_size, price_bounds
from fairway.market.trigger import Trailing, Triggers

RULES = Instrument(1, "TON-USD", min_lots=10, max_lots=1000, lot_step=5, price_band=100_000, max_orders=3)


@pytest.mark.parametrize(
    "change",
    [
        {"min_lots": 0},
        {"min_lots": 1005},
        {"min_lots": 11},
        {"lot_step": 0},
        {"price_band": 0},
        {"price_band": 1_000_000},
        {"max_orders": 0},
        {"market_id": 1 << 16},
    ],
)
def test_an_instrument_that_contradicts_itself_does_not_exist(change):
    terms = {"market_id": 1, "symbol": "X", "min_lots": 10, "max_lots": 1000, "lot_step": 5}
    terms |= {"price_band": 100_000, "max_orders": 3} | change
    with pytest.raises(Rejected):
        Instrument(**terms)


@pytest.mark.parametrize(
    "change",
    [{"market_id": 0}, {"max_lots": 10}, {"price_band": 1}, {"price_band": 999_999}, {"max_orders": 1}],
)
def test_an_instrument_is_lawful_up_to_its_bounds(change):
    terms = {"market_id": (1 << 16) - 1, "symbol": "X", "min_lots": 10, "max_lots": 1000, "lot_step": 5}
    terms |= {"price_band": 100_000, "max_orders": 3} | change
    assert price_bounds(Instrument(**terms), 1)[0] == 1


@pytest.mark.parametrize("lots", [5, 11, 1005, 0, -10])
def test_a_size_off_its_bounds_or_step_is_rejected(lots):
    with pytest.raises(Rejected, match=r"market\.size"):
        check_size(RULES, lots)


def test_sizes_on_the_step_are_lawful_up_to_both_bounds():
    for lots in (10, 15, 1000):
        check_size(RULES, lots)


def test_the_band_bounds_only_the_side_that_hurts():
    assert price_bounds(RULES, 1005) == (905, 1105)
    check_price(RULES, 1105, 1005, buy=True)
    check_price(RULES, 1, 1005, buy=True)
    check_price(RULES, 905, 1005, buy=False)
    check_price(RULES, 9999, 1005, buy=False)
    for limit, buy in ((1106, True), (904, False)):
        with pytest.raises(Rejected, match=r"market\.band"):
            check_price(RULES, limit, 1005, buy=buy)
    with pytest.raises(Rejected, match=r"units\.tick"):
        check_price(RULES, 1 << 32, 1005, buy=False)


def test_a_user_has_a_bounded_number_of_orders():
    check_count(RULES, 2)
    with pytest.raises(Rejected, match=r"market\.orders"):
        check_count(RULES, 3)


def test_sleeping_orders_wake_at_their_threshold_in_the_order_of_meeting_it():
    triggers = Triggers()
    for order_id, threshold, above in [(1, 105, True), (2, 103, True), (3, 105, True), (4, 95, False), (5, 97, False)]:
        triggers.add(order_id, threshold, above=above)
    assert triggers.fired(100) == []
    assert triggers.fired(105) == [2, 1, 3]
    assert list(triggers) == [(5, 97, False), (4, 95, False)]
    assert triggers.fired(95) == [5, 4]
    assert len(triggers) == 0


def test_a_woken_order_sleeps_no_more_and_a_removed_one_never_wakes():
    triggers = Triggers()
    triggers.add(1, 105, above=True)
    triggers.add(2, 105, above=True)
    triggers.remove(1)
    assert (1 in triggers, 2 in triggers) == (False, True)
    assert triggers.fired(200) == [2]
    assert 2 not in triggers
    assert triggers.fired(200) == []
    for order_id in (1, 2):
        with pytest.raises(Rejected):
            triggers.remove(order_id)


def test_an_order_sleeps_once():
    triggers = Triggers()
    triggers.add(1, 105, above=True)
    with pytest.raises(IllegalTransition):
        triggers.add(1, 90, above=False)


def test_a_trailing_stop_follows_the_best_price_and_never_goes_back():
    triggers = Triggers()
    triggers.add_trailing(Trailing(1, above=False, callback_ppm=100_000, extreme=1000))
    assert [(triggers.fired(price), triggers.follow(price)) for price in (950, 1200, 1100)] == [
        ([], []),
        ([], [1]),
        ([], []),
    ]
    assert list(triggers) == [(1, 1080, False)]
    assert triggers.fired(1081) == []
    assert triggers.fired(1080) == [1]
    assert len(triggers) == 0


def test_the_trailing_stop_of_a_short_follows_a_falling_price():
    triggers = Triggers()
    triggers.add_trailing(Trailing(1, above=True, callback_ppm=100_000, extreme=1000))
    assert [(triggers.fired(price), triggers.follow(price)) for price in (1099, 801, 881)] == [
        ([], []),
        ([], [1]),
        ([], []),
    ]
    assert triggers.fired(882) == [1]
