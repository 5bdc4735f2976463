"""A TWAP in virtual time: a real house, a real bot, a clock that only sleeping moves."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from random import Random

import msgspec
import pytest
from bot_stage import served, staged
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from service_stage import MARK, MARKET, priced

from fairway.client.bot import Bot, BotFile
from fairway.client.twap import Twap, TwapFile
from fairway.client.twap_plan import Filled, Marks, Plan, average, cost_ppm
from fairway.client.wish import Wish
from fairway.errors import Rejected, Unavailable
from fairway.exchange.listing import default_listings
from fairway.exchange.terms import Kind

START_MS = 1_800_000_000_000
MINUTE_MS = 60_000
INVERSE, LINEAR = default_listings()
PLAN = Plan("mine", "ETH-TON", True, 50, START_MS, 10 * MINUTE_MS, 10, 1_000, leverage=5, seed=7)


# The plan

PLANS = st.builds(
    lambda lots, slices, span, jitter, seed, buy: replace(
        PLAN, lots=lots, slices=slices, duration_ms=slices * span, jitter_ppm=jitter, seed=seed, buy=buy
    ),
    st.integers(1, 1 << 40),
    st.integers(1, 50),
    st.integers(1, 1 << 20),
    st.integers(0, 1_000_000),
    st.integers(0, 1 << 63),
    st.booleans(),
)


@given(PLANS)
def test_every_slice_is_due_in_its_own_part_of_the_time_and_all_of_them_are_the_whole(plan):
    plan.checked()
    for number in range(plan.slices):
        begins_ms = plan.begins_ms if number == 0 else plan.ends_ms(number - 1)
        assert begins_ms - 1 <= plan.at_ms(number) <= plan.ends_ms(number)
    assert plan.due(plan.slices - 1) == plan.lots
    assert [plan.due(number) for number in range(plan.slices)] == sorted(plan.due(n) for n in range(plan.slices))


def test_a_seed_draws_the_same_moments_again_and_another_seed_others():
    moments = [[replace(PLAN, seed=seed).at_ms(number) for number in range(10)] for seed in (7, 7, 8)]
    assert moments[0] == moments[1] != moments[2]
    calm = replace(PLAN, jitter_ppm=0)
    assert [calm.at_ms(number) - START_MS for number in range(3)] == [30_000, 90_000, 150_000]


@given(PLANS, st.integers(1_000, 1 << 24), st.integers(1, 999_999), st.integers(0, 1 << 20), st.integers(0, 49))
def test_an_order_is_lawful_never_worse_than_its_bounds_and_never_more_than_is_due(plan, mark, ppm, worst, number):
    plan, number = replace(plan, slippage_ppm=ppm, worst=worst), number % plan.slices
    limit = plan.limit(LINEAR, mark)
    if limit:
        away = abs(limit - mark) * 1_000_000
        if (limit > mark) == plan.buy:
            assert away <= mark * ppm
        if worst:
            assert limit <= worst if plan.buy else limit >= worst
        lots = plan.size(LINEAR, number, plan.due(number) // 2, limit)
        assert 0 <= lots <= plan.due(number) - plan.due(number) // 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"lots": 0},
        {"slices": 0},
        {"slippage_ppm": 0},
        {"name": "a b"},
        {"name": "x" * 29},
        {"catch_up": 0},
        {"seed": -1},
    ],
)
def test_a_plan_out_of_its_bounds_is_refused(wrong):
    with pytest.raises(Rejected, match=r"twap\.plan"):
        replace(PLAN, **wrong).checked()


def test_averages_are_those_of_both_payoffs_and_rounded_down():
    linear = Filled(30, 10 * 10_000 * MARK + 20 * 10_000 * (MARK + 3))
    assert average(LINEAR.contract, linear) == (MARK + 2) * 1_000
    unit = INVERSE.contract.unit
    assert average(INVERSE.contract, Filled(2, unit // 50_000 + unit // 60_000)) in range(54_545_454, 54_545_456)
    assert average(LINEAR.contract, Filled()) == 0
    marks = Marks().seen(100, 0).seen(200, 1_000).seen(7, 4_000)
    assert marks.average == 175_000
    assert cost_ppm(buy=True, paid=101, fair=100) == 10_000 == cost_ppm(buy=False, paid=99, fair=100)
    assert cost_ppm(buy=True, paid=99, fair=100) == -10_000


# At work


class VirtualClock:
    """Stands still until somebody sleeps."""

    def __init__(self) -> None:
        self.ms = START_MS

    def now_ms(self) -> int:
        return self.ms

    async def follow(self, chain) -> None:
        await asyncio.Event().wait()


class Market:
    """The stage in virtual time: who sleeps finds another trader's quotes around the mark of that moment."""

    def __init__(self, stage, clock, folder) -> None:
        self.stage, self.clock, self.path = stage, clock, folder / "plan.jsonl"
        self.round, self.mark, self.lots, self.spread, self.shown = 1, MARK, 400, 20, None

    async def sleep(self, ms: int) -> None:
        self.clock.ms += ms
        if self.shown != (self.mark, self.lots, self.spread):
            await self.quote()

    async def quote(self) -> None:
        self.round, self.shown = self.round + 1, (self.mark, self.lots, self.spread)
        await self.stage.house.sequencer.submit(priced(self.round, self.mark))
        session = self.stage.other.session
        if self.lots:
            quotes = [
                Wish(MARKET, buy, self.lots, self.mark + (-self.spread if buy else self.spread), Kind.POST_ONLY, 5)
                for buy in (True, False)
            ]
            await session.place_many(quotes, instead_of=list(session.account.orders))
        for key in list(session.account.orders) if not self.lots else ():
            await session.cancel(key)

    async def run(self, bot: Bot, file: TwapFile):
        twap = Twap(bot, file, clock_ms=self.clock.now_ms, sleep=self.sleep)
        return await twap.run()

    async def orders(self, bot: Bot) -> list[dict]:
        return await bot.ask("GET", "/v1/allOrders")


