"""What an owner has not signed must fit in one claim: so an order of his is not filled where its receipt found no room.

A claim of a market, or of the pot, shows one receipt for each order with fills that his newest half does not hold, with
the rounds that woke it (docs/spec/contracts.md). Beyond what one message can pay for, some fill would be nobody's.
"""

from __future__ import annotations

from fairway.exchange.mandate import unsigned_weight
from fairway.exchange.terms import OrderTerms
from fairway.exchange.venue import Unsigned, Venue

__all__ = ["MOST", "SPARED", "note_fill", "weight_of", "would_fit"]

MOST = 32
"""What one claim shows of a channel: orders; one that waited for a price counts twice, one that trailed three times."""
SPARED = 8
"""What of it only orders that reduce may use: stops still work for who has been away too long."""
HEAVIEST = 3


def weight_of(venue: Venue, channel_id: bytes) -> int:
    """What a claim of all that the owner has not signed would show."""
    return sum(each.weight for each in venue.unsigned_orders.get(channel_id, {}).values())


def would_fit(venue: Venue, channel_id: bytes, terms: OrderTerms, more: int = 0) -> bool:
    """Whether a fill of this order could still be claimed, with `more` that is filled before it."""
    known = venue.unsigned_orders.get(channel_id, {})
    if terms.key in known or HEAVIEST * (len(known) + 1) + more <= MOST - SPARED:
        return True
    most = MOST if terms.reduce_only else MOST - SPARED
    return weight_of(venue, channel_id) + more + unsigned_weight(terms) <= most


def note_fill(venue: Venue, channel_id: bytes, terms: OrderTerms, b_seqno: int) -> None:
    """An order was filled in the half `b_seqno` of the service: until its owner signs that, a claim would show it."""
    unsigned = venue.unsigned_orders.get(channel_id)
    if unsigned is None:
        unsigned = venue.unsigned_orders[channel_id] = {}
    unsigned[terms.key] = Unsigned(b_seqno, unsigned_weight(terms))
