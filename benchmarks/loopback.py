"""Users on loopback WebSockets, in a process of their own: they send what a quiet history has, at the planned times.

The schedule is open: a frame goes out when it was planned, whether or not earlier ones were answered, and its time runs
from the plan. So a pause of the service is felt by all who come in it, not by one.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from typing import NamedTuple

import uvicorn
import websockets

from benchmarks import flow
from benchmarks.stage import Stage
from fairway.channel.machine import newest_b
from fairway.exchange.event import Proposed, decode
from fairway.exchange.hello import hello_digest
from fairway.exchange.wire import Failure, Hello, Pushed, Welcome, decode_reply, encode
from fairway.service.api.socket import MAX_FRAME, Receive, Scope, Send, Socket
from fairway.service.serve import bind

__all__ = ["Outcome", "play"]

EARLY_S = 0.5
SLACK_S = 0.0015


class Guest(NamedTuple):
    """One user: who he is, and where his record stands."""

    number: int
    channel_id: bytes
    a_seqno: int
    b_seqno: int


class Outcome(NamedTuple):
    """Seconds from the plan to the signed answer, and from the plan to the sending; the server's processor seconds."""

    answered: list[float]
    sent_late: list[float]
    wall: float
    processor: float


async def play(stage: Stage, history: flow.History, times: Sequence[float]) -> Outcome:
    """Send the first halves of `history`, the i-th at `times[i]` seconds after the beginning."""
    guests = [
        Guest(number, channel_id, channel.a_consumed, newest_b(channel))
        for number, (channel_id, channel) in enumerate(stage.engine.channels.items())
    ]
    ours, theirs = multiprocessing.Pipe()
    running = asyncio.ensure_future(stage.sequencer.run())
    async with _served(stage) as port:
        users = multiprocessing.get_context("spawn").Process(
            target=_users, args=(theirs, port, guests, history.trading[: len(times)], list(times))
        )
        users.start()
        try:
            await _said(ours, "ready")
            processor = time.process_time()
            ours.send("go")
            answered, late, wall = await _said(ours, "done")
            processor = time.process_time() - processor
        finally:
            users.join(10)
            users.kill()
    await stage.sequencer.close()
    await running
    return Outcome(answered, late, wall, processor)


@asynccontextmanager
async def _served(stage: Stage) -> AsyncIterator[int]:
    sessions = Socket(stage.desk, stage.hub, stage.meter)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await sessions(scope, receive, send)

    listener = bind("127.0.0.1", 0)
    settings = uvicorn.Config(
        application,
        lifespan="off",
        log_level="warning",
        access_log=False,
        ws="websockets-sansio",
        ws_max_size=MAX_FRAME,
    )
    server = uvicorn.Server(settings)
    web = asyncio.ensure_future(server.serve(sockets=[listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await web


async def _said(pipe: Connection, word: str) -> list:
    said, *rest = await asyncio.to_thread(pipe.recv)
    if said != word:
        raise SystemExit(f"the users ended: {said}")
    return rest


# The users' process


class User:
    """One connection."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.waiting: deque[float] = deque()
        self.due = 0
        self.socket: websockets.ClientConnection

    async def join(self, port: int) -> None:
        self.socket = await websockets.connect(f"ws://127.0.0.1:{port}/v1/ws", compression=None, ping_interval=None)
        challenge, signer = await self.socket.recv(), flow.signer_a(self.guest.number)
        assert isinstance(challenge, bytes)
        signature = signer.sign(hello_digest(flow.NETWORK, challenge))
        hello = Hello(self.guest.channel_id, signer.key, signature, self.guest.b_seqno, self.guest.a_seqno)
        await self.socket.send(encode(hello))
        welcome = decode_reply(bytes(await self.socket.recv()))
        if not isinstance(welcome, Welcome):
            raise SystemExit(f"no welcome: {welcome}")

    async def read(self, answered: list[float]) -> None:
        """Until every half of this user is answered."""
        while self.due:
            frame = await self.socket.recv()
            now = time.perf_counter()
            reply = decode_reply(bytes(frame))
            if isinstance(reply, Failure):
                raise SystemExit(f"refused: {reply}")
            if isinstance(reply, Pushed):
                answered.append(now - self.waiting.popleft())
                self.due -= 1


def _users(pipe: Connection, port: int, guests: list[Guest], events: list[bytes], times: list[float]) -> None:
    try:
        answered, late, wall = asyncio.run(_send_all(pipe, port, guests, events, times))
    except BaseException as error:
        pipe.send((repr(error),))
        raise
    pipe.send(("done", answered, late, wall))
    sys.exit()


async def _send_all(
    pipe: Connection, port: int, guests: list[Guest], events: list[bytes], times: list[float]
) -> tuple[list[float], list[float], float]:
    users = {guest.channel_id: User(guest) for guest in guests}
    plan: list[tuple[float, User, bytes]] = []
    for at, payload in zip(times, events, strict=True):
        happened = decode(payload)
        frame = flow.request(happened)
        assert isinstance(happened, Proposed)
        assert frame is not None
        plan.append((at, users[happened.channel_id], frame))
        users[happened.channel_id].due += 1
    for user in users.values():
        await user.join(port)
    answered: list[float] = []
    late: list[float] = []
    readers = [asyncio.ensure_future(user.read(answered)) for user in users.values()]
    pipe.send(("ready",))
    pipe.recv()
    began = time.perf_counter() + EARLY_S
    for at, user, frame in plan:
        while (left := began + at - time.perf_counter()) > 0:  # noqa: ASYNC110 - it is a time that is waited for
            await asyncio.sleep(left - SLACK_S if left > SLACK_S else 0)
        user.waiting.append(began + at)
        late.append(-left)
        await user.socket.send(frame)
    done, _ = await asyncio.wait(readers)
    for reader in done:
        reader.result()
    wall = time.perf_counter() - began
    for user in users.values():
        await user.socket.close()
    return answered, late, wall
