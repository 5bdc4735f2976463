"""`fairway wallet connect`: what a TON Connect wallet is to approve so that a channel opens and is paid into."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from fairway.chain.opening import ChainAt, make_chain
from fairway.cli.exit import channel_of
from fairway.cli.inputs import KeyFile, LiteServers, NetworkName, WhichChain, network_id
from fairway.client import tonconnect
from fairway.client.keystore import Keystore
from fairway.client.onchain import account_of
from fairway.client.sentry import see
from fairway.client.session import Session, Venue
from fairway.client.side import Side
from fairway.client.store import Store
from fairway.errors import Rejected, Unavailable
from fairway.ton.address import Address
from fairway.ton.messages import address_of
from fairway.ton.wallet import TESTNET, Transfer
from fairway.units import format_ton, parse_ton

__all__ = ["connect"]

VALID_S = 600
PATIENCE_S = 60


def connect(
    path: Annotated[Path, typer.Argument(help="The keystore file.", exists=True, dir_okay=False)],
    record: Annotated[Path, typer.Option(help="The user's record; with --wallet made if there is none.")],
    amount: Annotated[str, typer.Option(help="What to pay in, in TON.")],
    where: WhichChain,
    wallet: Annotated[
        str | None, typer.Option(help="Ask the service for a channel that pays out to this wallet, kept elsewhere.")
    ] = None,
    service: Annotated[str | None, typer.Option(help="With --wallet: the service's WebSocket, wss://…/v1/ws.")] = None,
    vault: Annotated[
        str | None, typer.Option(help="With --wallet: the vault's address, from somebody you trust.")
    ] = None,
    network: NetworkName = "testnet",
    channel: Annotated[
        str | None, typer.Option(help="The channel's ID in hex; the newest of the record if not given.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the request and nothing else.")] = False,
    key_file: KeyFile = None,
    lite_servers: LiteServers = None,
) -> None:
    """Print the next request for the wallet that the channel pays out to; run again when it is approved.

    With --wallet from nothing: the service is asked for the channel first, unless the record has one for that wallet.
    """
    nano, wish = parse_ton(amount), _wish(wallet, service, vault, network)
    if wish is None and not record.exists():
        raise Unavailable("exit.record", "there is no such record", path=str(record))
    keystore = Keystore.open(path, typer.prompt("Passphrase", hide_input=True, err=True))
    with closing(Store(record)) as store:
        if wish is not None:
            asyncio.run(_agree(wish, store, keystore))
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


class _Wish(NamedTuple):
    """A channel with `venue`, paid out to `wallet`."""

    venue: Venue
    wallet: str


def _wish(wallet: str | None, service: str | None, vault: str | None, network: str) -> _Wish | None:
    if wallet is None and service is None and vault is None:
        return None
    if wallet is None or service is None or vault is None:
        raise Rejected("connect.venue", "say --wallet, --service and --vault together")
    return _Wish(Venue.at(service, network_id(network), str(Address.parse(vault))), str(Address.parse(wallet)))


async def _agree(wish: _Wish, store: Store, keystore: Keystore) -> None:
    """Have the service sign a channel as wished for, unless the newest of the record is one and signed."""
    known = store.channels()
    session = Session(wish.venue, store, keystore, known[-1] if known else None)
    if known:
        _check_same(session.side, wish)
        if session.side.replica.newest_b:
            return
    line = asyncio.create_task(session.run())
    try:
        async with asyncio.timeout(PATIENCE_S):
            await session.open(wish.wallet)
    except TimeoutError:
        raise Unavailable("connect.service", "the service does not answer; run again, nothing is lost") from None
    finally:
        line.cancel()
        await asyncio.gather(line, return_exceptions=True)


def _check_same(side: Side, wish: _Wish) -> None:
    opened, welcome = side.replica.opened, side.replica.welcome
    if (opened.payout, welcome.vault) != (wish.wallet, wish.venue.vault):
        words = "the record's newest channel is for another wallet or vault: name another record"
        raise Rejected("connect.wallet", words, payout=opened.payout)


async def _next(side: Side, at: ChainAt, nano: int) -> tuple[list[Transfer], tonconnect.Request | None]:
    async with make_chain(at) as chain:
        init = side.setup.init
        account = await account_of(chain, side.replica.welcome.vault, init.hash)
        now_s, channel = await chain.now(), address_of(init)
        shown = await chain.transactions(channel)
        silent_s = now_s - shown[-1].at if shown else 0
        transfers = tonconnect.opening(side, account, await see(chain, channel), nano, silent_s=silent_s)
        valid_until = now_s + VALID_S
    return transfers, tonconnect.request(side, transfers, valid_until) if transfers else None
