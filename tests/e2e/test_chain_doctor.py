"""`fairway chain doctor` and `fairway venue`, on an embedded chain and behind toncenter's interface."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from test_exit_command import served
from toncenter_face import Face
from typer import Context
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from fairway.chain.local import LocalChain
from fairway.chain.network import Network
from fairway.chain.purse import Purse
from fairway.chain.router import GENESIS
from fairway.cli.app import app
from fairway.crypto.keys import public_key
from fairway.service.doctor import TESTED_VERSION, Patient, examine
from fairway.service.founding import VENUE, read_founding
from fairway.service.keys import Keyring
from fairway.ton.address import Address
from fairway.units import TON

ORACLES = [public_key(bytes([number]) * 32).hex() for number in (1, 2, 3)]
TERMS = [*(part for key in ORACLES for part in ("--oracle-key", key)), "--oracle-threshold", "2"]
SUMS = ["--bond", "10", "--pool-seed", "50", "--insurance-seed", "5"]


async def run(*arguments: str, typed: str = ""):
    """Run the command as another process would: on a thread with a loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, app, list(arguments), input=typed)


@asynccontextmanager
async def venue(folder: Path, *, live: bool):
    """A venue on a chain: the chain behind it, the word for it, and the network's name."""
    face = Face(clock=time.time)
    wallet = (await run("venue", "address", "--dir", str(folder), "--network", "mainnet")).stdout.strip()
    await face.chain.fund(wallet, 100 * TON)
    async with face.served() as toncenter, served(face.chain) as embedded:
        where = f"live:mainnet@{toncenter}" if live else embedded
        deployed = await run(
            *("venue", "deploy", "--dir", str(folder), "--chain", where, "--network", "mainnet", *TERMS, *SUMS)
        )
        assert deployed.exit_code == 0, deployed.output
        yield face, where


async def verdicts(*arguments: str) -> tuple[int, dict[str, str]]:
    result = await run("chain", "doctor", "--json", *arguments)
    return result.exit_code, {each["point"]: each["verdict"] for each in json.loads(result.stdout)}


@pytest.mark.parametrize("live", [False, True])
async def test_a_venue_as_deployed_is_well(tmp_path: Path, live: bool):
    async with venue(tmp_path / "dir", live=live) as (_, where):
        status, found = await verdicts("--chain", where, "--dir", str(tmp_path / "dir"))
        assert (status, set(found.values())) == (0, {"ok"})
        assert len(found) == 9
        shown = await run("chain", "doctor", "--chain", where)
        assert shown.exit_code == 0
        assert "reachable" in shown.output
        again = await run("venue", "deploy", "--dir", str(tmp_path / "dir"), "--chain", where, *TERMS)
        assert again.exit_code == 1


async def test_a_deployment_that_was_stopped_sends_nothing_twice(tmp_path: Path):
    async with venue(tmp_path, live=False) as (face, where):
        wallet = (await run("venue", "address", "--dir", str(tmp_path), "--network", "mainnet")).stdout.strip()
        before = await face.chain.get_account(wallet)
        (tmp_path / VENUE).unlink()
        again = await run(
            "venue", "deploy", "--dir", str(tmp_path), "--chain", where, "--network", "mainnet", *TERMS, *SUMS
        )
        assert again.exit_code == 0
        assert await face.chain.get_account(wallet) == before


async def test_terms_that_are_not_the_vaults_are_found(tmp_path: Path):
    async with venue(tmp_path, live=False) as (_, where):
        for planted in ("fine", "quarantine_s", "storage_fee"):
            text = (tmp_path / VENUE).read_text()
            line = next(line for line in text.splitlines() if line.startswith(planted))
            wrong = '"0.3"' if '"' in line else "7200"
            (tmp_path / VENUE).write_text(text.replace(line, f"{planted} = {wrong}"))
            status, found = await verdicts("--chain", where, "--dir", str(tmp_path))
            assert (status, found["channels"], found["vault's code"]) == (1, "failed", "ok")
            (tmp_path / VENUE).write_text(text)


