"""Scalars and commitments: canonical encodings, additivity, secrets out of sight."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairway.crypto import pedersen
from fairway.crypto.pedersen import Opening, combine, commit, commit_all
from fairway.crypto.scalars import ORDER, derive_scalar, from_bytes, to_bytes
from fairway.errors import InvalidMessage

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "zk-vectors.json").read_text())
BASE = bytes.fromhex(VECTORS["generators"]["B"])
IDENTITY = bytes(32)

integers = st.integers(min_value=-(2**260), max_value=2**260)


@given(integers)
def test_encoding_is_canonical_and_reduces(value):
    assert from_bytes(to_bytes(value)) == value % ORDER


@pytest.mark.parametrize("value", [ORDER, ORDER + 1, 2**253, 2**256 - 1])
def test_scalars_that_are_not_canonical_are_refused(value):
    with pytest.raises(InvalidMessage):
        from_bytes(value.to_bytes(32, "little"))


@pytest.mark.parametrize("length", [0, 31, 33])
def test_scalars_of_another_length_are_refused(length):
    with pytest.raises(InvalidMessage):
        from_bytes(bytes(length))


def test_derived_scalars_differ_by_their_parts():
    scalars = {derive_scalar(b"s", b"ab"), derive_scalar(b"s", b"a", b"b"), derive_scalar(b"t", b"ab")}
    assert len(scalars) == 3
    assert all(0 < scalar < ORDER for scalar in scalars)


def test_the_bases_are_the_published_ones():
    assert commit(1, 0) == BASE
    assert commit(0, 1).hex() == VECTORS["generators"]["B_blinding"]
    assert commit(7, 11).hex() == VECTORS["generators"]["commit_7_11"]


def test_multiples_of_the_base_are_those_of_rfc_9496():
    for factor, expected in enumerate(VECTORS["ristretto255_multiples_of_B"]):
        assert combine([(factor, BASE)]).hex() == expected
        assert commit(factor, 0).hex() == expected


@given(integers, integers, integers, integers)
def test_commitments_add_as_their_openings_do(a, r, b, s):
    left, right = Opening(a, r), Opening(b, s)
    assert combine([(1, left.commitment), (1, right.commitment)]) == (left + right).commitment
    assert combine([(1, left.commitment), (-1, right.commitment)]) == (left - right).commitment
    assert combine([(a, right.commitment)]) == commit(a * b, a * s)


def test_the_empty_sum_is_the_identity():
    assert combine([]) == IDENTITY
    assert commit(0, 0) == IDENTITY
    assert combine([(3, IDENTITY)]) == IDENTITY


def test_a_batch_commits_as_one_by_one():
    openings = [Opening(i - 3, i * i) for i in range(7)]
    known = openings[2].commitment
    assert commit_all(openings) == [commit(opening.value, opening.blinding) for opening in openings]
    assert openings[2].commitment is known
    assert commit_all([]) == []


def test_secrets_stay_out_of_sight():
    opening = Opening(123456789, 987654321)
    assert "123456789" not in repr(opening)
    assert "987654321" not in repr(opening)


def test_openings_are_equal_by_value_whether_or_not_the_commitment_is_known():
    known, fresh = Opening(1, 2), Opening(1, 2 + ORDER)
    assert known.commitment
    assert known == fresh
    assert hash(known) == hash(fresh)


@pytest.mark.parametrize("point", [b"\xff" * 32, (2**255 - 19).to_bytes(32, "little"), b"\x01" + bytes(31)])
def test_points_that_are_not_canonical_are_refused(point):
    with pytest.raises(InvalidMessage) as caught:
        combine([(1, point)])
    assert caught.value.code == "point.non_canonical"


def test_points_of_another_length_are_refused():
    with pytest.raises(InvalidMessage):
        combine([(1, bytes(31))])
    with pytest.raises(InvalidMessage):
        combine([(1, bytes(64))])


def test_scalars_beyond_the_order_do_not_enter_the_core():
    with pytest.raises(InvalidMessage) as caught, pedersen.translated():
        pedersen._core.combine(ORDER.to_bytes(32, "little"), BASE)
    assert caught.value.code == "scalar.non_canonical"
