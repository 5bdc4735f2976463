"""Money out of a channel in which orders and positions stay: once, whoever dies or whatever is lost on the way."""

import asyncio
from contextlib import suppress

import pytest
from client_stage import MARK, MARKET, stage
from msgspec.structs import replace
from onchain_stage import rich
from test_client_exits import exit_rounds, opened, paid_out, staffed, until, until_settled

from fairway.client.wish import Wish
from fairway.errors import InvalidMessage, Rejected, Unavailable
from fairway.exchange import wire
from fairway.exchange.change import Committed
from fairway.exchange.effect import SignCommit
from fairway.exchange.event import PaidOut
from fairway.exchange.site import channel_setup
from fairway.exchange.withdrawal import withdrawable
from fairway.service import errands as errands_module
from fairway.service.watch import Watch
from fairway.ton.messages import address_of
from fairway.ton.vault_messages import read_account
from fairway.units import TON

OUT = 30 * TON


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """The service hands in at once what its user does not."""
    monkeypatch.setattr(errands_module, "GRACE_S", 0.2)


async def hold(alice, bob):
    """Alice holds a position, and an order of hers rests."""
    await bob.session.place(Wish(MARKET, False, 1_000, MARK, leverage=10))
    await alice.session.place(Wish(MARKET, True, 1_000, MARK, leverage=10))
    await alice.session.place(Wish(MARKET, True, 100, MARK - 300, leverage=10))


async def seen(service, user):
    """The service has seen on chain what left."""
    channel_id = user.session.side.channel_id
    await until(lambda: not service.engine.venue.withdrawals.leaving)
    service.engine.venue.check()
    return service.engine.accounts[channel_id]


async def test_what_nothing_needs_is_withdrawn_and_trading_goes_on_to_the_end(tmp_path):
    async with staffed(tmp_path) as (chain, service), opened(chain, service, "alice", "bob") as (alice, bob):
        await hold(alice, bob)
        balance, before = alice.session.account.balance, await alice.purse.balance()
        await alice.withdraw_now(OUT)
        assert OUT - TON // 5 < await alice.purse.balance() - before <= OUT
        account = await seen(service, alice)
        assert alice.session.account.balance == account.balance == balance - OUT
        view = await alice.onchain.channel()
        assert (view.withdraw_a, view.withdraw_b, view.deposit_a) == (OUT, 0, 100 * TON)
        in_vault = read_account(
            await chain.run_get(service.vault, "get_account", (int.from_bytes(alice.onchain.name),))
        )
        assert (in_vault.deposit, in_vault.held) == (100 * TON - OUT, 1_100 * TON - OUT)
        await alice.withdraw_now(TON)
        await seen(service, alice)
        await bob.session.place(Wish(MARKET, True, 1_000, MARK, reduce_only=True))
        await alice.session.cancel_all()
        await alice.session.place(Wish(MARKET, False, 1_000, MARK, reduce_only=True))
        rest = alice.session.account.balance
        await alice.withdraw()
        await until(lambda: account.balance == 0)
        assert account.withdrawn == rest + OUT + TON
        assert service.engine.venue.recovered == 0, "the chain paid what the books say, to the nano"


# Whoever dies between two steps


def nothing_is_sent(_, alice, reached):
    """Written and signed, but the service never hears of it."""
    send = alice.session._send

    async def lossy(request):
        if isinstance(request, wire.Commit):
            reached.set()
        else:
            await send(request)

    alice.session._send = lossy


def nothing_is_answered(service, _, reached):
    """The service has signed, and nothing of that arrives."""
    service.tamper = lambda reply: reached.set() if says_so(reply) else reply


def only_the_half_arrives(service, _, reached):
    """He has the half that counts it, and not the signature that moves it."""
    service.tamper = lambda reply: reached.set() if isinstance(reply, wire.CommitSigned) else reply


def the_chain_is_not_told(_, alice, reached):
    """Both have signed, and he dies before the chain hears of it."""

    async def never(*_):
        reached.set()
        await asyncio.Event().wait()

    alice.purse.send = never


def the_chain_loses_it(_, alice, reached):
    """He believes that he has sent it, and it never arrives."""

    async def lost(*_):
        reached.set()

    alice.purse.send = lost


def says_so(reply):
    is_push = isinstance(reply, wire.Pushed) and any(isinstance(each, Committed) for each in reply.changes)
    return is_push or isinstance(reply, wire.CommitSigned)


