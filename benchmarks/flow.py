"""A seeded history of a venue: the events that its users, its oracle and the chain sent, signatures and all.

The engine is deterministic, so a history that was recorded once plays again byte for byte: through the engine alone,
the loop and its journal, or the whole service. All of it happens at one moment of the clock, so any may be played.

    users join and are funded; the oracle speaks; then, each step, one of
    60 % a limit order, a third of them crossing    25 % a cancel    10 % both in one half    5 % a round of the oracle

A user signs what he was pushed with his next half, as a session does. A *quiet* history has no crossing orders and no
rounds after the opening: what a user signs then depends on nobody else, so connections may race.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from fairway.channel import codec, machine
from fairway.channel.conditional import Conditional
from fairway.client.wish import Wish
from fairway.crypto.keys import Signer, derive_seed
from fairway.exchange import event, wire
from fairway.exchange.conditions import order_conditional
from fairway.exchange.engine import Engine
from fairway.exchange.lifecycle import first_half
from fairway.exchange.listing import Listing, parse_listings
from fairway.exchange.live_order import LiveOrder
from fairway.exchange.rules import Rules
from fairway.exchange.terms import OracleRound, OrderTerms
from fairway.service.keys import Keyring
from fairway.ton.address import Address
from fairway.units import TON

__all__ = ["AT_MS", "KEYRING", "NETWORK", "History", "listings", "promises", "record", "request", "signer_a"]

NETWORK = -3
VAULT = "0:" + "11" * 32
AT_MS = 1_700_000_000_000
DEPOSIT = 20_000 * TON
MIDDLE = 51_500
ORACLES = [Signer.of(derive_seed(b"flow", "oracle", bytes([place]))) for place in range(3)]
MARKET = """
[[market]]
id = {number}
symbol = "M{number}-TON"
payoff = "linear"
unit = 10_000
min_lots = 1
max_lots = 10_000_000
lot_step = 1
price_band = 100_000
max_orders = 200
maker_fee = 200
taker_fee = 500
liquidation_fee = 5_000
tiers = [
    {{ ceiling = "10000", initial = 50_000, maintenance = 25_000 }},
    {{ ceiling = "100000", initial = 100_000, maintenance = 50_000 }},
    {{ ceiling = "1000000", initial = 200_000, maintenance = 100_000 }},
]
"""
LIVE = 40
"""Live orders a user leaves to himself; with more, each half drops one."""
KEYRING = Keyring(bytes(range(32)))


class History(NamedTuple):
    """Encoded events: `opening` until every user is funded and every market has a price, then `trading`.

    `digest` is the engine's at the end and `promised` that of all users' promises, whoever came first; `orders` how
    many orders it took, `fills` how many matches, `closes` how many settlements, `live` how many orders rest.
    """

    opening: list[bytes]
    trading: list[bytes]
    digest: bytes
    promised: bytes
    orders: int
    fills: int
    closes: int
    live: int

    def figures(self) -> dict[str, int]:
        """The counts, for a report."""
        return {
            "events": len(self.trading),
            "orders": self.orders,
            "fills": self.fills,
            "closes": self.closes,
            "live": self.live,
        }


def request(happened: event.AnyEvent) -> bytes | None:
    """The frame that a user sent for this to happen; None where no user did."""
    if not isinstance(happened, event.Proposed):
        return None
    fields = {name: getattr(happened, name) for name in wire.Propose.__struct_fields__}
    return wire.encode(wire.Propose(**fields))


def signer_a(user: int) -> Signer:
    """The channel key of user number `user`."""
    return Signer.of(derive_seed(b"flow", "user", user.to_bytes(4)))


def signer_b(key_a: bytes) -> Signer:
    """The service's key of the channel with `key_a`."""
    return KEYRING.channel(NETWORK, VAULT, key_a)


def listings(markets: int) -> list[Listing]:
    """`markets` markets, written and read as the TOML that an operator writes: a market is data."""
    return parse_listings("".join(MARKET.format(number=number) for number in range(1, markets + 1)))


