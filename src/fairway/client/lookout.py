"""Eyes on one vault for the channels of side A: a loss that somebody shows of an old pair is answered while it can be.

Between the notice and the day it moves lies a quarantine; any later half of the service lowers it, whoever brings it.
Looking twice does nothing twice: what is answered follows from what the vault shows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fairway.chain.interface import Chain
from fairway.chain.purse import Purse
from fairway.client.answer import Pledge, answer_of
from fairway.errors import InvalidMessage, Rejected, Unavailable
from fairway.ton.vault_messages import EVIDENCE_VALUE, SHOW_LOSS, LossesView, named_channel, read_losses
from fairway.ton.wallet import Transfer

__all__ = ["Lookout", "losses_of", "vault_name"]

LOOK_S = 20.0
PAUSE_S = 1.0
ATTEMPTS = 3
"""How often one answer is sent that does not show: what the vault refuses costs gas each time."""


def vault_name(address: str) -> bytes:
    """How the vault names the channel at `address`: the hash in it."""
    return bytes.fromhex(address.partition(":")[2])


async def losses_of(chain: Chain, vault: str, name: bytes) -> LossesView:
    """What has moved and what is announced of channel `name`. Errors: `Rejected` where the vault does not know it."""
    return read_losses(await chain.run_get(vault, "get_losses", (int.from_bytes(name),)))


class Lookout:
    """Looks at `vault`; gas comes from `purse`, `tell` hears each step."""

    def __init__(self, chain: Chain, purse: Purse, vault: str, tell: Callable[[str], None] = lambda _: None) -> None:
        self._chain = chain
        self._purse = purse
        self._vault = vault
        self._tell = tell
        self._posts: dict[bytes, Callable[[], Pledge]] = {}
        self._unsettled: set[bytes] = set()
        self._sent: dict[bytes, int] = {}

    def stand_for(self, name: bytes, pledge: Callable[[], Pledge]) -> None:
        """Answer for channel `name` with what is held by then. It is looked at once, whatever was shown before."""
        self._posts[name] = pledge
        self._unsettled.add(name)

    def leave(self, name: bytes) -> None:
        """The channel is over."""
        self._posts.pop(name, None)
        self._unsettled.discard(name)

    async def run(self) -> None:
        """Look whenever something happens to the vault, until cancelled. A notice that stands is looked at again."""
        seen_lt = 0
        while True:
            try:
                seen_lt = seen_lt or (await self._chain.get_account(self._vault)).last_lt
                for name in list(self._unsettled):
                    await self._look(name)
                for happened in await self._chain.wait(self._vault, seen_lt, LOOK_S):
                    seen_lt = happened.lt
                    named = named_channel(happened.incoming.body, frozenset({SHOW_LOSS})) if happened.incoming else None
                    if named in self._posts:
                        self._unsettled.add(named)
            except (InvalidMessage, Rejected, Unavailable) as error:
                self._tell(f"could not: {error}")
                await asyncio.sleep(PAUSE_S)

    async def _look(self, name: bytes) -> None:
        pledge = self._posts.get(name)
        losses = await losses_of(self._chain, self._vault, name) if pledge else None
        if pledge is None or losses is None or losses.notice is None:
            self._unsettled.discard(name)
            return
        body = answer_of(name, losses, pledge())
        if body is None or self._sent.get(body.hash, 0) >= ATTEMPTS:
            return
        await self._purse.send(Transfer(self._vault, EVIDENCE_VALUE, body))
        self._sent[body.hash] = self._sent.get(body.hash, 0) + 1
        self._tell(f"channel {name.hex()[:8]}: answered a loss that is none any more")
