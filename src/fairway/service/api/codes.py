"""The numbers that exchange clients know, for our own words. Unlisted words have their family's number."""

from __future__ import annotations

from fairway.errors import FairwayError, InvalidMessage, Unavailable

__all__ = ["numeric_code", "status_code"]

UNKNOWN_OUTCOME, OVERLOADED, BAD_PARAMETER, BAD_SIGNATURE, BAD_SYMBOL = -1006, -1008, -1102, -1022, -1121
NEW_ORDER_REJECTED, CANCEL_REJECTED, MARGIN, REDUCE_ONLY, NO_SUCH_ORDER = -2010, -2011, -2019, -2022, -2013
BAD_TIME, BAD_KEY, TOO_MANY_REQUESTS = -1021, -2015, -1003
PRICE_BAND, SIZE, NOTIONAL, TOO_MANY_ORDERS = -4131, -4003, -4164, -2025
BAD_TYPE, BAD_FORCE, BAD_COMBINATION, BAD_CALLBACK, CLIENT_ID = -1116, -1115, -1106, -4136, -4116
POSITION_CAP = -2027

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
    "mandate.unknown": BAD_KEY,
    "request.key": BAD_KEY,
    "request.signature": BAD_SIGNATURE,
    "request.time": BAD_TIME,
    "request.weight": TOO_MANY_REQUESTS,
    "signature.invalid": BAD_SIGNATURE,
    "signature.length": BAD_SIGNATURE,
    "service.unknown": UNKNOWN_OUTCOME,
}


def numeric_code(error: FairwayError) -> int:
    """The number for `error`'s word."""
    if error.code in CODES:
        return CODES[error.code]
    if isinstance(error, Unavailable):
        return OVERLOADED
    return BAD_PARAMETER if isinstance(error, InvalidMessage) else NEW_ORDER_REJECTED


def status_code(error: FairwayError) -> int:
    """The HTTP status: 503 when we cannot, 429 when we will not yet, 404 for what is not there, else 400."""
    if isinstance(error, Unavailable):
        return 503
    if error.code == "request.weight":
        return 429
    return 404 if error.code.endswith((".unknown", ".missing")) else 400
