"""`fairway withdraw`: take TON out of a channel that goes on, or all of it.

The passphrase is asked for; it is never an argument.
"""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from fairway.chain.opening import ChainAt, make_chain
from fairway.cli.exit import channel_of
from fairway.cli.inputs import KeyFile, LiteServers, NetworkName, WhichChain, network_id
from fairway.client.keystore import Keystore
from fairway.client.session import Venue
from fairway.client.store import Store
from fairway.client.user import User
from fairway.ton.address import Address
from fairway.units import format_ton, parse_ton

__all__ = ["withdraw"]

ALL = "all"


def withdraw(
    amount: Annotated[
        str, typer.Argument(help="TON to take out; `all` ends the channel, in which nothing may be open.")
    ],
    keystore: Annotated[Path, typer.Option(help="The user's keystore.", exists=True, dir_okay=False)],
    record: Annotated[Path, typer.Option(help="The user's record.", exists=True, dir_okay=False)],
    service: Annotated[str, typer.Option(help="The service's WebSocket: wss://…/v1/ws.")],
    vault: Annotated[str, typer.Option(help="The vault's address, from somebody you trust.")],
    where: WhichChain,
    channel: Annotated[
        str | None, typer.Option(help="The channel's ID in hex; the newest of the record if not given.")
    ] = None,
    network: NetworkName = "testnet",
    key_file: KeyFile = None,
    lite_servers: LiteServers = None,
) -> None:
    """Take out what orders and positions do not need; they stay, and trading goes on.

    May be stopped and run again: one of the same sum that was interrupted is finished, and not made again.
    """
    nano = None if amount == ALL else parse_ton(amount)
    opened = Keystore.open(keystore, typer.prompt("Passphrase", hide_input=True))
    at, venue = (
        ChainAt(where, key_file, lite_servers),
        Venue.at(service, network_id(network), str(Address.parse(vault))),
    )
    with closing(Store(record)) as store:
        channel_id = channel_of(store, channel)
        typer.echo(f"channel {channel_id.hex()}")
        left = asyncio.run(_withdrawn(at, venue, store, opened, channel_id, nano))
    typer.echo("closed  everything came home" if nano is None else f"left    {format_ton(left)} TON")


async def _withdrawn(
    at: ChainAt, venue: Venue, store: Store, keystore: Keystore, channel_id: bytes, nano: int | None
) -> int:
    async with make_chain(at) as chain:
        await chain.ready()
        async with User(venue, chain, store, keystore, channel_id) as user:
            await user.session.caught_up()
            if nano is None:
                await user.withdraw()
                return 0
            await user.withdraw_now(nano)
            return user.session.account.balance
