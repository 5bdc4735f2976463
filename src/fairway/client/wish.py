"""What a user wants, before it is an order: the terms follow from the wish and the venue's rules."""

from __future__ import annotations

from dataclasses import dataclass

from fairway.exchange.rules import Rules
from fairway.exchange.terms import Kind, OracleRound, OrderTerms
from fairway.risk.contract import Payoff

__all__ = ["Wish"]


@dataclass(frozen=True, slots=True)
class Wish:
    """An order wished for. Sizes in lots, prices in ticks; `expires_ms` 0 is never; `trigger_*` go with `TRIGGER`."""

    market: int
    buy: bool
    lots: int
    limit_tick: int
    kind: Kind = Kind.LIMIT
    leverage: int = 1
    reduce_only: bool = False
    trigger_tick: int = 0
    trigger_above: bool = False
    expires_ms: int = 0

    def terms(self, rules: Rules, channel_id: bytes, key: int, newest: OracleRound | None = None) -> OrderTerms:
        """The order under `key` of the channel, reserving what is required; only rounds after `newest` fire it."""
        contract = rules.listing(self.market).contract
        requirement = rules.requirement(
            self.market,
            reduce_only=self.reduce_only,
            lots=self.lots,
            limit=self.limit_tick,
            leverage=self.leverage,
        )
        return OrderTerms(
            channel_id,
            key,
            self.market,
            contract.payoff is Payoff.INVERSE,
            self.buy,
            self.reduce_only,
            self.kind,
            self.lots,
            self.limit_tick,
            self.trigger_tick,
            self.trigger_above,
            contract.unit,
            requirement.reserve,
            contract.taker_fee,
            self.expires_ms,
            self.leverage,
            newest.round if newest is not None and self.trigger_tick else 0,
        )
