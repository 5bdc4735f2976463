"""From a word on the command line to a chain.

http://127.0.0.1:8970                         an embedded chain that another process serves
live:testnet   live:mainnet                   TON itself, through toncenter
live:testnet@https://example.org/api/v2       the same through another server of toncenter's interface
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from fairway.chain.interface import Chain
from fairway.chain.remote import RemoteChain
from fairway.errors import Rejected, Unavailable
from fairway.ton.wallet import MAINNET, TESTNET

__all__ = ["NETWORKS", "ChainAt", "OpenChain", "make_chain"]

LIVE = "live:"
NETWORKS = {"testnet": TESTNET, "mainnet": MAINNET}
PUBLISHED = "published"
"""In the place of a file: the lite servers that ton.org publishes for the network."""


class OpenChain(Chain, Protocol):
    """A chain that is reached through connections."""

    async def ready(self) -> None:
        """Return once the chain answers and is the one that was meant; `Unavailable` if not."""

    async def close(self) -> None:
        """Let go of the connections."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class ChainAt:
    """Where a chain is: the word for it, a file with toncenter's key, and a file with lite servers to read states from.

    Secret: what is in `key_file`; it is read when the chain is made and never shown.
    """

    where: str
    key_file: Path | None = None
    lite_servers: str | None = field(default=None)

    @property
    def is_live(self) -> bool:
        """Whether it is TON itself."""
        return self.where.startswith(LIVE)

    @property
    def live_network(self) -> int:
        """The global ID of the live network that is meant; `Rejected` with `chain.where` where there is none."""
        name = self.where.removeprefix(LIVE).partition("@")[0]
        if not self.is_live or name not in NETWORKS:
            raise Rejected("chain.where", "the live networks are testnet and mainnet", where=self.where)
        return NETWORKS[name]


def make_chain(at: ChainAt) -> OpenChain:
    """The chain at `at`; nothing is asked of it yet.

    Errors: `Rejected` with `chain.where` for a word that means nothing, `Unavailable` with `chain.key`.
    """
    if at.is_live:
        return _live(at)
    if at.key_file is not None or at.lite_servers is not None:
        raise Rejected("chain.where", "an embedded chain takes no key and no lite servers", where=at.where)
    if not at.where.startswith(("http://", "https://")):
        raise Rejected("chain.where", "a chain is a URL, or live:testnet, or live:mainnet", where=at.where)
    return RemoteChain(at.where)


def _live(at: ChainAt) -> OpenChain:
    """Imported here, because tonutils costs every process 0.3 s and 30 MB, which only a live network is worth."""
    from fairway.chain.lite import LiteReads, balancer  # noqa: PLC0415
    from fairway.chain.live import LiveChain  # noqa: PLC0415
    from fairway.chain.toncenter import TonCenter  # noqa: PLC0415

    network, url = at.live_network, at.where.partition("@")[2]
    center = TonCenter(network, url or None, _key(at.key_file))
    if at.lite_servers is None:
        return LiveChain(center, network)
    listed = None if at.lite_servers == PUBLISHED else Path(at.lite_servers)
    return LiveChain(center, network, reads=LiteReads(balancer(network, listed)))


def _key(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="ascii").split("\n", 1)[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Unavailable("chain.key", f"cannot read {path}: {error}") from error
