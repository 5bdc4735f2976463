"""A channel opened and paid into by a wallet that is kept elsewhere, through what TON Connect would show it."""

import asyncio
import json
from base64 import b64decode
from contextlib import asynccontextmanager, closing

import pytest
from client_stage import NETWORK
from onchain_stage import market, rich
from test_exit_command import served
from typer.testing import CliRunner
from websockets.asyncio.server import serve

from fairway.chain.purse import Purse
from fairway.cli.app import app
from fairway.client.keystore import Keystore
from fairway.client.opening import begin, register, wrap
from fairway.client.sentry import see
from fairway.client.side import Side
from fairway.client.store import Store
from fairway.client.tonconnect import link, opening, request
from fairway.crypto import keys
from fairway.crypto.keys import Signer
from fairway.crypto.sealed import Cost
from fairway.errors import Rejected, Unavailable
from fairway.ton.address import Address
from fairway.ton.cells import from_boc
from fairway.ton.messages import address_of
from fairway.ton.wallet import Transfer
from fairway.units import TON

PASSPHRASE = "a passphrase"


class WalletApp:
    """Somebody else's wallet: knows the request's JSON and its own key, nothing of ours."""

    def __init__(self, chain):
        self.purse = Purse(chain, Signer.of(keys.derive_seed(b"app", "wallet")), NETWORK)

    async def approve(self, text):
        asked = json.loads(text)
        assert (asked["from"], asked["network"]) == (self.purse.address, str(NETWORK))
        assert len(asked["messages"]) <= 4
        await self.purse.send(*map(transfer, asked["messages"]))


def transfer(message):
    body, init = (message.get(name) and from_boc(b64decode(message[name])) for name in ("payload", "stateInit"))
    return Transfer(str(Address.parse(message["address"])), int(message["amount"]), body, init=init)


@asynccontextmanager
async def agreed(folder):
    """A chain, a wallet app with 1,000 TON, and a user whose channel pays out to it, granted and not on chain."""
    async with market(folder) as (chain, service):
        wallet, person = WalletApp(chain), await rich(chain, service, "alice")
        await chain.fund(wallet.purse.address, 1_000 * TON)
        async with person.at_work() as alice:
            await alice.session.open(wallet.purse.address)
            yield chain, wallet, person, alice.onchain


async def missing(onchain):
    return opening(onchain._side, await onchain.account(), await onchain.channel(), 100 * TON)


async def test_two_requests_open_a_channel_and_the_deposit_arrives_on_both_sides(tmp_path):
    async with agreed(tmp_path) as (chain, wallet, _, onchain):
        side = onchain._side
        first = await missing(onchain)
        assert [each.init is not None for each in first] == [False, True]
        await wallet.approve(json.dumps(request(side, first, await chain.now() + 60)))
        second = await missing(onchain)
        assert len(second) == 1
        await wallet.approve(json.dumps(request(side, second, await chain.now() + 60)))
        view = await onchain.channel()
        assert (view.deposit_a, view.deposit_b) == (100 * TON, 1_000 * TON)
        assert await missing(onchain) == []
        assert 898 * TON < await wallet.purse.balance() < 900 * TON


async def test_a_wrap_in_the_first_request_overtakes_the_vaults_word_and_comes_back(tmp_path):
    async with agreed(tmp_path) as (chain, wallet, _, onchain):
        side = onchain._side
        await wallet.purse.send(register(side), begin(side), wrap(side, 100 * TON))
        assert 817 in [each.exit_code for each in await chain.transactions(onchain.vault)]
        assert not (await onchain.channel()).deposit_a
        assert await wallet.purse.balance() > 998 * TON
        assert len(await missing(onchain)) == 1, "nothing is lost: the wrap is sent again"


async def test_a_registered_channel_only_begins_and_one_the_vault_has_not_heard_of_waits(tmp_path):
    async with agreed(tmp_path) as (_, wallet, _, onchain):
        side = onchain._side
        await wallet.purse.send(register(side))
        (only,) = await missing(onchain)
        assert only.init is not None
        unheard = await onchain.account()
        await wallet.purse.send(only)
        with pytest.raises(Unavailable, match=r"tonconnect\.unready"):
            opening(side, unheard, await onchain.channel(), TON)


@pytest.mark.parametrize("words", [[begin, register], [begin]])
async def test_a_channel_whose_question_came_before_its_registration_asks_again(tmp_path, words):
    async with agreed(tmp_path) as (chain, wallet, person, onchain), served(chain) as url:
        side = onchain._side
        for word in words:
            await wallet.purse.send(word(side))
        account = await onchain.account()
        assert account is None or not account.ready, "the vault did not know whom it answered"
        with pytest.raises(Unavailable, match=r"tonconnect\.unready"):
            await missing(onchain)
        await chain.advance(61)
        person.keystore.save(tmp_path / "key", PASSPHRASE, Cost(1, 8192))
        for messages in (3 - len(words), 1):
            asked = (await typed(tmp_path / "key", person.path, url, "--json")).stdout
            assert len(json.loads(asked)["messages"]) == messages
            await wallet.approve(asked)
        assert (await onchain.channel()).deposit_a == 100 * TON
        again = await wallet.purse.balance()
        await wallet.purse.send(begin(side))
        refused = (await chain.transactions(onchain.address))[-1]
        assert refused.exit_code == 102, "with money in it, it asks no more"
        assert again - await wallet.purse.balance() < TON // 20


