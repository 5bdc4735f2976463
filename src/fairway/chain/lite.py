"""States from lite servers, each with a proof: the cells lead by their hashes to the block that the server names.

What tonutils does not check is that block itself (its signatures, and its place in the masterchain), nor that an
account is not there. A lite server that lies about these is outvoted by nobody: name servers that you trust.
"""

from __future__ import annotations

from pathlib import Path

from ton_core import Address, NetworkGlobalID
from tonutils.clients import LiteBalancer
from tonutils.exceptions import TonutilsError

from fairway.chain.records import read_account
from fairway.chain.toncenter import Reading
from fairway.errors import Unavailable

__all__ = ["LiteReads", "balancer"]

NO_TRANSACTION = bytes(32)


def balancer(network: int, config: Path | None = None) -> LiteBalancer:
    """The lite servers of a global configuration file, or of the one that ton.org publishes; `chain.lite`."""
    known = NetworkGlobalID(network)
    try:
        servers = (
            LiteBalancer.from_network_config(known)
            if config is None
            else LiteBalancer.from_config(known, config=str(config))
        )
    except Exception as error:
        raise Unavailable("chain.lite", "there is no list of lite servers to be had", reason=str(error)) from error
    if not servers.clients:
        raise Unavailable("chain.lite", "the list names no lite server", path=str(config))
    return servers


class LiteReads:
    """Reads over a balancer of lite servers. Every one may raise `Unavailable` with `chain.lite`."""

    def __init__(self, servers: LiteBalancer) -> None:
        self._servers = servers

    async def close(self) -> None:
        """Let go of the connections."""
        await self._servers.close()

    async def account(self, address: str) -> Reading:
        """The account as of the newest block of the best server."""
        try:
            await self._servers.connect()
            _, shown = await self._servers.get_account_state(Address(address))
            block = self._servers.provider.last_mc_block
        except (TimeoutError, TonutilsError, OSError) as error:
            raise Unavailable("chain.lite", "no lite server answers", reason=str(error)) from error
        except Exception as error:  # a proof that does not hold is an error of many kinds there
            raise Unavailable("chain.lite", "a lite server's proof does not hold", reason=repr(error)) from error
        state = shown.serialize().to_boc() if shown is not None else None
        newest = shown.last_trans_hash if shown is not None else NO_TRANSACTION
        return Reading(read_account(address, state), newest, block.seqno if block is not None else 0, None)
