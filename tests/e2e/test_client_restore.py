"""Who restores an old copy takes the newer state that carries his own signature, or signs nothing more."""

import asyncio
import shutil
from contextlib import asynccontextmanager

import msgspec
import pytest
from client_stage import MARK, WITHIN_S, Stage, stage
from msgspec.structs import replace
from test_client_lies import SELL
from test_client_session import buy, sell, signed_twice, within

from fairway.audit.outbox import check_letters
from fairway.channel.machine import fingerprint, newest_b
from fairway.channel.phase import Phase, check_trading
from fairway.client.replica import Replica
from fairway.client.session import Session
from fairway.errors import FairwayError, InvalidMessage, Rejected
from fairway.exchange import event, wire
from fairway.exchange.engine import Engine
from fairway.service import desk as desk_module


async def busy(user, maker):
    """Accepted, refused, filled in part, cancelled, countersigned: everything that a record may lack."""
    await within(maker.session.place_many([sell(10), sell(10, MARK + 100)]))
    await within(user.session.place(buy(4)))
    with pytest.raises(Rejected, match=r"market\.band"):
        await within(user.session.place(buy(1, 2 * MARK)))
    await within(user.session.place_many([buy(1, MARK - 100), buy(2, MARK - 200)]))
    await within(user.session.cancel(3))
    with pytest.raises(Rejected, match=r"market\.band"):
        await within(user.session.place(buy(1, 2 * MARK)))
    await within(maker.session.place(sell(1, MARK - 100)))
    await user.settle()


async def put_back(user, *, act=lambda: None):
    """The user's process ends, its record is the old copy again, and it starts again."""
    await user.crash()
    for suffix in ("-wal", "-shm"):
        (user.folder / f"record.sqlite{suffix}").unlink(missing_ok=True)
    (user.folder / "old.sqlite").replace(user.folder / "record.sqlite")
    act()
    user.restart()


@pytest.mark.parametrize("pending", [False, True])
async def test_a_record_restored_from_an_old_copy_becomes_whole_and_trades_on(tmp_path, pending):
    async with stage(tmp_path) as service:
        maker, user = await service.user("maker"), await service.user("user")
        if pending:  # the copy was made between writing a half and its answer
            service.tamper = lambda reply: None if isinstance(reply, wire.Pushed) else reply
            asyncio.ensure_future(user.session.place(SELL)).add_done_callback(lambda done: done.exception())
            await asyncio.sleep(0.1)
            user.store.export(user.folder / "old.sqlite")
            service.tamper = lambda reply: reply
            service.cut()
            await user.settle()
            await within(user.session.cancel(1))
            await within(user.session.place(SELL))
            await within(user.session.cancel(2))
            await user.settle()
        else:
            user.store.export(user.folder / "old.sqlite")
            await busy(user, maker)
        whole = fingerprint(user.session.side.replica.channel)
        await put_back(user)
        assert fingerprint(user.session.side.replica.channel) != whole
        await user.until(lambda: fingerprint(user.session.side.replica.channel) == whole)
        rebuilt = Replica.rebuilt(user.store.record(user.channel_id))
        assert fingerprint(rebuilt.channel) == whole, "the record is whole too"
        assert not user.store.evidence(user.channel_id)
        assert await within(user.session.place(buy(1, MARK - 300))) >= 1
        assert not signed_twice(service)
        assert not user.session.side.lied


async def test_whoever_asks_while_he_is_restored_waits_until_he_is_whole(tmp_path):
    async with stage(tmp_path) as service:
        maker, user = await service.user("maker"), await service.user("user")
        user.store.export(user.folder / "old.sqlite")
        await busy(user, maker)
        await put_back(user)
        assert await within(user.session.place(buy(1, MARK - 300))) == 4
        assert not signed_twice(service)


async def test_planted_a_client_that_does_not_wait_signs_two_halves_under_one_seqno(tmp_path, monkeypatch):
    async with stage(tmp_path) as service:
        maker, user = await service.user("maker"), await service.user("user")
        user.store.export(user.folder / "old.sqlite")
        await busy(user, maker)
        monkeypatch.setattr(Session, "_is_restoring", False)
        await put_back(user)
        asyncio.ensure_future(user.session.place(sell(7))).add_done_callback(lambda done: done.exception())
        await asyncio.sleep(0.3)
        assert signed_twice(service)


def forged(reply):
    return replace(reply, signature=bytes(64)) if isinstance(reply, wire.Yours) else reply


def enlarged(reply):
    if isinstance(reply, wire.Yours) and reply.orders:
        return replace(reply, conditionals_hash=bytes(32))
    return reply


def hidden(reply):
    return None if isinstance(reply, wire.Yours) else reply


def older(reply):
    """The service says that it knows less than it does; its pushes cite what it hides."""
    if isinstance(reply, wire.Welcome):
        return replace(reply, a_seqno=1)
    return hidden(reply)


@pytest.mark.parametrize(
    ("tamper", "code"),
    [
        (forged, "signature.invalid"),
        (enlarged, "signature.invalid"),
        (hidden, "replica.behind"),
        (older, "replica.behind"),
    ],
)
async def test_a_service_that_shows_what_he_did_not_sign_is_found_out_and_gets_nothing_signed(tmp_path, tamper, code):
    async with stage(tmp_path) as service:
        maker, user = await service.user("maker"), await service.user("user")
        user.store.export(user.folder / "old.sqlite")
        await busy(user, maker)
        service.heard.clear()

        def lie():
            service.tamper = tamper

        await put_back(user, act=lie)
        async with asyncio.timeout(WITHIN_S):
            with pytest.raises(InvalidMessage) as found:
                await user.task
        assert found.value.code == code
        assert [kept.code for kept in user.store.evidence(user.channel_id)] == [code]
        assert not [frame for frame in service.heard if isinstance(wire.decode_request(frame), wire.Propose)]


