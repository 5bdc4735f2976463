"""A live network's servers fail, lag and lie; LiveChain waits, refuses and notices. The server is on loopback."""

from __future__ import annotations

import asyncio
import json
import os
import time
from base64 import b64decode, b64encode
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pytoniq_core import begin_cell
from ton_core import Cell as LiteCell
from ton_core import NetworkGlobalID, ShardAccount
from ton_core.tl.block import BlockIdExt
from toncenter_face import Face
from tonutils.clients import LiteBalancer
from tonutils.exceptions import BalancerError

from fairway.chain.lite import LiteReads, balancer
from fairway.chain.live import CONFIG_ACCOUNT, LiveChain
from fairway.chain.opening import ChainAt, make_chain
from fairway.chain.purse import Purse
from fairway.chain.remote import RemoteChain
from fairway.chain.router import FAUCET
from fairway.chain.toncenter import TonCenter
from fairway.crypto.keys import Signer, public_key, sign
from fairway.errors import InvalidMessage, Rejected, Unavailable
from fairway.ton.cells import from_boc
from fairway.ton.contracts import contract_code
from fairway.ton.wallet import MAINNET, TESTNET, Transfer, Wallet

SEED = b"l" * 32
WALLET = Wallet(public_key(SEED), MAINNET)
NOBODY = "0:" + "55" * 32
TON = 10**9


@asynccontextmanager
async def live(face: Face, network: int = MAINNET, **options):
    async with face.served() as url, LiveChain(TonCenter(network, url), network, poll_s=0.01, **options) as chain:
        yield chain


def face() -> Face:
    made = Face(clock=time.time)
    made.chain.router.inject(FAUCET, WALLET.address, 100 * TON, bounce=False)
    return made


def order(face: Face, seqno: int, nano: int = TON) -> bytes:
    request = WALLET.request(seqno, face.chain.router.now + 60, [Transfer(NOBODY, nano, bounce=False)])
    return WALLET.message(request, sign(SEED, request.hash), deploy=seqno == 0)


def failing(name: str, times: int, status: int, headers: dict[str, str] | None = None, body: bytes = b"{}"):
    """Fail the first `times` calls of `name`."""
    left = [times]

    def spoil(called: str, _parameters: dict[str, str]):
        if called != name or not left[0]:
            return None
        left[0] -= 1
        return status, headers or {}, body

    return spoil


# A server that fails


async def test_a_busy_server_is_asked_again_when_it_said(monkeypatch: pytest.MonkeyPatch):
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)

    server = face()
    server.spoil = failing("getAddressInformation", 2, 429, {"Retry-After": "7"})
    async with live(server) as chain:
        await chain.ready()
        monkeypatch.setattr("fairway.chain.toncenter.asyncio.sleep", noted)
        assert (await chain.get_account(WALLET.address)).balance > 99 * TON
    assert [pause for pause in pauses if pause] == [7, 7]


async def test_a_server_that_stays_busy_or_broken_is_unavailable():
    for status, code in ((429, r"chain\.busy"), (502, r"chain\.unreachable"), (500, r"chain\.unreachable")):
        server = face()
        server.spoil = failing("getAddressInformation", 99, status, {"Retry-After": "0"})
        async with live(server) as chain:
            with pytest.raises(Unavailable, match=code):
                await chain.get_account(WALLET.address)


async def test_a_gateways_failure_is_asked_again_but_a_message_is_sent_once():
    server = face()
    server.spoil = failing("getAddressInformation", 2, 502, {"Retry-After": "0"})
    async with live(server) as chain:
        assert (await chain.get_account(WALLET.address)).status == "uninit"
        server.asked.clear()
        server.spoil = failing("sendBoc", 1, 504, {"Retry-After": "0"})
        with pytest.raises(Unavailable):
            await chain.send_external(order(server, 0))
    assert server.asked == ["sendBoc"]


@pytest.mark.parametrize(
    "body",
    [
        b"<html>maintenance</html>",
        b"",
        b"[]",
        b"{",
        b'{"ok": true}',
        b'{"ok": true, "result": {"balance": "1"}}',
        b'{"ok": true, "result": "null"}',
        b'{"ok": false, "error": "LITE_SERVER_NETWORK", "code": "x"}',
    ],
)
async def test_an_answer_that_is_not_as_specified_is_unavailable(body: bytes):
    server = face()
    server.spoil = failing("getAddressInformation", 99, 200, body=body)
    async with live(server) as chain:
        with pytest.raises(Unavailable, match=r"chain\.(answer|unreachable)"):
            await chain.get_account(WALLET.address)


