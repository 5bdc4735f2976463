"""The pot among the promises of a half, and what a position in it needs."""

from importlib.resources import files

import pytest

from fairway.channel.conditionals import Conditionals
from fairway.errors import Rejected
from fairway.exchange.conditions import cross_conditional, market_conditional
from fairway.exchange.listing import default_listings, parse_listings
from fairway.exchange.reading import CROSS_KEY, is_flat, read_cross, read_markets
from fairway.exchange.terms import CROSS, CrossPosition, CrossTerms, MarketTerms
from fairway.exchange.valuation import needed
from fairway.risk.margin import bracket_at, maintenance
from fairway.risk.position import Position
from fairway.ton.cells import Cell
from fairway.units import Lot, Nano

EMPTY = MarketTerms(bytes(16), 3, False, True, 0, 1000, 0, 0, 0, 10, 0, 0, 50_000, 7)
HELD = CrossPosition(3, True, False, 1, 1000, 50, -4, 50_000, 7, 50_000, -7)
CODE = Cell.empty()


def half(*positions: CrossPosition) -> Conditionals:
    pot = cross_conditional(CrossTerms(bytes(16), 5, 7, 10, 9, positions), CODE)[0]
    return Conditionals([((1 << 31) + 3, market_conditional(EMPTY, CODE)[0]), (CROSS_KEY, pot)])


def test_no_market_has_the_number_that_stands_for_the_pot():
    text = files("fairway.exchange").joinpath("markets.toml").read_text()
    assert text.count("\nid = 1\n") == 1
    for number, is_lawful in ((CROSS, False), (CROSS - 1, True)):
        given = text.replace("\nid = 1\n", f"\nid = {number}\n")
        if is_lawful:
            assert number in {listing.market for listing in parse_listings(given)}
        else:
            with pytest.raises(Rejected, match=r"markets\.toml"):
                parse_listings(given)


def test_the_pot_is_none_of_a_halfs_markets():
    assert list(read_markets(half(HELD)).values()) == [EMPTY]
    pot = half(HELD).get(CROSS_KEY)
    assert pot is not None
    assert read_cross(pot).positions == (HELD,)


def test_a_half_is_flat_where_its_pot_holds_nothing():
    assert is_flat(half())
    assert not is_flat(half(HELD))


def test_as_many_markets_as_a_pot_may_hold_are_read_back():
    positions = tuple(_at(each) for each in range(1, 9))
    pot = half(*positions).get(CROSS_KEY)
    assert pot is not None
    assert read_cross(pot).positions == positions


def _at(market: int) -> CrossPosition:
    return CrossPosition(market, False, True, 2, 1000, 50, 4, 50_000, 1 << 100, 50_000, 7)


@pytest.mark.parametrize("listing", default_listings(), ids=lambda listing: listing.instrument.symbol)
def test_a_line_of_the_bracket_asks_for_what_the_bracket_asks_for(listing):
    contract = listing.contract
    for lots in (1, 777, 10**6, 10**8):
        for mark in (1, 2_999, 31_337, 10**6):
            line = bracket_at(contract, lots, mark)
            whole = maintenance(contract, Position(1, Lot(lots), Nano(0), 0, Nano(0)), mark)
            terms = {"unit": contract.unit, "inverse": bool(contract.payoff)}
            assert needed(lots, mark, line.maintenance, line.deduction, **terms) == whole
            assert needed(lots, mark, line.maintenance, whole + line.deduction, **terms) == 0
