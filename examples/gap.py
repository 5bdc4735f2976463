"""A gap through bankruptcy prices: from one round to the next the mark passes where the losers had nothing left.

They lose their margins and no more. Who won is paid what they had: his position ends at their bankruptcy price.
"""

from __future__ import annotations

from examples.stage import MARK, Stage, told
from fairway.exchange.terms import Kind
from fairway.units import TON


def play() -> Stage:
    """Shorts of three leverages, a gap of 40 % up, and the way back."""
    stage = Stage({"long": 5_000 * TON, "x20": 100 * TON, "x10": 100 * TON, "x2": 400 * TON})
    for name, leverage in (("x20", 20), ("x10", 10), ("x2", 2)):
        stage.order("long", 100, MARK, leverage=3)
        stage.order(name, -100, MARK, leverage, kind=Kind.IOC)
    stage.mark(MARK * 14 // 10)
    stage.say(
        f"The mark jumped by 40 %: x20 holds {stage.lots('x20')}, x10 {stage.lots('x10')}, x2 {stage.lots('x2')}."
    )
    stage.mark(MARK)
    stage.say("It came back, too late for two of three.")
    return stage


if __name__ == "__main__":
    told(play)
