"""Blocks that are undone: only what is final is shown, a seed repeats everything, and nobody counts money twice."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from fairway.chain.forks import ForkingChain
from fairway.chain.local import LocalChain
from fairway.chain.purse import Purse
from fairway.chain.router import FAUCET, Router, Weather
from fairway.crypto.keys import Signer, public_key, sign
from fairway.errors import Rejected, Unavailable
from fairway.ton.wallet import Transfer, Wallet

SEED = b"f" * 32
WALLET = Wallet(public_key(SEED), -239)
ONE, TWO = "0:" + "11" * 32, "0:" + "22" * 32
TON = 10**9


async def transfer(chain: LocalChain, seqno: int, *to: str) -> None:
    transfers = [Transfer(address, TON, bounce=False) for address in to]
    request = WALLET.request(seqno, await chain.now() + 3600, transfers)
    await chain.send_external(WALLET.message(request, sign(SEED, request.hash), deploy=seqno == 0))


async def held(chain: LocalChain, address: str) -> int:
    return (await chain.get_account(address)).balance


async def funded(final_after: int = 3) -> ForkingChain:
    chain = ForkingChain(final_after=final_after)
    await chain.fund(WALLET.address, 100 * TON)
    await settle(chain, final_after)
    return chain


async def settle(chain: ForkingChain, blocks: int = 3) -> None:
    for _ in range(blocks):
        await chain.advance(1)


async def test_what_is_not_final_is_not_shown():
    chain = await funded()
    await transfer(chain, 0, ONE)
    for _ in range(3):
        assert (await held(chain, ONE), await chain.transactions(ONE)) == (0, ())
        assert (await chain.get_account(WALLET.address)).status == "uninit"
        await chain.advance(1)
    assert await held(chain, ONE) == TON
    assert await chain.run_get(WALLET.address, "seqno") == (1,)


async def test_what_is_final_cannot_be_undone():
    chain = await funded()
    await transfer(chain, 0, ONE)
    await settle(chain)
    shown = await chain.transactions(ONE)
    for depth in (1, 2, 3):
        await chain.reorganise(depth, seed=depth, lost_ppm=1_000_000)
        await settle(chain)
    with pytest.raises(Rejected, match=r"chain\.final"):
        await chain.reorganise(4)
    assert await chain.transactions(ONE) == shown


async def test_a_lost_message_can_be_sent_again_and_one_that_stays_comes_in_again():
    chain = await funded()
    now = await chain.now()
    await transfer(chain, 0, ONE)
    await transfer(chain, 1, TWO)
    await chain.reorganise(2, seed=1)
    await settle(chain)
    assert (await held(chain, ONE), await held(chain, TWO)) == (TON, TON), "whatever order they were tried in"
    await transfer(chain, 2, ONE)
    await chain.reorganise(1, lost_ppm=1_000_000)
    await settle(chain)
    assert await held(chain, ONE) == TON
    await transfer(chain, 2, ONE)
    await settle(chain)
    assert len(await chain.transactions(ONE)) == 2
    assert await chain.now() == now + 9, "time that has passed is not undone"


async def test_a_seed_repeats_a_reorganisation_and_another_makes_another_order():
    async def day(seed: int) -> list[int]:
        chain = await funded(final_after=8)
        for number in range(6):
            await chain.fund(ONE if number % 2 else TWO, TON + number)
            await chain.advance(number)
        await chain.reorganise(8, seed)
        await settle(chain, 8)
        return [each.incoming.value for each in await chain.transactions(ONE) if each.incoming]

    assert await day(5) == await day(5)
    assert sorted(await day(5)) == [TON + 1, TON + 3, TON + 5]


async def test_shuffled_messages_keep_the_order_of_each_pair_only():
    def arrivals(seed: int) -> list[tuple[str, int]]:
        router = Router(weather=Weather(seed=seed, shuffled=True))
        router.inject(FAUCET, WALLET.address, 100 * TON, bounce=False)
        transfers = [Transfer(to, nano, bounce=False) for nano in range(1, 11) for to in (ONE, TWO)]
        request = WALLET.request(0, router.now + 60, transfers)
        message = WALLET.message(request, sign(SEED, request.hash), deploy=True)
        return [(each.address, each.incoming.value) for each in router.submit(message)[1:] if each.incoming]

    for seed in range(3):
        found = arrivals(seed)
        for address in (ONE, TWO):
            assert [nano for to, nano in found if to == address] == list(range(1, 11))
        assert [to for to, _ in found] != [ONE, TWO] * 10
        assert found == arrivals(seed)
    assert arrivals(0) != arrivals(1)


async def test_a_message_that_the_network_bounces_brings_its_money_back():
    router = Router(weather=Weather(bounced_ppm=1_000_000))
    router.inject(FAUCET, WALLET.address, 100 * TON, bounce=False)
    request = WALLET.request(0, router.now + 60, [Transfer(ONE, TON), Transfer(TWO, TON, bounce=False)])
    sent, *arrived = router.submit(WALLET.message(request, sign(SEED, request.hash), deploy=True))
    assert not sent.aborted
    returned, delivered = sorted(arrived, key=lambda each: each.address != WALLET.address)
    assert returned.incoming is not None
    assert (returned.incoming.source, returned.incoming.bounced, returned.incoming.value) == (ONE, True, TON)
    assert (delivered.address, router.account(TWO).balance, router.account(ONE).balance) == (TWO, TON, 0)
    assert router.account(WALLET.address).balance > 98 * TON


@asynccontextmanager
async def restless(chain: ForkingChain, lost_ppm: int = 300_000):
    """Blocks are made all the time, and every few of them are undone with a third of their messages lost."""

    async def blocks() -> None:
        number = 0
        while True:
            await chain.advance(0)
            number += 1
            if number % 7 == 0:
                await chain.reorganise(1 + number % 3, seed=number, lost_ppm=lost_ppm)
            await asyncio.sleep(0.002)

    task = asyncio.create_task(blocks())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_purse_pays_each_transfer_exactly_once_whatever_is_undone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("fairway.chain.purse.GLANCE_S", 0.03)
    chain = await funded()
    purse = Purse(chain, Signer.of(SEED), -239)
    async with restless(chain, lost_ppm=500_000):
        for number in range(1, 9):
            await purse.send(Transfer(ONE, number * TON, bounce=False))
    await settle(chain)
    paid = [each.incoming.value for each in await chain.transactions(ONE) if each.incoming]
    assert paid == [number * TON for number in range(1, 9)]


async def test_a_purse_that_comes_after_a_dead_one_of_its_key_waits_until_that_one_s_request_shows():
    chain = await funded()
    await transfer(chain, 0, ONE)
    purse = Purse(chain, Signer.of(SEED), -239)
    with pytest.raises(Unavailable, match=r"purse\.overtaken"):
        await purse.send(Transfer(TWO, TON, bounce=False))
    await settle(chain)
    sending = asyncio.create_task(purse.send(Transfer(TWO, TON, bounce=False)))
    while not sending.done():
        await asyncio.sleep(0)
        await chain.advance(0)
    await sending
    await settle(chain)
    assert (await held(chain, ONE), await held(chain, TWO)) == (TON, TON)


async def test_a_purse_does_not_take_another_request_for_its_own():
    chain = await funded(final_after=0)

    class Slow(LocalChain):
        """Another request of the key is taken just before ours, which is then lost."""

        async def send_external(self, message: bytes) -> None:
            await transfer(chain, 0, ONE)

    with pytest.raises(Unavailable, match=r"purse\.overtaken"):
        await Purse(Slow(chain.router), Signer.of(SEED), -239).send(Transfer(TWO, TON, bounce=False))
    assert (await held(chain, ONE), await held(chain, TWO)) == (TON, 0)


class Hasty(ForkingChain):
    """The planted bug: it shows the newest block before it is final."""

    @property
    def _shown(self) -> Router:
        return self.router


async def test_a_chain_that_shows_what_is_not_final_has_its_reader_count_money_that_is_not_there():
    chain = Hasty()
    await chain.fund(WALLET.address, 100 * TON)
    await settle(chain)
    await transfer(chain, 0, ONE)
    assert len(await chain.transactions(ONE)) == 1
    await chain.reorganise(1, lost_ppm=1_000_000)
    await settle(chain)
    assert await chain.transactions(ONE) == ()


async def test_final_after_nothing_is_a_local_chain(tmp_path: Path):
    chain = ForkingChain(Router(tmp_path / "chain.sqlite"), final_after=0)
    await chain.fund(ONE, TON)
    assert await held(chain, ONE) == TON
    await chain.reorganise(0)
    with pytest.raises(Rejected, match=r"chain\.final"):
        await chain.reorganise(1)
