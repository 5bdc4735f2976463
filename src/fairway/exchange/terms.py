"""The terms an order, a position and a receipt have as cells: what signatures and conditionals commit to.

Layouts are those of contracts/schema.tlb; the vault and the conditions read the same bits on chain. A `channel_id` is
its 16 bytes. `buy`/`long` say the side; sizes are lots, prices ticks, times milliseconds, amounts nano.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache

import msgspec

from fairway.ton.cells import COINS_BOUND, Bits, Plain

__all__ = [
    "CROSS",
    "CROSS_MARKETS",
    "CrossPosition",
    "CrossTerms",
    "Kind",
    "MarginMove",
    "MarketTerms",
    "OracleRound",
    "OrderTerms",
    "Receipt",
    "Source",
    "Terms",
    "chain_cell",
]


CROSS = 0xFFFF
"""Stands where a market's number would: the conditional of all that is margined together. No market has it."""
CROSS_MARKETS = 8
"""In how many markets positions may be margined together."""
CHAIN_TAG = 0x43484149
ORDER_HEAD = (32, 16, 1, 1, 1, 8, 48, 32, 32, 1, 64)
ORDER_TAIL = (24, 64, 8, 64, 32, 32, 2, 20, 2, 1, 1, 1)
"""Widths of an order's fields before and after its reserve."""
MARKET_HEAD = (16, 1, 1, 48, 64, 80)
MARKET_TAIL = (16, 32, 64, 32)
"""Widths of a market's fields before its funding base, and behind its margin."""


class Kind(IntEnum):
    """What an order does when it arrives: at once, or once its trigger fires."""

    LIMIT = 0
    POST_ONLY = 1
    IOC = 2
    FOK = 3
    MARKET = 4


class Source(IntEnum):
    """The price that a trigger watches: the oracle's mark or index, or the last trade of the market."""

    MARK = 0
    INDEX = 1
    LAST = 2


class Terms(msgspec.Struct, frozen=True, array_like=True):
    """What has a cell, and is named and signed by its hash."""

    def cell(self) -> Plain:
        """The terms as a cell; `OverflowError` where a field is out of its width."""
        raise AssertionError(f"{type(self).__name__} has no layout")

    def digest(self) -> bytes:
        """The cell's hash: what names it and what is signed."""
        return self.cell().hash


class MarginMove(msgspec.Struct, frozen=True, array_like=True):
    """A user's wish to have `margin` nano on his position in `market`, more or less than there is.

    What he signs is the market's conditional with it; from `since_ms` on a touch of the new liquidation price counts.
    """

    market: int
    margin: int
    since_ms: int


