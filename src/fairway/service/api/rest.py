"""The REST face: public market data, channels and proofs to look up, rounds of the oracle to hand in.

Refusals are `{"code", "msg", "data"}`: the number that exchange clients know, a sentence, and our own stable word.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from litestar import Litestar, Request, Response, get, post
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.params import Parameter

from fairway import __version__
from fairway.channel.machine import newest_b
from fairway.errors import FairwayError, InvalidMessage, Rejected, Unavailable
from fairway.exchange.event import Priced, Switched
from fairway.exchange.ledger import BOND, FEES, INSURANCE
from fairway.exchange.listing import Listing
from fairway.exchange.order_types import TABLE
from fairway.exchange.shown import Shown
from fairway.service.api import owners, private, reports
from fairway.service.api.bodies import decoded, describe, taking
from fairway.service.api.codes import BAD_PARAMETER, OUR_FAULT, numeric_code, status_code
from fairway.service.api.markets import HANDLERS
from fairway.service.api.shapes import (
    ChannelState,
    Funds,
    Market,
    PoolTerms,
    PoolWorth,
    Progress,
    RoundBody,
    Settled,
    Status,
    SwitchBody,
    Venue,
)
from fairway.service.api.throttle import Throttle
from fairway.service.house import House
from fairway.service.meter import resident_bytes

__all__ = ["rest"]

MAX_BODY = 64 * 1024
HIDDEN_AMONG = 16
"""So many settlements between two showings of the pool, or its terms would tell what one of them was."""
ChannelId = Annotated[str, Parameter(query="channelId", pattern="^[0-9a-f]{32}$")]
Txid = Annotated[str, Parameter(pattern="^[0-9a-f]{64}$")]


def rest(house: House) -> Litestar:
    """The application over `house`."""
    throttle = Throttle()
    app = Litestar(
        route_handlers=[
            ping,
            time,
            exchange_info,
            *HANDLERS,
            *private.HANDLERS,
            *reports.HANDLERS,
            *owners.HANDLERS,
            insurance,
            pool,
            channel_state,
            settlement_proof,
            liabilities_proof,
            oracle_round,
            operator_switch,
            status,
        ],
        dependencies={
            "house": Provide(lambda: house, sync_to_thread=False),
            "throttle": Provide(lambda: throttle, sync_to_thread=False),
        },
        exception_handlers={FairwayError: _refused, HTTPException: _bad_request, Exception: _fault},
        openapi_config=OpenAPIConfig(title="Fairway", version=__version__, path="/v1/schema"),
        request_max_body_size=MAX_BODY,
        logging_config=None,
        debug=False,
    )
    describe(app.openapi_schema)
    return app


@get("/v1/ping")
async def ping() -> dict[str, str]:
    """Whether the service is there."""
    return {}


@get("/v1/time")
async def time(house: House) -> dict[str, int]:
    """The service's clock, milliseconds since 1970."""
    return {"serverTime": house.clock.now_ms()}


@get("/v1/exchangeInfo")
async def exchange_info(house: House) -> Venue:
    """The venue's rules and markets."""
    return await house.sequencer.ask(lambda: _venue(house))


def _venue(house: House) -> Venue:
    rules = house.engine.rules
    return Venue(
        network=rules.network,
        vault=rules.vault,
        ratio=rules.ratio,
        fine=str(rules.fine),
        oracle_keys=[key.hex() for key in rules.oracle_keys],
        oracle_threshold=rules.oracle_threshold,
        symbols=[_market(house, listing) for listing in rules.listings],
    )


@get("/v1/insurance")
async def insurance(house: House) -> Funds:
    """What stands behind the users."""
    balances = house.engine.venue.ledger.balances
    return Funds(str(balances[INSURANCE]), str(balances[BOND]), str(balances[FEES]))


@get("/v1/pool")
async def pool(house: House) -> PoolWorth:
    """What lenders' shares are worth, as the last epoch proves."""
    venue = house.engine.venue
    shown = await house.sequencer.ask(lambda: venue.shown)
    if shown is None:
        raise Rejected("pool.unknown", "no epoch has shown the pool yet")
    return PoolWorth(
        epochs=venue.counts.epochs_shown,
        record=shown.txid.hex(),
        number=shown.number,
        time=shown.at_ms,
        nav=str(shown.nav),
        shares=str(shown.shares),
        share_price=str(shown.share_price),
        is_solvent=venue.is_solvent,
        settlements=shown.settlements,
        terms=_terms(shown) if shown.settlements >= HIDDEN_AMONG else None,
    )


def _terms(shown: Shown) -> PoolTerms:
    return PoolTerms(**{name: str(getattr(shown, name)) for name in PoolTerms.__struct_fields__})


@get("/v1/channel/state")
async def channel_state(house: House, channel_id: ChannelId) -> ChannelState:
    """Where a channel stands, as of what is durable."""
    channel = await house.sequencer.ask(lambda: house.engine.venue.channel(bytes.fromhex(channel_id)))
    return ChannelState(
        channel_id=channel_id,
        phase=channel.phase.value,
        key_a=channel.key_a.hex(),
        key_b=channel.key_b.hex(),
        seqno_a=channel.a.half.seqno if channel.a else 0,
        seqno_b=newest_b(channel),
        conditionals_a=channel.a_conditionals.root_hash().hex(),
        conditionals_b=channel.b_conditionals.root_hash().hex(),
    )


@get("/v1/proofs/settlement")
async def settlement_proof(house: House, txid: Txid) -> Settled:
    """The public record of a settlement."""
    return _settled(house, bytes.fromhex(txid))


