"""A trader in a simulated day: his machine, which dies at bad moments, and what he does while it lives."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from random import Random

from fairway.chain.purse import Purse
from fairway.client.brackets import attached, one_cancels_other
from fairway.client.keystore import Keystore
from fairway.client.leaving import Leaving
from fairway.client.replica import Entry
from fairway.client.session import Venue
from fairway.client.side import Side
from fairway.client.store import Store
from fairway.client.user import User
from fairway.client.wish import Wish
from fairway.crypto import keys
from fairway.errors import InvalidMessage, Rejected, Unavailable
from fairway.exchange.terms import CROSS, Kind, Source
from fairway.units import TON
from tests.simulation.days.disk import UNSYNCED, Picture, torn
from tests.simulation.laws import Broken

THINKS_S = 2.0
RECORD = "record.sqlite"
ACTS = {
    "quotes": 10,
    "takes": 10,
    "protects": 3,
    "waits for a price": 2,
    "brackets": 2,
    "trails": 1,
    "one of two": 1,
    "amends": 3,
    "cancels": 3,
    "cancels all": 1,
    "falls silent": 1,
    "moves margin": 2,
    "sets leverage": 1,
    "fills the pot": 2,
    "withdraws now": 2,
    "countersigns": 1,
}


class DeadError(BaseException):
    """The user's process is no more."""


class Record(Store):
    """His record, on a disk that may lose its power while it is written."""

    def __init__(self, path: Path, person: Person) -> None:
        super().__init__(path)
        self._database.execute(UNSYNCED)
        self.person = person

    def append(self, channel_id: bytes, *entries: Entry) -> None:
        person = self.person
        if person.record is not self:
            raise DeadError
        if person.world.random.random() >= person.world.faults.dying:
            super().append(channel_id, *entries)
            return
        before = Picture.of(self.path)
        super().append(channel_id, *entries)
        person.die(
            person.world.random.choice(
                [before, Picture.of(self.path), torn(before, Picture.of(self.path), person.world.random)]
            )
        )
        raise DeadError


