"""A venue and its users in one process: the real engine, and real replicas that check every half it signs.

No sockets, no disk: a seeded run of thousands of events takes seconds and any failure is replayed by its seed.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import msgspec

from fairway.channel import codec
from fairway.channel.machine import newest_b
from fairway.channel.state import Body, Half
from fairway.client.margin import Margin
from fairway.client.replica import Replica, Uncommitted
from fairway.client.wish import Permit, Wish
from fairway.crypto import keys
from fairway.errors import InvalidMessage, Rejected
from fairway.exchange import effect, event, wire
from fairway.exchange.engine import Engine
from fairway.exchange.inspection import inspect_account
from fairway.exchange.lifecycle import first_half
from fairway.exchange.listing import default_listings
from fairway.exchange.switch import switch_digest
from fairway.exchange.terms import MarginMove, OracleRound, OrderTerms
from fairway.exchange.withdrawal import agreed_pair, commit_statement
from fairway.ton.address import Address
from fairway.units import TON

NETWORK = -3
VAULT = "0:" + "11" * 32
OPERATOR = keys.derive_seed(b"world", "operator")
ORACLES = [keys.derive_seed(b"world", "oracle", bytes([place])) for place in range(3)]
START = {1: 52_000, 2: 51_500}


@dataclass(slots=True)
class User:
    """A user: his key, his replica of the channel, and what he was told."""

    seed: bytes
    replica: Replica
    signs: bool = True
    fills: int = 0
    refusals: list[str] = field(default_factory=list)


class World:
    """Everything that happens goes through `put`, which applies, performs and checks."""

    def __init__(self, seed: int = 0, **founding: object) -> None:
        self.random = random.Random(seed)
        self.engine = Engine()
        self.now_ms = 1_700_000_000_000
        self.users: dict[bytes, User] = {}
        self.journal: list[bytes] = []
        self.effects: list[effect.AnyEffect] = []
        self.rounds = dict.fromkeys(START, 0)
        founded = event.Founded(
            at_ms=self.now_ms,
            network=NETWORK,
            vault=VAULT,
            oracle_keys=[keys.public_key(seed) for seed in ORACLES],
            oracle_threshold=2,
            listings=default_listings(),
            ratio=10,
            fine=TON // 2,
            storage_fee=TON // 4,
            quarantine_s=3600,
            settling_s=3600,
            patience_ms=5_000,
            pool_seed=100_000 * TON,
            insurance_seed=1_000 * TON,
            secret=bytes(range(32)),
            operator_key=keys.public_key(OPERATOR),
        )
        self.put(msgspec.structs.replace(founded, **founding))

    # Events in, effects out

    def put(self, happened: event.AnyEvent) -> list[effect.AnyEffect]:
        self.engine.authenticate(happened)
        effects = self.engine.apply(happened)
        self.checked(happened, effects)
        self.journal.append(event.encode(happened))
        self.effects += effects
        if isinstance(happened, event.Priced):
            shown = wire.Round(
                happened.market,
                happened.round,
                happened.round_ms,
                happened.index,
                happened.mark,
                happened.funding,
                happened.signatures,
            )
            for user in self.users.values():
                user.replica.apply(shown)
        for wanted in effects:
            self._perform(wanted)
        return effects

    def checked(self, happened: event.AnyEvent, effects: list[effect.AnyEffect]) -> None:
        """What must be true after `happened`, before anybody is told of it."""
        del happened, effects
        self.engine.venue.check()
        for channel_id in self.engine.accounts:
            inspect_account(self.engine.venue, channel_id)

    def _perform(self, wanted: effect.AnyEffect) -> None:
        match wanted:
            case effect.Push():
                self._push(wanted)
            case effect.Refuse():
                user = self.users[wanted.channel_id]
                user.refusals.append(wanted.code)
                user.replica.apply(
                    wire.Refused(wanted.channel_id, wanted.seqno, wanted.code, wanted.message, user.replica.newest_b)
                )
            case _:
                pass

    def _push(self, pushed: effect.Push) -> None:
        seed_b = self.key_b(self.users[pushed.channel_id].replica.opened.key_a)
        body = pushed.half.body
        user = self.users[pushed.channel_id]
        user.fills += len(pushed.receipts)
        user.replica.apply(
            wire.Pushed(
                pushed.channel_id,
                body.seqno,
                body.sent,
                body.conditionals_hash,
                pushed.half.cited,
                keys.sign(seed_b, pushed.half.digest()),
                list(pushed.changes),
                [keys.sign(seed_b, receipt.digest()) for receipt in pushed.receipts],
            )
        )

    # Users

    def key_b(self, key_a: bytes) -> bytes:
        return keys.derive_seed(b"world", "service", key_a)

    def join(self, name: str, deposit: int) -> bytes:
        """A user with money in a new channel."""
        channel_id = self.open(name)
        self.fund(channel_id, deposit)
        return channel_id

    def open(self, name: str) -> bytes:
        """A new channel that both sides have signed, and nothing in it."""
        seed = keys.derive_seed(b"world", "user", name.encode())
        key_a, founded = keys.public_key(seed), self.engine.rules
        key_b = keys.public_key(self.key_b(key_a))
        salt = name.encode().ljust(32, b"\0")
        channel_id = codec.channel_id(NETWORK, Address.parse(VAULT), key_a, key_b, salt).to_bytes(16)
        signature = keys.sign(seed, first_half(channel_id).digest())
        welcome = wire.Welcome(
            NETWORK,
            VAULT,
            key_b,
            founded.ratio,
            founded.fine,
            founded.storage_fee,
            founded.quarantine_s,
            founded.settling_s,
            founded.patience_ms,
            founded.listings,
            founded.oracle_keys,
            2,
            stale_ms=founded.stale_ms,
        )
        opened = wire.Open(channel_id, key_a, salt, VAULT, signature)
        self.users[channel_id] = User(seed, Replica(welcome, opened))
        opening = event.Opened(
            at_ms=self.now_ms,
            channel_id=channel_id,
            key_a=key_a,
            key_b=key_b,
            salt=salt,
            payout=VAULT,
            signature=signature,
        )
        (granted,) = self.put(opening)
        assert isinstance(granted, effect.SignHalf)
        replica = self.users[channel_id].replica
        signature = keys.sign(self.key_b(key_a), granted.half.digest())
        replica.apply(wire.Granted(channel_id, granted.half.body.conditionals_hash, signature))
        return channel_id

    def fund(self, channel_id: bytes, deposit: int) -> None:
        """The chain shows the deposit, and the user has heard of all rounds."""
        replica = self.users[channel_id].replica
        funded = event.Funded(
            at_ms=self.now_ms, channel_id=channel_id, deposit_a=deposit, deposit_b=10 * deposit, transaction=bytes(32)
        )
        self.put(funded)
        replica.apply(funded)
        for market in self.rounds:
            self._catch_up(replica, market)

    def _catch_up(self, replica: Replica, market: int) -> None:
        newest = self.engine.venue.rounds.get(market)
        if newest is not None:
            replica.rounds[market] = newest

    def propose(
        self,
        channel_id: bytes,
        wishes: list[Wish] = [],  # noqa: B006
        drops: list[int] = [],  # noqa: B006
        margins: list[Margin] = [],  # noqa: B006
        permits: list[Permit] = [],  # noqa: B006
    ) -> None:
        user = self.users[channel_id]
        replica = user.replica
        key = replica.account.next_key
        terms = [wish.terms(replica.rules, channel_id, key + place) for place, wish in enumerate(wishes)]
        moves = [margin.move(replica.account) for margin in margins]
        granted = [permit.terms(replica.account, key + place) for place, permit in enumerate(permits, len(terms))]
        proposed = replica.propose(terms, drops, moves, granted, now_ms=self.now_ms)
        signature = keys.sign(user.seed, replica.half_of(proposed).digest())
        replica.apply(proposed)
        self.put(
            event.Proposed(
                at_ms=self.now_ms,
                channel_id=channel_id,
                seqno=proposed.seqno,
                sent=proposed.sent,
                conditionals_hash=proposed.conditionals_hash,
                cites=proposed.cites,
                signature=signature,
                orders=terms,
                drops=drops,
                moves=moves,
                mandates=granted,
            )
        )

    def try_propose(
        self,
        channel_id: bytes,
        wishes: list[Wish],
        drops: list[int] = [],  # noqa: B006
        margins: list[Margin] = [],  # noqa: B006
    ) -> str:
        """Propose; the code of the refusal, or nothing."""
        before = len(self.users[channel_id].refusals)
        try:
            self.propose(channel_id, wishes, drops, margins)
        except Rejected as refusal:
            return refusal.code
        return "".join(self.users[channel_id].refusals[before:])

    def withdraw(self, channel_id: bytes, nano: int, *, believed: bool = True) -> str:
        """The user takes `nano` out of what goes on, if it is `believed` by his own rules; the code of the refusal."""
        user = self.users[channel_id]
        self.propose(channel_id)
        replica = user.replica
        try:
            commit = replica.commit(nano) if believed else self._hostile_commit(replica, nano)
        except Rejected as refusal:
            return refusal.code
        replica.apply(commit)
        signature = keys.sign(user.seed, commit_statement(commit, channel_id).digest())
        fields = msgspec.structs.asdict(commit) | {"signature": signature}
        code = self.code_of(event.CommitProposed(at_ms=self.now_ms, **fields))
        if code:
            replica.apply(Uncommitted(channel_id, code))
        return code

    def _hostile_commit(self, replica: Replica, nano: int) -> wire.Commit:
        total = replica.account.withdrawn + nano
        return wire.Commit(replica.opened.channel_id, *agreed_pair(replica.channel), total, b"")

    def pay_out(self, channel_id: bytes) -> list[effect.AnyEffect]:
        """The chain shows the withdrawal that is under way."""
        nano = self.engine.venue.withdrawals.leaving[channel_id]
        return self.put(
            event.PaidOut(at_ms=self.now_ms, channel_id=channel_id, value_a=nano, paid=nano, transaction=self._digest())
        )

    def hostile(
        self,
        channel_id: bytes,
        orders: list[OrderTerms] = [],  # noqa: B006
        drops: list[int] = [],  # noqa: B006
        ahead: int = 1,
        moves: list[MarginMove] = [],  # noqa: B006
    ) -> str:
        """Put a signed half that no honest client would make; the code it is refused with, or nothing."""
        user, channel = self.users[channel_id], self.engine.channels[channel_id]
        wanted = channel.window[newest_b(channel)]
        assert wanted.b is not None
        seqno, named = channel.a_consumed + ahead, wanted.conditionals.root_hash()
        half = Half(channel.channel_id, Body(seqno, wanted.sent, named), wanted.b)
        proposed = event.Proposed(
            at_ms=self.now_ms,
            channel_id=channel_id,
            seqno=seqno,
            sent=wanted.sent,
            conditionals_hash=named,
            cites=wanted.b.seqno,
            signature=keys.sign(user.seed, half.digest()),
            orders=orders,
            drops=drops,
            moves=moves,
        )
        return self.code_of(proposed)

    def code_of(self, happened: event.AnyEvent) -> str:
        """Put an event; the code it was refused with, whether or not that used up a seqno, or nothing."""
        try:
            effects = self.put(happened)
        except (Rejected, InvalidMessage) as refusal:
            return refusal.code
        return "".join(wanted.code for wanted in effects if isinstance(wanted, effect.Refuse))

    # The world outside

    def dispute(self, channel_id: bytes, stale: int = 0) -> list[effect.AnyEffect]:
        """The channel's user starts to leave alone, at its newest halves or with a half that is `stale` older."""
        channel = self.engine.channels[channel_id]
        assert channel.a is not None
        started = event.Disputed(
            at_ms=self.now_ms,
            channel_id=channel_id,
            by_a=True,
            seqno_a=max(1, channel.a.half.seqno - stale),
            seqno_b=newest_b(channel),
            started_ms=self.now_ms,
            transaction=bytes(32),
        )
        return self.put(started)

    def end(self, channel_id: bytes, paid: int | None = None) -> list[effect.AnyEffect]:
        """The channel closes on chain and pays its user `paid`, or his balance."""
        leaving = self.engine.venue.withdrawals.leaving.get(channel_id, 0)
        balance = self.engine.accounts[channel_id].balance + leaving if paid is None else paid
        ended = event.Closed(
            at_ms=self.now_ms,
            channel_id=channel_id,
            value_a=balance,
            value_b=0,
            paid=balance,
            transaction=bytes(32),
        )
        return self.put(ended)

    def lend(self, wallet: str, nano: int) -> list[effect.AnyEffect]:
        """The chain shows that a lender came."""
        return self.put(event.Lent(at_ms=self.now_ms, wallet=wallet, amount=nano, transaction=self._digest()))

    def leave(self, wallet: str, shares: int, held: int, paid: int) -> list[effect.AnyEffect]:
        """The chain shows that a lender gave the vault shares back."""
        return self.put(
            event.Left(
                at_ms=self.now_ms, wallet=wallet, shares=shares, held=held, paid=paid, transaction=self._digest()
            )
        )

    def _digest(self) -> bytes:
        return len(self.journal).to_bytes(32)

    def assess(self) -> list[effect.AnyEffect]:
        """An epoch ends here."""
        return self.put(event.Assessed(at_ms=self.now_ms))

    def price(self, market: int, mark: int, funding: int = 0, index: int = 0) -> None:
        self.rounds[market] += 1
        self.now_ms += 100
        number = self.rounds[market]
        signed = OracleRound(NETWORK, market, number, self.now_ms, index or mark, mark, funding)
        digest = signed.digest()
        signatures = {place: keys.sign(seed, digest) for place, seed in enumerate(ORACLES[:2])}
        self.put(
            event.Priced(
                at_ms=self.now_ms,
                market=market,
                round=number,
                round_ms=self.now_ms,
                index=index or mark,
                mark=mark,
                funding=funding,
                signatures=signatures,
            )
        )

    def switch(self, mode: int, market: int | None = None, number: int = 0, seed: bytes = OPERATOR) -> None:
        """Somebody with the key of `seed`, the operator if not said, throws a switch."""
        number = number or self.engine.venue.switches.number + 1
        thrown = event.Switched(
            at_ms=self.now_ms, market=market, mode=mode, number=number, reason="a test", signature=bytes(64)
        )
        signature = keys.sign(seed, switch_digest(NETWORK, VAULT, thrown))
        self.put(msgspec.structs.replace(thrown, signature=signature))

    def replayed(self) -> Engine:
        """A fresh engine that has read the journal."""
        engine = Engine()
        for payload in self.journal:
            engine.apply(event.decode(payload))
        return engine
