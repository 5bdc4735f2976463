"""The liquidation of the whole open interest: every long at once, no buyer anywhere, and nobody beyond his margin."""

from __future__ import annotations

from examples.stage import MARK, Stage, told
from fairway.exchange.terms import Kind
from fairway.units import TON

LEVERAGES = {"careful": 3, "bold": 10, "bolder": 15, "boldest": 20}


def play() -> Stage:
    """Four longs against two shorts; then the price is a third of what it was."""
    stage = Stage(dict.fromkeys(LEVERAGES, 300 * TON) | {"bear": 2_000 * TON, "bull-slayer": 900 * TON})
    for name, leverage in LEVERAGES.items():
        for short, lots in (("bear", 60), ("bull-slayer", 40)):
            stage.order(short, -lots, MARK)
            stage.order(name, lots, MARK, leverage, kind=Kind.IOC)
    stage.say(f"{stage.interest} lots are open, half of them at leverage 15 and more.")
    for part in (95, 80, 60, 33):
        stage.mark(MARK * part // 100)
        stage.say(f"The mark is {part} % of the first; {stage.interest} lots are open.")
    return stage


if __name__ == "__main__":
    told(play)
