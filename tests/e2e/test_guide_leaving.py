"""docs/guide/exit.md, dispute.md and watchtower.md are run: their commands typed, and what they print compared."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import sys
from pathlib import Path

from client_stage import MARK, MARKET
from defence_stage import pair_of, service_starts
from onchain_stage import market, rich, shown
from test_exit_command import PASSPHRASE, served
from typer.testing import CliRunner

from fairway.cli.app import app
from fairway.client.wish import Wish
from fairway.crypto.sealed import Cost
from fairway.units import TON

GUIDES = Path(__file__).resolve().parents[2] / "docs" / "guide"
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
UNKNOWN = {"$PAID": r"\d+\.\d+", "$KEY": "[0-9a-f]{64}", "$WALLET": "0:[0-9a-f]{64}", "$PORT": r"\d+"}


def blocks(page, **known):
    """Each command of a page with what it prints, as a pattern; `known` stand in both."""
    for text in BLOCK.findall((GUIDES / page).read_text(encoding="utf-8")):
        command, *printed = text.splitlines()
        for name, value in known.items():
            command = command.replace(f"${name}", value)
            printed = [line.replace(f"${name}", value) for line in printed]
        yield shlex.split(command.removeprefix("$ fairway")), [pattern(line) for line in printed]


def pattern(line):
    escaped = re.escape(line)
    for name, words in UNKNOWN.items():
        escaped = escaped.replace(re.escape(name), words)
    return escaped


def check(printed, expected):
    lines = printed.splitlines()
    assert len(lines) == len(expected), printed
    for line, wanted in zip(lines, expected, strict=True):
        assert re.fullmatch(wanted, line), line


async def typed(arguments):
    return await asyncio.to_thread(CliRunner().invoke, app, arguments, input=f"{PASSPHRASE}\n")


async def flat(chain, service, people):
    """Alice has traded and is flat again; her keystore and record lie where the guides say. An old pair of hers."""
    async with people[0].at_work() as alice, people[1].at_work() as bob:
        for user in (alice, bob):
            await user.deposit(100 * TON)
            await shown(service, user)
        old = pair_of(alice)
        for buys in (True, False):
            await bob.session.place(Wish(MARKET, not buys, 10, MARK, reduce_only=not buys))
            await alice.session.place(Wish(MARKET, buys, 10, MARK, reduce_only=not buys))
    laid_out(people[0])
    service.down = True
    service.cut()
    return alice, old


def laid_out(person):
    person.keystore.save(Path("keystore"), PASSPHRASE, Cost(1, 8192))
    Path("record.sqlite").symlink_to(person.path)


async def test_the_exit_guide_prints_what_its_commands_print(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with market(tmp_path) as (chain, service), served(chain) as url:
        people = [await rich(chain, service, name) for name in ("alice", "bob")]
        alice, _ = await flat(chain, service, people)
        for arguments, expected in blocks("exit.md", CHAIN=url, CHANNEL=alice.session.side.channel_id.hex()):
            done = await typed(arguments)
            assert done.exit_code == 0, done.exception
            check(done.output, expected)


async def test_the_dispute_guide_prints_what_its_command_prints(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with market(tmp_path) as (chain, service), served(chain) as url:
        people = [await rich(chain, service, name) for name in ("alice", "bob")]
        alice, old = await flat(chain, service, people)
        await service_starts(chain, service, alice, old)
        for arguments, expected in blocks("dispute.md", CHAIN=url, CHANNEL=alice.session.side.channel_id.hex()):
            done = await typed(arguments)
            assert done.exit_code == 0, done.exception
            check(done.output, expected)


async def test_the_watchtower_guide_prints_what_its_command_prints(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with market(tmp_path) as (chain, _service), served(chain) as url:
        ((arguments, expected),) = blocks("watchtower.md", CHAIN=url)
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "fairway", *arguments],
            stdout=-1,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        try:
            printed = [(await process.stdout.readline()).decode() for _ in expected]
        finally:
            process.terminate()
            await process.communicate()
        check("".join(printed), expected)
        assert process.returncode == 0
