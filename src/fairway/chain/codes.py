"""Whether a contract on a chain is ours: by the hash of its code."""

from __future__ import annotations

from fairway.chain.interface import Chain
from fairway.errors import Unavailable
from fairway.ton.cells import cell_hash, from_boc
from fairway.ton.contracts import ContractName, contract_code

__all__ = ["check_code", "shown_code"]


async def shown_code(chain: Chain, address: str) -> bytes | None:
    """The hash of the code at `address`; None where no contract lives."""
    code = (await chain.get_account(address)).code
    return None if code is None else cell_hash(from_boc(code))


async def check_code(chain: Chain, address: str, name: ContractName) -> None:
    """Raise `Unavailable` where another contract than our `name` lives (`chain.code`) or none (`chain.absent`)."""
    shown = await shown_code(chain, address)
    if shown is None:
        raise Unavailable("chain.absent", "no contract lives at this address", address=address)
    if shown != cell_hash(contract_code(name)):
        raise Unavailable("chain.code", f"the contract at {address} is not our {name}", address=address)
