"""Sessions against a whole service: what a user can do, and that no crash or lost line changes what he signed."""

import asyncio

import pytest
from client_stage import MARK, MARKET, WITHIN_S, stage

from fairway.client.session import FILLED, LAG, SIGN_AFTER
from fairway.client.wish import Wish
from fairway.errors import InvalidMessage, Rejected
from fairway.exchange import change, wire
from fairway.exchange.terms import Kind
from fairway.units import TON


def sell(lots, price=MARK, **terms):
    return Wish(MARKET, False, lots, price, **terms)


def buy(lots, price=MARK, **terms):
    return Wish(MARKET, True, lots, price, **terms)


async def within(awaitable):
    async with asyncio.timeout(WITHIN_S):
        return await awaitable


async def test_two_users_trade_and_both_copies_are_the_services(tmp_path):
    async with stage(tmp_path) as service:
        maker, taker = await service.user("maker"), await service.user("taker")
        key = await within(maker.session.place(sell(20)))
        assert list(maker.account.orders) == [key]
        await within(taker.session.place(buy(20)))
        await maker.settle()
        assert maker.account.positions[MARKET].position.s == -1
        assert taker.account.positions[MARKET].position.lots == 20
        for user in (maker, taker):
            theirs = service.engine.accounts[user.channel_id]
            assert (user.account.balance, user.account.posted) == (theirs.balance, theirs.posted)
            assert user.account.a_conditionals == theirs.a_conditionals


async def test_balances_move_with_the_services_half_before_the_user_signs_anything(tmp_path):
    async with stage(tmp_path) as service:
        maker, taker = await service.user("maker"), await service.user("taker")
        await within(maker.session.place(sell(20)))
        before, signed = maker.account.balance, maker.session.side.replica.channel.a
        await within(taker.session.place(buy(20)))
        await maker.settle()
        assert maker.account.balance < before, "the maker's fee is gone at once"
        assert maker.session.side.replica.channel.a == signed
        assert maker.session.side.replica.unanswered > 0
        await within(maker.session.countersign())
        assert maker.session.side.replica.channel.a.half.sent == maker.account.due


async def test_a_cancel_takes_the_order_away_and_a_second_one_says_it_is_gone(tmp_path):
    async with stage(tmp_path) as service:
        user = await service.user("user")
        key = await within(user.session.place(sell(20)))
        await within(user.session.cancel(key))
        assert user.account.orders == {}
        with pytest.raises(Rejected, match=r"order\.unknown"):
            await within(user.session.cancel(key))


async def test_what_is_asked_for_meanwhile_goes_into_one_half(tmp_path):
    async with stage(tmp_path) as service:
        user = await service.user("user")
        before = user.session.side.replica.channel.a_consumed
        keys = await within(asyncio.gather(*(user.session.place(sell(1, MARK + n)) for n in range(10))))
        assert keys == list(range(1, 11))
        assert user.session.side.replica.channel.a_consumed == before + 2, "the first alone, the rest together"


async def test_a_refused_neighbour_spoils_no_other_order(tmp_path):
    async with stage(tmp_path) as service:
        user = await service.user("user")
        beyond_the_band = buy(1, 2 * MARK)
        answers = await within(
            asyncio.gather(
                user.session.place(sell(1)),
                user.session.place(sell(2)),
                user.session.place(beyond_the_band),
                user.session.place(sell(3)),
                return_exceptions=True,
            )
        )
        assert [answer for answer in answers if isinstance(answer, int)] == [1, 2, 3]
        assert isinstance(answers[2], Rejected)
        assert answers[2].code == "market.band"
        assert sorted(order.terms.lots for order in user.account.orders.values()) == [1, 2, 3]


async def test_what_the_rules_forbid_is_refused_before_anything_is_signed(tmp_path):
    async with stage(tmp_path) as service:
        user = await service.user("user", deposit=10 * TON)
        sent = len(service.heard)
        with pytest.raises(Rejected, match=r"order\.margin"):
            await within(user.session.place(sell(1_000)))
        assert len(service.heard) == sent


async def test_a_user_who_only_receives_countersigns_when_too_much_is_unanswered(tmp_path):
    async with stage(tmp_path) as service:
        maker, taker = await service.user("maker"), await service.user("taker")
        await within(maker.session.place(sell(100)))
        for _ in range(LAG):
            await within(taker.session.place(buy(1)))
        side = maker.session.side
        await maker.until(lambda: side.replica.channel.a_consumed == 3 and side.replica.pending is None)
        assert side.replica.unanswered < LAG


async def test_a_user_whose_ladder_is_swept_countersigns_before_no_more_of_it_is_filled(tmp_path):
    async with stage(tmp_path) as service:
        maker, taker = await service.user("maker"), await service.user("taker")
        await within(maker.session.place_many([sell(1, MARK + place) for place in range(80)]))
        side = maker.session.side
        for taken in range(0, 80, 10):
            await within(taker.session.place(buy(10, MARK + 100)))
            await maker.settle()
            await maker.until(lambda: side.replica.pending is None and side.replica.filled <= FILLED)
            assert len(maker.account.orders) == 70 - taken
        assert not maker.account.orders
        assert maker.account.signed_lots(MARKET) == -80


