"""The numbers that exchange clients know, for our own words. Unlisted words have their family's number."""

from __future__ import annotations

from fairway.errors import FairwayError, IllegalTransition, InvalidMessage, Unavailable

__all__ = ["numeric_code", "status_code"]

UNKNOWN_OUTCOME, OVERLOADED, BAD_PARAMETER, BAD_SIGNATURE, BAD_SYMBOL = -1006, -1008, -1102, -1022, -1121
NEW_ORDER_REJECTED, CANCEL_REJECTED, MARGIN, REDUCE_ONLY, NO_SUCH_ORDER = -2010, -2011, -2019, -2022, -2013
BAD_TIME, BAD_KEY, TOO_MANY_REQUESTS = -1021, -2015, -1003
PRICE_BAND, SIZE, NOTIONAL, TOO_MANY_ORDERS = -4131, -4003, -4164, -2025
BAD_TYPE, BAD_FORCE, BAD_COMBINATION, BAD_CALLBACK, CLIENT_ID = -1116, -1115, -1106, -4136, -4116
POSITION_CAP, UNFILLED, WOULD_TAKE, SAME_MARGIN_TYPE, LEVERAGE, OUR_FAULT = -2027, -5021, -5022, -4046, -4028, -1000

CODES = {
    "market.unknown": BAD_SYMBOL,
    "market.no_price": OVERLOADED,
    "market.band": PRICE_BAND,
    "market.size": SIZE,
    "market.orders": TOO_MANY_ORDERS,
    "market.reduce_only": REDUCE_ONLY,
    "market.stale": REDUCE_ONLY,
    "market.notional": NOTIONAL,
    "order.margin": MARGIN,
    "order.distress": MARGIN,
    "order.position_cap": POSITION_CAP,
    "margin.requirement": MARGIN,
    "order.reserve": MARGIN,
    "order.reduce_only": REDUCE_ONLY,
    "order.unknown": NO_SUCH_ORDER,
    "order.unfilled": UNFILLED,
    "order.would_take": WOULD_TAKE,
    "order.leverage": LEVERAGE,
    "margin.type": SAME_MARGIN_TYPE,
    "order.kind": BAD_TYPE,
    "order.force": BAD_FORCE,
    "order.flag": BAD_COMBINATION,
    "order.trigger": BAD_COMBINATION,
    "order.callback": BAD_CALLBACK,
    "order.client_id": CLIENT_ID,
    "nonce.used": BAD_TIME,
    "nonce.old": BAD_TIME,
    "channel.unknown": BAD_PARAMETER,
    "channel.dropped_filled": CANCEL_REJECTED,
    "channel.coverage": MARGIN,
    "channel.room": NEW_ORDER_REJECTED,
    "mandate.reserve": MARGIN,
    "mandate.leverage": LEVERAGE,
    "mandate.unknown": BAD_KEY,
    "mandate.owner": BAD_KEY,
    "request.key": BAD_KEY,
    "request.signature": BAD_SIGNATURE,
    "request.time": BAD_TIME,
    "request.weight": TOO_MANY_REQUESTS,
    "request.banned": TOO_MANY_REQUESTS,
    "signature.invalid": BAD_SIGNATURE,
    "signature.length": BAD_SIGNATURE,
    "service.unknown": UNKNOWN_OUTCOME,
}

PATIENCE = {"request.weight": 429, "request.banned": 418}
"""What is refused for its number only; clients know these by the status."""


def numeric_code(error: FairwayError, *, cancels: bool = False) -> int:
    """The number for `error`'s word; to a request that `cancels` an order that is not there has one of its own."""
    if error.code in CODES:
        return CANCEL_REJECTED if cancels and error.code == "order.unknown" else CODES[error.code]
    if isinstance(error, IllegalTransition):
        return OUR_FAULT
    if isinstance(error, Unavailable):
        return OVERLOADED
    return BAD_PARAMETER if isinstance(error, InvalidMessage) else NEW_ORDER_REJECTED


def status_code(error: FairwayError) -> int:
    """The HTTP status: 500 for our own fault, 503 when we cannot, 429 and 418 when we will not yet, 404, else 400."""
    if isinstance(error, IllegalTransition | Unavailable):
        return 500 if isinstance(error, IllegalTransition) else 503
    if error.code in PATIENCE:
        return PATIENCE[error.code]
    return 404 if error.code.endswith((".unknown", ".missing")) else 400
