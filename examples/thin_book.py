"""A whale and a book that thins out: nobody may hold more than the book could take back, or widen that by himself.

The whale first rests wide quotes of its own, then buys all it may. When the makers go, its cap falls below what it
holds: nothing is closed, but from now on it only reduces.
"""

from __future__ import annotations

from msgspec.structs import replace

from examples.stage import MARK, MARKET, Stage, told
from fairway.exchange.listing import Caps, DepthRule, default_listings
from fairway.exchange.terms import Kind
from fairway.units import TON

MAKERS = ["maker-1", "maker-2"]
RULE = DepthRule(25_000, 600_000, 1_000_000, 10_000_000, 100, 1_000)
"""Within 2.5 % of the mark over ten minutes; 100 lots for one user, 1,000 for all, however thin it is."""


def play() -> Stage:
    """From the first quote to the whale's last reduction."""
    listings = [replace(listing, caps=Caps(depth=RULE)) for listing in default_listings()]
    stage = Stage(
        {"whale": 20_000 * TON, "seller": 5_000 * TON, "other": 5_000 * TON} | dict.fromkeys(MAKERS, 2_000 * TON),
        listings=listings,
    )
    for name in MAKERS:
        stage.order(name, 100, MARK - 500)
        stage.order(name, -20, MARK + 500)
    stage.order("whale", 100, MARK - 400)
    stage.say(f"The book is new: the whale may hold {cap(stage)} lots, and a bid for 1,000 is {bid(stage, 1_000)}.")
    wait(stage, 40)
    stage.say(f"Twenty minutes of {2 * 100} bids by others later it may hold {cap(stage)}; its own do not count.")
    stage.world.propose(stage.names["whale"], drops=list(stage.world.engine.accounts[stage.names["whale"]].orders))
    for name in ("seller", "other"):
        stage.order(name, -90, MARK)
    stage.order("whale", 170, MARK, kind=Kind.IOC)
    stage.say(f"It has bought {stage.lots('whale')}. The makers take their bids out.")
    for name in MAKERS:
        account = stage.world.engine.accounts[stage.names[name]]
        stage.world.propose(stage.names[name], drops=[key for key, each in account.orders.items() if each.terms.buy])
    wait(stage, 40)
    held = stage.lots("whale")
    stage.say(f"Now it may hold {cap(stage)} and keeps {held}; a bid for one more is {bid(stage, 1)}.")
    stage.order("maker-1", 60, MARK - 300)
    stage.order("whale", -60, MARK - 300, kind=Kind.IOC)
    stage.say(f"It may always sell: {held - stage.lots('whale')} lots go, {stage.lots('whale')} stay.")
    return stage


def cap(stage: Stage) -> int:
    """What the whale may hold long now."""
    return stage.world.engine.venue.bounds(MARKET, stage.names["whale"]).long


def bid(stage: Stage, lots: int) -> str:
    """What the whale hears that bids for so many more."""
    return stage.order("whale", lots, MARK - 450) or "taken"


def wait(stage: Stage, rounds: int) -> None:
    """So many rounds, half a minute apart."""
    for _ in range(rounds):
        stage.world.now_ms += 30_000
        stage.mark(MARK)


if __name__ == "__main__":
    told(play)