@pytest.fixture
async def market(tmp_path):
    clock = VirtualClock()
    async with staged(tmp_path, clock) as stage:
        found = Market(stage, clock, tmp_path)
        await found.quote()
        yield found


async def test_the_whole_is_bought_in_slices_at_their_moments_and_the_report_says_at_what_price(market):
    async with await market.stage.grant() as bot:
        report = await market.run(bot, TwapFile.begin(market.path, PLAN))
        assert (report.ended, report.filled, report.placed, report.refused) == ("done", 50, 10, {})
        assert (report.average, report.fair) == ((MARK + 20) * 1_000, MARK * 1_000)
        assert report.cost_ppm == cost_ppm(buy=True, paid=MARK + 20, fair=MARK)
        fills = await bot.ask("GET", "/v1/userTrades")
        assert [fill["time"] for fill in fills] == [PLAN.at_ms(number) for number in range(10)]
        assert [fill["qty"] for fill in fills] == ["5"] * 10
        assert await bot.ask("GET", "/v1/openOrders") == []
        assert market.stage.house.engine.accounts[market.stage.owner.channel_id].signed_lots(MARKET) == 50


async def test_what_a_slice_could_not_fill_is_made_up_for_later_but_never_beyond_the_slippage(market):
    market.lots = 0
    await market.quote()
    async with await market.stage.grant() as bot:

        async def sleep(ms):
            market.lots = 0 if market.clock.ms < PLAN.at_ms(3) else 400
            market.spread = 60 if PLAN.at_ms(5) < market.clock.ms < PLAN.at_ms(7) else 20
            await market.sleep(ms)

        twap = Twap(bot, TwapFile.begin(market.path, PLAN), clock_ms=market.clock.now_ms, sleep=sleep)
        report = await twap.run()
        sizes = [int(each["origQty"]) for each in await market.orders(bot) if each["orderId"] >> 30]
        assert max(sizes) == PLAN.catch_up * 5
        assert report.filled == 50
        prices = {int(fill["price"]) for fill in await bot.ask("GET", "/v1/userTrades")}
        assert prices == {MARK + 20}


class Crash(BaseException):
    """The program ends here."""


