"""Bytecode and a transaction that are deployed in the world: what others made must read, check and verify here."""

import json
from pathlib import Path

import pytest

from fairway.errors import InvalidMessage, InvalidProof
from fairway.zkvm import checker, verifier
from fairway.zkvm.assembler import assemble, disassemble
from fairway.zkvm.op import Dialect
from fairway.zkvm.program import decode, encode
from fairway.zkvm.types import String, Type

VECTORS = Path(__file__).parent
DEPLOYED = json.loads((VECTORS / "zkos-bytecodes.json").read_text())["programs"]
SCRIPT = json.loads((VECTORS / "zkos-script-tx.json").read_text())


@pytest.mark.parametrize("program", DEPLOYED, ids=lambda program: program["tag"])
def test_deployed_bytecode_disassembles_and_assembles_to_itself(program):
    code = bytes.fromhex(program["hex"])
    text = disassemble(code, Dialect.ZKOS)
    assert text.split("\n") == program["asm"]
    assert encode(assemble(text, Dialect.ZKOS), Dialect.ZKOS) == code


@pytest.mark.parametrize("program", DEPLOYED, ids=lambda program: program["tag"])
def test_deployed_bytecode_type_checks_on_exactly_one_number_of_strings(program):
    instructions = decode(bytes.fromhex(program["hex"]), Dialect.ZKOS)

    def passes(count: int) -> bool:
        try:
            checker.check(instructions, [Type.STRING] * count)
        except InvalidMessage:
            return False
        return True

    expected = {"RelayerInitializer": 4, "CreateTraderOrder": 6, "SettleTraderOrder": 13, "LiquidateOrder": 13}
    assert [count for count in range(32) if passes(count)] == [expected[program["tag"]]]


def deployed_claim(proof: bytes) -> verifier.Claim:
    """The script transaction as it was loaded: the memo's commitment and fields, then the transaction's own item."""
    memo = SCRIPT["decoded"]["outputs"][0]["v"]
    fields = [entry.get("scalar", {}).get("scalar") or entry["commitment"]["closed"] for entry in memo["data"]]
    tx_data = SCRIPT["raw_bincode_hex"][-64:]
    inputs = [String(bytes.fromhex(item)) for item in (memo["commitment"]["closed"], *fields, tx_data)]
    return verifier.Claim(decode(bytes.fromhex(SCRIPT["program"]), Dialect.ZKOS), None, proof, inputs)


def test_a_deployed_script_transaction_verifies():
    claim = deployed_claim(bytes.fromhex(SCRIPT["r1cs_proof"]))
    assert verifier.circuit_of(claim.instructions, claim.inputs).tape.multipliers == 1
    verifier.verify(claim)


def test_a_deployed_proof_does_not_verify_with_one_byte_changed():
    proof = bytearray.fromhex(SCRIPT["r1cs_proof"])
    proof[300] ^= 4
    with pytest.raises((InvalidProof, InvalidMessage)):
        verifier.verify(deployed_claim(bytes(proof)))
