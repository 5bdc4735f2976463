"""The operator's word to a running service: a switch, signed here and handed in like anybody's request."""

from __future__ import annotations

import time
from typing import Any

import httpx

from fairway.crypto.keys import Signer
from fairway.errors import Rejected, Unavailable
from fairway.exchange.event import Switched
from fairway.exchange.switch import Mode, switch_digest

__all__ = ["throw"]


def throw(url: str, signer: Signer, mode: Mode, reason: str, market: int | None = None) -> int:
    """Set the mode of `market`, or of the whole venue, at the service at `url`; the switch's number.

    The number is the time in milliseconds, so that a newer switch always has a greater one. Errors: `Rejected` with the
    service's code, `Unavailable` (`switch.service`).
    """
    with httpx.Client(base_url=url, timeout=10, trust_env=False) as web:
        rules = _json(web, "GET", "/v1/exchangeInfo")
        number = time.time_ns() // 1_000_000
        thrown = Switched(at_ms=0, market=market, mode=mode, number=number, reason=reason, signature=b"")
        signature = signer.sign(switch_digest(rules["network"], rules["vault"], thrown)).hex()
        body = {"market": market, "mode": int(mode), "number": number, "reason": reason, "signature": signature}
        _json(web, "POST", "/v1/operator/switch", body)
    return number


def _json(web: httpx.Client, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    try:
        reply = web.request(method, path, json=body)
        answer: dict[str, Any] = reply.json()
    except (httpx.HTTPError, ValueError) as error:
        raise Unavailable("switch.service", f"the service does not answer: {error!r}") from error
    if reply.status_code != httpx.codes.OK:
        raise Rejected(answer.get("data", {}).get("code", "switch.refused"), answer.get("msg", "refused"))
    return answer
