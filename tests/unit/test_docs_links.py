"""What the documents point at exists: links, headings, source files, tests by name, and commands."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from typer.main import get_command

from fairway.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
NAMES = [path.relative_to(ROOT).as_posix() for path in DOCUMENTS]

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FOLDERS = "src/fairway|tests|contracts|rust|docs|benchmarks|requirements"
NAMED = re.compile(rf"(?<![\w/.])((?:{FOLDERS})/[\w./-]*\w)(?:::(\w+))?")
COMMAND = re.compile(r"`fairway ([a-z]+)(?: ([a-z]+))?")
TARGET = re.compile(r"`?make ([a-z][a-z-]*)")
FORBIDDEN = re.compile(r"\.\./shared|/work/|/tmp/|/root/|/home/|\bTODO\b|\bFIXME\b")


@cache
def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@cache
def scenes_in(name: str) -> frozenset[str]:
    tree = ast.parse(text_of(name))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def anchors_in(name: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text_of(name), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(name: str) -> list[str]:
    broken = []
    for target in LINK.findall(text_of(name)):
        path, _, anchor = target.partition("#")
        if path.startswith(("http://", "https://", "mailto:")):
            continue
        linked = ((ROOT / name).parent / path).resolve() if path else ROOT / name
        if not linked.exists() or (anchor and anchor not in anchors_in(linked.relative_to(ROOT).as_posix())):
            broken.append(target)
    return broken


def missing_names(text: str) -> list[str]:
    missing = []
    for path, test in NAMED.findall(text):
        if not (ROOT / path).exists() or (test and test not in scenes_in(path)):
            missing.append(f"{path}::{test}" if test else path)
    return missing


def unknown_commands(text: str) -> list[str]:
    commands = get_command(app).commands
    unknown = []
    for first, second in COMMAND.findall(text):
        known = commands.get(first)
        below = getattr(known, "commands", None)
        if known is None or (below is not None and second and second not in below):
            unknown.append(f"fairway {first} {second}".strip())
    return unknown


def unknown_targets(text: str) -> list[str]:
    targets = set(re.findall(r"^([a-z][a-z-]*):", text_of("Makefile"), re.MULTILINE))
    in_code = "\n".join(re.findall(r"`[^`\n]+`|^```[\s\S]*?^```", text, re.MULTILINE))
    return [target for target in TARGET.findall(in_code) if target not in targets]


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_somewhere(name):
    assert not broken_links(name)


@pytest.mark.parametrize("name", NAMES)
def test_every_file_and_test_that_is_named_exists(name):
    assert not missing_names(text_of(name))


@pytest.mark.parametrize("name", NAMES)
def test_every_command_that_is_named_can_be_run(name):
    assert not unknown_commands(text_of(name))
    assert not unknown_targets(text_of(name))


@pytest.mark.parametrize("name", NAMES)
def test_every_page_stands_alone(name):
    assert not FORBIDDEN.findall(text_of(name))


def test_every_page_is_linked_from_the_index():
    linked = {
        ((ROOT / "docs") / target.partition("#")[0]).resolve() for target in LINK.findall(text_of("docs/index.md"))
    }
    assert {path for path in DOCUMENTS if path.parent != ROOT and path.name != "index.md"} <= linked


def test_the_look_sees_what_is_not_there():
    assert missing_names("`tests/unit/test_docs_links.py::test_no_such_test`, `src/fairway/nowhere.py`") == [
        "tests/unit/test_docs_links.py::test_no_such_test",
        "src/fairway/nowhere.py",
    ]
    assert not missing_names("`tests/unit/test_docs_links.py::test_every_page_stands_alone` and src/fairway/units.py.")
    assert unknown_commands("`fairway chain sing`") == ["fairway chain sing"]
    assert unknown_commands("`fairway fly`") == ["fairway fly"]
    assert unknown_targets("`make money`") == ["money"]
