"""Ed25519 keys and seeds: what is not canonical or of full order is refused."""

from hashlib import sha512

import pytest
from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError

from fairway.crypto.keys import Signer, check_public_key, derive_seed, expand, public_key, sign, verify
from fairway.errors import InvalidMessage, InvalidSignature, WeakKey

FIELD = 2**255 - 19
GROUP = 2**252 + 27742317777372353535851937790883648493
SEED = bytes(range(32))

# The eight points of small order, and the encodings of theirs that are not canonical (y + p, or a sign bit on x = 0).
SMALL_ORDER_Y = (
    0,
    1,
    FIELD - 1,
    2707385501144840649318225287225658788936804267575313519463743609750303021722,
    55188659117513257062467267217118295137698188065244968500265048394206261417927,
)
SMALL_ORDER = [
    (y | sign_bit << 255).to_bytes(32, "little")
    for base in SMALL_ORDER_Y
    for y in (base, base + FIELD)
    if y < 2**255
    for sign_bit in (0, 1)
]


def on_curve_with_torsion() -> bytes:
    """A point of order 8·ℓ or 2·ℓ: an honest key plus the point of order two, which negates both coordinates."""
    y = int.from_bytes(public_key(SEED), "little")
    sign_bit, y = y >> 255, y & (2**255 - 1)
    return ((FIELD - y) | (1 - sign_bit) << 255).to_bytes(32, "little")


@pytest.mark.parametrize("key", SMALL_ORDER, ids=lambda key: key.hex()[:8])
def test_keys_of_small_order_are_weak(key):
    with pytest.raises(WeakKey):
        check_public_key(key)


def test_a_key_with_a_torsion_component_is_weak():
    with pytest.raises(WeakKey):
        check_public_key(on_curve_with_torsion())


@pytest.mark.parametrize("y", [FIELD, FIELD + 3, FIELD + 18, 2**255 - 1])
def test_keys_beyond_the_field_are_weak(y):
    with pytest.raises(WeakKey):
        check_public_key(y.to_bytes(32, "little"))


@pytest.mark.parametrize("length", [0, 31, 33])
def test_keys_of_another_length_are_weak(length):
    with pytest.raises(WeakKey):
        check_public_key(bytes(length))


def test_half_of_all_encodings_are_no_points_and_are_weak():
    refused = 0
    for y in range(2, 202):
        try:
            check_public_key(y.to_bytes(32, "little"))
        except WeakKey:
            refused += 1
    assert refused > 150, "off the curve, or outside of the prime-order group"


def test_honest_keys_pass():
    for i in range(50):
        check_public_key(public_key(derive_seed(SEED, "test", bytes([i]))))


def test_signatures_are_those_of_rfc_8032():
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    assert public_key(seed).hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    expected = (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )
    assert sign(seed, b"").hex() == expected
    verify(public_key(seed), b"", bytes.fromhex(expected))


def test_a_signer_signs_as_its_seed_does_and_shows_no_secret():
    signer = Signer.of(SEED)
    assert signer.sign(b"message") == sign(SEED, b"message")
    assert signer.key == public_key(SEED)
    assert SEED.hex() not in repr(signer)
    assert repr(SEED)[2:-1] not in repr(signer)


def test_every_bit_of_a_signature_is_needed():
    key, signature = public_key(SEED), sign(SEED, b"message")
    verify(key, b"message", signature)
    for bit in range(512):
        forged = bytearray(signature)
        forged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(InvalidSignature):
            verify(key, b"message", bytes(forged))


def test_a_signature_with_s_beyond_the_order_is_refused():
    signature = sign(SEED, b"message")
    s = int.from_bytes(signature[32:], "little") + GROUP
    with pytest.raises(InvalidSignature):
        verify(public_key(SEED), b"message", signature[:32] + s.to_bytes(32, "little"))


@pytest.mark.parametrize("key", SMALL_ORDER, ids=lambda key: key.hex()[:8])
def test_the_signature_that_fits_many_messages_under_a_weak_key_is_refused(key):
    """R = identity, S = 0 satisfies the equation for a key of small order; a lax verifier takes it."""
    with pytest.raises(InvalidSignature):
        verify(key, b"any message", (1).to_bytes(32, "little") + bytes(32))


@pytest.mark.parametrize(("key", "signature"), [(31, 64), (32, 63), (32, 65), (0, 0)])
def test_other_lengths_are_refused(key, signature):
    with pytest.raises(InvalidSignature):
        verify(bytes(key), b"", bytes(signature))


def test_a_signature_is_bound_to_message_and_key():
    signature = sign(SEED, b"message")
    with pytest.raises(InvalidSignature):
        verify(public_key(SEED), b"other", signature)
    with pytest.raises(InvalidSignature):
        verify(public_key(bytes(32)), b"message", signature)


