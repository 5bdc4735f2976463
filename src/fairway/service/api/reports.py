"""What a bot may know with a sub-key: orders and their fate, fills and their receipts, money, and every event."""

from __future__ import annotations

from typing import Annotated

from litestar import Response, get
from litestar.params import Parameter

from fairway.crypto.keys import Signer
from fairway.errors import Rejected
from fairway.exchange.account import Account
from fairway.service.api.admission import Asking, Caller, admit, look
from fairway.service.api.happened import Happened, happened_in
from fairway.service.api.private_shapes import (
    AccountShape,
    BalanceShape,
    IncomeShape,
    MandateShape,
    OrderShape,
    PositionShape,
    ReceiptShape,
    TradeShape,
)
from fairway.service.api.throttle import Spends, Throttle
from fairway.service.house import House

__all__ = ["HANDLERS", "ClientId", "OrderId", "key_of", "order_of"]

NEWEST = (1 << 63) - 1
Limit = Annotated[int, Parameter(ge=1, le=500)]
IncomeLimit = Annotated[int, Parameter(ge=1, le=1000)]
EventLimit = Annotated[int, Parameter(ge=1, le=100)]
FromSeq = Annotated[int, Parameter(query="fromSeq", ge=1, le=NEWEST)]
Time = Annotated[int | None, Parameter(query="startTime", ge=0, le=NEWEST)]
IncomeType = Annotated[str | None, Parameter(query="incomeType", max_length=32)]
OrderId = Annotated[int | None, Parameter(query="orderId", ge=0, lt=1 << 32)]
ClientId = Annotated[str | None, Parameter(query="origClientOrderId", max_length=36)]
Symbol = Annotated[str | None, Parameter(max_length=32)]


@get("/v1/order")
async def order(
    house: House, throttle: Throttle, request: Asking, order_id: OrderId = None, client_id: ClientId = None
) -> Response[OrderShape]:
    """One order, live or lately ended."""
    caller = await admit(house, throttle, request, Spends.WEIGHT)
    return caller.answer(
        await look(house, caller, lambda account: order_of(account, key_of(account, order_id, client_id)))
    )


@get("/v1/openOrders")
async def open_orders(
    house: House, throttle: Throttle, request: Asking, symbol: Symbol = None
) -> Response[list[OrderShape]]:
    """The live orders, of one `symbol` or of all."""
    caller = await admit(house, throttle, request, Spends.WEIGHT, 3)
    return caller.answer(await look(house, caller, lambda account: _live(account, symbol)))


@get("/v1/allOrders")
async def all_orders(
    house: House, throttle: Throttle, request: Asking, symbol: Symbol = None, limit: Limit = 500
) -> Response[list[OrderShape]]:
    """The orders that ended last, and the live ones."""
    caller = await admit(house, throttle, request, Spends.WEIGHT, 5)

    def ask(account: Account) -> list[OrderShape]:
        ended = [OrderShape.of(account, each.order, each.status) for each in account.past.all()]
        return _of_symbol(ended, symbol) + _live(account, symbol)

    return caller.answer((await look(house, caller, ask))[-limit:])


@get("/v1/userTrades")
async def user_trades(
    house: House,
    throttle: Throttle,
    request: Asking,
    symbol: Symbol = None,
    order_id: OrderId = None,
    limit: Limit = 500,
) -> Response[list[TradeShape]]:
    """The newest fills, oldest first: all, of one `symbol`, of one `orderId`."""
    caller = await admit(house, throttle, request, Spends.WEIGHT, 5)

    def ask(account: Account) -> list[TradeShape]:
        found = [TradeShape.of(account, trade) for trade in house.trades.of(caller.channel_id)]
        return [each for each in found if order_id in {None, each.order_id} and symbol in {None, each.symbol}]

    return caller.answer((await look(house, caller, ask))[-limit:])


@get("/v1/income")
async def income(
    house: House,
    throttle: Throttle,
    request: Asking,
    symbol: Symbol = None,
    income_type: IncomeType = None,
    start_ms: Time = None,
    limit: IncomeLimit = 100,
) -> Response[list[IncomeShape]]:
    """What moved the channel's money, oldest first: from `startTime` on if given, else the newest."""
    caller = await admit(house, throttle, request, Spends.WEIGHT, 5)

    def ask(account: Account) -> list[IncomeShape]:
        known = [IncomeShape.of(account, each) for each in house.trades.incomes(caller.channel_id)]
        return [each for each in known if symbol in {None, each.symbol} and income_type in {None, each.income_type}]

    found = await look(house, caller, ask)
    if start_ms is None:
        return caller.answer(found[-limit:])
    return caller.answer([each for each in found if each.time >= start_ms][:limit])


