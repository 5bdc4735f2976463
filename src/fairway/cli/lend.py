"""`fairway lend`: TON into the pool for shares, and back; nobody's permission is needed for either.

The passphrase is asked for; it is never an argument.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import httpx
import typer

from fairway.chain.opening import ChainAt, make_chain
from fairway.chain.purse import Purse
from fairway.cli.inputs import KeyFile, LiteServers, NetworkName, WhichChain, network_id
from fairway.client.keystore import Keystore
from fairway.client.lender import Holding, Lender
from fairway.errors import Unavailable
from fairway.ton.address import Address
from fairway.units import format_ton, parse_ton

__all__ = ["app"]

app = typer.Typer(name="lend", help="Lend to the pool that stands opposite to every trader.", no_args_is_help=True)

KeystoreFile = Annotated[Path, typer.Option(help="The lender's keystore.", exists=True, dir_okay=False)]
VaultAddress = Annotated[str, typer.Option(help="The vault's address, from somebody you trust.")]
Service = Annotated[str | None, typer.Option(help="The service's REST: https://…; what is proven of the pool.")]


@app.command()
def deposit(
    amount: Annotated[str, typer.Argument(help="TON to lend; the wallet needs a little more for gas.")],
    keystore: KeystoreFile,
    vault: VaultAddress,
    where: WhichChain,
    network: NetworkName = "testnet",
    key_file: KeyFile = None,
    lite_servers: LiteServers = None,
) -> None:
    """Lend TON for shares, at the value that was posted last."""
    nano = parse_ton(amount)
    at = ChainAt(where, key_file, lite_servers)
    _show(_with(keystore, at, network, vault, lambda lender: lender.lend(nano)))


@app.command()
def withdraw(
    keystore: KeystoreFile,
    vault: VaultAddress,
    where: WhichChain,
    shares: Annotated[int | None, typer.Option(min=1, help="How many shares; all if not given.")] = None,
    network: NetworkName = "testnet",
    key_file: KeyFile = None,
    lite_servers: LiteServers = None,
) -> None:
    """Give shares back for what they are posted to be worth; what is not free yet is paid in its turn."""
    at = ChainAt(where, key_file, lite_servers)
    _show(_with(keystore, at, network, vault, lambda lender: lender.withdraw(shares)))


@app.command()
def status(
    keystore: KeystoreFile,
    vault: VaultAddress,
    where: WhichChain,
    service: Service = None,
    network: NetworkName = "testnet",
    key_file: KeyFile = None,
    lite_servers: LiteServers = None,
) -> None:
    """What the wallet holds of the pool, as posted in the vault; with a service, what it proves of the pool."""
    at = ChainAt(where, key_file, lite_servers)
    _show(_with(keystore, at, network, vault, Lender.holding))
    if service is not None:
        _show_pool(service)


def _with(
    keystore: Path, at: ChainAt, network: str, vault: str, work: Callable[[Lender], Awaitable[Holding]]
) -> Holding:
    opened = Keystore.open(keystore, typer.prompt("Passphrase", hide_input=True))

    async def done() -> Holding:
        async with make_chain(at) as chain:
            await chain.ready()
            return await work(Lender(chain, Purse(chain, opened.wallet(), network_id(network)), _raw(vault)))

    return asyncio.run(done())


def _raw(vault: str) -> str:
    return str(Address.parse(vault))


def _show(holding: Holding) -> None:
    typer.echo(f"shares   {holding.shares} of {holding.total}")
    typer.echo(f"worth    {format_ton(holding.worth)} TON, as posted in epoch {holding.epoch}")
    if holding.waiting:
        typer.echo(f"waiting  {format_ton(holding.waiting)} TON, until it is free")


def _show_pool(service: str) -> None:
    try:
        reply = httpx.get(f"{service.rstrip('/')}/v1/pool", trust_env=False, timeout=10)
        reply.raise_for_status()
        pool = reply.json()
        nav, price, record = int(pool["nav"]), int(pool["sharePrice"]), pool["record"]
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise Unavailable("lend.service", f"the service does not tell of its pool: {error}") from None
    typer.echo(f"proven   the pool is worth {format_ton(nav)} TON, {price} nano for 1,000,000,000 shares")
    typer.echo(f"record   {record}")
