"""A venue's life on a chain known by toncenter's interface only: deploy, serve, deposit, exit, all as commands."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from test_chain_doctor import SUMS, TERMS, run
from toncenter_face import Face

from fairway.cli.demo.processes import ServiceProcess
from fairway.client.keystore import Keystore
from fairway.crypto.sealed import Cost
from fairway.service.founding import read_founding
from fairway.ton.wallet import Wallet
from fairway.units import TON

PASSPHRASE = "a passphrase"
NETWORK = ["--network", "mainnet"]


@asynccontextmanager
async def serving(folder: Path, chain: str):
    """The service as a process, as long as the block lasts or it does."""
    service = ServiceProcess(folder, chain)
    await service.start()
    try:
        yield service
    finally:
        if not service.has_fallen:
            await service.kill()


async def funded(service: ServiceProcess, channel: str) -> None:
    """Return when the service has seen the deposit on chain."""
    async with httpx.AsyncClient(base_url=service.url, trust_env=False) as web:
        asked = {"channelId": channel}
        while (await web.get("/v1/channel/state", params=asked)).json().get("phase") != "open":  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.1)


async def fallen(service: ServiceProcess) -> None:
    """Return when the service has ended by itself."""
    while not service.has_fallen:  # noqa: ASYNC110 - another process sets no event
        await asyncio.sleep(0.1)


@pytest.mark.slow
async def test_money_goes_in_and_comes_out_over_toncenters_interface(tmp_path):
    face, folder = Face(clock=time.time), tmp_path / "dir"
    face.page = 100
    user = Keystore.create(tmp_path / "keystore", PASSPHRASE, Cost(1, 8192))
    mine = Wallet(user.wallet().key, -239).address
    await face.chain.fund(mine, 20 * TON)
    await face.chain.fund((await run("venue", "address", "--dir", str(folder), *NETWORK)).stdout.strip(), 100 * TON)
    async with asyncio.timeout(90), face.served() as url:
        chain = ["--chain", f"live:mainnet@{url}"]
        deployed = await run(
            *("venue", "deploy", "--dir", str(folder), *chain, *NETWORK, *TERMS, *SUMS),
            *("--quarantine-s", "60", "--settling-s", "60"),
        )
        assert deployed.exit_code == 0, deployed.output
        mine_all = ["--keystore", str(tmp_path / "keystore"), "--record", str(tmp_path / "record")]
        vault = read_founding(folder, b"", 0).vault
        async with serving(folder, chain[1]) as service:
            deposited = await run(
                *("deposit", "10", *mine_all, "--service", service.socket_url, "--vault", vault, *chain, *NETWORK),
                typed=f"{PASSPHRASE}\n",
            )
            assert deposited.exit_code == 0, (deposited.output, deposited.exception)
            assert "holds   10 TON" in deposited.stdout
            await funded(service, deposited.stdout.split("channel ")[1].split()[0])
            withdrawn = await run(
                *("withdraw", "3", *mine_all, "--service", service.socket_url, "--vault", vault, *chain, *NETWORK),
                typed=f"{PASSPHRASE}\n",
            )
            assert withdrawn.exit_code == 0, (withdrawn.output, withdrawn.exception)
            assert "left    7 TON" in withdrawn.stdout
        before = (await face.chain.get_account(mine)).balance
        while (left := await run("exit", *mine_all, *chain, "--no-wait", typed=f"{PASSPHRASE}\n")).exit_code:
            assert "exit.later" in str(left.exception), (left.output, left.exception)
            await face.chain.advance(61)
        assert "paid" in left.stdout
        assert 6 * TON < (await face.chain.get_account(mine)).balance - before < 8 * TON


async def test_a_service_stops_where_another_contract_is_the_vault(tmp_path):
    face, folder = Face(clock=time.time), tmp_path / "dir"
    operator = (await run("venue", "address", "--dir", str(folder), *NETWORK)).stdout.strip()
    await face.chain.fund(operator, 100 * TON)
    async with asyncio.timeout(60), face.served() as url:
        chain = ["--chain", f"live:mainnet@{url}"]
        assert (await run("venue", "deploy", "--dir", str(folder), *chain, *NETWORK, *TERMS, *SUMS)).exit_code == 0
        venue = folder / "venue.toml"
        venue.write_text(venue.read_text().replace(read_founding(folder, b"", 0).vault, operator))
        async with serving(folder, chain[1]) as service:
            await fallen(service)
            assert "chain.code" in service.last_words()
