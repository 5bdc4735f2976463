"""Traders for demonstrations and simulations: each acts through its session only, and draws from its own seed.

`step` is one decision at the newest signed round; `run` takes steps at irregular intervals until cancelled. A refusal
is part of trading: it is counted, and the next step sees a newer account.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from fairway.client.session import Session
from fairway.client.wish import Wish
from fairway.errors import Rejected
from fairway.exchange.account import Account
from fairway.exchange.terms import Kind
from fairway.risk.contract import notional
from fairway.units import div_down

__all__ = ["Bot", "MarketMaker", "Momentum", "Refuser", "Taker"]

BASIS_POINTS = 10_000


@dataclass
class Bot(ABC):
    """A trader in one market. `size` is in lots, `pause_s` the mean time between two steps."""

    session: Session
    market: int
    seed: int
    size: int
    leverage: int = 5
    pause_s: float = 1.0
    refusals: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)  # noqa: S311 - a rehearsed whim, no secret

    @property
    def account(self) -> Account:
        """The account, as the service's newest signed half has it."""
        return self.session.account

    @property
    def held(self) -> int:
        """Signed lots of the position."""
        held = self.account.positions.get(self.market)
        return held.position.s * held.position.lots if held else 0

    async def run(self) -> None:
        """Step until cancelled."""
        while True:
            await asyncio.sleep(self.random.expovariate(1 / self.pause_s))
            await self.step()

    async def step(self) -> None:
        """One decision, if the oracle has spoken; a refusal is counted."""
        newest = self.account.rounds.get(self.market)
        if newest is None:
            return
        try:
            await self.decide(newest.mark)
        except Rejected:
            self.refusals += 1

    @abstractmethod
    async def decide(self, mark: int) -> None:
        """Place and cancel what `mark` suggests."""

    def wish(self, lots: int, limit: int, kind: Kind = Kind.LIMIT) -> Wish:
        """An order for signed `lots`."""
        return Wish(self.market, lots > 0, abs(lots), limit, kind, self.leverage)

    def closing(self, limit: int, trigger: int = 0, *, above: bool = False) -> Wish:
        """An order that closes the position: at once, or as soon as the mark is at or beyond `trigger`."""
        kind = Kind.MARKET if trigger else Kind.IOC
        return Wish(
            self.market, self.held < 0, abs(self.held), limit, kind, self.leverage, True, trigger, trigger > 0 and above
        )

    def affordable(self, mark: int) -> int:
        """The lots that half of what is available would carry, at most `size`."""
        contract = self.account.rules.listing(self.market).contract
        one = notional(contract, 1, mark)
        return max(0, min(self.size, div_down(self.account.available * self.leverage, 2 * one)))


class MarketMaker(Bot):
    """Quotes both sides around the mark, post-only, leaning against what he holds; quotes are replaced in one half."""

    levels = 3
    spread = 10
    """Basis points between the mark and the first quote, and from quote to quote."""

    async def decide(self, mark: int) -> None:
        """Replace all quotes."""
        lots = self.affordable(mark) // (2 * self.levels)
        if not lots:
            return
        lean = div_down(-self.held * self.spread, max(1, self.size))
        quotes = [
            self.wish(s * lots, div_down(mark * (BASIS_POINTS + lean - s * self.distance(level)), BASIS_POINTS))
            for level in range(1, self.levels + 1)
            for s in (1, -1)
        ]
        await self.session.place_many([_resting(quote) for quote in quotes], instead_of=self.live())

    def distance(self, level: int) -> int:
        """Basis points from the mark to the quote of a level, never twice the same."""
        return level * self.spread + self.random.randrange(self.spread // 2 + 1)

    def live(self) -> Sequence[int]:
        """The keys of his quotes."""
        return [key for key, order in self.account.orders.items() if order.terms.market == self.market]


class Taker(Bot):
    """Takes either side at random, and half the time gives back what he holds."""

    reach = 50
    """Basis points beyond the mark that he pays at most."""

    async def decide(self, mark: int) -> None:
        """Close what is held, or take a side."""
        if self.held and self.random.random() < 0.5:
            await self.session.place(self.closing(_beyond(mark, self.held < 0, self.reach)))
        elif lots := self.affordable(mark):
            lots = self.random.choice((1, -1)) * self.random.randint(1, lots)
            await self.session.place(self.wish(lots, _beyond(mark, lots > 0, self.reach), Kind.IOC))


class Momentum(Bot):
    """Follows a move of the mark, guarded by a stop-loss and a take-profit that the service fires without him."""

    memory = 5
    stop, profit, reach = 60, 90, 80
    """Basis points from the mark: where he gives up, where he is content, what he pays at most."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.marks: deque[int] = deque(maxlen=self.memory)

    async def decide(self, mark: int) -> None:
        """Enter on a clear move; see to it that a position is guarded."""
        self.marks.append(mark)
        if not self.held:
            await self.enter(mark)
        if self.held and not self.account.orders:
            await self.guard(mark)

    async def enter(self, mark: int) -> None:
        """Go with the move, if there is one."""
        move, lots = mark - self.marks[0], self.affordable(mark)
        if lots and abs(move) * BASIS_POINTS > mark * self.reach // 4:
            s = 1 if move > 0 else -1
            await self.session.place(self.wish(s * lots, _beyond(mark, s > 0, self.reach), Kind.IOC))

    async def guard(self, mark: int) -> None:
        """Have the position closed on either side of the mark."""
        buys = self.held < 0
        worse, better = _beyond(mark, buys, self.stop), _beyond(mark, not buys, self.profit)
        await self.session.place_many(
            [
                self.closing(_beyond(worse, buys, 4 * self.reach), worse, above=buys),
                self.closing(_beyond(better, buys, 4 * self.reach), better, above=not buys),
            ]
        )


class Refuser(Session):
    """A session whose owner cheats: from `refuses_to_sign` on he takes what he is told and signs nothing."""

    refuses_to_sign = False

    async def _propose(self) -> None:
        if not self.refuses_to_sign:
            await super()._propose()


def _beyond(mark: int, upward: bool, basis_points: int) -> int:
    """The price so far above or below `mark`."""
    return div_down(mark * (BASIS_POINTS + (basis_points if upward else -basis_points)), BASIS_POINTS)


def _resting(wish: Wish) -> Wish:
    return Wish(wish.market, wish.buy, wish.lots, wish.limit_tick, Kind.POST_ONLY, wish.leverage)
