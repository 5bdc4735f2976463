"""The promises of markets that an account never touched. Each names its channel, so no two accounts share one."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from fairway.channel.conditional import Conditional
from fairway.channel.conditionals import Conditionals
from fairway.channel.machine import MARKET_KEYS
from fairway.exchange.conditions import market_conditional
from fairway.exchange.rules import Rules

__all__ = ["Untouched"]


class Untouched:
    """What side B of a channel promises of each market before anything happened there, made when somebody looks.

    Side B's promises name every market from the beginning, so that each fill has where it is claimed: with a thousand
    markets they weigh more than all that the account will ever hold.
    """

    __slots__ = ("_channel_id", "_rules")

    def __init__(self, rules: Rules, channel_id: bytes) -> None:
        self._rules = rules
        self._channel_id = channel_id

    def promises(self) -> Conditionals:
        """All of them."""
        return Conditionals((key, self.make(key)) for key in self.keys(0, 1 << 32)).folded(self)

    def keys(self, first: int, beyond: int) -> Iterator[int]:
        """The keys from `first` and below `beyond`."""
        markets = self._rules.markets
        place = bisect_left(markets, first - MARKET_KEYS)
        return (MARKET_KEYS + market for market in markets[place : bisect_left(markets, beyond - MARKET_KEYS)])

    def make(self, key: int) -> Conditional:
        """The promise under one of the keys."""
        terms = self._rules.flat(self._channel_id, key - MARKET_KEYS)
        return market_conditional(terms, self._rules.codes.market)[1]
