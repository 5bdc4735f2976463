"""What orders may be and how they leave: own orders that meet, amends, names, sweeps, the least worth."""

from __future__ import annotations

import pytest
from msgspec.structs import replace as altered
from tests.simulation.world import World

from fairway.client.wish import Wish, amended
from fairway.crypto import keys
from fairway.errors import IllegalTransition, InvalidMessage, Rejected
from fairway.exchange import event, trading
from fairway.exchange.change import Dropped, Swept
from fairway.exchange.effect import Push
from fairway.exchange.listing import default_listings
from fairway.exchange.nonces import WINDOW, Nonces
from fairway.exchange.past import KEPT, Status
from fairway.exchange.sweeps import NEVER_MS, sweep_digest
from fairway.exchange.terms import Kind
from fairway.market.order import Prevention
from fairway.units import TON

MARKET, MARK = 2, 50_000


@pytest.fixture
def world():
    world = World()
    for name in ("ada", "bob", "cy"):
        world.join(name, 300 * TON)
    world.price(MARKET, MARK)
    return world


def names(world):
    return list(world.users)


def buy(lots, price=MARK, kind=Kind.LIMIT, **more):
    return Wish(MARKET, True, lots, price, kind, 5, **more)


def sell(lots, price=MARK, kind=Kind.LIMIT, **more):
    return Wish(MARKET, False, lots, price, kind, 5, **more)


def resting(world):
    return [(order.owner.to_bytes(16), order.lots) for order in world.engine.venue.books[MARKET]]


def live(world, who):
    return sorted(world.engine.accounts[who].orders)


def ended(world, who, key):
    return world.engine.accounts[who].past.ended(key)


# Nobody meets himself


@pytest.mark.parametrize(
    ("mode", "taker", "maker", "left", "bought"),
    [
        (Prevention.EXPIRE_TAKER, 8, 5, [5], 0),
        (Prevention.EXPIRE_MAKER, 8, 5, [5], 3),
        (Prevention.EXPIRE_BOTH, 8, 5, [], 0),
        (Prevention.DECREMENT, 8, 5, [], 3),
        (Prevention.DECREMENT, 3, 5, [2], 0),
        (Prevention.DECREMENT, 5, 5, [], 0),
    ],
)
def test_each_mode_of_self_trade_prevention_does_what_it_says(world, mode, taker, maker, left, bought):
    ada, bob, _ = names(world)
    world.propose(ada, [sell(maker)])
    world.propose(bob, [sell(3, MARK + 10)])
    world.propose(ada, [buy(taker, MARK + 10, prevention=mode)])
    account = world.engine.accounts[ada]
    assert account.signed_lots(MARKET) == bought
    assert [lots for owner, lots in resting(world) if owner == ada] == left
    if not left:
        assert account.reserved == 0
    world.propose(ada, [], live(world, ada))
    assert account.reserved == 0
    assert world.replayed().digest() == world.engine.digest()


def test_what_is_lost_to_prevention_ends_as_expired_in_match(world):
    ada, *_ = names(world)
    world.propose(ada, [sell(5)])
    (key,) = live(world, ada)
    world.propose(ada, [buy(5, prevention=Prevention.EXPIRE_BOTH)])
    assert [ended(world, ada, each).status for each in (key, key + 1)] == [Status.EXPIRED_IN_MATCH] * 2


def test_a_fill_or_kill_order_that_would_meet_its_owner_fills_only_where_that_one_leaves(world):
    ada, bob, _ = names(world)
    world.propose(ada, [sell(1)])
    world.propose(bob, [sell(5, MARK + 10)])
    for mode in (Prevention.EXPIRE_TAKER, Prevention.EXPIRE_BOTH, Prevention.DECREMENT):
        world.propose(ada, [buy(5, MARK + 10, Kind.FOK, prevention=mode)])
        assert world.engine.accounts[ada].signed_lots(MARKET) == 0
    world.propose(ada, [buy(5, MARK + 10, Kind.FOK, prevention=Prevention.EXPIRE_MAKER)])
    assert world.engine.accounts[ada].signed_lots(MARKET) == 5


def test_planted_a_fill_or_kill_order_filled_in_part_is_a_lie(world, monkeypatch):
    ada, bob, _ = names(world)
    world.propose(bob, [sell(3)])
    monkeypatch.setattr(trading, "can_fill", lambda *_: True)
    with pytest.raises(InvalidMessage, match=r"judge\.whole"):
        world.propose(ada, [buy(5, kind=Kind.FOK)])


def test_planted_an_immediate_order_that_rests_is_a_lie(world, monkeypatch):
    ada, *_ = names(world)
    monkeypatch.setattr(trading, "RESTING", frozenset(trading.Force))
    with pytest.raises(InvalidMessage, match=r"judge\.rests"):
        world.propose(ada, [buy(5, kind=Kind.IOC)])


# Amends


def amend(world, who, key, lots, **words):
    order = world.engine.accounts[who].orders[key]
    world.propose(who, [amended(order, lots, words.get("limit_tick"), words.get("trigger_tick"))], [key])
    return live(world, who)[-1]


