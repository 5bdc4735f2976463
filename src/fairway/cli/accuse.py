"""`fairway accuse`: show the vault what a record proves that the service signed twice; its bond pays.

The passphrase is asked for; it is never an argument.
"""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from fairway.chain.opening import ChainAt, make_chain
from fairway.chain.purse import Purse
from fairway.cli.exit import channel_of
from fairway.cli.inputs import KeyFile, LiteServers, WhichChain
from fairway.client.accusation import Accusation, accusations
from fairway.client.keystore import Keystore
from fairway.client.onchain import OnChain
from fairway.client.side import Side
from fairway.client.store import Store

__all__ = ["accuse"]


def accuse(
    keystore: Annotated[Path, typer.Option(help="The user's keystore.", exists=True, dir_okay=False)],
    record: Annotated[Path, typer.Option(help="The user's record, or a copy of it.", exists=True, dir_okay=False)],
    where: WhichChain,
    channel: Annotated[
        str | None, typer.Option(help="The channel's ID in hex; the newest of the record if not given.")
    ] = (None),
    key_file: KeyFile = None,
    lite_servers: LiteServers = None,
) -> None:
    """Bring the vault two halves under one seqno, or a fill after a cancel: a fine of the bond is yours.

    May be run again: what the vault has punished already is left alone.
    """
    opened = Keystore.open(keystore, typer.prompt("Passphrase", hide_input=True))
    with closing(Store(record)) as store:
        channel_id = channel_of(store, channel)
        typer.echo(f"channel {channel_id.hex()}")
        proven = accusations(store, channel_id)
        typer.echo(f"{len(proven)} lies proven by the record, of {len(store.evidence(channel_id))} kept as evidence")
        if proven:
            at = ChainAt(where, key_file, lite_servers)
            asyncio.run(_bring(opened, Side.restored(store, opened, channel_id), at, proven))


async def _bring(keystore: Keystore, side: Side, at: ChainAt, proven: list[Accusation]) -> None:
    async with make_chain(at) as chain:
        onchain = OnChain(chain, Purse(chain, keystore.wallet(), side.replica.rules.network), side)
        for each in proven:
            news = await onchain.accuse(each)
            typer.echo(f"half {each.seqno}: {'the bond has paid' if news else 'paid for before'}")
