"""The user's secrets at rest: one sealed file, and every key of his derived from what is in it.

    24 words ─┬─ wallet key: owns the funds; the one that every TON wallet app derives from these words
              └─ root ─┬─ channel keys: sign the halves of one channel, named by its salt
                       └─ sub-keys: trade for the owner over the API, named by him

What is sealed is `kind ‖ secret`: the words, or a root alone where the wallet key is elsewhere (in a wallet app that is
asked by TON Connect). A root seed without a kind, 32 bytes, is what programs have, and users had before there were
words: its wallet key derives from the root too. No key lets another be computed.

The file is written whole or not at all, readable by its owner only, and never overwritten.
"""

from __future__ import annotations

import os
import secrets
import stat
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from fairway.crypto.keys import Signer, derive_seed
from fairway.crypto.sealed import ENTROPY_SIZE, STANDARD, Cost, seal, unseal
from fairway.errors import InvalidMessage, Rejected, Unavailable
from fairway.ton.mnemonic import DRAW_SIZE, check_words, draw_words, words_entropy, words_seed

__all__ = ["Keystore", "new_words", "write_private"]

LABEL = "fairway keystore"
ROOT_SIZE = 32
OWNER_ONLY = 0o600
OF_WORDS, WALLET_ELSEWHERE = b"\x02", b"\x03"


def new_words() -> tuple[str, ...]:
    """24 fresh words. Secret: the result."""
    while (words := draw_words(secrets.token_bytes(DRAW_SIZE))) is None:
        pass
    return words


class Keystore:
    """The keys of one user. Secret: all of it; its repr shows nothing."""

    __slots__ = ("_root", "_secret", "_wallet")

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        kind, rest = secret[:1], secret[1:]
        if len(secret) == ROOT_SIZE:
            self._root, self._wallet = secret, derive_seed(secret, "wallet")
        elif kind == OF_WORDS:
            words = check_words(rest.decode().split())
            self._root, self._wallet = derive_seed(words_entropy(words), "keystore root"), words_seed(words)
        elif kind == WALLET_ELSEWHERE and len(rest) == ROOT_SIZE:
            self._root, self._wallet = rest, b""
        else:
            raise Unavailable("keystore.version", "the keystore is of a kind that this version does not know")

    def __repr__(self) -> str:
        return "<Keystore>"

    def __reduce__(self) -> str:
        raise TypeError("a keystore leaves the process only under its passphrase")

    @classmethod
    def of_words(cls, words: Sequence[str]) -> Self:
        """The keystore of 24 words, not saved yet. Errors: `Rejected`, see `check_words`."""
        return cls(OF_WORDS + " ".join(check_words(words)).encode())

    @classmethod
    def without_wallet(cls) -> Self:
        """A new keystore with channel keys and sub-keys only, not saved yet."""
        return cls(WALLET_ELSEWHERE + secrets.token_bytes(ROOT_SIZE))

    @classmethod
    def create(cls, path: Path, passphrase: str, cost: Cost = STANDARD) -> Self:
        """A new root seed without words, for programs that need none, sealed into a new file at `path`.

        Errors: `Unavailable` (`keystore.exists`, `keystore.disk`).
        """
        keystore = cls(secrets.token_bytes(ROOT_SIZE))
        keystore.save(path, passphrase, cost)
        return keystore

    @classmethod
    def open(cls, path: Path, passphrase: str) -> Self:
        """The keystore at `path`.

        Errors: `Unavailable` with `keystore.missing`, `.disk`, `.exposed` (others may read the file), `.corrupt` (not a
        keystore), `.version` (of another kind) or `.passphrase` (wrong, or the file was altered: nobody can tell).
        """
        sealed = _read(path)
        try:
            secret = unseal(sealed, _normal(passphrase), LABEL)
        except InvalidMessage:
            raise Unavailable("keystore.corrupt", "the file is not a keystore", path=str(path)) from None
        except Rejected:
            raise Unavailable(
                "keystore.passphrase", "the passphrase is wrong, or the keystore was altered", path=str(path)
            ) from None
        return cls(secret)

    def save(self, path: Path, passphrase: str, cost: Cost = STANDARD) -> None:
        """Seal it into a new file at `path`. Errors: `Unavailable` (`keystore.exists`, `keystore.disk`)."""
        sealed = seal(self._secret, _normal(passphrase), LABEL, secrets.token_bytes(ENTROPY_SIZE), cost)
        write_private(path, sealed)

    @property
    def has_wallet(self) -> bool:
        """Whether the wallet key is here."""
        return bool(self._wallet)

    def wallet(self) -> Signer:
        """The key that owns the funds. Errors: `Rejected` (`keystore.elsewhere`)."""
        if not self._wallet:
            raise Rejected("keystore.elsewhere", "the wallet key is not in this keystore: ask the wallet that has it")
        return Signer.of(self._wallet)

    def channel(self, salt: bytes) -> Signer:
        """The key of the channel opened with `salt`."""
        return Signer.of(derive_seed(self._root, "channel", salt))

    def subkey_seed(self, name: str) -> bytes:
        """The seed of the sub-key called `name`, to be given to whoever trades with it. Secret: the result."""
        if not name:
            raise Rejected("keystore.name", "a sub-key has a name")
        return derive_seed(self._root, "sub-key", _normal(name))


def _normal(passphrase: str) -> bytes:
    """One passphrase, one byte string, however a keyboard composes its letters."""
    return unicodedata.normalize("NFKC", passphrase).encode()


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise Unavailable("keystore.exposed", "others may read the keystore: chmod 600", path=str(path))
            return file.read()
    except FileNotFoundError:
        raise Unavailable("keystore.missing", "there is no keystore here", path=str(path)) from None
    except OSError as error:
        raise Unavailable("keystore.disk", f"cannot read the keystore: {error.strerror}", path=str(path)) from None


def write_private(path: Path, content: bytes) -> None:
    """`content` under `path`, its owner's alone, durable before this returns; a file that is there stays as it is.

    Errors: `Unavailable` (`keystore.exists`, `keystore.disk`).
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            draft.touch(OWNER_ONLY, exist_ok=False)
            with draft.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)  # unlike a rename, refuses to replace another secret
        finally:
            draft.unlink(missing_ok=True)
        _sync_directory(path.parent)
    except FileExistsError:
        raise Unavailable(
            "keystore.exists", "a file is there already, and secrets are never overwritten", path=str(path)
        ) from None
    except OSError as error:
        raise Unavailable("keystore.disk", f"cannot write the file: {error.strerror}", path=str(path)) from None


def _sync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
