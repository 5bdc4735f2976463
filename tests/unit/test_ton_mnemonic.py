"""24 words as every TON wallet reads them: published vectors of words, keys and addresses."""

import pytest
from wallet_words import VECTORS

from fairway.crypto.keys import Signer
from fairway.errors import Rejected
from fairway.ton.address import Address
from fairway.ton.mnemonic import WORDS, check_words, draw_words, words_seed
from fairway.ton.wallet import MAINNET, TESTNET, Wallet

GOOD = VECTORS[0][0].split()


@pytest.mark.parametrize(("words", "expected"), VECTORS)
def test_published_words_give_the_published_key(words, expected):
    seed = words_seed(check_words(words.split()))
    assert seed.hex() + Signer.of(seed).key.hex() == expected


def test_a_published_key_has_the_published_address():
    key = bytes.fromhex("5754865e86d0ade1199301bbb0319a25ed6b129c4b0a57f28f62449b3df9c522")
    address = Address.parse(Wallet(key, MAINNET).address).friendly(bounceable=False)
    assert address == "UQBiUbwjoB56b7CYtoiPnY5vPh2Fwjva6jEPBhqnttjQKpce"
    assert Wallet(key, MAINNET).wallet_id == 0x7FFFFF11
    assert Wallet(key, TESTNET).wallet_id == 0x7FFFFFFD


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (GOOD[:-1], "mnemonic.count"),
        ([*GOOD[:6], "chargee", *GOOD[7:]], "mnemonic.word"),
        ([*GOOD[:6], "change", *GOOD[7:]], "mnemonic.checksum"),
        (["abandon"] * 23 + ["about"], "mnemonic.checksum"),
    ],
)
def test_wrong_words_are_refused_by_what_is_wrong(words, code):
    with pytest.raises(Rejected) as caught:
        check_words(words)
    assert caught.value.code == code
    assert code != "mnemonic.word" or caught.value.facts["position"] == 7


def test_case_and_space_are_no_other_word():
    assert check_words([f" {word.upper()} " for word in GOOD]) == tuple(GOOD)


def test_drawn_words_are_lawful_and_all_bits_count():
    number = sum(WORDS.index(word) << 11 * place for place, word in enumerate(reversed(GOOD)))
    assert draw_words(number.to_bytes(33)) == tuple(GOOD)
    drawn = [draw_words(bytes([place]) * 33) for place in range(8)]
    assert any(words is None for words in drawn)
