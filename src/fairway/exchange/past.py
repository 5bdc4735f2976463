"""What became of an account's orders: the newest that are live no more, by key and by their owner's own names."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from fairway.exchange.live_order import LiveOrder

__all__ = ["KEPT", "STATUSES", "Ended", "Past", "Status", "status_of"]

KEPT = 256
"""How many ended orders an account remembers; a name is free again once its order is forgotten."""


class Status(StrEnum):
    """Where an order stands, by the names that traders know. What was REJECTED never had a key."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"


STATUSES = {
    "cancelled": Status.CANCELED,  # by a half of its owner
    "amended": Status.CANCELED,  # another took its place in the same half
    "mandate": Status.CANCELED,  # by the sub-key that placed it, or with its mandate
    "swept": Status.CANCELED,  # by a sweep of its owner, or his dead man's switch
    "sibling": Status.CANCELED,  # another of its group filled or fired
    "unarmed": Status.CANCELED,  # its parent left without a fill
    "nothing_to_reduce": Status.CANCELED,
    "disputed": Status.CANCELED,  # the channel is being left
    "liquidated": Status.CANCELED,
    "margin": Status.CANCELED,  # its owner could not bear the fill, or the pot carries it no more
    "expired": Status.EXPIRED,
    "unfilled": Status.EXPIRED,  # IOC and market orders, and FOK that would not fill whole
    "would_take": Status.EXPIRED,  # post-only
    "open_interest": Status.EXPIRED,  # the market's cap
    "position_cap": Status.EXPIRED,  # it woke when the book was too thin for what it would open
    "reductions_only": Status.EXPIRED,  # it woke in a market that only reduces
    "unsigned": Status.EXPIRED,  # its owner has to sign what was filled before
    "self_trade": Status.EXPIRED_IN_MATCH,
}
"""By the reason with which an order was dropped."""


class Ended(NamedTuple):
    """An order as it was at its end: `reason` is empty where it was filled."""

    order: LiveOrder
    reason: str

    @property
    def status(self) -> Status:
        """How it ended; what closes a position is filled once nothing is held."""
        if not self.reason or (self.order.terms.closes and self.order.lots and self.reason == "nothing_to_reduce"):
            return Status.FILLED
        return STATUSES.get(self.reason, Status.CANCELED)


def status_of(order: LiveOrder) -> Status:
    """Where a live order stands."""
    return Status.PARTIALLY_FILLED if order.lots else Status.NEW


class Past:
    """The last `KEPT` ended orders of one account, oldest first, and the keys of all that still have a name."""

    __slots__ = ("_ended", "_names")

    def __init__(self) -> None:
        self._ended: dict[int, Ended] = {}
        self._names: dict[str, int] = {}

    def begin(self, order: LiveOrder) -> None:
        """An order was accepted; its name, if it has one, is its own from now on."""
        if order.terms.client_id:
            self._names[order.terms.client_id] = order.terms.key

    def end(self, order: LiveOrder, reason: str = "") -> None:
        """An order is live no more."""
        self._ended[order.terms.key] = Ended(order, reason)
        if len(self._ended) > KEPT:
            forgotten = self._ended.pop(next(iter(self._ended))).order.terms
            if self._names.get(forgotten.client_id) == forgotten.key:
                del self._names[forgotten.client_id]

    def key_of(self, client_id: str) -> int | None:
        """The key of the order that has this name, live or ended."""
        return self._names.get(client_id)

    def __iter__(self) -> Iterator[Ended]:
        """All that are remembered, oldest first."""
        return iter(self._ended.values())

    def names(self) -> list[tuple[str, int]]:
        """All names and the keys behind them, sorted."""
        return sorted(self._names.items())

    def all(self) -> list[Ended]:
        """All ended orders that are remembered, oldest first."""
        return list(self._ended.values())

    def ended(self, key: int) -> Ended | None:
        """How an order ended, while it is remembered."""
        return self._ended.get(key)
