"""The user's secrets at rest: one root seed in one sealed file, and every key of his derived from it.

The *wallet key* owns the funds; a *channel key* signs the halves of one channel and is named by the channel's salt.
The file is written whole or not at all, readable by its owner only, and never overwritten.
"""

from __future__ import annotations

import os
import secrets
import stat
import unicodedata
from pathlib import Path
from typing import Self

from fairway.crypto.keys import Signer, derive_seed
from fairway.crypto.sealed import ENTROPY_SIZE, STANDARD, Cost, seal, unseal
from fairway.errors import InvalidMessage, Rejected, Unavailable

__all__ = ["Keystore"]

LABEL = "fairway keystore"
ROOT_SIZE = 32
OWNER_ONLY = 0o600


class Keystore:
    """The keys that derive from one root seed. Secret: all of it; its repr shows nothing."""

    __slots__ = ("_root",)

    def __init__(self, root: bytes) -> None:
        if len(root) != ROOT_SIZE:
            raise Unavailable("keystore.corrupt", "the keystore does not hold a root seed")
        self._root = root

    def __repr__(self) -> str:
        return "<Keystore>"

    def __reduce__(self) -> str:
        raise TypeError("a keystore leaves the process only under its passphrase")

    @classmethod
    def create(cls, path: Path, passphrase: str, cost: Cost = STANDARD) -> Self:
        """A new root seed, sealed into a new file at `path`. Errors: `Unavailable` (`keystore.exists`, `.disk`)."""
        keystore = cls(secrets.token_bytes(ROOT_SIZE))
        keystore.save(path, passphrase, cost)
        return keystore

    @classmethod
    def open(cls, path: Path, passphrase: str) -> Self:
        """The keystore at `path`.

        Errors: `Unavailable` with `keystore.missing`, `.disk`, `.exposed` (others may read the file), `.corrupt` (not a
        keystore) or `.passphrase` (wrong, or the file was altered: nobody can tell).
        """
        sealed = _read(path)
        try:
            return cls(unseal(sealed, _normal(passphrase), LABEL))
        except InvalidMessage:
            raise Unavailable("keystore.corrupt", "the file is not a keystore", path=str(path)) from None
        except Rejected:
            raise Unavailable(
                "keystore.passphrase", "the passphrase is wrong, or the keystore was altered", path=str(path)
            ) from None

    def save(self, path: Path, passphrase: str, cost: Cost = STANDARD) -> None:
        """Seal the root seed into a new file at `path`. Errors: `Unavailable` (`keystore.exists`, `keystore.disk`)."""
        _write_new(path, seal(self._root, _normal(passphrase), LABEL, secrets.token_bytes(ENTROPY_SIZE), cost))

    def wallet(self) -> Signer:
        """The key that owns the funds."""
        return Signer.of(derive_seed(self._root, "wallet"))

    def channel(self, salt: bytes) -> Signer:
        """The key of the channel opened with `salt`."""
        return Signer.of(derive_seed(self._root, "channel", salt))


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


def _write_new(path: Path, content: bytes) -> None:
    """`content` under `path`, durable before this returns; a file that is there already stays as it is."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            draft.touch(OWNER_ONLY, exist_ok=False)
            with draft.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)  # unlike a rename, refuses to replace another root seed
        finally:
            draft.unlink(missing_ok=True)
        _sync_directory(path.parent)
    except FileExistsError:
        raise Unavailable("keystore.exists", "a keystore is there already", path=str(path)) from None
    except OSError as error:
        raise Unavailable("keystore.disk", f"cannot write the keystore: {error.strerror}", path=str(path)) from None


def _sync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
