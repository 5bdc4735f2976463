"""The oracle: sources observed, one tuple per round, signed by each of its keys on its own.

index = median of the sources that are fresh, mark = index + a clamped moving premium of the venue's own book, funding =
an index that grows by the premium's rate. All signers see the same observations, so they sign the identical tuple.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

from fairway.crypto.keys import Signer
from fairway.errors import Rejected, Unavailable
from fairway.exchange.terms import OracleRound
from fairway.exchange.wire import Round
from fairway.risk.contract import Contract
from fairway.risk.funding import FundingTerms, funding_rate, next_index, premium_rate
from fairway.risk.mark import Premium, index_price, mark_price, moved
from fairway.units import Ppm

__all__ = ["Oracle", "OracleClient"]

MAX_AGE_MS = 10_000
PREMIUM_WINDOW_MS = 60_000
PREMIUM_CLAMP = 5_000
HOUR_MS = 3_600_000
FUNDING = FundingTerms(Ppm(100), Ppm(500), Ppm(7_500), 8 * HOUR_MS)


@dataclass(slots=True)
class _Market:
    """What the oracle knows of one market."""

    contract: Contract
    sources: dict[str, tuple[int, int]] = field(default_factory=dict)
    premium: Premium | None = None
    newest: OracleRound | None = None


class Oracle:
    """The signers of one venue's prices. `quorum` fresh sources make an index; without them there is no round."""

    def __init__(self, network: int, signers: Sequence[Signer], contracts: dict[int, Contract], quorum: int) -> None:
        self._network = network
        self._signers = list(signers)
        self._markets = {market: _Market(contract) for market, contract in contracts.items()}
        self._quorum = quorum

    def resume(self, newest: OracleRound) -> None:
        """Go on after `newest`, as if it had been made here."""
        self._markets[newest.market].newest = newest

    def observe(self, market: int, source: str, price: int, at_ms: int) -> None:
        """A source quotes `price` ticks."""
        self._markets[market].sources[source] = price, at_ms

    def observe_book(self, market: int, middle: int, at_ms: int) -> None:
        """The venue's own book stood at `middle` ticks until now."""
        known = self._markets[market]
        if known.newest is None:
            return
        before = known.premium or Premium(0, known.newest.at_ms)
        known.premium = moved(before, middle - known.newest.index, at_ms, PREMIUM_WINDOW_MS)

    def round(self, market: int, at_ms: int) -> Round:
        """The next round of `market`, signed by all signers.

        Errors: `Rejected` (`oracle.stale`) where too few sources are fresh.
        """
        known = self._markets[market]
        index = index_price(known.sources.values(), at_ms, MAX_AGE_MS, self._quorum)
        if index is None:
            raise Rejected("oracle.stale", "too few sources are fresh", market=market)
        premium = known.premium or Premium(0, at_ms)
        mark = mark_price(index, premium.ticks, PREMIUM_CLAMP)
        newest = known.newest
        number = newest.round + 1 if newest else 1
        funding = self._funding(known, premium, at_ms) if newest else 0
        made = OracleRound(
            self._network, market, number, max(at_ms, newest.at_ms if newest else 0), index, mark, funding
        )
        known.newest = made
        digest = made.digest()
        signatures = {place: signer.sign(digest) for place, signer in enumerate(self._signers)}
        return Round(market, number, made.at_ms, index, mark, funding, signatures)

    def _funding(self, known: _Market, premium: Premium, at_ms: int) -> int:
        newest = known.newest
        assert newest is not None
        elapsed_ms = max(0, at_ms - newest.at_ms)
        rate = funding_rate(premium_rate(premium, newest.index), FUNDING)
        return next_index(newest.funding, known.contract, newest.mark, rate, elapsed_ms, FUNDING.interval_ms)


class OracleClient:
    """Hands rounds to a service."""

    def __init__(self, url: str) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=10, trust_env=False)

    async def close(self) -> None:
        """Hang up."""
        await self._http.aclose()

    async def publish(self, made: Round) -> None:
        """Return once the service has made the round durable. Errors: `Unavailable`, `Rejected` with its code."""
        body = {
            "market": made.market,
            "round": made.round,
            "roundMs": made.round_ms,
            "index": made.index,
            "mark": made.mark,
            "funding": str(made.funding),
            "signatures": {str(place): signature.hex() for place, signature in made.signatures.items()},
        }
        try:
            reply = await self._http.post("/v1/oracle/round", json=body)
        except httpx.HTTPError as error:
            raise Unavailable("oracle.service", f"the service does not answer: {error!r}") from error
        if reply.status_code != httpx.codes.OK:
            refusal = reply.json()
            raise Rejected(refusal.get("data", {}).get("code", "oracle.refused"), refusal.get("msg", "refused"))

    async def middle(self, symbol: str) -> int | None:
        """The middle of the best prices, in ticks; None where a side is empty. Errors: `Unavailable`."""
        try:
            reply = await self._http.get("/v1/depth", params={"symbol": symbol, "limit": 1})
        except httpx.HTTPError as error:
            raise Unavailable("oracle.service", f"the service does not answer: {error!r}") from error
        book = reply.json()
        if not book["bids"] or not book["asks"]:
            return None
        return (int(book["bids"][0][0]) + int(book["asks"][0][0])) // 2