def test_an_amend_keeps_its_place_if_only_its_size_falls(world):
    ada, bob, _ = names(world)
    world.propose(ada, [sell(5)])
    world.propose(bob, [sell(5)])
    (key,) = live(world, ada)
    key = amend(world, ada, key, 4)
    assert resting(world) == [(ada, 4), (bob, 5)]
    key = amend(world, ada, key, 4)
    assert resting(world) == [(ada, 4), (bob, 5)]
    key = amend(world, ada, key, 6)
    assert resting(world) == [(bob, 5), (ada, 6)]
    amend(world, ada, key, 5, limit_tick=MARK - 1)
    assert resting(world) == [(ada, 5), (bob, 5)]
    assert ended(world, ada, key).status is Status.CANCELED
    assert world.replayed().digest() == world.engine.digest()


def test_an_amend_that_crosses_takes(world):
    ada, bob, _ = names(world)
    world.propose(bob, [buy(5, MARK - 10)])
    world.propose(ada, [sell(5)])
    amend_key = live(world, ada)[0]
    order = world.engine.accounts[ada].orders[amend_key]
    world.propose(ada, [amended(order, 5, MARK - 10, None)], [amend_key])
    assert world.engine.accounts[ada].signed_lots(MARKET) == -5


def test_a_stop_is_moved_without_leaving_its_group(world):
    ada, bob, _ = names(world)
    world.propose(bob, [sell(10)])
    world.propose(ada, [buy(10)])
    stop = sell(10, 46_000, Kind.MARKET, reduce_only=True, trigger_tick=MARK - 500, group=0)
    profit = sell(10, MARK + 900, reduce_only=True, group=1)
    world.propose(ada, [stop, profit])
    first, second = live(world, ada)
    moved = amend(world, ada, first, 10, trigger_tick=MARK - 300)
    world.propose(bob, [buy(10, MARK - 2_000)])
    world.price(MARKET, MARK - 300)
    assert ended(world, ada, second).reason == "sibling"
    assert ended(world, ada, moved).status is Status.FILLED


def test_planted_an_amend_that_jumps_the_queue_is_seen_in_the_books_digest(world, monkeypatch):
    ada, bob, _ = names(world)
    world.propose(ada, [sell(5)])
    world.propose(bob, [sell(5)])
    monkeypatch.setattr("fairway.exchange.proposals.take_place", lambda *_: None)
    amend(world, ada, live(world, ada)[0], 4)
    monkeypatch.undo()
    assert world.replayed().book_digest() != world.engine.book_digest()


# Names


