"""A watchtower over HTTP: POST /v1/watch, /v1/rounds and /v1/held in MessagePack, GET /v1/status in JSON.

Everything that is taken proves itself, so there is nobody to log in. Bodies are bounded; an error has its code and the
status 422 (the caller's), 503 (chain or disk) or 404.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeVar

import msgspec

from fairway.chain.wire import failure_of
from fairway.client.watchtower import LOW, Watchtower
from fairway.client.watchtower_wire import Handed, Rounds, Wanted
from fairway.errors import UNREADABLE, FairwayError, InvalidMessage, Unavailable

__all__ = ["TowerApp"]

MAX_BODY = 1 << 20

T = TypeVar("T")
_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class TowerApp:
    """The ASGI face of `tower`."""

    def __init__(self, tower: Watchtower) -> None:
        self._tower = tower

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        """Answer one call."""
        if scope["type"] != "http":
            return
        try:
            status, body = await self._answer(str(scope["method"]), str(scope["path"]), receive)
        except FairwayError as error:
            status = 503 if isinstance(error, Unavailable) else 422
            body = msgspec.msgpack.encode(failure_of(error))
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, method: str, path: str, receive: _Receive) -> tuple[int, bytes]:
        match method, path:
            case "POST", "/v1/watch":
                receipt = await self._tower.take(_decoded(await _read(receive), Handed))
                return 200, msgspec.msgpack.encode(receipt)
            case "POST", "/v1/rounds":
                self._tower.take_rounds(_decoded(await _read(receive), Rounds))
                return 200, msgspec.msgpack.encode(None)
            case "POST", "/v1/held":
                handed = await self._tower.held(_decoded(await _read(receive), Wanted))
                return 200, msgspec.msgpack.encode(handed)
            case "GET", "/v1/status":
                return 200, msgspec.json.encode(await self._status())
        return 404, msgspec.msgpack.encode(failure_of(InvalidMessage("tower.call", "there is no such call")))

    async def _status(self) -> dict[str, Any]:
        balance = await self._tower.purse.balance()
        return {
            "key": self._tower.key.hex(),
            "address": self._tower.purse.address,
            "balance": str(balance),
            "low": balance < LOW,
            "channels": self._tower.channels,
        }


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except UNREADABLE as error:
        raise InvalidMessage("tower.call", f"the body does not fit the call: {error}") from None


async def _read(receive: _Receive) -> bytes:
    body = bytearray()
    more = True
    while more:
        event = await receive()
        body += event.get("body", b"")
        more = event.get("more_body", False)
        if len(body) > MAX_BODY:
            raise InvalidMessage("tower.call", "a request is too large", limit=MAX_BODY)
    return bytes(body)
