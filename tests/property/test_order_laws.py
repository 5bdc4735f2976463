"""Laws of orders that wait, hang together and leave, under generated histories that every owner's copy follows.

1. What is awake and rests is in the book with what it may still fill, and nothing else is there.
2. What waits for a price, and for nothing before it, is watched, and nothing else is.
3. Of a group nobody else is live once one was filled or fired.
4. Nothing waits for an order that is gone.
5. An account reserves what its live orders reserve.
6. Whatever fired by a round is proven by the rounds that there were: a claim finds what the chain asks for.
7. The same journal gives the same state.
"""

from __future__ import annotations

import pytest
from tests.simulation.world import World

from fairway.client.brackets import attached, one_cancels_other, one_triggers
from fairway.client.wish import Wish, amended
from fairway.crypto import keys
from fairway.errors import FairwayError
from fairway.exchange import dropping, event, waking
from fairway.exchange.alarms import Alarms
from fairway.exchange.change import Triggered
from fairway.exchange.effect import Push
from fairway.exchange.fills import find_fired
from fairway.exchange.links import Links
from fairway.exchange.sweeps import NEVER_MS, sweep_digest
from fairway.exchange.terms import Kind, Receipt, Source
from fairway.exchange.venue import order_id_of
from fairway.market.order import Prevention
from fairway.units import TON

MARKET, START = 2, 50_000


