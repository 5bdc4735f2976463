"""`fairway wallet mandate`: let the holder of a sub-key trade in the newest channel of a record, or no more.

The passphrase is asked for; it is never an argument.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from fairway.client.bot import BotFile, now_ms
from fairway.client.keystore import Keystore, write_private
from fairway.client.session import Session, Venue
from fairway.client.side import Side
from fairway.client.store import Store
from fairway.client.wish import Permit
from fairway.crypto.keys import Signer
from fairway.errors import Rejected
from fairway.exchange.asked import listing_of
from fairway.units import format_ton, parse_ton

__all__ = ["app"]

HOUR_MS = 3_600_000

app = typer.Typer(name="mandate", help="What the holder of a sub-key may trade in your channel.", no_args_is_help=True)

KeystoreFile = Annotated[Path, typer.Option(help="The user's keystore.", exists=True, dir_okay=False)]
RecordFile = Annotated[Path, typer.Option(help="The user's record.", exists=True, dir_okay=False)]
Service = Annotated[str, typer.Option(help="The service's WebSocket: wss://…/v1/ws.")]


@app.command()
def grant(
    name: Annotated[str, typer.Argument(help="The sub-key's name; the same name gives the same key.")],
    symbol: Annotated[str, typer.Option(help="The market.")],
    reserve: Annotated[str, typer.Option(help="TON: the most that all of it may cost you.")],
    max_lots: Annotated[int, typer.Option(help="The largest order and position.")],
    out: Annotated[Path, typer.Option(help="Write what the bot needs, its secret too, into this new file.")],
    keystore: KeystoreFile,
    record: RecordFile,
    service: Service,
    leverage: Annotated[int, typer.Option(help="The greatest leverage.")] = 1,
    hours: Annotated[int, typer.Option(help="How long.", min=1)] = 24,
) -> None:
    """Sign a mandate, and write the file that a bot begins from."""
    nano, opened = parse_ton(reserve), Keystore.open(keystore, typer.prompt("Passphrase", hide_input=True))
    seed = opened.subkey_seed(name)

    async def granted() -> BotFile:
        async with _session(store, opened, service) as session:
            side = session.side
            market = listing_of(side.replica.rules, symbol).market
            until_ms = now_ms() + hours * HOUR_MS
            permit = Permit(Signer.of(seed).key, market, nano, max_lots, leverage, until_ms)
            key = await session.grant(permit)
            return BotFile(seed, side.replica.welcome, side.account.mandates[key].terms)

    with closing(Store(record)) as store:
        made = asyncio.run(granted())
    write_private(out, msgspec.json.encode(made))
    typer.echo(f"mandate {made.mandate.key}: {format_ton(nano)} TON in {symbol} for {hours} h; the bot's file is {out}")


@app.command()
def revoke(
    mandate: Annotated[int, typer.Argument(help="The mandate's number.")],
    keystore: KeystoreFile,
    record: RecordFile,
    service: Service,
) -> None:
    """Take a mandate back at once, with all its orders."""
    opened = Keystore.open(keystore, typer.prompt("Passphrase", hide_input=True))

    async def revoked() -> None:
        async with _session(store, opened, service) as session:
            await session.revoke(mandate)
            await session.countersign()

    with closing(Store(record)) as store:
        asyncio.run(revoked())
    typer.echo(f"mandate {mandate} is over")


@asynccontextmanager
async def _session(store: Store, keystore: Keystore, service: str) -> AsyncIterator[Session]:
    """The line of the record's newest channel. Errors: `Rejected` (`session.unopened`)."""
    known = store.channels()
    if not known:
        raise Rejected("session.unopened", "the record has no channel: deposit first")
    welcome = Side.restored(store, keystore, known[-1]).replica.welcome
    session = Session(Venue.at(service, welcome.network, welcome.vault), store, keystore, known[-1])
    line = asyncio.create_task(session.run())
    try:
        await session.caught_up()
        yield session
    finally:
        line.cancel()
        await asyncio.gather(line, return_exceptions=True)
