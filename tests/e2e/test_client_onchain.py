"""A user's money from his wallet into a channel and back, on a chain with the real contracts."""

import asyncio

import pytest
from client_stage import MARK, MARKET, NETWORK, ORACLES
from onchain_stage import market, rich, shown

from fairway.chain.router import Weather
from fairway.client.opening import register, wrap
from fairway.client.wish import Wish
from fairway.crypto import keys
from fairway.errors import Rejected
from fairway.exchange import wire
from fairway.exchange.paper import Exit
from fairway.exchange.terms import OracleRound
from fairway.units import TON

DAY_S = 86_400


async def test_a_deposit_is_in_the_channel_on_both_sides_and_comes_home_whole(tmp_path):
    async with market(tmp_path) as (chain, service):
        person = await rich(chain, service, "alice")
        async with person.at_work() as alice:
            await alice.deposit(100 * TON)
            await shown(service, alice)
            view = await alice.onchain.channel()
            assert (view.deposit_a, view.deposit_b) == (100 * TON, 1_000 * TON)
            assert alice.session.account.balance == 100 * TON
            before = await alice.purse.balance()
            await alice.withdraw()
            assert 99 * TON < await alice.purse.balance() - before < 101 * TON


async def test_an_interrupted_deposit_is_taken_up_where_it_stopped(tmp_path):
    async with market(tmp_path) as (chain, service):
        person = await rich(chain, service, "alice")
        async with person.at_work() as alice:
            await alice.session.open(alice.purse.address)
            await alice.onchain.prepare()
        async with person.at_work() as alice:
            await alice.deposit(100 * TON)
            before = await alice.purse.balance()
            await alice.onchain.deposit(100 * TON)
            assert await alice.purse.balance() == before, "nothing is wrapped twice"


async def test_a_deposit_that_is_under_way_is_not_sent_again(tmp_path):
    """Though something else comes back: the vault knows the channel, and refuses to register it a second time."""
    async with market(tmp_path) as (chain, service):
        person = await rich(chain, service, "alice")
        async with person.at_work() as alice:
            await alice.session.open(alice.purse.address)
            await alice.onchain.prepare()
            chain.router.weather = Weather(delay_s=1_000)
            await alice.purse.send(register(alice.session.side), wrap(alice.session.side, 100 * TON))
        async with person.at_work() as alice:
            await alice.session.caught_up()
            again = asyncio.create_task(alice.onchain.deposit(100 * TON))
            await asyncio.sleep(0)
            while not again.done():
                await asyncio.sleep(0)
                await chain.advance(100)
            await chain.advance(10_000)
            assert (await alice.onchain.channel()).deposit_a == 100 * TON


class Reordering(Weather):
    """The vault's word to a channel which wallet is its own comes late: what is wrapped before is sent back in part."""

    def delay(self, message: bytes) -> int:
        return 50 if bytes.fromhex("d1735400") in message else 0


async def test_nothing_is_wrapped_before_the_channel_can_take_it(tmp_path):
    async with market(tmp_path) as (chain, service):
        chain.router.weather = Reordering()
        person = await rich(chain, service, "alice")
        async with person.at_work() as alice:
            await alice.session.open(alice.purse.address)
            depositing = asyncio.create_task(alice.onchain.deposit(100 * TON))
            while not depositing.done():
                await asyncio.sleep(0)
                await chain.advance(1)
            view = await alice.onchain.channel()
            assert (view.deposit_a, view.deposit_b) == (100 * TON, 1_000 * TON)


async def test_nothing_is_wrapped_before_the_service_has_signed(tmp_path):
    async with market(tmp_path) as (chain, service):
        person = await rich(chain, service, "alice")
        service.tamper = lambda reply: None if type(reply).__name__ == "Granted" else reply
        async with person.at_work() as alice:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await alice.deposit(100 * TON)
            assert await alice.purse.balance() == 1_000 * TON


