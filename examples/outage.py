"""An oracle outage and its return: while the oracle is silent nobody is liquidated and nobody adds to a risk."""

from __future__ import annotations

from examples.stage import MARK, Stage, told
from fairway.exchange.terms import Kind
from fairway.units import TON

STALE_MS = 3_000


def play() -> Stage:
    """A long at leverage 20, ten minutes of silence, and a market that has fallen meanwhile."""
    stage = Stage({"long": 100 * TON, "short": 1_000 * TON, "other": 1_000 * TON}, stale_ms=STALE_MS)
    stage.order("short", -100, MARK)
    stage.order("long", 100, MARK, 20, kind=Kind.IOC)
    stage.world.now_ms += 600_000
    stage.say(f"Ten minutes without a round. A new order: {stage.order('other', 10, MARK) or 'accepted'}.")
    stage.order("short", 40, MARK, kind=Kind.LIMIT, reduce_only=True)
    stage.order("long", -40, MARK, kind=Kind.IOC, reduce_only=True)
    stage.say(f"Both sides reduce: {stage.interest} lots are left. Liquidated: {liquidated(stage)}.")
    stage.mark(MARK * 93 // 100)
    stage.say(f"The oracle is back, 7 % lower. Liquidated: {liquidated(stage)}; {stage.interest} lots are open.")
    stage.say(f"A new order: {stage.order('other', 10, MARK * 93 // 100) or 'accepted'}.")
    return stage


def liquidated(stage: Stage) -> int:
    """How many positions were taken so far."""
    return stage.world.engine.venue.counts.liquidations


if __name__ == "__main__":
    told(play)
