"""The transcript that hashes in public against the plain one."""

import merlin
from hypothesis import given, settings
from hypothesis import strategies as st

from fairway.crypto.merlin import Transcript
from fairway.crypto.scalars import ORDER


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=9), st.binary(max_size=400)), max_size=4), st.integers(1, 300))
def test_a_transcript_draws_what_the_reference_draws(messages, length):
    ours, reference = Transcript(b"law"), merlin.Transcript(b"law")
    for label, message in messages:
        ours.append(label, message)
        reference.append_message(label, message)
    fork, again = ours.fork(), ours.fork()
    assert ours.challenge(b"c", length) == reference.challenge_bytes(b"c", length)
    again.append(b"more", b"")
    assert fork.challenge(b"c", length) != again.challenge(b"c", length) or length < 16
    assert fork.challenge_scalar(b"s") == int.from_bytes(reference.challenge_bytes(b"s", 64), "little") % ORDER