class OrderTerms(Terms, frozen=True):
    """An order as its owner signed it: `order_terms#4f524452`, the conditional under `key` in both halves.

    `limit_tick` bounds every fill (a market order's slippage bound too). With a `trigger_tick` it waits until the price
    of `source` is at or beyond that (`trigger_above`: at or above it). With `callback_ppm` it trails instead: it waits
    until the price has come back that far from the best one since the placing, and not before it has been at or beyond
    `trigger_tick` on the far side (0: at once). `reserve` is what the order may cost: margin and fees. `round` is the
    newest of its market that its owner knew: only a later one fires it. Of the orders of one `group` (the key of its
    first; 0: none) the first that fills or fires sends the others away. It sleeps until the order `parent` is filled
    (0: none). A `leverage` of 0 makes it a cross order: what it opens is in the pot (`CrossTerms`). `prevention` is its
    mode of self-trade prevention, in the order of `market.order.Prevention`. A `strict` reduce-only order leaves where
    another is clamped; one that `closes` takes whatever is held. `client_id` is its owner's own name for it.
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
    round: int = 0
    group: int = 0
    parent: int = 0
    source: int = 0
    callback_ppm: int = 0
    prevention: int = 0
    strict: bool = False
    closes: bool = False
    client_id: str = ""

    @property
    def is_cross(self) -> bool:
        """Whether its fills are margined with all that is in the pot."""
        return self.leverage == 0

    @property
    def waits(self) -> bool:
        """Whether it waits for a price."""
        return self.trigger_tick != 0 or self.callback_ppm != 0

    def cell(self) -> Plain:
        """The layout above."""
        return _order_cell(self)


@lru_cache(maxsize=1 << 12)
def _order_cell(terms: OrderTerms) -> Plain:
    """An order is named when it is judged, when it is taken and at each of its fills: one cell serves all."""
    sides = terms.inverse, terms.buy, terms.reduce_only
    prices = terms.limit_tick, terms.trigger_tick, terms.trigger_above
    bits = Bits().uint(32, 0x4F524452).raw(terms.channel_id)
    bits.uints(ORDER_HEAD, (terms.key, terms.market, *sides, terms.kind, terms.lots, *prices, terms.unit))
    bits.coins(terms.reserve)
    tail = terms.fee_ppm, terms.expires_ms, terms.leverage, terms.round, terms.group
    links = terms.parent, terms.source, terms.callback_ppm, terms.prevention, terms.strict, terms.closes
    bits.uints(ORDER_TAIL, (*tail, *links, terms.client_id != ""))
    return bits.cell(Bits().raw(terms.client_id.encode()).cell()) if terms.client_id else bits.cell()


class MarketTerms(Terms, frozen=True):
    """What is held of a market, as both halves carry it: `market_terms#4d524b54`; nothing where `lots` is 0.

    Side B owes at most `ratio` times the margin on it. `mark` and `funding` are those at the last change: should the
    oracle be silent at the end, they price it.
    """

    channel_id: bytes
    market: int
    inverse: bool
    long: bool
    lots: int
    unit: int
    cost: int
    funding_base: int
    margin: int
    ratio: int
    liquidation_tick: int
    since_ms: int
    mark: int
    funding: int

    def cell(self) -> Plain:
        """The layout above."""
        held = self.market, self.inverse, self.long, self.lots, self.unit, self.cost
        bits = Bits().uint(32, 0x4D524B54).raw(self.channel_id).uints(MARKET_HEAD, held)
        bits.sint(128, self.funding_base).coins(self.margin)
        bits.uints(MARKET_TAIL, (self.ratio, self.liquidation_tick, self.since_ms, self.mark))
        return bits.sint(128, self.funding).cell()

    def is_touched(self, mark: int, at_ms: int) -> bool:
        """Whether a round with this mark, at this time, costs the position its margin."""
        beyond = mark <= self.liquidation_tick if self.long else mark >= self.liquidation_tick
        return beyond and self.lots > 0 and self.since_ms <= at_ms


class CrossPosition(msgspec.Struct, frozen=True, array_like=True):
    """What is held of one market in the pot: as in `MarketTerms`, never nothing.

    `maintenance` (ppm) and `deduction` (nano) are the line of its bracket: it needs notional times the one, rounded up,
    less the other.
    """

    market: int
    inverse: bool
    long: bool
    lots: int
    unit: int
    cost: int
    funding_base: int
    maintenance: int
    deduction: int
    mark: int
    funding: int


class CrossTerms(Terms, frozen=True):
    """All that is margined together, as both halves carry it under the key of `CROSS`: `cross_terms#43524f53`.

    Side A loses at most `margin` of it, side B owes at most `cap`; fills that are not in it yet add their reserves to
    the one and `ratio` times that to the other. From `since_ms` on it counts if the pot fell below what it needs.
    `positions` are in rising order of their markets, at most `CROSS_MARKETS`.
    """

    channel_id: bytes
    margin: int
    cap: int
    ratio: int
    since_ms: int
    positions: tuple[CrossPosition, ...] = ()

    def cell(self) -> Plain:
        """The layout above, the positions one behind the other: `cross_position#_`."""
        rest: Plain | None = None
        for position in reversed(self.positions):
            rest = _position_cell(position, rest)
        bits = Bits().uint(32, 0x43524F53).raw(self.channel_id).coins(self.margin).coins(self.cap)
        bits.uint(16, self.ratio).uint(64, self.since_ms).uint(1, rest is not None)
        return bits.cell() if rest is None else bits.cell(rest)


def _position_cell(position: CrossPosition, rest: Plain | None) -> Plain:
    bits = Bits().uint(16, position.market).uint(1, position.inverse).uint(1, position.long)
    bits.uint(48, position.lots).uint(64, position.unit).uint(80, position.cost).sint(128, position.funding_base)
    bits.uint(24, position.maintenance).coins(position.deduction).uint(32, position.mark)
    bits.sint(128, position.funding).uint(1, rest is not None)
    return bits.cell() if rest is None else bits.cell(rest)


class Receipt(Terms, frozen=True):
    """What the service signs for a fill: `receipt#52435054`.

    `lots`, `cost`, `fee` (negative: a rebate) and `base` (Σ side · funding index · lots) are the order's totals so far;
    `maker` is the hash of the order that it met; `price` is this fill's.
    """

    channel_id: bytes
    order: bytes
    match_id: int
    maker: bytes
    lots: int
    cost: int
    fee: int
    base: int
    b_seqno: int
    at_ms: int
    price: int

    def cell(self) -> Plain:
        """The layout above."""
        bits = Bits().uint(32, 0x52435054).raw(self.channel_id).raw(self.order)
        bits.uints((64, 48, 80), (self.match_id, self.lots, self.cost)).sint(80, self.fee).sint(128, self.base)
        bits.uints((64, 64, 32), (self.b_seqno, self.at_ms, self.price))
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


def chain_cell(head: bytes, expects_sent: int, expects_root: bytes) -> Plain:
    """The settlement chain's terms: `chain#43484149`, with `head` = h of the newest settlement.

    `expects_sent` and `expects_root` are what the half that carries it expects the user to sign.
    """
    if len(head) != 32 or len(expects_root) != 32 or not 0 <= expects_sent < COINS_BOUND:
        raise OverflowError("a field of the settlement chain does not fit its width")
    # By hand, like a half's digest: every half of the service has a new one. The width is 4 modulo 8.
    size = expects_sent.bit_length() + 7 >> 3
    sum_bits = (int.from_bytes(head) << 4 | size) << 8 * size | expects_sent
    value = (CHAIN_TAG << 260 + 8 * size | sum_bits) << 256 | int.from_bytes(expects_root)
    width = 548 + 8 * size
    return Plain((value << 4 | 0b1000).to_bytes(width + 4 >> 3), width)
