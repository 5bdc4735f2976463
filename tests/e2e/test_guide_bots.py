"""docs/guide/bots.md is run: its program trades at a service, and prints what the page says."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import msgspec
from bot_stage import served, staged

from fairway.client.bot import BotFile

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "bots.md"
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)


async def test_the_program_prints_what_the_page_says_and_leaves_no_order(tmp_path):
    (program,) = (content for kind, content in BLOCKS if kind == "python")
    (printed,) = (content for kind, content in BLOCKS if not kind)
    async with staged(tmp_path) as stage, served(stage.house) as port:
        bot = await stage.grant()
        known = BotFile(stage.owner.keystore.subkey_seed("bot"), stage.owner.session.side.replica.welcome, bot.mandate)
        (tmp_path / "bot.json").write_bytes(msgspec.json.encode(known))
        run = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            program,
            f"http://127.0.0.1:{port}",
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, errors = await run.communicate()
        assert said.decode() == printed, errors.decode()
        assert not stage.house.engine.accounts[stage.owner.channel_id].orders
