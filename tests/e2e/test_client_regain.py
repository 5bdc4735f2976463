"""Who restores an old copy takes the newer state from a watchtower, the service gone or lying: he is never fined."""

import asyncio
from contextlib import asynccontextmanager, closing, suppress

import msgspec
import pytest
from client_stage import MARK, MARKET
from defence_stage import came_home, pair_of
from msgspec.structs import replace
from onchain_stage import market, rich, shown
from test_client_session import within
from test_client_watchtower import receipted, service_answers, standing
from test_exit_command import leave, served

from fairway.client.keystore import Keystore
from fairway.client.regain import regain
from fairway.client.replica import Replica
from fairway.client.side import Side
from fairway.client.store import Store
from fairway.client.watchtower_store import TowerStore
from fairway.client.watchtower_wire import Deposit, Handed, Wanted, seal
from fairway.client.wish import Wish
from fairway.crypto import keys
from fairway.errors import InvalidMessage, Rejected, Unavailable
from fairway.exchange import wire
from fairway.units import TON


@asynccontextmanager
async def set_back(tmp_path):
    """A user whose record is an old copy, and a tower that holds his newest pair: he has won since, and is flat."""
    async with market(tmp_path) as (chain, service), standing(chain, tmp_path) as tower, served(chain) as url:
        people = [await rich(chain, service, name) for name in ("alice", "bob")]
        async with people[0].at_work([tower.url]) as alice, people[1].at_work() as bob:
            for user in (alice, bob):
                await user.deposit(100 * TON)
                await shown(service, user)
            await alice.session.place(Wish(MARKET, False, 1_000, MARK, leverage=10))
            await alice.session.cancel(1)
            await receipted(alice)
            older = tower.store.handed(alice.session.side.channel_id)
            alice.session._store.export(tmp_path / "old.sqlite")
            await bob.session.place(Wish(MARKET, True, 1_000, MARK, leverage=10))
            await alice.session.place(Wish(MARKET, False, 1_000, MARK, leverage=10))
            await bob.session.place(Wish(MARKET, False, 1_000, MARK * 98 // 100, reduce_only=True))
            await alice.session.place(Wish(MARKET, True, 1_000, MARK * 98 // 100, reduce_only=True))
            await alice.session.countersign()
            await receipted(alice)
        assert alice.session.account.balance > 109 * TON
        people[0].path = tmp_path / "old.sqlite"
        yield chain, service, tower, url, people[0], alice, older


def gone(service):
    service.down = True
    service.cut()


async def leaves(tmp_path, url, chain, service, person, alice, *options):
    """He leaves with these options; whoever has his newest pair shows it. The fine, and what came home."""
    first = await leave(person, tmp_path, url, "--no-wait", *options)
    assert first.exception.code == "exit.later", first.output
    with suppress(Rejected, Unavailable):
        await service_answers(chain, service, alice, pair_of(alice))
    fine = (await alice.onchain.channel()).quarantine.fine
    second = await leave(person, tmp_path, url, "--advance")
    assert second.exit_code == 0, second.exception
    return fine, await came_home(chain, service, alice.onchain.address), first.output


async def test_an_exit_from_an_old_record_pays_the_last_agreed_value_by_a_towers_pair_and_no_fine(tmp_path):
    async with set_back(tmp_path) as (chain, service, tower, url, person, alice, _):
        gone(service)
        fine, home, told = await leaves(tmp_path, url, chain, service, person, alice, "--tower", tower.url)
        assert "newer halves than the record: taken over" in told
        assert fine == 0
        assert home == alice.session.account.balance


async def test_without_the_tower_the_same_exit_is_fined(tmp_path):
    async with set_back(tmp_path) as (chain, service, _, url, person, alice, _):
        gone(service)
        fine, home, _ = await leaves(tmp_path, url, chain, service, person, alice)
        assert fine == service.engine.rules.fine
        assert home == alice.session.account.balance - fine


async def test_planted_a_client_that_takes_the_towers_pair_for_nothing_new_is_fined(tmp_path, monkeypatch):
    async with set_back(tmp_path) as (chain, service, tower, url, person, alice, _):
        gone(service)
        monkeypatch.setattr(Replica, "is_short_of", lambda *_: False)
        fine, _, _ = await leaves(tmp_path, url, chain, service, person, alice, "--tower", tower.url)
        assert fine == service.engine.rules.fine


async def test_a_tower_that_gives_no_true_answer_stops_the_exit_before_it_begins(tmp_path):
    async with set_back(tmp_path) as (_, service, _, url, person, alice, _):
        gone(service)
        refused = await leave(person, tmp_path, url, "--tower", "http://127.0.0.1:1")
        assert refused.exception.code == "exit.tower"
        assert (await alice.onchain.channel()).quarantine is None


async def test_with_the_service_alive_the_record_becomes_whole_and_trades_on(tmp_path):
    async with (
        set_back(tmp_path) as (_, _service, tower, _, person, before, _),
        person.at_work([tower.url]) as alice,
    ):
        side = alice.session.side
        assert side.replica.regained is not None
        await within(alice.session.place(Wish(MARKET, True, 1, MARK * 97 // 100)))
        assert side.replica.lacks is None
        assert side.account.balance == before.session.account.balance
        assert not side._store.evidence(side.channel_id)
        await receipted(alice)


def forget(known):
    def tamper(reply):
        return replace(reply, b_seqno=known[0], a_seqno=known[1]) if isinstance(reply, wire.Welcome) else reply

    return tamper


@pytest.mark.parametrize("planted", [False, True])
async def test_a_service_that_forgets_what_a_tower_holds_gets_nothing_signed(tmp_path, monkeypatch, planted):
    """It says that it knows exactly as much as the old copy does. Planted: who asks no tower signs a seqno again."""
    async with set_back(tmp_path) as (_, service, tower, _, person, _, _):
        if planted:
            monkeypatch.setattr(Side, "regain", lambda *_: False)
        with closing(Store(person.path)) as store:
            channel = Replica.rebuilt(store.record(store.channels()[-1])).channel
        service.tamper = forget((channel.b.half.seqno, channel.a_consumed))
        service.heard.clear()
        async with person.at_work([tower.url]) as alice:
            asked = asyncio.ensure_future(alice.session.place(Wish(MARKET, True, 1, MARK)))
            with suppress(Rejected, InvalidMessage, Unavailable, TimeoutError):
                await asyncio.wait_for(asked, 2)
            kept = [each.code for each in alice.session._store.evidence(alice.session.side.channel_id)]
        signed = [frame for frame in service.heard if isinstance(wire.decode_request(frame), wire.Propose)]
        assert bool(signed) == planted
        assert ("session.outrun" in kept) != planted


async def test_an_older_pair_a_foreign_signature_and_another_channels_state_change_nothing(tmp_path):
    async with set_back(tmp_path) as (_, service, tower, _, person, alice, older):
        gone(service)
        newest = tower.store.handed(alice.session.side.channel_id)
        deposit = msgspec.msgpack.decode(newest.payload, type=Deposit)
        stranger = Keystore(keys.derive_seed(b"person", "mallory")).channel(deposit.opened.salt)
        altered = Handed(newest.payload[:-1] + bytes([newest.payload[-1] ^ 1]), newest.signature)
        store = Store(person.path)
        side = Side.restored(store, person.keystore, alice.session.side.channel_id)
        length = len(list(store.record(side.channel_id)))
        assert not side.regain(older), "no newer than the record"
        for lie in (seal(deposit, stranger), altered):
            with pytest.raises(InvalidMessage):
                side.regain(lie)
        foreign = seal(replace(deposit, welcome=replace(deposit.welcome, fine=0)), side._signer)
        with pytest.raises(InvalidMessage, match=r"side\.regained"):
            side.regain(foreign)
        assert len(list(store.record(side.channel_id))) == length
        assert side.regain(newest)
        assert side.holding().a.half == alice.session.side.replica.cosigned.a
        assert not side.may_propose
        for step in (lambda: side.propose(now_ms=0), side.close):
            with pytest.raises(Rejected):
                step()
        assert Side.restored(store, person.keystore, side.channel_id).holding().b == side.holding().b, "it is durable"
        store.close()


async def test_a_tower_that_lies_is_told_of_and_the_next_one_is_believed(tmp_path, monkeypatch):
    async with set_back(tmp_path) as (chain, service, tower, _, person, alice, _):
        gone(service)
        side = Side.restored(Store(person.path), person.keystore, alice.session.side.channel_id)
        words, now_s = [], await chain.now()
        with monkeypatch.context() as patch:
            patch.setattr(TowerStore, "handed", lambda *_: Handed(b"no deposit", bytes(64)))
            assert await regain(side, [tower.url], now_s, words.append) == 0
        assert "is not believed" in words[0]
        assert await regain(side, ["http://127.0.0.1:1", tower.url], now_s, words.append) == 1
        assert side.replica.lacks is not None


async def test_a_tower_tells_a_channels_state_to_its_owner_alone_and_to_a_word_of_now(tmp_path):
    async with set_back(tmp_path) as (chain, _, tower, _, _, alice, _):
        side, now_s = alice.session.side, await chain.now()
        for wanted, code in (
            (replace(side.wanted(now_s), signature=bytes(64)), "signature.invalid"),
            (replace(side.wanted(now_s), at_s=now_s + 1), "signature.invalid"),
            (side.wanted(now_s - 601), "tower.asked"),
            (Wanted(bytes(16), now_s, bytes(64)), "tower.channel"),
        ):
            with pytest.raises((InvalidMessage, Rejected)) as refused:
                await tower.core.held(wanted)
            assert refused.value.code == code
        assert (await tower.core.held(side.wanted(now_s))).payload


async def test_a_half_that_only_a_tower_has_is_never_signed_anew_and_left_with(tmp_path):
    """He signed and handed over a half that the service never heard, and then lost his record."""
    async with set_back(tmp_path) as (_, service, tower, _, person, before, _):
        with closing(Store(service.folder / "alice.sqlite")) as store:
            side = Side.restored(store, person.keystore, before.session.side.channel_id)
            unheard = side.propose([Wish(MARKET, True, 1, MARK * 97 // 100)], now_ms=service.now_ms)
            await tower.core.take(side.deposit())
        service.heard.clear()
        async with person.at_work([tower.url]) as alice:
            with pytest.raises(Rejected, match=r"session\.lacking"):
                await within(alice.session.place(Wish(MARKET, True, 1, MARK)))
            assert alice.session.side.holding().a.half.seqno == unheard.seqno
        assert not [frame for frame in service.heard if isinstance(wire.decode_request(frame), wire.Propose)]
