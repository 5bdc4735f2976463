"""The service as its operator and its users meet it: a process with a port, a folder and a signal."""

from __future__ import annotations

import asyncio
import secrets
import socket
import stat
import time
from contextlib import suppress

import pytest
from service_stage import MARK, MARKET, NETWORK, SYMBOL, WITHIN_S, Process, found, posted, prepared, priced
from typer.testing import CliRunner
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from fairway.cli.app import app
from fairway.client.wish import Wish
from fairway.exchange import wire
from fairway.exchange.hello import hello_digest
from fairway.service import archive


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """One service for all tests that only look at it."""
    process = Process(found(tmp_path_factory.mktemp("venue")))
    yield process
    process.kill()


def test_the_operator_halts_and_opens_the_venue_from_the_command_line(tmp_path):
    folder = found(tmp_path / "venue")
    process = Process(folder)
    try:
        for mode, status in (("halted", "HALTED"), ("open", "OPEN")):
            process.post("/v1/oracle/round", posted(priced({"halted": 1, "open": 2}[mode])))
            words = ["venue", "switch", mode, "--dir", folder, "--url", process.ready["url"], "--reason", "a drill"]
            outcome = CliRunner().invoke(app, [str(word) for word in words])
            assert outcome.exit_code == 0, outcome.output
            assert process.get("/v1/exchangeInfo")[1]["symbols"][1]["status"] == status
        bad = [*words[:2], "ajar", *words[3:]]
        assert CliRunner().invoke(app, [str(word) for word in bad]).exit_code != 0
    finally:
        process.kill()


def test_rest_answers_in_the_shapes_bots_expect(service):
    assert service.get("/v1/ping") == (200, {})
    status, info = service.get("/v1/exchangeInfo")
    assert status == 200
    assert [market["symbol"] for market in info["symbols"]] == ["TON-USD", SYMBOL]
    assert info["symbols"][1]["unit"] == "10000"
    assert service.get(f"/v1/depth?symbol={SYMBOL}")[1]["bids"] == []
    assert service.get(f"/v1/trades?symbol={SYMBOL}") == (200, [])
    assert service.get("/v1/insurance")[1]["insurance"] == "1000000000000"
    assert service.get(f"/v1/openInterest?symbol={SYMBOL}")[1]["openInterest"] == "0"
    assert service.get("/v1/status")[1]["entries"] >= 1


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/depth?symbol=NOPE", 404, -1121),
        ("/v1/depth", 400, -1102),
        (f"/v1/depth?symbol={SYMBOL}&limit=100000", 400, -1102),
        ("/v1/channel/state?channelId=00", 400, -1102),
        ("/v1/channel/state?channelId=" + "00" * 16, 404, -1102),
        ("/v1/proofs/settlement?txid=" + "00" * 32, 404, -2010),
        ("/v1/pool", 404, -2010),
        ("/v1/nowhere", 404, -1102),
    ],
)
def test_a_bad_request_gets_a_number_a_sentence_and_a_word(service, path, status, code):
    answered, body = service.get(path)
    assert (answered, body["code"]) == (status, code)
    assert body["msg"]
    assert body["data"]["code"]


def test_a_round_is_taken_only_under_the_oracles_signatures(service):
    forged = posted(priced(1)) | {"mark": MARK + 1}
    assert service.post("/v1/oracle/round", forged)[1]["data"]["code"] == "signature.invalid"
    assert service.post("/v1/oracle/round", {"junk": 1})[1]["data"]["code"] == "oracle.body"
    assert service.post("/v1/oracle/round", posted(priced(1)) | {"index": 2**70})[0] == 400
    assert service.post("/v1/oracle/round", posted(priced(1))) == (200, {"round": 1})
    assert service.post("/v1/oracle/round", posted(priced(1)))[1]["data"]["code"] == "oracle.round"
    assert service.get(f"/v1/premiumIndex?symbol={SYMBOL}")[1]["markPrice"] == str(MARK)


async def test_garbage_is_refused_by_name_and_the_session_goes_on(service):
    async with connect(service.ready["ws"]) as line:
        assert len(await line.recv()) == 32
        for garbage in (b"", b"\xff" * 100, secrets.token_bytes(1000), wire.encode(wire.Failure("x", "y"))):
            await line.send(garbage)
            assert wire.decode_reply(await line.recv()).code == "wire.request"
        await line.send(wire.encode(wire.Close(bytes(16), 1, 1, 0, 0, bytes(64))))
        assert wire.decode_reply(await line.recv()).code == "session.hello"
        await line.send(wire.encode(wire.Hello(bytes(16), bytes(32), bytes(64))))
        assert wire.decode_reply(await line.recv()).code == "key.weak"
    assert service.get("/v1/ping") == (200, {})


@pytest.mark.parametrize(("frame", "code"), [("text", 1008), (b"x" * 70_000, 1009)])
async def test_frames_that_cannot_be_meant_end_the_session(service, frame, code):
    async with connect(service.ready["ws"]) as line:
        await line.recv()
        await line.send(frame)
        with pytest.raises(ConnectionClosed) as caught:
            await asyncio.wait_for(line.recv(), WITHIN_S)
        assert caught.value.rcvd.code == code


async def test_a_page_of_another_site_gets_no_session(service):
    with pytest.raises(Exception, match="403"):
        await connect(service.ready["ws"], origin="https://evil.example")


