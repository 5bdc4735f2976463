"""A service that closes alone with a pair it would like better, and what came of it on chain."""

from __future__ import annotations

import asyncio

from client_stage import MARKET, NETWORK, ORACLES

from fairway.chain.purse import Purse
from fairway.channel import codec
from fairway.channel.state import SignedHalf
from fairway.crypto import keys
from fairway.exchange import wire
from fairway.exchange.terms import OracleRound
from fairway.service.sight import come_home
from fairway.ton.wallet import Transfer
from fairway.units import TON


def pair_of(user):
    """The newest accepted half of the user, signed, and the newest of the service: what it holds at this moment."""
    side = user.session.side
    half = side.replica.channel.a.half
    return SignedHalf(half, side._signer.sign(half.digest())), side.replica.channel.b


async def service_starts(chain, service, user, pair):
    """The service begins to close `user`'s channel alone with `pair`."""
    side = user.session.side
    signer = service.keyring.channel(NETWORK, service.vault, side.replica.opened.key_a)
    statement = codec.Start(side.setup.channel_id, *pair)
    told = codec.Signed(by_a=False, signature=signer.sign(statement.digest()), statement=statement)
    purse = Purse(chain, service.keyring.operator(), NETWORK)
    await purse.send(Transfer(user.onchain.address, TON // 5, codec.encode(told)))
    while (seen := await user.onchain.channel()).quarantine is None:  # noqa: ASYNC110 - the chain sets no event
        await asyncio.sleep(0.01)
    return seen.quarantine


def round_at(number, at_ms, mark):
    digest = OracleRound(NETWORK, MARKET, number, at_ms, mark, mark, 0).digest()
    signatures = {place: keys.sign(seed, digest) for place, seed in enumerate(ORACLES[:2])}
    return wire.Round(MARKET, number, at_ms, mark, mark, 0, signatures)


async def came_home(chain, service, address):
    """What the vault was told of the channel's end: the user's units."""
    for transaction in await chain.transactions(service.vault):
        home = come_home(transaction)
        if home is not None and home.address == address:
            return home.value
    return None


async def look_until(look):
    """What `look` finds, in time."""
    async with asyncio.timeout(10):
        while not (found := await look()):  # noqa: ASYNC110 - the chain sets no event
            await asyncio.sleep(0.02)
        return found
