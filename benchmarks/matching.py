"""The book beside every matcher for Python that PyPI has: one flow, the same fills, turn by turn.

    python -m benchmarks.matching [--orders 20000] [--rounds 5] [--report matching.json]

The flow is seeded: limit orders around a price that wanders, a third of them crossing, most cancelled in the end. Every
engine is fed the same calls and must print the same fills and leave the same orders resting; one that does not is not
timed. Engines take turns, so that the machine's moods hit all alike; the ratio is taken round by round. A peer that
needs longer than a round allows plays a shorter flow, beside ours on the same one. Peers live in
requirements/peers.txt; one that is not installed is left out, by name.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import random
import statistics
import time
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from fairway.market.book import Book
from fairway.market.match import commit, plan
from fairway.market.order import Order

SEED = 20_251
DEEP = 2_000
"""About so many orders rest."""
LOAD_LIMIT = 3
SLOW = {"order-matching": 400, "lightmatchingengine": 20_000}
"""Peers whose cost grows with the book play at most so many orders."""


class Place(NamedTuple):
    """A limit order of an owner of its own."""

    number: int
    buy: bool
    lots: int
    price: int


class Cancel(NamedTuple):
    """Take the order away, if it still rests."""

    number: int
    buy: bool
    price: int


Step = Place | Cancel
Printed = tuple[int, int, int]
"""Maker, taker, lots."""


def flow(orders: int) -> list[Step]:
    """The seeded flow. Cancels name only orders that still rest, as `Reference` counts it."""
    chance = random.Random(SEED)
    middle, resting, steps, reference = 50_000, [], [], Fairway()
    for number in range(orders):
        middle += chance.choice((-1, 0, 1))
        buy, cross = chance.random() < 0.5, chance.random() < 0.33
        away = chance.randint(1, 200)
        price = middle + (away // 20 if cross else -away) * (1 if buy else -1)
        place = Place(number, buy, chance.randint(1, 100), price)
        steps.append(place)
        resting.append(place)
        reference.place(place)
        while len(resting) > DEEP:
            gone = resting.pop(chance.randrange(len(resting)))
            if gone.number in reference.book:
                cancel = Cancel(gone.number, gone.buy, gone.price)
                steps.append(cancel)
                reference.cancel(cancel)
    return steps


class Engine(ABC):
    """A matcher under test: what it printed, and what still rests in it."""

    def __init__(self) -> None:
        self.prints: list[Printed] = []

    @abstractmethod
    def place(self, step: Place) -> None:
        """Match the order and rest what is left."""

    @abstractmethod
    def cancel(self, step: Cancel) -> None:
        """Take the order away; it rests."""

    @abstractmethod
    def resting(self) -> int:
        """How many orders rest."""


class Fairway(Engine):
    """Ours, with everything it does for an exchange: a plan, self-trade prevention, the commit."""

    def __init__(self) -> None:
        super().__init__()
        self.book = Book()

    def place(self, step: Place) -> None:
        order = Order(step.number, step.number, step.buy, step.lots, step.price)
        planned = plan(self.book, order)
        commit(self.book, order, planned)
        for fill in planned.fills:
            self.prints.append((fill.maker_id, fill.taker_id, fill.lots))

    def cancel(self, step: Cancel) -> None:
        self.book.cancel(step.number)

    def resting(self) -> int:
        return len(self.book)


class Bare(Engine):
    """The least a price-time book can be: sortedcontainers, a queue a price, no rules at all."""

    def __init__(self) -> None:
        super().__init__()
        SortedDict = importlib.import_module("sortedcontainers").SortedDict
        self.sides: dict[bool, Any] = {True: SortedDict(), False: SortedDict()}
        self.left: dict[int, int] = {}

    def place(self, step: Place) -> None:
        lots, other = step.lots, self.sides[not step.buy]
        sign = 1 if step.buy else -1
        while lots and other:
            key, queue = other.peekitem(0)
            price = key if step.buy else -key
            if sign * price > sign * step.price:
                break
            for maker in list(queue):
                size = min(lots, queue[maker])
                self.prints.append((maker, step.number, size))
                lots -= size
                queue[maker] -= size
                if not queue[maker]:
                    del queue[maker], self.left[maker]
                if not lots:
                    break
            if not queue:
                del other[key]
        if lots:
            key = -step.price if step.buy else step.price
            self.sides[step.buy].setdefault(key, OrderedDict())[step.number] = lots
            self.left[step.number] = lots

    def cancel(self, step: Cancel) -> None:
        key = -step.price if step.buy else step.price
        queue = self.sides[step.buy][key]
        del queue[step.number], self.left[step.number]
        if not queue:
            del self.sides[step.buy][key]

    def resting(self) -> int:
        return len(self.left)


class Akhil(Engine):
    """akhil4n-orderbook."""

    def __init__(self) -> None:
        super().__init__()
        self.module = importlib.import_module("orderbook")
        self.book = self.module.OrderBook()
        self.numbers: dict[str, int] = {}
        self.ids: dict[int, str] = {}
        self.seen = 0

    def place(self, step: Place) -> None:
        side = self.module.OrderSide.BID if step.buy else self.module.OrderSide.ASK
        order = self.module.Order(side, step.price, step.lots)
        self.numbers[order.order_id], self.ids[step.number] = step.number, order.order_id
        self.book.add_limit_order(order)
        log = self.book.trade_log
        for trade in log[self.seen :]:
            self.prints.append((self.numbers[trade.filler_id], step.number, trade.quantity_filled))
        self.seen = len(log)

    def cancel(self, step: Cancel) -> None:
        self.book.cancel_order(self.ids[step.number])

    def resting(self) -> int:
        return len(self.book.orders)


class Pyorderbook(Engine):
    """pyorderbook."""

    def __init__(self) -> None:
        super().__init__()
        self.module = importlib.import_module("pyorderbook")
        self.book = self.module.Book()
        self.orders: dict[int, Any] = {}
        self.numbers: dict[object, int] = {}

    def place(self, step: Place) -> None:
        order = (self.module.bid if step.buy else self.module.ask)("X", step.price, step.lots)
        self.orders[step.number], self.numbers[order.id] = order, step.number
        for trade in self.book.match(order).trades:
            self.prints.append((self.numbers[trade.standing_order_id], step.number, trade.fill_quantity))

    def cancel(self, step: Cancel) -> None:
        self.book.cancel(self.orders[step.number])

    def resting(self) -> int:
        return len(self.book.order_map)


class Light(Engine):
    """lightmatchingengine."""

    def __init__(self) -> None:
        super().__init__()
        self.engine = importlib.import_module("lightmatchingengine.lightmatchingengine").LightMatchingEngine()
        self.ids: dict[int, int] = {}
        self.numbers: dict[int, int] = {}

    def place(self, step: Place) -> None:
        order, trades = self.engine.add_order("X", step.price, step.lots, 1 if step.buy else 2)
        self.ids[step.number], self.numbers[order.order_id] = order.order_id, step.number
        for trade in trades:
            if trade.order_id != order.order_id:
                self.prints.append((self.numbers[trade.order_id], step.number, trade.trade_qty))

    def cancel(self, step: Cancel) -> None:
        self.engine.cancel_order(self.ids[step.number], "X")

    def resting(self) -> int:
        book = self.engine.order_books["X"]
        return sum(len(level) for side in (book.bids, book.asks) for level in side.values())


class OrderMatching(Engine):
    """order-matching."""

    def __init__(self) -> None:
        super().__init__()
        importlib.import_module("loguru").logger.disable("order_matching")
        self.orders = importlib.import_module("order_matching.orders").Orders
        self.limit = importlib.import_module("order_matching.order").LimitOrder
        self.side = importlib.import_module("order_matching.enums").Side
        self.engine = importlib.import_module("order_matching.matching_engine").MatchingEngine(seed=1)
        self.now = datetime(2025, 1, 1)  # noqa: DTZ001  the library compares it with its own, which have no zone

    def place(self, step: Place) -> None:
        self.now += timedelta(milliseconds=1)
        side = self.side.BUY if step.buy else self.side.SELL
        name = str(step.number)
        order = self.limit(
            side=side, price=step.price, size=step.lots, timestamp=self.now, order_id=name, trader_id=name
        )
        self.engine.place(orders=self.orders([order]))
        for trade in self.engine.match(timestamp=self.now).trades:
            self.prints.append((int(trade.book_order_id), int(trade.incoming_order_id), int(trade.size)))

    def cancel(self, step: Cancel) -> None:
        self.engine.cancel_order(str(step.number))

    def resting(self) -> int:
        book = self.engine.unprocessed_orders
        return sum(len(orders) for side in (book.bids, book.offers) for orders in side.values())


class Moscon(Engine):
    """order_book of B. Moscon: a sorted structure in C, to which the least matching is added here."""

    def __init__(self) -> None:
        super().__init__()
        self.book = importlib.import_module("order_book").OrderBook()
        self.left: dict[int, int] = {}

    def place(self, step: Place) -> None:
        lots, sign = step.lots, 1 if step.buy else -1
        other = self.book.asks if step.buy else self.book.bids
        while lots and len(other):
            price, queue = other.index(0)
            if sign * int(price) > sign * step.price:
                break
            for maker in list(queue):
                size = min(lots, queue[maker])
                self.prints.append((maker, step.number, size))
                lots -= size
                queue[maker] -= size
                if not queue[maker]:
                    del queue[maker], self.left[maker]
                if not lots:
                    break
            if not queue:
                del other[price]
        if lots:
            own, price = self.book.bids if step.buy else self.book.asks, Decimal(step.price)
            if price in own:
                own[price][step.number] = lots
            else:
                own[price] = {step.number: lots}
            self.left[step.number] = lots

    def cancel(self, step: Cancel) -> None:
        own, price = self.book.bids if step.buy else self.book.asks, Decimal(step.price)
        del own[price][step.number], self.left[step.number]
        if not own[price]:
            del own[price]

    def resting(self) -> int:
        return len(self.left)


PEERS: dict[str, tuple[str, Callable[[], Engine]]] = {
    "sortedcontainers, bare": ("sortedcontainers", Bare),
    "akhil4n-orderbook": ("orderbook", Akhil),
    "pyorderbook": ("pyorderbook", Pyorderbook),
    "lightmatchingengine": ("lightmatchingengine", Light),
    "order_book (C) with matching": ("order_book", Moscon),
    "order-matching": ("order_matching", OrderMatching),
}


def play(make: Callable[[], Engine], steps: list[Step]) -> tuple[float, Engine]:
    """Seconds of the processor for the whole flow, and the engine after it."""
    engine = make()
    start = time.process_time()
    for step in steps:
        if isinstance(step, Place):
            engine.place(step)
        else:
            engine.cancel(step)
    return time.process_time() - start, engine


def outcome(engine: Engine) -> tuple[str, int]:
    """The checksum of all fills, and how many orders still rest."""
    return sha256(repr(engine.prints).encode()).hexdigest()[:16], engine.resting()


def rounds(make: Callable[[], Engine], steps: list[Step], wanted: int, limit: int) -> Iterator[tuple[float, float]]:
    """Seconds of ours and of the peer, in turns; rounds under too much load are thrown away, at most as many again."""
    done = 0
    for _ in range(2 * wanted):
        if os.getloadavg()[0] > limit:
            continue
        yield play(Fairway, steps)[0], play(make, steps)[0]
        done += 1
        if done == wanted:
            return


class Row(NamedTuple):
    """One peer beside ours: steps a second, medians; the ratio with its least and greatest round."""

    name: str
    steps: int
    ours: float
    theirs: float
    ratio: float
    least: float
    greatest: float
    rounds: int


def compare(name: str, make: Callable[[], Engine], steps: list[Step], wanted: int, limit: int) -> Row | str:
    """The row of a peer, or why there is none."""
    expected = outcome(play(Fairway, steps)[1])
    found = outcome(play(make, steps)[1])
    if found != expected:
        return f"{name}: other fills or orders than ours ({found} for {expected}), so not timed"
    taken = list(rounds(make, steps, wanted, limit))
    if not taken:
        return f"{name}: every round was under too much load"
    ratios = [theirs / ours for ours, theirs in taken]
    ours, theirs = (len(steps) / statistics.median(each) for each in zip(*taken, strict=True))
    return Row(name, len(steps), ours, theirs, statistics.median(ratios), min(ratios), max(ratios), len(taken))


def main(arguments: list[str] | None = None) -> None:
    """Print the table, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--orders", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--load", type=int, default=LOAD_LIMIT, help="throw away rounds under a greater load average")
    parser.add_argument("--report", type=Path)
    chosen = parser.parse_args(arguments)
    rows, left_out = [], []
    for name, (module, make) in PEERS.items():
        if importlib.util.find_spec(module) is None:
            left_out.append(f"{name}: not installed (requirements/peers.txt)")
            continue
        steps = flow(min(chosen.orders, SLOW.get(name, chosen.orders)))
        row = compare(name, make, steps, chosen.rounds, chosen.load)
        (rows if isinstance(row, Row) else left_out).append(row)
    print(f"{'matching, steps a second':32}{'steps':>8}{'ours':>12}{'theirs':>12}{'ratio':>8}{'rounds':>18}")
    for row in rows:
        spread = f"{row.least:.2f}–{row.greatest:.2f} of {row.rounds}"
        print(f"{row.name:32}{row.steps:8,}{row.ours:12,.0f}{row.theirs:12,.0f}{row.ratio:8.2f}{spread:>18}")
    for line in left_out:
        print(line)
    print(f"load {os.getloadavg()[0]:.2f}; fills and live orders of every engine timed are the same")
    if chosen.report:
        chosen.report.write_text(json.dumps([row._asdict() for row in rows], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
