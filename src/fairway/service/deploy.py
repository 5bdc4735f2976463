"""Bringing a venue to the chain: the vault's contract, the operator's own TON in it, and DIR/venue.toml."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fairway.chain.interface import Chain
from fairway.chain.purse import Purse
from fairway.errors import Rejected, Unavailable
from fairway.exchange.codes import condition_codes
from fairway.service.files import make_private_folder, write_private
from fairway.service.founding import VENUE
from fairway.service.keys import Keyring
from fairway.ton.address import Address
from fairway.ton.cells import cell_hash
from fairway.ton.messages import address_of
from fairway.ton.vault_messages import WORD_VALUE, ChannelParts, Rules, VaultParts, lend, post_bond, vault_init
from fairway.ton.vault_views import BooksView, read_books
from fairway.ton.wallet import Transfer
from fairway.units import TON, format_ton

__all__ = ["Charter", "deploy"]

RENT = TON
"""What a new vault gets to live on."""
PATIENCE_S, GLANCE_S = 120.0, 1.0


@dataclass(frozen=True, slots=True)
class Charter:
    """What an operator decides about a new venue; amounts in nano."""

    network: int
    oracle_keys: Sequence[bytes]
    oracle_threshold: int
    patience_s: int = 600
    stale_s: int = 60
    quarantine_s: int = 3600
    settling_s: int = 3600
    fine: int = TON // 2
    storage_fee: int = TON // 4
    ratio: int = 10
    bond: int = 1_000 * TON
    pool_seed: int = 10_000 * TON
    insurance_seed: int = 1_000 * TON

    @property
    def seeds(self) -> int:
        """What pool and insurance begin with."""
        return self.pool_seed + self.insurance_seed

    @property
    def parts(self) -> ChannelParts:
        """What all channels of the venue have in common."""
        return ChannelParts(self.storage_fee, self.quarantine_s, self.settling_s, self.fine)

    def vault(self, treasury: str, service_key: bytes) -> VaultParts:
        """What the venue's vault starts from."""
        patience_ms, keys = self.patience_s * 1000, list(self.oracle_keys)
        codes = condition_codes(self.network, self.oracle_threshold, patience_ms, keys)
        hashes = cell_hash(codes.order), cell_hash(codes.market)
        rules = Rules(self.network, keys, self.oracle_threshold, patience_ms, *hashes)
        return VaultParts(Address.parse(treasury), service_key, self.parts, rules)


async def deploy(chain: Chain, keyring: Keyring, charter: Charter, folder: Path) -> str:
    """Deploy the vault from the operator's wallet and write DIR/venue.toml; the vault's address.

    The bond, and what pool and insurance begin with, are the operator's TON and go into the vault at once. Stopped and
    begun again with the same charter, it sends only what the vault does not show yet.

    Errors: `Rejected` (`venue.exists`) where `folder` has a venue already, `Unavailable` (`venue.deploy`), and those of
    `Purse.send`.
    """
    make_private_folder(folder)
    if (folder / VENUE).exists():
        raise Rejected("venue.exists", f"{folder} has a venue already")
    purse = Purse(chain, keyring.operator(), charter.network)
    init = vault_init(charter.vault(purse.address, keyring.consent().key))
    vault = address_of(init)
    if await _books(chain, vault) is None:
        await purse.send(Transfer(vault, RENT, init=init, bounce=False))
    books = await _until(chain, vault, lambda _: True)
    if (bond := charter.bond - books.bond) > 0:
        await purse.send(Transfer(vault, bond + WORD_VALUE, post_bond(bond)))
        books = await _until(chain, vault, lambda shown: shown.bond >= charter.bond)
    if (seeds := charter.seeds - (books.locked - books.bond)) > 0:
        await purse.send(Transfer(vault, seeds + WORD_VALUE, lend(seeds)))
        await _until(chain, vault, lambda shown: shown.locked - shown.bond >= charter.seeds)
    write_private(folder / VENUE, _toml(charter, vault).encode())
    return vault


async def _books(chain: Chain, vault: str) -> BooksView | None:
    """The vault's books; None before it lives."""
    if (await chain.get_account(vault)).status != "active":
        return None
    return read_books(await chain.run_get(vault, "get_books"))


async def _until(chain: Chain, vault: str, shows: Callable[[BooksView], bool]) -> BooksView:
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            while True:
                seen_lt = (await chain.get_account(vault)).last_lt
                books = await _books(chain, vault)
                if books is not None and shows(books):
                    return books
                await chain.wait(vault, seen_lt, GLANCE_S)
    raise Unavailable("venue.deploy", "the chain does not show what was sent to the vault", address=vault)


def _toml(charter: Charter, vault: str) -> str:
    keys = ", ".join(f'"{key.hex()}"' for key in charter.oracle_keys)
    return f"""\
network = {charter.network}
vault = "{vault}"
oracle_keys = [{keys}]
oracle_threshold = {charter.oracle_threshold}
ratio = {charter.ratio}
fine = "{format_ton(charter.fine)}"
storage_fee = "{format_ton(charter.storage_fee)}"
quarantine_s = {charter.quarantine_s}
settling_s = {charter.settling_s}
patience_s = {charter.patience_s}
stale_s = {charter.stale_s}
pool_seed = "{format_ton(charter.pool_seed)}"
insurance_seed = "{format_ton(charter.insurance_seed)}"
"""
