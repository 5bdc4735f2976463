"""The venue's whole state: accounts, channels, books, prices, money, settlements. It only changes inside an event."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

from fairway.channel.conditionals import Conditionals
from fairway.channel.machine import Channel, newest_b
from fairway.channel.state import SignedHalf
from fairway.errors import IllegalTransition, Rejected
from fairway.exchange.account import Account
from fairway.exchange.counts import Counts
from fairway.exchange.event import Founded, Priced
from fairway.exchange.ledger import BOND, FEES, INSURANCE, OPERATOR, POOL, WORLD, Ledger, user
from fairway.exchange.rules import Rules
from fairway.exchange.settling import Settling
from fairway.exchange.terms import OracleRound, Receipt
from fairway.market.book import Book
from fairway.market.trigger import Triggers

__all__ = ["Carrier", "Debt", "Dodge", "Venue", "order_id_of", "owner_of", "split_order_id"]


class Carrier(NamedTuple):
    """A half of a user and its conditionals: the proof that he signed an order in it."""

    half: SignedHalf
    conditionals: Conditionals


class Debt(NamedTuple):
    """A fill in which the user was taker and which his own half does not carry yet, with all that proves it."""

    receipt: Receipt
    market: int
    key: int
    taker: Carrier
    maker_channel: bytes
    maker_key: int
    maker: Carrier


def owner_of(channel_id: bytes) -> int:
    """The book's name for the owner of an order."""
    return int.from_bytes(channel_id)


def order_id_of(channel_id: bytes, key: int) -> int:
    """The book's name for an order: 160 bits, the channel's ID and the key of its conditional."""
    return int.from_bytes(channel_id) << 32 | key


def split_order_id(order_id: int) -> tuple[bytes, int]:
    """The channel and the key behind an order's name in the book."""
    return (order_id >> 32).to_bytes(16), order_id & 0xFFFFFFFF


class Dodge(NamedTuple):
    """A position liquidated while its owner was leaving alone: his signed half that carries it, and the round."""

    carrier: Carrier
    key: int
    priced: Priced


