"""A bot with a sub-key and nothing else, over REST, while its owner is away; then he comes back and judges it all."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from bot_stage import served, staged
from service_stage import DEPOSIT, MARK, MARKET, priced
from typer.testing import CliRunner

from fairway.channel.machine import newest_b
from fairway.cli.mandate import app as mandate_app
from fairway.client.bot import Bot
from fairway.client.keystore import Keystore
from fairway.client.store import Store
from fairway.client.wish import Wish
from fairway.crypto import keys
from fairway.crypto.keys import Signer
from fairway.errors import IllegalTransition, InvalidMessage, Rejected, Unavailable
from fairway.exchange.withdrawal import commit_statement
from fairway.service.api.codes import numeric_code, status_code
from fairway.service.api.throttle import Spends, Throttle
from fairway.service.api.user_stream import UserStreams
from fairway.units import TON

INCOMES = ("REALIZED_PNL", "COMMISSION")


@pytest.fixture
async def stage(tmp_path):
    async with staged(tmp_path) as stage:
        yield stage


async def test_a_bot_trades_while_its_owner_is_away_and_he_takes_in_what_it_did(stage):
    async with await stage.grant() as bot:
        signed = stage.house.engine.channels[stage.owner.channel_id].a.half.seqno
        await stage.sleep(stage.owner)
        resting = await bot.place(bot.order("BUY", "LIMIT", 10, MARK - 100, new_client_order_id="low"))
        assert (resting["status"], resting["clientOrderId"], resting["mandated"]) == ("NEW", "low", True)
        filled = await bot.place(bot.order("BUY", "LIMIT", 20, MARK))
        await stage.other.session.place(Wish(MARKET, False, 20, MARK, leverage=5))
        assert (await bot.ask("GET", "/v1/order", orderId=filled["orderId"]))["status"] == "FILLED"
        assert (await bot.cancel(resting["orderId"]))["status"] == "CANCELED"
        trades = await bot.ask("GET", "/v1/userTrades")
        assert [(trade["orderId"], trade["qty"], trade["maker"]) for trade in trades] == [
            (filled["orderId"], "20", True)
        ]
        (position,) = await bot.ask("GET", "/v1/positionRisk")
        assert (position["positionAmt"], position["markPrice"]) == ("20", str(MARK))
        assert stage.house.engine.channels[stage.owner.channel_id].a.half.seqno == signed
        await stage.wake(stage.owner)
        await stage.owner.session.granted()
        await stage.owner.until(lambda account: account.signed_lots(MARKET) == 20)
        await stage.owner.session.countersign()
        ours, theirs = stage.house.engine.accounts[stage.owner.channel_id], stage.owner.session.account
        assert ours.a_conditionals.root_hash() == theirs.a_conditionals.root_hash()
        assert not stage.owner.store.evidence(stage.owner.channel_id)
        assert len(await bot.ask("GET", "/v1/allOrders")) == 2


async def test_the_same_order_again_is_placed_once_and_a_batch_answers_each(stage):
    async with await stage.grant() as bot:
        order = bot.order("BUY", "LIMIT", 5, MARK - 50)
        assert await bot.place(order) == await bot.place(order)
        too_large = bot.order("BUY", "LIMIT", 1_001, MARK - 50)
        answers = await bot.place_many([order, too_large, bot.order("SELL", "LIMIT", 5, MARK + 50)])
        assert answers[0]["status"] == answers[2]["status"] == "NEW"
        assert answers[1]["data"]["code"] == "mandate.lots"
        assert len(await bot.ask("GET", "/v1/openOrders", symbol=bot.symbol)) == 2
        await bot.cancel_all()
        assert await bot.ask("GET", "/v1/openOrders") == []


async def test_an_amended_order_stands_under_a_new_number_with_its_old_name_and_once_only(stage):
    async with await stage.grant() as bot:
        first = await bot.place(bot.order("BUY", "LIMIT", 10, MARK - 100, new_client_order_id="mine"))
        smaller = bot.order("BUY", "LIMIT", 4, MARK - 100, new_client_order_id="mine")
        amended = await bot.amend(first["orderId"], smaller)
        assert (amended["origQty"], amended["clientOrderId"]) == ("4", "mine")
        assert await bot.amend(first["orderId"], smaller) == amended
        assert [order["orderId"] for order in await bot.ask("GET", "/v1/openOrders")] == [amended["orderId"]]
        with pytest.raises(Rejected, match=r"order\.unknown"):
            await bot.amend(first["orderId"], bot.order("BUY", "LIMIT", 4, MARK - 100))
        await stage.owner.until(lambda account: amended["orderId"] in account.orders)
        assert not stage.owner.store.evidence(stage.owner.channel_id)


async def test_a_bot_that_falls_silent_has_its_orders_cancelled_and_one_that_does_not_keeps_them(stage):
    async with await stage.grant() as bot:
        placed = await bot.place(bot.order("BUY", "LIMIT", 5, MARK - 50))
        await bot.count_down(60_000)
        await bot.count_down(0)
        assert (await bot.ask("GET", "/v1/order", orderId=placed["orderId"]))["status"] == "NEW"
        await bot.count_down(1)
        await stage.house.sequencer.submit(priced(2))
        assert (await bot.ask("GET", "/v1/order", orderId=placed["orderId"]))["status"] == "CANCELED"


async def test_what_a_bot_did_is_told_with_receipts_income_and_events_without_a_gap(stage):
    async with await stage.grant() as bot:
        placed = await bot.place(bot.order("BUY", "LIMIT", 20, MARK))
        await stage.other.session.place(Wish(MARKET, False, 20, MARK, leverage=5))
        await bot.place(bot.order("SELL", "LIMIT", 10, MARK + 100))
        await stage.other.session.place(Wish(MARKET, True, 10, MARK + 100, leverage=5))
        order = await bot.find("nobody") or await bot.ask("GET", "/v1/order", orderId=placed["orderId"])
        assert (order["avgPrice"], order["executedQty"]) == (f"{MARK}.000", "20")
        (receipt,) = await bot.ask("GET", f"/v1/receipts/{placed['orderId']}")
        key_b = stage.house.engine.channels[stage.owner.channel_id].key_b
        keys.verify(key_b, bytes.fromhex(receipt["hash"]), bytes.fromhex(receipt["signature"]))
        assert (receipt["lots"], receipt["price"]) == ("20", str(MARK))
        income = await bot.ask("GET", "/v1/income", symbol=bot.symbol)
        by_kind = {kind: sum(int(each["income"]) for each in income if each["incomeType"] == kind) for kind in INCOMES}
        account = stage.house.engine.accounts[stage.owner.channel_id]
        assert by_kind["REALIZED_PNL"] == 10 * 100 * 10_000
        assert sum(by_kind.values()) == account.balance - DEPOSIT
        assert by_kind["COMMISSION"] < 0
        trades = await bot.ask("GET", "/v1/userTrades", orderId=placed["orderId"], symbol=bot.symbol)
        assert [(trade["side"], trade["qty"]) for trade in trades] == [("BUY", "20")]
        events = await bot.ask("GET", "/v1/events", fromSeq=1)
        assert [each["seq"] for each in events] == list(range(1, len(events) + 1))
        assert events[0]["events"] == [{"e": "opened"}]
        assert sum(told["e"] == "fill" for each in events for told in each["events"]) == 2
        for each in events:
            keys.verify(key_b, bytes.fromhex(each["state"]["hash"]), bytes.fromhex(each["state"]["signature"]))
        assert await bot.ask("GET", "/v1/events", fromSeq=events[-1]["seq"]) == events[-1:]


async def test_a_private_stream_tells_everything_once_in_order_and_goes_on_where_it_broke_off(stage):
    async with served(stage.house) as port, await stage.grant() as bot:
        far = Bot(f"http://127.0.0.1:{port}", stage.sub_key, bot._rules, bot.mandate, clock_ms=bot._clock_ms)
        known = await bot.ask("GET", "/v1/events")
        stream = far.follow(1)
        assert [await anext(stream) for _ in known] == known
        placed = await bot.place(bot.order("BUY", "LIMIT", 20, MARK, new_client_order_id="mine"))
        told = await anext(stream)
        assert told["seq"] == known[-1]["seq"] + 1
        assert told["events"] == [
            {"e": "order", "orderId": placed["orderId"], "status": "NEW", "clientOrderId": "mine"}
        ]
        await stream.aclose()
        await stage.other.session.place(Wish(MARKET, False, 20, MARK, leverage=5))
        again = far.follow(told["seq"] + 1)
        assert (await anext(again))["events"][0]["e"] == "fill"
        waiting = asyncio.ensure_future(anext(again))
        await asyncio.sleep(0)
        await stage.owner.session.revoke(bot.mandate.key)
        while (last := await waiting)["events"][-1]["e"] != "revoked":
            waiting = asyncio.ensure_future(anext(again))
        assert last["seq"] == (
            await stage.house.sequencer.ask(lambda: newest_b(stage.house.engine.channels[stage.owner.channel_id]))
        )
        with pytest.raises(Unavailable, match=r"bot\.stream"):
            await anext(again)


@pytest.mark.parametrize(
    ("query", "word"),
    [("fromSeq=0", "request.seq"), ("fromSeq=x", "request.seq"), ("recvWindow=99999", "request.window")],
)
async def test_a_private_stream_that_is_asked_for_wrongly_is_refused(stage, query, word):
    bot = await stage.grant()
    path, words = "/v1/userStream", f"channelId={stage.owner.channel_id.hex()}&{query}"
    headers = {name.lower().encode(): value.encode() for name, value in bot._headers("GET", path, words).items()}
    for known, said in ((headers, word), ({}, "request.headers")):
        sent: list[dict] = []
        scope = {"type": "websocket", "path": path, "query_string": words.encode(), "headers": list(known.items())}

        async def receive():
            return {"type": "websocket.connect"}

        async def send(message, sent=sent):
            sent.append(message)

        await UserStreams(stage.house)(scope, receive, send)
        assert [(each["type"], each["reason"]) for each in sent] == [("websocket.close", said)]


async def test_what_cannot_be_filled_as_asked_is_refused_with_the_numbers_that_clients_know(stage):
    async with await stage.grant() as bot:
        await stage.other.session.place(Wish(MARKET, False, 5, MARK, leverage=5))
        for order, number, word in (
            (bot.order("BUY", "LIMIT", 9, MARK, time_in_force="FOK"), -5021, "order.unfilled"),
            (bot.order("BUY", "LIMIT", 9, MARK, time_in_force="GTX"), -5022, "order.would_take"),
            (bot.order("SELL", "LIMIT", 9, MARK, reduce_only=True), -2022, "order.reduce_only"),
            (bot.order("BUY", "LIMIT", 9, MARK, leverage=20), -4028, "mandate.leverage"),
            (bot.order("BUY", "LIMIT", 1_000, MARK, leverage=1), -2019, "mandate.reserve"),
        ):
            for _ in range(2):
                with pytest.raises(Rejected) as refused:
                    await bot.place(order)
                assert (refused.value.code, refused.value.facts["number"]) == (word, number)
        for ask, number in ((bot.cancel(77), -2011), (bot.ask("GET", "/v1/order", orderId=77), -2013)):
            with pytest.raises(Rejected, match=r"order\.unknown") as refused:
                await ask
            assert refused.value.facts["number"] == number
        assert not stage.owner.session.account.orders


async def test_what_only_the_owner_decides_is_refused_to_a_sub_key_in_so_many_words(stage):
    async with await stage.grant() as bot:
        said = await bot.ask("POST", "/v1/leverage", symbol=bot.symbol, leverage=10)
        assert said == {"symbol": bot.symbol, "leverage": 10, "maxNotionalValue": str(100_000 * TON)}
        for path, params, word in (
            ("leverage", {"symbol": bot.symbol, "leverage": 11}, "mandate.leverage"),
            ("marginType", {"symbol": bot.symbol, "marginType": "ISOLATED"}, "margin.type"),
            ("marginType", {"symbol": bot.symbol, "marginType": "CROSSED"}, "mandate.owner"),
            ("marginType", {"symbol": "nowhere", "marginType": "CROSSED"}, "market.unknown"),
            ("positionMargin", {"symbol": bot.symbol, "amount": 1, "type": 1}, "mandate.owner"),
            ("channel/countersign", {}, "mandate.owner"),
            ("channel/withdraw", {}, "mandate.owner"),
            ("channel/close", {}, "mandate.owner"),
        ):
            with pytest.raises(Rejected) as refused:
                await bot.ask("POST", f"/v1/{path}", **params)
            assert refused.value.code == word


async def test_a_bot_closes_whatever_is_held_once_the_price_comes(stage):
    async with await stage.grant() as bot:
        await bot.place(bot.order("BUY", "LIMIT", 20, MARK))
        await stage.other.session.place(Wish(MARKET, False, 20, MARK, leverage=5))
        stop = {"time_in_force": "GTD", "stop_price": str(MARK - 100), "close_position": True, "round": 1}
        placed = await bot.place(bot.order("SELL", "STOP_MARKET", bot.mandate.max_lots, MARK - 600, **stop))
        assert placed["closePosition"]
        await stage.other.session.place(Wish(MARKET, True, 20, MARK - 200, leverage=5))
        await stage.house.sequencer.submit(priced(2, MARK - 100))
        assert await bot.ask("GET", "/v1/positionRisk") == []
        assert (await bot.ask("GET", "/v1/order", orderId=placed["orderId"]))["status"] == "FILLED"


async def test_an_owner_takes_a_mandate_back_at_once(stage):
    async with await stage.grant() as bot:
        await bot.place(bot.order("BUY", "LIMIT", 5, MARK - 50))
        await stage.owner.session.revoke(bot.mandate.key)
        assert not stage.owner.session.account.orders
        with pytest.raises(Rejected, match=r"request\.key"):
            await bot.place(bot.order("BUY", "LIMIT", 5, MARK - 50))


async def test_a_bot_that_begins_again_goes_on_with_fresh_numbers(stage):
    async with await stage.grant() as bot:
        await bot.place(bot.order("BUY", "LIMIT", 5, MARK - 50))
    async with stage.bot(bot.mandate.key) as again:
        placed = await again.place(again.order("BUY", "LIMIT", 5, MARK - 50))
        assert placed["orderId"] & 0xFFFFFF == 2


async def test_requests_that_are_not_the_sub_keys_or_not_of_now_are_refused(stage):
    bot = await stage.grant()
    stranger = stage.bot(bot.mandate.key, Signer.of(bytes(32)))
    with pytest.raises(Rejected, match=r"request\.key"):
        await stranger.ask("GET", "/v1/balance")
    for skew_ms in (-10_000, 10_000):
        bot._clock_ms = lambda skew_ms=skew_ms: stage.house.clock.now_ms() + skew_ms
        with pytest.raises(Rejected, match=r"request\.time") as refused:
            await bot.ask("GET", "/v1/balance")
        assert refused.value.facts["number"] == -1021
    bot._clock_ms = stage.house.clock.now_ms
    assert (await bot.ask("GET", "/v1/balance"))[0]["balance"] == str(DEPOSIT)
    for change in ({"X-API-SIGNATURE": "00" * 64}, {"X-API-TIMESTAMP": "x"}, {"X-API-KEY": "00" * 32}):
        async with httpx.AsyncClient(transport=stage.web, base_url="http://fairway") as web:
            stamp = str(stage.house.clock.now_ms())
            query = f"channelId={stage.owner.channel_id.hex()}"
            signed = stage.sub_key.sign(f"{stamp}GET/v1/balance{query}".encode()).hex()
            headers = {"X-API-KEY": stage.sub_key.key.hex(), "X-API-TIMESTAMP": stamp, "X-API-SIGNATURE": signed}
            good = await web.get(f"/v1/balance?{query}", headers=headers)
            assert good.status_code == 200
            assert int(good.headers["X-RateLimit-Remaining"]) < int(good.headers["X-RateLimit-Limit"])
            assert (await web.get(f"/v1/balance?{query}", headers=headers | change)).status_code == 400
            assert (await web.get(f"/v1/account?{query}", headers=headers)).status_code == 400
            assert (await web.get(f"/v1/balance?{query}&x=1", headers=headers)).status_code == 400


async def test_an_order_that_another_key_signed_is_none(stage):
    bot, stranger = await stage.grant(), Signer.of(bytes(32))
    forged = stage.bot(bot.mandate.key, stranger).order("BUY", "LIMIT", 5, MARK - 50)
    with pytest.raises(Rejected, match=r"signature\.invalid"):
        await bot.place(forged)
    assert not stage.owner.session.account.orders


async def test_a_sub_key_can_neither_close_the_channel_nor_propose_in_it(stage):
    bot = await stage.grant()
    thief = Keystore(bytes(32))
    assert thief.channel(bytes(32)).key != stage.owner.session.side.replica.opened.key_a
    for path in ("/v1/channel/withdraw", "/v1/channel/close"):
        with pytest.raises(Rejected):
            await bot.ask("POST", path)


async def test_an_owner_withdraws_by_rest_with_his_channel_key(stage):
    await stage.owner.session.countersign()
    commit = stage.owner.session.side.commit(30 * TON)
    await stage.sleep(stage.owner)
    body = {
        "channelId": commit.channel_id.hex(),
        "seqnoA": commit.seqno_a,
        "seqnoB": commit.seqno_b,
        "sentA": str(commit.sent_a),
        "sentB": str(commit.sent_b),
        "withdrawA": str(commit.withdraw_a),
        "signature": commit.signature.hex(),
    }
    async with httpx.AsyncClient(transport=stage.web, base_url="http://fairway") as web:

        async def answer(**changes):
            said = await web.post("/v1/channel/withdraw", json=body | changes)
            return said.status_code, said.json()

        status, said = await answer()
        assert (status, said["withdrawA"]) == (200, str(30 * TON))
        assert await answer() == (status, said), "the same is answered again, and counts once"
        account = stage.house.engine.accounts[commit.channel_id]
        assert account.balance == DEPOSIT - 30 * TON
        statement = commit_statement(commit, commit.channel_id)
        keys.verify(
            stage.owner.session.side.replica.welcome.key_b, statement.digest(), bytes.fromhex(said["signature"])
        )
        for changes, word in (
            ({"withdrawA": str(31 * TON)}, "signature.invalid"),
            ({"signature": "00"}, "signature.length"),
            ({"withdrawA": "many"}, "withdraw.body"),
        ):
            status, said = await answer(**changes)
            assert (status, said["data"]["code"]) == (400, word)
    await stage.wake(stage.owner)
    await stage.owner.until(lambda account: account.withdrawn == 30 * TON)


def test_a_key_that_does_not_slow_down_is_not_heard_for_a_while_but_for_its_cancels():
    throttle, key = Throttle(), bytes(32)
    throttle.spend(key, Spends.WEIGHT, Spends.WEIGHT.value, 0)
    words = []
    for _ in range(Spends.REFUSALS.value + 2):
        with pytest.raises(Rejected) as refused:
            throttle.spend(key, Spends.WEIGHT, 1, 0)
        words.append(refused.value.code)
    assert words == ["request.weight"] * (Spends.REFUSALS.value + 1) + ["request.banned"]
    assert refused.value.facts["retry_after_s"] == 120
    assert status_code(refused.value) == 418
    with pytest.raises(Rejected, match=r"request\.banned"):
        throttle.spend(key, Spends.ORDERS, 1, 119_999)
    assert throttle.spend(key, Spends.CANCELS, 1, 0).left == Spends.CANCELS.value - 1
    assert throttle.spend(bytes([1]) * 32, Spends.ORDERS, 1, 0).left == Spends.ORDERS.value - 1
    assert throttle.spend(key, Spends.WEIGHT, 1, 120_000).left == Spends.WEIGHT.value - 1


def test_our_own_fault_and_what_nobody_knows_are_never_told_as_a_refusal():
    for error, status, number in (
        (IllegalTransition("x.y", "ours"), 500, -1000),
        (Unavailable("service.unknown", "perhaps"), 503, -1006),
        (Unavailable("service.stopping", "not done"), 503, -1008),
        (Rejected("x.y", "no"), 400, -2010),
        (InvalidMessage("x.y", "what"), 400, -1102),
    ):
        assert (status_code(error), numeric_code(error)) == (status, number)


def test_a_bucket_empties_and_fills_and_cancels_go_on_where_orders_do_not():
    throttle, key, most = Throttle(), bytes(32), Spends.ORDERS.value
    assert throttle.spend(key, Spends.ORDERS, most, 0).left == 0
    with pytest.raises(Rejected) as refused:
        throttle.spend(key, Spends.ORDERS, 1, 0)
    assert refused.value.facts["retry_after_s"] == 1
    assert throttle.spend(key, Spends.CANCELS, most, 0).left == Spends.CANCELS.value - most
    assert throttle.spend(key, Spends.ORDERS, most // 60, 1_000).left == 0
    assert throttle.spend(bytes([1]) * 32, Spends.ORDERS, 1, 0).left == most - 1


async def command(*words: object) -> str:
    """What `fairway wallet mandate` says, run beside the house."""
    result = await asyncio.to_thread(CliRunner().invoke, mandate_app, [str(word) for word in words], input="open\n")
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


async def test_an_owner_grants_and_revokes_from_the_command_line_and_a_bot_begins_from_its_file(stage, tmp_path):
    stage.owner.keystore.save(tmp_path / "keys", "open")
    await stage.sleep(stage.owner)
    stage.owner.store.close()
    async with served(stage.house) as port:
        mine = ["--keystore", tmp_path / "keys", "--record", tmp_path / "owner.sqlite"]
        mine += ["--service", f"ws://127.0.0.1:{port}/v1/ws"]
        what = ["--symbol", "ETH-TON", "--reserve", "50", "--max-lots", 100, "--leverage", 5]
        out = tmp_path / "bot.json"
        said = await command("grant", "bot", *what, "--out", out, *mine)
        (key,) = stage.house.engine.accounts[stage.owner.channel_id].mandates
        assert said.endswith(f"mandate {key}: 50 TON in ETH-TON for 24 h; the bot's file is {out}\n")
        assert out.stat().st_mode & 0o777 == 0o600
        async with Bot.of(out, f"http://127.0.0.1:{port}") as bot:
            assert (await bot.place(bot.order("BUY", "LIMIT", 5, MARK - 50)))["status"] == "NEW"
        assert (await command("revoke", key, *mine)).endswith(f"mandate {key} is over\n")
    account = stage.house.engine.accounts[stage.owner.channel_id]
    assert not account.mandates
    assert not account.orders
    stage.owner.store = Store(tmp_path / "owner.sqlite")
