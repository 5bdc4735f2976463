"""Hands one channel's newest state to the user's watchtowers, by itself, and keeps their receipts.

What a tower can bring is what the user signed last: the pair in which his half cites the service's. Each tower is
served on its own; one that is silent or refuses is told again later and keeps nobody else waiting.
"""

from __future__ import annotations

import asyncio
from collections import deque

import httpx
import msgspec

from fairway.chain.wire import Failure, call_error
from fairway.client.side import Side
from fairway.client.watchtower_wire import Rounds, Watched
from fairway.errors import UNREADABLE, FairwayError, InvalidMessage, Unavailable
from fairway.exchange import wire

__all__ = ["PATIENCE_S", "Courier", "post"]

GLANCE_S = 0.25
PAUSE_S = 2.0
PATIENCE_S = 10
ROUNDS = 512
"""Rounds that wait for a tower; more are dropped, the oldest first."""


class Courier:
    """The way to one tower at `url`. `receipt` is its newest; `refusal` why the last try failed, None where it held."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.receipt: Watched | None = None
        self.refusal: FairwayError | None = None
        self._rounds: deque[wire.Round] = deque(maxlen=ROUNDS)
        self._key: bytes | None = None

    def show(self, shown: wire.Round) -> None:
        """Bring this round along."""
        self._rounds.append(shown)

    async def run(self, side: Side) -> None:
        """Hand over whatever is new, until cancelled."""
        handed: tuple[int, int] | None = None
        async with httpx.AsyncClient(base_url=self.url, timeout=PATIENCE_S, trust_env=False) as web:
            while True:
                try:
                    if side.watchable not in {None, handed}:
                        handed = await self._hand(web, side)
                    await self._bring_rounds(web, side)
                except FairwayError as error:
                    self.refusal = error
                    await asyncio.sleep(PAUSE_S)
                await asyncio.sleep(GLANCE_S)

    async def _hand(self, web: httpx.AsyncClient, side: Side) -> tuple[int, int] | None:
        version = side.watchable
        handed = side.deposit()
        reply = await post(web, "/v1/watch", msgspec.msgpack.encode(handed))
        try:
            receipt = msgspec.msgpack.decode(reply, type=Watched)
        except UNREADABLE as error:
            raise InvalidMessage("tower.receipt", f"the tower's answer is no receipt: {error}") from None
        receipt.verify(self._key or receipt.key)
        if (receipt.channel_id, (receipt.seqno_a, receipt.seen)) != (side.channel_id, version):
            raise InvalidMessage("tower.receipt", "the receipt is not of what was handed over")
        side.keep_receipt(receipt)
        self._key, self.receipt, self.refusal = receipt.key, receipt, None
        return version

    async def _bring_rounds(self, web: httpx.AsyncClient, side: Side) -> None:
        if self._rounds and self.receipt is not None:
            batch = list(self._rounds)
            await post(web, "/v1/rounds", msgspec.msgpack.encode(Rounds(side.channel_id, batch)))
            for _ in batch:
                self._rounds.popleft()


async def post(web: httpx.AsyncClient, path: str, body: bytes) -> bytes:
    """What the tower at `web` answers. Errors: `Unavailable` (`tower.unreachable`), and its own refusals."""
    try:
        reply = await web.post(path, content=body)
        if reply.status_code == httpx.codes.OK:
            return reply.content
        failure = msgspec.msgpack.decode(reply.content, type=Failure)
    except (httpx.HTTPError, *UNREADABLE) as error:
        raise Unavailable("tower.unreachable", f"the tower does not answer: {error!r}") from error
    raise call_error(failure)
