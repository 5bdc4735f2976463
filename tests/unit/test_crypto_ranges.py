"""Aggregated range proofs through Python."""

import pytest

from fairway.crypto import ranges
from fairway.crypto.pedersen import Opening, combine, commit_all
from fairway.errors import InvalidMessage, InvalidProof, Rejected

ENTROPY = bytes(range(32))


def opened(*values: int) -> list[Opening]:
    return [Opening(value, 11**i + 2) for i, value in enumerate(values)]


def item(openings, bits=8, statement=b"s"):
    return commit_all(openings), bits, statement, ranges.prove(openings, bits, statement, ENTROPY)


@pytest.mark.parametrize("bits", ranges.WIDTHS)
@pytest.mark.parametrize("values", [1, 2, 3, 5])
def test_the_ends_of_a_range_are_proven(bits, values):
    openings = opened(*(0 if i % 2 else 2**bits - 1 for i in range(values)))
    ranges.verify_batch([item(openings, bits)])


@pytest.mark.parametrize("value", [-1, 256, 2**64, -(2**70)])
def test_what_is_out_of_range_is_not_proven(value):
    with pytest.raises(Rejected):
        ranges.prove(opened(1, value), 8, b"s", ENTROPY)


def test_proofs_of_many_shapes_make_one_batch_and_the_first_bad_is_named():
    items = [item(opened(1, 2, 3)), item(opened(77), 32), item(opened(5, 6), 64, b"t"), item(opened(9))]
    ranges.verify_batch(items)
    for bad in range(4):
        commitments, bits, statement, proof = items[bad]
        forged = [*items[:bad], (commitments, bits, statement + b"!", proof), *items[bad + 1 :]]
        with pytest.raises(InvalidProof) as caught:
            ranges.verify_batch(forged)
        assert caught.value.facts["index"] == bad


def test_every_byte_of_a_proof_is_needed():
    commitments, bits, statement, proof = item(opened(1, 200))
    for i in range(len(proof)):
        forged = proof[:i] + bytes([proof[i] ^ 1]) + proof[i + 1 :]
        with pytest.raises(InvalidProof):
            ranges.verify_batch([(commitments, bits, statement, forged)])


def test_a_proof_is_bound_to_values_width_and_statement():
    commitments, bits, statement, proof = item(opened(1, 2, 3))
    for forged in (
        (commitments[::-1], bits, statement, proof),
        (commitments[:2], bits, statement, proof),
        ([*commitments, commitments[0]], bits, statement, proof),
        (commitments, 16, statement, proof),
        (commitments, bits, b"", proof),
        (commitments, bits, statement, proof + b"\0"),
        (commitments, bits, statement, b""),
    ):
        with pytest.raises(InvalidProof):
            ranges.verify_batch([forged])


def test_padding_is_the_commitment_to_zero():
    """Three values and a fourth that is openly zero are one statement."""
    commitments, bits, statement, proof = item(opened(1, 2, 3))
    ranges.verify_batch([([*commitments, bytes(32)], bits, statement, proof)])


def test_a_value_beyond_the_range_cannot_borrow_the_proof_of_another():
    """C(300) = C(44) + 256·B would need a proof of its own: the old one is not one for it."""
    openings = opened(44)
    commitments, bits, statement, proof = item(openings)
    base = commit_all([Opening(1, 0)])[0]
    lifted = combine([(1, commitments[0]), (256, base)])
    with pytest.raises(InvalidProof):
        ranges.verify_batch([([lifted], bits, statement, proof)])


@pytest.mark.parametrize("count", [0, 65])
def test_there_are_1_to_64_values(count):
    with pytest.raises(InvalidMessage):
        ranges.prove(opened(*range(count)), 8, b"s", ENTROPY)
    with pytest.raises(InvalidMessage):
        ranges.verify_batch([([bytes(32)] * count, 8, b"s", bytes(700))])


@pytest.mark.parametrize("bits", [0, 1, 63, 65, 128])
def test_other_widths_are_refused(bits):
    with pytest.raises(InvalidMessage):
        ranges.prove(opened(1), bits, b"s", ENTROPY)
    with pytest.raises(InvalidMessage):
        ranges.verify_batch([(commit_all(opened(1)), bits, b"s", bytes(700))])


def test_proving_wants_its_entropy():
    with pytest.raises(InvalidMessage):
        ranges.prove(opened(1), 8, b"s", b"")
