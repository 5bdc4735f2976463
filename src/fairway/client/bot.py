"""A bot with a sub-key: it trades in its owner's channel, under his mandate, by REST. It holds no other key.

It can order and cancel, no more: it signs orders under the mandate and requests, and no contract pays by those.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import httpx
import msgspec
from msgspec.structs import replace
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from fairway.crypto.keys import Signer
from fairway.errors import UNREADABLE, Rejected, Unavailable
from fairway.exchange import wire
from fairway.exchange.asked import Asked
from fairway.exchange.listing import Listing
from fairway.exchange.mandate import NUMBER_BOUND, MandateTerms, cancel_digest, countdown_digest, order_digest
from fairway.exchange.rules import Rules
from fairway.exchange.sweeps import NEVER_MS

__all__ = ["Bot", "BotFile", "now_ms"]

TIMEOUT_S = 15.0


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class BotFile(msgspec.Struct, frozen=True):
    """All that a bot begins from, as JSON: its `seed`, the venue's rules, its mandate. Secret: the seed."""

    seed: bytes
    welcome: wire.Welcome
    mandate: MandateTerms


class Bot:
    """The holder of a sub-key, and the `mandate` that he was given with it.

    Numbers of orders count up from the newest that the service has seen. Errors of every call: `Rejected` with the
    service's word, `Unavailable` (`bot.service`) where it does not answer: then nobody knows whether it acted. To place
    the same order again, under its number, is safe: it is placed once.
    """

    def __init__(
        self,
        url: str,
        signer: Signer,
        rules: Rules,
        mandate: MandateTerms,
        *,
        clock_ms: Callable[[], int] = now_ms,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.mandate = mandate
        self._signer = signer
        self._rules = rules
        self._clock_ms = clock_ms
        self._newest = 0
        self._nonce = 0
        self._web = httpx.AsyncClient(base_url=url, timeout=TIMEOUT_S, trust_env=False, transport=transport)

    @classmethod
    def of(cls, path: Path, url: str) -> Self:
        """The bot of the file that its owner has made it, at the service's REST. Errors: `Unavailable` (`bot.file`)."""
        try:
            known = msgspec.json.decode(path.read_bytes(), type=BotFile)
        except (OSError, *UNREADABLE) as error:
            raise Unavailable("bot.file", f"this is no bot's file: {error}") from None
        return cls(url, Signer.of(known.seed), Rules(known.welcome), known.mandate)

    async def __aenter__(self) -> Self:
        await self.learn()
        return self

    async def learn(self) -> None:
        """Learn which numbers were used; `Rejected` (`mandate.unknown`) where there is no such mandate."""
        account = await self.ask("GET", "/v1/account")
        mine = [each for each in account["mandates"] if each["mandate"] == self.mandate.key]
        if not mine:
            raise Rejected("mandate.unknown", "the service knows no such mandate of this key")
        self._newest = max(self._newest, mine[0]["newestNumber"])

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._web.aclose()

    @property
    def symbol(self) -> str:
        """The market of the mandate."""
        return self.listing.instrument.symbol

    @property
    def listing(self) -> Listing:
        """The market of the mandate, with its rules."""
        return self._rules.listing(self.mandate.market)

    async def mark(self) -> int:
        """The newest mark of the market, in ticks."""
        newest = await self.ask("GET", "/v1/premiumIndex", symbol=self.symbol)
        return int(newest["markPrice"])

    async def trades(self, key: int) -> list[dict[str, Any]]:
        """The newest fills of the order under `key`."""
        fills: list[dict[str, Any]] = await self.ask("GET", "/v1/userTrades", orderId=key)
        return fills

    def order(self, side: str, kind: str, lots: int, price: int, **more: Any) -> Asked:
        """An order to place, signed, under the next number; `more` are other fields of `Asked`."""
        number = self._newest + 1
        if number >= NUMBER_BOUND:
            raise Rejected("mandate.number", "the mandate is used up: a new one begins again")
        self._newest = number
        named = {"good_till_date": self.mandate.expires_ms, "leverage": self.mandate.leverage} | more
        given = self.mandate
        asked = Asked(self.symbol, side, kind, str(lots), str(price), given.key, given.slot, number, **named)
        terms = asked.terms(self._rules, given.channel_id)
        return replace(asked, signature=self._signer.sign(order_digest(given.key, terms)).hex())

    async def place(self, asked: Asked) -> dict[str, Any]:
        """Place an order; how it stands. Once more: the same answer, and nothing else happens."""
        placed: dict[str, Any] = await self.ask("POST", "/v1/order", body=msgspec.json.encode(asked))
        return placed

    async def place_many(self, asked: list[Asked]) -> list[dict[str, Any]]:
        """Place orders, each by itself; for each how it stands, or its refusal (`code`, `msg`, `data`)."""
        answers: list[dict[str, Any]] = await self.ask("POST", "/v1/batchOrders", body=msgspec.json.encode(asked))
        return answers

    async def amend(self, key: int, asked: Asked) -> dict[str, Any]:
        """Place an order instead of the one under `key`, or leave both as they are; how the new one stands.

        It keeps its place in the book where only its size falls. Once more: the same answer.
        """
        body, signature = msgspec.json.encode(asked), self._cancelling(key)["signature"]
        amended: dict[str, Any] = await self.ask("PUT", "/v1/order", body=body, orderId=key, cancel=signature)
        return amended

    async def find(self, client_id: str) -> dict[str, Any] | None:
        """How the order of this name stands; None where the service knows none."""
        try:
            found: dict[str, Any] = await self.ask("GET", "/v1/order", origClientOrderId=client_id)
        except Rejected as refusal:
            if refusal.code == "order.unknown":
                return None
            raise
        return found

    async def cancel(self, key: int) -> dict[str, Any]:
        """Cancel the order under `key`; how it stood at its end."""
        ended: dict[str, Any] = await self.ask("DELETE", "/v1/order", orderId=key, **self._cancelling(key))
        return ended

    async def cancel_all(self) -> None:
        """Cancel every live order of the mandate."""
        await self.ask("DELETE", "/v1/allOpenOrders", **self._cancelling())

    async def count_down(self, after_ms: int) -> None:
        """Have every order of the mandate cancelled `after_ms` from now, unless asked again before; 0: never."""
        given, self._nonce = self.mandate, max(self._nonce + 1, self._clock_ms())
        digest = countdown_digest(given.channel_id, given.key, self._nonce, after_ms or NEVER_MS)
        signature = self._signer.sign(digest).hex()
        await self.ask(
            "POST",
            "/v1/countdownCancelAll",
            mandate=given.key,
            countdownTime=after_ms,
            nonce=self._nonce,
            signature=signature,
        )

    def _cancelling(self, *orders: int) -> dict[str, Any]:
        given = self.mandate
        digest = cancel_digest(given.channel_id, given.key, orders)
        return {"mandate": given.key, "signature": self._signer.sign(digest).hex()}

    async def follow(self, from_seq: int = 0) -> AsyncIterator[dict[str, Any]]:
        """All that happens to the account, number by number from `from_seq` (0: the next) on, until the line breaks.

        Then `Unavailable` (`bot.stream`): follow again from the number after the last. A refusal says so too.
        """
        params = {"channelId": self.mandate.channel_id.hex()} | ({"fromSeq": from_seq} if from_seq else {})
        query, path = urlencode(params), "/v1/userStream"
        url = f"ws{str(self._web.base_url).removeprefix('http').rstrip('/')}{path}?{query}"
        try:
            async with connect(url, additional_headers=self._headers("GET", path, query)) as line:
                async for message in line:
                    yield msgspec.json.decode(message)
                raise Unavailable("bot.stream", "the service hung up")
        except (OSError, WebSocketException, TimeoutError) as error:
            raise Unavailable("bot.stream", f"the stream broke: {error!r}") from error

    def _headers(self, method: str, path: str, query: str, body: bytes = b"") -> dict[str, str]:
        """The signature of a request."""
        timestamp = str(self._clock_ms())
        words = f"{timestamp}{method}{path}{query}".encode() + body
        return {
            "X-API-KEY": self._signer.key.hex(),
            "X-API-TIMESTAMP": timestamp,
            "X-API-SIGNATURE": self._signer.sign(words).hex(),
        }

    async def ask(self, method: str, path: str, *, body: bytes = b"", **params: Any) -> Any:
        """What the service answers to a private request."""
        query = urlencode({"channelId": self.mandate.channel_id.hex(), **params})
        headers = self._headers(method, path, query, body) | {"Content-Type": "application/json"}
        try:
            reply = await self._web.request(method, f"{path}?{query}", content=body, headers=headers)
            answer = reply.json()
        except (httpx.HTTPError, ValueError) as error:
            raise Unavailable("bot.service", f"the service does not answer: {error!r}") from error
        if reply.status_code == httpx.codes.OK:
            return answer
        try:
            word, said, number = answer["data"]["code"], answer["msg"], answer["code"]
        except (KeyError, TypeError):
            raise Unavailable("bot.service", f"somebody else answers: {reply.status_code}") from None
        if reply.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise Unavailable(word, said, number=number)
        raise Rejected(word, said, number=number)