async def test_a_user_who_only_receives_countersigns_before_the_venues_patience_ends(tmp_path):
    async with stage(tmp_path) as service:
        maker, taker = await service.user("maker"), await service.user("taker")
        await within(maker.session.place(sell(20)))
        await within(taker.session.place(buy(20)))
        side = taker.session.side
        patience_ms = service.engine.rules.patience_ms
        assert side.replica.is_behind
        await service.price(MARK)
        service.now_ms += patience_ms // SIGN_AFTER - 2_000
        await service.price(MARK)
        assert side.replica.is_behind
        service.now_ms += 2_000
        await service.price(MARK)
        await taker.until(lambda: not side.replica.is_behind)


async def test_after_a_lost_line_what_was_missed_is_judged_and_nothing_else_changes(tmp_path):
    async with stage(tmp_path) as service:
        maker, taker = await service.user("maker"), await service.user("taker")
        await within(maker.session.place(sell(20)))
        await maker.crash()
        await service.price(MARK + 1)
        await within(taker.session.place(buy(5)))
        await service.price(MARK + 7, funding=3)
        await within(taker.session.place(buy(15)))
        maker.restart()
        await maker.settle()
        assert maker.account.positions[MARKET].position.lots == 20
        assert maker.account.a_conditionals == service.engine.accounts[maker.channel_id].a_conditionals


def signed_twice(service):
    """Seqnos under which more than one half was heard (I4)."""
    heard = {}
    for frame in service.heard:
        request = wire.decode_request(frame)
        if isinstance(request, wire.Propose):
            heard.setdefault((request.channel_id, request.seqno), set()).add(frame)
    return [place for place, frames in heard.items() if len(frames) > 1]


async def test_a_crash_between_writing_and_sending_repeats_the_same_bytes(tmp_path):
    async with stage(tmp_path) as service:
        user = await service.user("user")
        side = user.session.side
        signed = wire.encode(side.propose([sell(20)], now_ms=service.now_ms))
        assert signed not in service.heard
        await user.crash()
        service.heard.clear()
        user.restart()
        await user.until(lambda: bool(user.account.orders))
        assert signed in service.heard


async def test_a_crash_between_sending_and_the_answer_is_mended_by_what_the_service_shows(tmp_path):
    async with stage(tmp_path) as service:
        user = await service.user("user")
        service.tamper = lambda reply: None if isinstance(reply, wire.Pushed) else reply
        waiting = asyncio.create_task(user.session.place(sell(20)))
        await asyncio.sleep(0.1)
        (sent,) = [frame for frame in service.heard if isinstance(wire.decode_request(frame), wire.Propose)]
        await user.crash()
        with pytest.raises(Exception, match=r"session\.ended"):
            await waiting
        service.tamper = lambda reply: reply
        user.restart()
        await user.settle()
        assert list(user.account.orders) == [1]
        await within(user.session.place(sell(1)))
        again = [frame for frame in service.heard if isinstance(wire.decode_request(frame), wire.Propose)]
        assert again.count(sent) == 1
        assert not signed_twice(service)


async def test_planted_without_writing_first_two_halves_are_signed_under_one_seqno_and_it_is_found_out(
    tmp_path, monkeypatch
):
    async with stage(tmp_path) as service:
        user = await service.user("user")
        service.tamper = lambda reply: None if isinstance(reply, wire.Pushed) else reply
        monkeypatch.setattr(user.store, "append", lambda *_: None)
        waiting = asyncio.create_task(user.session.place(sell(20)))
        await asyncio.sleep(0.1)
        await user.crash()
        await asyncio.gather(waiting, return_exceptions=True)
        service.tamper = lambda reply: reply
        service.down = True
        user.restart()
        user.session.side.propose([sell(1)], now_ms=service.now_ms)
        service.down = False
        with pytest.raises(InvalidMessage, match=r"side\.twice"):
            await within(user.task)
        assert not signed_twice(service), "the second one is not sent"
        assert not user.session.side.lied


async def test_a_refusal_that_was_lost_is_heard_again_on_the_next_line(tmp_path):
    async with stage(tmp_path) as service:
        user = await service.user("user")
        service.tamper = lambda reply: None if isinstance(reply, wire.Refused) else reply
        waiting = asyncio.create_task(user.session.place(buy(1, 2 * MARK)))
        await asyncio.sleep(0.1)
        service.tamper = lambda reply: reply
        service.cut()
        with pytest.raises(Rejected, match=r"market\.band"):
            await within(waiting)
        assert await within(user.session.place(sell(1))) == 1


