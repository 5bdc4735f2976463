"""The specification's page and the machine's table say the same of every instruction."""

import re
from pathlib import Path

import pytest

from fairway.zkvm import types
from fairway.zkvm.op import BY_NAME, OPS, Operand
from fairway.zkvm.types import Type

PAGE = (Path(__file__).parents[2] / "docs/spec/zkvm.md").read_text()
ENTRY = re.compile(r"^#### (\w+)(\S*)\n\nzkvm `(..)`, zkos `(..)`\. `([^`]*)`\n\n(.+)$", re.MULTILINE)
ENTRIES = ENTRY.findall(PAGE)
OPERANDS = {"": Operand.NONE, ":k": Operand.INDEX, ":m:n": Operand.PAIR, ":n:x": Operand.BYTES}
ROW = re.compile(r"^\| ([\w-]+) \| (yes)? ?\| (yes)? ?\| (yes)? ?\|", re.MULTILINE)


def written(kinds: tuple[Type, ...]) -> str:
    return " ".join(kind.value.replace(" ", "-") for kind in kinds)


def test_every_instruction_has_exactly_one_heading_and_every_heading_is_an_instruction():
    assert sorted(name for name, *_ in ENTRIES) == sorted(op.name for op in OPS)
    assert len(ENTRIES) == PAGE.count("\n#### ")


@pytest.mark.parametrize("entry", ENTRIES, ids=[name for name, *_ in ENTRIES])
def test_the_page_and_the_table_agree_on_an_instruction(entry):
    name, operand, zkvm, zkos, effect, _ = entry
    op = BY_NAME[name]
    assert OPERANDS[operand] is op.operand
    assert [None if code == "--" else int(code, 16) for code in (zkvm, zkos)] == [op.zkvm, op.zkos]
    if op.takes is None or op.gives is None:
        assert "…" in effect or name == "drop"
    else:
        assert effect == f"{written(op.takes)} → {written(op.gives)}".strip()


def test_the_page_and_the_machine_agree_on_what_may_be_copied_dropped_and_ported():
    rows = {name: marks for name, *marks in ROW.findall(PAGE)}
    for kind in Type:
        sets = types.COPYABLE, types.DROPPABLE, types.PORTABLE
        assert [bool(mark) for mark in rows[written((kind,))]] == [kind in allowed for allowed in sets]
