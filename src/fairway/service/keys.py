"""The service's root seed, and the keys that derive from it: one channel key per user key, the same after a restart.

The seed lies in one file, mode 0600, made on the first run; with a passphrase it is sealed. Losing it means losing the
service's side of every channel, so it is never made anew beside a journal that another seed has signed.
"""

from __future__ import annotations

import secrets
from functools import lru_cache
from pathlib import Path
from typing import Self

from fairway.crypto import sealed
from fairway.crypto.keys import Signer, derive_seed
from fairway.errors import FairwayError, Unavailable
from fairway.service.files import make_private_folder, read_private, write_private

__all__ = ["Keyring"]

ROOT = "root.key"
ROOT_SIZE = 32
SIGNERS = 1 << 16
LABEL = "fairway service root"


class Keyring:
    """The keys of one service. Secret: all of it; its repr shows nothing."""

    __slots__ = ("_root", "channel")

    def __init__(self, root: bytes) -> None:
        self._root = root
        self.channel = lru_cache(SIGNERS)(self._channel)
        """Side B's key in the channels of a user: (network, vault, his key) → signer."""

    def __repr__(self) -> str:
        return "<Keyring>"

    @classmethod
    def open(cls, folder: Path, passphrase: bytes | None = None, cost: sealed.Cost = sealed.STANDARD) -> Self:
        """The keys in `folder`; made there, sealed if there is a `passphrase`, where neither seed nor journal exists.

        Raises `Unavailable`: `keys.missing` (a journal without its seed), `keys.passphrase` (wanted, wrong, or given
        for a seed that is not sealed), `keys.corrupt`, and those of `files`.
        """
        path = folder / ROOT
        if path.exists():
            return cls(_unlock(read_private(path), passphrase))
        if (folder / "journal.sqlite").exists():
            raise Unavailable("keys.missing", f"{folder} has a journal but not the root seed that signed it")
        make_private_folder(folder)
        root = secrets.token_bytes(ROOT_SIZE)
        entropy = secrets.token_bytes(sealed.ENTROPY_SIZE)
        write_private(path, root if passphrase is None else sealed.seal(root, passphrase, LABEL, entropy, cost))
        return cls(root)

    def operator(self) -> Signer:
        """The key of the operator's own wallet, which pays for messages to the chain."""
        return Signer.of(derive_seed(self._root, "fairway operator wallet"))

    def consent(self) -> Signer:
        """The key whose consent the vault asks for when a channel is registered."""
        return Signer.of(derive_seed(self._root, "fairway vault consent"))

    def switches(self) -> Signer:
        """The key that signs the operator's switches; the founding entry names it."""
        return Signer.of(derive_seed(self._root, "fairway operator switches"))

    def pool_secret(self) -> bytes:
        """The secret from which the blindings of the pool derive; the founding entry carries it."""
        return derive_seed(self._root, "fairway pool secret")

    def _channel(self, network: int, vault: str, key_a: bytes) -> Signer:
        parts = network.to_bytes(4, signed=True), vault.encode(), key_a
        return Signer.of(derive_seed(self._root, "fairway channel key", *parts))


def _unlock(content: bytes, passphrase: bytes | None) -> bytes:
    if len(content) == ROOT_SIZE:
        if passphrase is not None:
            raise Unavailable("keys.passphrase", "a passphrase was given, but the root seed is not sealed")
        return content
    if passphrase is None:
        raise Unavailable("keys.passphrase", "the root seed is sealed; its passphrase is needed")
    try:
        return sealed.unseal(content, passphrase, LABEL)
    except FairwayError as error:
        code = "keys.passphrase" if error.code == "sealed.passphrase" else "keys.corrupt"
        raise Unavailable(code, f"the root seed does not open: {error.message}") from error
