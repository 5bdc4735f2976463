"""The terms an order, a position and a receipt have as cells: what signatures and conditionals commit to.

Layouts are those of contracts/schema.tlb; the vault and the conditions read the same bits on chain. A `channel_id` is
its 16 bytes. `buy`/`long` say the side; sizes are lots, prices ticks, times milliseconds, amounts nano.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec

from fairway.ton.cells import Bits, Plain

__all__ = [
    "Kind",
    "OracleRound",
    "OrderTerms",
    "PositionTerms",
    "Receipt",
    "Terms",
    "chain_cell",
]


class Kind(IntEnum):
    """What an order does when it arrives."""

    LIMIT = 0
    POST_ONLY = 1
    IOC = 2
    FOK = 3
    MARKET = 4
    TRIGGER = 5


class Terms(msgspec.Struct, frozen=True, array_like=True):
    """What has a cell, and is named and signed by its hash."""

    def cell(self) -> Plain:
        """The terms as a cell; `OverflowError` where a field is out of its width."""
        raise AssertionError(f"{type(self).__name__} has no layout")

    def digest(self) -> bytes:
        """The cell's hash: what names it and what is signed."""
        return self.cell().hash


class OrderTerms(Terms, frozen=True):
    """An order as its owner signed it: `order_terms#4f524452`, the conditional under `key` in both halves.

    `limit_tick` bounds every fill (a market order's slippage bound too). A TRIGGER order waits until the mark is at or
    beyond `trigger_tick` (`trigger_above`: at or above it). `reserve` is what the order may cost: margin and fees.
    """

    channel_id: bytes
    key: int
    market: int
    inverse: bool
    buy: bool
    reduce_only: bool
    kind: int
    lots: int
    limit_tick: int
    trigger_tick: int
    trigger_above: bool
    unit: int
    reserve: int
    fee_ppm: int
    expires_ms: int
    leverage: int

    def cell(self) -> Plain:
        """The layout above."""
        bits = Bits().uint(32, 0x4F524452).raw(self.channel_id).uint(32, self.key).uint(16, self.market)
        bits.uint(1, self.inverse).uint(1, self.buy).uint(1, self.reduce_only).uint(8, self.kind)
        bits.uint(48, self.lots).uint(32, self.limit_tick).uint(32, self.trigger_tick).uint(1, self.trigger_above)
        bits.uint(64, self.unit).coins(self.reserve).uint(24, self.fee_ppm).uint(64, self.expires_ms)
        return bits.uint(8, self.leverage).cell()


class PositionTerms(Terms, frozen=True):
    """A position as both halves carry it: `position_terms#504f534e`; `cap` bounds what side B owes on it."""

    channel_id: bytes
    key: int
    market: int
    inverse: bool
    long: bool
    lots: int
    unit: int
    cost: int
    funding_base: int
    margin: int
    cap: int
    liquidation_tick: int
    since_ms: int

    def cell(self) -> Plain:
        """The layout above."""
        bits = Bits().uint(32, 0x504F534E).raw(self.channel_id).uint(32, self.key).uint(16, self.market)
        bits.uint(1, self.inverse).uint(1, self.long).uint(48, self.lots).uint(64, self.unit).uint(80, self.cost)
        bits.sint(128, self.funding_base).coins(self.margin).coins(self.cap)
        return bits.uint(32, self.liquidation_tick).uint(64, self.since_ms).cell()


class Receipt(Terms, frozen=True):
    """What the service signs for a fill: `receipt#52435054`.

    `lots`, `cost` and `fee` are the order's totals so far; `maker` is the hash of the order that it met; `price` is
    this fill's.
    """

    channel_id: bytes
    order: bytes
    match_id: int
    maker: bytes
    lots: int
    cost: int
    fee: int
    b_seqno: int
    at_ms: int
    price: int

    def cell(self) -> Plain:
        """The layout above."""
        bits = Bits().uint(32, 0x52435054).raw(self.channel_id).raw(self.order).uint(64, self.match_id)
        bits.uint(48, self.lots).uint(80, self.cost).coins(self.fee)
        bits.uint(64, self.b_seqno).uint(64, self.at_ms).uint(32, self.price)
        return bits.cell(Bits().raw(self.maker).cell())


class OracleRound(Terms, frozen=True):
    """One numbered tuple of the oracle, signed by m of n keys over its cell hash: `round#524f554e`."""

    network: int
    market: int
    round: int
    at_ms: int
    index: int
    mark: int
    funding: int

    def cell(self) -> Plain:
        """The layout above."""
        bits = Bits().uint(32, 0x524F554E).sint(32, self.network).uint(16, self.market).uint(64, self.round)
        return bits.uint(64, self.at_ms).uint(32, self.index).uint(32, self.mark).sint(128, self.funding).cell()


def chain_cell(head: bytes) -> Plain:
    """The settlement chain's terms: `chain#43484149`, with `head` = h of the newest settlement."""
    return Bits().uint(32, 0x43484149).raw(head).cell()
