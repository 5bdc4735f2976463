"""LiveChain: a TON network that is not ours, through servers that need not be believed.

- A server may be on another network: the configuration says which, and nothing is done before it was looked at.
- A server may lag behind another of its kind: every answer names its masterchain block; one older than seen is none.
- A server may leave out or make up transactions: a history is followed from the account's state, hash by hash.
- A get method runs here, over the account's state, so nobody needs to be believed about what it says.

What remains is the state itself. From a lite server it comes with a proof (`fairway.chain.lite`); from toncenter alone
it is taken at its word. What either shows is in the masterchain, and so final.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol, Self

from fairway.chain.getter import run_getter
from fairway.chain.interface import Account, StackValue, Transaction
from fairway.chain.network import Network, read_network
from fairway.chain.records import read_destination, read_link
from fairway.chain.toncenter import Reading, TonCenter
from fairway.chain.tvm import TonpyTvm
from fairway.errors import FairwayError, InvalidMessage, Unavailable

__all__ = ["LiveChain", "Reads"]

CONFIG_ACCOUNT = "-1:" + "55" * 32
"""Where every network keeps its configuration: an account that is always there to be asked for the newest block."""
LOOKS, LOOK_AGAIN_S = 5, 0.5
STALE_S = 120
HEAD_S = 2.0
POLL_S = 2.0


class Reads(Protocol):
    """Somewhere to read states from."""

    async def account(self, address: str) -> Reading:
        """The account as of a recent block."""

    async def close(self) -> None:
        """Let go of the connections."""


class LiveChain:
    """`Chain` over `center`; states come from `reads` if there is one. `network` is the global ID that it must have.

    Besides its errors every call may raise `Unavailable`: those of `TonCenter` and `Reads`, `chain.network`,
    `chain.stale` (the server lags) and `chain.history` (its transactions do not follow from one another).
    """

    def __init__(
        self,
        center: TonCenter,
        network: int,
        *,
        reads: Reads | None = None,
        clock: Callable[[], float] = time.time,
        poll_s: float = POLL_S,
        head_s: float = HEAD_S,
    ) -> None:
        self._center = center
        self._reads: Reads = reads or center
        self._expected = network
        self._clock = clock
        self._poll_s = poll_s
        self._head_s = head_s
        self._tvm = TonpyTvm()
        self._seen: dict[Reads, int] = {}
        self._time = 0
        self._looked_at = float("-inf")
        self._network: Network | None = None
        self._beginning = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections."""
        await self._center.close()
        await self._reads.close()

    async def ready(self) -> None:
        """Look at the network; every other call does it first if nobody has."""
        async with self._beginning:
            if self._network is None:
                self._network = await self._shown_network()

    async def _shown_network(self) -> Network:
        try:
            network = read_network(await self._center.configuration())
        except InvalidMessage as error:
            raise Unavailable("chain.answer", f"the server's configuration: {error.message}") from error
        if network.global_id != self._expected:
            raise Unavailable(
                "chain.network",
                f"the server is on network {network.global_id}, not on {self._expected}",
                found=network.global_id,
                expected=self._expected,
            )
        return network

    # Chain

    async def network(self) -> Network:
        """See `Chain`."""
        await self.ready()
        assert self._network is not None
        return self._network

    async def now(self) -> int:
        """See `Chain`: the time of the newest block seen, and never ahead of it."""
        await self.ready()
        if time.monotonic() - self._looked_at >= self._head_s:
            await self._fresh(CONFIG_ACCOUNT, self._center)
            self._looked_at = time.monotonic()
        return self._time

    async def send_external(self, message: bytes) -> None:
        """See `Chain`."""
        external, _ = read_destination(message)
        if not external:
            raise InvalidMessage("chain.message", "only contracts send internal messages")
        await self.ready()
        await self._center.send(message)

    async def get_account(self, address: str) -> Account:
        """See `Chain`."""
        await self.ready()
        return (await self._fresh(address)).account

    async def run_get(self, address: str, method: str, arguments: Sequence[StackValue] = ()) -> tuple[StackValue, ...]:
        """See `Chain`."""
        await self.ready()
        reading = await self._fresh(address)
        at = reading.at if reading.at is not None else await self.now()
        return run_getter(self._tvm, reading.account, at, method, arguments)

    async def transactions(self, address: str, after_lt: int = 0, limit: int = 100) -> tuple[Transaction, ...]:
        """See `Chain`."""
        await self.ready()
        return await self._follow(await self._fresh(address), after_lt, limit)

    async def wait(self, address: str, after_lt: int = 0, timeout_s: float = 30) -> tuple[Transaction, ...]:
        """See `Chain`."""
        await self.ready()
        try:
            async with asyncio.timeout(timeout_s):
                while (reading := await self._fresh(address)).account.last_lt <= after_lt:  # noqa: ASYNC110 - a server sets no event
                    await asyncio.sleep(self._poll_s)
        except TimeoutError:
            return ()
        return await self._follow(reading, after_lt)

    # Reading

    async def _fresh(self, address: str, source: Reads | None = None) -> Reading:
        """The account as of a block no older than any that this source has shown, and not long past."""
        source = source or self._reads
        for attempt in range(LOOKS):
            if attempt:
                await asyncio.sleep(LOOK_AGAIN_S * self._poll_s / POLL_S)
            reading = await source.account(address)
            if reading.seqno >= self._seen.get(source, 0):
                self._note_time(reading)
                self._seen[source] = reading.seqno
                return reading
        raise Unavailable("chain.stale", "the server has fallen behind what was shown before")

    def _note_time(self, reading: Reading) -> None:
        if reading.at is None:
            return
        late_s = int(self._clock()) - reading.at
        if late_s > STALE_S:
            raise Unavailable(
                "chain.stale", f"the server's newest block is {late_s} s behind this machine's clock", late_s=late_s
            )
        self._time = max(self._time, reading.at)

    async def _follow(self, reading: Reading, after_lt: int, limit: int = 100) -> tuple[Transaction, ...]:
        """Walk back from the newest transaction to `after_lt`; the oldest `limit` of the way, oldest first."""
        address, lt, digest = reading.account.address, reading.account.last_lt, reading.newest
        oldest: deque[Transaction] = deque(maxlen=limit)
        while lt > after_lt:
            reached = lt
            for boc in await self._center.history(address, lt, digest):
                if lt <= after_lt:
                    break
                record, previous_lt, previous = _linked(address, boc)
                if oldest and record.digest == oldest[-1].digest:
                    continue  # some servers begin a page with the end of the one before
                _check_link(record, lt, digest)
                oldest.append(record)
                lt, digest = previous_lt, previous
            if lt == reached:
                raise Unavailable("chain.history", "the server's history ends before its beginning", address=address)
        return tuple(reversed(oldest))


def _linked(address: str, boc: bytes) -> tuple[Transaction, int, bytes]:
    try:
        return read_link(address, boc)
    except FairwayError as error:
        raise Unavailable("chain.answer", f"the server's history: {error.message}") from error


def _check_link(record: Transaction, lt: int, digest: bytes) -> None:
    if (record.lt, record.digest) != (lt, digest):
        raise Unavailable(
            "chain.history", "the server's transactions do not follow from one another", address=record.address, lt=lt
        )
