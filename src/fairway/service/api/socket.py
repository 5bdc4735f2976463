"""The WebSocket: raw ASGI, binary frames. First our challenge, then the user's Hello, then requests and replies.

A frame that is no request gets a `Failure` and costs its sender tokens; the session goes on. Text frames, a foreign
Origin, a late Hello and a slow reader end it, each with its own close code.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fairway.exchange.hello import CHALLENGE_SIZE
from fairway.service.budget import Budget
from fairway.service.desk import Desk
from fairway.service.hub import Hub, Session
from fairway.service.meter import Meter

__all__ = ["MAX_FRAME", "Socket"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MAX_FRAME = 64 * 1024
SESSIONS = 1024
HELLO_WITHIN_S = 10
RATE, BURST, GARBAGE_COST = 2_000, 4_000, 200

GOING_AWAY, POLICY, TRY_LATER = 1001, 1008, 1013
SLOW_READER, NO_HELLO = 4001, 4002


class Socket:
    """The ASGI application at /v1/ws."""

    def __init__(self, desk: Desk, hub: Hub, meter: Meter) -> None:
        self._desk = desk
        self._hub = hub
        self._meter = meter
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection to its end."""
        await receive()  # websocket.connect
        if not _is_same_origin(scope):
            await send({"type": "websocket.close", "code": POLICY, "reason": "foreign origin"})
        elif self._open >= SESSIONS:
            await send({"type": "websocket.close", "code": TRY_LATER, "reason": "too many sessions"})
        else:
            self._open += 1
            try:
                await self._serve(receive, send)
            finally:
                self._open -= 1

    async def _serve(self, receive: Receive, send: Send) -> None:
        session = Session(secrets.token_bytes(CHALLENGE_SIZE))
        await send({"type": "websocket.accept"})
        session.send(session.challenge)
        ends = {asyncio.ensure_future(self._read(session, receive)), asyncio.ensure_future(_write(session, send))}
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            code, reason = done.pop().result()
            if code is not None:
                await send({"type": "websocket.close", "code": code, "reason": reason})
        finally:
            self._hub.leave(session)
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)

    async def _read(self, session: Session, receive: Receive) -> tuple[int | None, str]:
        budget = Budget(RATE, BURST, _now_ms())
        while True:
            try:
                async with asyncio.timeout(None if session.key_a else HELLO_WITHIN_S):
                    message = await receive()
            except TimeoutError:
                return NO_HELLO, "no hello"
            if message["type"] == "websocket.disconnect":
                return None, ""
            frame = message.get("bytes")
            if frame is None:
                return POLICY, "frames are binary"
            self._meter.counts["frames"] += 1
            lawful = await self._desk.receive(session, frame)
            wait_ms = budget.spend(1 if lawful else GARBAGE_COST, _now_ms())
            if wait_ms:
                await asyncio.sleep(wait_ms / 1000)


async def _write(session: Session, send: Send) -> tuple[int | None, str]:
    while (frame := await session.take()) is not None:
        await send({"type": "websocket.send", "bytes": frame})
    return SLOW_READER, "read faster, or ask for less"


def _is_same_origin(scope: Scope) -> bool:
    """Whether no page of another site is behind this: a program (no Origin), or a page that we served."""
    headers = dict(scope["headers"])
    origin = headers.get(b"origin")
    return origin is None or origin.partition(b"://")[2] == headers.get(b"host", b"")


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