async def test_a_partial_withdrawal_moves_the_rest_into_a_new_channel(tmp_path):
    async with market(tmp_path) as (chain, service):
        person = await rich(chain, service, "alice")
        async with person.at_work() as alice:
            await alice.deposit(100 * TON)
            await shown(service, alice)
            before = await alice.purse.balance()
            async with await alice.withdraw_partially(30 * TON) as again:
                assert 29 * TON < await alice.purse.balance() - before < 31 * TON
                assert again.session.account.balance == 70 * TON
                await shown(service, again)
                assert await again.session.place(Wish(MARKET, True, 1, MARK)) == 1


async def test_with_the_service_gone_a_backup_is_enough_to_leave_with_the_last_agreed_value(tmp_path):
    async with market(tmp_path) as (chain, service):
        people = [await rich(chain, service, name) for name in ("alice", "bob")]
        async with people[0].at_work() as alice, people[1].at_work() as bob:
            for user in (alice, bob):
                await user.deposit(100 * TON)
                await shown(service, user)
            await alice.session.place(Wish(MARKET, False, 50, MARK))
            await bob.session.place(Wish(MARKET, True, 50, MARK))
            await bob.session.place(Wish(MARKET, False, 50, MARK * 98 // 100))
            await alice.session.place(Wish(MARKET, True, 50, MARK * 98 // 100))
            agreed = alice.session.account.balance
            assert agreed != 100 * TON
            assert not alice.session.account.positions
            alice.session._store.export(tmp_path / "backup.sqlite")
        service.down = True
        service.cut()
        people[0].path = tmp_path / "backup.sqlite"
        async with people[0].at_work() as alice:
            before = await alice.purse.balance()
            await alice.leave()
            await chain.advance(DAY_S)
            await alice.finish()
            gained = await alice.purse.balance() - before
            assert agreed - TON < gained < agreed + TON


async def test_an_open_position_is_paid_at_the_exit_price_without_the_service(tmp_path):
    async with market(tmp_path) as (chain, service):
        people = [await rich(chain, service, name) for name in ("alice", "bob")]
        async with people[0].at_work() as alice, people[1].at_work() as bob:
            for user in (alice, bob):
                await user.deposit(100 * TON)
                await shown(service, user)
            await bob.session.place(Wish(MARKET, False, 1_000, MARK, leverage=10))
            await alice.session.place(Wish(MARKET, True, 1_000, MARK, leverage=10))
            agreed = alice.session.account.balance
        service.down = True
        service.cut()
        async with people[0].at_work() as alice:
            before = await alice.purse.balance()
            await alice.leave()
            moment_ms = (await alice.onchain.channel()).quarantine.started_at * 1000 + service.engine.rules.patience_ms
            await chain.advance(3_601)
            await alice.claim({MARKET: Exit(round_at(7, moment_ms - 1, MARK), round_at(8, moment_ms, MARK + 1_000))})
            await chain.advance(DAY_S)
            await alice.finish()
            won = 1_000 * 10_000 * 1_000
            gained = await alice.purse.balance() - before
            assert abs(gained - agreed - won) < TON // 2, "but for gas, and the channel's rent that comes home"


def round_at(number, at_ms, mark):
    digest = OracleRound(NETWORK, MARKET, number, at_ms, mark, mark, 0).digest()
    signatures = {place: keys.sign(seed, digest) for place, seed in enumerate(ORACLES[:2])}
    return wire.Round(MARKET, number, at_ms, mark, mark, 0, signatures)


async def test_a_channel_of_another_wallet_is_not_deposited_into(tmp_path):
    async with market(tmp_path) as (chain, service):
        person = await rich(chain, service, "alice")
        async with person.at_work() as alice:
            await alice.session.open("0:" + "22" * 32)
            with pytest.raises(Rejected, match=r"onchain\.payout"):
                await alice.onchain.deposit(100 * TON)
