"""What a vault and its wallets start from, and which channels are its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytoniq_core import HashMap

from fairway.ton.address import Address
from fairway.ton.cells import Builder, Cell, cell_hash
from fairway.ton.contracts import ChannelSetup, contract_code
from fairway.ton.messages import state_init

__all__ = ["ChannelParts", "Rules", "VaultParts", "consent", "sink_of", "vault_init", "wallet_init"]

_CONSENT, _SINK = 0x434F4E53, 0x53494E4B


@dataclass(frozen=True, slots=True)
class ChannelParts:
    """What all channels of a vault have in common."""

    storage_fee: int
    quarantine_s: int
    settling_s: int
    fine: int

    def setup(self, vault: Address, channel_id: int, key_a: bytes, key_b: bytes) -> ChannelSetup:
        """The one channel of these keys that the vault knows: it computes the same address."""
        return ChannelSetup(
            channel_id=channel_id,
            key_a=key_a,
            key_b=key_b,
            destination_a=str(vault),
            destination_b=str(sink_of(vault)),
            currency=str(vault),
            storage_fee=self.storage_fee,
            quarantine_s=self.quarantine_s,
            settling_s=self.settling_s,
            fine=self.fine,
        )

    def to_cell(self) -> Cell:
        """The contract's cell."""
        closing = Builder().store_uint(self.quarantine_s, 32).store_coins(self.fine).store_uint(self.settling_s, 32)
        body = Builder().store_coins(self.storage_fee).store_ref(contract_code("channel"))
        return body.store_ref(closing.end_cell()).end_cell()


@dataclass(frozen=True, slots=True)
class Rules:
    """By what evidence is judged: `threshold` of `oracles` sign a round; a user has `response_ms` to sign a fill.

    The codes are those of the order and market conditions, by hash.
    """

    network: int
    oracles: Sequence[bytes]
    threshold: int
    response_ms: int
    order_code: bytes
    market_code: bytes

    def to_cell(self) -> Cell:
        """The contract's cell."""
        oracles = HashMap(8, value_serializer=lambda key, builder: builder.store_bytes(key))
        for index, key in enumerate(self.oracles):
            oracles.set_int_key(index, key)
        body = Builder().store_int(self.network, 32).store_uint(self.threshold, 8).store_uint(self.response_ms, 64)
        body.store_bytes(self.order_code).store_bytes(self.market_code)
        return body.store_dict(oracles.serialize()).end_cell()


@dataclass(frozen=True, slots=True)
class VaultParts:
    """What a vault starts from; all of it is part of its address."""

    treasury: Address
    service_key: bytes
    channel: ChannelParts
    rules: Rules


def vault_init(parts: VaultParts) -> Cell:
    """The state init of an empty vault; its hash is the vault's address."""
    settings = Builder().store_address(parts.treasury.foreign()).store_bytes(parts.service_key)
    settings.store_ref(contract_code("jetton_wallet")).store_ref(parts.channel.to_cell())
    settings.store_ref(parts.rules.to_cell())
    data = Builder()
    for _ in range(6):
        data.store_coins(0)
    data.store_uint(0, 32).store_bit(0).store_bit(0)
    data.store_ref(_no_lenders()).store_ref(settings.end_cell())
    return state_init(contract_code("vault"), data.end_cell())


def _no_lenders() -> Cell:
    pool = Builder().store_coins(0).store_coins(0).store_uint(0, 32).store_uint(0, 32).store_uint(0, 256)
    return pool.store_bit(0).store_uint(0, 32).store_bit(0).end_cell()


def wallet_init(vault: Address, owner: Address) -> Cell:
    """The state init of the wrapped-TON wallet of `owner`."""
    data = Builder().store_coins(0).store_address(owner.foreign()).store_address(vault.foreign())
    return state_init(contract_code("jetton_wallet"), data.end_cell())


def sink_of(vault: Address) -> Address:
    """Where the service's units go: an address no contract can have; the vault keeps its sum as a number."""
    return Address(0, cell_hash(Builder().store_uint(_SINK, 32).store_address(vault.foreign()).end_cell()))


def consent(vault: Address, channel: bytes, wallet: Address) -> Cell:
    """What the user's channel key and the service's key sign (by its hash): this channel pays out to this wallet."""
    body = Builder().store_uint(_CONSENT, 32).store_address(vault.foreign()).store_bytes(channel)
    return body.store_address(wallet.foreign()).end_cell()