def _settled(house: House, txid: bytes) -> Settled:
    record = house.proofs.get(txid)
    return Settled(txid.hex(), record.number, record.is_proved, record.is_ranged, record.tx.encode().hex())


@get("/v1/proofs/liabilities")
async def liabilities_proof(house: House) -> Settled:
    """The public record that showed the pool last: what it owes its lenders is what it is worth, and not below zero."""
    shown = await house.sequencer.ask(lambda: house.engine.venue.shown)
    if shown is None:
        raise Rejected("pool.unknown", "no epoch has shown the pool yet")
    return _settled(house, shown.txid)


@post("/v1/oracle/round", status_code=200, operation_class=taking(RoundBody))
async def oracle_round(house: House, request: Request[Any, Any, Any]) -> dict[str, int]:
    """Hand in a round; answered once it is durable. Its signatures are its authorisation."""
    body = decoded(await request.body(), RoundBody, "oracle.body")
    try:
        signatures = {int(place): bytes.fromhex(signature) for place, signature in body.signatures.items()}
        funding = int(body.funding)
    except ValueError as error:
        raise InvalidMessage("oracle.body", f"this is no round: {error}") from None
    await house.sequencer.submit(
        Priced(
            at_ms=0,
            market=body.market,
            round=body.round,
            round_ms=body.round_ms,
            index=body.index,
            mark=body.mark,
            funding=funding,
            signatures=signatures,
        )
    )
    return {"round": body.round}


@post("/v1/operator/switch", status_code=200, operation_class=taking(SwitchBody))
async def operator_switch(house: House, request: Request[Any, Any, Any]) -> dict[str, int]:
    """Throw a switch; answered once it is durable. The operator's signature is its authorisation."""
    body = decoded(await request.body(), SwitchBody, "switch.body")
    try:
        signature = bytes.fromhex(body.signature)
    except ValueError as error:
        raise InvalidMessage("switch.body", f"this is no switch: {error}") from None
    await house.sequencer.submit(
        Switched(
            at_ms=0,
            market=body.market,
            mode=body.mode,
            number=body.number,
            reason=body.reason,
            signature=signature,
        )
    )
    return {"number": body.number}


@get("/v1/status")
async def status(house: House) -> Status:
    """What the service has done, and how fast lately."""
    return Status(
        version=__version__,
        uptime_ms=house.meter.uptime_ms,
        rss_bytes=resident_bytes(),
        entries=house.journal.newest.seq + 1,
        replayed_entries=house.replayed.replayed,
        replayed_checkpoints=house.replayed.checkpoints,
        replay_ms=house.replayed.elapsed_ms,
        started_from=house.replayed.snapshot,
        snapshot=house.following.newest if house.following.newest >= 0 else None,
        sessions=len(house.hub.sessions),
        channels=len(house.engine.channels),
        unproved=house.provers.unproved,
        unranged=house.provers.unranged,
        proofs=Progress(**house.provers.progress._asdict()),
        totals=asdict(house.engine.venue.counts),
        counters=dict(house.meter.counts),
        rates=house.meter.rates(),
    )


def _market(house: House, listing: Listing) -> Market:
    instrument, contract, caps = listing.instrument, listing.contract, listing.caps
    venue = house.engine.venue
    bounds, depth = venue.bounds(listing.market), venue.depths.of_others(listing.market)
    return Market(
        symbol=instrument.symbol,
        market=instrument.market_id,
        contract_type="PERPETUAL",
        payoff=contract.payoff.name.lower(),
        unit=str(contract.unit),
        min_lots=str(instrument.min_lots),
        max_lots=str(instrument.max_lots),
        lot_step=str(instrument.lot_step),
        price_band_ppm=str(instrument.price_band),
        max_orders=instrument.max_orders,
        maker_fee_ppm=str(contract.maker_fee),
        taker_fee_ppm=str(contract.taker_fee),
        liquidation_fee_ppm=str(contract.liquidation_fee),
        max_leverage=contract.max_leverage,
        max_position=str(caps.position),
        max_open_interest=str(caps.interest),
        long_cap=str(bounds.long),
        short_cap=str(bounds.short),
        interest_cap=str(bounds.interest),
        depth_bids=str(depth.bids),
        depth_asks=str(depth.asks),
        min_notional=str(listing.min_notional),
        order_types={name.value: [force.value for force in form.forces] for name, form in TABLE.items()},
        status=venue.mode(listing.market, house.clock.now_ms()).name,
    )


def _refused(request: Request[Any, Any, Any], error: FairwayError) -> Response[dict[str, Any]]:
    number = numeric_code(error, cancels=request.method == "DELETE")
    refusal = _refusal(status_code(error), number, error.message, error.code)
    after_s = error.facts.get("retry_after_s", 1 if isinstance(error, Unavailable) else None)
    if after_s is not None:
        refusal.headers["Retry-After"] = str(after_s)
    return refusal


def _bad_request(_request: Request[Any, Any, Any], error: HTTPException) -> Response[dict[str, Any]]:
    return _refusal(error.status_code, BAD_PARAMETER, error.detail, "rest.request")


def _fault(_request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    """Nobody knows what was done: never told as a refusal."""
    return _refusal(500, OUR_FAULT, f"our own fault, please report it: {type(error).__name__}", "service.fault")


def _refusal(status: int, code: int, message: str, word: str) -> Response[dict[str, Any]]:
    return Response({"code": code, "msg": message, "data": {"code": word}}, status_code=status)
