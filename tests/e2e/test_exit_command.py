"""`fairway exit`: keystore, record and chain are enough to leave, with the service gone."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager

import pytest
import uvicorn
from client_stage import MARK, MARKET, NETWORK, ORACLES
from onchain_stage import market, rich, shown
from typer.testing import CliRunner

from fairway.chain.server import ChainApp
from fairway.cli.app import app
from fairway.client.wish import Wish
from fairway.crypto import keys
from fairway.crypto.sealed import Cost
from fairway.exchange.terms import OracleRound
from fairway.units import TON

PASSPHRASE = "a passphrase"


@asynccontextmanager
async def served(chain):
    """The chain's URL, as long as it is served."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings = {"log_config": None, "log_level": "critical", "lifespan": "off", "timeout_graceful_shutdown": 0}
        server = uvicorn.Server(uvicorn.Config(ChainApp(chain), **settings))
        task = asyncio.create_task(server.serve([listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


async def leave(person, folder, url, *options):
    """Run the command as another process would: on a thread with a loop of its own."""
    keystore = folder / "keystore"
    if not keystore.exists():
        person.keystore.save(keystore, PASSPHRASE, Cost(1, 8192))
    arguments = ["exit", "--keystore", str(keystore), "--record", str(person.path), "--chain", url, *options]
    return await asyncio.to_thread(CliRunner().invoke, app, arguments, input=f"{PASSPHRASE}\n")


def published(number, at_ms, mark):
    digest = OracleRound(NETWORK, MARKET, number, at_ms, mark, mark, 0).digest()
    signatures = {str(place): keys.sign(seed, digest).hex() for place, seed in enumerate(ORACLES[:2])}
    shown_round = {"market": MARKET, "round": number, "roundMs": at_ms, "index": mark, "mark": mark, "funding": "0"}
    return json.dumps(shown_round | {"signatures": signatures})


async def test_a_winning_position_comes_home_from_keystore_and_record_alone(tmp_path):
    async with market(tmp_path) as (chain, service), served(chain) as url:
        people = [await rich(chain, service, name) for name in ("alice", "bob")]
        async with people[0].at_work() as alice, people[1].at_work() as bob:
            for user in (alice, bob):
                await user.deposit(100 * TON)
                await shown(service, user)
            await bob.session.place(Wish(MARKET, False, 1_000, MARK, leverage=10))
            await alice.session.place(Wish(MARKET, True, 1_000, MARK, leverage=10))
            agreed, onchain = alice.session.account.balance, alice.onchain
            before = await alice.purse.balance()
        service.down = True
        service.cut()
        first = await leave(people[0], tmp_path, url, "--no-wait")
        assert first.exception.code == "exit.later"
        assert "started to close alone" in first.output
        moment_ms = (await onchain.channel()).quarantine.started_at * 1000 + service.engine.rules.patience_ms
        rounds = tmp_path / "rounds.jsonl"
        lines = [published(7, moment_ms - 1, MARK), published(8, moment_ms, MARK + 1_000)]
        rounds.write_text("\n".join(lines))
        second = await leave(people[0], tmp_path, url, "--advance", "--rounds", str(rounds))
        assert second.exit_code == 0, second.exception
        assert "claimed what the open positions have won" in second.output
        won = 1_000 * 10_000 * 1_000
        assert abs(await alice.purse.balance() - before - agreed - won) < TON // 2, "but for gas and rent"
        third = await leave(people[0], tmp_path, url)
        assert third.exit_code == 0, third.exception
        assert "has paid out before" in third.output


async def test_rounds_that_the_oracle_did_not_sign_are_refused(tmp_path):
    async with market(tmp_path) as (chain, service), served(chain) as url:
        people = [await rich(chain, service, name) for name in ("alice", "bob")]
        async with people[0].at_work() as alice, people[1].at_work() as bob:
            for user in (alice, bob):
                await user.deposit(100 * TON)
                await shown(service, user)
            await bob.session.place(Wish(MARKET, False, 10, MARK))
            await alice.session.place(Wish(MARKET, True, 10, MARK))
            await alice.leave()
            onchain = alice.onchain
        moment_ms = (await onchain.channel()).quarantine.started_at * 1000 + service.engine.rules.patience_ms
        rounds = tmp_path / "rounds.jsonl"
        forged = published(8, moment_ms, MARK).replace(f'"mark": {MARK}', f'"mark": {MARK + 1}')
        rounds.write_text("\n".join([published(7, moment_ms - 1, MARK), forged]))
        refused = await leave(people[0], tmp_path, url, "--advance", "--rounds", str(rounds))
        assert refused.exception.code == "signature.invalid"
        rounds.write_text("no round")
        unreadable = await leave(people[0], tmp_path, url, "--advance", "--rounds", str(rounds))
        assert unreadable.exception.code == "exit.rounds"


@pytest.mark.parametrize(("options", "code"), [(["--channel", "00"], "exit.channel"), ([], "exit.unfunded")])
async def test_what_cannot_be_left_is_said_clearly(tmp_path, options, code):
    async with market(tmp_path) as (chain, service), served(chain) as url:
        person = await rich(chain, service, "alice")
        async with person.at_work() as alice:
            await alice.session.open(alice.purse.address)
        refused = await leave(person, tmp_path, url, *options)
        assert refused.exception.code == code


async def test_an_empty_record_is_said_clearly(tmp_path):
    async with market(tmp_path) as (chain, service), served(chain) as url:
        person = await rich(chain, service, "alice")
        async with person.at_work():
            pass
        assert (await leave(person, tmp_path, url)).exception.code == "exit.record"
