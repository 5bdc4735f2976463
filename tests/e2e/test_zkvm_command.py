"""`fairway zkvm`, as it is typed: what each command prints, and how it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fairway.cli.app import app

VECTORS = Path(__file__).parents[1] / "vectors"
SEED = json.loads((VECTORS / "zkos-seed.json").read_text())
TRANSACTION = json.loads((VECTORS / "zkos-script-tx.json").read_text())
DEPLOYED = json.loads((VECTORS / "zkos-bytecodes.json").read_text())["programs"]
PRINTED = "\n".join(SEED["liquidations"])
CORRECTED = PRINTED.replace(".roll:3()\n", ".roll:3()\n.r#const()\n")
LINE = SEED["liquidations"].index(".roll:3()") + 2
PRODUCT = "push:X commit expr push:Y commit expr mul\npush:Z commit expr eq\nverify\n"
POINTS = [f"--bind={name}=0x{'00' * 32}" for name in "XYZ"]
WITNESS = {"values": {"X": 6, "Y": 7, "Z": 42}, "seed": "ab" * 32, "statement": "six by seven"}


def fairway(*arguments: str, given: str | bytes = "") -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["zkvm", *arguments], input=given)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def printed(*arguments: str, given: str = "") -> str:
    code, out, err = fairway(*arguments, given=given)
    assert (code, err) == (0, "")
    return out


def refused(*arguments: str, given: str | bytes = "") -> str:
    code, _, err = fairway(*arguments, given=given)
    assert code == 1
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err


@pytest.fixture
def at(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "product.zk").write_text(PRODUCT)
    (tmp_path / "witness.json").write_text(json.dumps(WITNESS))
    return tmp_path


def claimed(at: Path) -> dict:
    printed("prove", "product.zk", "--witness", "witness.json", "--output", "claim.json")
    return json.loads((at / "claim.json").read_text())


def test_what_asm_prints_disasm_reads():
    code = printed("asm", "-", *POINTS, given=PRODUCT)
    text = printed("disasm", code.strip())
    assert text.split()[:3] == [f"push:32:{'00' * 32}", "commit", "expr"]
    assert printed("asm", "-", given=text) == code
    assert printed("disasm", "-", given=code) == text


@pytest.mark.parametrize("program", DEPLOYED, ids=lambda program: program["tag"])
def test_deployed_bytecode_makes_the_round_trip_in_its_dialect(program):
    text = printed("disasm", program["hex"], "--dialect", "zkos")
    assert text.split() == program["asm"]
    assert printed("asm", "-", "--dialect", "zkos", given=text).strip() == program["hex"]


def test_the_dialects_number_an_instruction_differently():
    assert printed("asm", "-", given="signtx") == "20\n"
    assert printed("asm", "-", "--dialect", "zkos", given="signtx") == "1f\n"
    assert "line 2: zkos has no mintime [zkvm.dialect]" in refused("asm", "-", "--dialect=zkos", given="drop\nmintime")


@pytest.mark.parametrize("command", ["asm", "check", "trace", "formulas", "lint"])
def test_the_printed_liquidations_program_is_refused_at_the_line_that_lacks_a_const(command):
    error = refused(command, "-", given=PRINTED)
    assert f"line {LINE}: mul wants expression, found string; a const" in error
    assert "[zkvm.type]" in error


def test_the_corrected_text_is_well_typed_and_reads_as_what_it_proves():
    report = printed("check", "-", given=CORRECTED)
    assert "committed     IM AM P newlendstate lendstate\n" in report
    assert "cleartext     LP\n" in report
    assert "multipliers   0 " in report
    assert printed("formulas", "-", given=CORRECTED) == "P·LP = LP·(IM − AM) and newlendstate − lendstate = P\n"


def test_lint_fails_and_names_what_cancels_and_what_is_unbounded():
    code, out, _ = fairway("lint", "-", given=CORRECTED)
    assert code == 1
    assert "cancels     LP " in out
    assert "unbounded   P " in out
    assert fairway("lint", "-", given="push:X commit expr range push:one scalar eq verify")[:2] == (0, "")


def test_trace_shows_the_stack_after_each_line_up_to_the_fault():
    _, out, _ = fairway("trace", "-", given=PRINTED)
    lines = out.splitlines()
    assert lines[0].split() == ["1", "push:IM", "s:IM"]
    assert lines[-1].endswith("LP·(IM − AM) | v:P | P | s:LP")
    whole = printed("trace", "-", given=CORRECTED).splitlines()
    assert whole[-1].split()[1:] == ["verify"]


def test_inputs_are_named_or_counted():
    code = next(program["hex"] for program in DEPLOYED if program["tag"] == "CreateTraderOrder")
    zkos = ("--dialect", "zkos", "--inputs")
    assert printed("formulas", code, *zkos, "6") == printed("formulas", code, *zkos, "x0,x1,x2,x3,x4,x5")
    assert "well-typed" in printed("check", code, *zkos, "6")
    assert "zkvm.leftover" in refused("check", code, *zkos, "7")
    assert "instruction 0: " in refused("check", code, "--dialect", "zkos")
    assert "v:data" in printed("trace", code, *zkos, "a,b,c,d,e,data")
    assert "zkvm.inputs" in refused("check", code, *zkos, "a,,b")
    assert "zkvm.inputs" in refused("check", code, *zkos, "99999999999")


def test_a_part_of_a_transaction_is_still_read():
    text = "push:X commit dup:0 borrow retire retire"
    assert "not run" not in printed("check", "-", given="push:X commit expr range drop")
    assert "wide value" in refused("check", "-", given=text)
    assert printed("trace", "-", "--inputs", "f", given="drop push:X log").splitlines()[-1].split() == ["1", "log"]
    assert "not run" in printed("check", "-", given="push:X contract:0 signtx")
    assert printed("formulas", "-", given="mintime push:n scalar eq verify") == "mintime() = n\n"


def test_a_claim_is_proven_written_and_verified(at):
    claim = claimed(at)
    assert claim["program"] == printed("disasm", "product.zk").splitlines()
    out = printed("verify", "claim.json")
    assert "valid         X·Y = Z\n" in out
    assert "six by seven" in out
    assert printed("verify", "-", given=json.dumps(claim)) == out
    piped = printed("prove", "product.zk", "--witness", "witness.json", "--output", "-")
    assert piped == (at / "claim.json").read_text()
    proof = printed("prove", "product.zk", "--witness", "-", given=json.dumps(WITNESS)).split()
    assert proof[-1] == claim["proof"]
    assert proof[1] == claim["commitments"]["X"]


def test_no_secret_stands_in_a_claim(at):
    text = json.dumps(claimed(at))
    assert WITNESS["seed"] not in text
    assert not {"values", "blindings", "seed", "wires"} & claimed(at).keys()


@pytest.mark.parametrize(
    "changed",
    [
        {"statement": "six by eight"},
        {"statement": None},
        {"program": PRODUCT.replace("mul", "add").split()},
        {"scalars": {"X": 6}},
        {"scalars": {"unused": 1}},
        {"scalars": {"bal\x1bance": 1}},
        {"commitments": {"X": "00" * 32, "Y": "00" * 32, "Z": "00" * 32}},
        {"proof": "00" * 417},
        {"proof": "zz"},
        {"proof": 5},
        {"more": 1},
    ],
)
def test_a_claim_with_anything_changed_is_refused(at, changed):
    refused("verify", "-", given=json.dumps(claimed(at) | changed))


def test_cleartext_is_part_of_what_a_strict_claim_is_bound_to(at):
    given = json.dumps({"values": {"X": 6}, "scalars": {"n": 6, "m": 1}})
    (at / "clear.zk").write_text("push:X commit expr push:n scalar eq verify push:m drop")
    printed("prove", "clear.zk", "--witness", "-", "--output", "claim.json", given=given)
    claim = json.loads((at / "claim.json").read_text())
    assert "proof" in refused("verify", "-", given=json.dumps(claim | {"scalars": {"n": 6, "m": 2}}))
    printed("prove", "clear.zk", "--script", "--witness", "-", "--output", "claim.json", given=given)
    claim = json.loads((at / "claim.json").read_text())
    out = printed("verify", "-", given=json.dumps(claim | {"scalars": {"n": 6, "m": 2}}))
    assert "script mode" in out


@pytest.mark.parametrize(("changed", "code"), [
    ({"values": {"X": 6, "Y": 7, "Z": 43}}, "proof.unsatisfied"),
    ({"values": {"X": 6, "Y": 7}}, "zkvm.witness"),
    ({"values": {"X": 6, "Y": 7, "Z": 42, "W": 1}}, "zkvm.witness"),
    ({"scalars": {"X": 6}}, "zkvm.witness"),
    ({"blindings": {"W": "00"}}, "zkvm.witness"),
    ({"blindings": {"X": "ff" * 32}}, "scalar.non_canonical"),
    ({"seed": "ab"}, "zkvm.seed"),
    ({"values": {"X": 6.5}}, "zkvm.format"),
    ({"valeus": {}}, "zkvm.format"),
])  # fmt: skip
def test_a_witness_that_does_not_fit_is_refused(at, changed, code):
    assert code in refused("prove", "product.zk", "--witness", "-", given=json.dumps(WITNESS | changed))


def test_a_witness_is_toml_too_and_a_blinding_can_be_given(at):
    blinding = "05" + "00" * 31
    toml = f'[values]\nX = 6\nY = 7\nZ = 42\n[blindings]\nX = "{blinding}"\n'
    first, second = (printed("prove", "product.zk", "--witness", "-", given=toml).split() for _ in range(2))
    assert first[1] == second[1]
    assert first[3] != second[3], "what is not given is drawn afresh"


def test_one_seed_never_blinds_two_values_alike(at):
    points = [
        printed("prove", "product.zk", "--witness", "-", given=json.dumps(WITNESS | {"values": values})).split()[1]
        for values in ({"X": 6, "Y": 7, "Z": 42}, {"X": 6, "Y": 1, "Z": 6})
    ]
    assert points[0] == points[1]
    from fairway.cli.zkvm_claim import Witness, _blinding

    assert _blinding("X", 6, Witness(), bytes(32)) != _blinding("X", 7, Witness(), bytes(32))


def test_a_deployed_transaction_is_printed_and_its_proof_verified():
    raw = TRANSACTION["raw_bincode_hex"]
    out = printed("tx", raw)
    assert "fee: 24\n" in out
    assert f"program: {TRANSACTION['program']}\n" in out
    assert out.endswith("valid         x5 = x2·x0\n")
    assert printed("tx", "-", given=raw) == out
    assert "bincode.truncated" in refused("tx", raw[:-2])
    memo = raw.index(TRANSACTION["V_in_commit_order"][2])
    assert "proof." in refused("tx", raw[:memo] + "00" * 32 + raw[memo + 64 :])


def test_a_program_that_opens_contracts_is_followed_as_far_as_it_shows_them():
    contract = f"push:68:{'00' * 68} input"
    out = printed("check", "-", given=f"{contract} signtx push:0: log program:1:04 drop")
    assert out == "well-typed    7 instructions\nmultipliers   0 before the gates of verify\n"
    out = printed("trace", "-", given=f"{contract} signtx")
    assert out.endswith("the rest is known only when it runs\n")
    assert "zkvm.not_droppable" in refused("check", "-", given=f"{contract} program:1:02 eval")
    assert "not run" in printed("check", "-", given="push:p contract:0 signtx")
    assert "not run" in printed("check", "-", given="push:f fee push:q push:w cloak:1:1 retire")


def test_a_transaction_of_the_zkvm_is_printed_and_verified():
    recorded = json.loads((VECTORS / "zkvm-transaction.json").read_text())
    raw = recorded["transaction"]
    out = printed("tx", "-", "--dialect", "zkvm", given=raw)
    assert f"valid         {recorded['txid']}\n" in out
    did = [line.split()[0] for line in out.partition("\n\n")[2].splitlines()]
    assert did == ["valid", "time", "input", "issue", "output", "output", "log", "signed", "signed"]
    spoilt = raw[:16] + "01" + raw[18:]
    assert "proof." in refused("tx", "-", "--dialect", "zkvm", given=spoilt)
    assert "bincode.truncated" in refused("tx", "-", "--dialect", "zkvm", given=raw[:-2])
    assert "zkvm.trailing" in refused("tx", "-", "--dialect", "zkvm", given=raw + "00")


@pytest.mark.parametrize(("arguments", "given", "code"), [
    (["check", "-"], "push:X input signtx", "zkvm.dynamic"),
    (["check", "-"], "push:a commit dup:0 borrow drop", "zkvm.not_droppable"),
    (["check", "-"], "push:a commit push:p output:1", "zkvm.not_portable"),
    (["check", "-"], "push:p cloak:0:1", "zkvm.underflow"),
    (["check", "no-such-file"], "", "zkvm.file"),
    (["check", "."], "", "zkvm.file"),
    (["check", "a\0b"], "", "zkvm.file"),
    (["check", "-"], "", "zkvm.empty"),
    (["check", "-"], b"\xff\xfe\x00", "zkvm.text"),
    (["check", "-"], "#" * (1 << 20) + "#", "zkvm.text_length"),
    (["check", "-"], "dup:0 " * 5000, "zkvm.instruction_bound"),
    (["check", "-"], "add add", "zkvm.underflow"),
    (["check", "-"], "p.push(X)\n.frob()", "zkvm.mnemonic"),
    (["check", "-"], "p.push(X)\nfrob", "zkvm.builder"),
    (["disasm", "25"], "", "zkvm.opcode"),
    (["disasm", "00ff"], "", "zkvm.truncated"),
    (["asm", "-"], "push:X", "zkvm.unbound"),
    (["asm", "-", "--bind", "X"], "push:X", "zkvm.bind"),
    (["asm", "-", "--bind", "Y=1"], "push:1:00", "zkvm.bind"),
    (["asm", "-", "--bind", "X=0xa"], "push:X", "zkvm.hex"),
    (["tx", "zz"], "", "zkvm.file"),
    (["tx", "-"], "zz", "zkvm.hex"),
    (["tx", "00"], "", "bincode.truncated"),
    (["verify", "-"], "{" * 5, "zkvm.format"),
    (["verify", "-"], '{"a":' * 100_000, "zkvm.format"),
    (["verify", "-"], "= 3", "zkvm.format"),
    (["prove", "product.zk", "--witness", "witness.json", "--output", "no/such/folder.json"], "", "zkvm.file"),
])  # fmt: skip
def test_bad_input_ends_in_one_line_with_a_stable_code(at, arguments, given, code):
    assert f"[{code}]" in refused(*arguments, given=given)


def test_nothing_unprintable_reaches_the_terminal(at):
    assert "\x1b" not in refused("check", "-", given="push:X\n\x1b[31mred")
    raw = TRANSACTION["raw_bincode_hex"]
    owner = TRANSACTION["decoded"]["inputs"][0]["coin"]["owner"].encode().hex()
    out = printed("tx", raw.replace(owner, "1b5b33316d" + owner[10:], 1))
    assert "\x1b" not in out
