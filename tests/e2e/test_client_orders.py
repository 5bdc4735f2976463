"""Orders as a user's session has them: signed once, working while he is away, and proven to him when they wake."""

import asyncio

import pytest
from client_stage import MARK, MARKET, WITHIN_S, Stage, stage
from msgspec.structs import replace as altered

from fairway.client.brackets import attached, one_cancels_other
from fairway.client.wish import Wish
from fairway.errors import InvalidMessage, Rejected
from fairway.exchange import wire
from fairway.exchange.change import Triggered
from fairway.exchange.past import Status
from fairway.exchange.terms import Kind
from fairway.market.order import Prevention


def sell(lots, price=MARK, kind=Kind.LIMIT, **more):
    return Wish(MARKET, False, lots, price, kind, 5, **more)


def buy(lots, price=MARK, kind=Kind.LIMIT, **more):
    return Wish(MARKET, True, lots, price, kind, 5, **more)


def stop(trigger, **more):
    return sell(10, trigger * 94 // 100, Kind.MARKET, reduce_only=True, trigger_tick=trigger, **more)


def profit(trigger):
    return stop(trigger, trigger_above=True)


async def within(waiting):
    async with asyncio.timeout(WITHIN_S):
        return await waiting


async def three(service: Stage):
    """Alice, Bob who sells 10 at the mark, and Cy who buys 10 a little below."""
    alice, bob, cy = [await service.user(name) for name in ("alice", "bob", "cy")]
    await within(bob.session.place(sell(10)))
    await within(cy.session.place(buy(10, MARK - 2_000)))
    return alice, bob, cy


async def back(user):
    user.restart()
    await user.settle()
    return user.account


async def test_an_attached_stop_loss_fires_while_its_owner_is_away_and_takes_the_profit_order_along(tmp_path):
    async with stage(tmp_path) as service:
        alice, *_ = await three(service)
        entry, winning, losing = await within(
            alice.session.place_many(attached(buy(10), profit(MARK + 900), stop(MARK - 500)))
        )
        assert alice.account.past.ended(entry).status is Status.FILLED
        await alice.crash()
        await service.price(MARK - 499)
        await service.price(MARK - 500)
        account = await back(alice)
        assert account.signed_lots(MARKET) == 0
        assert not account.orders
        assert account.past.ended(losing).status is Status.FILLED
        assert account.past.ended(winning).reason == "sibling"
        assert not alice.session.side.lied


async def test_of_two_that_exclude_each_other_the_one_that_fills_ends_the_other_whoever_is_there(tmp_path):
    async with stage(tmp_path) as service:
        alice, bob, _ = await three(service)
        await within(alice.session.place(buy(10)))
        pair = one_cancels_other(sell(10, MARK + 50, reduce_only=True), stop(MARK - 500))
        resting, waiting = await within(alice.session.place_many(pair))
        await alice.crash()
        await within(bob.session.place(buy(10, MARK + 50)))
        account = await back(alice)
        assert account.past.ended(resting).status is Status.FILLED
        assert account.past.ended(waiting).status is Status.CANCELED


async def test_a_trailing_stop_shows_its_owner_the_peak_that_it_came_back_from(tmp_path):
    async with stage(tmp_path) as service:
        alice, *_ = await three(service)
        await within(alice.session.place(buy(10)))
        await within(
            alice.session.place(sell(10, MARK * 94 // 100, Kind.MARKET, reduce_only=True, callback_ppm=20_000))
        )
        await alice.crash()
        for mark in (MARK + 1_000, MARK + 400, (MARK + 1_000) * 98 // 100):
            await service.price(mark)
        account = await back(alice)
        assert account.signed_lots(MARKET) == 0
        assert not alice.session.side.lied


@pytest.mark.parametrize("shown", ["none", "older", "unsigned"])
async def test_a_trailing_stop_with_a_false_peak_is_a_lie(tmp_path, shown):
    async with stage(tmp_path) as service:
        alice, *_ = await three(service)
        await within(alice.session.place(buy(10)))
        await within(
            alice.session.place(sell(10, MARK * 94 // 100, Kind.MARKET, reduce_only=True, callback_ppm=20_000))
        )
        await service.price(MARK + 1_000)

        def lie(reply):
            if not isinstance(reply, wire.Pushed) or not any(isinstance(each, Triggered) for each in reply.changes):
                return reply
            fired = reply.changes[0]
            peaks = {
                "none": None,
                "older": altered(fired.peak, round=0),
                "unsigned": altered(fired.peak, mark=fired.peak.mark + 1),
            }
            return service.sign(altered(reply, changes=[altered(fired, peak=peaks[shown]), *reply.changes[1:]]))

        service.tamper = lie
        await service.price((MARK + 1_000) * 98 // 100)
        with pytest.raises(InvalidMessage, match=r"judge\.peak|signature\.invalid"):
            await within(asyncio.shield(alice.task))


async def test_an_amend_gets_a_new_key_and_keeps_its_place_if_it_only_shrinks(tmp_path):
    async with stage(tmp_path) as service:
        alice, bob = await service.user("alice"), await service.user("bob")
        key = await within(alice.session.place(sell(10, client_id="ladder-1")))
        await within(bob.session.place(sell(10)))
        smaller = await within(alice.session.amend(key, 6))
        book = service.engine.venue.books[MARKET]
        assert [(order.owner, order.lots) for order in book] == [
            (int.from_bytes(alice.channel_id), 6),
            (int.from_bytes(bob.channel_id), 10),
        ]
        moved = await within(alice.session.amend(smaller, 6, MARK + 10))
        assert [order.lots for order in book] == [10, 6]
        assert alice.account.past.key_of("ladder-1") == moved
        with pytest.raises(Rejected, match=r"order\.unknown"):
            await alice.session.amend(key, 1)


async def test_whoever_falls_silent_has_no_orders_left(tmp_path):
    async with stage(tmp_path) as service:
        alice, bob = await service.user("alice"), await service.user("bob")
        await within(alice.session.place(sell(10)))
        await within(alice.session.countdown(5_000))
        service.now_ms += 4_000
        await within(alice.session.countdown(5_000))
        await alice.crash()
        service.now_ms += 4_000
        await within(bob.session.place(buy(1)))
        assert bob.account.signed_lots(MARKET) == 1
        service.now_ms += 1_000
        await within(bob.session.place(buy(1)))
        assert bob.account.signed_lots(MARKET) == 1
        account = await back(alice)
        assert not account.orders
        assert not alice.session.side.lied
        await within(alice.session.countdown(None))


async def test_a_sweep_waits_for_no_half_and_is_repeated_on_another_line(tmp_path):
    async with stage(tmp_path) as service:
        alice = await service.user("alice")
        await within(alice.session.place_many([sell(10), sell(5, MARK + 10)]))
        service.tamper = lambda reply: None if isinstance(reply, wire.Taken) else reply
        sweeping = asyncio.ensure_future(alice.session.cancel_all(MARKET))
        await alice.until(lambda: not alice.account.orders)
        service.cut()
        service.tamper = lambda reply: reply
        await within(sweeping)
        assert service.engine.venue.counts.cancels == 2
        with pytest.raises(Rejected, match=r"market\.unknown"):
            await within(alice.session.cancel_all(77))


async def test_a_name_that_comes_again_gets_the_answer_of_the_first_time(tmp_path):
    async with stage(tmp_path) as service:
        alice = await service.user("alice")
        wish = sell(10, client_id="once")
        both = await within(asyncio.gather(alice.session.place(wish), alice.session.place(wish)))
        assert both[0] == both[1]
        await alice.crash()
        alice.restart()
        await alice.settle()
        assert await within(alice.session.place(sell(7, MARK + 5, client_id="once"))) == both[0]
        await within(alice.session.cancel(both[0]))
        assert await within(alice.session.place(wish)) == both[0]
        assert service.engine.venue.counts.orders == 1
        assert alice.account.past.ended(both[0]).status is Status.CANCELED


async def test_a_name_asked_again_while_the_first_half_is_unanswered_is_placed_once(tmp_path):
    async with stage(tmp_path) as service:
        alice = await service.user("alice")
        wish = sell(10, client_id="once")
        service.tamper = lambda reply: None if isinstance(reply, wire.Pushed) else reply
        first = asyncio.ensure_future(alice.session.place(wish))
        for _ in range(10):
            await asyncio.sleep(0)
        assert alice.session.side.replica.pending is not None
        first.cancel()
        await alice.crash()
        service.tamper = lambda reply: reply
        alice.restart()
        assert await within(alice.session.place(wish)) == 1
        assert service.engine.venue.counts.orders == 1


@pytest.mark.parametrize("mode", Prevention)
async def test_nobody_meets_himself_and_his_copy_follows_every_mode(tmp_path, mode):
    async with stage(tmp_path) as service:
        alice = await service.user("alice")
        await within(alice.session.place(sell(10)))
        await within(alice.session.place(buy(4, prevention=mode)))
        await within(alice.session.countersign())
        left = sum(order.left for order in alice.account.orders.values())
        expected = {
            Prevention.EXPIRE_TAKER: 10,
            Prevention.EXPIRE_MAKER: 4,
            Prevention.EXPIRE_BOTH: 0,
            Prevention.DECREMENT: 6,
        }
        assert left == expected[mode]
        assert alice.account.signed_lots(MARKET) == 0
