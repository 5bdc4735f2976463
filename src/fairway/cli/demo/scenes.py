"""The scenes of the default flow: what goes wrong between people, and what the exchange does about it.

Each scene has its own actors and asserts nothing: whether it came out right is read from the journal afterwards.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from fairway.channel.phase import Phase
from fairway.cli.demo.stage import CLOSING_S, Stage
from fairway.cli.demo.trader import Trader
from fairway.client.bots import MarketMaker
from fairway.client.wish import Wish
from fairway.errors import FairwayError, Rejected, Unavailable
from fairway.exchange.terms import CROSS, Kind
from fairway.ton.vault_messages import AccountView
from fairway.units import TON

__all__ = ["ACTORS", "CALM_ACTORS", "CALM_SCENES", "HOUSE", "SCENES", "keep_house"]

HOUSE = {"house-1": 30_000 * TON, "house-2": 30_000 * TON}
"""The two makers who stand ready in each market while scenes are played."""
ACTORS = {
    "ada": 400 * TON,
    "bob": 400 * TON,
    "carl": 300 * TON,
    "dora": 400 * TON,
    "ed": 40 * TON,
    "fay": 300 * TON,
    "gus": 500 * TON,
    "hal": 400 * TON,
    "ivy": 400 * TON,
    "jo": 50 * TON,
    "kim": 200 * TON,
}
LINEAR = 2
MILLION = 1_000_000
WAIT_S = 60.0
PAUSE_S = 0.3
ATTEMPTS = 40
FAR_MS = 3_600_000


def lasting() -> int:
    """When an order of a scene expires at the latest."""
    return time.time_ns() // MILLION + FAR_MS


async def until(holds: Callable[[], bool], what: str, patience_s: float = WAIT_S) -> None:
    """Wait until `holds`; `Unavailable` (`demo.scene`) says what never happened."""
    for _ in range(int(patience_s / 0.05)):
        if holds():
            return
        await asyncio.sleep(0.05)
    raise Unavailable("demo.scene", f"it never happened that {what}")


async def take(stage: Stage, trader: Trader, *, buy: bool, lots: int, leverage: int, market: int = LINEAR) -> None:
    """Take `lots` from whoever rests within two percent of the mark; again while nobody does."""
    for _ in range(ATTEMPTS):
        limit = stage.prices.marks[market] * (102 if buy else 98) // 100
        with suppress(Rejected):
            await trader.session.place(Wish(market, buy, lots, limit, Kind.IOC, leverage, expires_ms=lasting()))
        if market in trader.account.positions:
            return
        await asyncio.sleep(PAUSE_S)
    raise Unavailable("demo.scene", f"nobody sold to {trader.name}")


def all_in(stage: Stage, trader: Trader, leverage: int) -> int:
    """The most lots that the trader's balance reserves at this leverage, two percent above the mark."""
    limit, account = stage.prices.marks[LINEAR] * 102 // 100, trader.account

    def fits(lots: int) -> bool:
        needed = account.rules.requirement(LINEAR, reduce_only=False, lots=lots, limit=limit, leverage=leverage)
        return needed.reserve <= account.available

    return bisect_left(range(1, 100_000), True, key=lambda lots: not fits(lots))


def lots_of(trader: Trader) -> int:
    """What the trader holds; a liquidation leaves him what his margin then carries."""
    held = trader.account.positions.get(LINEAR)
    return held.position.lots if held is not None else 0


