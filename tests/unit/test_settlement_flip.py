"""Increases and flips: the average is a sum, and a flip is a close and an opening at one price."""

from dataclasses import replace

import pytest
from lending_cases import World
from settlement_cases import ENTROPY, LINEAR, NOTE, POOL, blinder, case

from fairway.errors import IllegalTransition, InvalidProof
from fairway.risk.position import closed, opened
from fairway.settlement.flip import check_flip, flip
from fairway.settlement.note import open_note
from fairway.settlement.proof import prove, verify
from fairway.settlement.settlement import settle

BUYER, SELLER = b"1" * 32, b"2" * 32


@pytest.mark.parametrize(("first", "second"), [(701, 300), (1, 10**6)])
def test_an_increase_is_the_sum_of_its_fills_for_owner_and_reader(first, second):
    world = World()
    world.start(10**12)
    world.trade(BUYER, SELLER, first, 30_007, index=5)
    world.trade(BUYER, SELLER, second, 31_113, index=9)
    note = world.notes[BUYER]
    assert world.books.notes[BUYER][1] == note.points()
    assert note.cost.value == 1000 * (first * 30_007 + second * 31_113)
    assert note.base.value == 5 * first + 9 * second
    settlement = world.close(BUYER, 32_000, index=20)
    paid = 1000 * (first * (32_000 - 30_007) + second * (32_000 - 31_113)) - (15 * first + 11 * second) / 65536
    assert settlement.witness()["P"].value == paid // 1


def test_an_increase_that_averages_the_price_in_place_of_the_cost_settles_for_nobody():
    """The planted bug: a note that carries lots at a rounded average price."""
    honest = case(31_111, lots=1001)
    more = open_note(replace(honest.opened.fill, price=30_008), 1, 10**6, blinder("more")).note
    note = honest.note + more
    average = open_note(honest.opened.fill, 1002, note.margin.value, blinder("average")).note
    position = opened(None, LINEAR, 1, 1001, 30_007, honest.opened.fill.funding_index, 10**9)
    position = opened(position, LINEAR, 1, 1, 30_008, honest.opened.fill.funding_index, 10**6)
    closure = closed(position, LINEAR, 1002, 31_111, honest.terms.funding_index)
    verify(prove(settle(note, POOL, closure, honest.terms, blinder("a")), ENTROPY))
    with pytest.raises(IllegalTransition):
        settle(average, POOL, closure, honest.terms, blinder("a"))


def turned(**changes):
    close = case(31_111, lots=1001)
    made = {"name": b"f" * 32, "lots": 5, "margin": 10**8, "closing": close.closure} | changes
    return flip(
        close.note, POOL, made["closing"], close.terms, made["name"], made["lots"], made["margin"], blinder("f")
    )


def test_a_flip_closes_all_and_opens_the_other_side_at_the_same_price():
    settlement, order = turned()
    tx = prove(settlement, ENTROPY)
    verify(tx)
    check_flip(tx, order.transaction())
    assert (order.fill.side, order.fill.price) == (-1, 31_111)
    assert order.fill.funding_index == settlement.statement.funding_index
    assert order.note.lots.value == 5


@pytest.mark.parametrize("field", ["side", "price", "market", "network", "unit", "inverse", "funding_index", "at_ms"])
def test_an_opening_on_other_terms_is_no_flip(field):
    settlement, order = turned()
    fill = order.fill
    value = not fill.inverse if field == "inverse" else -fill.side if field == "side" else getattr(fill, field) + 1
    names = {"Q": 5, "IM": 10**8, "C": 1}
    public = open_note(replace(fill, **{field: value}), 5, 10**8, names.get).transaction()
    with pytest.raises(InvalidProof):
        check_flip(prove(settlement, ENTROPY), public)


def test_a_flip_leaves_no_lots_and_no_note_of_the_same_name():
    for changes in ({"closing": case(31_111, lots=5).closure}, {"name": NOTE}):
        with pytest.raises(IllegalTransition):
            turned(**changes)
    partial = prove(case(31_111).settle(), ENTROPY)
    with pytest.raises(InvalidProof):
        check_flip(partial, turned()[1].transaction())