DEATHS = [nothing_is_sent, nothing_is_answered, only_the_half_arrives, the_chain_is_not_told, the_chain_loses_it]


async def killed(service, alice, dies):
    """The user's process ends in the middle of a withdrawal."""
    reached = asyncio.Event()
    dies(service, alice, reached)
    asking = asyncio.create_task(alice.withdraw_now(OUT))
    await reached.wait()
    asking.cancel()
    with suppress(asyncio.CancelledError):
        await asking


@pytest.mark.parametrize("dies", DEATHS)
async def test_a_user_who_dies_in_the_middle_finishes_it_when_he_is_back(tmp_path, monkeypatch, dies):
    monkeypatch.setattr(errands_module, "GRACE_S", 1_000)
    async with staffed(tmp_path) as (chain, service):
        person = await rich(chain, service, "carol")
        async with opened(chain, service, "alice", "bob") as (_, bob):
            async with person.at_work() as carol:
                await carol.deposit(100 * TON)
                await until(lambda: service.engine.channels[carol.session.side.channel_id].deposit_a > TON)
                await hold(carol, bob)
                await killed(service, carol, dies)
            service.tamper = lambda reply: reply
            async with person.at_work() as carol:
                await carol.withdraw_now(OUT)
                await seen(service, carol)
                assert (await carol.onchain.channel()).withdraw_a == carol.session.account.withdrawn == OUT
                assert await carol.session.place(Wish(MARKET, True, 1, MARK - 300)) > 0


@pytest.mark.parametrize("dies", DEATHS)
async def test_what_the_service_has_signed_it_hands_in_itself(tmp_path, dies):
    async with staffed(tmp_path) as (chain, service):
        person = await rich(chain, service, "carol")
        async with opened(chain, service, "alice", "bob") as (_, bob):
            async with person.at_work() as carol:
                await carol.deposit(100 * TON)
                await until(lambda: service.engine.channels[carol.session.side.channel_id].deposit_a > TON)
                await hold(carol, bob)
                await killed(service, carol, dies)
            service.tamper = lambda reply: reply
            name = carol.session.side.channel_id
            if dies is not nothing_is_sent:
                await until(lambda: service.engine.venue.withdrawals.signed and not leaving(service))
            async with person.at_work() as carol:
                await until(lambda: service.engine.accounts[name].withdrawn == OUT and not leaving(service))
                await until(lambda: carol.session.account.withdrawn == OUT)
                assert (await carol.onchain.channel()).withdraw_a == OUT


def leaving(service):
    return service.engine.venue.withdrawals.leaving


async def test_a_service_that_starts_again_hands_in_what_it_had_signed(tmp_path, monkeypatch):
    monkeypatch.setattr(errands_module, "GRACE_S", 0.05)
    async with staffed(tmp_path) as (chain, service), opened(chain, service, "alice", "bob") as (alice, bob):
        await hold(alice, bob)
        kept, inner = [], service.note
        service.note = lambda happened, effects: kept.append((happened, effects))  # it dies before it does anything
        asking = asyncio.create_task(alice.withdraw_now(OUT))
        await until(lambda: any(isinstance(each, SignCommit) for _, effects in kept for each in effects))
        asking.cancel()
        for happened, effects in kept:
            inner(happened, effects)
        await seen(service, alice)
        assert (await alice.onchain.channel()).withdraw_a == OUT


# The chain


async def test_eyes_that_look_again_count_a_payout_once(tmp_path, monkeypatch):
    async with staffed(tmp_path) as (chain, service), opened(chain, service, "alice", "bob") as (alice, bob):
        await hold(alice, bob)
        await alice.withdraw_now(OUT)
        await seen(service, alice)
        await looked_again(chain, service)
        assert not service.engine.venue.withdrawals.advanced
        service.engine.venue.withdrawals.told.clear()  # planted: nobody remembers what he was told
        await looked_again(chain, service)
        assert service.engine.venue.withdrawals.advanced


async def looked_again(chain, service):
    """A new watch sees the whole history of the vault."""
    happened = []

    async def submit(event):
        happened.append(event)
        await service.sequencer.submit(event)

    watch = Watch(chain, service.engine, submit, service.treasury)
    watch._channels = {address_of_channel(service, name): name for name in service.engine.channels}
    task = asyncio.create_task(watch.run())
    await until(lambda: any(isinstance(each, PaidOut) for each in happened))
    await asyncio.sleep(0.05)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def address_of_channel(service, name):
    channel = service.engine.channels[name]
    return address_of(channel_setup(service.engine.rules, name, channel.key_a, channel.key_b).init)