@get("/v1/receipts/{order_id:int}")
async def receipts(
    house: House, throttle: Throttle, request: Asking, order_id: Annotated[int, Parameter(ge=0, lt=1 << 32)]
) -> Response[list[ReceiptShape]]:
    """What the service signed for the fills of an order, oldest first, as far as they are among the newest 500."""
    caller = await admit(house, throttle, request, Spends.WEIGHT, 5)
    signer = await look(house, caller, lambda _: _signer(house, caller))
    found = [trade.receipt for trade in house.trades.of(caller.channel_id) if trade.fill.key == order_id]
    return caller.answer([ReceiptShape.of(each, signer.sign(each.digest())) for each in found])


@get("/v1/events")
async def events(
    house: House, throttle: Throttle, request: Asking, from_seq: FromSeq = 1, limit: EventLimit = 100
) -> Response[list[Happened]]:
    """All that happened to the account, half by half of the service, from number `fromSeq` on; no number is missing."""
    caller = await admit(house, throttle, request, Spends.WEIGHT, 5)
    return caller.answer(await look(house, caller, lambda _: happened_in(house, caller.channel_id, from_seq, limit)))


@get("/v1/positionRisk")
async def position_risk(house: House, throttle: Throttle, request: Asking) -> Response[list[PositionShape]]:
    """What is held, at the newest marks."""
    caller = await admit(house, throttle, request, Spends.WEIGHT, 5)
    return caller.answer(await look(house, caller, _positions))


@get("/v1/balance")
async def balance(house: House, throttle: Throttle, request: Asking) -> Response[list[BalanceShape]]:
    """What the channel has."""
    caller = await admit(house, throttle, request, Spends.WEIGHT)
    return caller.answer(await look(house, caller, lambda account: [BalanceShape.of(account)]))


@get("/v1/account")
async def account(house: House, throttle: Throttle, request: Asking) -> Response[AccountShape]:
    """What the channel has, what it holds, and the mandates of the asking key."""
    caller = await admit(house, throttle, request, Spends.WEIGHT, 5)

    def ask(account: Account) -> AccountShape:
        mandates = [
            MandateShape.of(account, account.mandates[key]) for key in caller.mandates if key in account.mandates
        ]
        return AccountShape([BalanceShape.of(account)], _positions(account), mandates)

    return caller.answer(await look(house, caller, ask))


HANDLERS = [
    order,
    open_orders,
    all_orders,
    user_trades,
    income,
    receipts,
    events,
    position_risk,
    balance,
    account,
]


def key_of(account: Account, order_id: int | None, client_id: str | None) -> int:
    """The key of the order that a request names, by the owner's own name if there is one; else `order.unknown`."""
    key = account.past.key_of(client_id) if client_id else order_id
    if key is None:
        raise Rejected("order.unknown", "there is no such order")
    return key


def order_of(account: Account, key: int) -> OrderShape:
    """The order under `key`, live or lately ended; else `Rejected` (`order.unknown`)."""
    live, ended = account.orders.get(key), account.past.ended(key)
    if live is not None:
        return OrderShape.of(account, live)
    if ended is None:
        raise Rejected("order.unknown", "there is no such order", key=key)
    return OrderShape.of(account, ended.order, ended.status)


def _signer(house: House, caller: Caller) -> Signer:
    rules, channel = house.engine.rules, house.engine.channels[caller.channel_id]
    return house.keyring.channel(rules.network, rules.vault, channel.key_a)


def _live(account: Account, symbol: str | None) -> list[OrderShape]:
    return _of_symbol([OrderShape.of(account, order) for order in account.orders.values()], symbol)


def _of_symbol(orders: list[OrderShape], symbol: str | None) -> list[OrderShape]:
    return [order for order in orders if symbol in {None, order.symbol}]


def _positions(account: Account) -> list[PositionShape]:
    return [PositionShape.of(account, market, held.position) for market, held in account.positions.items()]
