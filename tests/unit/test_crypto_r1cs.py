"""Constraint proofs through Python: recorded vectors, the seed's circuit, and what must be refused."""

import json
from pathlib import Path

import pytest

from fairway.crypto import r1cs
from fairway.crypto.pedersen import Opening, commit_all
from fairway.crypto.r1cs import ONE, Gate, Item, Kind, Tape, Variable
from fairway.errors import InvalidMessage, InvalidProof, Rejected

RECORDED = Path(__file__).parents[1] / "vectors"
VECTORS = json.loads((RECORDED / "zk-vectors.json").read_text())
SEED_PROOFS = json.loads((RECORDED / "seed-proofs.json").read_text())
ENTROPY = bytes(range(32))
STATEMENT = b"a statement"


def product_circuit(factors: int) -> Tape:
    """V0·(V1 + 1)^factors = V2."""
    tape = Tape()
    first, second, third = (tape.commit(i) for i in range(3))
    product = first
    for _ in range(factors):
        _, _, product = tape.multiply([(product, 1)], [(second, 1), (ONE, 1)])
    tape.constrain([(product, 1), (third, -1)])
    return tape


def range_circuit(values: int = 1) -> Tape:
    tape = Tape()
    for i in range(values):
        tape.range64([(tape.commit(i), 1)])
    return tape


def liquidation(price: int) -> Tape:
    """The seed's program: (IM − AM)·LP = P·LP and LS1 − LS0 = P, where V = IM, AM, P, LS1, LS0, P."""
    tape = Tape()
    im, am, p, ls1, ls0, again = (tape.commit(i) for i in (0, 1, 2, 3, 4, 2))
    margins = [(p, price), (im, -price), (am, price)]
    tape.verify([margins, [(ls1, 1), (ls0, -1), (again, -1)], Gate.AND])
    return tape


def earn() -> Tape:
    """The seed's program: AM − IM = P and LS0 − LS1 = P, where V = AM, IM, P, LS0, LS1, P."""
    tape = Tape()
    am, im, p, ls0, ls1, again = (tape.commit(i) for i in (0, 1, 2, 3, 4, 2))
    tape.verify([[(p, 1), (am, -1), (im, 1)], [(ls0, 1), (ls1, -1), (again, -1)], Gate.AND])
    return tape


def opened(*values: int) -> list[Opening]:
    return [Opening(value, 7**i + 1) for i, value in enumerate(values)]


@pytest.mark.parametrize("vector", VECTORS["r1cs"], ids=lambda vector: vector["statement"])
def test_recorded_proofs_verify(vector):
    tape = product_circuit(vector["k"]) if "k" in vector else range_circuit()
    commitments = [bytes.fromhex(point) for point in vector["V"]]
    r1cs.verify(tape, commitments, None, bytes.fromhex(vector["proof"]))


@pytest.mark.parametrize("vector", SEED_PROOFS["proofs"], ids=lambda vector: vector["program"])
def test_the_published_crates_proofs_of_the_seeds_programs_verify(vector):
    tape = liquidation(SEED_PROOFS["liquidation_price"]) if vector["program"] == "liquidation" else earn()
    assert tape.encoded().hex() == vector["tape"]
    r1cs.verify(tape, [bytes.fromhex(point) for point in vector["V"]], None, bytes.fromhex(vector["proof"]))


@pytest.mark.parametrize("statement", [None, STATEMENT])
def test_the_seeds_liquidation_is_417_bytes(statement):
    openings = opened(100, 60, 40, 1040, 1000)
    proof = r1cs.prove(liquidation(37), openings, statement, ENTROPY)
    assert len(proof) == 417
    assert liquidation(37).multipliers == 0
    r1cs.verify(liquidation(37), commit_all(openings), statement, proof)


@pytest.mark.parametrize(
    ("multipliers", "length"), [(0, 417), (1, 417), (2, 481), (3, 545), (4, 545), (8, 609), (9, 673)]
)
def test_a_proof_grows_by_64_bytes_a_doubling(multipliers, length):
    openings = opened(3, 1, 3 * 2**multipliers)
    proof = r1cs.prove(product_circuit(multipliers), openings, STATEMENT, ENTROPY)
    assert len(proof) == length


