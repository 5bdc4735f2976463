"""A random channel with orders, positions and a pot: every half that both sides sign, and all that is shown."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

from msgspec import structs

from fairway.channel.state import Body, Half
from fairway.exchange.sharing import close_shared
from fairway.exchange.sharing import paid as paid_into
from fairway.exchange.terms import CrossTerms
from fairway.exchange.valuation import Forward, Totals, gained, lost, profit, reserve_of
from fairway.risk.contract import Contract, Payoff, brackets, fill_cost
from fairway.risk.position import Position, closed, opened
from fairway.units import Ppm, share_down

RATIO = 10
TIERS = brackets([(10**18, 100_000, 50_000)])
CONTRACTS = [
    Contract(Payoff.LINEAR, 1_000, TIERS, Ppm(0), Ppm(0), Ppm(0)),
    Contract(Payoff.INVERSE, 10**11, TIERS, Ppm(0), Ppm(0), Ppm(0)),
    Contract(Payoff.LINEAR, 700, TIERS, Ppm(0), Ppm(0), Ppm(0)),
]
EMPTY = CrossTerms(bytes(16), 0, 0, RATIO, 0)
MARKETS = range(len(CONTRACTS))
NOTHING: tuple[Position | None, ...] = (None,) * len(CONTRACTS)
START = 10_000


@dataclass(frozen=True)
class Order:
    """An order as it was placed."""

    key: int
    market: int
    buy: bool
    lots: int
    margin: int
    fees: int
    is_cross: bool = False

    @property
    def reserve(self) -> int:
        return self.margin + self.fees


@dataclass(frozen=True)
class Content:
    """What a half of A says, and what its mirror in B's half does: positions by market, fills known by order.

    `pot` has the margin and the cap of what is `shared`: positions by market, none of which has a margin of its own.
    """

    sent: int = 0
    positions: tuple[Position | None, ...] = NOTHING
    orders: tuple[tuple[Order, Totals], ...] = ()
    pot: CrossTerms = EMPTY
    shared: tuple[Position | None, ...] = NOTHING

    @property
    def expects(self) -> tuple[int, bytes]:
        return self.sent, sha256(repr((self.positions, self.orders, self.pot, self.shared)).encode()).digest()

    def known(self, order: Order) -> Totals | None:
        return next((totals for each, totals in self.orders if each == order), None)

    def with_orders(self, orders: tuple[Order, ...], more: int = 0) -> Content:
        """With these orders, and with `more` margin in the pot, for which side B is good as for any."""
        orders = self.orders + tuple((each, Totals()) for each in orders)
        return replace(self, orders=orders, pot=grown(self.pot, more, RATIO * more))


def grown(pot: CrossTerms, margin: int, cap: int) -> CrossTerms:
    return structs.replace(pot, margin=pot.margin + margin, cap=pot.cap + cap)


@dataclass
class Mirror:
    """A half of B: what it has sent, the content that it mirrors and expects, the half of A that it cites."""

    half: Half
    content: Content


@dataclass
class History:
    """`a` and `b` are all halves so far, by their seqnos from 1; `receipts` the totals after each fill of an order."""

    seed: int
    steps: int = 16
    calm: bool = False
    random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.prices, self.funding = [START for _ in MARKETS], [0 for _ in MARKETS]
        self.newest = Content().with_orders((), 10**13 if self.calm else 0)
        self.earned, self.keys, self.won_of_pot, self.put_up = 0, 0, 0, self.newest.pot.cap
        first = Half(5, Body(1, *self.newest.expects))
        self.a: list[tuple[Half, Content]] = [(first, self.newest)]
        self.b: list[Mirror] = []
        self.window: dict[int, Content] = {}
        self.receipts: dict[Order, list[tuple[int, Totals]]] = {}
        self.pending: tuple[Half, Content, tuple[Order, ...]] | None = None
        self.push()
        for _ in range(self.steps):
            self.random.choice([self.sign, self.fill, self.fill, self.fill, self.move])()
        if self.random.random() < 0.3:
            self.leave_unanswered()

    def push(self) -> None:
        seqno = len(self.b) + 1
        body = Body(seqno, self.earned, sha256(repr((seqno, self.newest.expects)).encode()).digest())
        self.b.append(Mirror(Half(5, body, self.a[-1][0].body), self.newest))
        self.window[seqno] = self.newest

    def half_of_a(self, content: Content, cited: int, seqno: int) -> Half:
        sent, root = content.expects
        return Half(5, Body(seqno, sent, root), self.b[cited - 1].half.body)

    def sign(self) -> None:
        """A signs what follows from a half of B in the window, often with new orders; B pushes its answer."""
        orders = tuple(self.order() for _ in range(self.random.choice([0, 1, 1, 2])))
        cited = self.random.choice([seqno for seqno in self.window if seqno >= len(self.b) - 2])
        more = self.more_margin()
        content = self.window[cited].with_orders(orders, more)
        self.a.append((self.half_of_a(content, cited, len(self.a) + 1), content))
        self.window = {seqno: each.with_orders(orders, more) for seqno, each in self.window.items() if seqno >= cited}
        self.newest = self.newest.with_orders(orders, more)
        self.put_up += RATIO * more
        if self.random.random() < 0.5:
            self.fill(push=False)  # what arrives may fill at once: then no half of B mirrors exactly what A has signed
        self.push()

    def more_margin(self) -> int:
        """What A puts into the pot by the half that he signs: only where it stands alike in all live halves of B."""
        pots = {(each.pot, each.shared) for each in self.window.values()}
        if len(pots) > 1 or self.random.random() < 0.5:
            return 0
        return self.random.randint(1, 60) * 10**6

    def leave_unanswered(self) -> None:
        """A's newest half adds orders that B has not acknowledged; pushes cross it."""
        orders, cited = (self.order(),), len(self.b)
        content = self.window[cited].with_orders(orders)
        self.pending = self.half_of_a(content, cited, len(self.a) + 1), content, orders
        for _ in range(self.random.randrange(3)):
            self.fill()

    def order(self) -> Order:
        self.keys += 1
        lots = self.random.randint(1, 60)
        is_cross = self.random.random() < 0.5
        market = self.random.choice([0, 0, 0, 1, 2] if is_cross else [0, 0, 1])
        worth = lots * 10**7
        margin = worth * 100 if self.calm else worth // self.random.choice([1, 5, 10])
        if is_cross and self.random.random() < 0.7:
            margin = 0  # the pot stands for it; the order brings its fee
        return Order(self.keys, market, self.random.random() < 0.5, lots, margin, worth // 50, is_cross)

    def jumps(self) -> list[float]:
        return [0.99, 1.01] if self.calm else [0.5, 0.9, 0.99, 1.01, 1.1, 2]

    def move(self) -> None:
        for market in MARKETS:
            self.prices[market] = max(
                1, round(self.prices[market] * self.random.choice([0.5, 0.9, 0.99, 1.01, 1.1, 2]))
            )
            self.funding[market] += self.random.randint(-(10**9), 10**9)

    def fill(self, *, push: bool = True) -> None:
        """Some lots of a live order fill, at a price near the newest: close first, then open."""
        if not self.newest.orders:
            return
        order, known = self.random.choice(self.newest.orders)
        lots = self.random.choice([order.lots - known.lots, self.random.randint(1, order.lots - known.lots)])
        price = max(1, self.prices[order.market] + self.random.randint(-50, 50))
        s, contract, index = 1 if order.buy else -1, CONTRACTS[order.market], self.funding[order.market]
        cost = fill_cost(contract, s, lots, price)
        most = share_down(order.fees, known.lots + lots, order.lots) - share_down(order.fees, known.lots, order.lots)
        fee = self.random.randint(-most, most)
        after = Totals(known.lots + lots, known.cost + cost, known.fee + fee, known.base + s * index * lots)
        margin = share_down(order.margin, after.lots, order.lots) - share_down(order.margin, known.lots, order.lots)
        (self.share if order.is_cross else self.apply)(order, s, lots, price, index, margin)
        self.newest = replace(self.newest, sent=self.newest.sent + max(0, fee))
        self.earned += max(0, -fee)
        rest = tuple((each, after if each == order else totals) for each, totals in self.newest.orders)
        self.newest = replace(self.newest, orders=tuple(each for each in rest if each[1].lots < each[0].lots))
        self.receipts.setdefault(order, []).append((len(self.b) + 1, after))
        if push:
            self.push()

    def apply(self, order: Order, s: int, lots: int, price: int, index: int, margin: int) -> None:
        contract, held = CONTRACTS[order.market], self.newest.positions[order.market]
        closing = min(lots, held.lots) if held is not None and held.s != s else 0
        if closing:
            closure = closed(held, contract, closing, price, index)
            if closure.profit >= 0:
                self.earned += min(closure.payment, RATIO * closure.margin)
            else:
                self.newest = replace(self.newest, sent=self.newest.sent + closure.payment)
            held = closure.rest
        if lots > closing:
            share = share_down(margin, lots - closing, lots)
            held = opened(held, contract, s, lots - closing, price, index, share)
        positions = list(self.newest.positions)
        positions[order.market] = held
        self.newest = replace(self.newest, positions=tuple(positions))

    def share(self, order: Order, s: int, lots: int, price: int, index: int, margin: int) -> None:
        """As `apply`, in the pot: what a close wins stays there, and side B owes so much less."""
        contract, held = CONTRACTS[order.market], self.newest.shared[order.market]
        pot = grown(self.newest.pot, margin, RATIO * margin)
        self.put_up += RATIO * margin
        closing = min(lots, held.lots) if held is not None and held.s != s else 0
        if closing:
            closure = close_shared(pot, held, contract, closing, price, index)
            pot, beyond = paid_into(pot, closure)
            if closure.profit >= 0:
                self.earned += closure.payment - beyond
                self.won_of_pot += closure.payment - beyond
            else:
                self.newest = replace(self.newest, sent=self.newest.sent + closure.payment)
            held = closure.rest
        if lots > closing:
            held = opened(held, contract, s, lots - closing, price, index, 0)
        shared = list(self.newest.shared)
        shared[order.market] = held
        self.newest = replace(self.newest, pot=pot, shared=tuple(shared))

    # What a pair is worth

    def forwards(self, market: int | None, half: Content, seqno_b: int | None, exits, shown=None) -> list[Forward]:
        """The fills that a half lacks, of a market or (None) of the pot: no fill speaks in both."""
        fills = self.unsigned(half, seqno_b, shown)
        return [self.forward(order, *fill, exits) for order, *fill in fills if self.place(order) == market]

    def place(self, order: Order) -> int | None:
        return None if order.is_cross else order.market

    def unsigned(self, half: Content, seqno_b: int | None, shown) -> Iterator[tuple[Order, Totals, Totals]]:
        """A's half must carry the order; of B's, a newer receipt speaks for itself."""
        for order, totals in self.receipts.items():
            known, (seqno, newest) = half.known(order), totals[-1]
            if (shown is not None and order not in shown) or (known is None and (seqno_b is None or seqno <= seqno_b)):
                continue
            known = known or Totals()
            if newest.lots > known.lots:
                yield order, known, newest

    def forward(self, order: Order, known: Totals, newest: Totals, exits) -> Forward:
        value = self.profit(order.market, newest.less(known), exits, long=order.buy)
        return Forward(value, reserve_of(order.reserve, newest.lots, known.lots, order.lots))

    def profit(self, market: int, totals: Totals, exits, *, long: bool) -> int:
        contract = CONTRACTS[market]
        return profit(totals, *exits[market], unit=contract.unit, inverse=bool(contract.payoff), long=long)

    def value(self, market: int, position: Position | None, exits) -> int:
        if position is None:
            return 0
        totals = Totals(position.lots, position.cost, 0, position.funding_base)
        return self.profit(market, totals, exits, long=position.s > 0)

    def bounds(self, half: Content) -> Iterator[tuple[int | None, Sequence[tuple[int, Position | None]], int, int]]:
        """Of each market and of the pot (None): its positions, what A loses of it at most, and what B owes."""
        for market in MARKETS:
            held = half.positions[market]
            margin = held.margin if held else 0
            yield market, [(market, held)], margin, RATIO * margin
        yield None, list(enumerate(half.shared)), half.pot.margin, half.pot.cap

    def paid(self, a: Content, b: Mirror, exits, shown_a=None, shown_b=None) -> int:
        """What A gets of a pair: `shown_a` and `shown_b` are the orders whose fills each claimant shows (None: all)."""
        total = b.half.sent - a.sent
        for place, held, margin, _ in self.bounds(a):
            values = [self.value(market, each, exits) for market, each in held]
            total -= lost(values, margin, self.forwards(place, a, None, exits, shown_b))
        for place, held, _, cap in self.bounds(b.content):
            values = [self.value(market, each, exits) for market, each in held]
            total += gained(values, cap, RATIO, self.forwards(place, b.content, b.half.seqno, exits, shown_a))
        return total

    def truth(self, a: Content, b: Mirror, exits) -> int:
        """What a pair that both have signed is to pay: of each market and the pot all that was won within one bound."""
        total = b.half.sent - a.sent
        for place, held, margin, cap in self.bounds(a):
            fills = self.forwards(place, b.content, b.half.seqno, exits)
            reserved = sum(each.reserve for each in fills)
            won = sum(self.value(market, each, exits) for market, each in held) + sum(each.value for each in fills)
            total += min(max(won, -margin - reserved), cap + RATIO * reserved)
        return total

    def exits(self) -> list[tuple[int, int]]:
        """An end price and funding index of each market, often far beyond what any margin covers."""
        ends = [99, 101] if self.calm else [1, 50, 80, 99, 101, 130, 300, 1000]
        return [
            (max(1, price * self.random.choice(ends) // 100), index + self.random.randint(-(10**9), 10**9))
            for price, index in zip(self.prices, self.funding, strict=True)
        ]
