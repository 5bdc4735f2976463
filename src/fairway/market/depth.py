"""How much rests in a book near a price, and whose it is."""

from __future__ import annotations

from typing import NamedTuple

from fairway.market.book import Book

__all__ = ["NOTHING", "Rested", "rested"]


class Rested(NamedTuple):
    """Lots that rest on the two sides of a book."""

    bids: int = 0
    asks: int = 0


NOTHING = Rested()


def rested(book: Book, lowest: int, highest: int) -> dict[int, Rested]:
    """What each owner has among the bids down to `lowest` and the asks up to `highest`. Costs what rests there."""
    found: dict[int, Rested] = {}
    for each in book.walk(buy=False, limit=lowest):
        own = found.get(each.owner, NOTHING)
        found[each.owner] = Rested(own.bids + each.lots, own.asks)
    for each in book.walk(buy=True, limit=highest):
        own = found.get(each.owner, NOTHING)
        found[each.owner] = Rested(own.bids, own.asks + each.lots)
    return found
