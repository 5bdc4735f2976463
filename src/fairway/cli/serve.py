"""`fairway serve`: one service, until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import time
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from fairway.chain.opening import ChainAt, make_chain
from fairway.cli.inputs import KeyFile, LiteServers, PassphraseFile, read_passphrase
from fairway.errors import Rejected
from fairway.service.clock import ChainClock, Clock, WallClock
from fairway.service.cluster import Cluster
from fairway.service.heap import building
from fairway.service.house import House, Settings
from fairway.service.run import Replayed
from fairway.service.serve import bind
from fairway.service.serve import serve as serve_house
from fairway.service.workers import Processes

__all__ = ["serve"]

WORKERS = max(1, (os.cpu_count() or 1) - 1)
"""One processor is the loop's."""


class Time(StrEnum):
    """Whose clock the service goes by."""

    WALL = "wall"
    CHAIN = "chain"


def serve(
    folder: Annotated[Path, typer.Option("--dir", help="Journal, root seed and venue.toml.", file_okay=False)],
    host: Annotated[str, typer.Option(help="Where to listen; loopback unless a proxy with TLS stands before it.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free port.")] = 8460,
    passphrase_file: PassphraseFile = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that prove settlements.")] = WORKERS,
    ray: Annotated[
        str | None, typer.Option(help="Ray cluster (host:port) that proves instead: `fairway prover`.")
    ] = None,
    epoch: Annotated[int, typer.Option(min=1, help="Settlements whose ranges are proven together.")] = 64,
    prove_at_exit: Annotated[bool, typer.Option(help="On a clean stop, leave nothing unproven.")] = False,
    chain: Annotated[
        str | None, typer.Option(help="Where the vault is: URL of an embedded chain, or live:testnet, live:mainnet.")
    ] = None,
    toncenter_key_file: KeyFile = None,
    lite_servers: LiteServers = None,
    clock: Annotated[Time, typer.Option(help="Whose time events carry: this machine's, or the chain's.")] = Time.WALL,
    snapshot_every: Annotated[
        int, typer.Option(min=0, help="Entries between snapshots of the state, for a quick restart; 0 for none.")
    ] = 10_000,
    ready_json: Annotated[bool, typer.Option(help="Print one line of JSON when requests are taken.")] = False,
) -> None:
    """Run the service: the loop, its journal, the WebSocket and REST."""
    at = None if chain is None else ChainAt(chain, toncenter_key_file, lite_servers)
    going_by = asyncio.run(_clock(clock, at))
    provers = Cluster(ray) if ray else Processes(workers)
    settings = Settings(
        folder,
        read_passphrase(passphrase_file),
        provers,
        epoch,
        prove_at_exit,
        at,
        going_by,
        snapshot_every,
        partial(typer.echo, err=True),
    )
    listener = bind(host, port)
    began = time.monotonic_ns()
    with building():
        house = House.open(settings)
    elapsed_ms = (time.monotonic_ns() - began) // 1_000_000
    port = listener.getsockname()[1]

    def ready() -> None:
        replayed = house.replayed
        if ready_json:
            line = {
                "url": f"http://{host}:{port}",
                "ws": f"ws://{host}:{port}/v1/ws",
                "port": port,
                "entries": replayed.entries,
                "snapshot": replayed.snapshot,
                "replayed": replayed.replayed,
                "replay_ms": elapsed_ms,
                "digest": house.engine.digest().hex(),
                "book_digest": house.engine.book_digest().hex(),
            }
            typer.echo(msgspec.json.encode(line))
        else:
            typer.echo(f"{_told(replayed)} in {elapsed_ms} ms")
            typer.echo(f"serving on http://{host}:{port}, sessions on ws://{host}:{port}/v1/ws")

    asyncio.run(serve_house(house, listener, ready))


def _told(replayed: Replayed) -> str:
    """From what the state was built."""
    start = "the first entry" if replayed.snapshot is None else f"the snapshot at entry {replayed.snapshot}"
    return f"started from {start}, {replayed.replayed} of {replayed.entries} entries replayed"


async def _clock(whose: Time, at: ChainAt | None) -> Clock:
    if whose is Time.WALL:
        return WallClock()
    if at is None:
        raise Rejected("serve.clock", "the chain's clock needs a --chain")
    async with make_chain(at) as chain:
        return ChainClock(await chain.now())
