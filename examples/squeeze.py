"""A squeeze of a thin market: who buys the book empty moves the last price, and nobody's margin with it.

Liquidations look at the mark, which is the oracle's. Only when the index itself has risen are the shorts closed, in
steps against the few who sell, and what is left against those who won, at the shorts' own bankruptcy prices.
"""

from __future__ import annotations

from examples.stage import MARK, Stage, told
from fairway.exchange.terms import Kind
from fairway.units import TON

SHORTS = [f"short-{number}" for number in range(1, 5)]


def play() -> Stage:
    """The squeeze, from the first short to the last deleverage."""
    stage = Stage({"whale": 20_000 * TON, "seller": 2_000 * TON} | dict.fromkeys(SHORTS, 60 * TON))
    for name in SHORTS:
        stage.order("whale", 100, MARK)
        stage.order(name, -100, MARK, leverage=20, kind=Kind.IOC)
    for step in range(1, 6):
        stage.order("seller", -20, MARK + step * 500)
    stage.order("whale", 100, MARK + 2_500, kind=Kind.IOC)
    printed = stage.world.engine.venue.counts
    stage.say(f"The whale has bought the book empty, up to {MARK + 2_500}; {printed.liquidations} were liquidated.")
    stage.order("seller", -50, MARK * 104 // 100)
    stage.mark(MARK * 104 // 100)
    stage.say(f"The index has followed by 4 %: {printed.liquidations} shorts are in distress.")
    stage.mark(MARK * 112 // 100)
    stage.say(f"At 12 % nothing of them is left: {[stage.lots(name) for name in SHORTS]} lots.")
    return stage


if __name__ == "__main__":
    told(play)
