"""What clients ask for that no sub-key decides: margin and the channel are its owner's, by his channel key.

It is refused with a word of its own (`mandate.owner`), so that a bot tells "not by you" from "not now". Leverage is
named by every order; what is asked of it here is only answered.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from litestar import Response, post
from litestar.params import Parameter

from fairway.channel.machine import newest_b
from fairway.errors import InvalidMessage, Rejected
from fairway.exchange.account import Account
from fairway.exchange.asked import listing_of
from fairway.exchange.event import CommitProposed
from fairway.exchange.withdrawal import commit_statement
from fairway.service.api.admission import Asking, Caller, admit, look
from fairway.service.api.bodies import decoded, taking
from fairway.service.api.private_shapes import LeverageShape
from fairway.service.api.shapes import WithdrawBody, Withdrawing
from fairway.service.api.throttle import Spends, Throttle
from fairway.service.house import House
from fairway.units import MILLION

__all__ = ["HANDLERS"]

API_KEY = "X-API-KEY"
OWNER = Rejected("mandate.owner", "only the channel's owner decides this, in a session of his own")
Leverage = Annotated[int, Parameter(query="leverage", ge=1, le=255)]


class MarginType(StrEnum):
    """How positions are margined."""

    ISOLATED = "ISOLATED"
    CROSSED = "CROSSED"


MarginKind = Annotated[MarginType, Parameter(query="marginType")]


@post("/v1/leverage", status_code=200)
async def leverage(
    house: House, throttle: Throttle, request: Asking, symbol: str, wanted: Leverage
) -> Response[LeverageShape]:
    """Whether the key may order with this leverage, and up to which value. Nothing is kept: orders name their own."""
    caller = await admit(house, throttle, request, Spends.WEIGHT)
    return caller.answer(await look(house, caller, lambda account: _leverage(account, caller, symbol, wanted)))


@post("/v1/marginType", status_code=200)
async def margin_type(
    house: House, throttle: Throttle, request: Asking, symbol: str, kind: MarginKind
) -> Response[None]:
    """Refused: what is isolated is so already (`margin.type`), and anything else its owner decides."""
    caller = await admit(house, throttle, request, Spends.WEIGHT)
    await look(house, caller, lambda account: listing_of(account.rules, symbol))
    if kind is MarginType.ISOLATED:
        raise Rejected("margin.type", "what a sub-key opens is isolated: there is nothing to change")
    raise OWNER


@post(["/v1/positionMargin", "/v1/channel/countersign", "/v1/channel/close"], status_code=200)
async def owners(house: House, throttle: Throttle, request: Asking) -> Response[None]:
    """Refused: margin moves in a half that the owner signs, and so does the channel."""
    await admit(house, throttle, request, Spends.WEIGHT)
    raise OWNER


@post("/v1/channel/withdraw", status_code=200, operation_class=taking(WithdrawBody))
async def withdraw(house: House, throttle: Throttle, request: Asking) -> Response[Withdrawing]:
    """Withdraw what nothing needs while the channel goes on; answered once it is durable, with the service's signature.

    The channel key's signature is its authorisation; under a sub-key it is refused. The same once more is answered
    again.
    """
    if API_KEY in request.headers:
        await admit(house, throttle, request, Spends.WEIGHT)
        raise OWNER
    commit = _commit_of(await request.body())
    await house.sequencer.submit(commit)
    return Response(await house.sequencer.ask(lambda: _withdrawing(house, commit)))


def _commit_of(body: bytes) -> CommitProposed:
    asked = decoded(body, WithdrawBody, "withdraw.body")
    try:
        return CommitProposed(
            at_ms=0,
            channel_id=bytes.fromhex(asked.channel_id),
            seqno_a=asked.seqno_a,
            seqno_b=asked.seqno_b,
            sent_a=int(asked.sent_a),
            sent_b=int(asked.sent_b),
            withdraw_a=int(asked.withdraw_a),
            signature=bytes.fromhex(asked.signature),
        )
    except ValueError as error:
        raise InvalidMessage("withdraw.body", f"this is no withdrawal: {error}") from None


def _withdrawing(house: House, commit: CommitProposed) -> Withdrawing:
    rules, channel = house.engine.rules, house.engine.venue.channel(commit.channel_id)
    signer = house.keyring.channel(rules.network, rules.vault, channel.key_a)
    signature = signer.sign(commit_statement(commit, commit.channel_id).digest())
    return Withdrawing(commit.channel_id.hex(), str(commit.withdraw_a), newest_b(channel), signature.hex())


HANDLERS = [leverage, margin_type, owners, withdraw]


def _leverage(account: Account, caller: Caller, symbol: str, wanted: int) -> LeverageShape:
    listing = listing_of(account.rules, symbol)
    given = [each.terms for each in caller.mandates.values() if each.terms.market == listing.market]
    most = min(listing.contract.max_leverage, max((terms.leverage for terms in given), default=0))
    if wanted > most:
        raise Rejected("mandate.leverage", "no mandate of this key allows so much leverage here", leverage=most)
    ceilings = [tier.ceiling for tier in listing.contract.tiers if wanted * tier.initial <= MILLION]
    return LeverageShape(symbol, wanted, str(ceilings[-1]))
