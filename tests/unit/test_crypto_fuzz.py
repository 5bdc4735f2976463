"""No bytes make the core raise anything but its own error, and none but the right ones are accepted."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairway import _core
from fairway.crypto import r1cs, ranges
from fairway.crypto.pedersen import Opening
from fairway.crypto.r1cs import ONE, Gate, Tape
from fairway.errors import InvalidMessage

ENTROPY = bytes(32)


def circuit() -> Tape:
    tape = Tape()
    value = tape.commit(0)
    _, _, square = tape.multiply([(value, 1)], [(value, 1)])
    tape.constrain([(square, 1), (ONE, -9)])
    tape.verify([[(value, 1), (ONE, -3)], [(value, 1), (ONE, 3)], Gate.OR])
    return tape


OPENING = Opening(3, 5)
TAPE = circuit().encoded()
PROOF = r1cs.prove(circuit(), [OPENING], b"s", ENTROPY)
RANGE = ranges.prove([OPENING], 8, b"s", ENTROPY)


@st.composite
def damaged(draw, original: bytes):
    """`original` with a slice replaced, so that most of it still parses."""
    start = draw(st.integers(0, len(original)))
    end = draw(st.integers(start, min(len(original), start + 40)))
    return original[:start] + draw(st.binary(max_size=40)) + original[end:]


@settings(max_examples=300, deadline=None)
@given(damaged(PROOF), damaged(OPENING.commitment), st.none() | st.binary(max_size=3))
def test_only_the_proof_for_all_that_is_public_is_accepted(proof, commitment, statement):
    item = (TAPE, commitment, statement, proof)
    if item == (TAPE, OPENING.commitment, b"s", PROOF):
        return
    with pytest.raises(_core.CoreError):
        _core.r1cs_verify_batch([item])


@settings(max_examples=300, deadline=None)
@given(damaged(TAPE))
def test_any_tape_is_understood_or_refused(tape):
    """A tape that says the same in more words may be accepted, so only the kind of error is at stake."""
    try:
        _core.r1cs_verify_batch([(tape, OPENING.commitment, b"s", PROOF)])
    except _core.CoreError as error:
        assert error.args[0] in {"encoding", "proof"}  # noqa: PT017


@settings(max_examples=300, deadline=None)
@given(damaged(TAPE), st.binary(max_size=100))
def test_the_prover_understands_or_refuses(tape, assignments):
    values = OPENING.value.to_bytes(32, "little")
    blindings = OPENING.blinding.to_bytes(32, "little")
    try:
        proof = _core.r1cs_prove(tape, values, blindings, OPENING.commitment, assignments, b"s", ENTROPY)
    except _core.CoreError:
        return
    _core.r1cs_verify_batch([(tape, OPENING.commitment, b"s", proof)])


@settings(max_examples=200, deadline=None)
@given(damaged(RANGE), st.sampled_from((0, 8, 16, 64, 65)))
def test_the_range_verifier_understands_or_refuses(proof, bits):
    if (proof, bits) == (RANGE, 8):
        return
    with pytest.raises(InvalidMessage):
        ranges.verify_batch([([OPENING.commitment], bits, b"s", proof)])


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_sums_and_commitments_understand_or_refuse(left, right):
    for function in (_core.combine, _core.commit_batch):
        try:
            assert len(function(left, right)) % 32 == 0
        except _core.CoreError as error:
            assert error.args[0] == "encoding"  # noqa: PT017
