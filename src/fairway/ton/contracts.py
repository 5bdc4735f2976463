"""The compiled contracts, read from the package: code, data cells they start from, and what their getters say.

`contracts/build.mjs` writes `compiled/`; a test compiles again and compares. The wallet is the standard V5R1, whose
source is not ours.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Literal

from fairway.ton.cells import Cell, from_boc

__all__ = ["ContractName", "condition_code", "contract_code"]

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
