"""What one side claims of the other's promises when a channel ends alone: inputs for conditions, and what they owe.

    position_input#_ exit:(Maybe ^Rounds) touched:(Maybe ^SignedRound) = PositionInput;
    order_input#_ receipt:^SignedReceipt exit:^Rounds = OrderInput;
    rounds#_ before:^SignedRound after:^SignedRound = Rounds;

The exit price is that of the first round at or after the moment that the quarantine's start fixes; the round before it
shows that it is the first. A position may be claimed whole instead by a round that touched its liquidation price
before the start. Fills that are not in a position yet are claimed by the newest receipt of their order. Anybody may
have kept rounds and receipts: the signatures are all that counts. Pure; user and service alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from pytoniq_core import HashMap

from fairway.channel import codec
from fairway.channel.conditional import Conditional
from fairway.channel.conditionals import Conditionals
from fairway.channel.machine import CHAIN_KEY, POSITION_KEYS
from fairway.errors import Rejected
from fairway.exchange.terms import OracleRound, OrderTerms, PositionTerms, Receipt
from fairway.ton.cells import Builder, Cell, Slice, to_cell
from fairway.ton.merkle import whole_proof
from fairway.ton.vault_messages import SignedCell, SignedRound
from fairway.units import FUNDING_SCALE, div_down
from fairway.vault.evidence import Fill, owed_at

__all__ = ["Exit", "Paper", "Shown", "claim", "markets"]

KEY_BITS = 32
ORDER_REST = 0x4F524453


class Shown(Protocol):
    """A round with its signatures, as the journal or a user's record keeps it: `event.Priced`, `wire.Round`."""

    @property
    def market(self) -> int:
        """The market's number."""

    @property
    def round(self) -> int:
        """The round's number."""

    @property
    def round_ms(self) -> int:
        """When it was."""

    @property
    def index(self) -> int:
        """The index price."""

    @property
    def mark(self) -> int:
        """The mark price."""

    @property
    def funding(self) -> int:
        """The funding index."""

    @property
    def signatures(self) -> dict[int, bytes]:
        """By the signer's place."""


class Exit(NamedTuple):
    """Two consecutive rounds of a market with the exit moment between them, or on the later one."""

    before: Shown
    after: Shown


@dataclass(frozen=True, slots=True)
class Paper:
    """What a claimant has kept: exits by market, rounds before the start, and receipts (signed) by order.

    `touches` are no later than the start. Positions under the keys of `standing` were not liquidated when it came: they
    are valued at the exit, whatever their price has touched.
    """

    network: int
    exits: Mapping[int, Exit]
    touches: Iterable[Shown] = ()
    standing: frozenset[int] = frozenset()
    receipts: Mapping[bytes, tuple[Receipt, bytes]] = field(default_factory=dict)


def claim(channel_id: int, promised: Conditionals, paper: Paper, *, by_a: bool) -> codec.Settle:
    """The claim of everything in `promised` (side A's promises if `by_a`) that owes something by `paper`.

    Errors: `Rejected` (`claims.nothing`) where nothing does.
    """
    shown = HashMap(KEY_BITS, value_serializer=lambda value, leaf: leaf.store_cell(value))
    for key, conditional in promised.items():
        shown_input = _input(key, conditional, paper, by_a=by_a)
        if shown_input is not None:
            shown.set_int_key(key, shown_input)
    root = promised.root_cell()
    if root is None or not shown.map:
        raise Rejected("claims.nothing", "nothing that is promised owes anything that can be shown")
    return codec.Settle(channel_id, shown.serialize(), whole_proof(root))


def markets(promised: Conditionals) -> set[int]:
    """The markets in which `promised` holds positions."""
    positions = (conditional for key, conditional in promised.items() if POSITION_KEYS <= key < CHAIN_KEY)
    return {_read_position(to_cell(conditional.terms).begin_parse()).market for conditional in positions}


def _input(key: int, conditional: Conditional, paper: Paper, *, by_a: bool) -> Cell | None:
    if key == CHAIN_KEY:
        return None
    if key >= POSITION_KEYS:
        return _position(conditional, paper, by_a=by_a)
    return _order(conditional, paper, by_a=by_a)


# Positions


