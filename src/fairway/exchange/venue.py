"""The venue's whole state: accounts, channels, books, prices, money, settlements. It only changes inside an event."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from fairway.channel.conditionals import Conditionals
from fairway.channel.machine import Channel, newest_b
from fairway.channel.state import SignedHalf
from fairway.errors import IllegalTransition, Rejected
from fairway.exchange.account import Account, Outcome
from fairway.exchange.alarms import Alarms
from fairway.exchange.change import AnyChange, Filled, Forced
from fairway.exchange.counts import Counts
from fairway.exchange.depths import Bounds, Depths
from fairway.exchange.event import Founded, Priced, Switched
from fairway.exchange.ledger import HOUSE, INSURANCE, LEAVING, POOL, WORLD, Ledger, user
from fairway.exchange.mandate import is_mandated, scope_of
from fairway.exchange.rules import Rules
from fairway.exchange.settling import Settling, claim_of
from fairway.exchange.shown import Shown
from fairway.exchange.sweeps import Sweeps
from fairway.exchange.switch import Mode, Switches
from fairway.exchange.tally import Tally
from fairway.exchange.terms import CROSS, OracleRound, Receipt
from fairway.exchange.withdrawal import Withdrawals
from fairway.market.book import Book
from fairway.risk.contract import Payoff

__all__ = ["Carrier", "Debt", "Dodge", "Unsigned", "Venue", "order_id_of", "owner_of", "split_order_id"]


OUTSIDE = frozenset({WORLD, LEAVING})
"""What is not the house's: what came from outside, and what is on its way there."""


class Carrier(NamedTuple):
    """A half of a user and its conditionals: the proof that he signed an order in it.

    An order of a sub-key has none until its owner signs the half that takes it in.
    """

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


class Unsigned(NamedTuple):
    """An order: the half in which it was last filled, or placed by a sub-key, and how much of a claim it takes."""

    b_seqno: int
    weight: int


class Dodge(NamedTuple):
    """A position liquidated while its owner was leaving alone: his signed half that carries it, and the round."""

    carrier: Carrier
    key: int
    priced: Priced


class _Known(NamedTuple):
    """What the last check of an account added to the venue's sums."""

    balance: int = 0
    gained: int = 0
    claims: int = 0


_UNKNOWN = _Known()