def test_we_sign_as_libsodium_does():
    key, expanded = crypto_sign_seed_keypair(SEED)
    assert crypto_sign(b"m", expanded)[:64] == sign(SEED, b"m")
    assert key == public_key(SEED)


def test_seeds_of_another_length_are_refused():
    with pytest.raises(InvalidMessage):
        public_key(bytes(31))


def test_expansion_is_hkdf_of_rfc_5869():
    """Test case 1 of the RFC, whose `info` we frame: so the frame is part of the expectation."""
    import hashlib
    import hmac

    prk = hmac.digest(b"domain", b"secret", hashlib.sha256)
    info = b"\x03\x00\x00\x00abc" + b"\x00\x00\x00\x00"
    first = hmac.digest(prk, info + b"\x01", hashlib.sha256)
    second = hmac.digest(prk, first + info + b"\x02", hashlib.sha256)
    assert expand(b"secret", b"domain", (b"abc", b""), 50) == (first + second)[:50]


def test_derived_seeds_differ_by_root_label_and_the_borders_of_parts():
    seeds = {
        derive_seed(SEED, "a", b"bc"),
        derive_seed(SEED, "ab", b"c"),
        derive_seed(SEED, "a", b"b", b"c"),
        derive_seed(SEED, "a", b"bc", b""),
        derive_seed(bytes(32), "a", b"bc"),
    }
    assert len(seeds) == 5
    assert all(len(seed) == 32 for seed in seeds)


@pytest.mark.parametrize("length", [0, 8161])
def test_expansion_has_bounds(length):
    with pytest.raises(InvalidMessage):
        expand(b"", b"", (), length)


# The core's verdict and libsodium's


def core_accepts(key, message, signature):
    try:
        verify(key, message, signature)
    except InvalidSignature:
        return False
    return True


def sodium_accepts(key, message, signature):
    try:
        crypto_sign_open(signature + message, key)
    except (BadSignatureError, ValueError):
        return False
    return True


def scalar(value):
    return (value % GROUP).to_bytes(32, "little")


def made_at(r, key, secret, message):
    """A signature with the nonce's point chosen first: s = h·a, which is right where r·B is nothing."""
    h = int.from_bytes(sha512(r + key + message).digest(), "little")
    return r + scalar(h * secret)


def strange():
    """What only the rules beside the equation refuse, and what the equation refuses now and then."""
    message, key = bytes(32), public_key(SEED)
    clamped = bytearray(sha512(SEED).digest()[:32])
    clamped[0] &= 248
    clamped[31] = clamped[31] & 63 | 64
    secret = int.from_bytes(clamped, "little")
    identity, base = (1).to_bytes(32, "little"), bytes.fromhex("58" + "66" * 31)
    good = sign(SEED, message)
    yield key, message, made_at(identity, key, secret, message)  # R of small order
    for r in SMALL_ORDER:
        yield key, message, made_at(r, key, secret, message)
    yield key, message, good[:32] + (int.from_bytes(good[32:], "little") + GROUP).to_bytes(32, "little")
    for weak in SMALL_ORDER:
        yield weak, message, base + scalar(1)
        yield weak, message, good
    for number in range(40):
        torsion, digest = on_curve_with_torsion(), number.to_bytes(32, "little")
        h_signed = sign(SEED, digest)
        yield torsion, digest, h_signed
        r = h_signed[:32]
        h, before = (int.from_bytes(sha512(r + each + digest).digest(), "little") for each in (torsion, key))
        s = int.from_bytes(h_signed[32:], "little") + (h - before) * secret
        yield torsion, digest, r + scalar(s)  # holds where h is even
    yield key[:31], message, good
    yield key, message, good[:63]
    yield key, message + b"\0", good


def test_every_signature_has_libsodium_s_verdict():
    seeds = [derive_seed(SEED, "many", bytes([number % 7])) for number in range(60)]
    items = [
        (public_key(seed), bytes([place]) * place, sign(seed, bytes([place]) * place))
        for place, seed in enumerate(seeds)
    ]
    for number, (key, message, signature) in enumerate(items[1:60]):
        place, bit = number % 64, 1 << number % 8
        items.append((key, message, signature[:place] + bytes([signature[place] ^ bit]) + signature[place + 1 :]))
        items.append((key, bytes([message[0] ^ bit]) + message[1:], signature))
        items.append((items[number][0], message, signature))
    odd = list(strange())
    verdicts = [core_accepts(*item) for item in items + odd]
    assert verdicts == [sodium_accepts(*item) for item in items + odd]
    assert verdicts[: len(items)] == [True] * 60 + [False] * (len(items) - 60)
    assert 10 < sum(verdicts[len(items) :]) < 30, "a key with torsion signs now and then"
