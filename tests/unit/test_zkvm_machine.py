"""The machine, instruction by instruction: what each does, what it refuses, and that a proof follows the logic."""

import itertools

import pytest

from fairway.crypto.pedersen import Opening
from fairway.crypto.scalars import ORDER, to_bytes
from fairway.errors import InvalidMessage, InvalidProof, Rejected
from fairway.zkvm import checker, prover, verifier
from fairway.zkvm.assembler import assemble, disassemble, parse
from fairway.zkvm.op import BY_CODE, Dialect
from fairway.zkvm.program import CODE_BOUND, Instruction, bind, decode, digest, encode
from fairway.zkvm.types import Type
from fairway.zkvm.vm import trace

X, Y, Z = Opening(6, 11), Opening(7, 12), Opening(42, 13)
POINTS = {"X": X.commitment, "Y": Y.commitment, "Z": Z.commitment}
NUMBERS = {f"n{value}": to_bytes(value) for value in (0, 1, 2, 6, 7, 42)} | {
    "big": to_bytes(1 << 64),
    "minus": to_bytes(-1),
}


def program(text: str) -> tuple[Instruction, ...]:
    return bind(parse(text).instructions, POINTS | NUMBERS)


def refusal(text: str, inputs=()) -> str:
    with pytest.raises(InvalidMessage) as refused:
        verifier.circuit_of(program(text), inputs)
    return refused.value.code


def holds(text: str, wires=()) -> bool:
    """Whether an honest prover can prove the program; if he can, the proof must verify."""
    instructions = program(text)
    try:
        proof = prover.prove(instructions, (X, Y, Z), b"a statement", bytes(32), wires=wires)
    except Rejected:
        return False
    verifier.verify(verifier.Claim(instructions, b"a statement", proof))
    return True


EQUAL = "push:X commit expr push:n6 scalar eq "
UNEQUAL = "push:X commit expr push:n7 scalar eq "


@pytest.mark.parametrize(("left", "right"), itertools.product([True, False], repeat=2))
def test_and_or_not_prove_exactly_their_truth_tables(left, right):
    a, b = (EQUAL if side else UNEQUAL for side in (left, right))
    assert holds(a + b + "and verify") == (left and right)
    assert holds(a + b + "or verify") == (left or right)
    assert holds(a + b + "or not verify") == (not (left or right))
    assert holds(a + "not " + b + "and verify") == (not left and right)


def test_a_product_of_committed_values_takes_a_multiplier_and_one_by_a_constant_takes_none():
    both = program("push:X commit expr push:Y commit expr mul push:Z commit expr eq verify")
    one = program("push:X commit expr push:n7 scalar mul push:Z commit expr eq verify")
    other = program("push:n7 scalar push:X commit expr mul push:Z commit expr eq verify")
    assert [verifier.circuit_of(each).tape.multipliers for each in (both, one, other)] == [1, 0, 0]
    assert holds("push:X commit expr push:Y commit expr mul push:Z commit expr eq verify")
    assert not holds("push:X commit expr push:X commit expr mul push:Z commit expr eq verify")


def test_constants_fold_and_a_cleartext_constraint_never_reaches_the_tape():
    circuit = verifier.circuit_of(program("push:n6 scalar push:n7 scalar mul push:n42 scalar eq verify"))
    assert circuit.tape.encoded() == b""
    assert refusal("push:n6 scalar push:n6 scalar add push:n42 scalar eq verify") == "zkvm.false"


@pytest.mark.parametrize(("known", "gate", "provable"), [
    ("n6 n6", "and", True), ("n6 n7", "or", True), ("n6 n6", "or", True),
])  # fmt: skip
def test_a_cleartext_side_of_and_or_folds_away(known, gate, provable):
    left, right = known.split()
    assert holds(f"push:{left} scalar push:{right} scalar eq {EQUAL} {gate} verify") == provable


def test_a_false_cleartext_side_of_and_is_refused_before_any_proof():
    assert refusal(f"push:n6 scalar push:n7 scalar eq {EQUAL} and verify") == "zkvm.false"
    assert refusal("push:n6 scalar push:n6 scalar eq not verify") == "zkvm.false"