def test_a_name_is_taken_until_its_order_is_forgotten(world):
    ada, bob, _ = names(world)
    world.propose(ada, [buy(1, client_id="mine-1")])
    assert world.try_propose(ada, [buy(1, client_id="mine-1")]) == "order.client_id"
    assert world.try_propose(ada, [buy(1, client_id="x"), buy(1, client_id="x")]) == "order.client_id"
    assert world.try_propose(bob, [buy(1, client_id="mine-1")]) == ""
    account = world.engine.accounts[ada]
    key = account.past.key_of("mine-1")
    world.propose(ada, [], [key])
    assert world.try_propose(ada, [buy(1, client_id="mine-1")]) == "order.client_id"
    assert ended(world, ada, key).order.terms.client_id == "mine-1"
    for _ in range(KEPT // 100 + 1):
        world.propose(ada, [buy(1, MARK - 100, Kind.IOC)] * 100)
    assert account.past.key_of("mine-1") is None
    assert world.try_propose(ada, [buy(1, client_id="mine-1")]) == ""
    assert world.users[ada].replica.account.past.key_of("mine-1") == account.past.key_of("mine-1")


def test_an_amend_takes_over_the_name(world):
    ada, *_ = names(world)
    world.propose(ada, [buy(5, client_id="grid/7")])
    (key,) = live(world, ada)
    key = amend(world, ada, key, 3)
    assert world.engine.accounts[ada].past.key_of("grid/7") == key


# Sweeps


def sweep(world, who, market=0, after_ms=0, nonce=None, seed=None):
    nonce = nonce or world.now_ms + len(world.journal)
    digest = sweep_digest(world.engine.rules.network, who, nonce, market, after_ms)
    signed = keys.sign(seed or world.users[who].seed, digest)
    return event.SweepSigned(
        at_ms=world.now_ms, channel_id=who, nonce=nonce, market=market, after_ms=after_ms, signature=signed
    )


def pushed(world, who):
    return [
        change
        for wanted in world.effects
        if isinstance(wanted, Push) and wanted.channel_id == who
        for change in wanted.changes
    ]


def test_a_sweep_takes_all_orders_of_a_market_at_once_and_shows_whose_word_it_is(world):
    ada, bob, _ = names(world)
    world.price(1, 52_000)
    world.propose(ada, [sell(1), sell(2), Wish(1, True, 1, 52_000)])
    world.propose(bob, [sell(3)])
    world.put(sweep(world, ada, MARKET))
    assert [order.terms.market for order in world.engine.accounts[ada].orders.values()] == [1]
    assert resting(world) == [(bob, 3)]
    assert [type(change) for change in pushed(world, ada)[-3:]] == [Swept, Dropped, Dropped]
    world.put(sweep(world, ada))
    assert not live(world, ada)


def test_who_falls_silent_has_no_orders_left_and_is_never_filled_after_his_time(world):
    ada, bob, cy = names(world)
    world.propose(ada, [sell(5)])
    world.put(sweep(world, ada, after_ms=1_000))
    world.now_ms += 999
    world.propose(bob, [buy(1)])
    assert world.engine.accounts[bob].signed_lots(MARKET) == 1
    world.now_ms += 1
    world.propose(cy, [buy(1)])
    assert world.engine.accounts[cy].signed_lots(MARKET) == 0
    assert not live(world, ada)


def test_a_countdown_ends_at_the_next_round_of_any_market(world):
    ada, *_ = names(world)
    world.propose(ada, [sell(5)])
    world.put(sweep(world, ada, MARKET, after_ms=50))
    world.price(1, 52_000)
    assert not live(world, ada)


def test_a_countdown_is_renewed_or_taken_back(world):
    ada, *_ = names(world)
    world.propose(ada, [sell(5)])
    for after_ms in (150, 250, NEVER_MS):
        world.put(sweep(world, ada, after_ms=after_ms))
        world.price(MARKET, MARK)
    world.now_ms += 10_000
    world.price(MARKET, MARK)
    assert live(world, ada)


def test_what_is_placed_after_the_countdown_ended_is_not_swept_by_it(world):
    ada, bob, _ = names(world)
    world.propose(ada, [sell(5)])
    world.put(sweep(world, ada, after_ms=50))
    world.now_ms += 60
    world.propose(ada, [sell(4, MARK + 1)])
    assert resting(world) == [(ada, 4)]
    world.price(MARKET, MARK)
    world.propose(bob, [buy(4, MARK + 1)])
    assert world.engine.accounts[bob].signed_lots(MARKET) == 4


def test_a_sweep_is_taken_once_and_only_from_its_owner(world):
    ada, bob, _ = names(world)
    once = sweep(world, ada, nonce=7)
    assert world.code_of(once) == ""
    assert world.code_of(once) == "nonce.used"
    assert world.code_of(sweep(world, ada, nonce=3)) == "", "in any order"
    assert world.code_of(sweep(world, ada, seed=world.users[bob].seed)) == "signature.invalid"
    assert world.code_of(sweep(world, ada, market=77)) == "market.unknown"
    assert world.code_of(altered(sweep(world, ada), after_ms=-1)) == "event.width"
    world.dispute(ada)
    assert world.code_of(sweep(world, ada)) == "channel.phase"


def test_planted_a_sweep_that_nobody_signed_is_a_lie(world, monkeypatch):
    ada, *_ = names(world)
    world.propose(ada, [sell(5)])
    monkeypatch.setattr("fairway.exchange.dropping.Swept", lambda *fields: Swept(*fields[:3], bytes(64)))
    with pytest.raises(InvalidMessage, match=r"signature\.invalid"):
        world.put(sweep(world, ada))


def test_planted_an_order_swept_without_its_owners_word_is_a_lie(world, monkeypatch):
    ada, *_ = names(world)
    world.propose(ada, [sell(5, expires_ms=world.now_ms + 10)])
    monkeypatch.setattr("fairway.exchange.dropping.Dropped", lambda key, _: Dropped(key, "swept"))
    with pytest.raises(InvalidMessage, match=r"judge\.cancel"):
        world.price(MARKET, MARK)


# One-time numbers


def test_nonces_come_in_any_order_within_a_window_that_slides():
    nonces = Nonces()
    for nonce in (5, 3, 9, 4):
        nonces.use(nonce)
    with pytest.raises(Rejected, match=r"nonce\.used"):
        nonces.use(3)
    for nonce in range(100, 100 + WINDOW):
        nonces.use(nonce)
    assert nonces.used == tuple(range(100, 100 + WINDOW))
    for nonce in (99, 0, -1, 1 << 63):
        with pytest.raises(Rejected, match=r"nonce\.old"):
            nonces.use(nonce)


# Caps


def test_an_order_must_be_worth_something_unless_it_reduces():
    world = World()
    least = default_listings()[1].min_notional
    for name in ("ada", "bob"):
        world.join(name, 300 * TON)
    ada, bob = names(world)
    world.price(MARKET, 9_000)
    assert least > 9_000 * 10_000
    assert world.try_propose(ada, [buy(1, 9_000)]) == "market.notional"
    assert world.try_propose(ada, [buy(2, 9_000)]) == ""
    world.propose(bob, [sell(2, 9_000)])
    assert world.try_propose(ada, [sell(1, 9_000, reduce_only=True)]) == ""


def test_a_planted_fill_of_a_sleeping_order_stops_the_process(world, monkeypatch):
    ada, *_ = names(world)
    world.propose(names(world)[1], [buy(5)])
    monkeypatch.setattr("fairway.exchange.proposals.enter", trading.arrive)
    with pytest.raises(IllegalTransition, match=r"account\.fill"):
        world.propose(ada, [sell(5, trigger_tick=MARK - 100)])
