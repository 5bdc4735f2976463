"""Whoever begins to leave alone signs no half after that, whatever happens between: it would cost him the fine."""

import asyncio

import pytest
from client_stage import MARK, MARKET, NETWORK, stage
from defence_stage import look_until, pair_of
from msgspec.structs import replace
from onchain_stage import market, rich, shown
from test_client_session import buy, sell, within

from fairway.chain.purse import Purse
from fairway.channel import codec
from fairway.client.onchain import OnChain
from fairway.client.replica import Leave
from fairway.client.store import Store
from fairway.client.user import User
from fairway.client.wish import Wish
from fairway.errors import Rejected, Unavailable
from fairway.exchange import wire
from fairway.ton.wallet import Transfer
from fairway.units import TON


async def interrupted(_onchain, _pair):
    raise Unavailable("chain.gone", "the process ends before the start is sent")


async def unseen(_user):
    return None


async def refused(asked):
    with pytest.raises(Rejected) as found:
        await within(asked)
    return found.value.code


async def test_a_crash_between_the_word_and_the_start_leaves_nothing_to_sign_but_the_same_half(tmp_path, monkeypatch):
    async with market(tmp_path) as (chain, service):
        person = await rich(chain, service, "alice")
        async with person.at_work() as alice:
            await alice.deposit(100 * TON)
            await shown(service, alice)
            await alice.session.place(Wish(MARKET, True, 5, MARK))
            with monkeypatch.context() as patch:
                patch.setattr(OnChain, "start", interrupted)
                with pytest.raises(Unavailable, match=r"chain\.gone"):
                    await alice.leave()
            half, _ = alice.session.side.leave()
        async with person.at_work() as alice:
            side = alice.session.side
            assert await refused(alice.session.place(sell(1))) == "session.over"
            assert await refused(alice.session.cancel(1)) == "session.over"
            assert await refused(alice.session.countersign()) == "session.over"
            assert await refused(alice.session.close()) == "session.over"
            for act in (lambda: side.propose(now_ms=service.now_ms), side.close):
                with pytest.raises(Rejected, match=r"side\.left"):
                    act()
            await alice.leave()
            quarantine = (await alice.onchain.channel()).quarantine
            assert quarantine.started_by_a
            assert quarantine.a.seqno == half.half.seqno
            before = len(await chain.transactions(alice.onchain.address))
            await alice.leave()
            assert len(await chain.transactions(alice.onchain.address)) == before, "it is not started twice"


async def test_the_half_to_leave_with_stays_the_same_when_the_service_refuses_it(tmp_path):
    async with stage(tmp_path) as service:
        user = await service.user("user")
        service.tamper = lambda reply: None if isinstance(reply, wire.Refused) else reply
        asked = asyncio.ensure_future(user.session.place(buy(1, 2 * MARK)))
        await asyncio.sleep(0.05)
        half, _ = user.session.leave()
        assert await refused(asked) == "session.over"
        service.tamper = lambda reply: reply
        for _ in range(2):
            await user.crash()
            user.restart()
            await user.until(lambda: user.session.welcome is not None)
            await asyncio.sleep(0.05)
            assert user.session.leave()[0] == half


async def test_whoever_waits_for_a_half_when_he_leaves_is_told(tmp_path):
    async with stage(tmp_path) as service:
        user = await service.user("user")
        service.down = True
        service.cut()
        await asyncio.sleep(0.05)
        asked = asyncio.ensure_future(user.session.place(sell(1)))
        await asyncio.sleep(0.05)
        user.session.leave()
        assert await refused(asked) == "session.over"


async def test_a_record_that_is_not_whole_yet_is_not_left_with(tmp_path):
    async with stage(tmp_path) as service:
        user = await service.user("user")
        await user.until(lambda: user.session.welcome is not None)
        user.session.welcome = replace(user.session.welcome, a_seqno=9)
        with pytest.raises(Rejected, match=r"session\.restoring"):
            user.session.leave()


async def test_a_record_restored_from_before_the_start_takes_it_from_the_chain(tmp_path):
    async with market(tmp_path) as (chain, service):
        person = await rich(chain, service, "alice")
        async with person.at_work() as alice:
            await alice.deposit(100 * TON)
            await shown(service, alice)
            alice.session._store.export(tmp_path / "old.sqlite")
            await alice.leave()
        person.path = tmp_path / "old.sqlite"
        async with person.at_work() as alice:
            assert await refused(alice.session.place(sell(1))) == "session.over"
        assert not service.engine.accounts[alice.session.side.channel_id].orders


async def test_planted_who_does_not_write_down_that_he_left_pays_the_fine(tmp_path, monkeypatch):
    append = Store.append

    def forgetful(store, channel_id, *entries):
        append(store, channel_id, *[entry for entry in entries if not isinstance(entry, Leave)])

    async with market(tmp_path) as (chain, service):
        person = await rich(chain, service, "alice")
        async with person.at_work() as alice:
            await alice.deposit(100 * TON)
            await shown(service, alice)
            with monkeypatch.context() as patch:
                patch.setattr(Store, "append", forgetful)
                await alice.leave()
            onchain = alice.onchain
        monkeypatch.setattr(User, "_look_at_chain", unseen)
        async with person.at_work() as alice:
            await within(alice.session.place(Wish(MARKET, True, 5, MARK)))
            later = pair_of(alice)
            signer = service.keyring.channel(NETWORK, service.vault, alice.session.side.replica.opened.key_a)
            statement = codec.Challenge(alice.session.side.setup.channel_id, *later)
            told = codec.Signed(by_a=False, signature=signer.sign(statement.digest()), statement=statement)
            purse = Purse(chain, service.keyring.operator(), NETWORK)
            await purse.send(Transfer(onchain.address, TON // 5, codec.encode(told)))

            async def fined():
                return (await onchain.channel()).quarantine.fine

            assert await look_until(fined) == service.engine.rules.fine