def test_a_range_holds_exactly_in_64_bits():
    assert holds("push:X commit expr range drop")
    assert holds("push:X commit expr push:n6 scalar neg add range drop")
    assert not holds("push:X commit expr push:n7 scalar neg add range drop")
    assert not holds("push:X commit expr push:big scalar add range drop")
    assert verifier.circuit_of(program("push:X commit expr range drop")).tape.multipliers == 64
    assert refusal("push:minus scalar range drop") == "zkvm.range"


def test_an_allocated_wire_is_the_provers_to_choose_and_must_be_given():
    text = "alloc push:X commit expr eq verify"
    assert holds(text, wires=[6])
    assert not holds(text, wires=[5])
    assert not holds(text)


def test_a_commitment_without_an_opening_is_not_provable():
    with pytest.raises(Rejected, match="cannot open"):
        prover.prove(program(EQUAL + "verify"), (Y,), b"", bytes(32))


def test_dup_and_roll_count_from_the_top():
    steps = list(trace(program("push:n0 push:n1 push:n2 roll:2 dup:1 roll:0 drop drop drop drop"), verifier.Public()))
    stacks = [[item.content[0] for item in stack] for _, stack in steps]
    assert stacks[3:6] == [[1, 2, 0], [1, 2, 0, 2], [1, 2, 0, 2]]


@pytest.mark.parametrize(("text", "code"), [
    ("drop", "zkvm.underflow"),
    ("dup:0", "zkvm.underflow"),
    ("push:n0 roll:1", "zkvm.underflow"),
    ("push:n0", "zkvm.leftover"),
    ("push:n0 neg", "zkvm.type"),
    ("push:n0 scalar expr", "zkvm.type"),
    ("push:n0 scalar dup:0", "zkvm.not_copyable"),
    (EQUAL + "dup:0", "zkvm.not_copyable"),
    ("program:1:02 dup:0", "zkvm.not_copyable"),
    ("push:2:0102 scalar", "scalar.length"),
    ("push:2:0102 commit", "zkvm.point"),
    ("push:32:" + "ff" * 32 + " scalar", "scalar.non_canonical"),
])  # fmt: skip
def test_a_misuse_of_the_stack_has_a_stable_code(text, code):
    assert refusal(text) == code


NEED_A_TRANSACTION = {
    "mintime": "", "maxtime": "", "log": "push:0:", "fee": "push:4:00000000",
    "retire": "push:n0 commit dup:0 borrow",
    "issue": "push:X commit push:X commit push:0: push:X", "input": "push:68:" + "00" * 68,
}  # fmt: skip


@pytest.mark.parametrize("name", NEED_A_TRANSACTION)
def test_what_needs_a_transaction_decodes_and_says_that_there_is_none(name):
    text = f"{NEED_A_TRANSACTION[name]} {name}"
    assert decode(encode(program(text), Dialect.ZKVM), Dialect.ZKVM) == program(text)
    assert refusal(text) == "zkvm.no_transaction"


@pytest.mark.parametrize("name", ["output", "contract"])
def test_nothing_is_locked_before_there_is_an_anchor(name):
    assert refusal(f"push:X {name}:0") == "zkvm.anchor"


@pytest.mark.parametrize("name", ["inputcoin", "outputcoin"])
def test_a_coin_that_the_transaction_lacks_is_no_coin(name):
    assert refusal(f"{name}:0") == "zkvm.coin"


def test_an_unassigned_opcode_is_an_error_in_either_dialect():
    for dialect in Dialect:
        for code in set(range(256)) - BY_CODE[dialect].keys():
            with pytest.raises(InvalidMessage) as refused:
                decode(bytes([code]), dialect)
            assert refused.value.code == "zkvm.opcode"


def test_the_dialects_number_the_same_instruction_differently_after_log():
    assert encode(assemble("signtx", Dialect.ZKVM), Dialect.ZKVM) == b"\x20"
    assert encode(assemble("signtx", Dialect.ZKOS), Dialect.ZKOS) == b"\x1f"
    with pytest.raises(InvalidMessage, match="dialect"):
        assemble("mintime", Dialect.ZKOS)


