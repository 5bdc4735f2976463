"""Positions closed without an order of their owner: liquidation, deleverage, and the end of a disputed channel.

A liquidation meets the book at no worse than the bankruptcy price, in steps: no more than leaves the rest enough. What
the book does not take waits for the next round while the mark is better than that price; once it is not, those
opposite are deleveraged at it: nobody is closed beyond his margin, and the insurance fund pays only what rounding
leaves. Every deleverage leaves a public record from which anyone recomputes who gave how much.
"""

from __future__ import annotations

from typing import NamedTuple

from fairway.channel.machine import MARKET_KEYS
from fairway.channel.phase import TRADING
from fairway.exchange.change import Forced
from fairway.exchange.closing import close_position, post
from fairway.exchange.cross import outgrown
from fairway.exchange.dropping import drop, reconcile
from fairway.exchange.effect import Deleveraged, Print, Share
from fairway.exchange.switch import Mode
from fairway.exchange.trading import fill_against, next_maker
from fairway.exchange.turn import Turn
from fairway.exchange.venue import Carrier, Dodge, Venue
from fairway.risk.deleverage import Candidate, allocate, score
from fairway.risk.liquidation import partial_lots
from fairway.risk.margin import maintenance
from fairway.risk.position import Position
from fairway.units import Lot

__all__ = ["drop_orders", "force_out", "liquidate_distressed"]

FORCED_ORDER = bytes(32)
"""Stands in a maker's receipt for the hash of an order that its owner never placed."""


def liquidate_distressed(venue: Venue, turn: Turn, market: int) -> None:
    """Liquidate every position in `market` that the newest mark puts below its maintenance margin.

    Whom a liquidation met in the book with an order far from the mark may be in distress then himself: his turn comes.
    """
    _drop_outgrown(venue, turn, market)
    accounts, liquidating = venue.accounts, venue.liquidating
    done: set[bytes] = set()
    holders = venue.holders[market]
    while found := [name for name in holders if name not in done and _is_due(venue, turn, name, market)]:
        done.update(found)
        for channel_id in found:
            if _is_due(venue, turn, channel_id, market):
                venue.counts.liquidations += (market, channel_id) not in liquidating
                liquidating.add((market, channel_id))
                _liquidate(venue, turn, channel_id, market)
    for each in [each for each in liquidating if each[0] == market and not accounts[each[1]].is_distressed(market)]:
        liquidating.discard(each)


def _is_due(venue: Venue, turn: Turn, channel_id: bytes, market: int) -> bool:
    """Whether what is held in `market` is to be liquidated now; a pot only by fresh prices of all that share it."""
    account = venue.accounts[channel_id]
    if not account.is_distressed(market):
        return False
    at_ms = turn.at_ms
    return not account.is_cross(market) or all(
        venue.mode(newest.market, at_ms) is not Mode.HALTED and not venue.is_stale(newest.market, at_ms)
        for _, _, newest in account.shared()
    )


def _drop_outgrown(venue: Venue, turn: Turn, market: int) -> None:
    """Orders that the pot could not carry any more, were they filled now, go before anything is liquidated for them."""
    for channel_id in list(venue.holders[market]):
        account = venue.accounts[channel_id]
        if account.is_cross(market) and outgrown(account):
            for key in [key for key, order in account.orders.items() if order.terms.is_cross]:
                if key in account.orders and not account.orders[key].terms.reduce_only:
                    drop(venue, turn, channel_id, key, "margin")


def _liquidate(venue: Venue, turn: Turn, channel_id: bytes, market: int) -> None:
    """What is held in `market`; where it shares the pot, what shares it and needs most first."""
    account = venue.accounts[channel_id]
    if not account.is_cross(market):
        _liquidate_in(venue, turn, channel_id, market)
        return
    needs = {r.market: maintenance(contract, at, r.mark) for contract, at, r in account.shared()}
    for each in sorted(needs, key=lambda name: (-needs[name], name)):
        if account.is_distressed(each):
            _liquidate_in(venue, turn, channel_id, each)


def _liquidate_in(venue: Venue, turn: Turn, channel_id: bytes, market: int) -> None:
    _note_dodge(venue, channel_id, market)
    drop_orders(venue, turn, channel_id, market, "liquidated")
    account, mark = venue.accounts[channel_id], venue.rounds[market].mark
    _into_book(venue, turn, channel_id, market, account.bankrupt_at(market))
    if not account.is_distressed(market):
        return
    bound = account.bankrupt_at(market)  # of the rest: steps leave it more margin for each lot
    if mark <= bound if account.signed_lots(market) > 0 else mark >= bound:
        _deleverage(venue, turn, channel_id, market, bound)


def _note_dodge(venue: Venue, channel_id: bytes, market: int) -> None:
    """Keep the proof that a position is liquidated whose owner is leaving alone, where his signed half carries it.

    For a pot there is no such proof to the vault: the channel's own contract takes all of it by the rounds.
    """
    if venue.accounts[channel_id].is_cross(market):
        return
    channel, key = venue.channels[channel_id], MARKET_KEYS + market
    if channel.phase not in TRADING and channel.a is not None and key in channel.a_conditionals:
        carrier = Carrier(channel.a, channel.a_conditionals)
        venue.dodges.setdefault(channel_id, Dodge(carrier, key, venue.priced[market]))


