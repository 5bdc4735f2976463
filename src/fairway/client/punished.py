"""What the service shows the vault of a user to punish him, and he was never told: its own signature may prove its lie.

A receipt for an order whose cancel it had acknowledged makes a lien where it is shown to the vault alone. Whoever reads
it there has what the bond pays for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fairway.chain.interface import Chain, Message
from fairway.errors import InvalidMessage, Rejected, Unavailable
from fairway.ton.cells import from_boc
from fairway.ton.vault_messages import PUNISH_FILL, SignedCell, named_channel, read_account

__all__ = ["shown_receipt", "shown_receipts"]

LOOK_S = 20.0
PAUSE_S = 1.0


def shown_receipt(message: Message, name: bytes) -> SignedCell | None:
    """The receipt with which a message of the vault has channel `name` punished; None where it says something else."""
    if named_channel(message.body, frozenset({PUNISH_FILL})) != name:
        return None
    try:
        evidence = from_boc(message.body).begin_parse().load_ref().begin_parse()
        evidence.load_ref()
        evidence.load_ref()
        receipt = evidence.load_ref().begin_parse()
        return SignedCell(receipt.load_bytes(64), receipt.load_ref())
    except Exception:  # noqa: BLE001 - a slice raises whatever it happens to meet, and anybody may write to the vault
        return None


async def shown_receipts(chain: Chain, vault: str, name: bytes) -> AsyncIterator[SignedCell]:
    """Every receipt that is shown of channel `name`, as it is; from the beginning where a lien stands already."""
    seen_lt = -1
    while True:
        try:
            if seen_lt < 0:
                seen_lt = await _from_lt(chain, vault, name)
            for happened in await chain.wait(vault, seen_lt, LOOK_S):
                seen_lt = happened.lt
                receipt = shown_receipt(happened.incoming, name) if happened.incoming is not None else None
                if receipt is not None:
                    yield receipt
        except (InvalidMessage, Rejected, Unavailable):
            await asyncio.sleep(PAUSE_S)


async def _from_lt(chain: Chain, vault: str, name: bytes) -> int:
    """After which transaction to look: none where something stands against the channel, else all there are."""
    newest = (await chain.get_account(vault)).last_lt
    view = read_account(await chain.run_get(vault, "get_account", (int.from_bytes(name),)))
    return 0 if view is not None and view.liens else newest
