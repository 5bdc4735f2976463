import pytest

from fairway.errors import Rejected
from fairway.risk.contract import Contract, Payoff, brackets
from fairway.risk.funding import FundingTerms, funding_rate, next_index, premium_rate
from fairway.risk.mark import PREMIUM_SCALE, Premium, index_price, mark_price, moved
from fairway.units import FUNDING_SCALE

TERMS = FundingTerms(interest=100, damper=500, cap=7_500, interval_ms=28_800_000)
LINEAR, INVERSE = (Contract(payoff, 10**9, brackets([(10**18, 20_000, 10_000)]), 0, 0, 0) for payoff in Payoff)


def test_the_index_is_the_median_of_fresh_sources():
    assert index_price([(103, 10), (100, 10), (101, 10)], 10, 5) == 101
    assert index_price([(103, 10), (100, 10)], 10, 5) == 101
    assert index_price([(103, 4), (100, 5), (90, 11)], 10, 5) == 100
    assert index_price([(100, 5)], 10, 5, quorum=2) is None
    assert index_price([], 10, 5) is None


def test_one_liar_in_three_does_not_move_the_index_out_of_the_honest_range():
    for lie in (1, 100, 10**9):
        assert 100 <= index_price([(100, 0), (102, 0), (lie, 0)], 0, 0) <= 102


def test_the_premium_moves_toward_the_sample_and_never_past_it():
    start = Premium(0, 0)
    half = moved(start, 10, 500, 1_000)
    assert half == Premium(5 * PREMIUM_SCALE, 500)
    assert half.ticks == 5
    assert moved(half, 10, 10_000, 1_000).ticks == 10
    assert moved(half, 10, 499, 1_000) is half
    assert moved(half, 10, 500, 1_000) is half
    assert PREMIUM_SCALE == 1 << 16
    for sample in (-7, 7):
        assert 0 <= moved(start, sample, 1, 3).scaled / (sample * PREMIUM_SCALE) <= 1


def test_the_mark_stays_within_its_clamp_and_is_always_a_price():
    assert [mark_price(1_000, premium, 5_000) for premium in (3, 9, -9)] == [1_003, 1_005, 995]
    assert mark_price(1, -5, 999_999) == 1
    assert mark_price((1 << 32) - 1, 5_000_000, 5_000) == (1 << 32) - 1


def test_the_rate_follows_the_premium_damped_by_interest_and_capped():
    assert [funding_rate(premium, TERMS) for premium in (0, 100, 600, 700, -400, -500)] == [100, 100, 100, 200, 100, 0]
    assert [funding_rate(premium, TERMS) for premium in (10**6, -(10**6))] == [7_500, -7_500]
    assert premium_rate(Premium(5 * PREMIUM_SCALE, 0), 10_000) == 500


@pytest.mark.parametrize(
    "change", [{"interval_ms": 0}, {"damper": -1}, {"cap": 400}, {"cap": 10**6}, {"interest": -7_501}]
)
def test_funding_terms_that_contradict_themselves_are_refused(change):
    terms = {"interest": 100, "damper": 500, "cap": 7_500, "interval_ms": 1} | change
    with pytest.raises(Rejected):
        FundingTerms(**terms)


def test_funding_terms_are_lawful_up_to_their_bounds():
    for interest in (-7_500, 7_500):
        assert funding_rate(0, FundingTerms(interest, damper=0, cap=7_500, interval_ms=1)) == 0
    most = 10**6 - 1
    assert funding_rate(0, FundingTerms(most, damper=most, cap=most, interval_ms=1)) == most


def test_the_index_grows_by_the_rate_of_a_lots_value_and_for_the_time_that_passed():
    assert next_index(5, LINEAR, 1_000, 100, 1_000, 1_000) == 5 + 100_000_000 * FUNDING_SCALE
    assert next_index(5, LINEAR, 1_000, -100, 250, 1_000) == 5 - 25_000_000 * FUNDING_SCALE
    assert next_index(0, INVERSE, 1_000, 100, 1_000, 1_000) == 100 * FUNDING_SCALE


def test_the_index_never_leaves_its_bounds():
    one = {"contract": LINEAR, "mark": 1, "elapsed_ms": 1, "interval_ms": 65_536_000}
    last = (1 << 64) - 1
    assert next_index(last - 1, rate=1, **one) == last
    assert next_index(1 - last, rate=-1, **one) == -last
    for index, rate in ((last, 1), (-last, -1)):
        with pytest.raises(Rejected, match=r"risk\.funding_index"):
            next_index(index, rate=rate, **one)
