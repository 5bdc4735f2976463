"""The Rust core and the plain Python verifier agree: on recorded proofs, on ours, and on forgeries."""

import hashlib
import json
import os
import random
from pathlib import Path

import merlin
import pytest
import ristretto
from r1cs_verifier import Refused, verify

from fairway.crypto import pedersen, r1cs
from fairway.crypto.pedersen import Opening, commit_all
from fairway.crypto.r1cs import ONE, Gate, Tape
from fairway.errors import InvalidMessage

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "zk-vectors.json").read_text())
ENTROPY = bytes(32)


def opened(*values: int) -> list[Opening]:
    return [Opening(value, 13**i + 5) for i, value in enumerate(values)]


def both_accept(tape: Tape, commitments: list[bytes], statement: bytes | None, proof: bytes) -> None:
    r1cs.verify(tape, commitments, statement, proof)
    verify(tape.encoded(), commitments, statement, proof)


def test_keccak_is_keccak():
    state = bytearray(200)
    state[:1], state[135] = b"\x06", 0x80
    merlin.permute(state)
    assert bytes(state[:32]) == hashlib.sha3_256(b"").digest()


def test_transcripts_draw_the_recorded_challenges():
    simple, complex_, appended = VECTORS["merlin"]
    transcript = merlin.Transcript(b"test protocol")
    transcript.append_message(b"some label", b"some data")
    assert transcript.challenge_bytes(b"challenge", 32).hex() == simple["challenge"]
    transcript = merlin.Transcript(b"test protocol")
    transcript.append_message(b"step1", b"some data")
    for expected in complex_["challenges"][:6]:
        drawn = transcript.challenge_bytes(b"challenge", 32)
        assert drawn.hex() == expected
        transcript.append_message(b"bigdata", b"\x63" * 1024)
        transcript.append_message(b"challengedata", drawn)
    transcript = merlin.Transcript(b"u64")
    transcript.append_u64(b"n", 0x0102030405060708)
    assert transcript.challenge_bytes(b"c", 64).hex() == appended["challenge"]


def test_the_group_is_ristretto255():
    for factor, expected in enumerate(VECTORS["ristretto255_multiples_of_B"]):
        point = ristretto.multiply(factor, ristretto.BASE)
        assert ristretto.encode(point).hex() == expected
        assert ristretto.equal(ristretto.decode(bytes.fromhex(expected)), point)
    for encoded in (b"\xff" * 32, ristretto.P.to_bytes(32, "little"), b"\x01" + bytes(31)):
        with pytest.raises(ValueError):
            ristretto.decode(encoded)


def test_the_bases_are_the_published_ones():
    assert ristretto.encode(ristretto.BLINDING_BASE).hex() == VECTORS["generators"]["B_blinding"]
    chain = [ristretto.encode(point).hex() for point in ristretto.generators(b"G", 8)]
    assert chain == VECTORS["generators"]["G_party0"]


def test_both_decode_the_same_points():
    accepted = 0
    for seed in range(60):
        encoded = bytearray(hashlib.sha256(bytes([seed])).digest())
        encoded[0] &= 0xFE
        encoded[31] &= 0x7F
        try:
            ristretto.decode(bytes(encoded))
        except ValueError:
            with pytest.raises(InvalidMessage):
                pedersen.combine([(1, bytes(encoded))])
        else:
            accepted += 1
            assert pedersen.combine([(1, bytes(encoded))]) == encoded
    assert 5 < accepted < 55


@pytest.mark.parametrize("vector", VECTORS["r1cs"][:2], ids=lambda vector: vector["statement"])
def test_recorded_proofs_verify_with_both(vector):
    tape = Tape()
    first, second, third = (tape.commit(i) for i in range(3))
    product = first
    for _ in range(vector["k"]):
        _, _, product = tape.multiply([(product, 1)], [(second, 1), (ONE, 1)])
    tape.constrain([(product, 1), (third, -1)])
    both_accept(tape, [bytes.fromhex(v) for v in vector["V"]], None, bytes.fromhex(vector["proof"]))


def gates() -> Tape:
    """Every gate, a multiplication and free wires: 3 multipliers in the first phase, 3 in the second."""
    tape = Tape()
    a, b = tape.commit(0), tape.commit(1)
    _, _, product = tape.multiply([(a, 2)], [(b, 1), (ONE, -1)])
    left, right = tape.alloc(9), tape.alloc(4)
    tape.constrain([(left, 1), (right, -1), (ONE, -5)])
    tape.constrain([(product, 1), (ONE, -80)])
    tape.commit(0)
    tape.verify([[(a, 1), (ONE, -5)], [(b, 1), (a, -1)], Gate.NOT, Gate.AND])
    tape.verify([[(a, 1), (ONE, -6)], [(b, 1), (ONE, -9)], Gate.OR])
    return tape