@pytest.mark.parametrize(("code", "reason"), [
    (b"\x00\x05\x00\x00\x00abc", "zkvm.truncated"),
    (b"\x03\x00\x00", "zkvm.truncated"),
    (b"\x00\xff\xff\xff\xff", "zkvm.truncated"),
    (bytes(CODE_BOUND + 1), "zkvm.code_length"),
])  # fmt: skip
def test_cut_or_oversized_bytecode_is_refused(code, reason):
    with pytest.raises(InvalidMessage) as refused:
        decode(code, Dialect.ZKVM)
    assert refused.value.code == reason


@pytest.mark.parametrize(("text", "code"), [
    ("push:n0\nfrobnicate", "zkvm.mnemonic"),
    ("push:n0\ndup", "zkvm.operand"),
    ("push:n0\nneg:3", "zkvm.operand"),
    ("push:n0\nroll:4294967296", "zkvm.operand"),
    ("push:n0\npush:3:0102", "zkvm.operand"),
    ("push:n0\npush:1:zz", "zkvm.operand"),
])  # fmt: skip
def test_the_assembler_names_the_line_of_an_error(text, code):
    with pytest.raises(InvalidMessage) as refused:
        parse(text)
    assert (refused.value.code, refused.value.facts["line"]) == (code, 2)


def test_the_words_of_older_texts_and_comments_are_read():
    text = "push:X var expr  # the margin\npush:n6 const eq verify"
    assert program(text) == program(EQUAL + "verify")
    assert disassemble(encode(program(text), Dialect.ZKVM), Dialect.ZKVM).startswith(
        f"push:32:{X.commitment.hex()}\ncommit"
    )


def test_a_template_has_one_identity_whatever_is_bound_and_none_with_a_name_left():
    template = parse(EQUAL + "verify").instructions
    assert digest(template) == digest(parse(EQUAL + "verify").instructions)
    assert digest(template) != digest(parse(UNEQUAL + "verify").instructions)
    assert digest(template) != digest(bind(template, POINTS | NUMBERS))
    with pytest.raises(InvalidMessage, match="without a value"):
        bind(template, POINTS)
    with pytest.raises(InvalidMessage, match="without a value"):
        verifier.circuit_of(template)


def test_budgets_bound_instructions_stack_terms_and_multipliers():
    assert refusal("push:n0 " * 4097) == "zkvm.instruction_bound"
    assert refusal("push:n0 " * 1025) == "zkvm.stack_bound"
    assert refusal("push:X commit expr " + "push:X commit expr add " * 512) == "zkvm.term_bound"
    assert refusal("push:X commit expr " + "range " * 257 + "drop") == "tape.multipliers"


def test_the_checker_knows_that_a_debt_is_never_dropped():
    left = checker.infer(parse("push:n0 commit dup:0 borrow retire").instructions)
    assert left == (Type.WIDE_VALUE,)
    with pytest.raises(InvalidMessage) as refused:
        checker.check(parse("push:n0 commit dup:0 borrow retire drop").instructions)
    assert refused.value.code == "zkvm.not_droppable"


def test_a_proof_in_one_profile_is_none_in_the_other():
    instructions = program(EQUAL + "verify")
    strict = prover.prove(instructions, (X,), b"a statement", bytes(32))
    script = prover.prove(instructions, (X,), None, bytes(32))
    for statement, proof in (
        (None, strict),
        (b"", strict),
        (b"another", strict),
        (b"a statement", script),
        (b"", script),
    ):
        with pytest.raises(InvalidProof):
            verifier.verify(verifier.Claim(instructions, statement, proof))


def test_a_batch_names_its_first_bad_claim():
    instructions = program(EQUAL + "verify")
    good = verifier.Claim(instructions, b"s", prover.prove(instructions, (X,), b"s", bytes(32)))
    bad = verifier.Claim(program(UNEQUAL + "verify"), b"s", good.proof)
    verifier.verify_batch([good, good])
    with pytest.raises(InvalidProof) as refused:
        verifier.verify_batch([good, bad, good])
    assert refused.value.facts["index"] == 1


def test_scalars_are_reduced_so_that_the_same_number_is_the_same_expression():
    assert holds("push:X commit expr push:minus scalar mul push:n6 scalar neg eq verify")
    assert to_bytes(-1) == to_bytes(ORDER - 1)
