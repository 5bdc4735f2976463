"""Who asks by REST: the holder of a sub-key that some user's mandate names, by a signature over the whole request.

    X-API-KEY        the sub-key, hexadecimal
    X-API-TIMESTAMP  milliseconds since 1970, no older than `recvWindow` (a parameter; 5,000 if not given)
    X-API-SIGNATURE  Ed25519 over timestamp ‖ method ‖ path ‖ query ‖ body, hexadecimal

Every request names the `channelId` that it is about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar
from urllib.parse import parse_qsl

from litestar import Request, Response

from fairway.crypto import keys
from fairway.errors import FairwayError, InvalidMessage, Rejected
from fairway.exchange.account import Account
from fairway.exchange.mandate import Mandate
from fairway.service.api.throttle import Left, Spends, Throttle
from fairway.service.house import House

__all__ = ["Asking", "Caller", "Signed", "admit", "admit_signed", "look", "mandates_of"]

T = TypeVar("T")
Asking = Request[Any, Any, Any]
RECV_WINDOW_MS, WIDEST_MS, AHEAD_MS = 5_000, 60_000, 1_000


class Caller(NamedTuple):
    """Who was admitted: for which channel, by which key, under which of its mandates, with how much left to ask."""

    channel_id: bytes
    sub_key: bytes
    mandates: dict[int, Mandate]
    left: Left

    def mandate(self, key: int) -> Mandate:
        """The caller's mandate under `key`, or `Rejected` (`mandate.unknown`)."""
        if key not in self.mandates:
            raise Rejected("mandate.unknown", "this key has no such mandate", key=key)
        return self.mandates[key]

    def answer(self, content: T) -> Response[T]:
        """`content`, with what is left to ask."""
        spends, left, full_in_s = self.left
        headers = {
            "X-RateLimit-Resource": spends.name.lower(),
            "X-RateLimit-Limit": str(spends.value),
            "X-RateLimit-Remaining": str(left),
            "X-RateLimit-Reset": str(full_in_s),
        }
        return Response(content, headers=headers)


async def look(house: House, caller: Caller, question: Callable[[Account], T]) -> T:
    """What the caller's account says, as of what is durable."""
    return await house.sequencer.ask(lambda: question(house.engine.venue.account(caller.channel_id)))


class Signed(NamedTuple):
    """What a request's signature is over, and its headers by their names in small letters."""

    headers: Mapping[str, str]
    method: str
    path: str
    query: bytes
    body: bytes = b""

    @property
    def params(self) -> dict[str, str]:
        """The query's parameters; of one that is there twice the last."""
        return dict(parse_qsl(self.query.decode("latin1"), keep_blank_values=True))


async def admit(house: House, throttle: Throttle, request: Asking, spends: Spends, weight: int = 1) -> Caller:
    """`admit_signed` of a request by REST."""
    url = request.scope
    signed = Signed(request.headers, request.method, url["path"], url["query_string"], await request.body())
    return await admit_signed(house, throttle, signed, spends, weight)


async def admit_signed(house: House, throttle: Throttle, signed: Signed, spends: Spends, weight: int = 1) -> Caller:
    """Who asks, once everything about the request is in order.

    Errors: `InvalidMessage` (`request.headers`, `request.channel`, `request.signature`), `Rejected` (`request.time`,
    `request.key`, `request.weight`, `request.banned`).
    """
    sub_key, signature, timestamp = _headers(signed.headers)
    now_ms, window_ms, params = house.clock.now_ms(), _window(signed.params), signed.params
    if not -AHEAD_MS <= now_ms - timestamp <= window_ms:
        raise Rejected("request.time", "the timestamp is outside the receive window", server_time=now_ms)
    words = f"{timestamp}{signed.method}{signed.path}".encode() + signed.query + signed.body
    try:
        keys.verify(sub_key, words, signature)
    except FairwayError:
        raise InvalidMessage("request.signature", "the signature does not cover this request") from None
    left = throttle.spend(sub_key, spends, weight, now_ms)
    channel_id = _channel_id(params)
    mandates = await house.sequencer.ask(lambda: mandates_of(house.engine.accounts.get(channel_id), sub_key))
    if not mandates:
        raise Rejected("request.key", "no mandate of this channel names this key")
    return Caller(channel_id, sub_key, mandates, left)


def mandates_of(account: Account | None, sub_key: bytes) -> dict[int, Mandate]:
    """The mandates of `account`, if there is one, that name `sub_key`."""
    known = account.mandates if account is not None else {}
    return {key: mandate for key, mandate in known.items() if mandate.terms.sub_key == sub_key}


def _headers(headers: Mapping[str, str]) -> tuple[bytes, bytes, int]:
    try:
        sub_key, signature = (bytes.fromhex(headers[name]) for name in ("x-api-key", "x-api-signature"))
        timestamp = int(headers["x-api-timestamp"])
        keys.check_public_key(sub_key)
    except (KeyError, ValueError, FairwayError):
        raise InvalidMessage("request.headers", "a private request has a key, a timestamp and a signature") from None
    return sub_key, signature, timestamp


def _window(params: Mapping[str, str]) -> int:
    given = params.get("recvWindow", str(RECV_WINDOW_MS))
    if not (given.isascii() and given.isdigit() and len(given) < 9 and int(given) <= WIDEST_MS):
        raise InvalidMessage("request.window", "a receive window is at most a minute")
    return int(given)


def _channel_id(params: Mapping[str, str]) -> bytes:
    try:
        return bytes.fromhex(params["channelId"])
    except (KeyError, ValueError):
        raise InvalidMessage("request.channel", "every private request names its channelId") from None
