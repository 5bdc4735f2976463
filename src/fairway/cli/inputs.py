"""What several commands take: a chain, keys to it, a passphrase."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fairway.chain.opening import NETWORKS
from fairway.errors import Rejected, Unavailable

__all__ = ["KeyFile", "LiteServers", "NetworkName", "PassphraseFile", "WhichChain", "network_id", "read_passphrase"]

WhichChain = Annotated[str, typer.Option("--chain", help="URL of an embedded chain, or live:testnet, live:mainnet.")]
KeyFile = Annotated[
    Path | None, typer.Option("--toncenter-key-file", help="Its first line is toncenter's key, for live chains.")
]
LiteServers = Annotated[
    str | None,
    typer.Option(help="Read live states with proofs: a global configuration file, or `published` for ton.org's."),
]
NetworkName = Annotated[str, typer.Option("--network", help="What signatures are bound to: testnet or mainnet.")]
PassphraseFile = Annotated[Path | None, typer.Option(help="Its first line opens the sealed root seed.")]


def read_passphrase(path: Path | None) -> bytes | None:
    """The first line of the file, if there is one; `Unavailable` with `keys.passphrase`."""
    if path is None:
        return None
    try:
        return path.read_bytes().split(b"\n", 1)[0]
    except OSError as error:
        raise Unavailable("keys.passphrase", f"cannot read {path}: {error.strerror}") from error


def network_id(name: str) -> int:
    """TON's global ID of the network of this name; `Rejected` with `chain.network`."""
    if name not in NETWORKS:
        raise Rejected("chain.network", "a network is testnet or mainnet", network=name[:40])
    return NETWORKS[name]
