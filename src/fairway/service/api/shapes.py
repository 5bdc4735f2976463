"""What REST answers with. Amounts are decimal strings: nano, lots, ticks and ppm, as the names say."""

from __future__ import annotations

import msgspec

__all__ = [
    "Book",
    "BookTicker",
    "Bracket",
    "Brackets",
    "ChannelState",
    "Deleverage",
    "DeleverageCandidate",
    "DeleverageShare",
    "ForcedFill",
    "FundingPoint",
    "Funds",
    "InterestPoint",
    "Market",
    "OpenInterest",
    "PoolTerms",
    "PoolWorth",
    "Premium",
    "Progress",
    "PublicFill",
    "RoundBody",
    "Settled",
    "Status",
    "SwitchBody",
    "Ticker",
    "Venue",
    "WithdrawBody",
    "Withdrawing",
]


class Shape(msgspec.Struct, frozen=True, rename="camel"):
    """One JSON object."""


class Market(Shape, frozen=True):
    """One market's rules. Linear: `unit` nano per lot and tick; inverse: nano of one lot at a price of one tick.

    A cap of 0 is none. `max_position` and `max_open_interest` are the most that the caps may be; they are now
    `long_cap`, `short_cap` and `interest_cap`, for who rests nothing himself, by the average lots that rest near the
    mark (`depth_bids`, `depth_asks`). `order_types` maps every type to its times in force; `status` is
    OPEN, REDUCE_ONLY or HALTED.
    """

    symbol: str
    market: int
    contract_type: str
    payoff: str
    unit: str
    min_lots: str
    max_lots: str
    lot_step: str
    price_band_ppm: str
    max_orders: int
    maker_fee_ppm: str
    taker_fee_ppm: str
    liquidation_fee_ppm: str
    max_leverage: int
    max_position: str
    max_open_interest: str
    long_cap: str
    short_cap: str
    interest_cap: str
    depth_bids: str
    depth_asks: str
    min_notional: str
    order_types: dict[str, list[str]]
    status: str


class Venue(Shape, frozen=True):
    """The venue's rules."""

    network: int
    vault: str
    ratio: int
    fine: str
    oracle_keys: list[str]
    oracle_threshold: int
    symbols: list[Market]


class Book(Shape, frozen=True):
    """The best prices with their lots, best first."""

    last_update_id: int
    bids: list[list[str]]
    asks: list[list[str]]


class PublicFill(Shape, frozen=True):
    """One fill."""

    id: int
    price: str
    qty: str
    time: int
    is_buyer_maker: bool


class Premium(Shape, frozen=True):
    """The newest round of the oracle."""

    symbol: str
    mark_price: str
    index_price: str
    funding_index: str
    round: int
    time: int


class BookTicker(Shape, frozen=True):
    """The best price of each side."""

    symbol: str
    bid_price: str
    bid_qty: str
    ask_price: str
    ask_qty: str
    time: int


class Ticker(Shape, frozen=True):
    """24 hours of fills: prices in ticks, `volume` in lots, `quote_volume` = Σ price · lots."""

    symbol: str
    price_change: str
    price_change_percent: str
    weighted_avg_price: str
    last_price: str
    open_price: str
    high_price: str
    low_price: str
    volume: str
    quote_volume: str
    open_time: int
    close_time: int
    count: int


class FundingPoint(Shape, frozen=True):
    """What longs paid shorts over the hour that ended at `funding_time`: below zero, shorts paid."""

    symbol: str
    funding_rate: str
    mark_price: str
    funding_index: str
    funding_time: int


class InterestPoint(Shape, frozen=True):
    """The lots held long at `time`."""

    symbol: str
    open_interest: str
    time: int


class ForcedFill(Shape, frozen=True):
    """A position, or a part of it, closed for its owner: `reason` is liquidation or deleverage."""

    symbol: str
    reason: str
    side: str
    price: str
    qty: str
    time: int


class DeleverageCandidate(Shape, frozen=True):
    """Who stood opposite: his place by channel ID, lots and score; `last` if he was leaving alone."""

    key: int
    lots: str
    score: str
    last: bool


class DeleverageShare(Shape, frozen=True):
    """What the candidate `key` gave up."""

    key: int
    lots: str
    price: str