class Recorder:
    """Everyone at once: the users, the oracle, the chain; and the engine that tells what each must sign."""

    def __init__(self, users: int, markets: int, seed: int, *, quiet: bool) -> None:
        self.quiet = quiet
        self.chance = random.Random(seed)
        self.engine = Engine()
        self.events: list[bytes] = []
        self.rounds = dict.fromkeys(range(1, markets + 1), 0)
        self.middle = dict.fromkeys(self.rounds, MIDDLE)
        self.signers: dict[bytes, Signer] = {}
        self.put(_founded(markets))
        self.users = [self.join(user) for user in range(users)]
        for market in self.rounds:
            self.speak(market)

    def put(self, happened: event.AnyEvent) -> None:
        self.engine.apply(happened)
        self.events.append(event.encode(happened))

    def join(self, user: int) -> bytes:
        a = signer_a(user)
        b, salt = signer_b(a.key), user.to_bytes(32)
        channel_id = codec.channel_id(NETWORK, Address.parse(VAULT), a.key, b.key, salt).to_bytes(16)
        opened = event.Opened(
            at_ms=AT_MS,
            channel_id=channel_id,
            key_a=a.key,
            key_b=b.key,
            salt=salt,
            payout=VAULT,
            signature=a.sign(first_half(channel_id).digest()),
        )
        self.put(opened)
        funded = event.Funded(
            at_ms=AT_MS, channel_id=channel_id, deposit_a=DEPOSIT, deposit_b=10 * DEPOSIT, transaction=bytes(32)
        )
        self.put(funded)
        self.signers[channel_id] = a
        return channel_id

    def speak(self, market: int) -> None:
        self.rounds[market] += 1
        price = self.middle[market]
        signed = OracleRound(NETWORK, market, self.rounds[market], AT_MS, price, price, 0)
        digest = signed.digest()
        signatures = {place: oracle.sign(digest) for place, oracle in enumerate(ORACLES[:2])}
        self.put(
            event.Priced(
                at_ms=AT_MS,
                market=market,
                round=signed.round,
                round_ms=AT_MS,
                index=price,
                mark=price,
                funding=0,
                signatures=signatures,
            )
        )

    def step(self) -> None:
        chance = self.chance
        market, what = chance.choice(list(self.rounds)), chance.random()
        if what < 0.05 and not self.quiet:
            self.middle[market] += chance.choice((-5, 0, 5))
            self.speak(market)
            return
        channel_id = chance.choice(self.users)
        live = self.engine.accounts[channel_id].orders
        drops = [chance.choice(list(live))] if live and (what < 0.4 or len(live) > LIVE) else []
        wishes = [] if what < 0.3 and drops else [self.wish(market)]
        self.propose(channel_id, wishes, drops)

    def wish(self, market: int) -> Wish:
        chance = self.chance
        buy, cross = chance.random() < 0.5, chance.random() < 0.33 and not self.quiet
        away = chance.randint(1, 200)
        price = self.middle[market] + (away // 10 if cross else -away) * (1 if buy else -1)
        return Wish(market, buy, chance.randint(1, 20), price, leverage=2)

    def propose(self, channel_id: bytes, wishes: Sequence[Wish], drops: Sequence[int]) -> None:
        account, channel = self.engine.accounts[channel_id], self.engine.channels[channel_id]
        terms = [wish.terms(account.rules, channel_id, key) for key, wish in enumerate(wishes, account.next_key)]
        adds = [(each.key, _promise(account.rules, each)) for each in terms]
        half = machine.propose(channel, adds, drops, account.new_markets(terms)).half
        proposed = event.Proposed(
            at_ms=AT_MS,
            channel_id=channel_id,
            seqno=half.seqno,
            sent=half.sent,
            conditionals_hash=half.body.conditionals_hash,
            cites=half.cited,
            signature=self.signers[channel_id].sign(half.digest()),
            orders=terms,
            drops=list(drops),
        )
        self.put(proposed)


def _founded(markets: int) -> event.Founded:
    return event.Founded(
        at_ms=AT_MS,
        network=NETWORK,
        vault=VAULT,
        oracle_keys=[oracle.key for oracle in ORACLES],
        oracle_threshold=2,
        listings=listings(markets),
        ratio=10,
        fine=TON // 2,
        storage_fee=TON // 4,
        quarantine_s=3600,
        settling_s=3600,
        patience_ms=5_000,
        pool_seed=10_000_000 * TON,
        insurance_seed=100_000 * TON,
        secret=bytes(range(32)),
    )


def _promise(rules: Rules, terms: OrderTerms) -> Conditional:
    order = LiveOrder(terms, terms.digest(), rules.requirement_of(terms))
    return order_conditional(order, 0, rules.codes.order)[0]


def promises(engine: Engine) -> bytes:
    """SHA-256 over what every user's half promises, in the order of the channels' IDs."""
    roots = (engine.accounts[channel_id].a_conditionals.root_hash() for channel_id in sorted(engine.accounts))
    return sha256(b"".join(roots)).digest()


def record(steps: int, *, users: int = 200, markets: int = 1, seed: int = 20_251, quiet: bool = False) -> History:
    """The seeded history of `steps` events after the opening."""
    recorder = Recorder(users, markets, seed, quiet=quiet)
    opening = len(recorder.events)
    for _ in range(steps):
        recorder.step()
    recorder.engine.venue.check()
    events, counts = recorder.events, recorder.engine.venue.counts
    live = sum(len(account.orders) for account in recorder.engine.accounts.values())
    ends = recorder.engine.digest(), promises(recorder.engine)
    figures = counts.orders, counts.fills, counts.settlements, live
    return History(events[:opening], events[opening:], *ends, *figures)
