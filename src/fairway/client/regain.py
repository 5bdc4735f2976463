"""Takes back from watchtowers what a record lacks that was restored from an old copy. Nothing a tower says is trusted.

What a tower holds is a deposit under the user's own channel key, with both halves under both keys. So it can withhold
the newest, which several towers make harder, and cannot invent one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import httpx
import msgspec

from fairway.client.courier import PATIENCE_S, post
from fairway.client.side import Side
from fairway.client.watchtower_wire import Handed
from fairway.errors import UNREADABLE, FairwayError, InvalidMessage

__all__ = ["regain"]


async def regain(side: Side, towers: Sequence[str], now_s: int, tell: Callable[[str], None] = lambda _: None) -> int:
    """Ask all `towers` (URLs) at once what they hold; what is newer than the record is written into it.

    How many gave a true answer. The others are told of by `tell` and change nothing.
    """
    answers = await asyncio.gather(*(_held(url, side, now_s) for url in towers))
    return sum(_took(side, url, answer, tell) for url, answer in zip(towers, answers, strict=True))


async def _held(url: str, side: Side, now_s: int) -> Handed | FairwayError:
    try:
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_S, trust_env=False) as web:
            reply = await post(web, "/v1/held", msgspec.msgpack.encode(side.wanted(now_s)))
        return msgspec.msgpack.decode(reply, type=Handed)
    except FairwayError as error:
        return error
    except UNREADABLE as error:
        return InvalidMessage("tower.deposit", f"not a deposit: {error}")


def _took(side: Side, url: str, answer: Handed | FairwayError, tell: Callable[[str], None]) -> bool:
    try:
        if isinstance(answer, FairwayError):
            raise answer
        news = side.regain(answer)
    except FairwayError as error:
        tell(f"{url} is not believed: {error}")
        return False
    tell(f"{url} holds {'newer halves than the record: taken over' if news else 'nothing newer than the record'}")
    return True
