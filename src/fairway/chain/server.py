"""A LocalChain as a process of its own, on loopback: service, traders and the demo share one chain.

It has a faucet and a clock that anyone may move, so it is for development only and refuses other interfaces.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import uvicorn

from fairway.chain.interface import DevelopmentChain
from fairway.chain.local import LocalChain
from fairway.chain.router import Router
from fairway.chain.wire import CALLS, failure_of, pack_values, unpack_values
from fairway.errors import UNREADABLE, FairwayError, InvalidMessage, Rejected, Unavailable

__all__ = ["ChainApp", "serve"]

MAX_REQUEST_BYTES = 1 << 20
GRACE_S = 1
"""How long calls that wait for news are waited for at the end."""

_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


async def serve(directory: Path, host: str = "127.0.0.1", port: int = 8970, begins: int | None = None) -> None:
    """Serve the chain kept in `directory` until cancelled or told to stop.

    Its clock is the machine's; that of a new chain starts at the Unix time `begins` and goes on from there as fast.
    Raises `Rejected` with `chain.host` for an address that is not loopback, `Unavailable` with `chain.port` for one
    that is taken.
    """
    if not ipaddress.ip_address(host).is_loopback:
        raise Rejected("chain.host", "a development chain listens on loopback only", host=host)
    with closing(_bound(host, port)) as listener, closing(_opened(directory, begins)) as router:
        app = ChainApp(LocalChain(router))
        settings = uvicorn.Config(
            app, log_config=None, log_level="critical", lifespan="off", timeout_graceful_shutdown=GRACE_S
        )
        await uvicorn.Server(settings).serve([listener])


def _bound(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise Unavailable("chain.port", f"cannot listen on {host}:{port}: the port is taken or not ours") from error


def _opened(directory: Path, begins: int | None) -> Router:
    directory.mkdir(parents=True, exist_ok=True)
    router = Router(directory / "chain.sqlite", time.time)
    if begins is not None:
        router.begin(begins)
    return router


class ChainApp:
    """The ASGI face of a chain."""

    def __init__(self, chain: DevelopmentChain) -> None:
        self._chain = chain

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        """Answer one call."""
        if scope["type"] != "http":
            return
        try:
            status, body = 200, await self._answer(str(scope["path"]).removeprefix("/"), await _read(receive))
        except FairwayError as error:
            failure = failure_of(error)
            status, body = (503 if failure.fault == "unavailable" else 422), failure
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": msgspec.msgpack.encode(body)})

    async def _answer(self, name: str, request: bytes) -> Any:
        if name not in CALLS:
            raise InvalidMessage("chain.call", "the chain knows no such call", name=name[:40])
        try:
            arguments = msgspec.msgpack.decode(request, type=CALLS[name])
        except UNREADABLE as error:
            raise InvalidMessage("chain.call", "the arguments do not fit the call", reason=str(error)) from error
        if name == "run_get":
            address, method, values = arguments
            return pack_values(await self._chain.run_get(address, method, unpack_values(values)))
        return await getattr(self._chain, name)(*arguments)


async def _read(receive: _Receive) -> bytes:
    body = bytearray()
    more = True
    while more:
        event = await receive()
        body += event.get("body", b"")
        more = event.get("more_body", False)
        if len(body) > MAX_REQUEST_BYTES:
            raise InvalidMessage("chain.call", "a request is too large", bytes=len(body))
    return bytes(body)
