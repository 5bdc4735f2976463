"""The table of orders: every type with every time in force and every flag is lawful exactly where the table says so."""

from __future__ import annotations

from itertools import chain, combinations, product
from pathlib import Path

import pytest
from tests.simulation.world import World

from fairway.client.wish import Wish
from fairway.errors import Rejected
from fairway.exchange.order_types import FLAGS, TABLE, Form, OrderType, TimeInForce, check_form, flags_of, name_of
from fairway.exchange.terms import Kind, Source
from fairway.units import TON

MARKET, MARK = 2, 50_000
SPEC = Path(__file__).resolve().parents[2] / "docs/spec/exchange.md"
SETS = list(chain.from_iterable(combinations(FLAGS, count) for count in range(len(FLAGS) + 1)))


@pytest.fixture(scope="module")
def world():
    world = World()
    for name in ("ada", "bob"):
        world.join(name, 300 * TON)
    world.price(MARKET, MARK)
    ada, bob = world.users
    world.propose(bob, [Wish(MARKET, False, 10, MARK, leverage=5)])
    world.propose(ada, [Wish(MARKET, True, 10, MARK, leverage=5)])
    return world


def wished(world: World, name: OrderType, force: TimeInForce, flags: tuple[str, ...]) -> Wish:
    """Such an order to sell, whether or not there is one."""
    waits = TABLE[name].waits
    market_like = name.endswith("MARKET")
    kinds = {"IOC": Kind.IOC, "FOK": Kind.FOK, "GTX": Kind.POST_ONLY}
    kind = Kind.MARKET if market_like else kinds.get(force, Kind.LIMIT)
    return Wish(
        MARKET,
        False,
        10_000_000 if "closes" in flags else 5,
        MARK,
        kind,
        5,
        "reduce_only" in flags,
        trigger_tick={"stop": MARK - 100, "profit": MARK + 100}.get(waits, 0),
        trigger_above=waits == "profit",
        expires_ms=world.now_ms + 60_000 if force == "GTD" else 0,
        source=Source.INDEX if "index" in flags else Source.LAST if "last" in flags else Source.MARK,
        callback_ppm=5_000 if waits == "trail" else 0,
        strict="strict" in flags,
        closes="closes" in flags,
    )


def is_lawful(name: OrderType, force: TimeInForce, flags: tuple[str, ...]) -> bool:
    """By the table alone, and by what it says above itself."""
    form = TABLE[name]
    return (
        force in form.forces
        and all(force in form.flags.get(flag, ()) for flag in flags)
        and not ("strict" in flags and "closes" in flags)
        and ("reduce_only" in flags or not {"strict", "closes"} & set(flags))
    )


@pytest.mark.parametrize("name", OrderType)
def test_every_combination_is_lawful_exactly_where_the_table_says_so(world, name):
    ada = next(iter(world.users))
    rules = world.engine.venue.rules
    judged = 0
    for force, flags in product(TimeInForce, SETS):
        if {"index", "last"} <= set(flags):
            continue
        wish = wished(world, name, force, flags)
        terms = wish.terms(rules, ada, 3)
        linked = {"parent": 1 if "parent" in flags else 0, "group": 3 if "group" in flags else 0}
        terms = type(terms)(*(linked.get(field, getattr(terms, field)) for field in terms.__struct_fields__))
        says = TABLE[name].forces
        if force not in says or name_of(terms) != (name, force):
            with pytest.raises(Rejected, match=r"order\.force"):
                wish.called(name, force)
            assert force not in says, "what has a name is written so"
            continue
        assert flags_of(terms) == set(flags)
        if is_lawful(name, force, flags):
            rules.check_terms(terms, world.now_ms)
        else:
            with pytest.raises(Rejected, match=r"order\.flag"):
                rules.check_terms(terms, world.now_ms)
        judged += 1
    assert judged >= 96


@pytest.mark.parametrize(("name", "force"), [(name, force) for name in OrderType for force in TABLE[name].forces])
def test_the_engine_takes_every_order_of_the_table(world, name, force):
    ada = next(iter(world.users))
    wish = wished(world, name, force, ("reduce_only",)).called(name, force)
    assert world.try_propose(ada, [wish]) == ""
    live = list(world.engine.accounts[ada].orders.values())
    assert len(live) == (bool(TABLE[name].waits) or force in {"GTC", "GTD", "GTX"})
    for order in live:
        assert name_of(order.terms) == (name, force)
    assert world.try_propose(ada, [], [order.terms.key for order in live]) == ""


def test_a_form_that_nobody_named_is_refused(world):
    ada = next(iter(world.users))
    terms = Wish(MARKET, False, 5, MARK, Kind.LIMIT, callback_ppm=5_000).terms(world.engine.venue.rules, ada, 3)
    with pytest.raises(Rejected, match=r"order\.kind"):
        check_form(terms)


def shown(form: Form, flag: str) -> str:
    """The times in force that a flag goes with."""
    held = form.flags.get(flag, [])
    return "all" if held == list(form.forces) else ", ".join(held) or "—"


def test_the_page_shows_the_table():
    rows = [
        f"| {name} | {', '.join(form.forces)} | " + " | ".join(shown(form, flag) for flag in FLAGS) + " |"
        for name, form in TABLE.items()
    ]
    page = SPEC.read_text()
    for row in rows:
        assert row in page, row