class Venue:
    """The state that the journal's entries build up, beginning with the founding one.

    Beside the accounts stands what follows from them and would be slow to search for: `holders` of each market, the
    sum `net` of their signed lots, `open_lots` held long, `expiries` of orders (a heap), `unsigned` debts by their
    time, `unsigned_orders` whose fills their owner's newest half does not hold, or of sub-keys not the order, and the
    users' sums that the identities need. `check` counts all of it again.
    """

    __slots__ = (
        "_inverse",
        "_known",
        "_users",
        "accounts",
        "alarms",
        "assessed",
        "bonded",
        "books",
        "carriers",
        "channels",
        "closings",
        "counts",
        "debts",
        "depths",
        "disputes",
        "dodges",
        "expiries",
        "final",
        "forfeited",
        "founded",
        "holders",
        "income",
        "ledger",
        "lender_moves",
        "lent",
        "liquidating",
        "matches",
        "net",
        "net_fees",
        "open_lots",
        "owed",
        "payouts",
        "priced",
        "recovered",
        "rounds",
        "rules",
        "settling",
        "shown",
        "slashed",
        "sweeps",
        "switches",
        "touched",
        "unproven",
        "unsigned",
        "unsigned_orders",
        "withdrawals",
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
        self.alarms = Alarms(self.rules.listings)
        self.sweeps = Sweeps()
        self.rounds: dict[int, OracleRound] = {}
        self.priced: dict[int, Priced] = {}
        self.carriers: dict[tuple[bytes, int], Carrier] = {}
        self.debts: dict[bytes, list[Debt]] = {}
        self.owed: dict[bytes, dict[int, int]] = {}
        self.closings: dict[bytes, object] = {}
        self.withdrawals = Withdrawals()
        self.disputes: dict[bytes, int] = {}
        self.dodges: dict[bytes, Dodge] = {}
        self.liquidating: set[tuple[int, bytes]] = set()
        self.touched: dict[bytes, set[int]] = {}
        self.holders: dict[int, dict[bytes, None]] = {market: {} for market in self.rules.listings}
        self.net = dict.fromkeys(self.rules.listings, 0)
        self.open_lots = dict.fromkeys(self.rules.listings, 0)
        self.depths = Depths(self.rules.listings, founded.secret, founded.at_ms)
        self.switches = Switches()
        self.expiries: dict[int, list[tuple[int, int]]] = {market: [] for market in self.rules.listings}
        self.unsigned: dict[int, deque[tuple[bytes, Debt]]] = {market: deque() for market in self.rules.listings}
        self.unsigned_orders: dict[bytes, dict[int, Unsigned]] = {}
        self._inverse = {
            market for market, each in self.rules.listings.items() if each.contract.payoff is Payoff.INVERSE
        }
        self._known: dict[bytes, _Known] = {}
        self._users = _Known()
        self.net_fees = dict.fromkeys(self.rules.listings, 0)
        self.income = 0
        self.lent = 0
        self.lender_moves: set[bytes] = set()
        """The transactions that told of lenders."""
        self.assessed: list[Shown] = []
        self.shown: Shown | None = None
        self.recovered = 0
        self.bonded = 0
        self.forfeited = 0
        self.slashed: set[bytes] = set()
        self.unproven: dict[bytes, bool] = {}
        """By txid: whether it is a settlement."""
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

    def change(self, channel_id: bytes, change: AnyChange) -> Outcome | None:
        """Move one account by `change`, and with it what the venue knows of who holds what."""
        account = self.accounts[channel_id]
        if isinstance(change, Filled):
            market = account.orders[change.key].terms.market
        elif isinstance(change, Forced):
            market = change.market
        else:
            return account.apply(change)
        before = account.signed_lots(market)
        outcome = account.apply(change)
        if outcome is not None and outcome.reason == "fee":
            self.net_fees[market] += outcome.fee
        after = account.signed_lots(market)
        self.net[market] += after - before
        self.open_lots[market] += max(0, after) - max(0, before)
        if after:
            self.holders[market][channel_id] = None
        else:
            self.holders[market].pop(channel_id, None)
        return outcome

    # What a market takes

    def throw(self, event: Switched) -> None:
        """The operator's switch; `Rejected`: `market.unknown`, and those of `Switches.throw`."""
        if event.market is not None:
            self.rules.listing(event.market)
        self.switches.throw(event)

    def mode(self, market: int, at_ms: int) -> Mode:
        """What `market` takes now: what the operator allows, and no more than reductions while the oracle is stale."""
        return max(self.switches.mode(market), Mode.REDUCE_ONLY if self.is_stale(market, at_ms) else Mode.OPEN)

    def bounds(self, market: int, channel_id: bytes | None = None) -> Bounds:
        """The caps of `market` now, for this user: what he rests himself does not widen his."""
        owner = owner_of(channel_id) if channel_id is not None else None
        return self.depths.bounds(market, owner)

    def is_stale(self, market: int, at_ms: int) -> bool:
        """Whether no round of `market` is fresh at `at_ms`."""
        newest = self.rounds.get(market)
        return newest is None or self.rules.is_stale(newest, at_ms)

    def check_mode(self, market: int, at_ms: int, *, reduce_only: bool) -> None:
        """Whether `market` takes an order now; `Rejected` says why not. Cancels are taken always."""
        mode = self.mode(market, at_ms)
        if mode is Mode.HALTED:
            raise Rejected("market.halted", "the operator has halted this market", market=market)
        if mode is Mode.OPEN or reduce_only:
            return
        if self.is_stale(market, at_ms):
            raise Rejected("market.stale", "the oracle is silent; until it speaks only reduce", market=market)
        raise Rejected("market.reduce_only", "the operator lets this market only reduce", market=market)

    # Who holds what

    def note_touches(self, newest: OracleRound) -> None:
        """Remember whose liquidation price `newest` has touched."""
        for channel_id in self.holders[newest.market]:
            account = self.accounts[channel_id]
            terms = account.positions[newest.market].terms
            if terms is None:
                if account.is_distressed(newest.market):
                    self.touched.setdefault(channel_id, set()).add(CROSS)
                continue
            if newest.mark <= terms.liquidation_tick if terms.long else newest.mark >= terms.liquidation_tick:
                self.touched.setdefault(channel_id, set()).add(newest.market)

    def renew(self, channel_id: bytes, at_ms: int) -> tuple[int, list[int]]:
        """The markets in which the account's position was touched and stands, the pot among them; they are forgotten.

        With them the moment from which a touch counts again: `at_ms`, and after every round that there was.
        """
        touched = self.touched.pop(channel_id, None)
        if not touched:
            return at_ms, []
        account = self.accounts[channel_id]
        renewed = sorted(market for market in touched if account.since(market) is not None)
        return max([at_ms, *map(account.since_now, renewed)]), renewed

    @property
    def gained(self) -> int:
        """Σ over channels of what side B won from its user, as of the event that was checked last."""
        return self._users.gained

    def is_expired(self, order_id: int, at_ms: int) -> bool:
        """Whether a live order's time has passed, or its owner has signed that it be gone by now."""
        channel_id, key = split_order_id(order_id)
        terms = self.accounts[channel_id].orders[key].terms
        if 0 < terms.expires_ms <= at_ms or self.sweeps.is_due(channel_id, terms.market, at_ms):
            return True
        return is_mandated(key) and self.sweeps.is_due(channel_id, scope_of(key), at_ms)

    @property
    def is_solvent(self) -> bool:
        """Whether the pool is worth at least nothing, whatever the prices are."""
        return self.settling.value >= 0

    def prove(self, txid: bytes) -> None:
        """Record `txid` was proven; `Rejected` where none waits for its proof."""
        if txid not in self.unproven:
            raise Rejected("settlement.unknown", "no such record waits for its proof", txid=txid)
        self.counts.settlements_proved += self.unproven.pop(txid)

    def finish_epoch(self, first: int, last: int) -> None:
        """Records `first` ≤ n < `last` are final; epochs follow one another without a gap."""
        if first != self.final or not first < last <= self.settling.count:
            raise Rejected("settlement.epoch", "the epoch does not follow the last one", first=first, last=last)
        self.final = last

    # The identities

    def check_touched(self, touched: Iterable[bytes]) -> None:
        """The identities that hold after every event (I1, I2, I10); `IllegalTransition` names the one that broke.

        `touched` are the channels in which the event may have moved something; the sums over all others are known.
        """
        for channel_id in touched:
            self._check_account(channel_id)
        balances, users = self.ledger.balances, self._users
        house = sum([balances[name] for name in HOUSE])
        if total := house + users.balance:
            raise IllegalTransition("ledger.conservation", "money appeared or vanished", nano=total)
        if any(self.net.values()):
            market, lots = next(each for each in self.net.items() if each[1])
            raise IllegalTransition("venue.positions", "positions do not cancel", market=market, lots=lots)
        if self.settling.pool.value != balances[POOL]:
            raise IllegalTransition("venue.lend_state", "the proven pool is not the ledger's pool")
        if house - balances[WORLD] - balances[LEAVING] - self._seeded != users.gained:
            raise IllegalTransition("venue.lend_state", "the house has not what the channels' side B has won")
        if self.settling.claims != users.claims:
            raise IllegalTransition("venue.worth", "the notes are worth another sum to the pool than the positions")

    def _check_account(self, channel_id: bytes) -> None:
        account, known = self.accounts[channel_id], self._known.get(channel_id, _UNKNOWN)
        if self.ledger.balances.get(user(channel_id), 0) != account.balance:
            raise IllegalTransition("venue.account", "ledger and channel differ", channel=channel_id.hex())
        claims = self._claims(account) if account.positions else 0
        newest = _Known(account.balance, account.due - account.earned, claims)
        if newest == known:
            return
        self._known[channel_id] = newest
        self._users = _Known(
            self._users.balance + newest.balance - known.balance,
            self._users.gained + newest.gained - known.gained,
            self._users.claims + newest.claims - known.claims,
        )

    def _claims(self, account: Account) -> int:
        """What the account's positions add to S·NAV."""
        total = 0
        for market, held in account.positions.items():
            at, inverse = held.position, market in self._inverse
            total += claim_of(at.s, at.cost, at.funding_base, inverse=inverse)
        return total

    def check(self) -> None:
        """The same, everything counted anew."""
        self.ledger.check()
        self.check_positions()
        self.check_touched(self.accounts)
        for name, account in self.accounts.items():
            if account.tally != Tally(account.orders.values()):
                raise IllegalTransition("venue.tally", "live orders come to something else", channel=name.hex())
        if not self.depths.check():
            raise IllegalTransition("venue.depths", "the depth of a market is not what its owners have rested")
        if not self.lend_state_matches_channels():
            raise IllegalTransition("venue.lend_state", "the house has not what the channels' side B has won")

    def check_positions(self) -> None:
        """Σ signed lots of every market is zero (I2), and the holders are who holds."""
        for market in self.rules.listings:
            held = {name: lots for name, account in self.accounts.items() if (lots := account.signed_lots(market))}
            if lots := sum(held.values()):
                raise IllegalTransition("venue.positions", "positions do not cancel", market=market, lots=lots)
            if held.keys() != self.holders[market].keys():
                raise IllegalTransition("venue.holders", "the holders are not who holds", market=market)
            if sum(max(0, lots) for lots in held.values()) != self.open_lots[market]:
                raise IllegalTransition("venue.interest", "the open interest is not what is held", market=market)

    def lend_state_matches_channels(self) -> bool:
        """Settlement §6: lendState + insurance + fees + bond = what was put in + Σ what side B of the channels won."""
        return self._own() == sum(account.due - account.earned for account in self.accounts.values())

    def _own(self) -> int:
        """What the house has beyond what was put in, by the operator and by lenders, and what closed channels left."""
        return sum(self.ledger.balances[name] for name in HOUSE if name not in OUTSIDE) - self._seeded

    @property
    def _seeded(self) -> int:
        """What was put in, and what closed channels left."""
        seeds = self.founded.pool_seed + self.founded.insurance_seed
        return seeds + self.bonded + self.forfeited + self.lent + self.recovered

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
        for channel_id in sorted(self.accounts):
            account = self.accounts[channel_id]
            live = [[key, each.triggered, each.armed, each.lots, each.lost] for key, each in account.orders.items()]
            used = self.sweeps.nonces.get(channel_id)
            whole.update(canonical([live, account.past.names(), used.used if used is not None else ()]))
        for order_id, threshold, above in self.alarms:
            whole.update(order_id.to_bytes(20) + canonical([threshold, above]))
        whole.update(canonical(self.sweeps.facts()))
        owing = [[debt.receipt.match_id for debt in self.debts[name]] for name in sorted(self.debts)]
        whole.update(canonical([owing, sorted(self.owed.items()), sorted(self.disputes.items()), sorted(self.dodges)]))
        whole.update(canonical(sorted((name, sorted(markets)) for name, markets in self.touched.items())))
        whole.update(canonical([self.switches.number, sorted(self.switches.set.items())]))
        whole.update(canonical([self.bonded, sorted(self.slashed)]))
        whole.update(canonical(self.depths.facts()))
        whole.update(canonical(self.withdrawals.facts()))
        settling = self.settling
        whole.update(settling.pool.commitment + settling.shares.commitment)
        whole.update(b"".join(settling.holdings[name].commitment for name in sorted(settling.holdings)))
        whole.update(
            canonical([self.matches, settling.count, self.final, self.lent, self.income, sorted(self.lender_moves)])
        )
        return whole.digest()

    def book_digest(self) -> bytes:
        """SHA-256 over the books of all markets, in the order of their numbers (I5)."""
        return hashlib.sha256(b"".join(self.books[market].digest() for market in sorted(self.books))).digest()


def _fields(newest: OracleRound) -> tuple[int, ...]:
    return newest.market, newest.round, newest.at_ms, newest.index, newest.mark, newest.funding