class Orders:
    """A world in which everybody places whatever there is; `check` looks at every law."""

    def __init__(self, seed: int) -> None:
        self.world = World(seed)
        self.random = self.world.random
        self.mark = START
        self.rounds: list[event.Priced] = []
        for name in range(5):
            self.world.join(f"trader {name}", 300 * TON)
        self.price(0)

    def price(self, step: int) -> None:
        self.mark = max(START // 2, self.mark + step)
        self.world.price(MARKET, self.mark, index=self.mark + self.random.randint(-100, 100))
        self.rounds.append(self.world.engine.venue.priced[MARKET])

    def step(self) -> None:
        rng, who = self.random, self.random.choice(list(self.world.users))
        account, move = self.world.users[who].replica.account, self.random.random()
        if move < 0.25:
            self.price(rng.randint(-400, 400))
        elif move < 0.32 and account.orders:
            key = rng.choice(list(account.orders))
            order = account.orders[key]
            if not order.terms.parent and not order.terms.closes and order.left:
                self.world.try_propose(who, [amended(order, rng.randint(1, order.left), None, None)], [key])
        elif move < 0.4 and account.orders:
            self.world.try_propose(who, [], [rng.choice(list(account.orders))])
        elif move < 0.44:
            self.sweep(who, rng.choice([0, 0, 150, 400, NEVER_MS]))
        else:
            self.world.try_propose(who, self.wishes(account))

    def sweep(self, who: bytes, after_ms: int) -> None:
        world, nonce = self.world, len(self.world.journal)
        digest = sweep_digest(world.engine.rules.network, who, nonce, MARKET, after_ms)
        signed = keys.sign(world.users[who].seed, digest)
        world.put(
            event.SweepSigned(
                at_ms=world.now_ms, channel_id=who, nonce=nonce, market=MARKET, after_ms=after_ms, signature=signed
            )
        )

    def wishes(self, account) -> list[Wish]:
        rng, held = self.random, account.positions.get(MARKET)
        entry = self.entry(rng.random() < 0.5)
        if held is not None and rng.random() < 0.6:
            exits = [self.exit(held.position.s < 0, held.position.lots) for _ in range(rng.randint(1, 3))]
            return one_cancels_other(*exits) if rng.random() < 0.5 else exits
        shape = rng.random()
        if shape < 0.25:
            return attached(entry, self.exit(not entry.buy, entry.lots), self.exit(not entry.buy, entry.lots))
        if shape < 0.4:
            return one_triggers(entry, self.entry(rng.random() < 0.5))
        if shape < 0.5:
            return one_cancels_other(self.entry(True), self.entry(False))
        return [entry]

    def entry(self, buy: bool) -> Wish:
        rng = self.random
        kind = rng.choice([Kind.LIMIT, Kind.LIMIT, Kind.LIMIT, Kind.POST_ONLY, Kind.IOC, Kind.FOK, Kind.MARKET])
        wish = Wish(MARKET, buy, rng.randint(1, 60), self.mark + rng.randint(-150, 150), kind, 5)
        if rng.random() < 0.2:
            above = rng.random() < 0.5
            wish = self.changed(wish, trigger_tick=self.mark + (200 if above else -200), trigger_above=above)
        expires = self.world.now_ms + rng.randint(1, 2_000) if rng.random() < 0.2 else 0
        return self.changed(wish, prevention=rng.choice(list(Prevention)), expires_ms=expires)

    def exit(self, buy: bool, lots: int) -> Wish:
        rng = self.random
        limit = self.mark * (103 if buy else 97) // 100
        wish = Wish(MARKET, buy, lots, limit, Kind.MARKET, 5, reduce_only=True)
        shape = rng.random()
        if shape < 0.25:
            return self.changed(wish, callback_ppm=rng.randint(1_000, 9_000), trigger_above=buy)
        if shape < 0.35:
            start = self.mark + (-100 if buy else 100)
            return self.changed(wish, callback_ppm=3_000, trigger_above=buy, trigger_tick=start)
        if shape < 0.5:
            return self.changed(
                wish, kind=Kind.LIMIT, limit_tick=self.mark + (-200 if buy else 200), strict=shape < 0.42
            )
        above = rng.random() < 0.5
        trigger = self.mark + rng.randint(100, 400) * (1 if above else -1)
        closes = shape > 0.85
        return self.changed(
            wish,
            trigger_tick=trigger,
            trigger_above=above,
            source=rng.choice(list(Source)),
            closes=closes,
            lots=10_000_000 if closes else lots,
        )

    @staticmethod
    def changed(wish: Wish, **words: object) -> Wish:
        return Wish(**{name: words.get(name, getattr(wish, name)) for name in Wish.__slots__})

    def check(self) -> None:
        venue = self.world.engine.venue
        book = venue.books[MARKET]
        seen = watched = 0
        for who, account in venue.accounts.items():
            assert account.reserved == sum(order.reserved for order in account.orders.values()), "law 5"
            for key, order in account.orders.items():
                terms, order_id = order.terms, order_id_of(who, key)
                rests = not order.is_asleep
                resting = book.get(order_id)
                assert (resting is not None) == rests, "law 1"
                if resting is not None:
                    seen += 1
                    may = account.reducible(terms, order.left) if terms.reduce_only else order.left
                    assert resting.lots == may > 0, "law 1"
                waits = order.is_asleep and (not terms.parent or order.armed)
                assert venue.alarms.has(order_id, terms) == waits, "law 2"
                watched += waits
                if order.is_under_way:
                    assert not account.links.siblings(terms), "law 3"
                assert not terms.parent or order.armed or terms.parent in account.orders, "law 4"
        assert (len(book), len(list(venue.alarms))) == (seen, watched), "laws 1 and 2"

    def check_proofs(self) -> int:
        """Law 6; how many firings were looked at."""
        count = 0
        placed = {}
        for payload in self.world.journal:
            happened = event.decode(payload)
            if isinstance(happened, event.Proposed):
                placed |= {(happened.channel_id, terms.key): terms for terms in happened.orders}
        at = {each.round: each.round_ms for each in self.rounds}
        for wanted in self.world.effects:
            for change in wanted.changes if isinstance(wanted, Push) else ():
                if isinstance(change, Triggered):
                    terms = placed[wanted.channel_id, change.key]
                    if terms.source != Source.LAST:
                        receipt = Receipt(*[b""] * 2, 0, b"", 0, 0, 0, 0, 0, at[change.round], 0)
                        found = find_fired(terms, receipt, self.rounds)
                        assert found is not None, "law 6"
                        assert found.fired.round <= change.round, "law 6"
                        count += 1
        return count


def run(seed: int, steps: int) -> Orders:
    orders = Orders(seed)
    for _ in range(steps):
        orders.step()
        orders.check()
    return orders


@pytest.mark.parametrize("seed", range(3))
def test_the_laws_hold_whatever_is_placed(seed):
    orders = run(seed, 500)
    venue = orders.world.engine.venue
    assert orders.check_proofs() > 10
    assert venue.counts.fills > 50
    assert orders.world.replayed().digest() == orders.world.engine.digest()
    reasons = {ended.reason for account in venue.accounts.values() for ended in account.past}
    assert reasons >= {"", "sibling", "unarmed", "swept", "amended", "nothing_to_reduce", "expired"}


def keep_watching(_self, _order_id, _terms):
    """An alarm that does not forget."""


PLANTED = {
    "an alarm that does not forget": (Alarms, "remove", keep_watching),
    "no clamp": (dropping, "_resize", lambda *_: None),
    "siblings stay": (waking, "send_siblings_away", lambda *_: None),
    "nobody knows his children": (Links, "children", lambda *_: []),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_breaks_a_law_or_is_seen_by_an_owner(bug, monkeypatch):
    monkeypatch.setattr(*PLANTED[bug])
    with pytest.raises((AssertionError, FairwayError)):
        run(0, 500)
