"""`fairway exit`: leave alone, from keystore and record, with the service gone.

The passphrase is asked for; it is never an argument.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from fairway.chain.opening import ChainAt, OpenChain, make_chain
from fairway.chain.purse import Purse
from fairway.chain.remote import RemoteChain
from fairway.cli.inputs import KeyFile, LiteServers, WhichChain
from fairway.cli.published import published
from fairway.client.keystore import Keystore
from fairway.client.leaving import Leaving, Left
from fairway.client.regain import regain
from fairway.client.side import Side
from fairway.client.store import Store
from fairway.errors import Rejected, Unavailable
from fairway.exchange import wire
from fairway.units import format_ton

__all__ = ["channel_of", "leave"]

POLL_S = 2.0


def leave(
    keystore: Annotated[Path, typer.Option(help="The user's keystore.", exists=True, dir_okay=False)],
    record: Annotated[Path, typer.Option(help="The user's record, or a copy of it.", exists=True, dir_okay=False)],
    where: WhichChain,
    channel: Annotated[
        str | None, typer.Option(help="The channel's ID in hex; the newest of the record if not given.")
    ] = (None),
    rounds: Annotated[
        Path | None, typer.Option(help="Rounds that somebody kept, one JSON object a line; read again while waiting.")
    ] = None,
    tower: Annotated[
        list[str] | None, typer.Option(help="URL of a watchtower: what it holds that is newer than the record is used.")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait for what has its time; else say when to come back.")] = True,
    advance: Annotated[bool, typer.Option(help="Move the embedded chain's clock instead of waiting.")] = False,
    key_file: KeyFile = None,
    lite_servers: LiteServers = None,
) -> None:
    """Close a channel alone and bring its money home: nothing is needed of the service.

    May be stopped and run again at any point.
    """
    opened = Keystore.open(keystore, typer.prompt("Passphrase", hide_input=True))
    with closing(Store(record)) as store:
        channel_id = channel_of(store, channel)
        typer.echo(f"channel {channel_id.hex()}")
        at = ChainAt(where, key_file, lite_servers)
        left = asyncio.run(_leave(opened, store, channel_id, at, rounds, tower or [], wait=wait, advance=advance))
    gained = left.after - left.before
    typer.echo(f"paid      {format_ton(gained)} TON came to the wallet, gas and rent taken off")
    if left.liens:
        typer.echo(f"liens     {format_ton(left.liens)} TON stood against it")
    if left.waiting:
        typer.echo(f"waiting   {format_ton(left.waiting)} TON of gains wait in the vault for what others lose")


def channel_of(store: Store, named: str | None) -> bytes:
    """The channel whose ID is `named` in hex, or the newest of the record."""
    known = store.channels()
    if not known:
        raise Unavailable("exit.record", "there is no channel in this record", path=str(store.path))
    if named is None:
        return known[-1]
    try:
        wanted = bytes.fromhex(named)
    except ValueError:
        wanted = b""
    if wanted not in known:
        raise Unavailable("exit.channel", "the record has no such channel", channel=named)
    return wanted


async def _leave(
    keystore: Keystore,
    store: Store,
    channel_id: bytes,
    at: ChainAt,
    rounds: Path | None,
    towers: Sequence[str],
    *,
    wait: bool,
    advance: bool,
) -> Left:
    side = Side.restored(store, keystore, channel_id)
    async with make_chain(at) as chain:
        purse = Purse(chain, keystore.wallet(), side.replica.rules.network)
        await _ask_towers(chain, side, towers)
        waiter = _waiter(chain, wait=wait, advance=advance)

        def known() -> Iterator[wire.Round]:
            yield from (entry for entry in store.record(channel_id) if isinstance(entry, wire.Round))
            if rounds is not None and rounds.exists():
                yield from published(rounds)

        return await Leaving(chain, purse, side, known, typer.echo, waiter).run()


async def _ask_towers(chain: OpenChain, side: Side, towers: Sequence[str]) -> None:
    """Take over what is newer than the record. Nothing is started where no tower gave a true answer."""
    if side.replica.left and towers:
        typer.echo("the record says that it was left with: no tower is asked any more")
    elif towers and not await regain(side, towers, await chain.now(), typer.echo):
        raise Unavailable("exit.tower", "no tower gave a true answer; without --tower the record alone is left with")


def _waiter(chain: OpenChain, *, wait: bool, advance: bool) -> Callable[[int], Awaitable[None]]:
    if advance and not isinstance(chain, RemoteChain):
        raise Rejected("exit.advance", "nobody moves the clock of a live chain")

    async def wait_until(second: int) -> None:
        while (missing := second - await chain.now()) > 0:
            if advance and isinstance(chain, RemoteChain):
                await chain.advance(missing)
            elif wait:
                await asyncio.sleep(min(POLL_S, missing))
            else:
                when = datetime.fromtimestamp(second, UTC).isoformat()
                raise Rejected("exit.later", f"come back at {when}: run the same command again", at=second)

    return wait_until
