"""The service's first half promises every market: whoever sends orders that answer it can claim what they win."""

from __future__ import annotations

import pytest

from fairway.channel.conditionals import Conditionals
from fairway.channel.machine import CHAIN_KEY, MARKET_KEYS, Expected, Pushed
from fairway.client.wish import Wish
from fairway.errors import InvalidMessage, Rejected
from fairway.exchange import effect, event, lifecycle
from fairway.exchange.claims import claims
from fairway.exchange.paper import Exit, Paper, Promised
from fairway.units import TON
from tests.simulation.world import NETWORK, START, World

MARKET, LOTS, RISE = 2, 100, 1_000


def first_promise(world: World, name: bytes) -> Conditionals:
    """What half 1 promises, as its user knows it."""
    replica = world.users[name].replica
    assert replica.newest_b == 1
    return replica.channel.b_conditionals


def round_at(number: int, mark: int) -> event.Priced:
    """A round that ends the position; nobody checks its signatures here."""
    shown = {"round": number, "round_ms": number, "index": mark, "mark": mark, "funding": 0}
    return event.Priced(at_ms=0, market=MARKET, signatures={}, **shown)


def won(world: World) -> object:
    """What a buyer claims of half 1, recalled to it by a service that would rather not have filled him."""
    world.price(MARKET, START[MARKET])
    seller, buyer = world.join("seller", 100 * TON), world.join("buyer", 100 * TON)
    promised = first_promise(world, buyer)
    world.propose(seller, [Wish(MARKET, False, LOTS, START[MARKET])])
    world.propose(buyer, [Wish(MARKET, True, LOTS, START[MARKET])])
    carried = world.users[buyer].replica.cosigned
    assert carried is not None
    assert carried.b.half.seqno == 1, "his order answers half 1"
    pushes = [each for each in world.effects if isinstance(each, effect.Push) and each.channel_id == buyer]
    receipts = [receipt for each in pushes for receipt in each.receipts]
    mark = START[MARKET] + RISE
    paper = Paper(
        NETWORK,
        {MARKET: Exit(round_at(1, mark), round_at(2, mark))},
        receipts={receipt.order: (receipt, bytes(64)) for receipt in receipts},
        orders=world.users[buyer].replica.placed,
    )
    return claims(int.from_bytes(buyer), Promised(promised, 1, by_a=False), paper)


def test_half_1_promises_every_market_and_says_what_it_expects():
    world = World()
    promised = first_promise(world, world.join("user", 100 * TON))
    markets = [MARKET_KEYS + market for market in world.engine.venue.rules.listings]
    assert [key for key, _ in promised.items()] == [*markets, CHAIN_KEY]
    assert promised.maximum() == 0


def test_what_an_order_that_answers_half_1_wins_is_claimed_of_it():
    won(World())


def promise_nothing(monkeypatch) -> None:
    made = lifecycle.next_b
    monkeypatch.setattr(
        lifecycle, "next_b", lambda channel, sent, _, wanted: made(channel, sent, Conditionals(), wanted)
    )


def test_planted_a_half_1_that_promises_nothing_is_refused_before_any_money(monkeypatch):
    promise_nothing(monkeypatch)
    with pytest.raises(InvalidMessage, match=r"channel\.push"):
        World().join("user", 100 * TON)


def test_planted_where_it_is_taken_for_true_the_gain_is_nobodys(monkeypatch):
    promise_nothing(monkeypatch)
    monkeypatch.setattr("fairway.client.replica.machine.check_push", unjudged)
    with pytest.raises(Rejected, match=r"claims\.nothing"):
        won(World())


def unjudged(_channel, half, signature, _sent, conditionals, wanted, **_):
    """The user believes every half, whatever it says."""
    told = Conditionals() if half.seqno == 1 else conditionals
    return Pushed(half, signature, told, Expected(wanted.sent, wanted.conditionals, half.body, half.sent))
