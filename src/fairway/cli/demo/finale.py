"""The end of a demo: everyone closes what he holds, signs, and takes his money home through the vault."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from fairway.channel.phase import Phase
from fairway.cli.demo.stage import Stage
from fairway.cli.demo.trader import Trader
from fairway.client.wish import Wish
from fairway.errors import FairwayError, Rejected
from fairway.exchange.terms import Kind

__all__ = ["cancel_all", "wind_down"]

ROUNDS = 6


async def wind_down(stage: Stage) -> None:
    """Close every position at one calm price, then every channel together."""
    staying = [trader for trader in stage.traders.values() if is_trading(trader)]
    stage.prices.calm = True
    await asyncio.gather(*(cancel_all(trader) for trader in staying))
    for _ in range(ROUNDS):
        if not any(trader.account.positions for trader in staying):
            break
        await asyncio.gather(*(_close_positions(stage, trader) for trader in staying))
        await asyncio.sleep(0.5)
        await asyncio.gather(*(cancel_all(trader) for trader in staying))
    ready = [trader for trader in staying if not trader.account.positions]
    await asyncio.gather(*(_go_home(trader) for trader in ready))


def is_trading(trader: Trader) -> bool:
    """Whether the trader's channel is still open and honest."""
    return trader.signs and trader.session.side.replica.channel.phase is Phase.OPEN


async def cancel_all(trader: Trader) -> None:
    """Take every order of the trader out of the books."""
    for _ in range(ROUNDS):
        if not trader.account.orders:
            return
        with suppress(Rejected):
            await trader.session.cancel(*trader.account.orders)


async def _close_positions(stage: Stage, trader: Trader) -> None:
    """Offer what is held at the mark: longs and shorts cancel, so at one price all of it is taken."""
    wishes: Sequence[Wish] = [
        Wish(market, held.position.s < 0, held.position.lots, stage.prices.marks[market], Kind.LIMIT, 5, True)
        for market, held in trader.account.positions.items()
    ]
    for wish in wishes:
        with suppress(FairwayError):
            await trader.session.place(wish)


async def _go_home(trader: Trader) -> None:
    for _ in range(ROUNDS):
        if trader.session.side.replica.pending is None:
            break
        await asyncio.sleep(0.2)
    await trader.user.withdraw()