async def test_who_leaves_before_it_was_handed_in_takes_it_home_with_the_rest(tmp_path, monkeypatch):
    monkeypatch.setattr(errands_module, "GRACE_S", 1_000)
    async with staffed(tmp_path) as (chain, service), opened(chain, service, "alice", "bob") as (alice, bob):
        await hold(alice, bob)
        await alice.session.cancel_all()
        agreed = await alice.session.withdraw(OUT)
        account, venue = service.engine.accounts[alice.session.side.channel_id], service.engine.venue
        await alice.leave()
        await exit_rounds(chain, service, alice, MARK - 1_001)
        monkeypatch.setattr("fairway.client.onchain.PATIENCE_S", 0.3)
        with pytest.raises(Unavailable, match=r"onchain\.silence"):
            await alice.onchain.commit(agreed)
        owed = account.balance + OUT
        monkeypatch.setattr("fairway.client.onchain.PATIENCE_S", 30)
        await chain.advance(service.engine.rules.quarantine_s + 2)
        await until_settled(alice)
        await paid_out(chain, service, alice)
        assert (account.withdrawn, venue.recovered, leaving(service)) == (owed, 0, {})


# What is refused, and lies


async def test_what_is_needed_stays_and_a_refusal_is_not_repeated(tmp_path):
    async with stage(tmp_path) as service:
        maker, taker = await service.user("maker"), await service.user("taker")
        await maker.session.place(Wish(MARKET, False, 1_000, MARK, leverage=10))
        await taker.session.place(Wish(MARKET, True, 1_000, MARK, leverage=10))
        free = withdrawable(taker.account)
        assert free == taker.account.available
        with pytest.raises(Rejected, match=r"withdraw\.margin"):
            await taker.session.withdraw(free + 1)
        service.tamper = lambda reply: None if isinstance(reply, wire.Round) else reply
        await service.price(MARK * 93 // 100)
        assert withdrawable(service.engine.accounts[taker.channel_id]) < free, "he has lost, and does not know"
        with pytest.raises(Rejected, match=r"withdraw\.margin"):
            await taker.session.withdraw(free)
        assert not taker.session.side.replica.is_committing
        sent = len([each for each in service.heard if isinstance(wire.decode_request(each), wire.Commit)])
        service.tamper = lambda reply: reply
        service.cut()
        await taker.session.place(Wish(MARKET, True, 1, MARK * 93 // 100))
        assert sent == len([each for each in service.heard if isinstance(wire.decode_request(each), wire.Commit)])


def twice(reply):
    """The service counts a withdrawal again."""
    steps = [step for step in reply.changes for _ in range(1 + isinstance(step, Committed))]
    return replace(reply, changes=steps)


def more(reply):
    steps = [replace(each, withdraw_a=2 * OUT) if isinstance(each, Committed) else each for each in reply.changes]
    return replace(reply, changes=steps)


@pytest.mark.parametrize(("lie", "code"), [(twice, "judge.withdrawn"), (more, "judge.word")])
async def test_a_service_that_counts_what_he_did_not_sign_has_lied(tmp_path, lie, code):
    async with stage(tmp_path) as service:
        user = await service.user("user")
        service.tamper = lambda reply: (
            service.sign(lie(reply)) if says_so(reply) and isinstance(reply, wire.Pushed) else reply
        )
        with pytest.raises(InvalidMessage, match=code.replace(".", r"\.")):
            await user.session.withdraw(OUT)
        assert user.session.side.lied
        assert user.account.withdrawn == 0


async def test_an_old_record_learns_of_a_withdrawal_from_what_it_is_shown(tmp_path):
    async with stage(tmp_path) as service:
        user = await service.user("user")
        old = tmp_path / "old.sqlite"
        user.store.export(old)
        await user.session.withdraw(OUT)
        await user.session.place(Wish(MARKET, True, 1, MARK))
        await user.crash()
        (user.folder / "record.sqlite").unlink()
        old.rename(user.folder / "record.sqlite")
        user.restart()
        await user.settle()
        await user.until(lambda: user.session.side.both_commit() is not None)
        assert user.account.withdrawn == OUT
        assert user.account.balance == service.engine.accounts[user.channel_id].balance
