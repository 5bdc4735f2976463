"""Who leaves alone with something open: the chain pays exactly what the engine's ledger says, whichever side claims."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest
from client_stage import MARK, MARKET, NETWORK
from msgspec.structs import replace
from onchain_stage import market, rich, shown

from fairway.chain.purse import Purse
from fairway.channel.codec import Adopt, encode
from fairway.channel.machine import CHAIN_KEY
from fairway.channel.phase import Phase
from fairway.channel.state import NO_CONDITIONALS, Body, Half, SignedHalf
from fairway.client.wish import Permit, Wish
from fairway.crypto.keys import Signer
from fairway.exchange import claims
from fairway.exchange import fills as fills_module
from fairway.exchange.event import Mandated, Outrun
from fairway.exchange.fills import KEY_BITS
from fairway.exchange.mandate import order_digest, order_key
from fairway.exchange.paper import Exit
from fairway.exchange.terms import CROSS, Kind, MarketTerms
from fairway.service.errands import Errands
from fairway.service.sight import HomeComing
from fairway.service.watch import Watch
from fairway.ton.cells import to_boc
from fairway.ton.merkle import entry_proof
from fairway.ton.wallet import Transfer
from fairway.units import TON

FUNDING = 98_765
LOTS = 1_000
OTHER, OTHER_MARK = 3 - MARKET, 52_000


@asynccontextmanager
async def staffed(folder):
    """A market whose service watches its chain and runs its errands."""
    async with market(folder) as (chain, service):
        watch = Watch(chain, service.engine, service.sequencer.submit, service.treasury)
        errands = Errands(chain, service.engine, service.keyring, service.hub)

        def note(happened, effects):
            watch.note(happened, effects)
            errands.note(happened, effects)

        service.note = note
        tasks = [asyncio.create_task(each.run()) for each in (watch, errands)]
        try:
            yield chain, service
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task


async def until(holds):
    while not holds():  # noqa: ASYNC110 - the engine sets no event
        await asyncio.sleep(0.02)


@asynccontextmanager
async def opened(chain, service, *names):
    """Users at work, each with 100 TON in a channel that the service has seen funded."""
    people = [await rich(chain, service, name) for name in names]
    async with AsyncExitStack() as stack:
        users = [await stack.enter_async_context(person.at_work()) for person in people]
        for user in users:
            await user.deposit(100 * TON)
            await until(lambda user=user: service.engine.channels[user.session.side.channel_id].phase is Phase.OPEN)
        yield users


async def exit_rounds(chain, service, user, mark, market=MARKET, before=MARK):
    """The rounds of `market` just before and at the exit moment of the channel that `user` is leaving."""
    channel_id = user.session.side.channel_id
    await until(lambda: service.engine.channels[channel_id].phase is Phase.QUARANTINED)
    started = (await user.onchain.channel()).quarantine.started_at
    moment_ms = started * 1000 + service.engine.rules.patience_ms
    rounds = []
    for at_ms, at_mark in ((moment_ms - 1, before), (moment_ms, mark)):
        service.now_ms = at_ms - 1_000
        rounds.append(service.priced(at_mark, market, FUNDING))
        await service.sequencer.submit(rounds[-1])
    return Exit(*rounds)


@pytest.mark.parametrize("mark", [MARK - 1_001, MARK + 1_003])
@pytest.mark.parametrize("long", [True, False])
async def test_who_leaves_with_a_position_is_paid_what_the_ledger_says_to_the_nano(tmp_path, mark, long):
    async with staffed(tmp_path) as (chain, service), opened(chain, service, "alice", "bob") as (alice, bob):
        await bob.session.place(Wish(MARKET, not long, LOTS, MARK, leverage=10))
        await alice.session.place(Wish(MARKET, long, LOTS, MARK, leverage=10))
        channel_id = alice.session.side.channel_id
        account = service.engine.accounts[channel_id]
        held, agreed = account.positions[MARKET].terms, account.balance
        assert isinstance(held, MarketTerms)
        await alice.leave()
        rounds = await exit_rounds(chain, service, alice, mark)
        assert not account.positions
        wins = (mark > MARK) == long
        assert (account.balance > agreed) == wins
        owed = account.balance
        await chain.advance(service.engine.rules.quarantine_s + 2)
        if wins:
            await alice.claim({MARKET: rounds})
        else:
            await until_settled(alice)
        await paid_out(chain, service, alice)
        assert account.withdrawn == owed
        assert service.engine.venue.recovered == 0, "nothing is left to insurance, and nothing is missing"


@pytest.mark.parametrize(("mark", "other"), [(MARK - 3_000, 53_000), (MARK - 1_000, 57_000), (MARK + 500, 49_000)])
async def test_who_leaves_with_a_pot_is_paid_what_all_of_it_is_worth_together_to_the_nano(tmp_path, mark, other):
    async with staffed(tmp_path) as (chain, service), opened(chain, service, "alice", "bob") as (alice, bob):
        await service.sequencer.submit(service.priced(OTHER_MARK, OTHER))
        await alice.session.move_margin(CROSS, 60 * TON)
        for market, at, lots in ((MARKET, MARK, LOTS), (OTHER, OTHER_MARK, 2_000)):
            await bob.session.place(Wish(market, False, lots, at, leverage=10))
            await alice.session.place(Wish(market, True, lots, at, Kind.IOC, leverage=0))
        account = service.engine.accounts[alice.session.side.channel_id]
        await alice.leave()
        rounds = {
            MARKET: await exit_rounds(chain, service, alice, mark),
            OTHER: await exit_rounds(chain, service, alice, other, OTHER, OTHER_MARK),
        }
        assert not account.positions
        owed = account.balance
        await chain.advance(service.engine.rules.quarantine_s + 2)
        await until_settled(alice)
        await alice.claim(rounds)
        await paid_out(chain, service, alice)
        assert account.withdrawn == owed
        assert abs(service.engine.venue.recovered) <= 1, "two exits in the ledger, one claim on chain"


async def test_a_claim_that_takes_several_messages_is_paid_whole_by_user_and_service(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "MESSAGE_GAS", 1)
    async with staffed(tmp_path) as (chain, service), opened(chain, service, "alice", "bob", "cora") as people:
        alice, bob, cora = people
        await service.sequencer.submit(service.priced(OTHER_MARK, OTHER))
        for market, at, lots in ((MARKET, MARK, LOTS // 2), (OTHER, OTHER_MARK, 500)):
            await cora.session.place(Wish(market, False, 2 * lots, at, leverage=10))
            for taker in (alice, bob):
                await taker.session.place(Wish(market, True, lots, at, Kind.IOC, leverage=10))
        for user, mark, other in ((alice, MARK + 1_003, 54_000), (bob, MARK - 1_001, 50_000)):
            account = service.engine.accounts[user.session.side.channel_id]
            await user.leave()
            rounds = {
                MARKET: await exit_rounds(chain, service, user, mark),
                OTHER: await exit_rounds(chain, service, user, other, OTHER, OTHER_MARK),
            }
            owed = account.balance
            await chain.advance(service.engine.rules.quarantine_s + 2)
            if user is alice:
                await user.claim(rounds)
            else:
                await until_settled(user)
                await until_settled(user)
            await paid_out(chain, service, user)
            assert account.withdrawn == owed
        assert service.engine.venue.recovered == 0


async def test_who_leaves_and_claims_nothing_is_paid_what_he_won_all_the_same(tmp_path):
    async with staffed(tmp_path) as (chain, service), opened(chain, service, "alice", "bob") as (alice, bob):
        await bob.session.place(Wish(MARKET, False, LOTS, MARK, leverage=10))
        await alice.session.place(Wish(MARKET, True, LOTS, MARK, leverage=10))
        account = service.engine.accounts[alice.session.side.channel_id]
        await alice.leave()
        await exit_rounds(chain, service, alice, MARK + 1_003)
        owed = account.balance
        await chain.advance(service.engine.rules.quarantine_s + service.engine.rules.settling_s // 2 + 2)
        await until_settled(alice)
        await paid_out(chain, service, alice)
        assert account.withdrawn == owed
        assert service.engine.venue.recovered == 0


async def test_fills_that_who_leaves_has_not_signed_are_claimed_by_their_receipt(tmp_path):
    async with staffed(tmp_path) as (chain, service), opened(chain, service, "alice", "bob") as (alice, bob):
        await alice.session.place(Wish(MARKET, True, LOTS, MARK, leverage=10))
        side = alice.session.side
        half = side.replica.channel.a.half
        stale = SignedHalf(half, side._signer.sign(half.digest()))
        await bob.session.place(Wish(MARKET, False, LOTS, MARK, leverage=10))
        channel_id = alice.session.side.channel_id
        account, channel = service.engine.accounts[channel_id], service.engine.channels[channel_id]
        await until(lambda: MARKET in alice.session.account.positions)
        await chain.advance(60)  # the receipt is older than the start, by the chain's clock too
        await alice.onchain.start((stale, side.replica.channel.b))
        await exit_rounds(chain, service, alice, MARK - 1_001)
        owed = account.balance
        assert owed < 100 * TON
        await chain.advance(service.engine.rules.quarantine_s + 2)
        await until_settled(alice)
        assert MARKET not in account.positions
        await paid_out(chain, service, alice)
        assert channel.a.half.body.conditionals_hash != account.a_conditionals.root_hash()
        assert service.engine.venue.recovered == 0, "a fill that nobody has signed is worth what the position is"


async def ordered_by_sub_key(service, alice, *, buy):
    """The half in which alice signed a mandate; then an order of its sub-key, which she has not signed."""
    side, sub_key = alice.session.side, Signer.of(bytes([9]) * 32)
    later_ms = service.now_ms + 10**9
    key = await alice.session.grant(Permit(sub_key.key, MARKET, 90 * TON, LOTS, 10, later_ms))
    half = side.replica.channel.a.half
    wish = Wish(MARKET, buy, LOTS, MARK, leverage=10, expires_ms=later_ms)
    terms = wish.terms(side.account.rules, side.channel_id, order_key(0, 1))
    word = sub_key.sign(order_digest(key, terms))
    await service.sequencer.submit(
        Mandated(at_ms=0, channel_id=side.channel_id, mandate=key, order=terms, signature=word)
    )
    return SignedHalf(half, side._signer.sign(half.digest()))


async def left_with_fills_of_a_sub_key(chain, service, alice, bob, mark):
    """Alice leaves by the half in which she signed the mandate, after her bot's order was filled."""
    stale = await ordered_by_sub_key(service, alice, buy=True)
    await bob.session.place(Wish(MARKET, False, LOTS, MARK, leverage=10))
    channel_id = alice.session.side.channel_id
    account = service.engine.accounts[channel_id]
    await until(lambda: MARKET in alice.session.account.positions)
    await chain.advance(60)
    await alice.onchain.start((stale, alice.session.side.replica.channel.b))
    await exit_rounds(chain, service, alice, mark)
    assert account.balance < 100 * TON
    await chain.advance(service.engine.rules.quarantine_s + 2)
    await until_settled(alice)
    await paid_out(chain, service, alice)


