"""RemoteChain: the chain that another process serves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import httpx
import msgspec

from fairway.chain.interface import Account, StackValue, Transaction
from fairway.chain.network import Network
from fairway.chain.wire import CALLS, RESULTS, Failure, call_error, pack_values, unpack_values
from fairway.errors import UNREADABLE, Unavailable

_PATIENCE_S = 10
_RETRY_S = 0.05


class RemoteChain:
    """`DevelopmentChain` at `url`. Besides its errors every call may raise `Unavailable` with `chain.unreachable`."""

    def __init__(self, url: str) -> None:
        self._client = httpx.AsyncClient(base_url=url, timeout=_PATIENCE_S, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aclose()

    async def ready(self, timeout_s: float = _PATIENCE_S) -> None:
        """Return once the chain answers; `Unavailable` if it does not in time."""
        try:
            async with asyncio.timeout(timeout_s):
                while not await self._answers():  # noqa: ASYNC110 - another process sets no event of ours
                    await asyncio.sleep(_RETRY_S)
        except TimeoutError as error:
            raise Unavailable("chain.unreachable", "the chain did not answer in time") from error

    async def network(self) -> Network:
        """See `Chain`."""
        network: Network = await self._call("network")
        return network

    async def now(self) -> int:
        """See `Chain`."""
        return int(await self._call("now"))

    async def send_external(self, message: bytes) -> None:
        """See `Chain`."""
        await self._call("send_external", message)

    async def get_account(self, address: str) -> Account:
        """See `Chain`."""
        account: Account = await self._call("get_account", address)
        return account

    async def run_get(self, address: str, method: str, arguments: Sequence[StackValue] = ()) -> tuple[StackValue, ...]:
        """See `Chain`."""
        return unpack_values(await self._call("run_get", address, method, pack_values(tuple(arguments))))

    async def transactions(self, address: str, after_lt: int = 0, limit: int = 100) -> tuple[Transaction, ...]:
        """See `Chain`."""
        found: tuple[Transaction, ...] = await self._call("transactions", address, after_lt, limit)
        return found

    async def wait(self, address: str, after_lt: int = 0, timeout_s: float = 30) -> tuple[Transaction, ...]:
        """See `Chain`."""
        found: tuple[Transaction, ...] = await self._call(
            "wait", address, after_lt, float(timeout_s), patience_s=timeout_s + _PATIENCE_S
        )
        return found

    async def advance(self, seconds: int) -> int:
        """See `DevelopmentChain`."""
        return int(await self._call("advance", seconds))

    async def fund(self, address: str, nano: int) -> None:
        """See `DevelopmentChain`."""
        await self._call("fund", address, nano)

    async def _answers(self) -> bool:
        try:
            await self.now()
        except Unavailable:
            return False
        return True

    async def _call(self, name: str, *arguments: Any, patience_s: float = _PATIENCE_S) -> Any:
        assert name in CALLS
        try:
            reply = await self._client.post(f"/{name}", content=msgspec.msgpack.encode(arguments), timeout=patience_s)
            if reply.status_code == httpx.codes.OK:
                return msgspec.msgpack.decode(reply.content, type=RESULTS[name])
            failure = msgspec.msgpack.decode(reply.content, type=Failure)
        except (httpx.HTTPError, *UNREADABLE) as error:
            raise Unavailable("chain.unreachable", "the chain does not answer", reason=str(error)) from error
        raise call_error(failure)
