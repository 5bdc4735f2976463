"""Which live orders hang together: what waits for the fill of another, and of which only one is to fill.

Beside the orders of an account, so that a fill finds whom it concerns without looking at the rest.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field

from fairway.errors import Rejected
from fairway.exchange.live_order import LiveOrder
from fairway.exchange.terms import OrderTerms

__all__ = ["Links", "check_links"]


@dataclass(slots=True)
class Links:
    """The keys of live orders by what binds them; keys in the order of placing."""

    reducing: dict[int, None] = field(default_factory=dict)
    _children: dict[int, dict[int, None]] = field(default_factory=dict)
    _groups: dict[int, dict[int, None]] = field(default_factory=dict)

    def add(self, terms: OrderTerms) -> None:
        """An order became live."""
        if terms.reduce_only:
            self.reducing[terms.key] = None
        if terms.parent:
            self._children.setdefault(terms.parent, {})[terms.key] = None
        if terms.group:
            self._groups.setdefault(terms.group, {})[terms.key] = None

    def remove(self, terms: OrderTerms) -> None:
        """It is live no more."""
        self.reducing.pop(terms.key, None)
        _leave(self._children, terms.parent, terms.key)
        _leave(self._groups, terms.group, terms.key)

    def children(self, key: int) -> list[int]:
        """The live orders that were to wait for a fill of `key`."""
        return list(self._children.get(key, ()))

    def siblings(self, terms: OrderTerms) -> list[int]:
        """The other live orders of its group."""
        return [key for key in self._groups.get(terms.group, ()) if key != terms.key]


def _leave(bound: dict[int, dict[int, None]], name: int, key: int) -> None:
    if keys := bound.get(name):
        keys.pop(key, None)
        if not keys:
            del bound[name]


def check_links(orders: list[OrderTerms], live: Mapping[int, LiveOrder], gone: Container[int]) -> None:
    """Whether what `orders` name as parents and groups is there beside them; else `Rejected`.

    A parent comes before its children and a group begins with the order that it is named after; all of them of one
    market, and all of a group wait for the same parent, or for none. `live` without `gone` are the orders that stay.
    """
    if not any(terms.parent or terms.group for terms in orders):
        return
    stay = {key: order for key, order in live.items() if key not in gone}
    markets = {key: order.terms.market for key, order in stay.items()}
    groups = {order.terms.group: _bond(order.terms, order) for order in stay.values() if not order.is_under_way}
    for terms in orders:
        if terms.parent and markets.get(terms.parent) != terms.market:
            raise Rejected("order.parent", "the order to wait for is not live in this market", parent=terms.parent)
        if terms.group not in {0, terms.key} and groups.get(terms.group) != _bond(terms):
            raise Rejected("order.group", "nothing of this group is live, or it is filled", group=terms.group)
        markets[terms.key] = terms.market
        groups[terms.group] = _bond(terms)


def _bond(terms: OrderTerms, order: LiveOrder | None = None) -> tuple[int, int]:
    """What the members of a group share: their market, and the parent that they still wait for."""
    return terms.market, 0 if order is not None and order.armed else terms.parent
