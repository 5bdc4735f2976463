"""The service watches itself: whatever nobody touches is counted all the same, and what is wrong stops new risk."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace
from tests.simulation.world import OPERATOR, World

sys.path.append(str(Path(__file__).parents[1] / "e2e"))

from service_stage import found, priced

from fairway.client.wish import Wish
from fairway.crypto.keys import Signer
from fairway.errors import IllegalTransition
from fairway.exchange import event
from fairway.exchange.inspection import inspect_account, inspect_totals
from fairway.exchange.ledger import FEES, POOL
from fairway.exchange.switch import Mode, switch_digest
from fairway.exchange.venue import Venue
from fairway.service import vigil
from fairway.service.house import House, Settings
from fairway.service.serve import application
from fairway.service.vigil import Vigil
from fairway.units import TON

MARKET, MARK = 2, 50_000


@pytest.fixture
def world():
    """Ada and Bob hold 100 lots against each other, and Ada has an order."""
    world = World()
    for name in ("ada", "bob"):
        world.join(name, 3_000 * TON)
    world.price(MARKET, MARK)
    ada, bob = world.users
    world.propose(bob, [Wish(MARKET, False, 100, MARK, leverage=5)])
    world.propose(ada, [Wish(MARKET, True, 100, MARK, leverage=5), Wish(MARKET, True, 1, MARK - 100)])
    return world


def watching(world):
    """The watch over `world`, whose events are put as they come."""

    async def ask(question):
        question()

    async def submit(happened):
        world.put(replace_time(happened, world.now_ms))

    return Vigil(world.engine, ask, submit, Signer.of(OPERATOR))


def replace_time(happened, at_ms):
    return type(happened)(**{name: getattr(happened, name) for name in happened.__struct_fields__} | {"at_ms": at_ms})


def look(watch, times=1):
    async def looks():
        for _ in range(times):
            await watch.look()

    asyncio.run(looks())


def test_what_is_right_is_left_alone(world):
    look(watching(world), 4)
    assert world.engine.venue.switches.number == 0


def more_posted(world, ada):
    world.engine.accounts[ada].posted += 1


def less_reserved(world, ada):
    world.engine.accounts[ada].reserved -= 1


def another_due(world, ada):
    account = world.engine.accounts[ada]
    account.due, account.earned = account.due + 1, account.earned + 1


def another_note(world, ada):
    account = world.engine.accounts[ada]
    held = account.positions[MARKET]
    account.positions[MARKET] = replace(held, position=replace(held.position, lots=held.position.lots + 1))


def another_promise(world, ada):
    account = world.engine.accounts[ada]
    account.a_conditionals = account.a_conditionals.drop(next(iter(account.orders)))


def a_transfer_that_never_was(world, ada):
    balances = world.engine.venue.ledger.balances
    balances[ada.hex()] -= 5
    balances[FEES] += 5


def a_lost_holder(world, ada):
    del world.engine.venue.holders[MARKET][ada]


def a_miscount(world, _ada):
    world.engine.venue.open_lots[MARKET] += 1


BUGS = [more_posted, less_reserved, another_due, another_note, another_promise, a_lost_holder, a_miscount]


@pytest.mark.parametrize("bug", [*BUGS, a_transfer_that_never_was], ids=lambda bug: bug.__name__)
def test_a_planted_mismatch_is_named(world, bug):
    bug(world, next(iter(world.users)))
    with pytest.raises(IllegalTransition, match=r"venue\.|ledger\."):
        inspect(world.engine.venue)


def inspect(venue):
    for channel_id in venue.accounts:
        inspect_account(venue, channel_id)
    inspect_totals(venue)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_a_mismatch_turns_the_venue_to_reduce_only_once_and_is_in_the_journal(world, bug, monkeypatch):
    monkeypatch.setattr(Venue, "check", lambda _: None)  # the stage counts everything anew; the service does not
    monkeypatch.setattr("tests.simulation.world.inspect_account", lambda *_: None)
    ada, bob = world.users
    bug(world, ada)
    look(watching(world), 6)
    assert world.engine.venue.mode(MARKET, world.now_ms) is Mode.REDUCE_ONLY
    thrown = event.decode(world.journal[-1])
    assert isinstance(thrown, event.Switched)
    assert thrown.number == 1 == world.engine.venue.switches.number
    assert thrown.reason.startswith("self-audit: ")
    assert world.try_propose(bob, [Wish(MARKET, True, 300, MARK - 10)]) == "market.reduce_only"


def test_what_every_event_checks_stops_the_engine_instead(world):
    world.engine.venue.ledger.balances[POOL] += 1
    with pytest.raises(IllegalTransition, match=r"ledger\.conservation"):
        look(watching(world), 4)


def test_while_it_stays_wrong_the_venue_is_not_left_open(world, monkeypatch):
    monkeypatch.setattr(Venue, "check", lambda _: None)
    monkeypatch.setattr("tests.simulation.world.inspect_account", lambda *_: None)
    a_miscount(world, None)
    watch = watching(world)
    look(watch, 4)
    world.switch(Mode.OPEN)
    look(watch, 4)
    assert world.engine.venue.switches.venue is Mode.REDUCE_ONLY
    assert world.engine.venue.switches.number == 3


def test_every_account_is_seen_and_then_the_totals_whatever_the_slice(world, monkeypatch):
    monkeypatch.setattr(vigil, "SLICE", 1)
    seen = []
    monkeypatch.setattr(vigil, "inspect_account", lambda _venue, name: seen.append(name))
    monkeypatch.setattr(vigil, "inspect_totals", lambda _venue: seen.append("totals"))
    look(watching(world), 7)
    assert seen == ["totals", *world.users, "totals", *world.users, "totals"]


def test_a_watch_that_looks_at_nothing_sees_nothing(world, monkeypatch):
    monkeypatch.setattr(vigil, "inspect_account", lambda *_: None)  # planted
    monkeypatch.setattr("tests.simulation.world.inspect_account", lambda *_: None)
    more_posted(world, next(iter(world.users)))
    look(watching(world), 6)
    assert world.engine.venue.switches.number == 0


async def test_a_running_service_stops_new_risk_within_a_second_and_says_so(tmp_path):
    listener = Listener()
    house = House.open(Settings(found(tmp_path)), listener)
    running = asyncio.create_task(house.run())
    await house.sequencer.submit(priced(1))
    house.engine.venue.open_lots[MARKET] += 1  # planted
    async with asyncio.timeout(1):
        await listener.switched.wait()
    await house.stop()
    await running
    thrown = event.decode(house.journal.entry(house.journal.newest.seq))
    house.close(clean=False)
    assert isinstance(thrown, event.Switched)
    assert "venue.interest" in thrown.reason
    assert house.engine.venue.switches.venue is Mode.REDUCE_ONLY


class Listener:
    """Hears when a switch is thrown."""

    def __init__(self):
        self.switched = asyncio.Event()

    def note(self, happened, _effects):
        if isinstance(happened, event.Switched):
            self.switched.set()


async def test_a_switch_by_rest_needs_the_operators_signature_and_shows_in_the_markets(tmp_path):
    house = House.open(Settings(found(tmp_path)))
    running = asyncio.create_task(house.run())
    await house.sequencer.submit(priced(1))
    transport = httpx.ASGITransport(application(house))
    async with httpx.AsyncClient(transport=transport, base_url="http://fairway") as web:
        thrown = event.Switched(at_ms=0, market=MARKET, mode=2, number=9, reason="maintenance", signature=b"")
        digest = switch_digest(house.engine.rules.network, house.engine.rules.vault, thrown)
        body = {"market": MARKET, "mode": 2, "number": 9, "reason": "maintenance", "signature": "00" * 64}
        forged = await web.post("/v1/operator/switch", json=body)
        body["signature"] = house.keyring.switches().sign(digest).hex()
        taken = await web.post("/v1/operator/switch", json=body)
        shown = (await web.get("/v1/exchangeInfo")).json()["symbols"]
        endless = await web.post("/v1/operator/switch", json=body | {"number": 2**80})
    await house.stop()
    await running
    house.close(clean=True)
    assert (forged.status_code, taken.status_code, endless.status_code) == (400, 200, 400)
    assert {each["market"]: each["status"] for each in shown} == {1: "REDUCE_ONLY", 2: "HALTED"}