async def fall_below(stage: Stage, trader: Trader, steps: int) -> None:
    """Have the mark fall to one percent below the price at which what the trader holds is liquidated."""
    goal = trader.account.touch_tick(LINEAR) * 99 // 100
    await stage.prices.move(LINEAR, goal * MILLION // stage.prices.marks[LINEAR] - MILLION, steps)


async def guard(trader: Trader, *, trigger_ppm: int, mark: int) -> None:
    """Leave a stop or take-profit behind for the whole position."""
    held = trader.account.positions[LINEAR].position
    trigger = mark * (MILLION + trigger_ppm) // MILLION
    buy = held.s < 0
    limit = trigger * (106 if buy else 94) // 100
    await trader.session.place(
        Wish(LINEAR, buy, held.lots, limit, Kind.MARKET, 5, True, trigger, trigger_ppm > 0, lasting())
    )


async def cancels(stage: Stage, market: int = 1, sold: int = 4_000) -> None:
    """A cancel that wins, and one that crosses a fill on its way and loses."""
    ivy, hal, mark = stage.traders["ivy"], stage.traders["hal"], stage.prices.marks[market]
    far = await ivy.session.place(Wish(market, True, 100, mark * 95 // 100, Kind.LIMIT, 5, expires_ms=lasting()))
    await ivy.session.cancel(far)
    best = mark * 1004 // 1000
    key = await ivy.session.place(Wish(market, True, 100, best, Kind.LIMIT, 5, expires_ms=lasting()))
    if key in ivy.account.orders:
        ivy.door.clear()
        await hal.session.place(Wish(market, False, sold, best * 98 // 100, Kind.IOC, 5, expires_ms=lasting()))
        losing = asyncio.create_task(_lose(ivy, key))
        await asyncio.sleep(0.3)
        ivy.door.set()
        await losing


async def _lose(trader: Trader, key: int) -> None:
    with suppress(Rejected):
        await trader.session.cancel(key)


async def triggers(stage: Stage) -> None:
    """A take-profit and a stop-loss fire while their owners are offline."""
    ada, bob = stage.traders["ada"], stage.traders["bob"]
    await asyncio.gather(
        take(stage, ada, buy=True, lots=400, leverage=5), take(stage, bob, buy=True, lots=400, leverage=5)
    )
    mark = stage.prices.marks[LINEAR]
    await guard(ada, trigger_ppm=8_000, mark=mark)
    await guard(bob, trigger_ppm=-8_000, mark=mark)
    await asyncio.gather(ada.go(), bob.go())
    await stage.prices.move(LINEAR, 15_000)
    await stage.prices.move(LINEAR, -30_000)
    await asyncio.gather(ada.come(), bob.come())
    await until(lambda: not ada.account.positions and not bob.account.positions, "both triggers fired")


async def one_pot(stage: Stage) -> None:
    """Two positions share one margin; the one that lost is closed, then the other, and the pot is emptied."""
    kim = stage.traders["kim"]
    await kim.session.move_margin(CROSS, 60 * TON)
    await take(stage, kim, buy=True, lots=400, leverage=0)
    await take(stage, kim, buy=False, lots=1_000, leverage=0, market=1)
    await stage.prices.move(LINEAR, -8_000)
    for market in (LINEAR, 1):
        await leave(stage, kim, market)
    assert kim.account.pot is not None
    await kim.session.move_margin(CROSS, -kim.account.pot.margin)
    await stage.prices.move(LINEAR, 8_000)


async def leave(stage: Stage, trader: Trader, market: int) -> None:
    """Sell or buy back what the trader holds out of his pot, to whoever rests there."""
    for _ in range(ATTEMPTS):
        held = trader.account.positions.get(market)
        if held is None:
            return
        buy = held.position.s < 0
        limit = stage.prices.marks[market] * (104 if buy else 96) // 100
        with suppress(Rejected):
            wish = Wish(market, buy, held.position.lots, limit, Kind.IOC, 0, True, expires_ms=lasting())
            await trader.session.place(wish)
        await asyncio.sleep(PAUSE_S)
    raise Unavailable("demo.scene", f"nobody took what {trader.name} had")


async def liquidation(stage: Stage) -> None:
    """A position at high leverage meets a falling mark: it is cut to what its margin carries, step by step."""
    carl = stage.traders["carl"]
    await take(stage, carl, buy=True, lots=2_000, leverage=20)
    taken = lots_of(carl)
    await fall_below(stage, carl, steps=12)
    await until(lambda: lots_of(carl) < taken, "carl was liquidated")
    await stage.prices.move(LINEAR, 30_000)


async def refusal(stage: Stage) -> None:
    """A taker will not sign the fill he got; his rate falls until he does."""
    dora = stage.traders["dora"]
    await take(stage, dora, buy=True, lots=800, leverage=5)
    dora.signs = False
    await stage.prices.move(LINEAR, -6_000)
    await until_vault(dora, lambda account: bool(account.liens), "dora was punished")
    dora.signs = True
    await dora.session.countersign()
    await until_vault(dora, lambda account: not account.liens, "dora was absolved")


async def until_vault(trader: Trader, holds: Callable[[AccountView], bool], what: str) -> None:
    """Wait until the vault's account of the trader's channel is as `holds` wants it."""
    for _ in range(int(WAIT_S / 0.25)):
        account = await trader.user.onchain.account()
        if account is not None and holds(account):
            return
        await asyncio.sleep(0.25)
    raise Unavailable("demo.scene", f"it never happened that {what}")


async def disputes(stage: Stage) -> None:
    """One dodges his liquidation by leaving alone with a stale state, one only tries a better old balance."""
    ed, fay = stage.traders["ed"], stage.traders["fay"]
    ed_memory, fay_memory = ed.pair_now(), fay.pair_now()
    await asyncio.gather(
        take(stage, ed, buy=True, lots=all_in(stage, ed, 20), leverage=20),
        take(stage, fay, buy=True, lots=900, leverage=5),
    )
    held = fay.account.positions[LINEAR].position
    await fay.session.place(
        Wish(LINEAR, False, held.lots, stage.prices.marks[LINEAR] * 97 // 100, Kind.IOC, 5, True, expires_ms=lasting())
    )
    await until(lambda: not fay.account.positions, "fay was out")
    await asyncio.gather(ed.session.countersign(), fay.session.countersign())
    ed.signs = fay.signs = False
    await asyncio.gather(ed.user.onchain.start(ed_memory), fay.user.onchain.start(fay_memory))
    await fall_below(stage, ed, steps=10)
    await until_vault(ed, lambda account: bool(account.liens), "ed's rate was lowered")
    await stage.chain.chain.advance(2 * CLOSING_S + 1)
    for trader in (ed, fay, stage.traders["jo"]):
        await until_vault(trader, lambda account: account.ended, f"the channel of {trader.name} ended")
    await stage.prices.move(LINEAR, 40_000)


async def partial_withdrawal(stage: Stage) -> None:
    """Part of a balance goes to the wallet; the rest goes on in a new channel, in one transaction."""
    gus = stage.traders["gus"]
    await gus.withdraw_partially(200 * TON)
    await until(lambda: gus.session.side.replica.channel.phase is Phase.OPEN, "gus went on")


async def lending(stage: Stage) -> None:
    """Two lend to the pool; one leaves with his part of what it earned, the other stays."""
    lenders = await asyncio.gather(*(stage.lender(name) for name in ("lena", "max")))
    await asyncio.gather(*(lender.lend(5_000 * TON) for lender in lenders))
    await lenders[0].withdraw()


async def keep_house(stage: Stage) -> list[asyncio.Task[None]]:
    """Have the house makers stand ready in both markets."""
    tasks = []
    for market, name in ((1, "house-1"), (2, "house-2")):
        maker = MarketMaker(stage.traders[name].session, market, stage.seed + market, 24_000, 3, 1.0)
        tasks.append(asyncio.create_task(_keep(maker)))
    await asyncio.sleep(1)
    return tasks


async def _keep(maker: MarketMaker) -> None:
    while True:
        with suppress(FairwayError):
            await maker.step()
        await asyncio.sleep(maker.pause_s)


SCENES: dict[str, Callable[[Stage], Awaitable[None]]] = {
    "a cancel that wins, one that loses": cancels,
    "take-profit and stop-loss, owners offline": triggers,
    "one pot for two markets": one_pot,
    "a liquidation": liquidation,
    "a taker who will not sign": refusal,
    "a dodged liquidation, a stale close": disputes,
    "a partial withdrawal": partial_withdrawal,
    "lenders come, one leaves": lending,
}
CALM_ACTORS = {name: ACTORS[name] for name in ("gus", "hal", "ivy")}
CALM_SCENES: dict[str, Callable[[Stage], Awaitable[None]]] = {
    "a cancel that wins, one that loses": partial(cancels, market=LINEAR, sold=200),
    "a partial withdrawal": partial_withdrawal,
    "lenders come, one leaves": lending,
}
"""What goes without a move of the price: a recording makes its own."""