class Venue:
    """The state that the journal's entries build up, beginning with the founding one."""

    __slots__ = (
        "accounts",
        "bonded",
        "books",
        "carriers",
        "channels",
        "closings",
        "counts",
        "debts",
        "disputes",
        "dodges",
        "final",
        "founded",
        "ledger",
        "liquidating",
        "matches",
        "owed",
        "payouts",
        "priced",
        "recovered",
        "rounds",
        "rules",
        "settling",
        "triggers",
        "unproven",
    )

    def __init__(self, founded: Founded) -> None:
        self.founded = founded
        self.rules = Rules(founded)
        self.ledger = Ledger()
        self.ledger.move(WORLD, POOL, founded.pool_seed, "pool_seed")
        self.ledger.move(WORLD, INSURANCE, founded.insurance_seed, "insurance_seed")
        self.settling = Settling(self.rules, founded.secret, founded.pool_seed)
        self.accounts: dict[bytes, Account] = {}
        self.channels: dict[bytes, Channel] = {}
        self.books = {market: Book() for market in self.rules.listings}
        self.triggers = {market: Triggers() for market in self.rules.listings}
        self.rounds: dict[int, OracleRound] = {}
        self.priced: dict[int, Priced] = {}
        self.carriers: dict[tuple[bytes, int], Carrier] = {}
        self.debts: dict[bytes, list[Debt]] = {}
        self.owed: dict[bytes, dict[int, int]] = {}
        self.closings: dict[bytes, object] = {}
        self.disputes: dict[bytes, int] = {}
        self.dodges: dict[bytes, Dodge] = {}
        self.liquidating: set[bytes] = set()
        self.recovered = 0
        self.bonded = 0
        self.unproven: set[bytes] = set()
        self.final = 0
        self.payouts: dict[bytes, str] = {}
        self.matches = 0
        self.counts = Counts()

    def account(self, channel_id: bytes) -> Account:
        """The account, or `Rejected` (`channel.unknown`)."""
        account = self.accounts.get(channel_id)
        if account is None:
            raise Rejected("channel.unknown", "the service knows no such channel")
        return account

    def channel(self, channel_id: bytes) -> Channel:
        """The channel, or `Rejected` (`channel.unknown`)."""
        channel = self.channels.get(channel_id)
        if channel is None:
            raise Rejected("channel.unknown", "the service knows no such channel")
        return channel

    def next_match(self) -> int:
        """A new match ID, from 1."""
        self.matches += 1
        return self.matches

    def prove(self, txid: bytes) -> None:
        """Settlement `txid` was proven; `Rejected` where none waits for its proof."""
        if txid not in self.unproven:
            raise Rejected("settlement.unknown", "no such settlement waits for its proof", txid=txid)
        self.unproven.discard(txid)
        self.counts.settlements_proved += 1

    def finish_epoch(self, first: int, last: int) -> None:
        """Settlements `first` ≤ n < `last` are final; epochs follow one another without a gap."""
        if first != self.final or not first < last <= self.settling.count:
            raise Rejected("settlement.epoch", "the epoch does not follow the last one", first=first, last=last)
        self.final = last

    # The identities

    def check(self) -> None:
        """The identities that hold after every event (I1, I2, I10); `IllegalTransition` names the one that broke."""
        self.ledger.check()
        for channel_id, account in self.accounts.items():
            held = self.ledger.balances.get(user(channel_id), 0)
            if held != account.balance:
                raise IllegalTransition("venue.account", "ledger and channel differ", channel=channel_id.hex())
        self.check_positions()
        if self.settling.pool.value != self.ledger.balances[POOL]:
            raise IllegalTransition("venue.lend_state", "the proven pool is not the ledger's pool")

    def check_positions(self) -> None:
        """Σ signed lots of every market is zero (I2)."""
        for market in self.rules.listings:
            lots = sum(
                held.position.s * held.position.lots
                for account in self.accounts.values()
                if (held := account.positions.get(market)) is not None
            )
            if lots:
                raise IllegalTransition("venue.positions", "positions do not cancel", market=market, lots=lots)

    def lend_state_matches_channels(self) -> bool:
        """Settlement §6: lendState + insurance + fees + bond = what was put in + Σ what the channels' side B won."""
        balances = self.ledger.balances
        seeded = self.founded.pool_seed + self.founded.insurance_seed
        gained = sum(account.due - account.earned for account in self.accounts.values())
        own = sum(balances[name] for name in (POOL, INSURANCE, FEES, BOND, OPERATOR)) - self.bonded
        return own == seeded + gained + self.recovered

    def digest(self, canonical: Callable[[object], bytes]) -> bytes:
        """SHA-256 over everything that the next event could depend on, `canonical` turning it into bytes."""
        whole = hashlib.sha256()
        whole.update(canonical(sorted(self.ledger.balances.items())))
        for channel_id in sorted(self.accounts):
            account, channel = self.accounts[channel_id], self.channels[channel_id]
            whole.update(channel_id + account.a_conditionals.root_hash() + account.b_conditionals.root_hash())
            whole.update(
                canonical(
                    [account.deposit, account.withdrawn, account.earned, account.due, account.posted, account.reserved]
                )
            )
            whole.update(canonical([channel.phase.value, channel.a_consumed, newest_b(channel)]))
            whole.update(account.head)
        whole.update(self.book_digest())
        whole.update(canonical([[*round_] for round_ in map(_fields, self.rounds.values())]))
        whole.update(self.settling.pool.commitment + canonical([self.matches, self.settling.count]))
        return whole.digest()

    def book_digest(self) -> bytes:
        """SHA-256 over the books of all markets, in the order of their numbers (I5)."""
        return hashlib.sha256(b"".join(self.books[market].digest() for market in sorted(self.books))).digest()


def _fields(newest: OracleRound) -> tuple[int, ...]:
    return newest.market, newest.round, newest.at_ms, newest.index, newest.mark, newest.funding