async def test_fields_that_cannot_be_are_not_believed():
    async def changed(**fields: object):
        server = face()
        true = await server.get_address_information(WALLET.address)
        server.spoil = failing(
            "getAddressInformation", 99, 200, body=json.dumps({"ok": True, "result": true | fields}).encode()
        )
        async with live(server) as chain:
            with pytest.raises(Unavailable, match=r"chain\.answer"):
                await chain.get_account(WALLET.address)

    await changed(balance="much")
    await changed(state="asleep")
    await changed(last_transaction_id={"lt": "1", "hash": "not base64!"})
    await changed(state="active", code="%%%", data="")


async def test_a_silent_server_is_unavailable_in_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("fairway.chain.toncenter.PATIENCE_S", 0.05)
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with LiveChain(TonCenter(MAINNET, url), MAINNET) as chain:
        with pytest.raises(Unavailable, match=r"chain\.unreachable"):
            await chain.now()
    server.close()
    async with LiveChain(TonCenter(MAINNET, "http://127.0.0.1:9"), MAINNET) as chain:
        with pytest.raises(Unavailable, match=r"chain\.unreachable"):
            await chain.now()


# A server that is not what it should be


async def test_nothing_is_done_on_another_network():
    server = face()
    async with live(server, TESTNET) as chain:
        for _ in range(2):
            with pytest.raises(Unavailable, match=r"chain\.network"):
                await chain.send_external(order(server, 0))
    assert set(server.asked) == {"getConfigAll"}


async def test_a_configuration_that_is_none_is_unavailable():
    server = face()
    server.config = begin_cell().store_uint(1, 8).end_cell().to_boc()
    async with live(server) as chain:
        with pytest.raises(Unavailable, match=r"chain\.answer"):
            await chain.ready()


async def test_a_server_that_fell_behind_is_asked_again_and_never_believed():
    server = face()
    async with live(server) as chain:
        before = await chain.get_account(WALLET.address)
        server.seqno -= 1
        server.chain.router.submit(order(server, 0))
        with pytest.raises(Unavailable, match=r"chain\.stale"):
            await chain.get_account(WALLET.address)
        server.asked.clear()

        def catch_up(name: str, _parameters: dict[str, str]) -> None:
            if server.asked.count(name) == 3:
                server.seqno += 2

        server.spoil = catch_up
        assert (await chain.get_account(WALLET.address)).last_lt > before.last_lt
        assert server.asked.count("getAddressInformation") == 3


async def test_a_server_whose_newest_block_is_long_past_is_not_believed():
    async with live(face(), clock=lambda: time.time() + 121) as chain:
        with pytest.raises(Unavailable, match=r"chain\.stale"):
            await chain.now()


async def test_time_is_that_of_the_newest_block_and_not_asked_for_each_time():
    server = face()
    async with live(server, head_s=60) as chain:
        assert await chain.now() == await chain.now()
    assert server.asked == ["getConfigAll", "getAddressInformation"]
    assert (await server.chain.get_account(CONFIG_ACCOUNT)).status == "absent"


async def test_extra_currencies_are_shown():
    server = face()
    server.chain.router.inject(FAUCET, NOBODY, TON, bounce=False, extra={100: 7, 239: 1 << 70})
    async with live(server) as chain:
        account = await chain.get_account(NOBODY)
        assert account == await server.chain.get_account(NOBODY)
        assert account.extra == {100: 7, 239: 1 << 70}


# Histories