class Person:
    """One trader. His folder outlives his process."""

    def __init__(self, world, name: str, folder: Path) -> None:
        self.world, self.name, self.folder = world, name, folder
        self.keystore = Keystore(keys.derive_seed(b"day", name))
        self.random = Random(world.random.getrandbits(64))
        self.purse = Purse(world.server, self.keystore.wallet(), world.charter.network)
        self.skew_ms = self.random.randint(-800, 800)
        self.begun = 0
        self.record: Record | None = None
        self.user: User | None = None
        self.backup: Path | None = None
        self.channel_id = b""
        self.living: asyncio.Task[None] | None = None
        self.keeping: asyncio.Task[None] | None = None
        self.leaving: asyncio.Task[None] | None = None
        self.is_here, self.is_idle = asyncio.Event(), asyncio.Event()

    @property
    def home(self) -> Path:
        return self.folder / f"{self.name}-{self.begun}"

    @property
    def count(self):
        return self.world.count

    # His machine

    async def keep(self) -> None:
        """Have the program run, and begin it again whenever it is dead, until cancelled."""
        self.keeping = asyncio.current_task()
        while True:
            self.living = asyncio.ensure_future(self.live())
            try:
                await asyncio.wait({self.living})
            finally:
                self.living.cancel()
            if not self.living.cancelled():
                trouble = self.living.exception()
                if isinstance(trouble, Unavailable):
                    self.count["client without chain"] += 1
                elif isinstance(trouble, InvalidMessage):
                    self.world.failed(Broken(f"honest: {self.name} takes the service for a liar: {trouble}"))
                elif not isinstance(trouble, DeadError):
                    self.world.failed(trouble)
            self.user = None
            await asyncio.sleep(self.random.uniform(0.2, 10))

    async def live(self) -> None:
        """One process."""
        self.is_idle.clear()
        self.record = record = Record(self.home / RECORD, self)
        try:
            known = record.channels()
            venue = Venue(self.world.network.dial_from(self.name), self.world.charter.network, self.world.vault)
            clock_ms = lambda: self.world.now_ms() + self.skew_ms  # noqa: E731
            user = User(
                venue, self.world.server, record, self.keystore, known[-1] if known else None, clock_ms=clock_ms
            )
            async with user:
                self.user = user
                doing = asyncio.ensure_future(self._do())
                try:
                    await _first_trouble({doing, *user._tasks})
                finally:
                    doing.cancel()
        finally:
            record.close()
            if self.record is record:
                self.record = None

    async def _do(self) -> None:
        assert self.user is not None
        await self.arrive(self.user)
        self.is_here.set()
        await self.world.opens.wait()
        await self.trade(self.user)
        self.is_idle.set()
        await asyncio.Event().wait()

    def die(self, left: Picture | None = None) -> None:
        """The machine loses its power; `left` is on its disk, or what is written by now."""
        if self.record is None or self.living is None or self.living.done():
            return
        self.count["clients killed"] += 1
        left = left or Picture.of(self.record.path)
        self.record = None
        if self.backup is not None and self.random.random() < self.world.faults.restored:
            self.count["clients restored from a backup"] += 1
            left = Picture.of(self.backup)
            self.world.network.tap.forget(self.channel_id)
        self.begun += 1
        self.home.mkdir()
        left.lay(self.home / RECORD)
        self.living.cancel()

    def back_up(self) -> None:
        if self.record is not None and self.record.channels():
            (self.channel_id,) = self.record.channels()
            self.backup = self.folder / f"{self.name}-backup-{self.world.count['backups']}.sqlite"
            self.record.export(self.backup)
            self.count["backups"] += 1

    @property
    def side(self) -> Side:
        return self.user.session.side

    # The evening

    async def clears_up(self) -> None:
        """All orders gone, and nothing waits for an answer."""
        session = self.user.session
        await session.caught_up()
        await session.cancel_all()
        await session.countersign()
        assert not session.account.orders

    async def offers_all(self, market: int) -> None:
        """All that he holds, to whoever holds the opposite."""
        session = self.user.session
        held = session.account.positions.get(market)
        if held is not None:
            mark, buy = self.mark(session, market), held.position.s < 0
            await session.place(Wish(market, buy, held.position.lots, mark, reduce_only=True))

    async def withdraws(self) -> None:
        """Together with the service, as soon as it has seen all that was withdrawn before."""
        while True:
            try:
                return await self.user.withdraw()
            except Rejected as refusal:
                if refusal.code != "withdraw.pending":
                    raise
                await asyncio.sleep(1)

    async def leaves(self) -> None:
        """Alone, from his record."""
        self.leaving = asyncio.current_task()
        path, channel_id = self.record.path, self.side.channel_id
        self.record = None
        self.keeping.cancel()
        store = Store(path)
        side = Side.restored(store, self.keystore, channel_id)

        async def wait_until(second: int) -> None:
            await asyncio.sleep(max(0, second - self.world.now_ms() // 1000))

        await Leaving(self.world.server, self.purse, side, lambda: self.world.rounds, lambda _: None, wait_until).run()
        store.close()

    # What he does

    async def arrive(self, user: User) -> None:
        """To his channel, or to a new one with his money in it."""
        session = user.session
        while session._side is None or not session.side.replica.channel.deposit_a:
            try:
                await user.deposit(self.world.deposit)
                self.count["arrivals"] += 1
            except Unavailable as silence:
                if silence.code == "session.ended":
                    raise
                await asyncio.sleep(1)
        await session.caught_up()

    async def trade(self, user: User) -> None:
        """Anything, until the day is over."""
        while not self.world.is_over:
            await asyncio.sleep(self.random.expovariate(1 / THINKS_S))
            name = self.random.choices(list(ACTS), list(ACTS.values()))[0]
            try:
                await getattr(self, name.replace(" ", "_"))(user.session)
                self.count[f"{name}: done"] += 1
            except Rejected as refusal:
                self.count[f"refused {refusal.code}"] += 1
                if refusal.code in {"session.over", "session.outrun", "session.lacking"}:
                    raise

    def market(self, session) -> int:
        """One that he knows a price of."""
        known = sorted(session.side.replica.rounds)
        if not known:
            raise Rejected("day.price", "no price is known yet")
        return self.random.choice(known)

    def held(self, session) -> int:
        """A market that he holds something in."""
        held = sorted(session.account.positions)
        if not held:
            raise Rejected("day.position", "he holds nothing")
        return self.random.choice(held)

    def wish(self, session, market: int | None = None, **more) -> Wish:
        """An order near the mark."""
        market = self.market(session) if market is None else market
        mark, buy = self.mark(session, market), self.random.random() < 0.5
        limit = mark + mark * self.random.randint(-3_000, 3_000) // 1_000_000
        lots = self.random.choice([1, 40, 200, 500, 1_000])
        return replace(Wish(market, buy, lots, limit, leverage=self.random.choice([0, 5, 10, 20, 20])), **more)

    @staticmethod
    def mark(session, market: int) -> int:
        return session.side.replica.rounds[market].mark

    async def quotes(self, session) -> None:
        market = self.market(session)
        mark = self.mark(session, market)
        away = mark * self.random.randint(200, 4_000) // 1_000_000
        bid = self.wish(session, market, buy=True, limit_tick=mark - away)
        ask = self.wish(session, market, buy=False, limit_tick=mark + away)
        await session.place_many([bid, ask])

    async def takes(self, session) -> None:
        wish = self.wish(session)
        worse = wish.limit_tick // 100 * (1 if wish.buy else -1)
        await session.place(replace(wish, kind=Kind.IOC, limit_tick=wish.limit_tick + worse))

    def exit(self, session, market: int, ppm: int, **more) -> Wish:
        """An order that closes what he holds once the mark is `ppm` higher."""
        position, mark = session.account.positions[market].position, self.mark(session, market)
        buy, trigger = position.s < 0, mark + mark * ppm // 1_000_000
        limit = trigger * (1_050 if buy else 950) // 1_000
        return Wish(market, buy, position.lots, limit, Kind.IOC, 5, True, trigger, ppm > 0, source=Source.MARK)

    async def protects(self, session) -> None:
        await session.place(self.exit(session, self.held(session), self.random.choice([-8_000, -2_000, 2_000, 8_000])))

    async def waits_for_a_price(self, session) -> None:
        wish = self.wish(session)
        above = self.random.random() < 0.5
        trigger = self.mark(session, wish.market) * (1_003 if above else 997) // 1_000
        await session.place(replace(wish, trigger_tick=trigger, trigger_above=above, limit_tick=trigger))

    async def brackets(self, session) -> None:
        entry = self.wish(session)
        up, down = entry.limit_tick * 1_006 // 1_000, entry.limit_tick * 994 // 1_000
        ends = [
            replace(
                entry,
                buy=not entry.buy,
                kind=Kind.IOC,
                reduce_only=True,
                trigger_tick=trigger,
                trigger_above=trigger == up,
                limit_tick=trigger * (950 if entry.buy else 1_050) // 1_000,
            )
            for trigger in (up, down)
        ]
        await session.place_many(attached(entry, *ends))

    async def trails(self, session) -> None:
        market = self.held(session)
        wish = self.exit(session, market, -3_000 if session.account.positions[market].position.s > 0 else 3_000)
        await session.place(replace(wish, callback_ppm=10_000))

    async def one_of_two(self, session) -> None:
        market = self.market(session)
        await session.place_many(one_cancels_other(self.wish(session, market), self.wish(session, market)))

    def live_order(self, session) -> int:
        """One of his orders."""
        live = sorted(session.account.orders)
        if not live:
            raise Rejected("day.order", "he has no order")
        return self.random.choice(live)

    async def amends(self, session) -> None:
        key = self.live_order(session)
        order = session.account.orders[key].terms
        await session.amend(key, self.random.choice([max(1, order.lots // 2), order.lots, 2 * order.lots]))

    async def cancels(self, session) -> None:
        first = self.live_order(session)
        await session.cancel(*{first, self.live_order(session)})

    async def cancels_all(self, session) -> None:
        await session.cancel_all(self.random.choice([0, *sorted(session.side.replica.rounds)]))

    async def falls_silent(self, session) -> None:
        await session.countdown(self.random.choice([None, 2_000, 10_000]))

    async def moves_margin(self, session) -> None:
        await session.move_margin(self.held(session), self.random.randint(-2, 3) * 10**9)

    async def sets_leverage(self, session) -> None:
        await session.set_leverage(self.held(session), self.random.choice([3, 10, 20]))

    async def fills_the_pot(self, session) -> None:
        await session.move_margin(CROSS, self.random.randint(-5, 15) * TON)

    async def withdraws_now(self, _session) -> None:
        """A little; where the chain does not answer he asks again later, and gets the one that was begun."""
        try:
            await self.user.withdraw_now(self.random.randint(1, 3) * TON)
        except Unavailable as silence:
            if silence.code == "session.ended":
                raise
            self.count["withdrawals interrupted"] += 1

    async def countersigns(self, session) -> None:
        await session.countersign()


async def _first_trouble(tasks: set[asyncio.Task[None]]) -> None:
    """Wait for all, or raise what the first of them raises."""
    done, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    for task in done:
        task.result()
    assert not left
