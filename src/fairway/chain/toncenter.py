"""TON's public HTTP interface, version 2 of toncenter's: states, histories, configuration, and a way in for messages.

Shapes: the OpenAPI pages at https://docs.ton.org/ecosystem/api/toncenter/v2/overview. The connection, its limit of
requests and its reading of replies are those of tonutils; what it does not do is here: wait as long as `Retry-After`
says, ask again after a gateway's failure (questions only, never a message), and take no word of an answer that is not
as specified.
"""

from __future__ import annotations

import asyncio
import re
from base64 import b64decode, b64encode
from typing import Any, NamedTuple, TypeVar

import aiohttp
import msgspec
from ton_core import NetworkGlobalID
from tonutils.exceptions import ProviderResponseError, TonutilsError
from tonutils.providers.http.toncenter import ToncenterHttpProvider

from fairway.chain.interface import Account, Status
from fairway.errors import FairwayError, Rejected, Unavailable

__all__ = ["Reading", "TonCenter"]

PATIENCE_S = 30.0
PAGE = 100
ATTEMPTS = 4
PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
TOO_MANY, GATEWAY_FAILURES = 429, frozenset({502, 503, 504})
KEYLESS_REQUESTS, KEYLESS_PERIOD_S = 1, 1.3
KEYED_REQUESTS = 10
"""What toncenter grants a second to a key of its free plan; without one it is hardly one."""

_EXIT_CODE = re.compile(r"exit ?code\s*[=:]?\s*(-?\d+)", re.IGNORECASE)
_REFUSALS = ("not accepted", "cannot apply external message")
_STATES: dict[str, Status] = {"active": "active", "frozen": "frozen", "uninitialized": "uninit", "uninit": "uninit"}
_T = TypeVar("_T")


class Reading(NamedTuple):
    """An account as of the masterchain block `seqno`, made at `at`; `newest` is the hash of its last transaction.

    `at` is None where the source does not say it.
    """

    account: Account
    newest: bytes
    seqno: int
    at: int | None


class TransactionId(msgspec.Struct, frozen=True):
    """`internal.transactionId`."""

    lt: str
    hash: str


class BlockId(msgspec.Struct, frozen=True):
    """`ton.blockIdExt`: the masterchain block as of which an answer holds."""

    workchain: int
    seqno: int


class ExtraCurrency(msgspec.Struct, frozen=True):
    """`extraCurrency`."""

    id: int
    amount: str | int


class AccountState(msgspec.Struct, frozen=True):
    """`raw.fullAccountState`."""

    balance: str | int
    state: str
    code: str
    data: str
    last_transaction_id: TransactionId
    block_id: BlockId
    sync_utime: int
    extra_currencies: tuple[ExtraCurrency, ...] = ()


class RawTransaction(msgspec.Struct, frozen=True):
    """`raw.transaction`, of which only the cells themselves count."""

    data: str


class TvmCell(msgspec.Struct, frozen=True):
    """`tvm.cell`."""

    bytes: str


class ConfigInfo(msgspec.Struct, frozen=True):
    """`configInfo`."""

    config: TvmCell


