"""The default order flow: makers, takers and followers, each by its own seed, all at once over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from fairway.cli.demo.trader import Trader
from fairway.client.bots import Bot, MarketMaker, Momentum, Taker
from fairway.errors import FairwayError

__all__ = ["run_flow", "troupe"]

MARKETS = (1, 2)
SIZES = {1: 4_000, 2: 1_200}
"""The most lots of one order: about 800 TON of TON-USD, 600 TON of ETH-TON."""
KINDS: Sequence[type[Bot]] = (MarketMaker, Taker, MarketMaker, Momentum)
PAUSE_S = 0.02


def troupe(traders: Sequence[Trader], seed: int) -> list[Bot]:
    """One bot for each trader: half of them make markets."""
    return [
        KINDS[place % len(KINDS)](
            trader.session, MARKETS[place // 2 % 2], seed * 1000 + place, SIZES[MARKETS[place // 2 % 2]]
        )
        for place, trader in enumerate(traders)
    ]


async def run_flow(bots: Sequence[Bot], placed: Callable[[], int], until: int) -> None:
    """Let every bot act until `until` orders were placed in all; `placed` counts them."""
    await asyncio.gather(*(_act(bot, placed, until) for bot in bots))


async def _act(bot: Bot, placed: Callable[[], int], until: int) -> None:
    while placed() < until:
        with suppress(FairwayError):
            await bot.step()
        await asyncio.sleep(PAUSE_S * bot.random.random())
