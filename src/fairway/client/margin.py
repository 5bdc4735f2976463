"""What a user wants of an open position's margin, before it is a move: the rules of the moment say how much that is."""

from __future__ import annotations

from dataclasses import dataclass

from fairway.errors import Rejected
from fairway.exchange.account import Account
from fairway.exchange.margin_move import margin_at
from fairway.exchange.terms import CROSS, MarginMove

__all__ = ["Margin"]


@dataclass(frozen=True, slots=True)
class Margin:
    """`change` nano more on the position in `market` (or, negative, less); or what `leverage` asks for at the mark.

    Under `CROSS` it is the pot whose margin changes; there is none before the first.
    """

    market: int
    change: int = 0
    leverage: int = 0

    def move(self, account: Account) -> MarginMove:
        """The move to sign now. Errors: `Rejected` (`margin.position`, `risk.leverage`, `risk.notional`)."""
        if self.market == CROSS:
            in_pot = account.pot.margin if account.pot is not None else 0
            return MarginMove(CROSS, in_pot + self.change, account.since_now(CROSS))
        held, newest = account.positions.get(self.market), account.rounds.get(self.market)
        if held is None or held.terms is None or newest is None:
            raise Rejected("margin.position", "there is no position in this market", market=self.market)
        margin = held.position.margin + self.change
        if self.leverage:
            margin = margin_at(account.rules.listing(self.market).contract, held.position, newest, self.leverage)
        return MarginMove(self.market, margin, max(held.terms.since_ms, newest.at_ms + 1))