def crashing(bot: Bot, at: int, *, before: bool):
    """The bot's placing of its `at`-th order is the last thing the program does, or what it does not do any more."""
    real, count = bot.place, 0

    async def place(asked):
        nonlocal count
        count += 1
        if count == at and before:
            raise Crash
        answer = await real(asked)
        if count == at:
            raise Crash
        return answer

    bot.place = place


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("late_ms", [0, 3 * MINUTE_MS])
async def test_a_program_that_dies_in_a_slice_goes_on_without_repeating_or_forgetting_it(market, before, late_ms):
    async with await market.stage.grant() as bot:
        crashing(bot, 4, before=before)
        file = TwapFile.begin(market.path, PLAN)
        with pytest.raises(Crash):
            await market.run(bot, file)
        file.close()
    market.clock.ms += late_ms
    market.path.write_bytes(market.path.read_bytes() + b'{"type":"came","numb')
    async with market.stage.bot(bot.mandate.key) as again:
        report = await market.run(again, TwapFile.open(market.path))
        assert (report.ended, report.filled) == ("done", 50)
        names = [each["clientOrderId"] for each in await market.orders(again)]
        assert len(names) == len(set(names))
        account = market.stage.house.engine.accounts[market.stage.owner.channel_id]
        assert account.signed_lots(MARKET) == 50
        assert (report.refused == {}) == (late_ms == 0)


def troubled(bot: Bot, random: Random):
    """Now and then the program dies before or after an order is placed, or the answer is lost, before or after it."""
    real = bot.place

    async def place(asked):
        trouble = random.choice((None, None, None, Crash, Unavailable("bot.service", "lost")))
        if trouble is not None and random.random() < 0.5:
            raise trouble
        answer = await real(asked)
        if trouble is not None:
            raise trouble
        return answer

    bot.place = place


@pytest.mark.parametrize("seed", range(4))
async def test_however_often_the_program_dies_and_answers_are_lost_the_whole_is_bought_once(market, seed):
    bot, random = await market.stage.grant(), Random(seed)
    TwapFile.begin(market.path, PLAN).close()
    for _ in range(100):
        async with market.stage.bot(bot.mandate.key) as again:
            troubled(again, random)
            file = TwapFile.open(market.path)
            try:
                report = await market.run(again, file)
                break
            except Crash:
                market.clock.ms += random.choice((0, 1_000, MINUTE_MS))
            finally:
                file.close()
    held = market.stage.house.engine.accounts[market.stage.owner.channel_id].signed_lots(MARKET)
    assert report.ended == "done"
    assert report.filled == held <= PLAN.lots
    names = [each["clientOrderId"] for each in await market.orders(bot)]
    assert len(names) == len(set(names)) == report.placed


async def test_planted_a_file_that_does_not_say_what_was_sent_buys_a_slice_twice(market, monkeypatch):
    async with await market.stage.grant() as bot:
        crashing(bot, 10, before=False)
        real = TwapFile.add
        monkeypatch.setattr(TwapFile, "add", lambda self, line: None if hasattr(line, "order") else real(self, line))
        file = TwapFile.begin(market.path, PLAN)
        with pytest.raises(Crash):
            await market.run(bot, file)
        file.close()
    market.path.write_bytes(market.path.read_bytes().replace(b'"mine"', b'"other"'))
    async with market.stage.bot(bot.mandate.key) as again:
        await market.run(again, TwapFile.open(market.path))
        assert market.stage.house.engine.accounts[market.stage.owner.channel_id].signed_lots(MARKET) == 55


async def test_a_service_that_does_not_answer_is_asked_again_until_the_slice_is_known(market):
    async with await market.stage.grant() as bot:
        real, lost = bot.place, []

        async def place(asked):
            answer = await real(asked)
            if len(lost) < 3:
                lost.append(asked)
                raise Unavailable("bot.service", "the answer is lost")
            return answer

        bot.place = place
        report = await market.run(bot, TwapFile.begin(market.path, PLAN))
        assert (report.filled, report.placed) == (50, 10)
        assert lost[0] == lost[1] == lost[2]


