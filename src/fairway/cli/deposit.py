"""`fairway deposit`: open a channel with a venue, and put TON into it.

The passphrase is asked for; it is never an argument.
"""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from fairway.chain.opening import ChainAt, make_chain
from fairway.cli.inputs import KeyFile, LiteServers, NetworkName, WhichChain, network_id
from fairway.client.keystore import Keystore
from fairway.client.session import Venue
from fairway.client.store import Store
from fairway.client.user import User
from fairway.ton.address import Address
from fairway.units import format_ton, parse_ton

__all__ = ["deposit"]


def deposit(
    amount: Annotated[str, typer.Argument(help="TON to deposit; the wallet needs a little more for gas and rent.")],
    keystore: Annotated[Path, typer.Option(help="The user's keystore.", exists=True, dir_okay=False)],
    record: Annotated[Path, typer.Option(help="The user's record; made if there is none. Keep it.", dir_okay=False)],
    service: Annotated[str, typer.Option(help="The service's WebSocket: wss://…/v1/ws.")],
    vault: Annotated[str, typer.Option(help="The vault's address, from somebody you trust.")],
    where: WhichChain,
    network: NetworkName = "testnet",
    key_file: KeyFile = None,
    lite_servers: LiteServers = None,
) -> None:
    """Open a channel and deposit into it; nothing moves before the service has signed.

    May be stopped and run again: it goes on with the newest channel of the record, and deposits once.
    """
    nano = parse_ton(amount)
    opened = Keystore.open(keystore, typer.prompt("Passphrase", hide_input=True))
    at, venue = (
        ChainAt(where, key_file, lite_servers),
        Venue.at(service, network_id(network), str(Address.parse(vault))),
    )
    with closing(Store(record)) as store:
        channel_id, held = asyncio.run(_deposited(at, venue, store, opened, nano))
    typer.echo(f"channel {channel_id.hex()}")
    typer.echo(f"holds   {format_ton(held)} TON")


async def _deposited(at: ChainAt, venue: Venue, store: Store, keystore: Keystore, nano: int) -> tuple[bytes, int]:
    known = store.channels()
    async with make_chain(at) as chain:
        await chain.ready()
        async with User(venue, chain, store, keystore, known[-1] if known else None) as user:
            await user.deposit(nano)
            view = await user.onchain.channel()
            return user.session.side.channel_id, view.deposit_a if view is not None else 0
