"""A winner whose gain waits is paid from what others have signed away, while their channels stay open."""

import asyncio
from contextlib import asynccontextmanager

from client_stage import MARK, MARKET, NETWORK, ORACLES, WITHIN_S, stage
from defence_stage import look_until
from onchain_stage import rich
from test_audit_chain import Seen
from test_client_losses import turn

from fairway.chain.local import LocalChain
from fairway.chain.purse import Purse
from fairway.channel.phase import Phase
from fairway.client.lookout import losses_of
from fairway.client.wish import Wish
from fairway.crypto import keys
from fairway.service import losses
from fairway.service.deploy import Charter, deploy
from fairway.service.errands import Errands
from fairway.service.keys import Keyring
from fairway.ton.vault_messages import read_account, read_books
from fairway.units import TON


@asynccontextmanager
async def poor_market(folder, monkeypatch):
    """A vault that nobody lent anything, and a service with eyes and hands on the chain."""
    monkeypatch.setattr(losses, "LOOK_S", 0.05)
    chain, keyring = LocalChain(), Keyring.open(folder / "service")
    await chain.fund(Purse(chain, keyring.operator(), NETWORK).address, 100 * TON)
    charter = Charter(NETWORK, [keys.public_key(seed) for seed in ORACLES], 2, bond=0, pool_seed=0, insurance_seed=0)
    vault = await deploy(chain, keyring, charter, folder / "venue")
    async with asyncio.timeout(WITHIN_S), stage(folder, vault) as service:
        seen, errands = Seen(service, chain), Errands(chain, service.engine, keyring, service.hub)
        noted = service.note

        def note(happened, effects):
            noted(happened, effects)
            errands.note(happened, effects)

        service.note = note
        hands = asyncio.create_task(errands.run())
        try:
            yield chain, service, seen
        finally:
            for task in (hands, seen.task):
                task.cancel()
            await asyncio.gather(hands, seen.task, return_exceptions=True)


async def books_of(chain, service):
    return read_books(await chain.run_get(service.vault, "get_books"))


async def deposited(chain, service, user):
    name = int.from_bytes(user.onchain.name)
    return read_account(await chain.run_get(service.vault, "get_account", (name,))).deposit


async def won_and_gone(chain, service, seen, alice, bob):
    """Bob loses to alice, both sign it, and she leaves with a gain that nothing in the vault can pay; how much."""
    for user in (alice, bob):
        await user.deposit(100 * TON)
        await seen.funded(user, 100 * TON)
    await turn(bob, alice, buys=True)
    gain = alice.session.account.balance - 100 * TON
    assert gain > TON
    await alice.withdraw()
    await seen.closed(alice.session.side.channel_id)
    return gain


async def test_a_waiting_winner_is_paid_by_a_loser_who_trades_on(tmp_path, monkeypatch):
    async with poor_market(tmp_path, monkeypatch) as (chain, service, seen):
        people = [await rich(chain, service, name) for name in ("alice", "bob")]
        async with people[0].at_work() as alice, people[1].at_work() as bob:
            gain = await won_and_gone(chain, service, seen, alice, bob)
            lost = 100 * TON - bob.session.account.balance
            before = await alice.purse.balance()

            async def announced():
                return (await losses_of(chain, service.vault, bob.onchain.name)).notice

            assert (await look_until(announced)).nano == lost
            assert sum(nano for _, nano in (await books_of(chain, service)).claims) == gain
            await chain.advance(service.engine.rules.quarantine_s + 1)

            async def paid():
                return await alice.purse.balance() > before + gain - TON // 100

            await look_until(paid)
            assert service.engine.channels[bob.session.side.channel_id].phase is Phase.OPEN
            assert await deposited(chain, service, bob) == 100 * TON - lost
            books = await books_of(chain, service)
            assert (books.claims, books.locked, books.protected) == ((), 200 * TON - 100 * TON - gain, 100 * TON - lost)
            service.engine.venue.check()
            await bob.session.place(Wish(MARKET, True, 1, MARK * 9 // 10))
            await bob.session.cancel(bob.session.account.next_key - 1)
            before = await bob.purse.balance()
            await bob.session.countersign()
            await bob.withdraw()
            assert abs(await bob.purse.balance() - before - (100 * TON - lost)) < TON // 2


async def test_nothing_is_shown_while_nobody_waits_or_the_loser_has_something_open(tmp_path, monkeypatch):
    async with poor_market(tmp_path, monkeypatch) as (chain, service, seen):
        people = [await rich(chain, service, name) for name in ("alice", "bob")]
        async with people[0].at_work() as alice, people[1].at_work() as bob:
            for user in (alice, bob):
                await user.deposit(100 * TON)
                await seen.funded(user, 100 * TON)
            await turn(bob, alice, buys=True)
            key = await bob.session.place(Wish(MARKET, True, 1, MARK * 9 // 10))
            await alice.withdraw()
            await seen.closed(alice.session.side.channel_id)
            await asyncio.sleep(0.3)
            assert (await losses_of(chain, service.vault, bob.onchain.name)).notice is None
            await bob.session.cancel(key)
            await bob.session.countersign()

            async def announced():
                return (await losses_of(chain, service.vault, bob.onchain.name)).notice

            await look_until(announced)


async def test_planted_a_service_that_shows_nothing_leaves_the_winner_waiting(tmp_path, monkeypatch):
    monkeypatch.setattr(losses.Losses, "_losers", lambda _: [])
    async with poor_market(tmp_path, monkeypatch) as (chain, service, seen):
        people = [await rich(chain, service, name) for name in ("alice", "bob")]
        async with people[0].at_work() as alice, people[1].at_work() as bob:
            gain = await won_and_gone(chain, service, seen, alice, bob)
            await chain.advance(service.engine.rules.quarantine_s + 1)
            await asyncio.sleep(0.3)
            assert sum(nano for _, nano in (await books_of(chain, service)).claims) == gain