async def test_a_history_is_followed_over_pages_and_repeats():
    server = face()
    for seqno in range(7):
        server.chain.router.submit(order(server, seqno))
    true = await server.chain.transactions(WALLET.address)
    plain = server.get_transactions

    async def repeating(lt: str, limit: str, **named: str):
        """As servers do that begin each page with the end of the one before."""
        page = await plain(lt=lt, limit=limit, **named)
        return [*shown[-1:], *(shown.append(each) or each for each in page)]

    for page in (1, 2, 3, 100):
        server.page = page
        async with live(server) as chain:
            assert await chain.transactions(WALLET.address) == true
            assert await chain.transactions(WALLET.address, true[3].lt) == true[4:]
            assert await chain.transactions(WALLET.address, true[1].lt, limit=2) == true[2:4]
            assert await chain.transactions(WALLET.address, true[-1].lt) == ()
    shown: list[dict[str, str]] = []
    server.get_transactions, server.page = repeating, 3
    async with live(server) as chain:
        assert await chain.transactions(WALLET.address) == true


def omitting(page: list[dict[str, str]]):
    return [*page[:1], *page[2:]]


def exchanging(page: list[dict[str, str]]):
    return page[::-1]


def ending_early(page: list[dict[str, str]]):
    return page[:0]


@pytest.mark.parametrize("lie", [omitting, exchanging, ending_early])
async def test_a_history_with_something_left_out_or_moved_is_noticed(lie):
    server = face()
    server.page = 4
    for seqno in range(4):
        server.chain.router.submit(order(server, seqno))
    plain = server.get_transactions

    async def lying(**named: str):
        return lie(await plain(**named))

    server.get_transactions = lying
    async with live(server) as chain:
        with pytest.raises(Unavailable, match=r"chain\.history"):
            await chain.transactions(WALLET.address)


async def test_another_accounts_transactions_and_junk_are_noticed():
    server = face()
    server.chain.router.submit(order(server, 0))
    others = (await server.chain.transactions(NOBODY))[-1].digest
    for boc in (server.tvm.cells[others], begin_cell().store_uint(0, 9).end_cell().to_boc()):

        async def lying(boc: bytes = boc, **_named: str):
            return [{"data": b64encode(boc).decode()}]

        server.get_transactions = lying
        async with live(server) as chain:
            with pytest.raises(Unavailable, match=r"chain\.answer"):
                await chain.transactions(WALLET.address)


async def test_a_believer_would_miss_what_the_server_leaves_out(monkeypatch: pytest.MonkeyPatch):
    """The planted bug: links are not compared. Then a transaction is gone and nobody knows."""
    monkeypatch.setattr("fairway.chain.live._check_link", lambda *_: None)
    server = face()
    server.page = 100
    for seqno in range(3):
        server.chain.router.submit(order(server, seqno))
    plain = server.get_transactions

    async def lying(**named: str):
        return omitting(await plain(**named))

    server.get_transactions = lying
    async with live(server) as chain:
        assert len(await chain.transactions(WALLET.address)) == 3
    assert len(await server.chain.transactions(WALLET.address)) == 4


# Messages and keys


async def test_a_message_whose_answer_was_lost_is_known_by_what_the_chain_shows():
    """The gateway fails after the network has the message: the purse neither gives up nor pays twice."""
    server = face()
    server.spoil = lambda name, parameters: losing(server, parameters) if name == "sendBoc" else None
    async with live(server, head_s=0) as chain:
        purse = Purse(chain, Signer.of(SEED), MAINNET)
        for number in (1, 2):
            await purse.send(Transfer(NOBODY, number * TON, bounce=False))
    paid = [each.incoming.value for each in await server.chain.transactions(NOBODY) if each.incoming]
    assert paid == [TON, 2 * TON]


def losing(server: Face, parameters: dict[str, str]):
    server.chain.router.submit(b64decode(parameters["boc"]))
    return 504, {}, b"{}"


async def test_the_refusal_of_a_contract_is_read_out_of_the_servers_words():
    server = face()
    async with live(server) as chain:
        await chain.send_external(order(server, 0))
        with pytest.raises(Rejected) as refused:
            await chain.send_external(order(server, 5))
        assert (refused.value.code, refused.value.facts["exit_code"]) == ("chain.refused", 133)
        with pytest.raises(InvalidMessage):
            await chain.send_external(b"junk")


