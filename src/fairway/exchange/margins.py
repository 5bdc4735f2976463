"""Margin in and out of open positions, as their owners signed it: notes, settlements and accounts at once."""

from __future__ import annotations

from fairway.exchange.change import Margined
from fairway.exchange.closing import put_margin, release_margin
from fairway.exchange.terms import CROSS, MarginMove
from fairway.exchange.turn import Turn
from fairway.exchange.venue import Venue

__all__ = ["check_market", "move_margin"]


def check_market(venue: Venue, turn: Turn, channel_id: bytes, move: MarginMove) -> None:
    """Whether the market lets margin out now: only where it is open. More margin is taken always.

    Out of the pot only where all markets are that share it.
    """
    account = venue.accounts[channel_id]
    if move.market == CROSS:
        less = account.pot is not None and move.margin < account.pot.margin
        for market in [market for market in account.positions if less and account.is_cross(market)]:
            venue.check_mode(market, turn.at_ms, reduce_only=False)
    elif move.margin < venue.accounts[channel_id].positions[move.market].position.margin:
        venue.check_mode(move.market, turn.at_ms, reduce_only=False)


def move_margin(venue: Venue, turn: Turn, channel_id: bytes, move: MarginMove) -> None:
    """Carry out a move that the user's accepted half has.

    More margin on a position is a fill of no lots, less a close of none. The pot is in no note: what a close loses is
    put into the note of what is closed.
    """
    txid = _settle_move(venue, turn, channel_id, move) if move.market != CROSS else b""
    change = Margined(move.market, move.margin, move.since_ms, txid)
    venue.change(channel_id, change)
    turn.note(channel_id, change)
    venue.counts.margin_moves += 1


def _settle_move(venue: Venue, turn: Turn, channel_id: bytes, move: MarginMove) -> bytes:
    position = venue.accounts[channel_id].positions[move.market].position
    more = move.margin - position.margin
    if more < 0:
        return release_margin(venue, turn, channel_id, move.market, -more)
    put_margin(venue, turn, channel_id, move.market, more)
    return b""
