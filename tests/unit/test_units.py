"""Units: every bound from both sides, every rounding by its own definition, amounts of TON as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairway import units
from fairway.errors import Rejected
from fairway.units import check_lots, check_nano, check_tick, div_down, div_up, format_ton, parse_ton, share_down

WHOLE = st.integers(-(1 << 200), 1 << 200)
POSITIVE = st.integers(1, 1 << 100)
BOUNDED = [(check_nano, "units.nano", 0, 1 << 63), (check_lots, "units.lots", 1, 1 << 48)]
BOUNDED += [(check_tick, "units.tick", 1, 1 << 32)]


@given(WHOLE, POSITIVE)
def test_a_quotient_rounded_down_is_the_greatest_that_fits(numerator, divisor):
    assert 0 <= numerator - div_down(numerator, divisor) * divisor < divisor


@given(WHOLE, POSITIVE)
def test_a_quotient_rounded_up_is_the_least_that_covers(numerator, divisor):
    assert 0 <= div_up(numerator, divisor) * divisor - numerator < divisor


@given(WHOLE, WHOLE, POSITIVE)
def test_a_share_is_its_part_of_the_value_rounded_down(value, part, whole):
    assert 0 <= value * part - share_down(value, part, whole) * whole < whole


@pytest.mark.parametrize(("check", "code", "least", "bound"), BOUNDED)
def test_a_value_within_its_bounds_is_itself_and_one_outside_is_refused(check, code, least, bound):
    assert check(least) == least
    assert check(bound - 1) == bound - 1
    for value in (least - 1, bound, -bound):
        with pytest.raises(Rejected) as refused:
            check(value)
        assert (refused.value.code, refused.value.facts) == (code, {"value": value})


@given(st.integers(0, (1 << 63) - 1))
def test_an_amount_that_is_written_down_is_read_back(value):
    assert parse_ton(format_ton(value)) == value
    assert format_ton(-value) == ("-" if value else "") + format_ton(value)


@pytest.mark.parametrize(
    ("text", "nano"),
    [
        ("0", 0),
        ("7", 7 * units.TON),
        ("1.5", 1_500_000_000),
        ("1.500000000", 1_500_000_000),
        ("0.000000001", 1),
        ("007.03", 7_030_000_000),
        ("9223372036.854775807", (1 << 63) - 1),
    ],
)
def test_amounts_of_ton_are_read(text, nano):
    assert parse_ton(text) == nano


@pytest.mark.parametrize(
    ("nano", "text"), [(0, "0"), (1, "0.000000001"), (10 * units.TON, "10"), (-1_500_000_000, "-1.5")]
)
def test_amounts_of_ton_are_written_without_trailing_zeros(nano, text):
    assert format_ton(nano) == text


@pytest.mark.parametrize(
    "text",
    ["", ".", ".5", "5.", "-1", "+1", "1e3", " 1", "1_000", "1.2.3", "1,5", "0.0000000001", "٣", "1.٣", "²", "1.-5"],
)
def test_what_is_no_plain_decimal_is_refused(text):
    with pytest.raises(Rejected) as refused:
        parse_ton(text)
    assert (refused.value.code, refused.value.facts) == ("units.ton", {"text": text})


def test_a_refusal_repeats_no_more_than_the_beginning_of_a_long_text():
    with pytest.raises(Rejected) as refused:
        parse_ton("1" * 39 + "x" * 5)
    assert refused.value.facts == {"text": "1" * 39 + "x"}


def test_more_ton_than_an_amount_can_hold_is_refused_as_an_amount():
    with pytest.raises(Rejected) as refused:
        parse_ton("9223372036.854775808")
    assert refused.value.code == "units.nano"


def test_the_bounds_are_those_of_the_settlement():
    """docs/spec/settlement.md: 2⁶³ nano, 2⁴⁸ lots, 2³² ticks, a unit of 2⁵⁰, an index of 2⁶⁴; scales of a rate."""
    assert (units.NANO_BOUND, units.LOT_BOUND, units.TICK_BOUND) == (2**63, 2**48, 2**32)
    assert (units.UNIT_BOUND, units.FUNDING_INDEX_BOUND, units.FUNDING_SCALE) == (2**50, 2**64, 2**16)
    assert (units.TON, units.MILLION) == (10**9, 10**6)