@pytest.mark.parametrize(
    ("status", "words", "code"),
    [
        (500, "Exit code 33 != 0", 33),
        (542, "cannot apply external message to current state : External message was not accepted", None),
        (500, "inbound external message rejected by account A: exitcode=-14, steps=3, gas_used=0", -14),
    ],
)
async def test_each_way_in_which_servers_word_a_refusal_is_one(status: int, words: str, code: int | None):
    server = face()
    body = json.dumps({"ok": False, "error": words, "code": status}).encode()
    for http_status in (status, 200):  # some say it in the body only
        server.spoil = failing("sendBoc", 1, http_status, body=body)
        async with live(server) as chain:
            with pytest.raises(Rejected) as refused:
                await chain.send_external(order(server, 0))
            assert (refused.value.code, refused.value.facts["exit_code"]) == ("chain.refused", code)


async def test_the_key_travels_in_its_header_and_nowhere_else(tmp_path: Path):
    server = face()
    (tmp_path / "key").write_text("secret-key\nremark\n")
    async with server.served() as url:
        chain = make_chain(ChainAt(f"live:mainnet@{url}", tmp_path / "key"))
        await chain.ready()
        await chain.close()
    assert set(server.keys) == {"secret-key"}
    with pytest.raises(Unavailable, match=r"chain\.key"):
        make_chain(ChainAt("live:mainnet", tmp_path / "none"))


def test_a_word_that_names_no_chain_is_refused(tmp_path: Path):
    for where in ("live:", "live:moonnet", "testnet", "ftp://example.org", ""):
        with pytest.raises(Rejected, match=r"chain\.where"):
            make_chain(ChainAt(where))
    with pytest.raises(Rejected, match=r"chain\.where"):
        make_chain(ChainAt("http://127.0.0.1:1", tmp_path / "key"))
    assert isinstance(make_chain(ChainAt("http://127.0.0.1:1")), RemoteChain)


# Lite servers


class Lite(LiteBalancer):
    """A balancer whose answers are those of a chain in this process, in lite servers' own types."""

    def __init__(self, face: Face, *, down: bool = False):
        super().__init__(NetworkGlobalID.MAINNET, clients=[])
        self._face, self._down = face, down

    async def connect(self):
        if self._down:
            raise BalancerError("all lite-servers failed to establish connection")

    @property
    def provider(self):
        return self

    @property
    def last_mc_block(self):
        ahead = self._face.seqno + 3  # lite servers know a block before toncenter does
        return BlockIdExt(-1, -(1 << 63), ahead, "00" * 32, "00" * 32)

    async def _adnl_call(self, method, /, *args, **kwargs):
        assert method == "get_account_state"
        state = self._face.chain.router._state(args[0].to_str(is_user_friendly=False))
        shown = state and ShardAccount.deserialize(LiteCell.one_from_boc(state).begin_parse())
        return (shown.account, shown) if shown else (None, None)


async def test_states_may_come_from_lite_servers_and_histories_hang_on_them():
    server = face()
    async with live(server, reads=LiteReads(Lite(server)), head_s=0) as chain:
        await chain.send_external(order(server, 0))
        for address in (WALLET.address, NOBODY, FAUCET):
            assert await chain.get_account(address) == await server.chain.get_account(address)
            assert await chain.transactions(address) == await server.chain.transactions(address)
        assert await chain.run_get(WALLET.address, "seqno") == (1,)
        assert from_boc((await chain.get_account(WALLET.address)).code) == contract_code("wallet")


async def test_lite_servers_that_do_not_answer_are_unavailable(tmp_path: Path):
    server = face()
    async with live(server, reads=LiteReads(Lite(server, down=True))) as chain:
        with pytest.raises(Unavailable, match=r"chain\.lite"):
            await chain.get_account(WALLET.address)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(Unavailable, match=r"chain\.lite"):
        balancer(MAINNET, tmp_path / "config.json")


# The real thing


@pytest.mark.skipif(
    "FAIRWAY_LIVE" not in os.environ,
    reason="asks a live network: FAIRWAY_LIVE=live:testnet pytest -n0 tests/unit/test_chain_live.py",
)
async def test_a_live_network_answers_as_specified():
    key = os.environ.get("FAIRWAY_TONCENTER_KEY_FILE")
    chain = make_chain(ChainAt(os.environ["FAIRWAY_LIVE"], Path(key) if key else None))
    try:
        assert (await chain.network()).global_id in {MAINNET, TESTNET}
        assert abs(await chain.now() - time.time()) < 60
        assert (await chain.get_account(CONFIG_ACCOUNT)).status == "active"
    finally:
        await chain.close()
