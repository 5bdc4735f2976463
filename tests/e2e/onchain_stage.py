"""A chain with the real contracts under a service in this process, and users with machines and wallets of their own."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

from client_stage import NETWORK, ORACLES, WITHIN_S, stage

from fairway.chain.local import LocalChain
from fairway.chain.purse import Purse
from fairway.client.keystore import Keystore
from fairway.client.store import Store
from fairway.client.user import User
from fairway.crypto import keys
from fairway.exchange import event
from fairway.service.deploy import Charter, deploy
from fairway.service.keys import Keyring
from fairway.units import TON


@asynccontextmanager
async def market(folder):
    """A chain with a vault on it, a service over both, and a maker of users with 1,000 TON each."""
    chain, keyring = LocalChain(), Keyring.open(folder / "service")
    await chain.fund(Purse(chain, keyring.operator(), NETWORK).address, 20_000 * TON)
    charter = Charter(NETWORK, [keys.public_key(seed) for seed in ORACLES], 2)
    vault = await deploy(chain, keyring, charter, folder / "venue")
    async with asyncio.timeout(WITHIN_S), stage(folder, vault) as service:
        yield chain, service


class Person:
    """A user's machine: his folder outlives his process."""

    def __init__(self, chain, service, name):
        self.chain, self.service = chain, service
        self.keystore = Keystore(keys.derive_seed(b"person", name))
        self.path = service.folder / f"{name}.sqlite"

    @asynccontextmanager
    async def at_work(self, towers=()):
        store = Store(self.path)
        known = store.channels()
        user = User(
            self.service.venue,
            self.chain,
            store,
            self.keystore,
            known[-1] if known else None,
            clock_ms=lambda: self.service.now_ms,
            towers=towers,
        )
        try:
            async with user:
                yield user
        finally:
            store.close()


async def shown(service, user):
    """The service sees the deposit on the chain too."""
    seen = await user.onchain.channel()
    await service.sequencer.submit(
        event.Funded(
            at_ms=0,
            channel_id=user.session.side.channel_id,
            deposit_a=seen.deposit_a,
            deposit_b=seen.deposit_b,
            transaction=bytes(32),
        )
    )


async def rich(chain, service, name):
    person = Person(chain, service, name)
    await chain.fund(Purse(chain, person.keystore.wallet(), NETWORK).address, 1_000 * TON)
    return person
