"""What one user holds: his positions, each with its own margin or all that share the pot, and how they stand.

Engine and user ask the same questions of it: what a close would do now, what is in distress, at which price it ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec import Struct
from msgspec.structs import replace

from fairway.errors import Rejected
from fairway.exchange.margin_move import moved as position_moved
from fairway.exchange.margin_move import touch_tick
from fairway.exchange.rules import Rules
from fairway.exchange.sharing import close_shared
from fairway.exchange.sharing import moved_pot as pot_moved
from fairway.exchange.terms import CROSS, CrossTerms, MarginMove, MarketTerms, OracleRound
from fairway.risk.contract import Contract
from fairway.risk.liquidation import bankruptcy_price, liquidation_fee
from fairway.risk.margin import health, is_liquidatable, unrealised
from fairway.risk.position import Closure, Position, closed
from fairway.units import NANO_BOUND, TICK_BOUND, Nano

__all__ = ["Held", "Holdings"]


class Held(Struct, frozen=True, gc=False):
    """A position and the terms that carry it in both halves; none of its own where the pot carries it."""

    position: Position
    terms: MarketTerms | None

    @property
    def is_cross(self) -> bool:
        """Whether it shares the pot's margin."""
        return self.terms is None


@dataclass(slots=True)
class Holdings:
    """What is held in the channel `channel_id`; `rounds` is the shared map of the newest oracle round per market."""

    channel_id: bytes
    rules: Rules
    rounds: dict[int, OracleRound]
    positions: dict[int, Held] = field(default_factory=dict)
    pot: CrossTerms | None = None

    def signed_lots(self, market: int) -> int:
        """The lots held in `market`: positive long, negative short."""
        held = self.positions.get(market)
        return held.position.s * held.position.lots if held is not None else 0

    def closing_lots(self, market: int, s: int, lots: int) -> int:
        """How many of `lots` bought (`s` = 1) or sold (-1) would close what is held in `market`."""
        held = self.positions.get(market)
        return min(lots, held.position.lots) if held is not None and held.position.s != s else 0

    def is_cross(self, market: int) -> bool:
        """Whether a cross position is held in `market`."""
        held = self.positions.get(market)
        return held is not None and held.is_cross

    def shared(self) -> list[tuple[Contract, Position, OracleRound]]:
        """The cross positions, each with its contract and the newest round of its market."""
        return [
            (self.rules.listing(market).contract, held.position, self.rounds[market])
            for market, held in self.positions.items()
            if held.is_cross
        ]

    def standing(self, market: int) -> Position:
        """What is held in `market`, with the margin that stands for it before it is in distress.

        Of a cross position that is what the pot and all others of it leave beside their maintenance, which may be less
        than nothing: so one position is in distress where all are together.
        """
        held = self.positions[market]
        if not held.is_cross:
            return held.position
        others = [health(contract, at, r.mark, r.funding) for contract, at, r in self._beside(market)]
        return self._lent(held.position, sum(each.equity - each.maintenance for each in others))

    def is_distressed(self, market: int) -> bool:
        """Whether the position in `market` is below its maintenance margin at the newest round."""
        held, newest = self.positions.get(market), self.rounds.get(market)
        if held is None or newest is None:
            return False
        terms, mark = held.terms, newest.mark
        if terms is not None and terms.funding == newest.funding:
            # Its liquidation price is the exact boundary, and was worked out at this very index.
            return mark <= terms.liquidation_tick if terms.long else mark >= terms.liquidation_tick
        position = held.position if terms is not None else self.standing(market)
        return is_liquidatable(self.rules.listing(market).contract, position, newest.mark, newest.funding)

    def bankruptcy_at(self, market: int) -> int | None:
        """The worst price at which what is held may be closed; None where no price costs more than its margin.

        Of a cross position: more than is left of the pot once all others of it are closed at their marks.
        """
        held = self.positions[market]
        position = held.position
        if held.is_cross:
            won = sum(unrealised(contract, at, r.mark, r.funding) for contract, at, r in self._beside(market))
            position = self._lent(position, won)
        return bankruptcy_price(self.rules.listing(market).contract, position, self.rounds[market].funding)

    def bankrupt_at(self, market: int) -> int:
        """The same, where there is no bound the last price that there is."""
        bound = self.bankruptcy_at(market)
        if bound is None:
            return 1 if self.positions[market].position.s > 0 else TICK_BOUND - 1
        return bound

    def touch_tick(self, market: int) -> int:
        """The mark at or beyond which what is held in `market` is liquidated, all other prices standing still."""
        held = self.positions[market]
        if held.terms is not None:
            return held.terms.liquidation_tick
        return touch_tick(self.rules.listing(market).contract, self.standing(market), self.rounds[market].funding)

    def standing_markets(self) -> frozenset[int]:
        """Where something is held; `CROSS` too, while anything shares the pot."""
        shared = {CROSS} if any(held.is_cross for held in self.positions.values()) else set[int]()
        return frozenset(self.positions.keys() | shared)

    def since(self, market: int) -> int | None:
        """From when on a touch of what is held in `market` counts; under `CROSS`, of all that shares the pot.

        None where nothing is held.
        """
        if market == CROSS:
            return self.pot.since_ms if self.pot is not None and self.shared() else None
        held = self.positions.get(market)
        return held.terms.since_ms if held is not None and held.terms is not None else None

    def since_now(self, market: int) -> int:
        """The earliest moment from which it may count anew: after every round that there was."""
        if market == CROSS:
            since = self.pot.since_ms if self.pot is not None else 0
            return max([since, *(newest.at_ms + 1 for _, _, newest in self.shared())])
        return max(self.since(market) or 0, self.rounds[market].at_ms + 1)

    def _beside(self, market: int) -> list[tuple[Contract, Position, OracleRound]]:
        return [each for each in self.shared() if each[2].market != market]

    def _lent(self, position: Position, more: int) -> Position:
        assert self.pot is not None
        return replace(position, margin=Nano(self.pot.margin + more))

    def closure(self, market: int, lots: int, price: int, reason: str) -> Closure:
        """What closing `lots` at `price` does now; changes nothing.

        A liquidation is a step that costs its fee, and so is an order of the owner's in distress, which costs the
        margin nothing: until there is enough, margin leaves for losses only.
        """
        held, contract = self.positions[market], self.rules.listing(market).contract
        position, index = held.position, self.rounds[market].funding
        if held.is_cross:
            assert self.pot is not None
            return close_shared(self.pot, position, contract, lots, price, index)
        step: int | None = None
        if reason == "liquidation":
            step = liquidation_fee(contract, lots, price, NANO_BOUND)
        elif reason == "trade" and self.is_distressed(market):
            step = 0
        return closed(position, contract, lots, price, index, step=step)

    def moved(self, move: MarginMove) -> Held:
        """The position with the margin of `move`; `Rejected` (`margin.position`) where there is none with its own."""
        held = self.positions.get(move.market)
        if held is None or held.terms is None:
            raise Rejected("margin.position", "there is no position with a margin of its own here", market=move.market)
        return Held(*position_moved(self.rules.listing(move.market).contract, held.position, held.terms, move))

    def moved_pot(self, move: MarginMove) -> CrossTerms:
        """The pot with the margin of `move`, the first of which makes it."""
        return pot_moved(self.pot or self.rules.empty_pot(self.channel_id), self.rules, move)

    def terms_of(self, market: int, position: Position | None, at_ms: int) -> MarketTerms:
        """The terms of `market` with `position` in it, or with nothing."""
        contract, newest = self.rules.listing(market).contract, self.rounds[market]
        flat = self.rules.flat(self.channel_id, market)
        if position is None:
            return replace(flat, mark=newest.mark, funding=newest.funding)
        return replace(
            flat,
            long=position.s > 0,
            lots=position.lots,
            cost=position.cost,
            funding_base=position.funding_base,
            margin=position.margin,
            liquidation_tick=touch_tick(contract, position, newest.funding),
            since_ms=at_ms,
            mark=newest.mark,
            funding=newest.funding,
        )
