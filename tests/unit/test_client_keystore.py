"""The user's sealed secrets: one file, written once, opened by one passphrase; and the command that makes it."""

import pickle
import traceback

import pytest
from typer.testing import CliRunner
from wallet_words import VECTORS

from fairway.cli.wallet import app
from fairway.client.keystore import Keystore, write_private
from fairway.crypto.keys import Signer, derive_seed
from fairway.crypto.sealed import Cost, seal
from fairway.errors import Rejected, Unavailable

CHEAP = Cost(passes=1, memory_kib=8)
CANARY = "canary-passphrase"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys" / "root.key"


def refusal(call):
    with pytest.raises(Unavailable) as caught:
        call()
    return caught.value.code


def test_the_same_keys_come_back_from_the_file(path):
    made = Keystore.create(path, CANARY, CHEAP)
    opened = Keystore.open(path, CANARY)
    assert opened.wallet().key == made.wallet().key
    assert opened.channel(b"salt").sign(b"m") == made.channel(b"salt").sign(b"m")


def test_every_purpose_and_every_salt_has_its_own_key(path):
    keystore = Keystore.create(path, CANARY, CHEAP)
    keys = {keystore.wallet().key, keystore.channel(b"a").key, keystore.channel(b"b").key, keystore.channel(b"").key}
    assert len(keys) == 4


def test_the_file_is_its_owners_alone_and_leaves_no_draft(path):
    Keystore.create(path, CANARY, CHEAP)
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_file_others_may_read_is_refused(path):
    Keystore.create(path, CANARY, CHEAP)
    path.chmod(0o640)
    assert refusal(lambda: Keystore.open(path, CANARY)) == "keystore.exposed"


def test_a_keystore_is_never_overwritten(path):
    Keystore.create(path, CANARY, CHEAP)
    before = path.read_bytes()
    assert refusal(lambda: Keystore.create(path, CANARY, CHEAP)) == "keystore.exists"
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_missing_wrong_and_corrupt_each_have_their_code(path):
    assert refusal(lambda: Keystore.open(path, CANARY)) == "keystore.missing"
    Keystore.create(path, CANARY, CHEAP)
    assert refusal(lambda: Keystore.open(path, "other")) == "keystore.passphrase"
    sealed = path.read_bytes()
    path.write_bytes(sealed[:-1] + bytes([sealed[-1] ^ 1]))
    assert refusal(lambda: Keystore.open(path, CANARY)) == "keystore.passphrase"
    path.write_bytes(sealed[:20])
    assert refusal(lambda: Keystore.open(path, CANARY)) == "keystore.corrupt"


def test_a_passphrase_means_its_letters_not_their_encoding(path):
    made = Keystore.create(path, "caf\u00e9", CHEAP)
    assert Keystore.open(path, "cafe\u0301").wallet().key == made.wallet().key


def test_no_secret_shows_in_a_repr_a_pickle_or_a_traceback(path):
    keystore = Keystore.create(path, CANARY, CHEAP)
    root = keystore._root
    assert root.hex() not in repr(keystore) + repr(keystore.wallet())
    with pytest.raises(TypeError):
        pickle.dumps(keystore)
    with pytest.raises(Unavailable) as caught:
        Keystore.open(path, CANARY + "x")
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__cause__ is None


def asked(*entered):
    return "".join(f"{each}\n" for each in entered)


def run(*arguments, entered=()):
    return CliRunner().invoke(app, [str(each) for each in arguments], input=asked(*entered))


def test_the_wallet_command_makes_a_keystore_once_and_shows_its_public_key(path, tmp_path):
    words = tmp_path / "words"
    made = run("create", path, "--words-file", words, entered=(CANARY, CANARY))
    key = Keystore.open(path, CANARY).wallet().key.hex()
    assert made.exit_code == 0, made.output
    assert key in made.output
    assert words.stat().st_mode & 0o777 == 0o600
    shown = run("show", path, entered=(CANARY,))
    again = run("create", path, entered=(CANARY, CANARY))
    wrong = run("show", path, entered=("other",))
    assert key in shown.output
    assert (again.exception.code, wrong.exception.code) == ("keystore.exists", "keystore.passphrase")
    said = made.output + shown.output + again.output
    assert CANARY not in said
    assert words.read_text().strip() not in said
    restored = run("restore", tmp_path / "other.key", "--words-file", words, entered=(CANARY, CANARY))
    assert key in restored.output


def test_words_are_shown_once_and_asked_for_before_anything_is_written(path, monkeypatch):
    monkeypatch.setattr("fairway.cli.wallet.new_words", VECTORS[0][0].split)
    monkeypatch.setattr("fairway.cli.wallet.secrets.SystemRandom.sample", lambda *_: [0, 23])
    wrong = run("create", path, entered=("hospital", "stove"))
    assert wrong.exception.code == "keystore.unconfirmed"
    assert not path.exists()
    made = run("create", path, entered=("hospital", "solution", CANARY, CANARY))
    assert made.exit_code == 0, made.output
    assert made.output.count(" 2 stove") == 1
    assert Keystore.open(path, CANARY).wallet().key.hex() == VECTORS[0][1][64:]


def test_a_sub_key_is_its_names_own_and_its_secret_goes_into_a_private_file(path, tmp_path):
    Keystore.of_words(VECTORS[0][0].split()).save(path, CANARY, CHEAP)
    out = tmp_path / "bot.key"
    shown = run("subkey", path, "bot", "--export", out, entered=(CANARY,))
    other = run("subkey", path, "robot", entered=(CANARY,))
    seed = bytes.fromhex(out.read_text())
    assert out.stat().st_mode & 0o777 == 0o600
    assert Signer.of(seed).key.hex() in shown.output
    assert Signer.of(seed).key.hex() not in other.output
    assert seed.hex() not in shown.output
    again = run("subkey", path, "bot", "--export", out, entered=(CANARY,))
    assert again.exception.code == "keystore.exists"


def test_a_keystore_whose_wallet_is_elsewhere_signs_for_channels_only(path):
    made = run("create", path, "--wallet-elsewhere", entered=(CANARY, CANARY))
    keystore = Keystore.open(path, CANARY)
    assert "elsewhere" in made.output
    assert len(keystore.channel(b"salt").key) == 32
    with pytest.raises(Rejected, match=r"keystore\.elsewhere"):
        keystore.wallet()


def test_a_keystore_from_before_the_words_opens_as_it_did(path):
    root = bytes(range(32))
    write_private(path, seal(root, CANARY.encode(), "fairway keystore", bytes(40), CHEAP))
    opened = Keystore.open(path, CANARY)
    assert opened.wallet().key == Signer.of(derive_seed(root, "wallet")).key
    assert opened.channel(b"s").key == Signer.of(derive_seed(root, "channel", b"s")).key


def test_a_kind_of_a_later_version_is_named_as_such(path):
    write_private(path, seal(b"\x09" + bytes(40), CANARY.encode(), "fairway keystore", bytes(40), CHEAP))
    assert refusal(lambda: Keystore.open(path, CANARY)) == "keystore.version"
