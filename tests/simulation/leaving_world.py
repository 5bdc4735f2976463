"""A venue on a real chain under bad weather, whose users leave alone. Its hours pass as fast as they can be computed.

Engine, sides, records and contracts are the real ones; only the wire between user and service is a function call. Time
is the event loop's, and jumps to whatever is due next.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from pathlib import Path

from msgspec.structs import asdict, replace

from fairway.chain.local import LocalChain
from fairway.chain.purse import Purse
from fairway.chain.router import GENESIS, Router, Weather
from fairway.channel import codec
from fairway.channel.dispute import Half, SignedHalf
from fairway.client.keystore import Keystore
from fairway.client.margin import Margin
from fairway.client.onchain import OnChain
from fairway.client.side import Side
from fairway.client.store import Store
from fairway.client.wish import Wish
from fairway.crypto import keys
from fairway.errors import Rejected
from fairway.exchange import effect, event, wire
from fairway.exchange.draft import round_of, unsigned
from fairway.exchange.engine import Engine
from fairway.exchange.listing import default_listings
from fairway.exchange.site import consent_digest
from fairway.exchange.terms import OracleRound
from fairway.exchange.withdrawal import commit_statement
from fairway.service.deploy import Charter, deploy
from fairway.service.keys import Keyring
from fairway.service.letters import signed
from fairway.ton.wallet import Transfer
from fairway.units import TON

NETWORK = -3
ORACLES = [keys.derive_seed(b"leaving", "oracle", bytes([place])) for place in range(3)]
MARKS = {1: 52_000, 2: 51_500}
DEPOSIT = 100 * TON


class Trader:
    """A user: his side and his hands on chain."""

    def __init__(self, side: Side, keystore: Keystore, store: Store, onchain: OnChain) -> None:
        self.side, self.keystore, self.store, self.onchain = side, keystore, store, onchain


class Venue:
    """The service: an engine, its keys, and users whose halves it answers at once."""

    def __init__(self, folder: Path, seed: int) -> None:
        loop = asyncio.get_running_loop()
        self.folder, self.random = folder, random.Random(seed)
        self.router = Router(clock=lambda: GENESIS + loop.time())
        self.chain = LocalChain(self.router)
        self.keyring = Keyring(keys.derive_seed(b"leaving", "service"))
        self.purse = Purse(self.chain, self.keyring.operator(), NETWORK)
        self.engine, self.traders, self.numbers = Engine(), {}, dict.fromkeys(MARKS, 0)

    async def found(self) -> None:
        await self.chain.fund(self.purse.address, 40_000 * TON)
        charter = Charter(NETWORK, [keys.public_key(seed) for seed in ORACLES], 2)
        self.vault = await deploy(self.chain, self.keyring, charter, self.folder / "venue")
        self.put(
            event.Founded(
                at_ms=self.now_ms,
                network=NETWORK,
                vault=self.vault,
                oracle_keys=[keys.public_key(seed) for seed in ORACLES],
                oracle_threshold=2,
                listings=default_listings(),
                ratio=charter.ratio,
                fine=charter.fine,
                storage_fee=charter.storage_fee,
                quarantine_s=charter.quarantine_s,
                settling_s=charter.settling_s,
                patience_ms=charter.patience_s * 1000,
                pool_seed=charter.pool_seed,
                insurance_seed=charter.insurance_seed,
                secret=self.keyring.pool_secret(),
            )
        )
        for market, mark in MARKS.items():
            self.price(market, mark)

    @property
    def now_ms(self) -> int:
        return self.router.now * 1000

    # Events in, replies out

    def put(self, happened: event.AnyEvent) -> None:
        self.engine.authenticate(happened)
        for wanted in self.engine.apply(happened):
            match wanted:
                case effect.Push() | effect.SignHalf():
                    self._say(wanted)
                case effect.Refuse():
                    newest = self.traders[wanted.channel_id].side.replica.newest_b
                    refused = wire.Refused(wanted.channel_id, wanted.seqno, wanted.code, wanted.message, newest)
                    self.traders[wanted.channel_id].side.receive(refused)
                case _:
                    pass

    def _say(self, wanted: effect.Push | effect.SignHalf) -> None:
        side = self.traders[wanted.channel_id].side
        reply = signed(unsigned(wanted), self.signer(side))
        if isinstance(reply, wire.Granted):
            digest = consent_digest(self.engine.rules, side.setup, side.replica.opened.payout)
            reply = replace(reply, consent=self.keyring.consent().sign(digest))
        side.receive(reply)

    async def take_out(self, trader: Trader, nano: int, *, is_handed_in: bool) -> None:
        """A withdrawal that both sign; where it is not handed in, both leave it at that."""
        self.propose(trader)
        commit = trader.side.commit(nano)
        self.put(event.CommitProposed(at_ms=self.now_ms, **asdict(commit)))
        signature = self.signer(trader.side).sign(commit_statement(commit, commit.channel_id).digest())
        trader.side.receive(wire.CommitSigned(commit.channel_id, commit.withdraw_a, signature))
        if is_handed_in:
            agreed = trader.side.both_commit()
            assert agreed is not None
            await trader.onchain.commit(agreed)
            told = event.PaidOut(
                at_ms=self.now_ms, channel_id=commit.channel_id, value_a=nano, paid=nano, transaction=bytes(32)
            )
            self.put(told)

    def signer(self, side: Side) -> keys.Signer:
        return self.keyring.channel(NETWORK, self.vault, side.replica.opened.key_a)

    def round(self, market: int, number: int, at_ms: int, mark: int) -> event.Priced:
        made = OracleRound(NETWORK, market, number, at_ms, mark, mark, 0)
        signatures = {place: keys.sign(seed, made.digest()) for place, seed in enumerate(ORACLES[:2])}
        return event.Priced(
            at_ms=at_ms,
            market=market,
            round=number,
            round_ms=at_ms,
            index=mark,
            mark=mark,
            funding=0,
            signatures=signatures,
        )

    def price(self, market: int, mark: int) -> None:
        self.numbers[market] += 1
        made = self.round(market, self.numbers[market], self.now_ms, mark)
        for trader in self.traders.values():
            trader.side.receive(round_of(made))
        self.put(made)

    # Users

    async def join(self, name: str) -> Trader:
        keystore, store = Keystore(keys.derive_seed(b"leaving", name)), Store(self.folder / f"{name}.sqlite")
        purse = Purse(self.chain, keystore.wallet(), NETWORK)
        await self.chain.fund(purse.address, 2 * DEPOSIT)
        salt, rules = name.encode().ljust(32, b"\0"), self.engine.rules
        signer = keystore.channel(salt)
        welcome = wire.Welcome(
            NETWORK,
            self.vault,
            self.keyring.channel(NETWORK, self.vault, signer.key).key,
            rules.ratio,
            rules.fine,
            rules.storage_fee,
            rules.quarantine_s,
            rules.settling_s,
            rules.patience_ms,
            rules.listings,
            rules.oracle_keys,
            rules.oracle_threshold,
        )
        side = Side.opened(store, signer, welcome, salt, purse.address)
        trader = self.traders[side.channel_id] = Trader(side, keystore, store, OnChain(self.chain, purse, side))
        opening = side.opening()
        self.put(
            event.Opened(
                at_ms=self.now_ms,
                channel_id=side.channel_id,
                key_a=opening.key_a,
                key_b=welcome.key_b,
                salt=salt,
                payout=opening.payout,
                signature=opening.signature,
            )
        )
        for newest in self.engine.venue.priced.values():
            side.receive(round_of(newest))
        funded = await trader.onchain.deposit(DEPOSIT)
        side.fund(funded)
        self.put(funded)
        return trader

    def propose(
        self, trader: Trader, *wishes: Wish, drops: tuple[int, ...] = (), margins: tuple[Margin, ...] = ()
    ) -> None:
        """Orders, cancels and margins in one half; what the rules refuse is not asked for."""
        with suppress(Rejected):
            proposed = trader.side.propose(wishes, drops, margins, now_ms=self.now_ms)
            self.put(
                event.Proposed(
                    at_ms=self.now_ms,
                    channel_id=proposed.channel_id,
                    seqno=proposed.seqno,
                    sent=proposed.sent,
                    conditionals_hash=proposed.conditionals_hash,
                    cites=proposed.cites,
                    signature=proposed.signature,
                    orders=proposed.orders,
                    drops=proposed.drops,
                    moves=proposed.moves,
                )
            )

    def wander(self, steps: int) -> None:
        """Everyone quotes, takes, cancels and moves margin while prices move a little."""
        rng = self.random
        for _ in range(steps):
            trader, market = rng.choice(list(self.traders.values())), rng.choice(list(MARKS))
            mark = self.engine.venue.rounds[market].mark
            draw = rng.random()
            if draw < 0.1:
                self.price(market, mark + rng.randint(-mark // 200, mark // 200))
            elif draw < 0.2 and trader.side.account.orders:
                self.propose(trader, drops=(rng.choice(list(trader.side.account.orders)),))
            elif draw < 0.3 and market in trader.side.account.positions:
                self.propose(trader, margins=(Margin(market, rng.randint(-2 * TON, 2 * TON)),))
            else:
                limit = mark + rng.randint(-mark // 500, mark // 500)
                self.propose(trader, Wish(market, rng.random() < 0.5, rng.randint(1, 300), limit, leverage=5))

    def fill_unsigned(self, maker: Trader, taker: Trader) -> None:
        """Part of an order of `maker` is filled, and he has signed nothing since."""
        mark = self.engine.venue.rounds[2].mark
        self.propose(maker, Wish(2, True, 90, mark + mark // 400, leverage=5))
        self.propose(taker, Wish(2, False, 40, mark - mark // 400, leverage=5))

    # The service's own close

    def pair(self, trader: Trader) -> tuple[SignedHalf, SignedHalf]:
        """The newest pair as the service has it."""
        channel = self.engine.channels[trader.side.channel_id]
        assert channel.a is not None
        assert channel.b is not None
        half: Half = channel.b.half
        return channel.a, SignedHalf(half, self.signer(trader.side).sign(half.digest()))

    async def start(self, trader: Trader, pair: tuple[SignedHalf, SignedHalf]) -> None:
        """The service begins to close `trader`'s channel alone, until the chain shows a close."""
        statement = codec.Start(trader.side.setup.channel_id, *pair)
        told = codec.Signed(
            by_a=False, signature=self.signer(trader.side).sign(statement.digest()), statement=statement
        )
        while not (seen := await trader.onchain.channel()) or seen.quarantine is None:
            with suppress(Rejected, Exception):
                await self.purse.send(Transfer(trader.onchain.address, TON // 5, codec.encode(told)))
            await asyncio.sleep(25)

    def close(self) -> None:
        for trader in self.traders.values():
            trader.store.close()


def spoil(venue: Venue, seed: int) -> None:
    """From here on one external message of seven is lost, and internal ones are up to twenty seconds under way."""
    venue.router.weather = Weather(seed, lost_ppm=140_000, delay_s=20)
