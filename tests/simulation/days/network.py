"""The network between users and the service: it loses, delays and doubles, and now and then a line is gone.

A line is a WebSocket's: what arrives comes in order, and what does not come ends the line. A lost packet is sent again,
later each time, until the line is given up; then all that was under way is lost both ways, and each end notices in its
own time. What users send may besides arrive twice, or late: the service believes nothing about a user's line.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from random import Random
from typing import Any

from fairway.exchange import wire
from tests.simulation.laws import hold

TRIES = 6
AGAIN_S = 0.2
NOTICED_S = 20.0
TICK_S = 1e-6
"""Between two frames that arrive together: timers of one instant come in any order."""

Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


@dataclass(frozen=True)
class LineFaults:
    """How often what happens: packets lost, requests doubled or late, lines that break by themselves."""

    lost: float = 0.0
    doubled: float = 0.0
    late: float = 0.0
    broken: float = 0.0


class Wiretap:
    """All halves that have come through on any line. I4: no side has signed two under one seqno.

    Of the service's, what it sent counts. Of a user's, what arrived.
    """

    def __init__(self) -> None:
        self.halves: dict[tuple[bytes, str, int], tuple[object, ...]] = {}
        self.told: dict[tuple[bytes, int], wire.Pushed | wire.Granted] = {}
        self.refused: dict[tuple[bytes, int], str] = {}

    def forget(self, channel_id: bytes) -> None:
        """The user goes on from an old copy: of halves that no journal has and his record lacks, nobody knows.

        Those that a journal has are kept by `Laws`.
        """
        for place in [place for place in self.halves if place[:2] == (channel_id, "a")]:
            del self.halves[place]

    def hear_user(self, frame: bytes) -> None:
        request = wire.decode_request(frame)
        if isinstance(request, wire.Propose):
            said = request.sent, request.conditionals_hash, request.cites
            self._one(request.channel_id, "a", request.seqno, *said)

    def hear_service(self, frame: bytes) -> None:
        reply = wire.decode_reply(frame)
        match reply:
            case wire.Pushed():
                said = reply.sent, reply.conditionals_hash, reply.cites, reply.signature
                self._one(reply.channel_id, "b", reply.seqno, *said)
                self.told[reply.channel_id, reply.seqno] = reply
            case wire.Granted():
                self._one(reply.channel_id, "b", 1, reply.signature)
                self.told[reply.channel_id, 1] = reply
            case wire.Refused():
                self.refused[reply.channel_id, reply.seqno] = reply.code
            case _:
                pass

    def _one(self, channel_id: bytes, side: str, seqno: int, *said: object) -> None:
        known = self.halves.setdefault((channel_id, side, seqno), said)
        hold("I4", that=known == said, says=f"two halves {seqno} of side {side} of {channel_id.hex()} were sent")


class Network:
    """All lines to one service, whose application is `serving`; None while it is down."""

    def __init__(self, random: Random, count: Counter[str], failed: Callable[[BaseException], None]) -> None:
        self.random, self.count, self.failed, self.tap = random, count, failed, Wiretap()
        self.faults = LineFaults()
        self.serving: Application | None = None
        self.cut_off: set[str] = set()
        self.lines: list[Line] = []

    def dial_from(self, name: str) -> Callable[[], Any]:
        """How the user `name` connects."""

        @asynccontextmanager
        async def dial() -> AsyncIterator[Line]:
            await asyncio.sleep(self.random.uniform(0.01, 0.3))
            if self.serving is None or name in self.cut_off:
                raise ConnectionRefusedError
            line = Line(self, name, self.serving)
            self.lines.append(line)
            try:
                yield line
            finally:
                line.hang_up()

        return dial

    def part(self, name: str) -> None:
        """Nothing passes between `name` and the service until `join`."""
        self.cut_off.add(name)
        self.count["partitions"] += 1
        for line in list(self.lines):
            if line.name == name:
                line.give_up()

    def join(self, name: str) -> None:
        self.cut_off.discard(name)

    def service_died(self) -> None:
        """At this very moment; nothing of it passes any more."""
        self.serving = None
        for line in list(self.lines):
            line.die()

    def under_way_s(self) -> float | None:
        """How long a frame is under way; None if it never arrives."""
        faults, passed = self.faults, self.random.uniform(0.005, 0.08)
        if self.random.random() < faults.broken:
            return None
        for again in range(TRIES):
            if self.random.random() >= faults.lost:
                return passed
            self.count["packets lost"] += 1
            passed += AGAIN_S * (1 << again)
        return None


class Line:
    """One connection, between a user's session and the service's WebSocket application."""

    def __init__(self, network: Network, name: str, application: Application) -> None:
        self.name = name
        self._network = network
        self._down: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._up: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._up.put_nowait({"type": "websocket.connect"})
        self._due_s = {"up": 0.0, "down": 0.0}
        self._passes = True
        self._user_knows = False
        self._greeted = False
        scope = {"type": "websocket", "path": "/v1/ws", "headers": []}
        self._serving = asyncio.ensure_future(application(scope, self._up.get, self._answer))
        self._serving.add_done_callback(self._ended)

    # The user's end

    async def send(self, message: bytes) -> None:
        if self._user_knows:
            raise ConnectionResetError
        faults, chance, count = self._network.faults, self._network.random, self._network.count
        is_late = chance.random() < faults.late
        count["requests late"] += is_late
        self._carry("up", message, late_s=chance.uniform(0.2, 3) if is_late else 0)
        if chance.random() < faults.doubled:
            count["requests doubled"] += 1
            self._carry("up", message, late_s=chance.uniform(0.01, 3))

    async def recv(self) -> bytes:
        while not self._down:
            if self._user_knows:
                raise ConnectionResetError
            self._news.clear()
            await self._news.wait()
        return self._down.popleft()

    def hang_up(self) -> None:
        self._passes, self._user_knows = False, True
        self._later(self._network.random.uniform(0, 1), self._service_notices)

    # The service's end

    async def _answer(self, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.close":
            self.give_up()
        elif message["type"] == "websocket.send":
            if self._greeted:
                self._network.tap.hear_service(message["bytes"])
            self._greeted = True
            self._carry("down", message["bytes"])

    def die(self) -> None:
        """The service's process is gone."""
        self._passes = False
        self._serving.cancel()
        self._forget()
        self._later(self._network.random.uniform(0, 1), self._user_notices)

    # What is between

    def give_up(self) -> None:
        """Nothing passes any more; each end notices in its own time."""
        if self._passes:
            self._passes = False
            self._network.count["lines broken"] += 1
            self._later(self._network.random.uniform(0, NOTICED_S), self._user_notices)
            self._later(self._network.random.uniform(0, NOTICED_S), self._service_notices)

    def _carry(self, way: str, frame: bytes, late_s: float = 0) -> None:
        if not self._passes:
            return
        passed = self._network.under_way_s()
        if passed is None:
            self.give_up()
            return
        due_s = max(self._due_s[way] + TICK_S, _now_s() + passed)
        if late_s:
            due_s += late_s
        else:
            self._due_s[way] = due_s
        asyncio.get_running_loop().call_at(due_s, self._arrive, way, frame)

    def _arrive(self, way: str, frame: bytes) -> None:
        if not self._passes:
            self._network.count["frames lost"] += 1
        elif way == "up":
            self._network.tap.hear_user(frame)
            self._up.put_nowait({"type": "websocket.receive", "bytes": frame})
        else:
            self._down.append(frame)
            self._news.set()

    def _later(self, after_s: float, happen: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(after_s, happen)

    def _user_notices(self) -> None:
        self._user_knows = True
        self._news.set()

    def _service_notices(self) -> None:
        self._up.put_nowait({"type": "websocket.disconnect"})
        self._forget()

    def _ended(self, serving: asyncio.Future[None]) -> None:
        """The application is through with this line; by an error of its own it may not be."""
        if serving.cancelled():
            return
        if (trouble := serving.exception()) is not None:
            self._network.failed(trouble)
        self.give_up()

    def _forget(self) -> None:
        with suppress(ValueError):
            self._network.lines.remove(self)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