async def test_another_contract_in_the_vaults_place_is_found(tmp_path: Path):
    async with venue(tmp_path, live=False) as (face, where):
        text, vault = (tmp_path / VENUE).read_text(), read_founding(tmp_path, b"", 0).vault
        wallet = Purse(face.chain, Keyring.open(tmp_path).operator(), -239).address
        for other in (wallet, "0:" + "77" * 32):
            (tmp_path / VENUE).write_text(text.replace(vault, other))
            status, found = await verdicts("--chain", where, "--dir", str(tmp_path))
            assert (status, found["vault's code"], found["jetton wallet's code"]) == (1, "failed", "failed")


async def test_a_wrong_network_a_wrong_clock_and_nobody_there_are_said_in_words(tmp_path: Path):
    async with venue(tmp_path, live=True) as (face, where):
        status, found = await verdicts("--chain", where.replace("mainnet", "testnet"), "--dir", str(tmp_path))
        assert (status, found) == (1, {"reachable": "failed"})
        (tmp_path / VENUE).write_text((tmp_path / VENUE).read_text().replace("network = -239", "network = -3"))
        status, found = await verdicts("--chain", where, "--dir", str(tmp_path))
        assert (status, found) == (1, {"reachable": "ok", "network": "failed"})
        await face.chain.advance(300)
        status, found = await verdicts("--chain", where)
        assert (status, found["clock"]) == (1, "failed")
    gone = await run("chain", "doctor", "--chain", where)
    assert gone.exit_code == 1
    assert "chain.unreachable" in gone.output.replace("\n", "")
    assert "Traceback" not in gone.output


class Changed:
    """A chain of which some answers are others."""

    def __init__(self, chain, **answers):
        self._chain, self._answers = chain, answers

    def __getattr__(self, name):
        return self._answers.get(name) or getattr(self._chain, name)

    async def ready(self):
        pass


async def test_a_vault_that_holds_less_than_its_books_is_found(tmp_path: Path):
    async with venue(tmp_path, live=False) as (face, _):

        async def poor(address: str):
            return msgspec.structs.replace(await face.chain.get_account(address), balance=1)

        patient = Patient(Changed(face.chain, get_account=poor), False, read_founding(tmp_path, b"", 0))
        found = {each.point: each.verdict async for each in examine(patient)}
        assert found["vault's balance"] == "failed"


async def test_a_machine_older_than_the_contracts_fails_and_a_newer_one_is_a_warning():
    for version, verdict in ((TESTED_VERSION - 1, "failed"), (TESTED_VERSION, "ok"), (TESTED_VERSION + 1, "warning")):

        async def network(version: int = version):
            return Network(-239, version)

        patient = Patient(Changed(LocalChain(), network=network), True, clock=lambda: GENESIS)
        found = {each.point: each.verdict async for each in examine(patient)}
        assert found == {"reachable": "ok", "network": "ok", "version": verdict, "clock": "ok"}


async def test_an_operator_with_nothing_is_a_warning_and_his_address_has_a_form_for_faucets(tmp_path: Path):
    raw, friendly = [
        (await run("venue", "address", "--dir", str(tmp_path), *more)).stdout.strip() for more in ([], ["--friendly"])
    ]
    assert str(Address.parse(friendly)) == raw
    assert friendly.startswith("0Q")
    patient = Patient(Changed(LocalChain()), False, operator=raw)
    assert {each.point: each.verdict async for each in examine(patient)}["operator's wallet"] == "warning"


async def test_a_venue_is_bound_to_the_live_network_that_it_is_on(tmp_path: Path):
    refused = await run(
        *("venue", "deploy", "--dir", str(tmp_path), "--chain", "live:testnet", "--network", "mainnet", *TERMS)
    )
    assert refused.exit_code == 1
    assert "venue.network" in str(refused.exception)
    assert not (tmp_path / VENUE).exists()


def test_every_command_of_the_run_book_exists_with_its_options():
    guide = Path(__file__).parents[2] / "docs" / "guide" / "testnet.md"
    lines = [line[2:].split("#")[0].split() for line in guide.read_text().splitlines() if line.startswith("$ fairway ")]
    assert len(lines) >= 8
    for _, *words in lines:
        command = get_command(app)
        while isinstance(command, TyperGroup):
            command = command.get_command(Context(command), words.pop(0))
        options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        assert {word for word in words if word.startswith("--")} <= options, words
        required = {parameter.opts[0] for parameter in command.params if parameter.required}
        assert {name for name in required if name.startswith("--")} <= set(words), words
