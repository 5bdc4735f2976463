"""What one side claims of the other's promises when a channel ends alone: inputs for conditions, and what they owe.

    market_input#_ exit:(Maybe ^Rounds) touched:(Maybe ^SignedRound) fills:(HashmapE 32 ^FillInput) = MarketInput;
    fill_input#_ receipt:^SignedReceipt order:(Maybe ^Cell) fired:(Maybe ^SignedRound)
      peak:(Maybe ^SignedRound) signature:(Maybe bits512) = FillInput;
    rounds#_ before:^SignedRound after:^SignedRound = Rounds;

One claim values everything of a market in a half: what it holds, and by the newest receipts of their orders the fills
that it does not hold yet (`fairway.exchange.valuation`). The exit price is that of the first round at or after the
moment that the quarantine's start fixes; the round before it shows that it is the first. Side B may take a position
whole by a round that touched its liquidation price before the start. Anybody may have kept rounds and receipts: the
signatures are all that counts. Pure; user and service alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from pytoniq_core import HashMap

from fairway.channel import codec
from fairway.channel.conditionals import Conditionals
from fairway.channel.machine import CHAIN_KEY, MARKET_KEYS
from fairway.errors import Rejected
from fairway.exchange.alarms import price_of
from fairway.exchange.mandate import Mandate, mandated_cell, number_of, slot_of
from fairway.exchange.reading import Standing, read_market, read_orders
from fairway.exchange.terms import MarketTerms, OracleRound, OrderTerms, Receipt, Source
from fairway.exchange.valuation import Forward, Totals, gained, lost, profit, reserve_of
from fairway.market.trigger import Trailing
from fairway.ton.cells import Builder, Cell, Plain, to_cell
from fairway.ton.merkle import whole_proof
from fairway.ton.vault_messages import SignedCell, SignedRound

__all__ = ["KEY_BITS", "Exit", "Mandated", "Paper", "Promised", "Shown", "claim", "markets"]

KEY_BITS = 32


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


class Promised(NamedTuple):
    """A half that is claimed on: its promises, its seqno, and whether it is side A's."""

    conditionals: Conditionals
    seqno: int
    by_a: bool


class Mandated(NamedTuple):
    """By whose leave an order was placed that its owner's half does not hold: the mandate's key, the sub-key's word."""

    mandate: int
    signature: bytes


@dataclass(frozen=True, slots=True)
class Paper:
    """What a claimant has kept: exits by market, rounds before the start, receipts (signed) and orders by their hash.

    `earlier` are no later than the start. In the markets of `standing` the position was not liquidated when it came: it
    is valued at the exit, whatever its price has touched. `is_late`: the last quarter of the settling has begun, and
    what has no exit ends at the last mark that both sides know. `mandated` has the words of sub-keys, by the order.
    """

    network: int
    exits: Mapping[int, Exit]
    earlier: Iterable[Shown] = ()
    standing: frozenset[int] = frozenset()
    receipts: Mapping[bytes, tuple[Receipt, bytes]] = field(default_factory=dict)
    orders: Mapping[bytes, OrderTerms] = field(default_factory=dict)
    is_late: bool = False
    mandated: Mapping[bytes, Mandated] = field(default_factory=dict)


class Fired(NamedTuple):
    """The round that fired an order, and the one from which a trailing stop came back."""

    fired: Shown | None = None
    peak: Shown | None = None


class Fill(NamedTuple):
    """The fills of one order that a half does not hold, by the receipt that shows them."""

    order: Standing
    receipt: Receipt
    signature: bytes
    is_held: bool
    fired: Fired
    mandated: Mandated | None = None
    left: int = 0


def claim(channel_id: int, half: Promised, paper: Paper) -> codec.Settle:
    """The claim of everything in `half` that owes something by `paper`.

    Errors: `Rejected` (`claims.nothing`) where nothing does.
    """
    shown = HashMap(KEY_BITS, value_serializer=lambda value, leaf: leaf.store_cell(value))
    fills = _fills(half, paper)
    for key, terms in _markets(half.conditionals):
        shown_input = _input(terms, [fill for fill in fills if fill.order.terms.market == terms.market], half, paper)
        if shown_input is not None:
            shown.set_int_key(key, shown_input)
    root = half.conditionals.root_cell()
    if root is None or not shown.map:
        raise Rejected("claims.nothing", "nothing that is promised owes anything that can be shown")
    return codec.Settle(channel_id, shown.serialize(), whole_proof(root))


