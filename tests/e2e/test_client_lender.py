"""A lender's TON moves on a chain with the real contracts, and the engine's books move by what his shares are worth."""

from __future__ import annotations

import asyncio

import pytest
from audit_stage import ENTROPY
from client_stage import MARK, MARKET, NETWORK
from onchain_stage import market
from test_audit_chain import lender
from test_client_exits import opened, staffed, until
from test_client_tonconnect import PASSPHRASE, served
from typer.testing import CliRunner

from fairway.chain.purse import Purse
from fairway.cli.app import app
from fairway.client.keystore import Keystore
from fairway.client.wish import Wish
from fairway.crypto import keys
from fairway.crypto.sealed import Cost
from fairway.errors import Rejected
from fairway.exchange import effect, event
from fairway.exchange.engine import Engine
from fairway.exchange.terms import Kind
from fairway.settlement.epoch import prove_epoch
from fairway.settlement.job import is_proven
from fairway.settlement.proof import prove
from fairway.ton.vault_messages import read_pool
from fairway.units import FUNDING_SCALE, TON

HOUR_S = 3_600


async def end_epoch(service, first):
    """Show the pool and prove every record from `first` on, as the provers do; the number of the next."""
    await service.sequencer.submit(event.Assessed(at_ms=0))
    engine, asked = Engine(), []
    for entry in service.sequencer._journal.entries():
        asked += [each for each in engine.apply(event.decode(entry.payload)) if isinstance(each, effect.ProveRecord)]
    records = [record for each in asked[first:] for record in (*each.fills, each.record)]
    for each in asked[first:]:
        if is_proven(each.record):
            proven = prove(each.record, ENTROPY)
            await service.sequencer.submit(event.Proved(at_ms=0, txid=proven.txid, proof=proven.proof))
    proof = prove_epoch(records, ENTROPY).encode()
    await service.sequencer.submit(event.EpochProved(at_ms=0, first=first, last=len(asked), proof=proof))
    return len(asked)


async def churn(alice, bob):
    """Fees are paid: lots go to and fro at one price."""
    for buyer, seller in ((alice, bob), (bob, alice)):
        await seller.session.place(Wish(MARKET, False, 50, MARK))
        await buyer.session.place(Wish(MARKET, True, 50, MARK, Kind.IOC))


async def posted(chain, service):
    return read_pool(await chain.run_get(service.vault, "get_pool"))


async def test_a_lender_comes_earns_fees_as_posted_and_leaves_with_them(tmp_path):
    async with staffed(tmp_path) as (chain, service), opened(chain, service, "alice", "bob") as (alice, bob):
        venue = service.engine.venue
        lena = await lender(chain, service.vault, "lena")
        before = await lena._purse.balance()
        held = await lena.lend(500 * TON)
        assert held.worth == 500 * TON
        await until(lambda: venue.lent == 500 * TON)
        await churn(alice, bob)
        await end_epoch(service, 0)
        assert venue.income > 0
        price = venue.shown.worth / venue.shown.shares / FUNDING_SCALE
        await chain.advance(HOUR_S)
        while not (pool := await posted(chain, service)).epoch:  # noqa: ASYNC110 - the chain sets no event
            await asyncio.sleep(0.05)
        assert pool.record == venue.shown.txid
        assert pool.value == pool.shares * venue.shown.worth // (FUNDING_SCALE * venue.shown.shares)
        held = await lena.holding()
        assert 500 * TON < held.worth <= 500 * TON * price + 1
        after = await lena.withdraw()
        await until(lambda: venue.counts.redemptions == 1)
        assert (after.shares, after.waiting) == (0, 0)
        assert await lena._purse.balance() - before > held.worth - 500 * TON - TON
        assert venue.lent == 500 * TON - held.worth < 0
        assert venue.ledger.balances["operator"] == 0
        service.engine.venue.check()


async def test_what_the_operator_lends_is_no_lenders_and_a_second_look_tells_nothing_twice(tmp_path):
    async with staffed(tmp_path) as (chain, service):
        venue = service.engine.venue
        lena = await lender(chain, service.vault, "lena")
        await lena.lend(5 * TON)
        await until(lambda: venue.counts.lends == 1)
        assert venue.lent == 5 * TON
        (told,) = venue.lender_moves
        again = event.Lent(at_ms=0, wallet=lena._purse.address, amount=5 * TON, transaction=told)
        with pytest.raises(Rejected, match=r"pool\.repeat"):
            await service.sequencer.submit(again)


async def test_shares_that_a_wallet_has_not_are_refused_before_anything_is_sent(tmp_path):
    async with staffed(tmp_path) as (chain, service):
        lena = await lender(chain, service.vault, "lena")
        with pytest.raises(Rejected, match=r"lend\.shares"):
            await lena.withdraw()
        await lena.lend(TON)
        with pytest.raises(Rejected, match=r"lend\.shares"):
            await lena.withdraw(2 * TON)
        with pytest.raises(Rejected, match=r"lend\.shares"):
            await lena.lend(0)


async def test_the_commands_lend_tell_and_withdraw(tmp_path):
    async with market(tmp_path) as (chain, service), served(chain) as url:
        keystore = Keystore(keys.derive_seed(b"person", "lena"))
        keystore.save(tmp_path / "key", PASSPHRASE, Cost(1, 8192))
        await chain.fund(Purse(chain, keystore.wallet(), NETWORK).address, 1_000 * TON)

        async def lend(word, *more):
            arguments = ["lend", word, *more, "--keystore", str(tmp_path / "key"), "--vault", service.vault]
            arguments += ["--chain", url]
            done = await asyncio.to_thread(CliRunner().invoke, app, arguments, input=f"{PASSPHRASE}\n")
            return done.output if done.exit_code == 0 else done.exception.code

        assert f"shares   {500 * TON} of" in await lend("deposit", "500")
        assert "worth    500 TON, as posted in epoch 0" in await lend("status")
        assert f"shares   {300 * TON} of" in await lend("withdraw", "--shares", str(200 * TON))
        assert "shares   0 of" in await lend("withdraw")
        assert await lend("withdraw") == "lend.shares"
        assert await lend("status", "--service", "http://127.0.0.1:1") == "lend.service"
