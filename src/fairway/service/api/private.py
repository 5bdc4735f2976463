"""What a bot does with a sub-key: orders placed, amended and cancelled under its mandates, now or after a time.

A request is admitted by its own signature (`admission`). An order carries another, over its terms, which the owner's
session checks and a contract would: nobody who carries requests, the service included, can make an order of them. So
does a cancel, and an amend is both.
"""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Response, delete, post, put
from litestar.params import Parameter

from fairway.errors import FairwayError, InvalidMessage, Rejected
from fairway.exchange.account import Account
from fairway.exchange.asked import Asked
from fairway.exchange.event import CountdownSigned, Mandated, Withdrawn
from fairway.exchange.live_order import LiveOrder
from fairway.exchange.sweeps import NEVER_MS
from fairway.exchange.terms import Kind, OrderTerms
from fairway.service.api.admission import Asking, Caller, admit, look
from fairway.service.api.bodies import decoded, taking
from fairway.service.api.codes import numeric_code
from fairway.service.api.private_shapes import Countdown, OrderShape
from fairway.service.api.reports import ClientId, OrderId, key_of, order_of
from fairway.service.api.throttle import Spends, Throttle
from fairway.service.house import House

__all__ = ["HANDLERS"]

BATCH = 20
Signature = Annotated[str, Parameter(pattern="^[0-9a-f]{128}$")]
MandateKey = Annotated[int, Parameter(ge=0, lt=1 << 32)]
CountdownTime = Annotated[int, Parameter(query="countdownTime", ge=0, le=1 << 53)]
Nonce = Annotated[int, Parameter(ge=1, le=NEVER_MS)]


@post("/v1/order", status_code=200, operation_class=taking(Asked))
async def place(house: House, throttle: Throttle, request: Asking) -> Response[OrderShape]:
    """Place one order; answered once it is durable. The same once more is answered as it was."""
    caller = await admit(house, throttle, request, Spends.ORDERS)
    return caller.answer(await _place(house, caller, decoded(await request.body(), Asked)))


@post("/v1/batchOrders", status_code=200, operation_class=taking(list[Asked]))
async def place_many(house: House, throttle: Throttle, request: Asking) -> Response[list[Any]]:
    """Place orders, each by itself: an answer or a refusal for each, in their order."""
    data = decoded(await request.body(), list[Asked])
    if len(data) > BATCH:
        raise InvalidMessage("request.batch", f"at most {BATCH} orders at once", orders=len(data))
    caller = await admit(house, throttle, request, Spends.ORDERS, len(data))
    answers: list[Any] = []
    for each in data:
        try:
            answers.append(await _place(house, caller, each))
        except FairwayError as error:
            answers.append({"code": numeric_code(error), "msg": error.message, "data": {"code": error.code}})
    return caller.answer(answers)


@put("/v1/order", status_code=200, operation_class=taking(Asked))
async def amend(
    house: House,
    throttle: Throttle,
    request: Asking,
    cancel: Signature,
    order_id: OrderId = None,
    client_id: ClientId = None,
) -> Response[OrderShape]:
    """Place an order instead of `orderId`, or of that called `origClientOrderId`; `cancel` signs that it goes.

    Both or neither. The same once more is answered as it was. Where only the size falls it keeps its place.
    """
    caller = await admit(house, throttle, request, Spends.ORDERS)
    data = decoded(await request.body(), Asked)
    terms = _terms(house, caller, data)
    if not await look(house, caller, lambda account: _known(account, terms)):
        key = await look(house, caller, lambda account: key_of(account, order_id, client_id))
        await _submit(house, caller, data, terms, key, bytes.fromhex(cancel))
    return caller.answer(await look(house, caller, lambda account: _standing(account, terms)))


@delete("/v1/order", status_code=200)
async def cancel(
    house: House,
    throttle: Throttle,
    request: Asking,
    mandate: MandateKey,
    signature: Signature,
    order_id: OrderId = None,
    client_id: ClientId = None,
) -> Response[OrderShape]:
    """Cancel the order `orderId`, or that called `origClientOrderId`; `signature` is of `mandate.cancel_digest`."""
    caller = await admit(house, throttle, request, Spends.CANCELS)
    key = await look(house, caller, lambda account: key_of(account, order_id, client_id))
    await _withdraw(house, caller, mandate, [key], signature)
    return caller.answer(await look(house, caller, lambda account: order_of(account, key)))


