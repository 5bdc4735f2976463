"""Reading programs: as formulas, and with a lint that names what they leave open."""

import json
import re
from pathlib import Path

import pytest
from settlement_cases import CASES
from test_zkvm_seed import EARN, corrected

from fairway.settlement.programs import PROFIT, clauses_of
from fairway.zkvm import builder
from fairway.zkvm.assembler import parse
from fairway.zkvm.formula import formulas
from fairway.zkvm.lint import lint
from fairway.zkvm.op import Dialect
from fairway.zkvm.program import decode, push

VECTORS = Path(__file__).parents[1] / "vectors"
DEPLOYED = {each["tag"]: each["hex"] for each in json.loads((VECTORS / "zkos-bytecodes.json").read_text())["programs"]}
PAGE = (Path(__file__).parents[2] / "docs/spec/zkvm.md").read_text()
KNOWN = re.findall(r"^\| (\w+) \| (\d+) \| `(.*)` \| (.*) \|$", PAGE, re.MULTILINE)


def found(text: str) -> set[tuple[str, str]]:
    return set(lint(parse(text).instructions))


def test_the_printed_programs_read_as_what_they_prove():
    assert formulas(builder.build(corrected())) == ["P·LP = LP·(IM − AM) and newlendstate − lendstate = P"]
    assert formulas(builder.build(EARN)) == ["P = AM − IM and lendState − newLendState = P"]


def test_every_clause_of_a_settlement_reads_as_its_formula():
    lines = formulas(parse("".join(clauses_of(CASES["liquidation"]().settle().statement))).instructions)
    assert lines[1] == "(AM − IM)·D + e = Q·nQ + C·nC + K·nK"
    assert lines[2:5] == ["0 ≤ w0 < 2⁶⁴", "0 ≤ w1 < 2⁶⁴", "0 ≤ w2 < 2⁶⁴"]
    assert lines[5] == "Q0·wQ + C0·wC + K0·wK + IM0·wIM + w1 = w0 + w1·limb + w2·limb·limb"
    assert lines[6] == "C·Q0 + eC = C0·Q and K·Q0 + eK = K0·Q and K + middle = low + high·limb"


def test_bytecode_without_names_reads_by_its_inputs_and_first_bytes():
    order = decode(bytes.fromhex("060a0403000000060a0405000000060a0d0e13020202"), Dialect.ZKOS)
    assert formulas(order, ["IM", "shares", "leverage", "price", "side", "value"]) == ["value = leverage·IM"]
    assert formulas(parse("push:1:07 drop alloc range neg drop").instructions) == ["0 ≤ w0 < 2⁶⁴"]


def test_a_logic_tree_reads_with_its_parentheses():
    equal = "push:{} commit expr push:{} commit expr eq "
    text = equal.format("A", "B") + equal.format("C", "D") + "or not " + equal.format("E", "F") + "and "
    assert formulas(parse(text + "verify").instructions) == ["not (A = B or C = D) and E = F"]
    text = equal.format("A", "B") + equal.format("C", "D") + "or " + equal.format("E", "F") + "and "
    assert formulas(parse(text + "verify").instructions) == ["(A = B or C = D) and E = F"]
    text = "push:A commit expr push:B commit expr neg push:n scalar mul neg add push:C commit expr eq verify"
    assert formulas(parse(text).instructions) == ["A − (−B·n) = C"]


def test_the_lint_names_what_the_printed_programs_leave_open():
    findings = set(lint(builder.build(corrected())))
    assert ("cancels", "LP") in findings
    assert {name for code, name in findings if code == "unbounded"} == {"IM", "AM", "P", "newlendstate", "lendstate"}


def test_in_a_settlement_no_cleartext_factor_but_the_pages_own_lp_cancels_and_nothing_is_unused():
    for name in CASES:
        findings = found("".join(clauses_of(CASES[name]().settle().statement)))
        assert {finding for finding in findings if finding[0] != "unbounded"} <= {
            ("cancels", "LP"),
            ("cancels", "zero"),
        }


def test_the_lint_finds_planted_bugs():
    assert ("unused", "e") in found(PROFIT.format(debt="").replace("push:e commit expr add", "push:e commit expr drop"))
    assert ("unused", "w0") in found("alloc drop")
    assert ("cancels", "n") in found(
        "push:X commit expr push:n scalar mul push:n scalar push:Y commit expr mul eq verify"
    )
    assert ("cancels", "n") not in found("push:X commit expr push:n scalar eq verify")
    assert ("unbounded", "X") not in found("push:X commit expr range push:n scalar eq verify")


def summary(findings) -> str:
    codes = dict.fromkeys(code for code, _ in findings)
    order = {code: sorted((name for each, name in findings if each == code), key=_natural) for code in codes}
    return "; ".join(f"{code} {' '.join(names)}" for code, names in sorted(order.items()))


def _natural(name: str) -> tuple[int, str]:
    return len(name), name


def known(tag: str, count: int):
    if tag in DEPLOYED:
        return decode(bytes.fromhex(DEPLOYED[tag]), Dialect.ZKOS), [f"x{index}" for index in range(count)]
    return builder.build(corrected() if tag == "Liquidations" else EARN), []


def test_the_page_lists_every_known_program():
    assert {tag for tag, *_ in KNOWN} == {*DEPLOYED, "Liquidations", "Earn"}


@pytest.mark.parametrize("row", KNOWN, ids=[tag for tag, *_ in KNOWN])
def test_the_page_says_what_each_known_program_demands_and_leaves_open(row):
    tag, count, demand, findings = row
    instructions, inputs = known(tag, int(count))
    assert formulas(instructions, inputs) == [demand]
    assert summary(lint([*map(push, inputs), *instructions])) == findings
