"""Margin in and out of open positions, as their owners signed it: notes, settlements and accounts at once."""

from __future__ import annotations

from fairway.exchange.change import Margined
from fairway.exchange.closing import release_margin
from fairway.exchange.terms import MarginMove
from fairway.exchange.turn import Turn
from fairway.exchange.venue import Venue
from fairway.risk.position import Position
from fairway.units import Lot, Nano

__all__ = ["check_market", "move_margin"]


def check_market(venue: Venue, turn: Turn, channel_id: bytes, move: MarginMove) -> None:
    """Whether the market lets margin out now: only where it is open. More margin is taken always."""
    if move.margin < venue.accounts[channel_id].positions[move.market].position.margin:
        venue.check_mode(move.market, turn.at_ms, reduce_only=False)


def move_margin(venue: Venue, turn: Turn, channel_id: bytes, move: MarginMove) -> None:
    """Carry out a move that the user's accepted half has: more is a fill of no lots, less a close of none."""
    position, newest = venue.accounts[channel_id].positions[move.market].position, venue.rounds[move.market]
    more, txid = move.margin - position.margin, b""
    if more > 0:
        added = Position(position.s, Lot(0), Nano(0), 0, Nano(more))
        venue.settling.open(channel_id, move.market, added, newest.mark, newest.funding, turn.at_ms)
    else:
        txid = release_margin(venue, turn, channel_id, move.market, -more)
    change = Margined(move.market, move.margin, move.since_ms, txid)
    venue.change(channel_id, change)
    turn.note(channel_id, change)
    venue.counts.margin_moves += 1
