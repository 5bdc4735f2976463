"""docs/guide/write-a-program.md is run: its files are written, its commands typed, and what they print compared."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from fairway.cli.app import app

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "write-a-program.md"
BLOCK = re.compile(r"^```(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def typed(command: str) -> str:
    name, *arguments = shlex.split(command)
    assert name == "fairway"
    done = CliRunner().invoke(app, arguments)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.output


def played(text: str) -> str:
    """`text` with what its commands print now; files are written as they come."""

    def block(match: re.Match[str]) -> str:
        kind, content = match.groups()
        if kind != "console":
            Path(kind).write_text(content)
            return match[0]
        commands = [line for line in content.splitlines() if line.startswith("$ ")]
        return "```console\n" + "".join(f"{line}\n{typed(line[2:])}" for line in commands) + "```"

    return BLOCK.sub(block, text)


def test_the_guide_prints_what_its_commands_print(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = GUIDE.read_text(encoding="utf-8")
    assert played(text) == text


def test_the_guide_uses_every_command_but_those_it_only_names():
    used = set(re.findall(r"^\$ fairway zkvm (\w+)", GUIDE.read_text(encoding="utf-8"), re.MULTILINE))
    assert used == {"check", "trace", "formulas", "lint", "prove", "verify", "disasm"}


def test_a_command_fails_in_a_process_of_its_own_as_it_does_here(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "fairway", "zkvm", "check", "-"],
        cwd=tmp_path,
        input=b"push:X neg",
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"error: line 1: neg wants expression, found string")