async def test_a_service_that_shows_an_older_state_gets_nothing_signed_and_the_proof_is_kept(tmp_path):
    async with stage(tmp_path) as service:
        maker, user = await service.user("maker"), await service.user("user")
        await busy(user, maker)
        service.heard.clear()
        service.tamper = lambda reply: replace(reply, a_seqno=2, b_seqno=2) if isinstance(reply, wire.Welcome) else None
        service.cut()
        async with asyncio.timeout(WITHIN_S):
            with pytest.raises(Rejected, match=r"session\.outrun"):
                await user.task
        assert [kept.code for kept in user.store.evidence(user.channel_id)] == ["session.outrun"]
        requests = [wire.decode_request(frame) for frame in service.heard]
        his = [type(each) for each in requests if each.channel_id == user.channel_id]
        assert his == [wire.Hello, wire.Shown]
        assert not user.session.side.lied


# The service's own old copy


@asynccontextmanager
async def set_back(tmp_path):
    """A service that runs on a copy of its journal from before its users traded; they know more than it does."""
    async with stage(tmp_path / "now") as service:
        maker, user = await service.user("maker"), await service.user("user")
        shutil.copytree(tmp_path / "now" / "service", tmp_path / "then" / "service")
        await busy(user, maker)
        service.down = True
        service.cut()
        for each in (maker, user):
            await each.crash()
        then = Stage(tmp_path / "then")
        then.now_ms, then.round = service.now_ms, service.round
        then.users = {"maker": maker, "user": user}
        loop = asyncio.create_task(then.sequencer.run())
        try:
            yield then, maker, user
        finally:
            for each in (maker, user):
                if not each.task.done():
                    await each.crash()
            await then.sequencer.close()
            await loop


def come_back(user, service):
    user.stage = service
    user.restart()


async def test_a_service_that_was_set_back_halts_the_channel_signs_nothing_and_serves_others(tmp_path):
    async with set_back(tmp_path) as (service, _maker, user):
        channel = service.engine.channels[user.channel_id]
        spoken = []
        service.tamper = lambda reply: spoken.append(reply) or reply
        come_back(user, service)
        async with asyncio.timeout(WITHIN_S):
            with pytest.raises(Rejected, match=r"session\.outrun"):
                await user.task
        await service.sequencer.ask(lambda: None)
        assert channel.phase is Phase.HALTED
        assert not [reply for reply in spoken if isinstance(reply, wire.Pushed)]
        half, theirs = user.session.side.leave()
        assert theirs.half.seqno > newest_b(channel), "he leaves with the newest"
        half.verify(user.session.side.replica.opened.key_a)
        come_back(user, service)
        async with asyncio.timeout(WITHIN_S):
            with pytest.raises(Rejected, match=r"session\.outrun"):
                await user.task
        fresh = await service.user("fresh")
        await within(fresh.session.place(sell(1)))
        with pytest.raises(Rejected, match=r"channel\.phase"):
            check_trading(channel.phase)


async def test_a_halt_is_in_the_journal_and_outlives_a_restart(tmp_path):
    async with set_back(tmp_path) as (service, _maker, user):
        come_back(user, service)
        await asyncio.wait([user.task], timeout=WITHIN_S)
        await service.sequencer.ask(lambda: None)
        engine, journal = Engine(), service.desk._journal
        letters = {}
        for topic, number, entry, frame in journal._database.execute("SELECT * FROM outbox"):
            letters.setdefault(entry, {})[topic, number] = frame
        for seq, _, payload in journal.entries():
            happened = event.decode(payload)
            check_letters(seq, happened, engine.apply(happened), letters.get(seq, {}))
        assert engine.channels[user.channel_id].phase is Phase.HALTED
        assert engine.digest() == service.engine.digest()


async def test_only_a_newer_half_under_the_services_own_signature_halts_a_channel(tmp_path):
    async with stage(tmp_path) as service:
        maker, user = await service.user("maker"), await service.user("user")
        await busy(user, maker)
        side = user.session.side
        known = side.outrun(user.session.welcome)
        codes = []
        for half in (known.half, b"", maker.session.side.outrun(user.session.welcome).half):
            with pytest.raises(FairwayError) as refused:
                await service.sequencer.submit(event.Outrun(at_ms=0, channel_id=user.channel_id, half=half))
            codes.append(refused.value.code)
        assert codes == ["channel.known", "cells.boc", "channel.id"]
        assert service.engine.channels[user.channel_id].phase is Phase.OPEN


async def test_planted_a_service_that_does_not_ask_what_the_user_holds_would_sign_whatever_comes(tmp_path, monkeypatch):
    async with set_back(tmp_path) as (service, _maker, user):
        monkeypatch.setattr(desk_module, "newest_b", lambda _channel: 1 << 60)
        monkeypatch.setattr(Session, "_check_outrun", _nothing)
        come_back(user, service)
        await user.until(lambda: user.session._line is not None)
        await service.sequencer.ask(lambda: None)
        assert service.hub.is_followed(user.channel_id)


async def _nothing(*_):
    return None


def test_the_messages_of_a_restore_are_read_as_they_are_written():
    yours = wire.Yours(bytes(16), 2, 0, bytes(32), 1, bytes(64), [], [3])
    assert wire.decode_reply(wire.encode(yours)) == yours
    shown = wire.Shown(bytes(16), b"\x00")
    assert wire.decode_request(wire.encode(shown)) == shown
    assert msgspec.structs.asdict(wire.Hello(bytes(16), bytes(32), bytes(64)))["a_seqno"] == 0
