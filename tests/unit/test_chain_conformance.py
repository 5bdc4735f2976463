"""What every chain does, in process, in another one, or behind a server of TON's own interface: the same tests."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from toncenter_face import Face

from fairway.chain.forks import ForkingChain
from fairway.chain.interface import DevelopmentChain
from fairway.chain.live import LiveChain
from fairway.chain.local import LocalChain
from fairway.chain.network import Network
from fairway.chain.remote import RemoteChain
from fairway.chain.router import Router
from fairway.chain.server import serve
from fairway.chain.toncenter import TonCenter
from fairway.crypto.keys import public_key, sign
from fairway.errors import InvalidMessage, Rejected, Unavailable
from fairway.ton.wallet import MAINNET, Transfer, Wallet

SEED = b"w" * 32
WALLET = Wallet(public_key(SEED), -239)
NOBODY = "0:" + "44" * 32
TON = 10**9


class LiveChainWithFaucet(LiveChain):
    """A live network has no faucet and a clock that nobody moves: both are those of the chain behind the server."""

    def __init__(self, face: Face, url: str) -> None:
        super().__init__(TonCenter(MAINNET, url), MAINNET, poll_s=0.01, head_s=0)
        self._behind = face.chain

    async def advance(self, seconds: int) -> int:
        return await self._behind.advance(seconds)

    async def fund(self, address: str, nano: int) -> None:
        await self._behind.fund(address, nano)


@pytest.fixture(params=["local", "remote", "live", "forking"])
async def chain(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[DevelopmentChain]:
    if request.param == "local":
        yield LocalChain(Router(tmp_path / "chain.sqlite"))
        return
    if request.param == "forking":
        yield ForkingChain(Router(), final_after=0)
        return
    if request.param == "live":
        face = Face(tmp_path / "chain.sqlite", time.time)
        async with face.served() as url, LiveChainWithFaucet(face, url) as live:
            yield live
        return
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = asyncio.create_task(serve(tmp_path, "127.0.0.1", port))
    async with RemoteChain(f"http://127.0.0.1:{port}") as remote:
        await remote.ready()
        yield remote
    server.cancel()
    await asyncio.wait([server])


async def transfer(chain: DevelopmentChain, seqno: int, nano: int, seed: bytes = SEED) -> None:
    request = WALLET.request(seqno, await chain.now() + 60, [Transfer(NOBODY, nano, bounce=False)])
    await chain.send_external(WALLET.message(request, sign(seed, request.hash), deploy=seqno == 0))


async def received(chain: DevelopmentChain) -> int:
    """What came to nobody; his balance is less by a rent that hangs on the second."""
    return sum(each.incoming.value for each in await chain.transactions(NOBODY) if each.incoming)


async def test_a_chain_says_which_network_it_is(chain: DevelopmentChain):
    assert await chain.network() == Network(MAINNET, 12)


async def test_an_address_never_used_is_absent(chain: DevelopmentChain):
    account = await chain.get_account(NOBODY)
    assert (account.status, account.balance, account.code) == ("absent", 0, None)
    assert await chain.transactions(NOBODY) == ()


async def test_a_funded_wallet_sends_what_its_key_signed(chain: DevelopmentChain):
    await chain.fund(WALLET.address, 10 * TON)
    await transfer(chain, 0, TON)
    await transfer(chain, 1, 2 * TON)
    assert await received(chain) == 3 * TON
    assert await chain.run_get(WALLET.address, "seqno") == (2,)
    assert (await chain.get_account(WALLET.address)).status == "active"


async def test_a_message_under_another_key_or_an_old_seqno_is_refused(chain: DevelopmentChain):
    await chain.fund(WALLET.address, 10 * TON)
    await transfer(chain, 0, TON)
    with pytest.raises(Rejected) as refused:
        await transfer(chain, 1, TON, seed=b"x" * 32)
    assert (refused.value.code, refused.value.facts["exit_code"]) == ("chain.refused", 135)
    with pytest.raises(Rejected):
        await transfer(chain, 0, TON)
    assert await received(chain) == TON


async def test_transactions_come_in_order_and_after_a_point(chain: DevelopmentChain):
    await chain.fund(WALLET.address, 10 * TON)
    await transfer(chain, 0, TON)
    first, second = await chain.transactions(WALLET.address)
    assert first.lt < second.lt
    assert first.incoming is not None
    assert first.incoming.value == 10 * TON
    assert [message.destination for message in second.outgoing] == [NOBODY]
    assert await chain.transactions(WALLET.address, first.lt) == (second,)
    assert await chain.transactions(WALLET.address, limit=1) == (first,)


async def test_a_getter_takes_and_gives_numbers_cells_tuples_and_nothing(chain: DevelopmentChain):
    """The wallet's getters take none, so what comes in is only looked at; a cell that is none is the caller's fault."""
    await chain.fund(WALLET.address, TON)
    await transfer(chain, 0, 1)
    assert await chain.run_get(WALLET.address, "get_public_key") == (int.from_bytes(public_key(SEED)),)
    with pytest.raises(InvalidMessage):
        await chain.run_get(WALLET.address, "seqno", ((b"junk",),))


async def test_wait_returns_with_the_news_or_with_nothing(chain: DevelopmentChain):
    waiting = asyncio.create_task(chain.wait(NOBODY, timeout_s=5))
    await asyncio.sleep(0)
    await chain.fund(NOBODY, TON)
    (news,) = await waiting
    assert await chain.wait(NOBODY, news.lt, timeout_s=0.01) == ()


async def test_time_moves_forward_only(chain: DevelopmentChain):
    before = await chain.now()
    assert await chain.advance(3600) in range(before + 3600, before + 3610)
    with pytest.raises(Rejected, match=r"chain\.clock"):
        await chain.advance(-1)


async def test_bytes_that_are_no_message_are_the_callers_fault(chain: DevelopmentChain):
    for junk in (b"", b"junk", bytes.fromhex("b5ee9c72010101010002000000")):
        with pytest.raises(InvalidMessage):
            await chain.send_external(junk)


async def test_a_get_method_that_is_not_there_says_so(chain: DevelopmentChain):
    with pytest.raises(Rejected, match=r"chain\.absent"):
        await chain.run_get(NOBODY, "seqno")
    await chain.fund(WALLET.address, TON)
    await transfer(chain, 0, 1)
    with pytest.raises(Rejected, match=r"chain\.get_failed"):
        await chain.run_get(WALLET.address, "no_such_method", (1 << 255, None, (b"\xb5" * 0 or 7,)))


async def test_a_chain_outlives_its_process(tmp_path: Path):
    router = Router(tmp_path / "chain.sqlite")
    router.advance(100)
    router.inject(NOBODY, WALLET.address, TON, bounce=False)
    now = router.now
    router.close()
    again = Router(tmp_path / "chain.sqlite")
    assert (again.now, again.account(WALLET.address).balance) == (now, TON)


async def test_a_chain_that_is_not_there_is_unavailable():
    async with RemoteChain("http://127.0.0.1:9") as nothing:
        with pytest.raises(Unavailable, match=r"chain\.unreachable"):
            await nothing.now()
        with pytest.raises(Unavailable, match=r"chain\.unreachable"):
            await nothing.ready(0.1)


async def test_a_development_chain_listens_on_loopback_only(tmp_path: Path):
    with pytest.raises(Rejected, match=r"chain\.host"):
        await serve(tmp_path, "0.0.0.0", 0)
