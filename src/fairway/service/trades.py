"""The newest fills of every channel and what moved its money, for whoever may ask. Learnt from the journal, bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from fairway.exchange.change import Filled
from fairway.exchange.effect import AnyEffect, Booked, Print, Push
from fairway.exchange.event import AnyEvent
from fairway.exchange.ledger import HOUSE, user
from fairway.exchange.terms import Receipt

__all__ = ["Income", "Trade", "Trades"]

KEPT = 500
INCOMES = 1_000


class Trade(NamedTuple):
    """One fill of an order, and what its owner did; the receipt has the order's totals."""

    market: int
    buy: bool
    fill: Filled
    receipt: Receipt


class Income(NamedTuple):
    """What one transfer of the ledger gave an account, or took (negative): nano. `market` is 0 where it was in none.

    `number` counts the transfers of all accounts since the founding.
    """

    number: int
    at_ms: int
    market: int
    reason: str
    nano: int


class Trades:
    """By channel, oldest first."""

    def __init__(self) -> None:
        self._kept: dict[bytes, deque[Trade]] = {}
        self._incomes: dict[str, deque[Income]] = {}
        self._booked = 0

    def note(self, event: AnyEvent, effects: Sequence[AnyEffect]) -> None:
        """`event` happened, or is replayed."""
        del event
        printed = {effect.match_id: effect for effect in effects if isinstance(effect, Print)}
        for effect in effects:
            if isinstance(effect, Push) and effect.receipts:
                fills = [change for change in effect.changes if isinstance(change, Filled)]
                kept = self._kept.setdefault(effect.channel_id, deque(maxlen=KEPT))
                for fill, receipt in zip(fills, effect.receipts, strict=True):
                    match = printed[fill.match_id]
                    kept.append(Trade(match.market, match.taker_buys == fill.taker, fill, receipt))
            elif isinstance(effect, Booked):
                self._book(effect)

    def _book(self, effect: Booked) -> None:
        for transfer in effect.transfers:
            self._booked += 1
            for name, nano in ((transfer.debit, -transfer.nano), (transfer.credit, transfer.nano)):
                if name not in HOUSE:
                    income = Income(self._booked, effect.at_ms, transfer.market, transfer.reason, nano)
                    self._incomes.setdefault(name, deque(maxlen=INCOMES)).append(income)

    def of(self, channel_id: bytes) -> list[Trade]:
        """The channel's newest fills, oldest first."""
        return list(self._kept.get(channel_id, ()))

    def incomes(self, channel_id: bytes) -> list[Income]:
        """What moved the channel's money lately, oldest first."""
        return list(self._incomes.get(user(channel_id), ()))
