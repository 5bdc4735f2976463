"""What is in the package is what the sources compile to, and runs on every machine at hand."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import pytest

from fairway.ton.cells import from_boc
from fairway.ton.wallet import Wallet

CONTRACTS = Path(__file__).parents[2] / "contracts"
COMPILED = files("fairway.ton").joinpath("compiled")
NAMES = sorted(Path(str(entry)).stem for entry in COMPILED.iterdir())
OURS = [name for name in NAMES if name != "wallet"]
FORBIDDEN = ("HASHBU", "BTOS", "LDSTDADDR", "STSTDADDR", "LDOPTSTDADDR", "STOPTSTDADDR")

needs_compiler = pytest.mark.skipif(
    (shutil.which("node") is None or not (CONTRACTS / "node_modules/@ton/tolk-js").is_dir()) and "CI" not in os.environ,
    reason="the compiler is not installed: run npm ci in contracts/",
)


def compiled(name: str) -> dict[str, str]:
    return json.loads(COMPILED.joinpath(f"{name}.json").read_text())


@pytest.mark.parametrize("name", NAMES)
def test_the_code_hash_is_that_of_the_code(name: str):
    entry = compiled(name)
    assert from_boc(bytes.fromhex(entry["boc_hex"])).hash.hex() == entry["code_hash"]


@pytest.mark.parametrize("name", OURS)
def test_the_source_hash_is_that_of_the_sources(name: str):
    digest = sha256()
    for file in compiled(name)["sources"]:
        digest.update(f"{file}\0{(CONTRACTS / file).read_text()}\0".encode())
    assert digest.hexdigest() == compiled(name)["source_sha256"]


@needs_compiler
def test_compiling_again_gives_the_same(tmp_path: Path):
    subprocess.run(["node", "build.mjs", tmp_path], cwd=CONTRACTS, check=True)
    for name in OURS:
        assert json.loads((tmp_path / f"{name}.json").read_text()) == compiled(name)


@needs_compiler
def test_no_contract_uses_an_opcode_that_some_machine_lacks():
    command = ["node", "build.mjs", "--fift", *OURS]
    fift = subprocess.run(command, cwd=CONTRACTS, check=True, capture_output=True, text=True).stdout
    words = {word for line in fift.splitlines() for word in line.partition("//")[0].split()}
    assert "SENDRAWMSG" in words
    assert words.isdisjoint(FORBIDDEN)


def test_the_wallet_is_the_standard_one():
    assert compiled("wallet")["code_hash"] == "20834b7b72b112147e1b2fb457b84e74d1a30f04f737d4f62a668e9552d2b72f"
    expected = "0:9e88a7a0cd2fa9a4a0d83f41daa773364b295d2855394419314df2ea91fee8fe"
    assert Wallet(b"\7" * 32, -239).address == expected
