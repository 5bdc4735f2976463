"""A flash crash with leverage: one that is built in, or a recorded day by `python -m examples.crash FEED`.

FEED is a recording of Binance's streams, as `fairway demo` plays it; its moves are played `AMPLIFY` times as large, for
what is recorded is mostly calm. A maker quotes around every mark, takers of all leverages trade against him.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

from examples.stage import MARK, Stage, told
from fairway.cli.demo.feed import Trade, records
from fairway.exchange.terms import Kind
from fairway.units import TON

LEVERAGES = {"x2": 2, "x5": 5, "x10": 10, "x20": 20}
ROUNDS = 150
AMPLIFY = 20


def built_in() -> list[int]:
    """A calm hour, a fall of 30 % within some rounds, and half of the way back."""
    calm = [MARK + 40 * (number % 7 - 3) for number in range(40)]
    fall = [MARK * (1_000 - 10 * step) // 1_000 for step in range(1, 31)]
    back = [fall[-1] + (MARK - fall[-1]) * step // 80 for step in range(1, 41)]
    return [*calm, *fall, *back]


def recorded(path: Path) -> list[int]:
    """The prices of the recording's trades, at most `ROUNDS` of them, from `MARK` on and amplified."""
    prices = [each.price for each in records(path) if isinstance(each, Trade)]
    shown = prices[:: max(1, len(prices) // ROUNDS + 1)]
    return [max(MARK // 10, MARK + AMPLIFY * MARK * (price - shown[0]) // shown[0]) for price in shown]


def play(marks: Sequence[int] | None = None) -> Stage:
    """Play these marks, the built-in ones where none are given."""
    stage = Stage({"maker": 20_000 * TON} | dict.fromkeys(LEVERAGES, 100 * TON))
    turns = cycle(LEVERAGES.items())
    shown = marks or built_in()
    for mark in shown:
        stage.mark(mark)
        _trade(stage, mark, *next(turns))
    stage.say(f"{len(shown)} rounds: from {shown[0]} down to {min(shown)}, at last {shown[-1]}.")
    return stage


def _trade(stage: Stage, mark: int, name: str, leverage: int) -> None:
    """The maker moves his bid and his ask, and `name` adds a little to a long."""
    maker = stage.names["maker"]
    standing = list(stage.world.engine.accounts[maker].orders)
    if standing:
        stage.world.try_propose(maker, [], standing)
    stage.order("maker", 20, mark * 999 // 1_000)
    stage.order("maker", -20, mark * 1_001 // 1_000)
    if stage.lots(name) < 100:
        stage.order(name, 10, mark * 1_002 // 1_000, leverage, kind=Kind.IOC)


if __name__ == "__main__":
    marks = recorded(Path(sys.argv[1])) if sys.argv[1:] else None
    told(lambda: play(marks))
