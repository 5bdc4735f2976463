"""The user's sealed root seed: one file, written once, opened by one passphrase."""

import pickle
import traceback

import pytest
from typer.testing import CliRunner

from fairway.cli.wallet import app
from fairway.client.keystore import Keystore
from fairway.crypto.sealed import Cost
from fairway.errors import Unavailable

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


def test_the_wallet_command_makes_a_keystore_once_and_shows_its_public_key(path):
    made = CliRunner().invoke(app, ["create", str(path)], input=f"{CANARY}\n{CANARY}\n")
    key = Keystore.open(path, CANARY).wallet().key.hex()
    assert made.exit_code == 0
    assert key in made.output
    shown = CliRunner().invoke(app, ["show", str(path)], input=f"{CANARY}\n")
    again = CliRunner().invoke(app, ["create", str(path)], input=f"{CANARY}\n{CANARY}\n")
    wrong = CliRunner().invoke(app, ["show", str(path)], input="other\n")
    assert key in shown.output
    assert (again.exception.code, wrong.exception.code) == ("keystore.exists", "keystore.passphrase")
    assert CANARY not in made.output + shown.output + again.output
