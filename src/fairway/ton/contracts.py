"""The compiled contracts, read from the package: code, data cells they start from, and what their getters say.

`contracts/build.mjs` writes `compiled/`; a test compiles again and compares. The wallet is the standard V5R1, whose
source is not ours.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from pytoniq_core import Address, HashMap, begin_cell

from fairway.ton.cells import Builder, Cell, from_boc
from fairway.ton.messages import state_init

__all__ = ["ChannelSetup", "ContractName", "condition_code", "contract_code", "oracle_set"]

ContractName = Literal[
    "channel",
    "condition_chain",
    "condition_order",
    "condition_market",
    "condition_cross",
    "jetton_wallet",
    "vault",
    "wallet",
]


@cache
def contract_code(name: ContractName) -> Cell:
    """The code cell of a compiled contract."""
    compiled = json.loads(files("fairway.ton").joinpath(f"compiled/{name}.json").read_bytes())
    return from_boc(bytes.fromhex(compiled["boc_hex"]))


def oracle_set(network: int, threshold: int, delay_ms: int, keys: Sequence[bytes]) -> Cell:
    """Who signs rounds (at least `threshold` of `keys`), and how long after a quarantine's start the exit price is."""
    signers = HashMap(8, value_serializer=lambda key, leaf: leaf.store_bytes(key))
    for index, key in enumerate(keys):
        signers.set_int_key(index, key)
    head = begin_cell().store_int(network, 32).store_uint(threshold, 8).store_uint(delay_ms, 64)
    return head.store_dict(signers.serialize()).end_cell()


@cache
def condition_code(kind: Literal["order", "market", "cross", "chain"], oracle: Cell | None = None) -> Cell:
    """The shared code that conditionals of a kind jump to; all but the chain's ask the `oracle_set` it is bound to.

    Bound code pushes the oracle beneath the method id that the conditional has pushed, and jumps on: `PUSHREF oracle;
    SWAP; PUSHREFCONT code; JMPX`. Unbound, it has a hash but values nothing.
    """
    names: dict[str, ContractName] = {
        "order": "condition_order",
        "market": "condition_market",
        "cross": "condition_cross",
        "chain": "condition_chain",
    }
    code = contract_code(names[kind])
    return (
        code if oracle is None else begin_cell().store_uint(0x88018AD9, 32).store_ref(oracle).store_ref(code).end_cell()
    )


@dataclass(frozen=True, slots=True)
class ChannelSetup:
    """What a channel is born with. Addresses are raw, amounts nano.

    `currency` is what it holds: None is TON, an address the jetton of that master, a number that extra currency.
    """

    channel_id: int
    key_a: bytes
    key_b: bytes
    destination_a: str
    destination_b: str
    currency: str | int | None
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
        return data.store_ref(_currency(payments, self.currency).end_cell()).end_cell()


def _currency(payments: Builder, currency: str | int | None) -> Builder:
    if currency is None:
        return payments.store_bit(0)
    if isinstance(currency, int):
        return payments.store_uint(0b10, 2).store_uint(currency, 32)
    addresses = begin_cell().store_address(Address(currency)).store_address(None).end_cell()
    return payments.store_uint(0b11, 2).store_ref(addresses)