async def test_stopped_it_leaves_nothing_resting_and_goes_on_later(market):
    async with await market.stage.grant() as bot:
        twap = Twap(bot, file := TwapFile.begin(market.path, PLAN), clock_ms=market.clock.now_ms, sleep=market.sleep)
        real = bot.place

        async def place(asked):
            twap.stop()
            return await real(asked)

        bot.place = place
        report = await twap.run()
        assert (report.ended, report.filled, report.unknown) == ("stopped", 5, None)
        assert await bot.ask("GET", "/v1/openOrders") == []
        with pytest.raises(Unavailable, match=r"twap\.locked"):
            TwapFile.open(market.path)
        file.close()
        bot.place = real
        assert (await market.run(bot, TwapFile.open(market.path))).filled == 50


async def test_stopped_while_nobody_answers_it_says_which_slice_is_not_known(market):
    async with await market.stage.grant() as bot:
        twap = Twap(bot, file := TwapFile.begin(market.path, PLAN), clock_ms=market.clock.now_ms, sleep=market.sleep)
        real = bot.place

        async def place(asked):
            await real(asked)
            twap.stop()
            raise Unavailable("bot.service", "the answer is lost")

        bot.place = place
        report = await twap.run()
        assert (report.ended, report.filled, report.unknown) == ("stopped", 0, 0)
        file.close()
        bot.place = real
        report = await market.run(bot, TwapFile.open(market.path))
        assert (report.filled, report.unknown) == (50, None)


async def test_reduce_only_it_ends_when_nothing_is_held(market):
    async with await market.stage.grant() as bot:
        await bot.place(bot.order("BUY", "LIMIT", 12, MARK + 20, time_in_force="IOC", leverage=5))
        selling = replace(PLAN, buy=False, reduce_only=True)
        report = await market.run(bot, TwapFile.begin(market.path, selling))
        assert (report.ended, report.filled) == ("order.reduce_only", 12)
        assert market.stage.house.engine.accounts[market.stage.owner.channel_id].signed_lots(MARKET) == 0


async def test_a_mandate_that_is_taken_back_ends_it_with_that_word(market):
    async with await market.stage.grant() as bot:
        real = bot.place

        async def place(asked):
            answer = await real(asked)
            await market.stage.owner.session.revoke(bot.mandate.key)
            return answer

        bot.place = place
        report = await market.run(bot, TwapFile.begin(market.path, PLAN))
        assert (report.ended, report.filled, report.placed) == ("request.key", 5, 1)


async def test_a_number_that_somebody_else_used_costs_one_slice_and_counts_for_nothing(market):
    async with await market.stage.grant() as bot, market.stage.bot(bot.mandate.key) as twin:
        await twin.place(twin.order("BUY", "LIMIT", 3, MARK - 100))
        report = await market.run(bot, TwapFile.begin(market.path, PLAN))
        assert (report.filled, report.refused) == (50, {"mandate.used": 1})


async def test_the_command_carries_a_plan_out_and_ends_with_a_report_when_it_is_interrupted(tmp_path):
    async with staged(tmp_path) as stage, served(stage.house) as port:
        await stage.other.session.place(Wish(MARKET, False, 100, MARK, leverage=5))
        bot = await stage.grant()
        known = BotFile(stage.owner.keystore.subkey_seed("bot"), stage.owner.session.side.replica.welcome, bot.mandate)
        (tmp_path / "bot.json").write_bytes(msgspec.json.encode(known))
        words = ["start", "plan", "--bot", "bot.json", "--service", f"http://127.0.0.1:{port}", "--side", "buy"]
        words += ["--lots", "600", "--seconds", "60", "--slices", "200", "--leverage", "5", "--seed", "1"]
        script = "from fairway.cli.app import main; main()"
        program = await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, "twap", *words, cwd=tmp_path, stdout=asyncio.subprocess.PIPE
        )
        await stage.owner.until(lambda account: account.signed_lots(MARKET) >= 6)
        program.send_signal(signal.SIGINT)
        said, _ = await program.communicate()
        report = json.loads(said)
        held = stage.house.engine.accounts[stage.owner.channel_id].signed_lots(MARKET)
        assert (report["ended"], report["average"], report["unknown"]) == ("stopped", f"{MARK}.000", None)
        assert report["filled"] == held >= 6
        assert program.returncode == 0
        file = TwapFile.open(tmp_path / "plan")
        assert file.filled.lots == held
        file.close()
