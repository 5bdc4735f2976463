"""A watchtower holds pairs and no secret, and answers a stale close while its user is away; a receipt is kept by it."""

import asyncio
import json
import os
import signal
import socket
import sys
import urllib.request
from contextlib import asynccontextmanager, suppress

import msgspec
import pytest
import uvicorn
from client_stage import MARK, MARKET, NETWORK
from defence_stage import came_home, look_until, pair_of, round_at, service_starts
from onchain_stage import market, rich
from test_client_defence import traded
from test_exit_command import served

from fairway.chain.purse import Purse
from fairway.channel import codec
from fairway.channel.state import SignedHalf
from fairway.client import sentry as sentry_module
from fairway.client.keystore import Keystore
from fairway.client.store import Store
from fairway.client.watchtower import Watchtower
from fairway.client.watchtower_app import TowerApp
from fairway.client.watchtower_store import TowerStore
from fairway.client.watchtower_wire import Deposit, Handed, Rounds, Watched, handed_digest, seal
from fairway.client.wish import Wish
from fairway.crypto import keys
from fairway.errors import InvalidMessage, Rejected
from fairway.ton.cells import to_boc
from fairway.ton.wallet import Transfer
from fairway.units import TON


class Tower:
    """A tower in this process: its parts, its URL, and what it told."""

    def __init__(self, chain, folder, name="tower"):
        self.words = []
        self.store = TowerStore(folder / f"{name}.sqlite")
        keystore = Keystore(keys.derive_seed(b"tower", name))
        self.core = Watchtower(chain, keystore, NETWORK, self.store, tell=self.words.append)
        self.url = ""


@asynccontextmanager
async def standing(chain, folder, name="tower"):
    tower = Tower(chain, folder, name)
    await chain.fund(tower.core.purse.address, 5 * TON)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        app = TowerApp(tower.core)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, log_level="critical", lifespan="off"))
        tasks = [asyncio.create_task(server.serve([listener])), asyncio.create_task(tower.core.run())]
        tower.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            yield tower
        finally:
            tasks[1].cancel()
            server.should_exit = True
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task
            tower.store.close()


async def receipted(user):
    """Wait until every tower of `user` has what he signed last."""

    async def all_have():
        side = user.session.side
        return all(
            each.receipt and (each.receipt.seqno_a, each.receipt.seen) == side.watchable for each in user.couriers
        )

    await look_until(all_have)