def test_a_port_in_use_is_said_so(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(AssertionError, match=r"serve\.port"):
        Process(found(tmp_path / "venue"), "--port", str(taken.getsockname()[1]))


def test_a_second_service_on_one_folder_is_refused(service, tmp_path):
    folder = found(tmp_path / "venue")
    first = Process(folder)
    with pytest.raises(AssertionError, match=r"journal\.locked"):
        Process(folder)
    assert first.stop() == 0


def test_a_folder_without_rules_is_refused(tmp_path):
    with pytest.raises(AssertionError, match=r"venue\.missing"):
        Process(tmp_path)


def test_a_clean_stop_seals_the_journal_and_a_start_continues_it(tmp_path):
    folder = found(tmp_path / "venue")
    first = Process(folder)
    first.post("/v1/oracle/round", posted(priced(1)))
    assert first.stop() == 0
    assert archive.verify(folder).entries == 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.glob("*.sqlite")} == {0o600}
    assert stat.S_IMODE((folder / "root.key").stat().st_mode) == 0o600
    again = Process(folder)
    assert again.ready["entries"] == 2
    assert again.get("/v1/status")[1]["replayedCheckpoints"] == 1
    assert again.stop() == 0


def test_a_clean_stop_leaves_a_snapshot_and_a_start_goes_on_from_it_or_from_what_is_good(tmp_path):
    folder = found(tmp_path / "venue")
    first = Process(folder, "--snapshot-every", "5")
    assert (first.ready["snapshot"], first.ready["replayed"]) == (None, 1)
    for number in range(1, 12):
        first.post("/v1/oracle/round", posted(priced(number)))
    assert first.stop() == 0, first.errors
    again = Process(folder, "--snapshot-every", "5")
    assert (again.ready["snapshot"], again.ready["replayed"]) == (11, 0)
    assert again.get(f"/v1/premiumIndex?symbol={SYMBOL}")[1]["round"] == 11
    shown = again.get("/v1/status")[1]
    assert (shown["startedFrom"], shown["snapshot"], shown["replayedEntries"]) == (11, 11, 0)
    assert again.stop() == 0
    snapshot = max(folder.glob("snapshot-*"))
    snapshot.write_bytes(snapshot.read_bytes()[:-1])
    older = Process(folder, "--snapshot-every", "5")
    assert (older.ready["digest"], older.ready["entries"]) == (again.ready["digest"], 12)
    assert older.stop() == 0
    assert f"{snapshot.name} is not used: it is not as it was written [snapshot.damaged]" in older.errors


STRAYING = """
from fairway.exchange.engine import Engine
digest = Engine.digest
Engine.digest = lambda self: digest(self)[::-1]
"""


def test_a_service_whose_state_is_not_what_its_journal_gives_ends(tmp_path):
    """The planted bug: the service holds another state than it wrote down."""
    folder = found(tmp_path / "venue")
    process = Process(folder, "--snapshot-every", "5", planted=STRAYING)
    with suppress(OSError):
        for number in range(1, 100):
            process.post("/v1/oracle/round", posted(priced(number)))
            time.sleep(0.1)
    assert process.wait() == 70
    assert "[service.strayed]" in process.errors
    assert not list(folder.glob("snapshot-*"))


async def test_two_users_trade_and_the_settlement_is_proven(tmp_path):
    folder = tmp_path / "venue"
    async with prepared(folder, "alice", "bob") as (alice, bob):
        process = Process(folder, "--prove-at-exit")
        for trader in (alice, bob):
            trader.url = process.ready["ws"]
            trader.start()
        async with asyncio.timeout(WITHIN_S):
            await alice.session.place(Wish(market=MARKET, buy=True, lots=10, limit_tick=MARK))
            await bob.session.place(Wish(market=MARKET, buy=False, lots=10, limit_tick=MARK))
            await alice.until(lambda account: account.positions)
            assert process.get(f"/v1/openInterest?symbol={SYMBOL}")[1]["openInterest"] == "10"
            await alice.session.place(Wish(market=MARKET, buy=False, lots=10, limit_tick=MARK, reduce_only=True))
            await bob.session.place(Wish(market=MARKET, buy=True, lots=10, limit_tick=MARK, reduce_only=True))
            await alice.until(lambda account: not account.positions)
            await bob.until(lambda account: not account.positions)
        assert len(process.get(f"/v1/trades?symbol={SYMBOL}")[1]) == 2
        await check_catching_up(process, alice)
        assert await asyncio.to_thread(process.stop) == 0, process.errors
        again = Process(folder)
        shown = again.get("/v1/status")[1]
        assert (shown["totals"]["settlements"], shown["unproved"], shown["unranged"]) == (2, 0, 0)
        assert again.stop() == 0


async def check_catching_up(process, trader):
    """Whoever comes back with nothing but his key gets every half of the service again, signed, oldest first."""
    side = trader.session.side
    signer = trader.keystore.channel(side.replica.opened.salt)
    async with connect(process.ready["ws"]) as line:
        digest = hello_digest(NETWORK, await line.recv())
        await line.send(wire.encode(wire.Hello(side.channel_id, signer.key, signer.sign(digest), 0)))
        assert wire.decode_reply(await line.recv()).phase == "open"
        replies = [wire.decode_reply(await line.recv())]
        while replies[-1] != trader.seen[max(trader.seen)]:
            replies.append(wire.decode_reply(await line.recv()))
    pushes = [reply for reply in replies if isinstance(reply, wire.Pushed)]
    assert [push.seqno for push in pushes] == list(range(2, max(trader.seen) + 1))
    assert all(push == trader.seen[push.seqno] for push in pushes)
    assert [type(reply) for reply in replies[:2]] == [wire.Round, wire.Granted]  # the round in force, then half 1
