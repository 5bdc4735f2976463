"""What a bot asks with a sub-key: orders placed and cancelled under its mandates, and what became of them.

A request is admitted by its own signature (`admission`). An order carries another, over its terms, which the owner's
session checks and a contract would: nobody who carries requests, the service included, can make an order of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.params import Parameter

from fairway.errors import FairwayError, InvalidMessage, Rejected
from fairway.exchange.account import Account
from fairway.exchange.asked import Asked
from fairway.exchange.event import Mandated, Withdrawn
from fairway.exchange.live_order import LiveOrder
from fairway.exchange.terms import OrderTerms
from fairway.service.api.admission import Caller, admit
from fairway.service.api.codes import numeric_code
from fairway.service.api.private_shapes import (
    AccountShape,
    BalanceShape,
    MandateShape,
    OrderShape,
    PositionShape,
    TradeShape,
)
from fairway.service.api.throttle import Spends, Throttle
from fairway.service.house import House

__all__ = ["HANDLERS"]

T = TypeVar("T")
BATCH = 20
Limit = Annotated[int, Parameter(ge=1, le=500)]
Asking = Request[Any, Any, Any]


@post("/v1/order", status_code=200)
async def place(house: House, throttle: Throttle, request: Asking) -> Response[OrderShape]:
    """Place one order; answered once it is durable. The same once more is answered as it was."""
    caller = await admit(house, throttle, request, Spends.ORDERS)
    asked = _decoded(await request.body(), Asked)
    return _with_limits(caller, await _place(house, caller, asked))


@post("/v1/batchOrders", status_code=200)
async def place_many(house: House, throttle: Throttle, request: Asking) -> Response[list[Any]]:
    """Place orders, each by itself: an answer or a refusal for each, in their order."""
    asked = _decoded(await request.body(), list[Asked])
    if len(asked) > BATCH:
        raise InvalidMessage("request.batch", f"at most {BATCH} orders at once", orders=len(asked))
    caller = await admit(house, throttle, request, Spends.ORDERS, len(asked))
    answers: list[Any] = []
    for each in asked:
        try:
            answers.append(await _place(house, caller, each))
        except FairwayError as error:
            answers.append({"code": numeric_code(error), "msg": error.message, "data": {"code": error.code}})
    return _with_limits(caller, answers)


@delete("/v1/order", status_code=200)
async def cancel(
    house: House, throttle: Throttle, request: Asking, mandate: int, signature: str
) -> Response[OrderShape]:
    """Cancel the order `orderId`, or that called `origClientOrderId`; `signature` is of `mandate.cancel_digest`."""
    caller = await admit(house, throttle, request, Spends.CANCELS)
    key = await _look(house, caller, lambda account: _key_of(account, request))
    await _withdraw(house, caller, mandate, [key], signature)
    return _with_limits(caller, await _look(house, caller, lambda account: _order(account, key)))


@delete("/v1/batchOrders", status_code=200)
async def cancel_many(
    house: House, throttle: Throttle, request: Asking, mandate: int, signature: str
) -> Response[list[OrderShape]]:
    """Cancel the orders of `orderIdList` (numbers with commas between), all or none."""
    caller = await admit(house, throttle, request, Spends.CANCELS)
    try:
        keys = [int(each) for each in request.query_params["orderIdList"].split(",")][: BATCH + 1]
    except (KeyError, ValueError):
        raise InvalidMessage("request.orders", "a list of orders has numbers, with commas between") from None
    await _withdraw(house, caller, mandate, keys, signature)
    return _with_limits(caller, await _look(house, caller, lambda account: [_order(account, key) for key in keys]))


@delete("/v1/allOpenOrders", status_code=200)
async def cancel_all(
    house: House, throttle: Throttle, request: Asking, mandate: int, signature: str
) -> Response[dict[str, Any]]:
    """Cancel every live order of the mandate."""
    caller = await admit(house, throttle, request, Spends.CANCELS)
    await _withdraw(house, caller, mandate, [], signature)
    return _with_limits(caller, {"code": 200, "msg": "every order of the mandate is gone"})


@get("/v1/order")
async def order(house: House, throttle: Throttle, request: Asking) -> Response[OrderShape]:
    """One order, live or lately ended."""
    caller = await admit(house, throttle, request, Spends.WEIGHT)
    return _with_limits(caller, await _look(house, caller, lambda account: _order(account, _key_of(account, request))))


@get("/v1/openOrders")
async def open_orders(house: House, throttle: Throttle, request: Asking) -> Response[list[OrderShape]]:
    """The live orders, of one `symbol` or of all."""
    caller = await admit(house, throttle, request, Spends.WEIGHT, 3)
    return _with_limits(caller, await _look(house, caller, lambda account: _live(account, request)))


@get("/v1/allOrders")
async def all_orders(
    house: House, throttle: Throttle, request: Asking, limit: Limit = 500
) -> Response[list[OrderShape]]:
    """The orders that ended last, and the live ones."""
    caller = await admit(house, throttle, request, Spends.WEIGHT, 5)

    def look(account: Account) -> list[OrderShape]:
        ended = [OrderShape.of(account, each.order, each.status) for each in account.past.all()]
        return _of_symbol(ended, request) + _live(account, request)

    return _with_limits(caller, (await _look(house, caller, look))[-limit:])


@get("/v1/userTrades")
async def user_trades(
    house: House, throttle: Throttle, request: Asking, limit: Limit = 500
) -> Response[list[TradeShape]]:
    """The newest fills, oldest first."""
    caller = await admit(house, throttle, request, Spends.WEIGHT, 5)
    trades = await _look(house, caller, lambda _: house.trades.of(caller.channel_id))
    return _with_limits(caller, [TradeShape.of(trade) for trade in trades[-limit:]])


@get("/v1/positionRisk")
async def position_risk(house: House, throttle: Throttle, request: Asking) -> Response[list[PositionShape]]:
    """What is held, at the newest marks."""
    caller = await admit(house, throttle, request, Spends.WEIGHT, 5)
    return _with_limits(caller, await _look(house, caller, _positions))


@get("/v1/balance")
async def balance(house: House, throttle: Throttle, request: Asking) -> Response[list[BalanceShape]]:
    """What the channel has."""
    caller = await admit(house, throttle, request, Spends.WEIGHT)
    return _with_limits(caller, await _look(house, caller, lambda account: [BalanceShape.of(account)]))


@get("/v1/account")
async def account(house: House, throttle: Throttle, request: Asking) -> Response[AccountShape]:
    """What the channel has, what it holds, and the mandates of the asking key."""
    caller = await admit(house, throttle, request, Spends.WEIGHT, 5)

    def look(account: Account) -> AccountShape:
        mandates = [
            MandateShape.of(account, account.mandates[key]) for key in caller.mandates if key in account.mandates
        ]
        return AccountShape([BalanceShape.of(account)], _positions(account), mandates)

    return _with_limits(caller, await _look(house, caller, look))


HANDLERS = [
    place,
    place_many,
    cancel,
    cancel_many,
    cancel_all,
    order,
    open_orders,
    all_orders,
    user_trades,
    position_risk,
    balance,
    account,
]


async def _place(house: House, caller: Caller, asked: Asked) -> OrderShape:
    """Place an order, unless this very order was placed before."""
    given = caller.mandate(asked.mandate)
    if asked.slot != given.terms.slot:
        raise Rejected("mandate.key", "the mandate has another slot", slot=given.terms.slot)
    terms, signature = asked.terms(house.engine.venue.rules, caller.channel_id), _unhexed(asked.signature)
    known = await _look(house, caller, lambda account: _known(account, terms))
    if known is None:
        wish = Mandated(at_ms=0, channel_id=caller.channel_id, mandate=asked.mandate, order=terms, signature=signature)
        await house.sequencer.submit(wish)
    return await _look(house, caller, lambda account: _order(account, terms.key))


async def _withdraw(house: House, caller: Caller, mandate: int, keys: list[int], signature: str) -> None:
    caller.mandate(mandate)
    await house.sequencer.submit(
        Withdrawn(at_ms=0, channel_id=caller.channel_id, mandate=mandate, keys=keys, signature=_unhexed(signature))
    )


async def _look(house: House, caller: Caller, question: Callable[[Account], T]) -> T:
    """What the caller's account says, as of what is durable."""
    return await house.sequencer.ask(lambda: question(house.engine.venue.account(caller.channel_id)))


