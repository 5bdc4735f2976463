"""`fairway watch`: a watchtower, until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from socket import socket
from typing import Annotated

import typer
import uvicorn

from fairway.chain.opening import ChainAt, make_chain
from fairway.cli.inputs import KeyFile, LiteServers, WhichChain
from fairway.cli.published import published
from fairway.client.keystore import Keystore
from fairway.client.watchtower import LOW, Watchtower
from fairway.client.watchtower_app import TowerApp
from fairway.client.watchtower_store import TowerStore
from fairway.crypto.sealed import STANDARD, Cost
from fairway.errors import Rejected, Unavailable
from fairway.exchange import wire
from fairway.service.serve import bind
from fairway.units import format_ton

__all__ = ["watch"]

UNSEALED = Cost(1, 8192)
"""Without a passphrase a costly seal would only be slow."""
CONNECTIONS = 256
BALANCE_EVERY_S = 60.0
GRACE_S = 3


def watch(
    folder: Annotated[Path, typer.Option("--dir", help="The tower's keystore and what it keeps.", file_okay=False)],
    where: WhichChain,
    listen: Annotated[str, typer.Option(help="host:port; loopback unless a proxy with TLS stands before it.")] = (
        "127.0.0.1:8470"
    ),
    network: Annotated[int, typer.Option(help="TON's global ID of the network.")] = -3,
    rounds: Annotated[
        Path | None, typer.Option(help="Rounds that somebody keeps, one JSON object a line; read while claiming.")
    ] = None,
    passphrase_file: Annotated[Path | None, typer.Option(help="Its first line opens the tower's keystore.")] = None,
    key_file: KeyFile = None,
    lite_servers: LiteServers = None,
) -> None:
    """Hold users' newest signed states and answer stale closes for them while they are away.

    It has no key of theirs. Gas comes from its own wallet: send a few TON to the address that it tells.
    """
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 0xFFFF:
        raise Rejected("watch.listen", "say --listen host:port", listen=listen)
    keystore = _keystore(folder / "keystore", passphrase_file)
    with closing(TowerStore(folder / "tower.sqlite")) as store, closing(bind(host.strip("[]"), int(port))) as listener:
        at = ChainAt(where, key_file, lite_servers)
        asyncio.run(_watch(at, keystore, network, store, rounds, listener, host))


def _keystore(path: Path, passphrase_file: Path | None) -> Keystore:
    passphrase = ""
    if passphrase_file is not None:
        try:
            passphrase = passphrase_file.read_text().splitlines()[0]
        except (OSError, IndexError, UnicodeDecodeError) as error:
            raise Unavailable("watch.passphrase", f"cannot read {passphrase_file}: {error}") from error
    if path.exists():
        return Keystore.open(path, passphrase)
    return Keystore.create(path, passphrase, STANDARD if passphrase else UNSEALED)


async def _watch(
    at: ChainAt, keystore: Keystore, network: int, store: TowerStore, rounds: Path | None, listener: socket, host: str
) -> None:
    def known() -> Iterator[wire.Round]:
        if rounds is not None and rounds.exists():
            yield from published(rounds)

    async with make_chain(at) as chain:
        tower = Watchtower(chain, keystore, network, store, more_rounds=known, tell=typer.echo)
        settings = uvicorn.Config(
            TowerApp(tower),
            lifespan="off",
            log_level="warning",
            access_log=False,
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=GRACE_S,
        )
        server = _Server(settings)
        await _describe(tower)
        typer.echo(f"watching {tower.channels} channels on http://{host}:{listener.getsockname()[1]}")
        web = asyncio.ensure_future(server.serve(sockets=[listener]))
        aids = [asyncio.ensure_future(tower.run()), asyncio.ensure_future(_warn(tower))]
        told = asyncio.ensure_future(_until_told())
        try:
            done, _ = await asyncio.wait({web, told, *aids}, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                each.result()
        finally:
            server.should_exit = True
            for task in (told, *aids):
                task.cancel()
            await asyncio.gather(web, told, *aids, return_exceptions=True)
    typer.echo("stopped; what is receipted is kept")


async def _until_told() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the tower ends first, its door after."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _describe(tower: Watchtower) -> None:
    typer.echo(f"tower key  {tower.key.hex()}")
    typer.echo(f"wallet     {tower.purse.address} holds {format_ton(await tower.purse.balance())} TON for gas")


async def _warn(tower: Watchtower) -> None:
    """Say so, once each time, when the wallet runs low."""
    was_low = False
    while True:
        with suppress(Unavailable):
            balance = await tower.purse.balance()
            if balance < LOW and not was_low:
                typer.echo(f"low on gas: {tower.purse.address} holds {format_ton(balance)} TON; send it some", err=True)
            was_low = balance < LOW
        await asyncio.sleep(BALANCE_EVERY_S)
