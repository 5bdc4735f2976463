"""A service as a process: its port, its signals, and how it ends.

SIGTERM or SIGINT drains: no more wishes, those that are queued become durable and are answered, the journal is sealed.
Our own fault or a failed disk ends it too, with the reason, and leaves the journal to the next start.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn

from fairway.errors import Unavailable
from fairway.service.api.rest import rest
from fairway.service.api.socket import MAX_FRAME, Receive, Scope, Send, Socket
from fairway.service.api.stream import Streams
from fairway.service.api.user_stream import UserStreams
from fairway.service.house import House

__all__ = ["application", "bind", "serve"]

BACKLOG = 512
GRACE_S = 3


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens there (`port` 0: any free one); `Unavailable` (`serve.port`) where that cannot be."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        raise Unavailable("serve.port", f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    return listener


def application(house: House) -> Callable[[Scope, Receive, Send], Any]:
    """The ASGI application: sessions at /v1/ws, streams at /v1/stream and /v1/userStream, REST everywhere else."""
    web = rest(house)
    streams, user_streams = Streams(house), UserStreams(house)
    sessions = Socket(house.desk, house.hub, house.meter)

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and scope["path"] == "/v1/ws":
            await sessions(scope, receive, send)
        elif scope["type"] == "websocket" and scope["path"] == "/v1/stream":
            await streams(scope, receive, send)
        elif scope["type"] == "websocket" and scope["path"] == "/v1/userStream":
            await user_streams(scope, receive, send)
        else:
            await web(scope, receive, send)  # type: ignore[arg-type]

    return route


async def serve(house: House, listener: socket.socket, ready: Callable[[], None]) -> None:
    """Serve `house` on `listener` until a signal or a fault; `ready` is called when requests are taken.

    Returns after a clean end, journal sealed. Raises what stopped the service otherwise.
    """
    settings = uvicorn.Config(
        application(house),
        lifespan="off",
        log_level="warning",
        access_log=False,
        ws="websockets-sansio",
        ws_max_size=MAX_FRAME,
        timeout_graceful_shutdown=GRACE_S,
    )
    server = _Server(settings)
    web = asyncio.ensure_future(server.serve(sockets=[listener]))
    running = asyncio.ensure_future(house.run())
    clean = False
    try:
        _on_signals(house)
        ready()
        await asyncio.wait({web, running}, return_when=asyncio.FIRST_COMPLETED)
        if web.done():
            raise Unavailable("serve.web", "the web server ended by itself")
        await running
        clean = True
    finally:
        with suppress(TimeoutError):
            await asyncio.wait_for(house.hub.flushed(), GRACE_S)
        server.should_exit = True
        await asyncio.gather(web, running, return_exceptions=True)
        house.close(clean=clean)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: a signal means the house first, its door after."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _on_signals(house: House) -> None:
    loop = asyncio.get_running_loop()
    stopping: set[asyncio.Task[None]] = set()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: stopping.add(asyncio.ensure_future(house.stop())))