def markets(half: Promised, paper: Paper) -> set[int]:
    """The markets in which something is held in `half`, or was filled since by `paper`: whose exits a claim needs."""
    held = {terms.market for _, terms in _markets(half.conditionals) if terms.lots}
    return held | {fill.order.terms.market for fill in _fills(half, paper)}


def _markets(promised: Conditionals) -> list[tuple[int, MarketTerms]]:
    found = [(key, conditional) for key, conditional in promised.items() if MARKET_KEYS <= key < CHAIN_KEY]
    return [(key, read_market(conditional)) for key, conditional in found]


# Fills


def _fills(half: Promised, paper: Paper) -> list[Fill]:
    orders, mandates = read_orders(half.conditionals)
    held = {order.digest: order for order in orders.values()}
    found = [_fill(held.get(digest), mandates, digest, half, paper) for digest in paper.receipts]
    return [fill for fill in found if fill is not None]


def _fill(
    held: Standing | None, mandates: Mapping[int, Mandate], digest: bytes, half: Promised, paper: Paper
) -> Fill | None:
    """What the receipt of one order shows.

    A's half must hold the order or the mandate that allows it, and what B signed later is not in B's.
    """
    receipt, signature = paper.receipts[digest]
    order, mandated, left = held, None, 0
    if order is None:
        terms = paper.orders.get(digest)
        if terms is None or (not half.by_a and receipt.b_seqno <= half.seqno):
            return None
        order = Standing(terms, digest, Totals())
        if half.by_a:
            mandated = paper.mandated.get(digest)
            mandate = mandates.get(mandated.mandate) if mandated is not None else None
            if mandate is None or not _allows(mandate, terms, receipt):
                return None
            left = mandate.left
    is_free = not half.by_a or not order.terms.waits or order.terms.source == Source.LAST
    fired = Fired() if is_free else find_fired(order.terms, receipt, paper.earlier)
    if receipt.lots <= order.known.lots or fired is None:
        return None
    return Fill(order, receipt, signature, held is not None, fired, mandated, left)


def _allows(mandate: Mandate, terms: OrderTerms, receipt: Receipt) -> bool:
    """Whether the half still leaves it to the mandate's key to have placed this order."""
    given = mandate.terms
    is_here = (given.channel_id, given.market, given.slot) == (terms.channel_id, terms.market, slot_of(terms.key))
    is_small = terms.lots <= given.max_lots and terms.fee_ppm <= given.fee_ppm and 0 < terms.leverage <= given.leverage
    return is_here and is_small and receipt.at_ms < given.expires_ms and not mandate.used.has(number_of(terms.key))


def find_fired(terms: OrderTerms, receipt: Receipt, rounds: Iterable[Shown]) -> Fired | None:
    """The round that fired an order before `receipt`, and that from which it came back if it trails."""
    since = [each for each in rounds if each.market == terms.market and each.round_ms <= receipt.at_ms]
    peak: Shown | None = None
    for each in sorted(since, key=lambda shown: shown.round):
        price = price_of(each, terms.source)
        threshold = _threshold(terms, peak)
        is_reached = threshold is not None and (price >= threshold if terms.trigger_above else price <= threshold)
        if is_reached and each.round > terms.round:
            return Fired(each, peak)
        if terms.callback_ppm and each.round >= terms.round and _is_better(terms, each, peak):
            peak = each
    return None


def _threshold(terms: OrderTerms, peak: Shown | None) -> int | None:
    """Where an order wakes; nowhere yet where it trails and has not begun."""
    if not terms.callback_ppm:
        return terms.trigger_tick
    if peak is None:
        return None
    return Trailing(terms.key, terms.trigger_above, terms.callback_ppm, price_of(peak, terms.source)).threshold()


