"""The REST interface asked what its own description allows, and what it does not: never a server error.

A real venue answers, with an owner, another trader, and the owner's bot: most requests carry the bot's signature, and
many orders are plausible and signed too, so that they come further than to the first check. Time moves a second with
each request: no bucket of the throttle runs dry.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import hypothesis
import msgspec
import requests
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import response_schema_conformance

from fairway.client.bot import Bot
from fairway.exchange.mandate import cancel_digest, countdown_digest
from fairway.exchange.order_types import TABLE
from fairway.exchange.sweeps import NEVER_MS
from fuzz import Wrong

__all__ = ["Tried", "run"]

STAGES = Path(__file__).parents[1] / "tests" / "e2e"
FAR_MS = 1 << 45
CHECKS = [not_a_server_error, response_schema_conformance]
COUNTERSIGN_EVERY = 40
REFUSED = 400


class _Clock:
    """A second for each request."""

    def __init__(self) -> None:
        self.ms = 1_800_000_000_000

    def now_ms(self) -> int:
        return self.ms

    async def follow(self, chain: object) -> None:
        del chain
        await asyncio.Event().wait()


class Tried(Counter[str]):
    """How often each operation gave each status, and word."""


class Asking:
    """Whoever asks: it turns a case into a request, signs it, and judges the answer."""

    def __init__(self, web: httpx.AsyncClient, bot: Bot, stage: Any, clock: _Clock, seed: int) -> None:
        self.web, self._bot, self._stage, self._clock = web, bot, stage, clock
        self._signer = stage.sub_key
        self._random = Random(seed)
        self.tried = Tried()

    async def ask(self, case: Any) -> None:
        """Errors: `Wrong`."""
        self._clock.ms += 1_000
        if self.tried.total() % COUNTERSIGN_EVERY == 0:
            await self._stage.owner.session.countersign()
        self._season(case)
        try:
            words = case.as_transport_kwargs(base_url=str(self.web.base_url).rstrip("/"))
            prepared = requests.Request(**words).prepare()
            named, body = self._headers(prepared), self._body(prepared)
            request = self.web.build_request(prepared.method or "", prepared.url or "", content=body, headers=named)
            self._sign(request)
        except (requests.RequestException, httpx.InvalidURL, UnicodeError, ValueError):
            return  # nothing that can be sent
        answer = await self.web.send(request)
        word = self._judge(case, answer)
        self.tried[f"{case.operation.method.upper()} {case.operation.path} {answer.status_code} {word}".strip()] += 1

    @staticmethod
    def _body(prepared: requests.PreparedRequest) -> bytes:
        body = prepared.body or b""
        return body.encode() if isinstance(body, str) else bytes(body)

    @staticmethod
    def _headers(prepared: requests.PreparedRequest) -> dict[str, str]:
        named = {"content-type", "x-api-key"}
        return {name: str(value) for name, value in prepared.headers.items() if name.lower() in named}

    def _season(self, case: Any) -> None:
        """Give half of the cases what is known here: markets, orders, signatures."""
        if self._random.random() < 0.5:
            return
        body = case.body
        if isinstance(body, dict) and "side" in body:
            case.body = body | self._order()
        elif isinstance(body, list) and body and all(isinstance(each, dict) and "side" in each for each in body):
            case.body = [each | self._order() for each in body]
        query = case.query if isinstance(case.query, dict) else {}
        known = {"symbol": "ETH-TON", "mandate": self._bot.mandate.key, "interval": "1m", "marginType": "CROSSED"}
        case.query = query | {name: value for name, value in known.items() if name in query}
        self._sign_query(case.query)

    def _order(self) -> dict[str, Any]:
        draw, mark = self._random.choice, 51_500
        price = mark + self._random.randrange(-200, 200)
        kind, force = draw([(kind, force) for kind, form in TABLE.items() for force in form.forces])
        asked = self._bot.order(
            draw(("BUY", "SELL")),
            kind.value,
            self._random.randrange(1, 40),
            price,
            time_in_force=force.value,
            leverage=draw((1, 5, 10, 11)),
            reduce_only=draw((False, False, True)),
            stop_price=draw(("0", str(price))),
            round=1,
            new_client_order_id=draw(("", "a", "b", "c")),
        )
        if self._random.random() < 0.1:
            asked = msgspec.structs.replace(asked, signature=draw(("00" * 64, "zz", "")))
        return dict(msgspec.to_builtins(asked))

    def _sign_query(self, query: dict[str, Any]) -> None:
        """Sign what the query asks to cancel, or to count down to."""
        given = self._bot.mandate
        live = list(self._stage.house.engine.accounts[given.channel_id].orders)
        if "orderId" in query and live:
            query["orderId"] = self._random.choice(live)
        keys = [query["orderId"]] if isinstance(query.get("orderId"), int) else []
        try:
            digest = cancel_digest(given.channel_id, given.key, keys)
            if "countdownTime" in query:
                query["nonce"] = self._clock.ms
                after_ms = query["countdownTime"] or NEVER_MS
                digest = countdown_digest(given.channel_id, given.key, self._clock.ms, after_ms)
        except (OverflowError, TypeError, AttributeError):
            return
        for name in ("signature", "cancel"):
            if name in query:
                query[name] = self._signer.sign(digest).hex()

    def _sign(self, request: httpx.Request) -> None:
        """Sign most requests, under the right channel."""
        if self._random.random() < 0.15:
            return
        channel_id = self._bot.mandate.channel_id.hex()
        request.url = request.url.copy_merge_params({"channelId": channel_id})
        stamp = str(self._clock.ms)
        words = f"{stamp}{request.method}{request.url.path}".encode() + request.url.query + request.content
        request.headers["X-API-KEY"] = self._signer.key.hex()
        request.headers["X-API-TIMESTAMP"] = stamp
        request.headers["X-API-SIGNATURE"] = self._signer.sign(words).hex()

    @staticmethod
    def _judge(case: Any, answer: httpx.Response) -> str:
        """Our own word for a refusal, or nothing. Errors: `Wrong`."""
        word = ""
        told = f"{answer.request.method} {answer.request.url} {answer.request.content!r}"
        if answer.status_code >= REFUSED and answer.request.method != "HEAD":
            try:
                said = answer.json()
                word = said["data"]["code"]
                is_ours = isinstance(said["code"], int) and bool(said["msg"]) and bool(word)
            except (ValueError, KeyError, TypeError):
                is_ours = False
            if not is_ours:
                raise Wrong(f"{told}: a refusal in other words: {answer.status_code} {answer.text:.200}")
        try:
            case.validate_response(answer, checks=CHECKS)
        except (AssertionError, FailureGroup) as failure:
            raise Wrong(f"{told}: {answer.status_code} {answer.text:.300}: {failure!r:.500}") from None
        return word


def run(count: int, seed: int, *, http: bool) -> Tried:
    """About `count` requests, by every operation alike; how often each status was given. Errors: `Wrong`."""
    with asyncio.Runner() as runner, TemporaryDirectory() as folder:
        opened = AsyncExitStack()
        asking = runner.run(_open(opened, Path(folder), seed, http=http))
        try:
            described = runner.run(_described(asking))
            operations = [found.ok() for found in schemathesis.openapi.from_dict(described).get_all_operations()]
            each = max(1, count // (2 * len(operations)))
            for operation in operations:
                for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                    _try(runner, asking, operation, mode, each, seed)
        finally:
            runner.run(opened.aclose())
    return asking.tried


def _try(runner: asyncio.Runner, asking: Asking, operation: Any, mode: GenerationMode, count: int, seed: int) -> None:
    found: list[Wrong] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @hypothesis.given(operation.as_strategy(generation_mode=mode))
    def one(case: Any) -> None:
        try:
            if not found:
                runner.run(asking.ask(case))
        except Wrong as wrong:  # time has moved: Hypothesis would not see it again
            found.append(wrong)

    with suppress(Unsatisfiable):  # what takes nothing cannot be given anything wrong
        one()
    if found:
        raise found[0]


async def _open(opened: AsyncExitStack, folder: Path, seed: int, *, http: bool) -> Asking:
    if str(STAGES) not in sys.path:
        sys.path.append(str(STAGES))
    from bot_stage import served, staged  # noqa: PLC0415 - the tests' own stage

    clock = _Clock()
    stage = await opened.enter_async_context(staged(folder, clock))
    bot = await opened.enter_async_context(await stage.grant(expires_ms=FAR_MS))
    if http:
        port = await opened.enter_async_context(served(stage.house))
        web = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30)
    else:
        web = httpx.AsyncClient(transport=stage.web, base_url="http://venue")
    await opened.enter_async_context(web)
    return Asking(web, bot, stage, clock, seed)


async def _described(asking: Asking) -> dict[str, Any]:
    answer = await asking.web.get("/v1/schema/openapi.json")
    described: dict[str, Any] = answer.json()
    return described
