"""`fairway wallet connect`: what a TON Connect wallet is to approve so that a channel opens and is paid into."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from fairway.chain.opening import ChainAt, make_chain
from fairway.cli.exit import channel_of
from fairway.cli.inputs import KeyFile, LiteServers, WhichChain
from fairway.client import tonconnect
from fairway.client.keystore import Keystore
from fairway.client.onchain import account_of
from fairway.client.sentry import see
from fairway.client.side import Side
from fairway.client.store import Store
from fairway.ton.messages import address_of
from fairway.ton.wallet import TESTNET, Transfer
from fairway.units import format_ton, parse_ton

__all__ = ["connect"]

VALID_S = 600


def connect(
    path: Annotated[Path, typer.Argument(help="The keystore file.", exists=True, dir_okay=False)],
    record: Annotated[Path, typer.Option(help="The user's record, with a channel that is granted.", exists=True)],
    amount: Annotated[str, typer.Option(help="What to pay in, in TON.")],
    where: WhichChain,
    channel: Annotated[
        str | None, typer.Option(help="The channel's ID in hex; the newest of the record if not given.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the request and nothing else.")] = False,
    key_file: KeyFile = None,
    lite_servers: LiteServers = None,
) -> None:
    """Print the next request for the wallet that the channel pays out to; run again when it is approved."""
    nano = parse_ton(amount)
    keystore = Keystore.open(path, typer.prompt("Passphrase", hide_input=True, err=True))
    with closing(Store(record)) as store:
        side = Side.restored(store, keystore, channel_of(store, channel))
        transfers, request = asyncio.run(_next(side, ChainAt(where, key_file, lite_servers), nano))
    if as_json:
        typer.echo(json.dumps(request))
        return
    if not transfers:
        typer.echo("nothing to approve: the channel is paid into")
        return
    for number, each in enumerate(transfers, 1):
        typer.echo(f"message {number}  {format_ton(each.nano)} TON to {each.destination}")
    typer.echo(json.dumps(request, indent=2))
    if len(transfers) == 1:
        typer.echo(tonconnect.link(transfers[0], testnet=side.replica.welcome.network == TESTNET))


async def _next(side: Side, at: ChainAt, nano: int) -> tuple[list[Transfer], tonconnect.Request | None]:
    async with make_chain(at) as chain:
        init = side.setup.init
        account = await account_of(chain, side.replica.welcome.vault, init.hash)
        transfers = tonconnect.opening(side, account, await see(chain, address_of(init)), nano)
        valid_until = await chain.now() + VALID_S
    return transfers, tonconnect.request(side, transfers, valid_until) if transfers else None
