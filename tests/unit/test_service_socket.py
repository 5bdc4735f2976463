"""The WebSocket's manners, driven as a server would drive it: every way a session ends, and what a late user gets."""

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "e2e"))

from service_stage import MARKET, found, priced

from fairway.crypto import keys
from fairway.exchange import wire
from fairway.exchange.hello import hello_digest
from fairway.service import hub
from fairway.service.api import socket
from fairway.service.house import House, Settings
from fairway.service.serve import application

WITHIN_S = 10


class Line:
    """One WebSocket as the server sees it. `stuck` holds the reader's end: nothing more is taken off the wire."""

    def __init__(self, house, **headers):
        self.incoming, self.outgoing = asyncio.Queue(), asyncio.Queue()
        self.flowing = asyncio.Event()
        self.flowing.set()
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "websocket", "path": "/v1/ws", "headers": pairs}
        self.incoming.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(application(house)(scope, self.incoming.get, self._take))

    async def _take(self, message):
        if message["type"] == "websocket.send":
            await self.flowing.wait()
        self.outgoing.put_nowait(message)

    def send(self, frame):
        self.incoming.put_nowait({"type": "websocket.receive", "bytes": frame})

    async def frame(self):
        async with asyncio.timeout(WITHIN_S):
            while (message := await self.outgoing.get())["type"] != "websocket.send":
                pass
        return message["bytes"]

    async def reply(self):
        return wire.decode_reply(await self.frame())

    async def close_code(self):
        async with asyncio.timeout(WITHIN_S):
            while (message := await self.outgoing.get())["type"] != "websocket.close":
                pass
            await self.task
        return message["code"]

    async def hello(self, seed=b"h" * 32, channel_id=bytes(16), b_seqno=0):
        """Say hello and hear the welcome."""
        challenge = await self.frame()
        signature = keys.sign(seed, hello_digest(-3, challenge))
        self.send(wire.encode(wire.Hello(channel_id, keys.public_key(seed), signature, b_seqno)))
        return await self.reply()


@pytest.fixture
async def house(tmp_path):
    house = House.open(Settings(found(tmp_path / "venue")))
    running = asyncio.create_task(house.run())
    yield house
    await house.stop()
    await running
    house.close(clean=True)


async def test_a_welcome_states_the_rules_and_the_key_for_this_user(house):
    welcome = await Line(house).hello()
    assert (welcome.network, welcome.phase) == (-3, "")
    again = await Line(house).hello()
    other = await Line(house).hello(seed=b"i" * 32)
    assert welcome == again
    assert welcome.key_b != other.key_b


async def test_a_hello_is_good_for_its_own_challenge_only(house):
    first, second = Line(house), Line(house)
    challenge = await first.frame()
    assert challenge != await second.frame()
    signature = keys.sign(b"h" * 32, hello_digest(-3, challenge))
    second.send(wire.encode(wire.Hello(bytes(16), keys.public_key(b"h" * 32), signature)))
    assert (await second.reply()).code == "signature.invalid"


async def test_hello_is_said_once(house):
    line = Line(house)
    await line.hello()
    line.send(wire.encode(wire.Hello(bytes(16), bytes(32), bytes(64))))
    assert (await line.reply()).code == "session.hello"


async def test_someone_elses_channel_is_not_to_be_had(house):
    line = Line(house)
    await line.hello()
    line.send(wire.encode(wire.Propose(bytes(16), 1, 0, bytes(32), 1, bytes(64))))
    assert (await line.reply()).code == "session.channel"
    line.send(wire.encode(wire.Open(bytes(16), bytes(32), bytes(32), "0:" + "22" * 32, bytes(64))))
    assert (await line.reply()).code == "session.key"


async def test_a_late_user_gets_the_round_in_force_and_an_early_one_each_as_it_comes(house):
    early = Line(house)
    await early.hello()
    for number in (1, 2, 3):
        await house.sequencer.submit(priced(number))
    assert [(await early.reply()).round for _ in range(3)] == [1, 2, 3]
    late = Line(house)
    await late.hello()
    told = await late.reply()
    assert (told.market, told.round) == (MARKET, 3)


async def test_a_reader_that_stands_still_is_dropped_and_the_others_are_served(house, monkeypatch):
    monkeypatch.setattr(hub, "OUTGOING", 8)
    stuck, other = Line(house), Line(house)
    await stuck.hello()
    await other.hello()
    await asyncio.sleep(0.05)  # both are live
    stuck.flowing.clear()
    for number in range(1, 30):
        await house.sequencer.submit(priced(number))
        assert (await other.reply()).round == number
    stuck.flowing.set()
    assert await stuck.close_code() == socket.SLOW_READER
    assert len(house.hub.sessions) == 1


async def test_silence_instead_of_a_hello_ends_the_session(house, monkeypatch):
    monkeypatch.setattr(socket, "HELLO_WITHIN_S", 0.05)
    assert await Line(house).close_code() == socket.NO_HELLO


async def test_a_foreign_page_is_refused_and_our_own_is_not(house):
    assert await Line(house, origin="https://evil.example", host="fairway.example").close_code() == socket.POLICY
    await Line(house, origin="https://fairway.example", host="fairway.example").hello()


async def test_sessions_are_bounded(house, monkeypatch):
    monkeypatch.setattr(socket, "SESSIONS", 0)
    assert await Line(house).close_code() == socket.TRY_LATER


async def test_who_sends_garbage_is_slowed_down(house, monkeypatch):
    monkeypatch.setattr(socket, "BURST", socket.GARBAGE_COST)
    line, clock = Line(house), asyncio.get_running_loop().time
    await line.frame()
    began = clock()
    for _ in range(3):
        line.send(b"garbage")
        assert (await line.reply()).code == "wire.request"
    assert clock() - began >= socket.GARBAGE_COST / socket.RATE


async def test_a_user_who_leaves_is_forgotten(house):
    line = Line(house)
    await line.hello()
    line.incoming.put_nowait({"type": "websocket.disconnect"})
    await asyncio.wait_for(line.task, WITHIN_S)
    assert not house.hub.sessions
