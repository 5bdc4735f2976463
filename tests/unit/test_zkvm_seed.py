"""The two programs of the ZkOS settlement page: what is printed, what it proves, and what it does not."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from fairway.crypto.pedersen import Opening
from fairway.crypto.scalars import to_bytes
from fairway.errors import InvalidMessage, InvalidProof, Rejected
from fairway.settlement.programs import GAIN, LIQUIDATED
from fairway.zkvm import assembler, builder, verifier
from fairway.zkvm.op import BY_NAME
from fairway.zkvm.program import Instruction, bind, push
from fairway.zkvm.prover import prove

PRINTED = json.loads((Path(__file__).parent.parent / "vectors" / "zkos-seed.json").read_text())
EARN = "\n".join(PRINTED["earn"])
LIQUIDATIONS = "\n".join(PRINTED["liquidations"])
ENTROPY = bytes(32)


def corrected() -> str:
    """The printed text with one `.const()` before its second `.mul()`, and nothing else."""
    head, tail = LIQUIDATIONS.split(".roll:3()\n")
    return head + ".roll:3()\n.r#const()\n" + tail


def blinded(values: dict[str, int]) -> dict[str, Opening]:
    return {name: Opening(value, int.from_bytes(sha256(name.encode()).digest())) for name, value in values.items()}


def proven(text: str, values: dict[str, int], scalars: dict[str, int]) -> verifier.Claim:
    """The claim that the program holds for `values`, with an honest proof in script mode."""
    openings = blinded(values)
    bound = {name: opening.commitment for name, opening in openings.items()}
    program = bind(builder.build(text), bound | {name: to_bytes(value) for name, value in scalars.items()})
    return verifier.Claim(program, None, prove(program, openings.values(), None, ENTROPY))


def liquidation(**changed: int) -> verifier.Claim:
    values = {"IM": 500, "AM": 120, "P": 380, "newlendstate": 10_380, "lendstate": 10_000} | changed
    return proven(corrected(), values, {"LP": values.pop("LP", 27_000)})


def earn(**changed: int) -> verifier.Claim:
    return proven(EARN, {"AM": 700, "IM": 500, "P": 200, "lendState": 10_000, "newLendState": 9_800} | changed, {})


def test_the_printed_liquidations_program_lacks_one_const_and_the_error_names_the_line():
    with pytest.raises(InvalidMessage, match="mul wants expression, found string; a const") as refused:
        builder.build(LIQUIDATIONS)
    line = refused.value.facts["line"]
    assert refused.value.code == "zkvm.type"
    assert PRINTED["liquidations"][line - 2 : line] == [".roll:3()", ".mul()"]


def test_one_const_is_all_that_is_missing():
    assert len(builder.build(corrected())) == len(builder.parse(LIQUIDATIONS).instructions) + 1


def test_the_settlement_programs_hold_the_clauses_of_the_page_instruction_by_instruction():
    def shape(program):
        return [(op.name, operand) for op, operand in program]

    renamed = corrected().replace("newlendstate", "LS1").replace("lendstate", "LS0")
    assert shape(builder.build(renamed)) == shape(assembler.parse(LIQUIDATED).instructions)
    renamed = EARN.replace("newLendState", "LS1").replace("lendState", "LS0")
    assert shape(builder.build(renamed)) == shape(assembler.parse(GAIN).instructions)


@pytest.mark.parametrize(
    ("make", "order"),
    [
        (liquidation, ["IM", "AM", "P", "newlendstate", "lendstate"]),
        (earn, ["AM", "IM", "P", "lendState", "newLendState"]),
    ],
)
def test_both_programs_prove_and_verify_in_script_mode_with_417_bytes(make, order):
    claim = make()
    verifier.verify(claim)
    circuit = verifier.circuit_of(claim.instructions)
    assert len(claim.proof) == 417
    assert circuit.tape.multipliers == 0
    assert list(circuit.commitments) == [
        opening.commitment for opening in blinded(dict.fromkeys(order, 0) | values_of(make)).values()
    ]


def values_of(make) -> dict[str, int]:
    if make is earn:
        return {"AM": 700, "IM": 500, "P": 200, "lendState": 10_000, "newLendState": 9_800}
    return {"IM": 500, "AM": 120, "P": 380, "newlendstate": 10_380, "lendstate": 10_000}


def test_the_payment_is_committed_twice_because_its_variable_becomes_an_expression_twice():
    tape = verifier.circuit_of(earn().instructions).tape.encoded()
    assert [tape[5 * i : 5 * i + 5].hex() for i in range(6)] == [
        "0100000000", "0101000000", "0102000000", "0103000000", "0104000000", "0102000000",
    ]  # fmt: skip


@pytest.mark.parametrize("wrong", [{"P": 381}, {"AM": 121}, {"newlendstate": 10_379}])
def test_a_payment_that_does_not_match_margin_and_pool_is_not_provable(wrong):
    with pytest.raises(Rejected):
        liquidation(**wrong)


def test_a_flipped_bit_of_the_proof_is_refused():
    claim = earn()
    for index in (0, 1, 200, 416):
        mutated = bytearray(claim.proof)
        mutated[index] ^= 1
        with pytest.raises((InvalidProof, InvalidMessage)):
            verifier.verify(verifier.Claim(claim.instructions, None, bytes(mutated)))


# What the page's programs do not say, each shown by a proof that a settlement must never accept.


@pytest.mark.parametrize("price", [1, 27_000, 4_000_000_000])
def test_weakness_the_liquidation_price_cancels_out_so_any_price_passes(price):
    verifier.verify(liquidation(LP=price))


def test_weakness_a_liquidation_price_of_zero_frees_the_margin_from_the_payment():
    verifier.verify(liquidation(LP=0, AM=500))


def test_weakness_a_negative_payment_turns_a_loss_into_a_gain():
    verifier.verify(liquidation(AM=900, P=-400, newlendstate=9_600))


def test_weakness_nothing_around_the_proof_is_bound_to_it():
    """Cleartext that no constraint uses (a channel, a time, an owner) can be exchanged under a finished proof."""
    claim = earn()
    elsewhere = (*claim.instructions, push(b"another transaction"), Instruction(BY_NAME["drop"]))
    verifier.verify(verifier.Claim(elsewhere, None, claim.proof))


def test_weakness_earn_moves_the_pool_against_the_formula_printed_above_it():
    """The page says lendState1 − lendState0 = P; its program, rightly, takes P out of the pool."""
    with pytest.raises(Rejected):
        earn(newLendState=10_200)
