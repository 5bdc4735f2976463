"""Bringing a venue to the chain: the vault's contract, the operator's own TON in it, and DIR/venue.toml."""

from __future__ import annotations

from collections.abc import Sequence
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
from fairway.ton.wallet import Transfer
from fairway.units import TON, format_ton

__all__ = ["Charter", "deploy"]

RENT = TON
"""What a new vault gets to live on."""
POLLS = 200


@dataclass(frozen=True, slots=True)
class Charter:
    """What an operator decides about a new venue; amounts in nano."""

    network: int
    oracle_keys: Sequence[bytes]
    oracle_threshold: int
    patience_s: int = 600
    quarantine_s: int = 3600
    settling_s: int = 3600
    fine: int = TON // 2
    storage_fee: int = TON // 4
    ratio: int = 10
    bond: int = 1_000 * TON
    pool_seed: int = 10_000 * TON
    insurance_seed: int = 1_000 * TON

    @property
    def parts(self) -> ChannelParts:
        """What all channels of the venue have in common."""
        return ChannelParts(self.storage_fee, self.quarantine_s, self.settling_s, self.fine)

    def vault(self, treasury: str, service_key: bytes) -> VaultParts:
        """What the venue's vault starts from."""
        patience_ms, keys = self.patience_s * 1000, list(self.oracle_keys)
        codes = condition_codes(self.network, self.oracle_threshold, patience_ms, keys)
        hashes = cell_hash(codes.order), cell_hash(codes.position)
        rules = Rules(self.network, keys, self.oracle_threshold, patience_ms, *hashes)
        return VaultParts(Address.parse(treasury), service_key, self.parts, rules)


async def deploy(chain: Chain, keyring: Keyring, charter: Charter, folder: Path) -> str:
    """Deploy the vault from the operator's wallet and write DIR/venue.toml; the vault's address.

    The bond, and what pool and insurance begin with, are the operator's TON and go into the vault at once.

    Errors: `Rejected` (`venue.exists`) where `folder` has a venue already, and those of `Purse.send`.
    """
    make_private_folder(folder)
    if (folder / VENUE).exists():
        raise Rejected("venue.exists", f"{folder} has a venue already")
    purse = Purse(chain, keyring.operator(), charter.network)
    init = vault_init(charter.vault(purse.address, keyring.consent().key))
    vault = address_of(init)
    await purse.send(Transfer(vault, RENT, init=init, bounce=False))
    await _active(chain, vault)
    if charter.bond:
        await purse.send(Transfer(vault, charter.bond + WORD_VALUE, post_bond(charter.bond)))
    if seeds := charter.pool_seed + charter.insurance_seed:
        await purse.send(Transfer(vault, seeds + WORD_VALUE, lend(seeds)))
    write_private(folder / VENUE, _toml(charter, vault).encode())
    return vault


async def _active(chain: Chain, address: str) -> None:
    for _ in range(POLLS):
        if (await chain.get_account(address)).status == "active":
            return
        await chain.wait(address, timeout_s=0.1)
    raise Unavailable("venue.deploy", "the vault did not appear on the chain", address=address)


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
pool_seed = "{format_ton(charter.pool_seed)}"
insurance_seed = "{format_ton(charter.insurance_seed)}"
"""