@delete("/v1/batchOrders", status_code=200)
async def cancel_many(
    house: House,
    throttle: Throttle,
    request: Asking,
    mandate: MandateKey,
    signature: Signature,
    orders: Annotated[str, Parameter(query="orderIdList", pattern="^[0-9]{1,10}(,[0-9]{1,10}){0,19}$")],
) -> Response[list[OrderShape]]:
    """Cancel the orders of `orderIdList` (numbers with commas between), all or none."""
    caller = await admit(house, throttle, request, Spends.CANCELS)
    keys = [int(each) for each in orders.split(",")]
    await _withdraw(house, caller, mandate, keys, signature)
    return caller.answer(await look(house, caller, lambda account: [order_of(account, key) for key in keys]))


@delete("/v1/allOpenOrders", status_code=200)
async def cancel_all(
    house: House, throttle: Throttle, request: Asking, mandate: MandateKey, signature: Signature
) -> Response[dict[str, Any]]:
    """Cancel every live order of the mandate."""
    caller = await admit(house, throttle, request, Spends.CANCELS)
    await _withdraw(house, caller, mandate, [], signature)
    return caller.answer({"code": 200, "msg": "every order of the mandate is gone"})


@post("/v1/countdownCancelAll", status_code=200)
async def count_down(
    house: House,
    throttle: Throttle,
    request: Asking,
    mandate: MandateKey,
    countdown_ms: CountdownTime,
    nonce: Nonce,
    signature: Signature,
) -> Response[Countdown]:
    """Cancel every live order of the mandate in `countdownTime` milliseconds, unless this is asked again; 0: never.

    `signature` is of `mandate.countdown_digest`, with 2⁶³ − 1 for never; `nonce` is above the one before.
    """
    caller = await admit(house, throttle, request, Spends.CANCELS)
    given = caller.mandate(mandate)
    after_ms = countdown_ms or NEVER_MS
    await house.sequencer.submit(
        CountdownSigned(
            at_ms=0,
            channel_id=caller.channel_id,
            mandate=mandate,
            nonce=nonce,
            after_ms=after_ms,
            signature=bytes.fromhex(signature),
        )
    )
    symbol = house.engine.venue.rules.listing(given.terms.market).instrument.symbol
    return caller.answer(Countdown(symbol, mandate, countdown_ms))


HANDLERS = [place, place_many, amend, cancel, cancel_many, cancel_all, count_down]


async def _place(house: House, caller: Caller, asked: Asked) -> OrderShape:
    """Place an order, unless this very order was placed before."""
    terms = _terms(house, caller, asked)
    if not await look(house, caller, lambda account: _known(account, terms)):
        await _submit(house, caller, asked, terms)
    return await look(house, caller, lambda account: _standing(account, terms))


def _terms(house: House, caller: Caller, asked: Asked) -> OrderTerms:
    """What the asker signed, under one of his mandates; else `Rejected`."""
    slot = caller.mandate(asked.mandate).terms.slot
    if asked.slot != slot:
        raise Rejected("mandate.key", "the mandate has another slot", slot=slot)
    return asked.terms(house.engine.venue.rules, caller.channel_id)


async def _submit(
    house: House, caller: Caller, asked: Asked, terms: OrderTerms, instead_of: int = 0, cancel: bytes = b""
) -> None:
    await house.sequencer.submit(
        Mandated(
            at_ms=0,
            channel_id=caller.channel_id,
            mandate=asked.mandate,
            order=terms,
            signature=_unhexed(asked.signature),
            instead_of=instead_of,
            cancel=cancel,
        )
    )


async def _withdraw(house: House, caller: Caller, mandate: int, keys: list[int], signature: str) -> None:
    caller.mandate(mandate)
    words = bytes.fromhex(signature)
    await house.sequencer.submit(
        Withdrawn(at_ms=0, channel_id=caller.channel_id, mandate=mandate, keys=keys, signature=words)
    )


def _known(account: Account, terms: OrderTerms) -> LiveOrder | None:
    """This very order, live or lately ended."""
    ended = account.past.ended(terms.key)
    found = account.orders.get(terms.key) or (ended.order if ended is not None else None)
    return found if found is not None and found.terms == terms else None


def _standing(account: Account, terms: OrderTerms) -> OrderShape:
    """How an order stands that was placed; `Rejected` where it left at once for what its time in force says."""
    ended = account.past.ended(terms.key)
    if ended is not None and not ended.order.lots and not terms.waits:
        if ended.reason == "would_take":
            raise Rejected("order.would_take", "the order would have taken, and is post-only", key=terms.key)
        if ended.reason == "unfilled" and terms.kind == Kind.FOK:
            raise Rejected("order.unfilled", "the order would not have been filled whole", key=terms.key)
    return order_of(account, terms.key)


def _unhexed(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise InvalidMessage("request.signature", "a signature is written in hexadecimal") from None