async def test_a_tower_answers_a_stale_close_claims_and_says_when_it_is_over(tmp_path):
    async with market(tmp_path) as (chain, service), standing(chain, tmp_path) as tower:
        people = [await rich(chain, service, name) for name in ("alice", "bob")]
        async with people[0].at_work([tower.url]) as alice, people[1].at_work() as bob:
            old = await traded(chain, service, alice, bob)
            await alice.session.countersign()
            await receipted(alice)
            newest, address, onchain = alice.session.side.replica.channel.b, alice.onchain.address, alice.onchain
            channel_id, mine = alice.session.side.channel_id, alice.session.side.replica.cosigned.a
            (kept,) = alice.session.side._store.receipts(channel_id)
            kept.verify(tower.core.key)
        service.down = True
        service.cut()
        started = await service_starts(chain, service, alice, old)

        async def answered():
            quarantine = (await onchain.channel()).quarantine
            return quarantine.b.seqno > old[1].half.seqno and quarantine

        quarantine = await look_until(answered)
        assert quarantine.fine == service.engine.rules.fine
        assert not quarantine.challenged, "the user's own word is left to him"
        moment_ms = started.started_at * 1000 + service.engine.rules.patience_ms
        shown = [round_at(7, moment_ms - 1, MARK), round_at(8, moment_ms, MARK + 1_000)]
        tower.core.take_rounds(Rounds(channel_id, shown))
        await chain.advance(service.engine.rules.quarantine_s + service.engine.rules.settling_s // 2 + 2)

        async def claimed():
            return (await onchain.channel()).quarantine.b.sent > quarantine.b.sent

        await look_until(claimed)
        await chain.advance(service.engine.rules.settling_s)
        home = await look_until(lambda: came_home(chain, service, address))
        won = 1_000 * 10_000 * 1_000
        assert home == 100 * TON - mine.sent + newest.half.sent + won + service.engine.rules.fine

        async def forgotten():
            return tower.core.channels == 0

        await look_until(forgotten)
        assert [words.split(": ")[1] for words in tower.words] == [
            "challenged a stale close",
            "claimed what the service has promised",
            "finished the close",
            "has paid out",
        ]


async def test_two_towers_do_not_hurt_each_other(tmp_path):
    async with (
        market(tmp_path) as (chain, service),
        standing(chain, tmp_path, "one") as one,
        standing(chain, tmp_path, "two") as two,
    ):
        people = [await rich(chain, service, name) for name in ("alice", "bob")]
        async with people[0].at_work([one.url, two.url]) as alice, people[1].at_work() as bob:
            old = await traded(chain, service, alice, bob)
            await alice.session.countersign()
            await receipted(alice)
            onchain = alice.onchain
        await service_starts(chain, service, alice, old)

        async def answered():
            return (await onchain.channel()).quarantine.b.seqno > old[1].half.seqno

        await look_until(answered)
        await asyncio.sleep(0.3)
        spent = [each for each in (one, two) if each.words]
        assert spent, "at least one has spoken"
        assert (await onchain.channel()).quarantine.fine == service.engine.rules.fine, "once"


async def test_a_tower_leaves_what_the_service_signed_later_alone(tmp_path):
    """A half that the user has seen and not countersigned yet is newer than what the tower could bring."""
    async with market(tmp_path) as (chain, service), standing(chain, tmp_path) as tower:
        people = [await rich(chain, service, name) for name in ("alice", "bob")]
        async with people[0].at_work([tower.url]) as alice, people[1].at_work() as bob:
            await traded(chain, service, alice, bob)
            await receipted(alice)
            side, onchain = alice.session.side, alice.onchain
            assert side.replica.newest_b > side.replica.cosigned.b.half.seqno
            newest = pair_of(alice)
        await service_starts(chain, service, alice, newest)
        await asyncio.sleep(0.5)
        assert (await onchain.channel()).quarantine.b.seqno == newest[1].half.seqno
        assert not tower.words


async def refusal(tower, handed):
    with pytest.raises((InvalidMessage, Rejected)) as refused:
        await tower.core.take(handed)
    return refused.value.code


async def test_what_is_not_signed_not_newer_or_not_ones_own_is_refused(tmp_path):
    async with market(tmp_path) as (chain, service), standing(chain, tmp_path) as tower:
        people = [await rich(chain, service, name) for name in ("alice", "bob")]
        async with people[0].at_work() as alice, people[1].at_work() as bob:
            await traded(chain, service, alice, bob)
            side, signer = alice.session.side, alice.session.side._signer
            old = side.deposit()
            await alice.session.countersign()
            new = side.deposit()
            deposit = msgspec.msgpack.decode(new.payload, type=Deposit)

            def altered(**fields):
                return seal(msgspec.structs.replace(deposit, **fields), signer)

            other, weak = bob.session.side, bytes(32)
            opened, welcome = deposit.opened, deposit.welcome
            theirs = msgspec.msgpack.decode(other.deposit().payload, type=Deposit)
            stranger = keys.Signer.of(bytes(32))
            forged = SignedHalf(side.replica.cosigned.a, stranger.sign(side.replica.cosigned.a.digest()))
            assert (
                await refusal(tower, Handed(new.payload, stranger.sign(handed_digest(new.payload))))
                == "signature.invalid"
            )
            assert await refusal(tower, altered(a=to_boc(forged.to_cell()))) == "signature.invalid"
            assert await refusal(tower, altered(opened=msgspec.structs.replace(opened, key_a=weak))) == "key.weak"
            assert await refusal(tower, altered(welcome=msgspec.structs.replace(welcome, key_b=weak))) == "key.weak"
            assert (
                await refusal(tower, altered(opened=msgspec.structs.replace(opened, channel_id=bytes(16))))
                == "channel.id"
            )
            assert await refusal(tower, altered(a=theirs.a, b=theirs.b)) == "channel.id"
            assert (
                await refusal(tower, altered(b=msgspec.msgpack.decode(old.payload, type=Deposit).b))
                == "tower.uncosigned"
            )
            assert await refusal(tower, altered(promised=deposit.promised[:0])) == "tower.deposit"
            assert await refusal(tower, altered(b=b"no cell")) == "cells.boc"
            assert await refusal(tower, Handed(b"\x00", bytes(64))) == "tower.deposit"
            unknown = [msgspec.structs.replace(each, code_hash=bytes(32)) for each in deposit.promised]
            assert await refusal(tower, altered(promised=unknown)) == "tower.code"
            abroad = msgspec.structs.replace(welcome, network=-239)
            assert await refusal(tower, altered(welcome=abroad)) == "channel.id"
            cheaper = msgspec.structs.replace(welcome, fine=0)
            assert await refusal(tower, altered(welcome=cheaper)) == "tower.unfunded", (
                "another contract, and nothing in it"
            )
            receipt = await tower.core.take(new)
            receipt.verify(tower.core.key)
            assert await refusal(tower, old) == "tower.outdated"
            assert (await tower.core.take(new)).seqno_a == receipt.seqno_a, "the same once more is no harm"
            forged_round = msgspec.structs.replace(round_at(3, 1, MARK), mark=MARK + 1)
            with pytest.raises(InvalidMessage, match=r"signature\.invalid"):
                tower.core.take_rounds(Rounds(side.channel_id, [forged_round]))
            with pytest.raises(Rejected, match=r"tower\.channel"):
                tower.core.take_rounds(Rounds(other.channel_id, []))


async def test_a_call_that_is_none_is_told_by_its_code(tmp_path):
    async with market(tmp_path) as (chain, _service), standing(chain, tmp_path) as tower:

        def call(path, body):
            request = urllib.request.Request(tower.url + path, data=body)
            try:
                with urllib.request.urlopen(request) as reply:
                    return reply.status, reply.read()
            except urllib.error.HTTPError as error:
                return error.code, msgspec.msgpack.decode(error.read())["code"]

        assert await asyncio.to_thread(call, "/v1/watch", b"\xc1") == (422, "tower.call")
        assert await asyncio.to_thread(call, "/v1/other", b"") == (404, "tower.call")
        assert await asyncio.to_thread(call, "/v1/rounds", bytes(2 << 20)) == (422, "tower.call")
        status, body = await asyncio.to_thread(call, "/v1/status", None)
        assert status == 200
        told = json.loads(body)
        assert (told["address"], told["low"], told["channels"]) == (tower.core.purse.address, False, 0)


async def test_planted_a_tower_that_lets_old_pairs_replace_newer_ones_is_caught(tmp_path, monkeypatch):
    async with market(tmp_path) as (chain, service), standing(chain, tmp_path) as tower:
        people = [await rich(chain, service, name) for name in ("alice", "bob")]
        async with people[0].at_work() as alice, people[1].at_work() as bob:
            await traded(chain, service, alice, bob)
            side = alice.session.side
            old = side.deposit()
            await alice.session.countersign()
            monkeypatch.setattr(tower.store, "put", lambda *_: None)
            await tower.core.take(side.deposit())
            assert (await tower.core.take(old)).seqno_a < side.watchable[0], "what the store would have refused"


class Process:
    """`fairway watch` as a process."""

    def __init__(self, folder, url):
        self.arguments = ["watch", "--dir", str(folder), "--chain", url, "--listen", "127.0.0.1:0"]
        self.lines = []

    async def __aenter__(self):
        command = [sys.executable, "-m", "fairway", *self.arguments]
        surroundings = {**os.environ, "PYTHONUNBUFFERED": "1"}
        self.process = await asyncio.create_subprocess_exec(*command, stdout=-1, stderr=-1, env=surroundings)
        while not self.lines or not self.lines[-1].startswith("watching"):
            line = (await self.process.stdout.readline()).decode()
            assert line, (await self.process.stderr.read()).decode()
            self.lines.append(line)
        return self

    async def __aexit__(self, *_):
        if self.process.returncode is None:
            self.process.kill()
        await self.process.communicate()

    @property
    def url(self):
        return self.lines[-1].split()[-1]

    @property
    def wallet(self):
        return self.lines[1].split()[1]


async def test_a_tower_killed_at_once_after_its_receipt_resumes_and_ends_cleanly(tmp_path):
    async with market(tmp_path) as (chain, service), served(chain) as url:
        people = [await rich(chain, service, name) for name in ("alice", "bob")]
        async with Process(tmp_path / "tower", url) as first:
            await chain.fund(first.wallet, 5 * TON)
            async with people[0].at_work([first.url]) as alice, people[1].at_work() as bob:
                old = await traded(chain, service, alice, bob)
                await alice.session.countersign()
                await receipted(alice)
                first.process.kill()
                onchain, key = alice.onchain, alice.couriers[0].receipt.key
            await first.process.wait()
        async with Process(tmp_path / "tower", url) as second:
            assert second.lines[0].split()[-1] == key.hex()
            assert second.lines[-1].startswith("watching 1 channels")
            await service_starts(chain, service, alice, old)

            async def answered():
                return (await onchain.channel()).quarantine.b.seqno > old[1].half.seqno

            await look_until(answered)
            second.process.send_signal(signal.SIGINT)
            told, complaint = await second.process.communicate()
            assert second.process.returncode == 0, complaint
            assert told.decode().splitlines()[-1] == "stopped; what is receipted is kept"
            assert b"Traceback" not in complaint


def test_a_receipt_of_another_key_is_none(tmp_path):
    signer = keys.Signer.of(bytes(32))
    unsigned = Watched(signer.key, bytes(16), 1, 2, 3, 4)
    receipt = Watched(signer.key, bytes(16), 1, 2, 3, 4, signer.sign(unsigned.digest()))
    receipt.verify(signer.key)
    with pytest.raises(InvalidMessage, match=r"tower\.key"):
        receipt.verify(bytes(32))
    store = Store(tmp_path / "record.sqlite")
    store.keep_receipt(bytes(16), receipt)
    assert store.receipts(bytes(16)) == [receipt]
    store.close()


async def settling(chain, service, onchain):
    """The quarantine is over, and the time to adopt is not."""
    await chain.advance(service.engine.rules.quarantine_s + 2)
    return (await onchain.channel()).quarantine


async def service_answers(chain, service, user, pair):
    """The service challenges the close that `user` began with a pair that it would like better."""
    side = user.session.side
    signer = service.keyring.channel(NETWORK, service.vault, side.replica.opened.key_a)
    statement = codec.Challenge(side.setup.channel_id, *pair)
    told = codec.Signed(by_a=False, signature=signer.sign(statement.digest()), statement=statement)
    purse = Purse(chain, service.keyring.operator(), NETWORK)
    await purse.send(Transfer(user.onchain.address, TON // 5, codec.encode(told)))


@asynccontextmanager
async def left_behind(tmp_path):
    """A tower, and a user who begins to leave and goes; the service then takes an older half of his that is cheaper."""
    async with market(tmp_path) as (chain, service), standing(chain, tmp_path) as tower:
        people = [await rich(chain, service, name) for name in ("alice", "bob")]
        async with people[0].at_work([tower.url]) as alice, people[1].at_work() as bob:
            await traded(chain, service, alice, bob)
            older = pair_of(alice)
            service.down = True
            service.cut()
            await alice.leave()
            await receipted(alice)
            onchain, left_with = alice.onchain, alice.session.side.holding()
        assert older[0].half.seqno < left_with.a.half.seqno
        await service_answers(chain, service, alice, older)
        assert (await onchain.channel()).quarantine.a.seqno == older[0].half.seqno, "the service's choice"
        yield chain, service, tower, onchain, left_with


async def test_a_tower_adopts_what_the_services_half_expects_of_who_left_and_went(tmp_path):
    async with left_behind(tmp_path) as (chain, service, tower, onchain, left_with):
        await settling(chain, service, onchain)

        async def adopted():
            quarantine = (await onchain.channel()).quarantine
            return quarantine.adopted and quarantine

        quarantine = await look_until(adopted)
        assert (quarantine.a.seqno, quarantine.b.seqno) == (left_with.a.half.seqno, left_with.b.half.seqno)
        assert tower.words[-1].endswith("adopted what the service's own half expects")


async def test_planted_a_tower_that_does_not_adopt_leaves_the_services_choice(tmp_path, monkeypatch):
    monkeypatch.setattr(sentry_module, "adoption_of", lambda *_: None)
    async with left_behind(tmp_path) as (chain, service, _tower, onchain, left_with):
        await settling(chain, service, onchain)
        await asyncio.sleep(0.5)
        assert (await onchain.channel()).quarantine.a.seqno < left_with.a.half.seqno


async def test_a_tower_recalls_what_its_users_half_cites_where_it_has_nothing_to_adopt(tmp_path):
    """His newest half adds an order, so no half of the service expects exactly it; fills stand only in a later one."""
    async with market(tmp_path) as (chain, service), standing(chain, tmp_path) as tower:
        people = [await rich(chain, service, name) for name in ("alice", "bob")]
        async with people[0].at_work([tower.url]) as alice, people[1].at_work() as bob:
            await traded(chain, service, alice, bob)
            await bob.session.place(Wish(MARKET, True, 500, MARK, leverage=10))
            await alice.session.place(Wish(MARKET, False, 500, MARK, leverage=10, reduce_only=True))
            await receipted(alice)
            newest, onchain = pair_of(alice), alice.onchain
            cosigned = alice.session.side.replica.cosigned
            address, agreed = onchain.address, alice.session.account.balance
        service.down = True
        service.cut()
        assert newest[1].half.seqno > cosigned.b.half.seqno
        await chain.advance(60)  # the receipt is older than the start, by the chain's clock too
        started = await service_starts(chain, service, alice, newest)
        await settling(chain, service, onchain)

        async def recalled():
            return (await onchain.channel()).quarantine.b.seqno == cosigned.b.half.seqno

        await look_until(recalled)
        moment_ms = started.started_at * 1000 + service.engine.rules.patience_ms
        shown = [round_at(7, moment_ms - 1, MARK), round_at(8, moment_ms, MARK + 1_000)]
        tower.core.take_rounds(Rounds(alice.session.side.channel_id, shown))
        await chain.advance(service.engine.rules.settling_s // 2 + 2)

        async def claimed():
            return (await onchain.channel()).quarantine.b.sent > cosigned.b.half.sent

        await look_until(claimed)
        await chain.advance(service.engine.rules.settling_s // 2 + 2)
        home = await look_until(lambda: came_home(chain, service, address))
        assert home >= agreed + 500 * 10_000 * 1_000, "what he would have by his newest; the service claims for itself"