def _known(account: Account, terms: OrderTerms) -> LiveOrder | None:
    """This very order, live or lately ended."""
    ended = account.past.ended(terms.key)
    found = account.orders.get(terms.key) or (ended.order if ended is not None else None)
    return found if found is not None and found.terms == terms else None


def _order(account: Account, key: int) -> OrderShape:
    live, ended = account.orders.get(key), account.past.ended(key)
    if live is not None:
        return OrderShape.of(account, live)
    if ended is None:
        raise Rejected("order.unknown", "there is no such order", key=key)
    return OrderShape.of(account, ended.order, ended.status)


def _key_of(account: Account, request: Asking) -> int:
    name, number = request.query_params.get("origClientOrderId"), request.query_params.get("orderId", "")
    key = account.past.key_of(name) if name else None
    if key is None and not name and number.isascii() and number.isdigit() and len(number) < 11:
        key = int(number)
    if key is None:
        raise Rejected("order.unknown", "there is no such order")
    return key


def _live(account: Account, request: Asking) -> list[OrderShape]:
    return _of_symbol([OrderShape.of(account, order) for order in account.orders.values()], request)


def _of_symbol(orders: list[OrderShape], request: Asking) -> list[OrderShape]:
    symbol = request.query_params.get("symbol")
    return [order for order in orders if symbol in {None, order.symbol}]


def _positions(account: Account) -> list[PositionShape]:
    return [PositionShape.of(account, market, held.position) for market, held in account.positions.items()]


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, ValueError) as error:
        raise InvalidMessage("request.body", f"this cannot be read: {error}") from None


def _unhexed(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise InvalidMessage("request.signature", "a signature is written in hexadecimal") from None


def _with_limits(caller: Caller, content: T) -> Response[T]:
    spends, left, full_in_s = caller.left
    headers = {
        "X-RateLimit-Resource": spends.name.lower(),
        "X-RateLimit-Limit": str(spends.value),
        "X-RateLimit-Remaining": str(left),
        "X-RateLimit-Reset": str(full_in_s),
    }
    return Response(content, headers=headers)
