"""What a market takes: the operator's switches, an oracle that falls silent, and the caps."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.simulation.world import OPERATOR, ORACLES, World

from fairway.client.wish import Wish
from fairway.errors import FairwayError, InvalidMessage, Rejected
from fairway.exchange import event, trading
from fairway.exchange.change import Dropped
from fairway.exchange.effect import Push
from fairway.exchange.listing import Caps, default_listings
from fairway.exchange.switch import REASON_BOUND, Mode, switch_digest
from fairway.exchange.terms import Kind
from fairway.exchange.venue import Venue
from fairway.units import TON

MARKET, MARK, STALE_MS = 2, 50_000, 10_000
BUY = Wish(MARKET, True, 10, MARK, leverage=5)
SELL = Wish(MARKET, False, 10, MARK, leverage=5)
REDUCE = Wish(MARKET, False, 10, MARK, Kind.IOC, 5, reduce_only=True)
STOP = Wish(MARKET, False, 10, MARK * 94 // 100, Kind.MARKET, 5, reduce_only=True, trigger_tick=MARK * 98 // 100)


def traded(**founding):
    """Ada is long 100 lots at leverage 20, Bob short against her."""
    world = World(**founding)
    for name in ("ada", "bob"):
        world.join(name, 3_000 * TON)
    world.price(MARKET, MARK)
    ada, bob = world.users
    world.propose(bob, [Wish(MARKET, False, 100, MARK, leverage=5)])
    world.propose(ada, [Wish(MARKET, True, 100, MARK, leverage=20)])
    return world, ada, bob


def dropped(world, who):
    pushes = [each for each in world.effects if isinstance(each, Push) and each.channel_id == who]
    return [change.reason for push in pushes for change in push.changes if isinstance(change, Dropped)]


@pytest.mark.parametrize("market", [MARKET, None])
def test_a_market_that_reduces_only_opens_nothing_and_lets_everyone_out(market):
    world, ada, bob = traded()
    world.switch(Mode.REDUCE_ONLY, market)
    assert world.try_propose(bob, [BUY]) == "market.reduce_only"
    assert world.try_propose(ada, [REDUCE]) == ""
    world.switch(Mode.OPEN, market)
    assert world.try_propose(bob, [BUY]) == ""
    assert world.replayed().digest() == world.engine.digest()


def test_a_switch_of_one_market_leaves_the_others_open():
    world, ada, _ = traded()
    world.switch(Mode.HALTED, 1)
    assert world.try_propose(ada, [BUY]) == ""


def test_a_halted_market_takes_cancels_and_nothing_else_and_neither_fires_nor_liquidates():
    world, ada, bob = traded()
    world.propose(bob, [Wish(MARKET, True, 10, MARK - 100, leverage=5)])
    world.propose(ada, [STOP])
    key = max(world.engine.accounts[bob].orders)
    world.switch(Mode.HALTED, MARKET)
    assert world.try_propose(ada, [REDUCE]) == "market.halted"
    world.price(MARKET, MARK * 94 // 100)
    assert world.engine.accounts[ada].is_distressed(MARKET)
    assert world.engine.accounts[ada].signed_lots(MARKET) == 100
    assert len(world.engine.accounts[ada].orders) == 1
    assert world.try_propose(bob, [], [key]) == ""
    world.switch(Mode.OPEN, MARKET)
    world.price(MARKET, MARK * 94 // 100)
    assert world.engine.accounts[ada].signed_lots(MARKET) == 0


def test_only_the_operators_newest_words_throw_a_switch():
    world, *_ = traded()
    before = world.engine.digest()
    for code, throw in {
        "signature.invalid": lambda: world.switch(Mode.HALTED, seed=ORACLES[0]),
        "switch.mode": lambda: world.switch(7),
        "market.unknown": lambda: world.switch(Mode.HALTED, 77),
        "event.width": lambda: world.switch(Mode.HALTED, number=1 << 64),
    }.items():
        with pytest.raises((FairwayError, OverflowError), match=code.replace(".", r"\.") + "|int too big"):
            throw()
    world_digest = world.engine.digest()
    assert world_digest == before
    world.switch(Mode.HALTED, number=5)
    with pytest.raises(Rejected, match=r"switch\.number"):
        world.switch(Mode.OPEN, number=5)
    assert world.engine.venue.mode(MARKET, world.now_ms) is Mode.HALTED


def test_a_switch_is_bound_to_its_venue_market_mode_number_and_reason():
    thrown = event.Switched(at_ms=1, market=2, mode=1, number=3, reason="why", signature=b"")
    others = [replace(thrown, **other) for other in ({"market": None}, {"mode": 2}, {"number": 4}, {"reason": "no"})]
    digests = {switch_digest(-3, "0:11", each) for each in (thrown, *others)}
    digests |= {switch_digest(-239, "0:11", thrown), switch_digest(-3, "0:22", thrown)}
    assert len(digests) == 7
    assert switch_digest(-3, "0:11", replace(thrown, at_ms=9)) in digests


def test_an_endless_reason_and_a_venue_without_a_key_are_refused():
    world, *_ = traded(operator_key=b"")
    with pytest.raises(Rejected, match=r"switch\.key"):
        world.switch(Mode.HALTED)
    endless = event.Switched(at_ms=1, market=None, mode=1, number=1, reason="x" * (REASON_BOUND + 1), signature=b"")
    with pytest.raises(Rejected, match=r"switch\.mode"):
        world.engine.venue.switches.throw(endless)


# The oracle's silence


def test_when_the_oracle_is_silent_a_market_reduces_only_until_it_speaks():
    world, ada, bob = traded(stale_ms=STALE_MS)
    world.now_ms += STALE_MS
    assert world.try_propose(bob, [BUY]) == ""
    world.now_ms += 1
    assert world.try_propose(bob, [SELL]) == "market.stale"
    assert world.try_propose(ada, [REDUCE]) == ""
    world.price(MARKET, MARK)
    assert world.try_propose(bob, [SELL]) == ""


def late(world, mark):
    """A round that is signed now and arrives when it is stale."""
    world.now_ms += STALE_MS + 1
    clock, world.now_ms = world.now_ms, world.now_ms - STALE_MS - 101
    put = world.put
    world.put = lambda happened: put(replace(happened, at_ms=clock))
    world.price(MARKET, mark)
    world.put, world.now_ms = put, clock


def test_nobody_is_liquidated_and_nothing_fires_on_a_round_that_comes_too_late():
    world, ada, _ = traded(stale_ms=STALE_MS)
    world.propose(ada, [STOP])
    late(world, MARK * 90 // 100)
    assert world.engine.accounts[ada].signed_lots(MARKET) == 100
    assert len(world.engine.accounts[ada].orders) == 1
    world.price(MARKET, MARK * 90 // 100)
    assert world.engine.accounts[ada].signed_lots(MARKET) == 0


def test_a_liquidation_on_a_stale_round_is_a_lie_to_its_user(monkeypatch):
    world, *_ = traded(stale_ms=STALE_MS)
    monkeypatch.setattr(Venue, "is_stale", lambda *_: False)  # planted
    with pytest.raises(InvalidMessage, match=r"judge\.stale"):
        late(world, MARK * 90 // 100)


def test_a_venue_without_a_bound_believes_every_round():
    world, _, bob = traded()
    world.now_ms += 100 * STALE_MS
    assert world.try_propose(bob, [BUY]) == ""


# Caps


def capped(position=0, interest=0):
    listings = [replace(listing, caps=Caps(position, interest)) for listing in default_listings()]
    return traded(listings=listings)


def test_one_user_holds_no_more_than_the_position_cap_in_lots_and_orders():
    world, ada, bob = capped(position=110)
    assert world.try_propose(ada, [Wish(MARKET, True, 11, MARK - 9, leverage=5)]) == "order.position_cap"
    assert world.try_propose(ada, [Wish(MARKET, True, 6, MARK - 9, leverage=5)]) == ""
    assert world.try_propose(ada, [Wish(MARKET, True, 5, MARK - 9, leverage=5)]) == "order.position_cap"
    assert world.try_propose(bob, [Wish(MARKET, True, 200, MARK - 9, leverage=5)]) == "order.position_cap"
    assert world.try_propose(bob, [Wish(MARKET, True, 110, MARK - 9, leverage=5)]) == ""


def test_open_interest_never_passes_its_cap():
    world, ada, bob = capped(interest=105)
    world.propose(bob, [Wish(MARKET, False, 5, MARK, leverage=5)])
    world.propose(ada, [Wish(MARKET, True, 6, MARK, leverage=5)])
    assert dropped(world, ada) == ["open_interest"]
    world.propose(ada, [Wish(MARKET, True, 5, MARK, leverage=5)])
    assert world.engine.venue.open_lots[MARKET] == 105
    world.propose(ada, [Wish(MARKET, False, 5, MARK - 5, leverage=5)])
    world.propose(bob, [Wish(MARKET, True, 10, MARK - 5, leverage=5)])
    assert world.engine.venue.open_lots[MARKET] == 100


def test_without_the_look_at_its_arrival_an_order_passes_the_cap(monkeypatch):
    world, ada, bob = capped(interest=105)
    monkeypatch.setattr(trading, "_beyond_caps", lambda *_: "")  # planted
    world.propose(bob, [Wish(MARKET, False, 50, MARK, leverage=5)])
    world.propose(ada, [Wish(MARKET, True, 50, MARK, leverage=5)])
    assert world.engine.venue.open_lots[MARKET] == 150


def test_without_the_mode_a_halted_market_liquidates(monkeypatch):
    world, ada, _ = traded()
    world.switch(Mode.HALTED)
    monkeypatch.setattr(Venue, "mode", lambda *_: Mode.OPEN)  # planted
    world.price(MARKET, MARK * 90 // 100)
    assert world.engine.accounts[ada].signed_lots(MARKET) == 0


def test_the_standard_markets_have_caps():
    assert all(0 < listing.caps.position < listing.caps.interest for listing in default_listings())
    assert OPERATOR not in ORACLES
