"""A venue as a state machine for hypothesis: a few users, both kinds of market, and everything that can happen to them.

Every step goes through the real engine and past the real replicas, and `Laws` looks at each event before anyone hears
of it. Kinds of orders and yes-or-no wishes that are added later are drawn as soon as they exist.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import fields

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from msgspec.structs import replace

from fairway.channel import codec
from fairway.channel.phase import Phase
from fairway.channel.state import SignedHalf
from fairway.client.margin import Margin
from fairway.client.wish import Wish
from fairway.crypto import keys
from fairway.errors import InvalidMessage, Rejected
from fairway.exchange import effect, event
from fairway.exchange.switch import Mode
from fairway.exchange.terms import CROSS, Kind, Source
from fairway.exchange.withdrawal import withdrawable
from fairway.market.order import Prevention
from fairway.ton.cells import to_boc
from fairway.units import TON
from tests.simulation.laws import Laws
from tests.simulation.world import START, World

MARKETS = sorted(START)
MOST_USERS = 6
OWN = {"buy", "reduce_only", "trigger_above"}
FLAGS = [each.name for each in fields(Wish) if isinstance(each.default, bool) and each.name not in OWN]
"""What else may be wished for or not, now and later."""
seldom = st.integers(0, 7).map(lambda drawn: drawn == 0)

markets = st.sampled_from(MARKETS)
places = st.integers(0, MOST_USERS - 1)
sizes = st.sampled_from([1, 2, 7, 30, 100, 400, 2_000])
leverages = st.sampled_from([0, 0, 1, 2, 5, 10, 20])
"""0: out of the pot."""
drifts = st.sampled_from([-80_000, -3_000, -500, -20, 0, 0, 0, 20, 500, 3_000, 80_000])
"""How far a limit stands from the mark, in ppm."""
moves = st.sampled_from([500, 700, 900, 950, 980, 995, 1000, 1000, 1005, 1020, 1050, 1100, 1400, 2000])
"""What a mark becomes, in thousandths."""
premiums = st.sampled_from([0, 0, -15, 15])
"""How far the mark stands from the index, in thousandths."""
fundings = st.sampled_from([0, 0, -90, 90])
pauses = st.sampled_from([0, 0, 0, 400, 2_000, 6_000])

TOTALS = ("liquidations", "partial_fills", "take_profits", "stop_losses", "cancels", "cancels_lost", "punishments")
ENDINGS = [
    "alone",
    "something old",
    "something old",
    "to the end",
    "to the end",
    "together",
    "stale",
    "end",
    "less",
    "more",
    "otherwise",
]
"""How a channel comes nearer to its end."""
ERRANDS = ["joins", "tops_up", "bond", "slash", "lends", "takes back", "assesses", "switch", *["open", "restarts"] * 2]
ERRANDS += ["withdraws", "withdraws", "pays out"]
"""What happens beside the trading."""
LENDER = "0:" + "22" * 32
counted: Counter[str] = Counter()
"""What happened in all histories that were played so far."""


class WatchedWorld(World):
    """A world whose every event is looked at by `Laws`."""

    def __init__(self, **founding: object) -> None:
        self.laws: Laws | None = None
        self.is_broken = False
        super().__init__(**founding)

    def put(self, happened):
        """An event that breaks something leaves the world in pieces: nothing more is asked of it."""
        try:
            return super().put(happened)
        except (Rejected, InvalidMessage):
            raise
        except BaseException:
            self.is_broken = True
            raise

    def checked(self, happened, effects):
        if self.laws is None:
            self.laws = Laws(self.engine)
        self.laws.after(happened, effects)
        super().checked(happened, effects)


class ExchangeMachine(RuleBasedStateMachine):
    """What may happen next; who and how much is drawn."""

    @initialize(
        deposits=st.lists(st.sampled_from([20, 300, 3_000, 20_000]), min_size=3, max_size=4),
        stale_ms=st.sampled_from([0, 0, 3_000]),
    )
    def open_the_venue(self, deposits, stale_ms):
        self.world = WatchedWorld(stale_ms=stale_ms)
        self.punished: list[effect.PunishFill] = []
        for nano in deposits:
            self.joins(nano)
        for market in MARKETS:
            self.world.price(market, START[market])

    @property
    def count(self):
        return self.world.laws.count

    def someone(self, place):
        """The user at `place`, and whether halves are signed with him."""
        names = list(self.world.users)
        name = names[place % len(names)]
        return name, self.world.engine.channels[name].phase is Phase.OPEN

    def holder(self, place, market):
        """One of those who hold something in `market` and still sign; none where nobody does."""
        engine = self.world.engine
        held = [name for name in engine.venue.holders[market] if engine.channels[name].phase is Phase.OPEN]
        return held[place % len(held)] if held else None

    def mark(self, market):
        return self.world.engine.venue.rounds[market].mark

    def told(self, code):
        self.count[f"refused {code}" if code else "accepted"] += 1

    # Users

    def joins(self, deposit):
        if len(self.world.users) < MOST_USERS:
            self.world.join(f"user {len(self.world.users)}", deposit * TON)

    def tops_up(self, place, more):
        name, _ = self.someone(place)
        total = self.world.engine.accounts[name].deposit + more * TON
        funded = event.Funded(
            at_ms=self.world.now_ms, channel_id=name, deposit_a=total, deposit_b=10 * total, transaction=bytes(32)
        )
        if self.world.code_of(funded) == "":
            self.world.users[name].replica.apply(funded)
            self.count["topped up"] += 1

    def wish(self, draw, market, place=0):
        """Any wish whatever, most of them lawful; `place` stand before it in its list."""
        mark, buy, waits, trails = self.mark(market), draw(st.booleans()), draw(seldom), draw(seldom)
        trigger = mark + mark * draw(drifts) // 1_000_000 if waits else 0
        return Wish(
            market,
            buy,
            draw(sizes),
            max(1, (trigger or mark) + mark * draw(drifts) // 1_000_000),
            draw(st.sampled_from(Kind)),
            draw(leverages),
            draw(st.integers(0, 3)) == 0,
            trigger,
            waits and draw(st.booleans()),
            self.world.now_ms + draw(st.sampled_from([50, 3_000])) if draw(seldom) else 0,
            source=draw(st.sampled_from(Source)) if waits else Source.MARK,
            callback_ppm=10_000 if trails and waits else 0,
            prevention=draw(st.sampled_from(Prevention)),
            after=place and draw(st.integers(0, 1)),
            group=place and draw(st.integers(0, 1)) if draw(seldom) else None,
            **{name: draw(seldom) for name in FLAGS},
        )

    @rule(data=st.data(), place=places, market=markets)
    def orders(self, data, place, market):
        name, is_open = self.someone(place)
        if not is_open:
            return
        count = data.draw(st.sampled_from([1, 1, 1, 2, 3]))
        wishes = [self.wish(data.draw, market, place) for place in range(count)]
        live = sorted(self.world.engine.accounts[name].orders)
        drops = live[:1] if live and data.draw(seldom) else []
        self.told(self.world.try_propose(name, wishes, drops))

    @rule(one=places, other=places, market=markets, lots=sizes, leverage=leverages, drift=drifts, takes=st.booleans())
    def trades(self, one, other, market, lots, leverage, drift, takes):
        """Two meet: one quotes, the other takes."""
        (maker, first), (taker, second) = self.someone(one), self.someone(other)
        if maker == taker or not (first and second):
            return
        price = self.mark(market) + self.mark(market) * (drift // 8) // 1_000_000
        self.told(self.world.try_propose(maker, [Wish(market, not takes, lots, price, leverage=5)]))
        self.told(self.world.try_propose(taker, [Wish(market, takes, lots, price, Kind.IOC, leverage)]))

    @rule(place=places, market=markets, part=st.integers(1, 4))
    def reduces(self, place, market, part):
        """Someone offers part of what he holds, to whoever stands there."""
        name = self.holder(place, market)
        if name is None:
            return
        held = self.world.engine.accounts[name].positions[market]
        mark, buy = self.mark(market), held.position.s < 0
        limit = mark * (1_030 if buy else 970) // 1_000
        lots, leverage = -(-held.position.lots * part // 4), 0 if held.is_cross else 5
        self.told(self.world.try_propose(name, [Wish(market, buy, lots, limit, Kind.IOC, leverage, reduce_only=True)]))

    @rule(place=places, other=places, market=markets, above=st.booleans(), happens=st.sampled_from([True, True, False]))
    def protects(self, place, other, market, above, happens):
        """Someone who holds something sets a stop or a take-profit; often the mark goes there, and somebody stands."""
        name = self.holder(place, market)
        if name is None:
            return
        account = self.world.engine.accounts[name]
        held = account.positions[market].position
        mark, buy = self.mark(market), held.s < 0
        trigger = mark * (1_004 if above else 996) // 1_000
        limit = trigger * (1_090 if buy else 910) // 1_000
        wish = Wish(market, buy, held.lots, limit, Kind.IOC, 0 if account.is_cross(market) else 5, True, trigger, above)
        self.told(self.world.try_propose(name, [wish]))
        stands, is_open = self.someone(other)
        if happens and is_open and stands != name:
            self.told(self.world.try_propose(stands, [Wish(market, not buy, held.lots, trigger, leverage=5)]))
            self.round_comes(market, 1_005 if above else 995, 0, 0, 0)

    def withdraws(self, place, quarters):
        """Someone takes out a part of what he need not keep, or tries for more."""
        holder = self.holder(place, MARKETS[place % 2])
        name, is_open = (holder, True) if holder else self.someone(place)
        if is_open:
            with suppress(Rejected):
                nano = withdrawable(self.world.engine.accounts[name]) * quarters // 4
                self.told(self.world.withdraw(name, nano, believed=place < MOST_USERS // 2))

    def chain_shows_withdrawals(self):
        for name in sorted(self.world.engine.venue.withdrawals.leaving):
            self.world.pay_out(name)

    @rule(place=places, all_of_them=st.booleans())
    def cancels(self, place, all_of_them):
        busy = [name for name, account in self.world.engine.accounts.items() if account.orders]
        if busy:
            name = busy[place % len(busy)]
            live = sorted(self.world.engine.accounts[name].orders)
            self.told(self.world.try_propose(name, [], live if all_of_them else live[:1]))

    @rule(place=places)
    def countersigns(self, place):
        name, is_open = self.someone(place)
        if is_open:
            self.told(self.world.try_propose(name, []))
            self._lift()

    @rule(one=places, other=places, data=st.data())
    def pools(self, one, other, data):
        if data.draw(st.booleans()):
            self.fills_the_pot(one, data.draw(st.sampled_from([-50, -1, 1, 10, 100, 1_000])) * TON)
        else:
            self.pulls_apart(one, other, data.draw(st.sampled_from([100, 400, 2_000])))

    def fills_the_pot(self, place, nano):
        """Someone puts margin into his pot, or takes some out."""
        name, is_open = self.someone(place)
        if is_open:
            code = self.world.try_propose(name, [], [], [Margin(CROSS, nano)])
            self.told(code)
            self.count["pot moved"] += not code

    def pulls_apart(self, one, other, lots):
        """Out of a small pot someone buys in both markets; one rises, the other falls, and he closes what has lost."""
        (name, is_open), (maker, quotes) = self.someone(one), self.someone(other)
        if name == maker or not (is_open and quotes):
            return
        self.fills_the_pot(one, lots * self.mark(2) * 10_000 // 9)
        for market, size in ((2, lots), (1, 3 * lots)):
            price = self.mark(market)
            self.told(self.world.try_propose(maker, [Wish(market, False, size, price, leverage=5)]))
            self.told(self.world.try_propose(name, [Wish(market, True, size, price, Kind.IOC, 0)]))
        self.round_comes(1, 1_250, 0, 0, 0)
        self.round_comes(2, 850, 0, 0, 0)
        lost = self.world.engine.accounts[name].positions.get(2)
        if lost is not None and lost.position.s > 0 and lost.is_cross:
            price = self.mark(2)
            self.told(self.world.try_propose(maker, [Wish(2, True, lost.position.lots, price, leverage=5)]))
            closing = Wish(2, False, lost.position.lots, price, Kind.IOC, 0, reduce_only=True)
            self.told(self.world.try_propose(name, [closing]))

    # The oracle

    @rule(market=markets, move=moves, premium=premiums, funding=fundings, pause=pauses)
    def rounds(self, market, move, premium, funding, pause):
        self.round_comes(market, move, premium, funding, pause)

    @rule(place=places, market=markets, beyond=st.sampled_from([-30, -4, 4, 30, 200]), pause=pauses)
    def gaps(self, place, market, beyond, pause):
        """The mark jumps to about where a position has nothing left, short of it or beyond."""
        holders = list(self.world.engine.venue.holders[market])
        if not holders:
            return
        name = holders[place % len(holders)]
        self._gap(name, market, beyond, pause)

    def _gap(self, name, market, beyond, pause):
        account = self.world.engine.accounts[name]
        position, bound = account.positions[market].position, account.bankruptcy_at(market)
        if bound is not None:
            target = bound * (1_000 - position.s * beyond) // 1_000
            self._stands_for(name, market, position, bound)
            self.round_comes(market, max(1, min(2_000, 1_000 * target // self.mark(market))), 0, 0, pause)

    def _stands_for(self, name, market, position, bound):
        """Somebody quotes for a little of a position, near where it is bankrupt, as far as the band allows it."""
        for other, channel in self.world.engine.channels.items():
            if other != name and channel.phase is Phase.OPEN:
                wish = Wish(market, position.s > 0, min(position.lots, 7), bound * (1_000 + 5 * position.s) // 1_000)
                self.told(self.world.try_propose(other, [wish]))
                return

    def round_comes(self, market, move, premium, funding, pause):
        self.world.now_ms += pause
        mark = min(max(50, self.mark(market) * move // 1_000), 40_000_000)
        index = self.world.engine.venue.rounds[market].funding + funding * 1_000_000
        before = len(self.world.effects)
        self.world.price(market, mark, index, index=max(1, mark + mark * premium // 1_000))
        self.count["jump"] += abs(move - 1_000) >= 300
        self.punished += [each for each in self.world.effects[before:] if isinstance(each, effect.PunishFill)]
        self._lift()

    @rule(market=markets, wrong=st.sampled_from(["old", "far", "bare", "other"]))
    def round_is_no_good(self, market, wrong):
        newest = self.world.engine.venue.priced[market]
        shown = {
            "old": newest,
            "far": replace(newest, round=newest.round + 1, mark=newest.mark * 2),
            "bare": replace(newest, round=newest.round + 1, signatures={}),
            "other": replace(newest, round=newest.round + 1, market=3 - market),
        }[wrong]
        self._nothing_happens(shown)

    # What is not lawful

    def _nothing_happens(self, happened):
        """An event that raises leaves no trace; a code it must have."""
        before = self.world.engine.digest()
        try:
            self.world.engine.authenticate(happened)
            self.world.engine.apply(happened)
        except (Rejected, InvalidMessage) as refusal:
            self.count[f"raised {refusal.code}"] += 1
        else:
            raise AssertionError(f"this must be refused: {happened}")
        assert self.world.engine.digest() == before, "a refusal left a trace"

    @rule(place=places, market=markets, ahead=st.sampled_from([1, 1, 3]), data=st.data())
    def lies(self, place, market, ahead, data):
        if data.draw(st.integers(0, 2)) == 0:
            self.repeats_himself(place)
        else:
            self.lies_about_his_orders(place, market, ahead, data)

    def lies_about_his_orders(self, place, market, ahead, data):
        """A half that no honest client makes: terms that the rules do not give, an order that is not there."""
        name, is_open = self.someone(place)
        if not is_open:
            return
        account = self.world.engine.accounts[name]
        with suppress(Rejected):
            terms = self.wish(data.draw, market).terms(account.rules, name, account.next_key)
            change = data.draw(
                st.sampled_from([{"reserve": 0}, {"lots": 0}, {"leverage": 99}, {"key": 9_999}, {"unit": 1}])
            )
            orders, drops = ([replace(terms, **change)], []) if data.draw(st.booleans()) else ([], [9_999])
            code = self.world.hostile(name, orders, drops, ahead)
            assert code, "a lie was accepted"
            self.count["lies"] += 1

    def repeats_himself(self, place):
        """The newest accepted half comes again: it is not accepted twice."""
        name, is_open = self.someone(place)
        sent = [event.decode(payload) for payload in self.world.journal[-8:]]
        again = [each for each in sent if isinstance(each, event.Proposed) and each.channel_id == name]
        half = self.world.engine.channels[name].a
        if again and is_open and half is not None and again[-1].seqno == half.half.seqno:
            with suppress(Rejected, InvalidMessage):
                self.world.engine.authenticate(again[-1])
                self._nothing_happens(again[-1])

    # The end

    @rule(place=places, market=markets, beyond=st.sampled_from([-30, 4, 200, 500]), how=st.sampled_from(ENDINGS))
    def leaves(self, place, market, beyond, how):
        match how:
            case "alone" | "something old" | "to the end":
                name = self.leaves_alone(place, market, how == "something old")
                if name is not None and how == "to the end":
                    self._ends(name, market, beyond)
            case "together" | "stale":
                self.closes_together(place, how == "stale")
            case "otherwise" if market == MARKETS[0]:
                self.outruns(place)
            case "otherwise":
                self.reopens(place, beyond % 300)
            case _:
                self.chain_shows_the_end(self.someone(place)[0], {"less": -7, "more": 3}.get(how, 0))

    def leaves_alone(self, place, market, stale):
        """Who leaves, if anyone: one who holds something, where there is one."""
        holder = self.holder(place, market)
        name, is_open = (holder, True) if holder else self.someone(place)
        open_ = [each for each in self.world.engine.channels.values() if each.phase is Phase.OPEN]
        if not is_open or len(open_) < 3 or self.world.engine.channels[name].a is None:
            return None
        self.count["left with a position"] += bool(self.world.engine.accounts[name].positions)
        self.world.dispute(name, stale)
        return name

    def _ends(self, name, market, beyond):
        """The exit round comes, often far beyond what the margin covers; the chain pays, not always what we know."""
        if name in self.world.engine.venue.holders[market]:
            self._gap(name, market, beyond, 6_000)
            self.count["ended by the exit round"] += name not in self.world.engine.venue.holders[market]
        self.chain_shows_the_end(name, beyond % 7 - 3)

    def closes_together(self, place, stale):
        accounts, channels = self.world.engine.accounts, self.world.engine.channels
        flat = [name for name, each in accounts.items() if not each.positions and channels[name].phase is Phase.OPEN]
        ready = [name for name in flat if channels[name].a is not None]
        if ready:
            name = ready[place % len(ready)]
            if live := sorted(accounts[name].orders):
                self.told(self.world.try_propose(name, [], live))
            self.told(self.world.code_of(self._close_of(name, stale)))

    def reopens(self, place, nano):
        """Someone takes out a part and goes on with the rest in a new channel; or the old one is not closed for it."""
        accounts, channels = self.world.engine.accounts, self.world.engine.channels
        ready = [
            name
            for name, each in accounts.items()
            if not each.positions and not each.orders and channels[name].phase is Phase.OPEN and channels[name].a
        ]
        if not ready or len(self.world.users) >= MOST_USERS + 2:
            return
        name = ready[place % len(ready)]
        following, balance = self.world.open(f"user {len(self.world.users)}"), accounts[name].balance
        closing = replace(self._close_of(name, False), reopen_id=following, withdraw=min(nano * TON, balance // 2))
        code = self.world.code_of(closing)
        self.told(code)
        if not code:
            self.world.end(name)
            self.world.fund(following, balance - closing.withdraw)
            self.count["reopened"] += 1

    def outruns(self, place):
        """Someone shows a half of the service's own that it does not know: his channel is halted, and he leaves."""
        name, is_open = self.someone(place)
        channel = self.world.engine.channels[name]
        if not is_open or channel.a is None or len(self.world.users) < MOST_USERS - 2:
            return
        newest = channel.b.half
        lost = replace(newest, body=replace(newest.body, seqno=newest.seqno + 1))
        shown = SignedHalf(lost, keys.sign(self.world.key_b(channel.key_a), lost.digest()))
        self.world.put(event.Outrun(at_ms=self.world.now_ms, channel_id=name, half=to_boc(shown.to_cell())))
        self.told(self.world.try_propose(name, [Wish(MARKETS[0], True, 1, self.mark(MARKETS[0]))]))
        self.count["outrun"] += 1
        if place % 2:
            self.world.dispute(name)

    def chain_shows_the_end(self, name, differs):
        """Closed channels, and now and then one that paid other than our ledger says."""
        phase, account = self.world.engine.channels[name].phase, self.world.engine.accounts[name]
        if phase is Phase.CLOSED:
            again = event.Closed(
                at_ms=self.world.now_ms, channel_id=name, value_a=1, value_b=0, paid=1, transaction=bytes(32)
            )
            self._nothing_happens(again)
        elif phase in {Phase.QUARANTINED, Phase.CLOSING}:
            self.count["closed while something was open"] += bool(account.positions)
            leaving = self.world.engine.venue.withdrawals.leaving.get(name, 0)
            self.count["called off"] += bool(leaving)
            self.world.end(name, None if account.positions else max(0, account.balance + leaving + differs))

    def _close_of(self, name, stale):
        channel, account = self.world.engine.channels[name], self.world.engine.accounts[name]
        sums = account.due + stale, account.earned
        seqnos = channel.a.half.seqno, channel.b.half.seqno
        statement = codec.Close(channel.channel_id, *sums, *seqnos)
        return event.CloseProposed(
            at_ms=self.world.now_ms,
            channel_id=name,
            seqno_a=seqnos[0],
            seqno_b=seqnos[1],
            sent_a=sums[0],
            sent_b=sums[1],
            signature=keys.sign(self.world.users[name].seed, statement.digest()),
        )

    # The vault

    def _lift(self):
        """The vault does as it is asked: a fill that was not signed in time is a lien, one that was signed is none."""
        for punish in self.punished:
            self._rate(punish.channel_id, punish.debt.receipt.match_id, TON)
        self.punished = []
        for absolve in [each for each in self.world.effects[-6:] if isinstance(each, effect.Absolve)]:
            self._rate(absolve.channel_id, absolve.match_id, 0)

    def _rate(self, name, match_id, owed):
        self.world.put(
            event.RateSet(at_ms=self.world.now_ms, channel_id=name, match_id=match_id, owed=owed, transaction=bytes(32))
        )

    def operator_posts_bond(self, amount):
        self.world.put(event.BondPosted(at_ms=self.world.now_ms, amount=amount * TON, transaction=bytes(32)))

    # The machine room

    @rule(
        place=places,
        nano=st.sampled_from([20, 300, 3_000]),
        what=st.sampled_from(ERRANDS),
    )
    def is_administered(self, place, nano, what):
        match what:
            case "joins":
                self.joins(nano)
            case "tops_up":
                self.tops_up(place, nano)
            case "bond":
                self.operator_posts_bond(nano)
            case "slash":
                slashed = event.Slashed(
                    at_ms=self.world.now_ms,
                    channel_id=self.someone(place)[0],
                    transaction=len(self.world.journal).to_bytes(32),
                )
                self.told(self.world.code_of(slashed))
            case "lends" | "takes back" | "assesses":
                self.moves_the_pool(what, nano)
            case "withdraws":
                self.withdraws(place, {20: 1, 300: 4, 3_000: 5}[nano])
            case "pays out":
                self.chain_shows_withdrawals()
            case "switch" | "open":
                modes = {"open": Mode.OPEN, "switch": Mode.REDUCE_ONLY if nano == 300 else Mode.HALTED}
                self.world.switch(modes[what], [None, *MARKETS][place % 3])
            case _:
                self.restarts()

    def moves_the_pool(self, what, nano):
        """Lenders come and go, and are paid less or more than their shares are worth by our books."""
        with suppress(Rejected):
            if what == "lends":
                self.world.lend(LENDER, nano * TON)
            elif what == "takes back":
                self.world.leave(LENDER, 1, 4, nano * TON // 40)
            else:
                self.world.assess()
            self.count[what] += 1

    def restarts(self):
        self.world.engine = self.world.laws.replayed(self.world.journal)
        for user in self.world.users.values():
            assert user.replica.newest_b == self.world.engine.channels[user.replica.opened.channel_id].b.half.seqno
        self.count["restarts"] += 1

    def teardown(self):
        world = getattr(self, "world", None)
        if world is None or world.is_broken:
            return
        self.restarts()
        counted.update(world.laws.count)
        counted.update({name: getattr(world.engine.venue.counts, name) for name in TOTALS})