def test_multipliers_of_the_second_phase_cost_96_bytes_once():
    tape = Tape()
    value = tape.commit(0)
    tape.verify([[(value, 1), (ONE, -5)], [(value, 1), (ONE, -6)], Gate.OR])
    proof = r1cs.prove(tape, opened(6), STATEMENT, ENTROPY)
    assert len(proof) == 417 + 96
    r1cs.verify(tape, commit_all(opened(6)), STATEMENT, proof)


def truth(values: tuple[int, int], tree: list[object]) -> bool:
    """Whether (a − 1 = 0) and (b − 1 = 0), named "a" and "b", make `tree` provable."""
    tape = Tape()
    a, b = tape.commit(0), tape.commit(1)
    leaves = {"a": [(a, 1), (ONE, -1)], "b": [(b, 1), (ONE, -1)]}
    tape.verify([leaves[token] if isinstance(token, str) else token for token in tree])
    openings = opened(*values)
    try:
        proof = r1cs.prove(tape, openings, STATEMENT, ENTROPY)
    except Rejected:
        return False
    r1cs.verify(tape, commit_all(openings), STATEMENT, proof)
    return True


@pytest.mark.parametrize("a", [0, 1])
@pytest.mark.parametrize("b", [0, 1])
def test_gates_have_their_truth_tables(a, b):
    assert truth((a, b), ["a", "b", Gate.AND]) == (a and b)
    assert truth((a, b), ["a", "b", Gate.OR]) == (a or b)
    assert truth((a, b), ["a", Gate.NOT]) == (not a)
    assert truth((a, b), ["a", Gate.NOT, Gate.NOT]) == a
    assert truth((a, b), ["a", "b", Gate.AND, Gate.NOT]) == (not (a and b))
    assert truth((a, b), ["a", "b", Gate.NOT, Gate.OR, "b", Gate.AND]) == (a and b)


def test_free_wires_are_left_then_right_of_one_multiplier():
    tape = Tape()
    total = tape.commit(0)
    left, right = tape.alloc(6), tape.alloc(7)
    assert (left, right) == (Variable(Kind.LEFT, 0), Variable(Kind.RIGHT, 0))
    tape.constrain([(Variable(Kind.OUTPUT, 0), 1), (total, -1)])
    assert tape.multipliers == 1
    proof = r1cs.prove(tape, opened(42), STATEMENT, ENTROPY)
    r1cs.verify(tape, commit_all(opened(42)), STATEMENT, proof)


def test_a_verifiers_tape_is_the_provers_without_assignments():
    def circuit(*values: int | None) -> Tape:
        tape = Tape()
        for value in values:
            tape.alloc(value)
        return tape

    assert circuit(1, 2).encoded() == circuit(None, None).encoded()
    with pytest.raises(Rejected):
        r1cs.prove(circuit(1, None), [], STATEMENT, ENTROPY)


@pytest.mark.parametrize("value", [0, 1, 2**63, 2**64 - 1])
def test_a_range_takes_what_fits(value):
    openings = opened(value)
    proof = r1cs.prove(range_circuit(), openings, STATEMENT, ENTROPY)
    r1cs.verify(range_circuit(), commit_all(openings), STATEMENT, proof)


@pytest.mark.parametrize("value", [-1, 2**64, 2**252])
def test_a_range_refuses_what_does_not_fit(value):
    with pytest.raises(Rejected):
        r1cs.prove(range_circuit(), opened(value), STATEMENT, ENTROPY)


@pytest.fixture(scope="module")
def proven():
    openings = opened(100, 60, 40, 1040, 1000)
    return liquidation(37), commit_all(openings), r1cs.prove(liquidation(37), openings, STATEMENT, ENTROPY)


def test_every_byte_of_a_proof_is_needed(proven):
    tape, commitments, proof = proven
    for i in range(len(proof)):
        for flip in (1, 0x80):
            forged = proof[:i] + bytes([proof[i] ^ flip]) + proof[i + 1 :]
            with pytest.raises(InvalidProof):
                r1cs.verify(tape, commitments, STATEMENT, forged)


