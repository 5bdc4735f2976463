"""A house of this process, an owner and another trader by their sessions, and the owner's bot by REST."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import uvicorn
from service_stage import DEPOSIT, MARKET, PAYOUT, LocalLine, Trader, found, priced

from fairway.client.bot import Bot
from fairway.client.wish import Permit
from fairway.crypto.keys import Signer
from fairway.exchange import event
from fairway.service.clock import Clock, WallClock
from fairway.service.house import House, Settings
from fairway.service.serve import application, bind
from fairway.units import TON

HOUR_MS = 3_600_000


class Stage:
    """A house of this process, an owner and another trader by their sessions, and the owner's bot by REST."""

    def __init__(self, house: House, web: httpx.ASGITransport, owner: Trader, other: Trader) -> None:
        self.house, self.web, self.owner, self.other = house, web, owner, other
        self.sub_key = Signer.of(owner.keystore.subkey_seed("bot"))

    async def grant(self, **changes: int) -> Bot:
        expires_ms = self.house.clock.now_ms() + HOUR_MS
        given = {"reserve": 100 * TON, "max_lots": 1_000, "leverage": 10, "expires_ms": expires_ms} | changes
        key = await self.owner.session.grant(Permit(self.sub_key.key, MARKET, **given))
        return self.bot(key)

    def bot(self, key: int, signer: Signer | None = None) -> Bot:
        account = self.owner.session.account
        given, now_ms = account.mandates[key].terms, self.house.clock.now_ms
        return Bot("http://fairway", signer or self.sub_key, account.rules, given, clock_ms=now_ms, transport=self.web)

    async def sleep(self, trader: Trader) -> None:
        await trader._stop()

    async def wake(self, trader: Trader) -> None:
        await trader.restart("")


@asynccontextmanager
async def dial(house: House):
    line = LocalLine(house)
    yield line


@asynccontextmanager
async def staged(folder: Path, clock: Clock | None = None):
    """The stage at round 1, in `folder`."""
    house = House.open(Settings(found(folder / "venue"), clock=clock or WallClock()))
    running = asyncio.create_task(house.run())
    traders = [Trader(folder, name) for name in ("owner", "other")]
    for trader in traders:
        await enter(house, trader)
    await house.sequencer.submit(priced(1))
    web = httpx.ASGITransport(application(house))
    yield Stage(house, web, *traders)
    for trader in traders:
        await trader.end()
    await house.stop()
    await running
    house.close(clean=True)


async def enter(house: House, trader: Trader) -> None:
    trader.session.venue = type(trader.session.venue)(
        lambda: dial(house), trader.session.venue.network, trader.session.venue.vault
    )
    venue = trader.session.venue
    make = trader._session

    def session(channel_id):
        made = make(channel_id)
        made.venue = venue
        return made

    trader._session = session
    trader.start()
    await trader.session.open(PAYOUT)
    funded = event.Funded(
        at_ms=0, channel_id=trader.channel_id, deposit_a=DEPOSIT, deposit_b=10 * DEPOSIT, transaction=bytes(32)
    )
    await house.sequencer.submit(funded)
    trader.session.fund(funded)


@asynccontextmanager
async def served(house: House):
    """The house on a port of this machine."""
    listener = bind("127.0.0.1", 0)
    settings_ = uvicorn.Config(
        application(house), lifespan="off", log_level="warning", access_log=False, ws="websockets-sansio"
    )
    server = uvicorn.Server(settings_)
    server.install_signal_handlers = lambda: None
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await task
