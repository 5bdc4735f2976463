"""Deposits on a chain whose newest blocks are undone all the time: client and service count each of them once."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest
from client_stage import NETWORK, ORACLES, stage
from onchain_stage import rich

from fairway.chain.forks import ForkingChain
from fairway.chain.purse import Purse
from fairway.chain.router import Router
from fairway.crypto import keys
from fairway.exchange import event
from fairway.service.deploy import Charter, deploy
from fairway.service.keys import Keyring
from fairway.service.watch import Watch
from fairway.units import TON


class Hasty(ForkingChain):
    """The planted bug: it shows the newest block before it is final."""

    @property
    def _shown(self) -> Router:
        return self.router


async def restless(chain: ForkingChain) -> None:
    number = 0
    while True:
        await chain.advance(0)
        number += 1
        if number % 11 == 0:
            await chain.reorganise(1 + number % 3, seed=number, lost_ppm=250_000)
        await asyncio.sleep(0.004)


@asynccontextmanager
async def watched(chain, folder):
    """A venue on `chain`, and a service that sees it with its own eyes; what it counts, in order; the first of it."""
    keyring, counted = Keyring.open(folder / "service"), []
    first = asyncio.Event()
    await chain.fund(Purse(chain, keyring.operator(), NETWORK).address, 20_000 * TON)
    for _ in range(3):
        await chain.advance(0)
    working = asyncio.create_task(restless(chain))
    vault = await deploy(chain, keyring, Charter(NETWORK, [keys.public_key(seed) for seed in ORACLES], 2), folder / "v")
    async with stage(folder, vault) as service:

        async def submit(happened):
            await service.sequencer.submit(happened)
            if isinstance(happened, event.Funded):
                counted.append(happened.deposit_a)
                first.set()

        watch, note = Watch(chain, service.engine, submit, service.treasury), service.note
        service.note = lambda happened, effects: (note(happened, effects), watch.note(happened, effects))
        watching = asyncio.create_task(watch.run())
        try:
            yield service, counted, first, working
        finally:
            for task in (watching, working):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr("fairway.chain.purse.GLANCE_S", 0.1)
    monkeypatch.setattr("fairway.client.onchain.GLANCE_S", 0.1)


async def test_a_deposit_is_counted_once_while_blocks_are_undone(tmp_path):
    chain = ForkingChain()
    async with asyncio.timeout(30), watched(chain, tmp_path) as (service, counted, first, _):
        person = await rich(chain, service, "alice")
        for _ in range(8):
            await chain.advance(0)
        async with person.at_work() as alice:
            await alice.deposit(100 * TON)
            await first.wait()
            for _ in range(50):
                await chain.advance(0)
                await asyncio.sleep(0)
            assert counted == [100 * TON]
            channel = service.engine.channels[alice.session.side.channel_id]
            seen = await alice.onchain.channel()
            assert (
                (channel.deposit_a, channel.deposit_b) == (seen.deposit_a, seen.deposit_b) == (100 * TON, 1_000 * TON)
            )


async def test_the_planted_haste_counts_a_deposit_that_is_undone(tmp_path):
    """Shown before it is final, the deposit is counted; then it is undone, and the books hold money that is not."""
    chain = Hasty(final_after=40)
    async with asyncio.timeout(30), watched(chain, tmp_path) as (service, _, first, working):
        working.cancel()
        person = await rich(chain, service, "alice")
        async with person.at_work() as alice:
            await alice.session.open(alice.purse.address)
            await alice.onchain.prepare()
            before = len(chain._open)
            await alice.deposit(100 * TON)
            await first.wait()
            await chain.reorganise(len(chain._open) - before, lost_ppm=1_000_000)
            seen = await alice.onchain.channel()
            channel = service.engine.channels[alice.session.side.channel_id]
            assert (channel.deposit_a, seen.deposit_a) == (100 * TON, 0)
