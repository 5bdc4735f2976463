"""What a chain is to everyone above it: values, and one asynchronous face that every adapter has.

Addresses are raw ("0:" and 64 hex digits); cells are BOC bytes; amounts are nano; times are Unix seconds. `Chain` is
what a live network offers too. `DevelopmentChain` adds what only a network of one's own has: a clock that can be
moved and a faucet. LocalChain, RemoteChain and LiveChain pass tests/unit/test_chain_conformance.py.

What a chain shows is final: it is in the masterchain and will not be taken back (`fairway.chain.forks` tries it). So
nobody above has to undo what he has seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias

import msgspec

from fairway.chain.network import Network

StackValue: TypeAlias = "int | bytes | tuple[StackValue, ...] | None"
Status = Literal["absent", "uninit", "active", "frozen"]


class Account(msgspec.Struct, frozen=True):
    """One account as of the newest transaction. `code` and `data` are there while it is active.

    `extra`: what it holds of extra currencies, by number.
    """

    address: str
    status: Status
    balance: int
    last_lt: int
    code: bytes | None
    data: bytes | None
    extra: dict[int, int] = {}


class Message(msgspec.Struct, frozen=True):
    """A message as its transaction carries it. An external one has no source, a log no destination."""

    source: str | None
    destination: str | None
    value: int
    bounced: bool
    created_lt: int
    body: bytes


class Transaction(msgspec.Struct, frozen=True):
    """One message received by one account, and what came of it.

    `exit_code` is the contract's (0 and 1 are success; None: it did not run), `result_code` that of its actions (None:
    there were none to take). `aborted` is true if either failed: then nothing but the fees has changed.
    """

    address: str
    lt: int
    at: int
    digest: bytes
    incoming: Message | None
    outgoing: tuple[Message, ...]
    aborted: bool
    exit_code: int | None
    result_code: int | None
    gas_used: int
    fees: int


class Chain(Protocol):
    """A TON network."""

    async def network(self) -> Network:
        """Which network it is, by its own configuration."""

    async def now(self) -> int:
        """The time the next transaction would see."""

    async def send_external(self, message: bytes) -> None:
        """Hand a whole external message to the network.

        Raises `InvalidMessage` if it is none, `Rejected` with `chain.refused` if its contract does not accept it.
        """

    async def get_account(self, address: str) -> Account:
        """The newest state; an address never used is `absent` with nothing in it."""

    async def run_get(self, address: str, method: str, arguments: Sequence[StackValue] = ()) -> tuple[StackValue, ...]:
        """What a get method leaves on the stack, bottom first; bytes are cells, both ways.

        Raises `Rejected` with `chain.absent` if no contract is there and `chain.get_failed` (fact `exit_code`) if the
        method throws.
        """

    async def transactions(self, address: str, after_lt: int = 0, limit: int = 100) -> tuple[Transaction, ...]:
        """The account's transactions with a logical time above `after_lt`, oldest first, at most `limit`."""

    async def wait(self, address: str, after_lt: int = 0, timeout_s: float = 30) -> tuple[Transaction, ...]:
        """As `transactions`, but not before there is one; nothing if `timeout_s` pass without."""


class DevelopmentChain(Chain, Protocol):
    """A chain of one's own."""

    async def advance(self, seconds: int) -> int:
        """Move the clock forward and deliver what falls due; the new time."""

    async def fund(self, address: str, nano: int) -> None:
        """Give `nano` from nowhere to an address, as a plain message that does not bounce."""
