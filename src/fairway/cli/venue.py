"""`fairway venue`: the operator's wallet, and bringing a new venue to a chain."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from fairway.chain.opening import NETWORKS, ChainAt, make_chain
from fairway.cli.inputs import (
    KeyFile,
    LiteServers,
    NetworkName,
    PassphraseFile,
    WhichChain,
    network_id,
    read_passphrase,
)
from fairway.client.operator import throw
from fairway.crypto.keys import check_public_key
from fairway.errors import Rejected
from fairway.exchange.switch import Mode
from fairway.service.deploy import Charter
from fairway.service.deploy import deploy as deploy_venue
from fairway.service.keys import Keyring
from fairway.ton.address import Address
from fairway.ton.wallet import TESTNET, Wallet
from fairway.units import parse_ton

__all__ = ["app"]

app = typer.Typer(name="venue", help="A venue's beginning: its keys, its vault.", no_args_is_help=True)

Folder = Annotated[Path, typer.Option("--dir", help="The service's folder; its root seed is made there.")]


@app.command()
def address(
    folder: Folder,
    network: NetworkName = "testnet",
    passphrase_file: PassphraseFile = None,
    friendly: Annotated[bool, typer.Option(help="In the form of wallets and faucets, not bouncing.")] = False,
) -> None:
    """Print the address of the operator's wallet, making the root seed if there is none: sealed with a passphrase."""
    keyring = Keyring.open(folder, read_passphrase(passphrase_file))
    raw = Wallet(keyring.operator().key, network_id(network)).address
    testnet = network_id(network) == TESTNET
    typer.echo(Address.parse(raw).friendly(bounceable=False, testnet=testnet) if friendly else raw)


@app.command()
def deploy(
    folder: Folder,
    where: WhichChain,
    oracle_key: Annotated[list[str], typer.Option(help="An oracle's public key in hex; once for each.")],
    oracle_threshold: Annotated[int, typer.Option(min=1, help="How many oracles sign a round.")],
    network: NetworkName = "testnet",
    key_file: KeyFile = None,
    lite_servers: LiteServers = None,
    passphrase_file: PassphraseFile = None,
    bond: Annotated[str, typer.Option(help="TON of the operator that lose first.")] = "1000",
    pool_seed: Annotated[str, typer.Option(help="TON that the pool begins with.")] = "10000",
    insurance_seed: Annotated[str, typer.Option(help="TON that the insurance begins with.")] = "1000",
    quarantine_s: Annotated[int, typer.Option(min=60, help="How long a submitted state may be answered.")] = 3600,
    settling_s: Annotated[int, typer.Option(min=60, help="How long conditionals may be settled after that.")] = 3600,
    patience_s: Annotated[int, typer.Option(min=1, help="How long a taker may leave a fill unsigned.")] = 600,
    stale_s: Annotated[int, typer.Option(min=0, help="How old a round may be; 0: any age.")] = 60,
) -> None:
    """Deploy the vault from the operator's wallet, put bond and seeds into it, and write DIR/venue.toml.

    May be stopped and run again with the same terms: what the vault shows is not sent again.
    """
    at = ChainAt(where, key_file, lite_servers)
    _check_network(at, network)
    charter = Charter(
        network_id(network),
        [_oracle(key) for key in oracle_key],
        _threshold(oracle_threshold, oracle_key),
        patience_s=patience_s,
        stale_s=stale_s,
        quarantine_s=quarantine_s,
        settling_s=settling_s,
        bond=parse_ton(bond),
        pool_seed=parse_ton(pool_seed),
        insurance_seed=parse_ton(insurance_seed),
    )
    keyring = Keyring.open(folder, read_passphrase(passphrase_file))
    typer.echo(f"vault {asyncio.run(_deployed(at, keyring, charter, folder))}")


@app.command()
def switch(
    folder: Folder,
    url: Annotated[str, typer.Option(help="The running service.")],
    mode: Annotated[str, typer.Argument(help="open, reduce_only or halted.")],
    reason: Annotated[str, typer.Option(help="Stands in the journal.")],
    market: Annotated[int | None, typer.Option(help="The market's number; without it the whole venue.")] = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Open, restrict or halt a market or the venue, by a word signed with the root seed's key for switches."""
    if mode.upper() not in Mode.__members__:
        raise Rejected("switch.mode", "a mode is open, reduce_only or halted", mode=mode[:20])
    keyring = Keyring.open(folder, read_passphrase(passphrase_file))
    thrown = throw(url, keyring.switches(), Mode[mode.upper()], reason, market)
    typer.echo(f"{mode.lower()}, number {thrown}")


async def _deployed(at: ChainAt, keyring: Keyring, charter: Charter, folder: Path) -> str:
    async with make_chain(at) as chain:
        return await deploy_venue(chain, keyring, charter, folder)


def _check_network(at: ChainAt, network: str) -> None:
    """A venue on a live network is bound to that network and no other."""
    if at.is_live and at.live_network != network_id(network):
        raise Rejected("venue.network", f"{at.where} is not {network}", networks=", ".join(NETWORKS))


def _oracle(text: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError as error:
        raise Rejected("venue.oracle", "an oracle's key is 64 hex digits", key=text[:70]) from error
    check_public_key(key)
    return key


def _threshold(threshold: int, keys: list[str]) -> int:
    if not threshold <= len({key.lower() for key in keys}) == len(keys):
        raise Rejected("venue.oracle", "the threshold must be met by distinct oracle keys", threshold=threshold)
    return threshold