def force_out(venue: Venue, turn: Turn, channel_id: bytes, market: int) -> None:
    """End what a disputed channel still holds as its condition does on chain: whole, at the mark, never at the book.

    One close, so that it is rounded once; those opposite are deleveraged at the same mark, but none beyond his
    bankruptcy price: what is left then is the pool's loss, as a bad debt is.
    """
    position, mark = venue.accounts[channel_id].positions[market].position, venue.rounds[market].mark
    match_id, found, shares = venue.next_match(), _opposite(venue, position, market), []
    for key, lots in found.allocate(position.lots):
        name = found.names[key]
        bound = venue.accounts[name].bankrupt_at(market)
        price = min(mark, bound) if position.s > 0 else max(mark, bound)
        _forced(venue, turn, name, market, match_id, lots, price, "deleverage")
        shares.append(Share(key, lots, price))
    _record(venue, turn, market, match_id, found, shares)
    _forced(venue, turn, channel_id, market, match_id, position.lots, mark, "dispute")


def drop_orders(venue: Venue, turn: Turn, channel_id: bytes, market: int | None, reason: str) -> None:
    """Drop the account's live orders in `market`, or in all."""
    for key, order in list(venue.accounts[channel_id].orders.items()):
        if market in {None, order.terms.market} and key in venue.accounts[channel_id].orders:
            drop(venue, turn, channel_id, key, reason)


def _into_book(venue: Venue, turn: Turn, channel_id: bytes, market: int, bound: int) -> None:
    """Close a liquidated position against the book at `bound` or better, until it is in distress no more."""
    account = venue.accounts[channel_id]
    while (held := account.positions.get(market)) is not None:
        if not account.is_distressed(market):
            return
        buy = held.position.s < 0
        maker = next_maker(venue, turn, market, buy=buy, limit=bound)
        if maker is None:
            return
        lots, price = min(_step(venue, channel_id, market), maker.lots), maker.price
        match_id, _ = fill_against(venue, turn, maker, lots, FORCED_ORDER)
        _forced(venue, turn, channel_id, market, match_id, lots, price, "liquidation")
        turn.effects.append(Print(market, match_id, price, lots, buy, turn.at_ms, "liquidation"))
        turn.traded(market, price)


def _deleverage(venue: Venue, turn: Turn, channel_id: bytes, market: int, price: int) -> None:
    """Close at `price` against those opposite, pro rata by risk, what the rest of a liquidated position still needs.

    Its owner's leg is one close, so that it is rounded once. Who would be bankrupt at that price himself is spared;
    what finds nobody waits for the next round.
    """
    position, match_id = venue.accounts[channel_id].positions[market].position, venue.next_match()
    found = _opposite(venue, position, market, price)
    shares = [Share(key, lots, price) for key, lots in found.allocate(_step(venue, channel_id, market))]
    if not shares:
        return
    for share in shares:
        _forced(venue, turn, found.names[share.key], market, match_id, share.lots, price, "deleverage")
    lots = sum(share.lots for share in shares)
    _forced(venue, turn, channel_id, market, match_id, lots, price, "liquidation")
    turn.effects.append(Print(market, match_id, price, lots, position.s < 0, turn.at_ms, "deleverage"))
    _record(venue, turn, market, match_id, found, shares)


def _step(venue: Venue, channel_id: bytes, market: int) -> int:
    """The lots that a liquidation has to close now."""
    position, newest = venue.accounts[channel_id].standing(market), venue.rounds[market]
    return partial_lots(venue.rules.listing(market).contract, position, newest.mark, newest.funding)


class _Opposite(NamedTuple):
    """Who stands opposite: channel IDs in order, and the candidate of each, whose key is his place there."""

    names: list[bytes]
    candidates: tuple[Candidate, ...]

    def allocate(self, lots: int) -> list[tuple[int, Lot]]:
        """Who gives up how much of `lots`, as far as they have so many."""
        return allocate(self.candidates, min(lots, sum(candidate.lots for candidate in self.candidates)))


def _opposite(venue: Venue, position: Position, market: int, price: int | None = None) -> _Opposite:
    """Who stands opposite of `position`; with `price`, only who can bear it.

    Who is leaving alone comes last: his own exit round prices what he holds.
    """
    contract, newest = venue.rules.listing(market).contract, venue.rounds[market]
    held = {name: venue.accounts[name].standing(market) for name in sorted(venue.holders[market])}
    names = [
        name
        for name, other in held.items()
        if other.s == -position.s
        and (price is None or (price - venue.accounts[name].bankrupt_at(market)) * other.s >= 0)
    ]
    candidates = [
        Candidate(
            place,
            held[name].lots,
            score(contract, held[name], newest.mark, newest.funding),
            last=name in venue.disputes,
        )
        for place, name in enumerate(names)
    ]
    return _Opposite(names, tuple(candidates))


def _record(venue: Venue, turn: Turn, market: int, match_id: int, found: _Opposite, shares: list[Share]) -> None:
    if shares:
        newest, lots = venue.rounds[market], sum(share.lots for share in shares)
        known = match_id, newest.round, newest.mark, newest.funding, turn.at_ms
        turn.effects.append(Deleveraged(market, *known, lots, found.candidates, tuple(shares)))
        venue.counts.deleverages += len(shares)


def _forced(
    venue: Venue, turn: Turn, channel_id: bytes, market: int, match_id: int, lots: int, price: int, reason: str
) -> None:
    """One leg of a match that its owner did not order."""
    txid = close_position(venue, turn, channel_id, market, lots, price, reason, FORCED_ORDER)
    change = Forced(market, match_id, lots, price, reason, venue.rounds[market].round, txid, turn.at_ms)
    outcome = venue.change(channel_id, change)
    assert outcome is not None
    post(venue, channel_id, market, outcome)
    turn.note(channel_id, change)
    reconcile(venue, turn, channel_id, market)