async def test_a_stop_loss_fires_on_a_signed_round_and_closes_the_position(tmp_path):
    async with stage(tmp_path) as service:
        maker, user = await service.user("maker"), await service.user("user")
        await within(maker.session.place_many([sell(10), buy(10, MARK - 600, kind=Kind.POST_ONLY)]))
        await within(user.session.place(buy(10)))
        stop = sell(10, MARK - 1_000, kind=Kind.MARKET, reduce_only=True, trigger_tick=MARK - 500)
        await within(user.session.place(stop))
        await service.price(MARK - 500)
        await user.settle()
        kinds = [type(step) for notice in user.notices if isinstance(notice, wire.Pushed) for step in notice.changes]
        assert kinds[-2:] == [change.Triggered, change.Filled]
        assert user.account.positions == {}
        assert len(user.account.head) == 32


async def test_a_flat_channel_closes_together_once_and_signs_nothing_more(tmp_path):
    async with stage(tmp_path) as service:
        user = await service.user("user")
        await within(user.session.place(sell(1)))
        with pytest.raises(Rejected, match=r"side\.open"):
            await within(user.session.close())
        await within(user.session.cancel(1))
        closing = user.session.side.close()
        assert user.session.side.close() == closing, "the same bytes again"
        with pytest.raises(Rejected, match=r"side\.busy"):
            user.session.side.propose([sell(1)], now_ms=service.now_ms)


async def test_a_refused_channel_and_a_refused_close_are_told_to_who_asked(tmp_path):
    async with stage(tmp_path) as service:
        service.tamper = lambda reply: wire.Failure("venue.full", "no") if isinstance(reply, wire.Granted) else reply
        with pytest.raises(Rejected, match=r"venue\.full"):
            await service.user("early")
        service.tamper = lambda reply: reply
        user = await service.user("user")
        service.tamper = lambda reply: (
            wire.Failure("close.sent", "no") if isinstance(reply, wire.CloseSigned) else reply
        )
        with pytest.raises(Rejected, match=r"close\.sent"):
            await within(user.session.close())
        service.tamper = lambda reply: reply
        with pytest.raises(Rejected, match=r"session\.over"):
            await within(user.session.place(sell(1)))
        half, theirs = user.session.side.leave()
        assert half.half.seqno == theirs.half.cited == user.session.side.replica.channel.a_consumed


async def test_a_close_is_signed_by_both_once_and_for_ever(tmp_path):
    async with stage(tmp_path) as service:
        user = await service.user("user")
        with pytest.raises(Rejected, match=r"market\.band"):
            await within(user.session.place(buy(1, 2 * MARK)))
        signed = await within(user.session.close())
        await user.crash()
        user.restart()
        assert await within(user.session.close()) == signed
        side = user.session.side
        side.agreed(signed).verify(side.replica.opened.key_a, side.replica.welcome.key_b)


async def test_a_service_of_another_vault_is_refused_before_anything_is_opened(tmp_path):
    async with stage(tmp_path) as service:
        service.tamper = lambda reply: (
            wire.Welcome(**{**_fields(reply), "vault": "0:" + "33" * 32}) if isinstance(reply, wire.Welcome) else reply
        )
        with pytest.raises(Exception, match=r"session\.venue"):
            await service.user("user")


def _fields(reply):
    return {name: getattr(reply, name) for name in reply.__struct_fields__}


async def test_margin_goes_in_and_out_and_leverage_changes_while_a_position_is_open(tmp_path):
    async with stage(tmp_path) as service:
        maker, taker = await service.user("maker"), await service.user("taker")
        await within(maker.session.place(sell(20)))
        await within(taker.session.place(buy(20, leverage=10)))
        await maker.settle()
        posted, balance = taker.account.posted, taker.account.balance
        await within(taker.session.move_margin(MARKET, 3 * TON))
        assert taker.account.posted == posted + 3 * TON
        await within(taker.session.move_margin(MARKET, -TON))
        assert taker.account.posted == posted + 2 * TON
        await within(asyncio.gather(maker.session.set_leverage(MARKET, 2), taker.session.place(buy(1, MARK - 100))))
        value = 20 * service.engine.venue.rounds[MARKET].mark * 10_000
        assert maker.account.positions[MARKET].position.margin == value // 2
        assert taker.account.balance == balance
        for refused, code in ((-1_000 * TON, "risk.bound"), (10_000 * TON, "order.margin"), (0, "margin.same")):
            with pytest.raises(Rejected, match=code.replace(".", r"\.")):
                await within(taker.session.move_margin(MARKET, refused))
        for user in (maker, taker):
            theirs = service.engine.accounts[user.channel_id]
            assert user.account.a_conditionals == theirs.a_conditionals
            assert user.account.promised() == theirs.promised()


async def test_a_move_of_margin_outlives_a_crash_and_a_lost_record(tmp_path):
    async with stage(tmp_path) as service:
        maker, taker = await service.user("maker"), await service.user("taker")
        await within(maker.session.place(sell(20)))
        await within(taker.session.place(buy(20, leverage=10)))
        await within(taker.session.move_margin(MARKET, 3 * TON))
        posted = taker.account.posted
        await taker.crash()
        taker.restart()
        await within(taker.session.move_margin(MARKET, -TON))
        assert taker.account.posted == posted - TON
        assert taker.session.side.lied is False