@pytest.mark.parametrize("statement", [None, b"statement"])
def test_every_gate_verifies_with_both(statement):
    openings = opened(5, 9)
    proof = r1cs.prove(gates(), openings, statement, ENTROPY)
    assert proof[0] == 1, "two phases"
    both_accept(gates(), commit_all(openings), statement, proof)


def test_a_range_verifies_with_both():
    tape = Tape()
    tape.range64([(tape.commit(0), 1)])
    openings = opened(2**64 - 2)
    both_accept(tape, commit_all(openings), b"s", r1cs.prove(tape, openings, b"s", ENTROPY))


def test_the_plain_verifier_refuses_forgeries_too():
    """The planted lies: an oracle that takes everything would agree with everything."""
    tape = Tape()
    value = tape.commit(0)
    tape.constrain([(value, 1), (ONE, -5)])
    openings = opened(5)
    commitments, proof = commit_all(openings), r1cs.prove(tape, openings, b"s", ENTROPY)
    both_accept(tape, commitments, b"s", proof)
    for element in range(13):
        forged = bytearray(proof)
        forged[1 + 32 * element] ^= 2
        with pytest.raises((Refused, ValueError)):
            verify(tape.encoded(), commitments, b"s", bytes(forged))
    for other in (
        (commit_all(opened(6)), b"s", proof),
        (commitments, b"t", proof),
        (commitments, None, proof),
        (commitments, b"s", proof + b"\0"),
        (commitments, b"s", b"\x01" + proof[1:]),
        (commitments, b"s", proof[:1] + bytes(32) + proof[33:]),
    ):
        with pytest.raises((Refused, ValueError)):
            verify(tape.encoded(), *other)


PROOFS = int(os.environ.get("FAIRWAY_REFERENCE_PROOFS", "100"))
SEEDS = 10


def random_circuit(rng: random.Random) -> tuple[Tape, list[Opening]]:
    """A small circuit of every kind of operation that its values satisfy."""
    tape = Tape()
    openings = [Opening(rng.randrange(-(2**64), 2**64), rng.getrandbits(250)) for _ in range(rng.randint(1, 3))]
    wires = [(tape.commit(i), opening.value) for i, opening in enumerate(openings)]

    def linear(target=None):
        terms = [(*rng.choice(wires), rng.randrange(-(2**32), 2**32)) for _ in range(rng.randint(1, 2))]
        value = sum(known * factor for _, known, factor in terms)
        shift = 0 if target is None else target - value
        return [*((wire, factor) for wire, _, factor in terms), (ONE, shift)], value + shift

    for _ in range(rng.randint(0, 3)):
        kind = rng.randrange(3)
        if kind == 0:
            (left, a), (right, b) = linear(), linear()
            _, _, output = tape.multiply(left, right)
            wires.append((output, a * b))
        elif kind == 1:
            a, b = rng.getrandbits(64), rng.getrandbits(64)
            wires += [(tape.alloc(a), a), (tape.alloc(b), b)]
        else:
            tape.constrain(linear(0)[0])
    true, false = linear(0)[0], linear(rng.randint(1, 9))[0]
    tree = [
        [true],
        [false, Gate.NOT],
        [false, true, Gate.OR],
        [true, true, Gate.AND],
        [false, Gate.NOT, true, Gate.AND],
    ]
    for _ in range(rng.randint(0, 2)):
        tape.verify(rng.choice(tree))
    return tape, openings


@pytest.mark.parametrize("seed", range(SEEDS))
def test_random_proofs_and_their_forgeries_are_judged_alike_by_both(seed):
    """`make fuzz` has a thousand of them. One proof in ten is altered too, and both refuse it."""
    rng = random.Random(seed)
    for i in range(PROOFS // SEEDS):
        tape, openings = random_circuit(rng)
        proof = r1cs.prove(tape, openings, b"s", ENTROPY)
        both_accept(tape, commit_all(openings), b"s", proof)
        if i % 10 == 0:
            at = rng.randrange(len(proof))
            forged = proof[:at] + bytes([proof[at] ^ 1 << rng.randrange(8)]) + proof[at + 1 :]
            with pytest.raises(InvalidMessage):
                r1cs.verify(tape, commit_all(openings), b"s", forged)
            with pytest.raises((Refused, ValueError)):
                verify(tape.encoded(), commit_all(openings), b"s", forged)