class Deleverage(Shape, frozen=True):
    """How match `matchId` took `lots` from those opposite, at round `round` of the oracle.

    A candidate knows himself by his lots and score.
    """

    symbol: str
    match_id: int
    round: int
    mark_price: str
    funding_index: str
    lots: str
    time: int
    candidates: list[DeleverageCandidate]
    shares: list[DeleverageShare]


class Bracket(Shape, frozen=True):
    """Up to `notional_cap` nano: the initial and maintenance rates in ppm, `cum` nano off the maintenance."""

    bracket: int
    notional_cap: str
    initial_ppm: str
    maint_ppm: str
    cum: str


class Brackets(Shape, frozen=True):
    """One market's brackets."""

    symbol: str
    brackets: list[Bracket]


class OpenInterest(Shape, frozen=True):
    """The lots held long, which are the lots held short."""

    symbol: str
    open_interest: str
    time: int


class Funds(Shape, frozen=True):
    """What stands behind the users: the insurance fund, the operator's bond, and the fees earned."""

    insurance: str
    bond: str
    fees: str


class PoolTerms(Shape, frozen=True):
    """The identity of the pool, nano: lendState + insurance + fees + bond - owed = lenders + operator + channels."""

    lend_state: str
    insurance: str
    fees: str
    bond: str
    owed: str
    lenders: str
    operator: str
    channels: str


class PoolWorth(Shape, frozen=True):
    """What the last epoch proves of the pool: `nav` nano, `share_price` nano for 10^9 shares, shown by `record`.

    `terms` open lendState, so they are told only where enough settlements stand between two showings.
    """

    epochs: int
    record: str
    number: int
    time: int
    nav: str
    shares: str
    share_price: str
    is_solvent: bool
    settlements: int
    terms: PoolTerms | None


class ChannelState(Shape, frozen=True):
    """Where a channel stands; no amounts, since anyone may ask."""

    channel_id: str
    phase: str
    key_a: str
    key_b: str
    seqno_a: int
    seqno_b: int
    conditionals_a: str
    conditionals_b: str


class Settled(Shape, frozen=True):
    """A settlement: `tx` is its public record in hexadecimal, with the proof in it once `proved`."""

    txid: str
    number: int
    proved: bool
    final: bool
    tx: str


class Progress(Shape, frozen=True):
    """Settlements waiting for a prover and with one; then since the start: proven, journaled, failed errands."""

    queued: int
    proving: int
    proved: int
    verified: int
    failed: int


class Status(Shape, frozen=True):
    """What the service has done (`totals` since the founding, `counters` since its start) and how fast lately.

    `started_from` and `snapshot` are the entries of the snapshot it started from and of the newest one; null: none.
    """

    version: str
    uptime_ms: int
    rss_bytes: int
    entries: int
    replayed_entries: int
    replayed_checkpoints: int
    replay_ms: int
    started_from: int | None
    snapshot: int | None
    sessions: int
    channels: int
    unproved: int
    unranged: int
    proofs: Progress
    totals: dict[str, int]
    counters: dict[str, int]
    rates: dict[str, int]


class RoundBody(Shape, frozen=True, forbid_unknown_fields=True):
    """A signed round of the oracle: `signatures` maps the signer's place to his signature in hexadecimal."""

    market: int
    round: int
    round_ms: int
    index: int
    mark: int
    funding: int | str
    signatures: dict[str, str]


class WithdrawBody(Shape, frozen=True, forbid_unknown_fields=True):
    """A withdrawal that the channel's owner has signed: see `exchange.wire.Commit`. Nano; `withdraw_a` is a total."""

    channel_id: str
    seqno_a: int
    seqno_b: int
    sent_a: str
    sent_b: str
    withdraw_a: str
    signature: str


class Withdrawing(Shape, frozen=True):
    """The service has signed it too; `seqno_b` is its newest half, which counts it."""

    channel_id: str
    withdraw_a: str
    seqno_b: int
    signature: str


class SwitchBody(Shape, frozen=True, forbid_unknown_fields=True):
    """A switch of the operator, of one market or (null) of the venue: `exchange.switch` says what is signed."""

    market: int | None
    mode: int
    number: int
    reason: str
    signature: str
