"""A venue and named traders in one process: the real engine, and real replicas that judge every half it signs.

Nobody's money is on any chain here; everything else is what a service does, down to the signatures.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.simulation.world import World

from fairway.client.wish import Wish
from fairway.exchange.ledger import HOUSE, WORLD, user
from fairway.units import TON, format_ton

__all__ = ["MARK", "MARKET", "Stage", "told"]

MARKET, MARK = 2, 50_000
"""ETH-TON, linear, and where it begins."""
BYSTANDER = "bystander"


class Stage:
    """Traders by name, each with `deposit` nano, and a bystander who never trades; the oracle says `MARK` at first."""

    def __init__(self, traders: dict[str, int], **founding: object) -> None:
        self.world = World(**founding)
        self.names = {name: self.world.join(name, nano) for name, nano in (traders | {BYSTANDER: 100 * TON}).items()}
        self.lines: list[str] = []
        self.world.price(MARKET, MARK)
        self._began = dict(self.world.engine.venue.ledger.balances)

    @property
    def interest(self) -> int:
        """The lots held long, which are the lots held short."""
        return self.world.engine.venue.open_lots[MARKET]

    def lots(self, name: str) -> int:
        """The signed lots that `name` holds."""
        return self.world.engine.accounts[self.names[name]].signed_lots(MARKET)

    def order(self, name: str, lots: int, price: int, leverage: int = 5, **more: object) -> str:
        """`name` buys (`lots` > 0) or sells at `price` or better; the code it was refused with, or nothing."""
        wish = Wish(MARKET, lots > 0, abs(lots), price, leverage=leverage, **more)  # type: ignore[arg-type]
        return self.world.try_propose(self.names[name], [wish])

    def mark(self, price: int) -> None:
        """A round of the oracle."""
        self.world.price(MARKET, price)

    def say(self, line: str) -> None:
        """A line of the story, for the report."""
        self.lines.append(line)

    # The end

    def changes(self) -> dict[str, int]:
        """What everybody has more or less than at the beginning, in nano; the house by its accounts."""
        now = self.world.engine.venue.ledger.balances
        named = {name: user(channel_id) for name, channel_id in self.names.items()}
        named |= {account: account for account in HOUSE if account != WORLD}
        return {name: now[account] - self._began[account] for name, account in named.items()}

    def check(self) -> None:
        """To the nano: what some lost others won, the bystander neither, and a replay arrives at the same state."""
        changes, engine = self.changes(), self.world.engine
        if sum(changes.values()) or changes[BYSTANDER]:
            raise AssertionError(f"money appeared, vanished, or was taken from who had no position: {changes}")
        engine.venue.check()
        if self.world.replayed().digest() != engine.digest():
            raise AssertionError("the journal tells another story")

    def report(self) -> str:
        """The story, and the table of who paid what."""
        counts = self.world.engine.venue.counts
        width = max(map(len, self.changes()))
        rows = [
            f"  {name:<{width}}  {format_ton(nano):>24}  {self.lots(name) if name in self.names else '':>8}"
            for name, nano in self.changes().items()
        ]
        head = f"  {'who':<{width}}  {'won or lost, TON':>24}  {'holds':>8}"
        happened = f"{counts.fills} fills, {counts.liquidations} liquidations, {counts.deleverages} deleveraged"
        return "\n".join([*self.lines, "", head, *rows, "", f"  sum 0; {happened}"])


def told(play: Callable[[], Stage]) -> None:
    """Play, check, print."""
    stage = play()
    stage.check()
    print(stage.report())
