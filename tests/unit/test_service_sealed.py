"""Secrets at rest: what is sealed opens with its passphrase and label, and with nothing else."""

import pytest

from fairway.crypto.sealed import ENTROPY_SIZE, Cost, seal, unseal
from fairway.errors import FairwayError, InvalidMessage, Rejected

CHEAP = Cost(passes=1, memory_kib=8)
SEALED = seal(b"s" * 32, b"correct horse", "service root", bytes(range(ENTROPY_SIZE)), CHEAP)


def test_what_is_sealed_opens_again():
    assert unseal(SEALED, b"correct horse", "service root") == b"s" * 32


def test_the_secret_is_not_in_the_sealed_bytes():
    assert b"ssss" not in SEALED


@pytest.mark.parametrize(("passphrase", "label"), [(b"wrong", "service root"), (b"correct horse", "user seed")])
def test_another_passphrase_or_label_is_rejected_with_a_stable_code(passphrase, label):
    with pytest.raises(Rejected) as caught:
        unseal(SEALED, passphrase, label)
    assert caught.value.code == "sealed.passphrase"


def test_every_altered_byte_is_refused():
    for at in range(len(SEALED)):
        altered = SEALED[:at] + bytes((SEALED[at] ^ 0x80,)) + SEALED[at + 1 :]
        with pytest.raises(FairwayError) as caught:
            unseal(altered, b"correct horse", "service root")
        assert caught.value.code in {"sealed.format", "sealed.passphrase"}


@pytest.mark.parametrize("stump", [b"", SEALED[:-1], SEALED[:40], b"\0" * 200])
def test_bytes_that_are_no_sealed_secret_never_open(stump):
    with pytest.raises((InvalidMessage, Rejected)):
        unseal(stump, b"correct horse", "service root")


def test_a_file_cannot_make_us_work_without_bound():
    greedy = SEALED[:16] + (2**31).to_bytes(4) + SEALED[20:]
    with pytest.raises(InvalidMessage, match="unlawful amount of work"):
        unseal(greedy, b"correct horse", "service root")


def test_entropy_of_another_size_is_our_own_mistake():
    with pytest.raises(ValueError, match="40 bytes"):
        seal(b"", b"", "", b"short", CHEAP)
