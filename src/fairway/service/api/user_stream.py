"""The private stream by WebSocket: JSON text from /v1/userStream, all that happens to one account, as it happens.

A connection is signed as a request by REST is, over GET and this path. Each message is what `GET /v1/events` answers
for one number; no number is missing, and none is told twice. With `fromSeq` it begins there, however long ago that
was; without, with the next. Who reads too slowly is hung up on, and goes on from the number that he has.
"""

from __future__ import annotations

import asyncio
from functools import partial

import msgspec

from fairway.channel.machine import newest_b
from fairway.errors import FairwayError, InvalidMessage, Rejected
from fairway.service.api.admission import Caller, Signed, admit_signed, mandates_of
from fairway.service.api.happened import Happened, happened_in
from fairway.service.api.socket import POLICY, SLOW_READER, TRY_LATER, Receive, Scope, Send
from fairway.service.api.throttle import Spends, Throttle
from fairway.service.house import House
from fairway.service.hub import Session

__all__ = ["UserStreams"]

CONNECTIONS = 1024
PAGE = 64
SEND_WITHIN_S = 30
COST = 5


class UserStreams:
    """The ASGI application at /v1/userStream."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._throttle = Throttle()
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection to its end."""
        await receive()  # websocket.connect
        if self._open >= CONNECTIONS:
            await send({"type": "websocket.close", "code": TRY_LATER, "reason": "too many streams"})
            return
        self._open += 1
        try:
            signed = _signed(scope)
            caller = await admit_signed(self._house, self._throttle, signed, Spends.WEIGHT, COST)
            seq = await self._house.sequencer.ask(lambda: self._begins(caller, signed.params.get("fromSeq", "")))
            await send({"type": "websocket.accept"})
            await self._serve(caller, seq, receive, send)
        except FairwayError as refusal:
            await send({"type": "websocket.close", "code": POLICY, "reason": refusal.code})
        finally:
            self._open -= 1

    def _begins(self, caller: Caller, asked: str) -> int:
        if not asked:
            return newest_b(self._house.engine.venue.channel(caller.channel_id)) + 1
        if not (asked.isascii() and asked.isdigit() and 0 < len(asked) < 19 and int(asked)):
            raise InvalidMessage("request.seq", "numbers count from 1")
        return int(asked)

    async def _serve(self, caller: Caller, seq: int, receive: Receive, send: Send) -> None:
        bell = Session(b"")
        self._house.hub.follow(bell, caller.channel_id)
        gone = asyncio.ensure_future(_until_gone(receive))
        told = asyncio.ensure_future(self._tell(caller, seq, bell, send))
        try:
            await asyncio.wait({gone, told}, return_when=asyncio.FIRST_COMPLETED)
            if told.done():
                await told
        except TimeoutError:
            await send({"type": "websocket.close", "code": SLOW_READER, "reason": "read faster"})
        finally:
            self._house.hub.leave(bell)
            for end in (gone, told):
                end.cancel()
            await asyncio.gather(gone, told, return_exceptions=True)

    async def _tell(self, caller: Caller, seq: int, bell: Session, send: Send) -> None:
        """Everything from number `seq` on, until no mandate names the key any more (`Rejected`).

        The journal is read, not what rings: so what is told is durable, and the order is the journal's. Errors:
        `TimeoutError` for who does not read.
        """
        while True:
            page = await self._house.sequencer.ask(partial(self._page, caller, seq))
            for happened in page:
                async with asyncio.timeout(SEND_WITHIN_S):
                    await send({"type": "websocket.send", "text": msgspec.json.encode(happened).decode()})
                seq = happened.seq + 1
            if not page:
                await bell.take()
                bell.silence()

    def _page(self, caller: Caller, seq: int) -> list[Happened]:
        found = happened_in(self._house, caller.channel_id, seq, PAGE)
        account = self._house.engine.accounts.get(caller.channel_id)
        if not found and not mandates_of(account, caller.sub_key):
            raise Rejected("request.key", "no mandate of this channel names this key any more")
        return found


def _signed(scope: Scope) -> Signed:
    headers = {name.decode("latin1").lower(): value.decode("latin1") for name, value in scope["headers"]}
    return Signed(headers, "GET", scope["path"], scope["query_string"])


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "websocket.disconnect":
        pass