async def test_a_request_carries_what_every_wallet_takes_and_a_link_carries_one(tmp_path):
    async with agreed(tmp_path) as (_, _, _, onchain):
        side = onchain._side
        with pytest.raises(Rejected, match=r"tonconnect\.messages"):
            request(side, [wrap(side, TON)] * 5, 0)
        shown = link(wrap(side, TON), testnet=True)
        assert shown.startswith(f"ton://transfer/{Address.parse(side.replica.welcome.vault).friendly(testnet=True)}?")
        assert "amount=1250000000&bin=" in shown


async def test_the_command_prints_the_request_that_is_next(tmp_path):
    async with agreed(tmp_path) as (chain, wallet, person, onchain), served(chain) as url:
        person.keystore.save(tmp_path / "key", PASSPHRASE, Cost(1, 8192))

        async def connect():
            arguments = ["wallet", "connect", str(tmp_path / "key"), "--record", str(person.path)]
            arguments += ["--chain", url, "--amount", "100", "--json"]
            done = await asyncio.to_thread(CliRunner().invoke, app, arguments, input=f"{PASSPHRASE}\n")
            assert done.exit_code == 0, done.output
            return done.stdout

        for messages in (2, 1):
            asked = await connect()
            assert len(json.loads(asked)["messages"]) == messages
            await wallet.approve(asked)
        assert (await onchain.channel()).deposit_a == 100 * TON
        assert json.loads(await connect()) is None


@asynccontextmanager
async def reachable(service):
    """The service's WebSocket URL, as long as it listens."""

    async def carry(line, web):
        while True:
            await web.send(await line.recv())

    async def talk(web):
        async with service.dial() as line:
            out = asyncio.create_task(carry(line, web))
            try:
                async for frame in web:
                    await line.send(frame)
            finally:
                out.cancel()

    async with serve(talk, "127.0.0.1", 0, compression=None) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def typed(keystore, record, url, *options):
    arguments = ["wallet", "connect", str(keystore), "--record", str(record), "--chain", url, "--amount", "100"]
    return await asyncio.to_thread(CliRunner().invoke, app, [*arguments, *options], input=f"{PASSPHRASE}\n")


async def test_a_keystore_without_a_wallet_opens_a_channel_for_a_wallet_kept_elsewhere_from_nothing(tmp_path):
    keystore, record = tmp_path / "key", tmp_path / "record.sqlite"
    Keystore.without_wallet().save(keystore, PASSPHRASE, Cost(1, 8192))
    async with market(tmp_path) as (chain, service), served(chain) as url, reachable(service) as line:
        wallet = WalletApp(chain)
        await chain.fund(wallet.purse.address, 1_000 * TON)
        wish = ["--wallet", wallet.purse.address, "--service", line, "--vault", service.vault, "--json"]
        for messages in (2, 1):
            done = await typed(keystore, record, url, *wish)
            assert done.exit_code == 0, done.exception
            assert len(json.loads(done.stdout)["messages"]) == messages
            await wallet.approve(done.stdout)
        (channel_id,) = service.engine.channels
        with closing(Store(record)) as store:
            assert store.channels() == [channel_id]
            side = Side.restored(store, Keystore.open(keystore, PASSPHRASE), channel_id)
        view = await see(chain, address_of(side.setup.init))
        assert (view.deposit_a, view.deposit_b) == (100 * TON, 1_000 * TON)
        service.down = True
        done = await typed(keystore, record, url, *wish)
        assert json.loads(done.stdout) is None, "the service is not asked again"
        refused = await typed(keystore, record, url, "--wallet", "0:" + "22" * 32, *wish[2:])
        assert refused.exception.code == "connect.wallet"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--wallet", "0:" + "22" * 32], "connect.venue"),
        (["--service", "ws://127.0.0.1:1"], "connect.venue"),
        (["--wallet", "me", "--service", "ws://127.0.0.1:1", "--vault", "0:" + "11" * 32], "address.form"),
        ([], "exit.record"),
    ],
)
async def test_a_wish_that_is_not_whole_is_said_clearly(tmp_path, options, code):
    keystore = tmp_path / "key"
    Keystore.without_wallet().save(keystore, PASSPHRASE, Cost(1, 8192))
    refused = await typed(keystore, tmp_path / "none.sqlite", "http://127.0.0.1:1", *options)
    assert refused.exception.code == code
    assert not (tmp_path / "none.sqlite").exists()
