"""The compiled contracts, read from the package: code, data cells they start from, and what their getters say.

`contracts/build.mjs` writes `compiled/`; a test compiles again and compares. The wallet is the standard V5R1, whose
source is not ours.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from pytoniq_core import Address, begin_cell

from fairway.ton.cells import Builder, Cell, from_boc
from fairway.ton.messages import state_init

__all__ = ["ChannelSetup", "ContractName", "condition_code", "contract_code"]

ContractName = Literal[
    "channel", "condition_chain", "condition_order", "condition_position", "jetton_wallet", "vault", "wallet"
]


@cache
def contract_code(name: ContractName) -> Cell:
    """The code cell of a compiled contract."""
    compiled = json.loads(files("fairway.ton").joinpath(f"compiled/{name}.json").read_bytes())
    return from_boc(bytes.fromhex(compiled["boc_hex"]))


def condition_code(kind: Literal["order", "position", "chain"]) -> Cell:
    """The shared code that conditionals of a kind jump to."""
    names: dict[str, ContractName] = {
        "order": "condition_order",
        "position": "condition_position",
        "chain": "condition_chain",
    }
    return contract_code(names[kind])


@dataclass(frozen=True, slots=True)
class ChannelSetup:
    """What a channel is born with. `master` is the jetton it holds; None: TON. Addresses are raw, amounts nano."""

    channel_id: int
    key_a: bytes
    key_b: bytes
    destination_a: str
    destination_b: str
    master: str | None
    storage_fee: int
    quarantine_s: int
    settling_s: int
    fine: int

    @property
    def init(self) -> Cell:
        """The state init; its hash is the channel's address."""
        return state_init(contract_code("channel"), self._data())

    def _data(self) -> Cell:
        closing = begin_cell().store_uint(self.quarantine_s, 32).store_coins(self.fine).store_uint(self.settling_s, 32)
        payments = begin_cell().store_coins(self.storage_fee)
        payments.store_address(Address(self.destination_a)).store_address(Address(self.destination_b))
        data = begin_cell().store_bit(0).store_ref(begin_cell().store_uint(0, 6 * 4).end_cell())
        data.store_bytes(self.key_a).store_bytes(self.key_b).store_uint(self.channel_id, 128)
        data.store_ref(closing.end_cell()).store_uint(0, 64 + 64 + 1)
        return data.store_ref(_currency(payments, self.master).end_cell()).end_cell()


def _currency(payments: Builder, master: str | None) -> Builder:
    if master is None:
        return payments.store_bit(0)
    addresses = begin_cell().store_address(Address(master)).store_address(None).end_cell()
    return payments.store_uint(0b11, 2).store_ref(addresses)
