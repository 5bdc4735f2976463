"""The contract's messages: laid out bit by bit here, and taken apart again."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairway.channel.codec import (
    Adopt,
    Agreed,
    Challenge,
    Close,
    Closed,
    Commit,
    Finish,
    Init,
    OpenChallenge,
    OpenSettle,
    Recall,
    Settle,
    Signed,
    Start,
    TopUp,
    Withdrawn,
    channel_id,
    decode,
    encode,
)
from fairway.channel.state import Body, Half, SignedHalf
from fairway.crypto.keys import Signer
from fairway.errors import InvalidMessage, InvalidSignature
from fairway.ton.address import Address
from fairway.ton.cells import Bits, Builder, cell_hash, from_boc, to_boc, to_cell

A, B = Signer.of(b"a" * 32), Signer.of(b"b" * 32)
ONE, TWO = b"\x01" * 64, b"\x02" * 64
PROOF = Builder().store_uint(3, 8).end_cell()
INPUTS = Builder().store_uint(4, 8).end_cell()
HALF_A = SignedHalf(Half(7, Body(5, 10, bytes(32)), Body(4, 20, bytes(32))), ONE)
HALF_B = SignedHalf(Half(7, Body(4, 20, bytes(32))), TWO)
PAIR = (HALF_A.to_cell(), HALF_B.to_cell())
SIGNATURES = (Bits().raw(ONE).cell(), Bits().raw(TWO).cell())

MESSAGES = [
    (Signed(True, ONE, Init(7)), Bits().uint(32, 0x79AE99B5).uint(1, 1).raw(ONE).uint(32, 0x481EBC44).uint(128, 7), ()),
    (
        Agreed(ONE, TWO, Close(7, 10, 0, 5, 4)),
        Bits().uint(32, 0xD2B1EEEB).uint(32, 0x8243E9A3).uint(128, 7).coins(10).coins(0).uint(64, 5).uint(64, 4),
        SIGNATURES,
    ),
    (
        Agreed(ONE, TWO, Commit(7, 10, 300, 5, 4, 6, 0)),
        Bits().uint(32, 0x076BFDF1).uint(32, 0x4A390CAC).uint(128, 7).coins(10).coins(300).uint(64, 5).uint(64, 4)
        .coins(6).coins(0),
        SIGNATURES,
    ),
    (
        Signed(False, TWO, Start(7, HALF_A, HALF_B)),
        Bits().uint(32, 0x8175E15D).uint(1, 0).raw(TWO).uint(32, 0x8C623692).uint(128, 7),
        PAIR,
    ),
    (
        Signed(True, ONE, Challenge(7, HALF_A, HALF_B)),
        Bits().uint(32, 0x9A77C0DB).uint(1, 1).raw(ONE).uint(32, 0xB8A21379).uint(128, 7),
        PAIR,
    ),
    (
        OpenChallenge(Challenge(7, HALF_A, HALF_B)),
        Bits().uint(32, 0xADDF8422).uint(32, 0xB8A21379).uint(128, 7),
        PAIR,
    ),
    (
        Signed(True, ONE, Settle(7, INPUTS, PROOF)),
        Bits().uint(32, 0x56C39B4C).uint(1, 1).raw(ONE).uint(32, 0x14588AAB).uint(128, 7).uint(1, 1),
        (INPUTS, PROOF),
    ),
    (
        OpenSettle(False, Settle(7, None, PROOF)),
        Bits().uint(32, 0x9584FB43).uint(1, 0).uint(32, 0x14588AAB).uint(128, 7).uint(1, 0),
        (PROOF,),
    ),
    (
        Agreed(ONE, TWO, Close(7, 0, 10, 5, 4)),
        Bits().uint(32, 0xD2B1EEEB).uint(32, 0x8243E9A3).uint(128, 7).coins(0).coins(10).uint(64, 5).uint(64, 4),
        SIGNATURES,
    ),
    (Adopt(HALF_A, HALF_B, PROOF), Bits().uint(32, 0xAFA4D7C5), (*PAIR, PROOF)),
    (Recall(HALF_A, HALF_B), Bits().uint(32, 0xCF2EEF00), PAIR),
    (Closed(7, 300), Bits().uint(32, 0xDDDC88BA).uint(128, 7).coins(300), ()),
    (TopUp(True), Bits().uint(32, 0x593E3893).uint(1, 1), ()),
    (Finish(), Bits().uint(32, 0x25432A91), ()),
    (Closed(7), Bits().uint(32, 0xDDDC88BA).uint(128, 7), ()),
    (Withdrawn(7), Bits().uint(32, 0xA32F0B3C).uint(128, 7), ()),
]  # fmt: skip


@pytest.mark.parametrize(("message", "bits", "refs"), MESSAGES)
def test_a_message_is_laid_out_as_the_schema_says(message, bits, refs):
    body = encode(message)
    assert cell_hash(body) == bits.cell(*refs).hash
    assert decode(from_boc(to_boc(body))) == message


@pytest.mark.parametrize(("message", "bits", "refs"), MESSAGES)
def test_a_message_has_one_form(message, bits, refs):
    body = to_cell(bits.cell(*refs))
    longer = Builder().store_cell(body).store_bit(0).end_cell()
    heavier = Builder().store_cell(body).store_ref(PROOF).end_cell()
    shorter = Builder().store_bits(body.bits[:-1]).end_cell()
    for wrong in (longer, heavier, shorter):
        with pytest.raises(InvalidMessage) as caught:
            decode(wrong)
        assert caught.value.code == "channel.message"


@pytest.mark.parametrize("body", [b"", b"\0\0\0\1", b"\xff" * 40])
def test_an_unknown_message_is_invalid(body):
    with pytest.raises(InvalidMessage) as caught:
        decode(to_cell(Bits().raw(body).cell()))
    assert caught.value.code == "channel.message"


@given(st.sampled_from(MESSAGES), st.integers(0, 10**6), st.integers(0, 1023))
def test_a_changed_bit_gives_another_message_or_an_invalid_one(case, at, length):
    message, bits, refs = case
    body = to_cell(bits.cell(*refs))
    flipped = body.bits.copy()
    flipped[at % len(flipped)] ^= 1
    for changed in (flipped, body.bits[:length]):
        with suppress(InvalidMessage):
            cell = Builder().store_bits(changed).end_cell()
            for ref in refs:
                cell = Builder().store_cell(cell).store_ref(to_cell(ref)).end_cell()
            assert encode(decode(cell)) == cell
            assert (decode(cell) == message) == (cell == body)


def test_a_message_is_verified_against_the_side_it_names():
    statement = Init(7)
    signatures = A.sign(statement.digest()), B.sign(statement.digest())
    Signed(True, signatures[0], statement).verify(A.key, B.key)
    Agreed(*signatures, statement).verify(A.key, B.key)
    for wrong in (Signed(False, signatures[0], statement), Agreed(*signatures[::-1], statement)):
        with pytest.raises(InvalidSignature):
            wrong.verify(A.key, B.key)


def test_a_channel_id_binds_everything_it_is_made_of():
    vault = Address(0, b"v" * 32)
    first = (-239, vault, A.key, B.key, bytes(32))
    others = [(-3, Address(0, b"w" * 32), B.key, A.key, b"s" * 32)[at] for at in range(5)]
    ids = {channel_id(*first[:at], other, *first[at + 1 :]) for at, other in enumerate(others)} | {channel_id(*first)}
    assert len(ids) == 6
    assert all(0 <= each < 1 << 128 for each in ids)
    with pytest.raises(InvalidMessage):
        channel_id(*first[:4], b"short")