async def test_fills_of_a_sub_key_that_its_owner_has_not_signed_are_claimed_under_his_mandate(tmp_path):
    async with staffed(tmp_path) as (chain, service), opened(chain, service, "alice", "bob") as (alice, bob):
        await left_with_fills_of_a_sub_key(chain, service, alice, bob, MARK - 1_001)
        assert service.engine.venue.recovered == 0, "what the bot lost is paid to the nano"


async def test_planted_a_service_that_forgets_the_words_of_sub_keys_is_paid_less(tmp_path, monkeypatch):
    monkeypatch.setattr(fills_module, "_allows", lambda *_: False)
    async with staffed(tmp_path) as (chain, service), opened(chain, service, "alice", "bob") as (alice, bob):
        await left_with_fills_of_a_sub_key(chain, service, alice, bob, MARK - 1_001)
        assert service.engine.venue.recovered < 0


async def test_a_fill_that_vault_and_channel_both_know_of_is_charged_once(tmp_path):
    async with staffed(tmp_path) as (chain, service), opened(chain, service, "alice", "bob") as (alice, bob):
        await chain.advance(60)
        service.now_ms = await chain.now() * 1000
        await bob.session.place(Wish(MARKET, False, LOTS, MARK, leverage=10))
        await alice.session.place(Wish(MARKET, True, LOTS, MARK, leverage=10))
        service.down = True
        service.cut()
        side, venue = alice.session.side, service.engine.venue
        half = side.replica.channel.a.half
        stale = SignedHalf(half, side._signer.sign(half.digest()))
        (debt,) = venue.debts[side.channel_id]
        deadline_ms = debt.receipt.at_ms + service.engine.rules.patience_ms
        for at_ms in (deadline_ms - 1, deadline_ms):
            service.now_ms = at_ms - 1_000
            await service.sequencer.submit(service.priced(MARK - 1_001))
        await chain.advance(service.engine.rules.patience_ms // 1000 + 60)
        await until(lambda: sum(venue.owed.get(side.channel_id, {}).values()) > 0)
        assert (await alice.onchain.account()).owed > 0
        await alice.onchain.start((stale, side.replica.channel.b))
        await exit_rounds(chain, service, alice, MARK - 1_001)
        await chain.advance(service.engine.rules.quarantine_s + 2)
        await until_settled(alice)
        await paid_out(chain, service, alice)
        assert venue.recovered == 0, "nothing was charged twice"


async def test_a_lien_that_was_lifted_before_anybody_looked_is_told_with_the_end_that_it_charged(tmp_path):
    async with market(tmp_path) as (chain, service):
        watch = Watch(chain, service.engine, service.sequencer.submit, service.treasury)
        service.note = watch.note
        person = await rich(chain, service, "alice")
        async with person.at_work() as alice:
            await alice.deposit(100 * TON)
            await shown(service, alice)
            channel_id, address = alice.session.side.channel_id, alice.onchain.address
            watch._punished[channel_id] = 7, bytes(32)
            await watch._look_at_end(HomeComing(address, 100 * TON, 4 * TON, ends=True), bytes(32))
            assert service.engine.venue.owed[channel_id] == {7: 4 * TON}
            assert service.engine.venue.recovered == 4 * TON


async def test_a_half_whose_promises_nobody_else_knows_is_replaced_by_the_newest_that_the_service_knows(tmp_path):
    async with staffed(tmp_path) as (chain, service), opened(chain, service, "alice", "bob") as (alice, bob):
        await bob.session.place(Wish(MARKET, False, LOTS, MARK, leverage=10))
        await alice.session.place(Wish(MARKET, True, LOTS, MARK, leverage=10))
        await alice.session.countersign()
        account = service.engine.accounts[alice.session.side.channel_id]
        side = alice.session.side
        side.propose([Wish(MARKET, True, 1, MARK // 2)], now_ms=service.now_ms)  # and never sends it
        await alice.leave()
        alice._tasks[1].cancel()  # and then he goes
        hidden = side.replica.pending.seqno
        await exit_rounds(chain, service, alice, MARK - 1_001)
        while (await alice.onchain.channel()).quarantine.a.seqno == hidden:  # noqa: ASYNC110 - nor does the chain
            await asyncio.sleep(0.05)
        await chain.advance(service.engine.rules.quarantine_s + 2)
        await until_settled(alice)
        await paid_out(chain, service, alice)
        assert not account.positions
        assert service.engine.venue.recovered == 0


async def test_whoever_adopts_the_same_pair_again_after_the_services_claim_is_claimed_from_again(tmp_path):
    """Adopted, his half stands as if nothing had been claimed of it; what he owes is owed all the same."""
    async with staffed(tmp_path) as (chain, service), opened(chain, service, "alice", "bob") as (alice, bob):
        await bob.session.place(Wish(MARKET, False, LOTS, MARK, leverage=10))
        await alice.session.place(Wish(MARKET, True, LOTS, MARK, leverage=10))
        await alice.leave()
        fresh = (await alice.onchain.channel()).quarantine.a
        held = alice.session.side.holding()
        await exit_rounds(chain, service, alice, MARK - 1_001)
        await chain.advance(service.engine.rules.quarantine_s + 2)
        await until_settled(alice)
        proof = entry_proof(held.promised.root_cell(), KEY_BITS, CHAIN_KEY)
        await alice.purse.send(Transfer(alice.onchain.address, TON // 2, encode(Adopt(held.a, held.b, proof))))
        quarantine = (await alice.onchain.channel()).quarantine
        assert (quarantine.adopted, quarantine.a) == (True, fresh), "as if nothing had been claimed"
        await until_settled(alice)
        await paid_out(chain, service, alice)
        assert service.engine.venue.recovered == 0


async def test_an_invented_half_that_promises_nothing_is_replaced_by_the_newest_accepted_one(tmp_path):
    async with staffed(tmp_path) as (chain, service), opened(chain, service, "alice", "bob") as (alice, bob):
        await bob.session.place(Wish(MARKET, False, LOTS, MARK, leverage=10))
        await alice.session.place(Wish(MARKET, True, LOTS, MARK, leverage=10))
        await alice.session.countersign()
        side, newest_b = alice.session.side, alice.session.side.replica.channel.b
        sent = side.replica.channel.a.half.sent
        invented = Half(side.replica.channel.channel_id, Body(10**9, sent, NO_CONDITIONALS), newest_b.half.body)
        await alice.onchain.start((SignedHalf(invented, side._signer.sign(invented.digest())), newest_b))
        async with asyncio.timeout(10):
            while (await alice.onchain.channel()).quarantine.a.seqno == 10**9:  # noqa: ASYNC110 - nor does the chain
                await asyncio.sleep(0.05)


async def test_a_halted_channel_that_its_user_closes_alone_is_seen_and_claimed_from(tmp_path):
    """The service was shown a half that it has lost. What it still knows of it owes as much as ever."""
    async with staffed(tmp_path) as (chain, service), opened(chain, service, "alice", "bob") as (alice, bob):
        await bob.session.place(Wish(MARKET, False, LOTS, MARK, leverage=10))
        await alice.session.place(Wish(MARKET, True, LOTS, MARK, leverage=10))
        await alice.session.countersign()
        side = alice.session.side
        newest, signer = (
            side.replica.channel.b,
            service.keyring.channel(NETWORK, service.vault, side.replica.opened.key_a),
        )
        lost = replace(newest.half, body=replace(newest.half.body, seqno=newest.half.seqno + 9))
        shown_half = to_boc(SignedHalf(lost, signer.sign(lost.digest())).to_cell())
        await service.sequencer.submit(Outrun(at_ms=0, channel_id=side.channel_id, half=shown_half))
        channel = service.engine.channels[side.channel_id]
        assert channel.phase is Phase.HALTED
        await alice.leave()
        await exit_rounds(chain, service, alice, MARK - 1_001)
        assert not service.engine.accounts[side.channel_id].positions
        await chain.advance(service.engine.rules.quarantine_s + 2)
        await until_settled(alice)
        await paid_out(chain, service, alice)
        assert service.engine.venue.recovered == 0


async def test_a_service_that_starts_again_settles_nothing_twice(tmp_path):
    async with staffed(tmp_path) as (chain, service), opened(chain, service, "alice", "bob") as (alice, bob):
        await bob.session.place(Wish(MARKET, False, LOTS, MARK, leverage=10))
        await alice.session.place(Wish(MARKET, True, LOTS, MARK, leverage=10))
        seen = []
        inner = service.note

        def note(happened, effects):
            seen.append((happened, effects))
            inner(happened, effects)

        service.note = note
        await alice.leave()
        await exit_rounds(chain, service, alice, MARK - 1_001)
        await chain.advance(service.engine.rules.quarantine_s + 2)
        await until_settled(alice)
        settled = (await alice.onchain.channel()).quarantine
        again = Errands(chain, service.engine, service.keyring, service.hub)
        for happened, effects in seen:
            again.note(happened, effects)
        operator = Purse(chain, service.keyring.operator(), NETWORK).address
        sent = len(await chain.transactions(operator))
        task = asyncio.create_task(again.run())
        await asyncio.sleep(0.3)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert (await alice.onchain.channel()).quarantine == settled
        assert len(await chain.transactions(operator)) == sent


async def until_settled(user):
    """Wait until the service has had its way with the quarantine."""
    before = (await user.onchain.channel()).quarantine
    while (await user.onchain.channel()).quarantine == before:  # noqa: ASYNC110 - nor does the chain
        await asyncio.sleep(0.05)


async def paid_out(chain, service, user):
    """Let the settling end; the service finishes, and sees the end."""
    await chain.advance(service.engine.rules.settling_s + 2)
    channel = service.engine.channels[user.session.side.channel_id]
    await until(lambda: channel.phase is Phase.CLOSED)
    await service.sequencer.ask(service.engine.venue.check)
