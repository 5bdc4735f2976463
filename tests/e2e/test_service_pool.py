"""What a running service tells of its pool: nothing before an epoch shows it, then what that epoch proves."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import httpx
from service_stage import found

from fairway.exchange import event
from fairway.service.api import rest
from fairway.service.house import House, Settings
from fairway.service.serve import application
from fairway.units import TON

WITHIN_S = 60


@asynccontextmanager
async def serving(folder):
    """A house with its loop, and a client that asks it."""
    house = House.open(Settings(found(folder)))
    running = asyncio.create_task(house.run())
    try:
        transport = httpx.ASGITransport(application(house))
        async with httpx.AsyncClient(transport=transport, base_url="http://venue") as web, asyncio.timeout(WITHIN_S):
            yield house, web
    finally:
        await house.stop()
        await running
        house.close(clean=True)


async def test_the_pool_is_told_as_its_epoch_proves_it(tmp_path, monkeypatch):
    async with serving(tmp_path) as (house, web):
        unknown = await web.get("/v1/pool")
        assert (unknown.status_code, unknown.json()["data"]["code"]) == (404, "pool.unknown")
        await house.sequencer.submit(
            event.Lent(at_ms=0, wallet="0:" + "1e" * 32, amount=5 * TON, transaction=b"t" * 32)
        )
        await house.provers.finish()
        told = (await web.get("/v1/pool")).json()
        shown, seed = house.engine.venue.shown, house.engine.rules.pool_seed
        assert told["nav"] == told["shares"] == str(seed + 5 * TON)
        assert (told["sharePrice"], told["record"], told["isSolvent"]) == (str(10**9), shown.txid.hex(), True)
        assert told["terms"] is None, "its terms would open lendState with too few settlements around"
        record = (await web.get(f"/v1/proofs/settlement?txid={told['record']}")).json()
        assert (record["proved"], record["final"]) == (True, True)
        monkeypatch.setattr(rest, "HIDDEN_AMONG", 0)
        terms = {name: int(nano) for name, nano in (await web.get("/v1/pool")).json()["terms"].items()}
        house_has = terms["lendState"] + terms["insurance"] + terms["fees"] + terms["bond"] - terms["owed"]
        assert house_has == terms["lenders"] + terms["operator"] + terms["channels"]
        assert terms["lenders"] == 5 * TON