def _is_better(terms: OrderTerms, shown: Shown, peak: Shown | None) -> bool:
    """Whether a trailing stop follows to this price: the best since it began."""
    price, s = price_of(shown, terms.source), -1 if terms.trigger_above else 1
    has_begun = not terms.trigger_tick or s * price >= s * terms.trigger_tick
    return has_begun and (peak is None or s * price > s * price_of(peak, terms.source))


def _forward(terms: MarketTerms, fill: Fill, mark: int, funding: int) -> Forward:
    order, receipt = fill.order.terms, fill.receipt
    fresh = Totals(receipt.lots, receipt.cost, receipt.fee, receipt.base).less(fill.order.known)
    value = profit(fresh, mark, funding, unit=terms.unit, inverse=terms.inverse, long=order.buy)
    reserve = reserve_of(order.reserve, receipt.lots, fill.order.known.lots, order.lots)
    return Forward(value, reserve, order.group, fill.mandated.mandate if fill.mandated else 0, fill.left)


# Markets


def _input(terms: MarketTerms, fills: list[Fill], half: Promised, paper: Paper) -> Cell | None:
    """What the condition of a market is shown; None where it would owe nothing."""
    found = paper.exits.get(terms.market)
    if found is not None:
        mark, funding = found.after.mark, found.after.funding
    elif paper.is_late and terms.mark:
        mark, funding = terms.mark, terms.funding
    else:
        return None
    held = Totals(terms.lots, terms.cost, 0, terms.funding_base)
    value = profit(held, mark, funding, unit=terms.unit, inverse=terms.inverse, long=terms.long)
    forwards = [_forward(terms, fill, mark, funding) for fill in fills]
    touch = _touch(terms, half, paper)
    if half.by_a:
        owed = lost(value, terms.margin, forwards, touched=touch is not None)
    else:
        owed = gained(value, terms.margin, terms.ratio, forwards)
    if owed == 0:
        return None
    shown = HashMap(KEY_BITS, value_serializer=lambda fill, leaf: leaf.store_ref(_fill_cell(paper.network, fill)))
    for fill in fills:
        shown.set_int_key(fill.order.terms.key, fill)
    exits = _rounds(paper.network, found) if found is not None else None
    touched = _signed(paper.network, touch) if touch is not None else None
    return Builder().store_maybe_ref(exits).store_maybe_ref(touched).store_dict(shown.serialize()).end_cell()


def _touch(terms: MarketTerms, half: Promised, paper: Paper) -> Shown | None:
    if not half.by_a or not terms.lots or terms.market in paper.standing:
        return None
    return next((each for each in paper.earlier if _is_touched(terms, each)), None)


def _is_touched(terms: MarketTerms, shown: Shown) -> bool:
    beyond = shown.mark <= terms.liquidation_tick if terms.long else shown.mark >= terms.liquidation_tick
    return beyond and shown.market == terms.market and terms.since_ms <= shown.round_ms


# What every input is made of


def _fill_cell(network: int, fill: Fill) -> Cell:
    signed = SignedCell(fill.signature, to_cell(fill.receipt.cell())).to_cell()
    order = None if fill.is_held else to_cell(_placed(fill))
    fired, peak = (None if each is None else _signed(network, each) for each in fill.fired)
    shown = Builder().store_ref(signed).store_maybe_ref(order).store_maybe_ref(fired).store_maybe_ref(peak)
    if fill.mandated is None:
        return shown.store_bit(0).end_cell()
    return shown.store_bit(1).store_bytes(fill.mandated.signature).end_cell()


def _placed(fill: Fill) -> Plain:
    terms = fill.order.terms
    return terms.cell() if fill.mandated is None else mandated_cell(fill.mandated.mandate, terms)


def _rounds(network: int, shown: Exit) -> Cell:
    return Builder().store_ref(_signed(network, shown.before)).store_ref(_signed(network, shown.after)).end_cell()


def _signed(network: int, shown: Shown) -> Cell:
    cell = OracleRound(
        network, shown.market, shown.round, shown.round_ms, shown.index, shown.mark, shown.funding
    ).cell()
    return SignedRound(to_cell(cell), shown.signatures).to_cell()