def test_a_proof_is_bound_to_all_that_is_public(proven):
    tape, commitments, proof = proven
    swapped = [commitments[1], commitments[0], *commitments[2:]]
    identity = [bytes(32), *commitments[1:]]
    for other in (
        (tape, swapped, STATEMENT, proof),
        (tape, identity, STATEMENT, proof),
        (tape, commitments, STATEMENT + b"!", proof),
        (tape, commitments, None, proof),
        (tape, commitments, b"", proof),
        (product_circuit(0), commitments, STATEMENT, proof),
        (tape, commitments, STATEMENT, proof + b"\0"),
        (tape, commitments, STATEMENT, proof + bytes(32)),
        (tape, commitments, STATEMENT, proof[:-32]),
        (tape, commitments, STATEMENT, b""),
        (tape, [*commitments, commitments[0]], STATEMENT, proof),
    ):
        with pytest.raises(InvalidMessage):
            r1cs.verify(*other)


def test_the_seeds_program_does_not_bind_the_liquidation_price():
    """Why the strict profile absorbs a statement: LP cancels out, so one proof's relation holds for any LP."""
    openings = opened(100, 60, 40, 1040, 1000)
    for price in (1, 37, -5):
        proof = r1cs.prove(liquidation(price), openings, None, ENTROPY)
        r1cs.verify(liquidation(price), commit_all(openings), None, proof)


def test_the_seeds_program_bounds_nothing():
    """A payment of −40 turns the loss into a gain: nothing in the seed's program keeps P from wrapping."""
    openings = opened(100, 140, -40, 960, 1000)
    proof = r1cs.prove(liquidation(37), openings, None, ENTROPY)
    r1cs.verify(liquidation(37), commit_all(openings), None, proof)


def test_commitments_must_be_canonical_points(proven):
    tape, commitments, proof = proven
    with pytest.raises(InvalidMessage) as caught:
        r1cs.verify(tape, [b"\xff" * 32, *commitments[1:]], STATEMENT, proof)
    assert caught.value.code == "point.non_canonical"


def test_a_tape_may_only_name_given_commitments(proven):
    tape, commitments, proof = proven
    with pytest.raises(InvalidMessage) as caught:
        r1cs.verify(tape, commitments[:-1], STATEMENT, proof)
    assert caught.value.code == "tape.commitment"


def test_a_tape_may_only_name_wires_that_exist():
    tape = Tape()
    tape.constrain([(Variable(Kind.LEFT, 0), 1)])
    with pytest.raises(InvalidMessage) as caught:
        r1cs.prove(tape, [], STATEMENT, ENTROPY)
    assert caught.value.code == "tape.variable"


@pytest.mark.parametrize("tree", [[], [Gate.AND], [[], []], [[], Gate.OR]])
def test_a_tree_comes_to_one_result(tree):
    tape = Tape()
    tape.verify(tree)
    with pytest.raises(InvalidMessage) as caught:
        r1cs.prove(tape, [], STATEMENT, ENTROPY)
    assert caught.value.code == "tape.tree"


def test_circuits_have_a_bound():
    tape = Tape()
    for _ in range(256):
        tape.range64([(ONE, 1)])
    with pytest.raises(InvalidMessage):
        tape.range64([(ONE, 1)])


def test_proofs_are_a_function_of_their_inputs():
    openings = opened(100, 60, 40, 1040, 1000)
    prove = lambda entropy: r1cs.prove(liquidation(37), openings, STATEMENT, entropy)  # noqa: E731
    assert prove(ENTROPY) == prove(ENTROPY)
    assert prove(ENTROPY) != prove(bytes(32))
    with pytest.raises(InvalidMessage):
        prove(b"short")


@pytest.mark.parametrize("first", [0, 3, 6])
def test_a_batch_names_the_first_bad_item(proven, first):
    tape, commitments, proof = proven
    good = Item(tape, commitments, STATEMENT, proof)
    bad = Item(tape, commitments, b"other", proof)
    r1cs.verify_batch([good] * 7)
    with pytest.raises(InvalidProof) as caught:
        r1cs.verify_batch([good] * first + [bad] * (7 - first))
    assert caught.value.facts["index"] == first


def test_an_empty_batch_holds():
    r1cs.verify_batch([])