def _position(conditional: Conditional, paper: Paper, *, by_a: bool) -> Cell | None:
    terms = _read_position(to_cell(conditional.terms).begin_parse())
    may_touch = by_a and terms.key not in paper.standing
    touch = next((each for each in paper.touches if may_touch and _is_touched(terms, each)), None)
    if touch is not None:
        return Builder().store_maybe_ref(None).store_maybe_ref(_signed(paper.network, touch)).end_cell()
    found = paper.exits.get(terms.market)
    if found is None or _profit(terms, found.after) * (-1 if by_a else 1) <= 0:
        return None
    return Builder().store_maybe_ref(_rounds(paper.network, found)).store_maybe_ref(None).end_cell()


def _is_touched(terms: PositionTerms, shown: Shown) -> bool:
    beyond = shown.mark <= terms.liquidation_tick if terms.long else shown.mark >= terms.liquidation_tick
    return beyond and shown.market == terms.market and terms.since_ms <= shown.round_ms


def _profit(terms: PositionTerms, shown: Shown) -> int:
    """What the position has won at `shown`, rounded down: contracts/condition_position.tolk, line for line."""
    side = 1 if terms.long else -1
    direction = -side if terms.inverse else side
    numerator, denominator = (1, shown.mark) if terms.inverse else (shown.mark, 1)
    worth = direction * FUNDING_SCALE * terms.unit * terms.lots * numerator
    paid = direction * FUNDING_SCALE * terms.cost + side * shown.funding * terms.lots - terms.funding_base
    return div_down(worth - paid * denominator, FUNDING_SCALE * denominator)


def _read_position(fields: Slice) -> PositionTerms:
    fields.skip_bits(32)
    return PositionTerms(
        channel_id=bytes(fields.load_bytes(16)),
        key=fields.load_uint(32),
        market=fields.load_uint(16),
        inverse=bool(fields.load_bit()),
        long=bool(fields.load_bit()),
        lots=fields.load_uint(48),
        unit=fields.load_uint(64),
        cost=fields.load_uint(80),
        funding_base=fields.load_int(128),
        margin=fields.load_coins() or 0,
        cap=fields.load_coins() or 0,
        liquidation_tick=fields.load_uint(32),
        since_ms=fields.load_uint(64),
    )


# Orders


def _order(conditional: Conditional, paper: Paper, *, by_a: bool) -> Cell | None:
    whole = to_cell(conditional.terms)
    lots, cost, fee = 0, 0, 0
    if whole.begin_parse().preload_uint(32) == ORDER_REST:
        rest = whole.begin_parse()
        rest.skip_bits(32)
        lots, cost, fee = rest.load_uint(48), rest.load_uint(80), rest.load_coins() or 0
        whole = rest.load_ref()
    if whole.hash not in paper.receipts:
        return None
    receipt, signature = paper.receipts[whole.hash]
    terms = _read_order(whole.begin_parse())
    found = paper.exits.get(terms.market)
    if found is None or receipt.lots <= lots:
        return None
    unsigned = Fill(terms.inverse, terms.buy, terms.unit, receipt.lots - lots, receipt.cost - cost, receipt.fee - fee)
    if (owed_at(unsigned, found.after.mark, terms.reserve) > 0) != by_a:
        return None
    signed = SignedCell(signature, to_cell(receipt.cell())).to_cell()
    return Builder().store_ref(signed).store_ref(_rounds(paper.network, found)).end_cell()


def _read_order(fields: Slice) -> OrderTerms:
    fields.skip_bits(32)
    return OrderTerms(
        channel_id=bytes(fields.load_bytes(16)),
        key=fields.load_uint(32),
        market=fields.load_uint(16),
        inverse=bool(fields.load_bit()),
        buy=bool(fields.load_bit()),
        reduce_only=bool(fields.load_bit()),
        kind=fields.load_uint(8),
        lots=fields.load_uint(48),
        limit_tick=fields.load_uint(32),
        trigger_tick=fields.load_uint(32),
        trigger_above=bool(fields.load_bit()),
        unit=fields.load_uint(64),
        reserve=fields.load_coins() or 0,
        fee_ppm=fields.load_uint(24),
        expires_ms=fields.load_uint(64),
        leverage=fields.load_uint(8),
    )


# What every input is made of


def _rounds(network: int, shown: Exit) -> Cell:
    return Builder().store_ref(_signed(network, shown.before)).store_ref(_signed(network, shown.after)).end_cell()


def _signed(network: int, shown: Shown) -> Cell:
    cell = OracleRound(
        network, shown.market, shown.round, shown.round_ms, shown.index, shown.mark, shown.funding
    ).cell()
    return SignedRound(to_cell(cell), shown.signatures).to_cell()
