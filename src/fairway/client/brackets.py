"""Orders that belong together: lists of wishes to place in one half, all or none.

What waits for another sleeps with the service until that is filled; nobody need be there when it is.
"""

from __future__ import annotations

from dataclasses import replace

from fairway.client.wish import Wish

__all__ = ["attached", "one_cancels_other", "one_triggers"]


def one_cancels_other(*wishes: Wish) -> list[Wish]:
    """Orders of which the first that is filled or fired sends the others away (OCO)."""
    return [replace(wish, group=place) for place, wish in enumerate(wishes)]


def one_triggers(first: Wish, *then: Wish) -> list[Wish]:
    """Orders that begin to live once `first` is filled, be it in part (OTO); they go with it if it never is."""
    return [first, *(replace(wish, after=place) for place, wish in enumerate(then, 1))]


def attached(entry: Wish, *exits: Wish) -> list[Wish]:
    """An entry with its take-profit and stop-loss: they live once it is filled, and one ends the other (OTOCO)."""
    return one_triggers(entry, *one_cancels_other(*exits))
