"""Seeded traders against a whole service: they trade, and the same seeds trade the same."""

import asyncio

from client_stage import MARK, MARKET, WITHIN_S, stage

from fairway.channel.machine import fingerprint
from fairway.client.bots import MarketMaker, Momentum, Refuser, Taker
from fairway.client.replica import Replica
from fairway.client.session import LAG
from fairway.client.wish import Wish
from fairway.exchange import wire
from fairway.exchange.change import Filled, Triggered

MARKS = [MARK * (1000 + move) // 1000 for move in (0, 2, 5, 9, 12, 8, 1, -6, -12, -15, -9, 0)]


async def played(folder, seed):
    """What an hour of three traders came to: fills, triggers, and where each one ends."""
    async with stage(folder) as service:
        users = {name: await service.user(name) for name in ("maker", "taker", "momentum")}
        bots = [
            MarketMaker(users["maker"].session, MARKET, seed, size=2_000),
            Taker(users["taker"].session, MARKET, seed + 1, size=100),
            Momentum(users["momentum"].session, MARKET, seed + 2, size=100),
        ]
        async with asyncio.timeout(WITHIN_S):
            for mark in MARKS:
                await service.price(mark)
                for bot in bots:
                    for user in users.values():
                        await user.settle()
                    await bot.step()
        for user in users.values():
            await user.settle()
        for user in users.values():
            copy, live = Replica.rebuilt(user.store.record(user.channel_id)), user.session.side.replica
            assert fingerprint(copy.channel) == fingerprint(live.channel), "the record is the whole state"
            assert (copy.account.positions, copy.account.head) == (live.account.positions, live.account.head)
        steps = [
            step
            for user in users.values()
            for notice in user.notices
            if isinstance(notice, wire.Pushed)
            for step in notice.changes
        ]
        ends = [(user.account.balance, bot.held) for user, bot in zip(users.values(), bots, strict=True)]
        return *(sum(isinstance(step, kind) for step in steps) for kind in (Filled, Triggered)), ends


async def test_the_traders_trade_with_each_other(tmp_path):
    fills, triggers, ends = await played(tmp_path, seed=1)
    assert fills > 10
    assert triggers > 0
    assert sum(held for _, held in ends) == 0


async def test_the_same_seed_trades_the_same(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    assert await played(tmp_path / "one", seed=7) == await played(tmp_path / "two", seed=7)


async def test_a_refuser_keeps_what_he_won_and_signs_for_nothing(tmp_path):
    async with stage(tmp_path) as service, asyncio.timeout(WITHIN_S):
        maker, cheat = await service.user("maker"), await service.user("cheat", session=Refuser)
        await cheat.session.place(Wish(MARKET, True, 100, MARK))
        cheat.session.refuses_to_sign = True
        signed = service.engine.channels[cheat.channel_id].a
        for _ in range(LAG + 2):
            await maker.session.place(Wish(MARKET, False, 1, MARK))
        await cheat.settle()
        assert cheat.account.positions[MARKET].position.lots == LAG + 2
        assert cheat.session.side.replica.unanswered > LAG
        assert service.engine.channels[cheat.channel_id].a == signed