class TonCenter:
    """One server of the interface at `url` (ending in `/api/v2`). Secret: `key`, if the server wants one.

    Every question may raise `Unavailable`: `chain.unreachable` (no answer, or the server's own failure), `chain.busy`
    (too many requests, for longer than we wait) and `chain.answer` (an answer that is not as specified).
    """

    def __init__(self, network: int, url: str | None = None, key: str | None = None) -> None:
        self._headers = {"X-Api-Key": key} if key else {}
        self._limits = _limits(url, key)
        self._url = url
        self._network = network
        self._provider: ToncenterHttpProvider | None = None
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Let go of the connections."""
        if self._session is not None:
            await self._session.close()

    async def account(self, address: str) -> Reading:
        """The account as of the newest block that the server knows."""
        shown = await self._ask("getAddressInformation", AccountState, address=address)
        return _read(address, shown)

    async def history(self, address: str, lt: int, digest: bytes) -> list[bytes]:
        """The account's transactions from the one named back into the past, newest first, as cells; some, not all."""
        page = await self._ask(
            "getTransactions",
            list[RawTransaction],
            address=address,
            lt=str(lt),
            hash=b64encode(digest).decode(),
            limit=str(PAGE),
            archival="true",
        )
        return [_bytes(each.data) for each in page]

    async def configuration(self) -> bytes:
        """The network's whole configuration, as a cell."""
        return _bytes((await self._ask("getConfigAll", ConfigInfo)).config.bytes)

    async def send(self, message: bytes) -> None:
        """Hand over a whole external message. Raises `Rejected` with `chain.refused` if its contract refuses it.

        Where the answer is lost, the message may have been taken: `Unavailable` says nothing about that.
        """
        try:
            await self._exchange("POST", "sendBoc", json_data={"boc": b64encode(message).decode()})
        except ProviderResponseError as error:
            if any(words in error.message for words in _REFUSALS) or _EXIT_CODE.search(error.message):
                codes = _EXIT_CODE.findall(error.message)
                code = int(codes[0]) if codes else None
                raise Rejected(
                    "chain.refused", "the contract does not accept this external message", exit_code=code
                ) from error
            raise _unavailable(error) from error

    async def _ask(self, name: str, kind: type[_T], **parameters: str) -> _T:
        try:
            result = await self._exchange("GET", name, params=parameters)
        except ProviderResponseError as error:
            raise _unavailable(error) from error
        try:
            return msgspec.convert(result, kind)
        except msgspec.ValidationError as error:
            raise Unavailable("chain.answer", f"the server's {name} is not as specified: {error}") from error

    async def _exchange(self, method: str, name: str, **content: Any) -> Any:
        """The `result` of one call; `ProviderResponseError` where the server says no."""
        provider = await self._connected()
        try:
            answer = await provider.send_http_request(method, f"/{name}", **content)
        except ProviderResponseError:
            raise
        except (TonutilsError, aiohttp.ClientError) as error:
            raise Unavailable("chain.unreachable", "the chain's server does not answer", reason=str(error)) from error
        if not isinstance(answer, dict) or "ok" not in answer:
            raise Unavailable("chain.answer", f"the server's {name} is not JSON as specified")
        if answer["ok"] is not True:
            raise ProviderResponseError(
                code=_status(answer.get("code")), message=str(answer.get("error", "")), endpoint=name
            )
        return answer.get("result")

    async def _connected(self) -> ToncenterHttpProvider:
        if self._provider is None:
            self._session = aiohttp.ClientSession(
                headers=self._headers, timeout=aiohttp.ClientTimeout(total=PATIENCE_S), middlewares=(_politely,)
            )
            self._provider = ToncenterHttpProvider(
                NetworkGlobalID(self._network), base_url=self._url, session=self._session, **self._limits
            )
        return self._provider


async def _politely(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Wait and ask again where the server is busy, and where a gateway before it failed on a question."""
    for attempt in range(1, ATTEMPTS):
        response = await handler(request)
        again = response.status == TOO_MANY or (response.status in GATEWAY_FAILURES and request.method == "GET")
        if not again:
            return response
        pause = _retry_after(response.headers.get("Retry-After"), PAUSE_S * attempt)
        response.release()
        await asyncio.sleep(min(pause, LONGEST_PAUSE_S))
    return await handler(request)


def _retry_after(header: str | None, default_s: float) -> float:
    """Seconds that the server asks us to wait; it may also name a date, which is not worth a parser."""
    return float(header) if header is not None and header.isascii() and header.isdigit() else default_s


def _limits(url: str | None, key: str | None) -> dict[str, Any]:
    """How often we may ask: toncenter's own terms, and no limit at a server that somebody named."""
    if url is not None:
        return {}
    if key is not None:
        return {"rps_limit": KEYED_REQUESTS}
    return {"rps_limit": KEYLESS_REQUESTS, "rps_period": KEYLESS_PERIOD_S}


def _unavailable(error: ProviderResponseError) -> FairwayError:
    if error.code == TOO_MANY:
        return Unavailable("chain.busy", "the chain's server takes no more requests for now")
    return Unavailable("chain.unreachable", "the chain's server failed", status=error.code, reason=error.message[:200])


def _status(code: object) -> int:
    return code if isinstance(code, int) else 500


def _read(address: str, shown: AccountState) -> Reading:
    try:
        balance, lt = int(shown.balance), int(shown.last_transaction_id.lt)
        status = _STATES[shown.state]
        absent = status == "uninit" and balance <= 0
        account = Account(
            address=address,
            status="absent" if absent else status,
            balance=max(0, balance),
            last_lt=lt,
            code=_bytes(shown.code) if status == "active" else None,
            data=_bytes(shown.data) if status == "active" else None,
            extra={each.id: int(each.amount) for each in shown.extra_currencies},
        )
        return Reading(account, _bytes(shown.last_transaction_id.hash), shown.block_id.seqno, shown.sync_utime)
    except (KeyError, ValueError) as error:
        raise Unavailable("chain.answer", f"the server's account is not as specified: {error!r}") from error


def _bytes(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError as error:
        raise Unavailable("chain.answer", "the server's cells are not Base64") from error
