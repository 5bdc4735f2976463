"""A venue's founding: the rules in DIR/venue.toml become entry 0 of the journal, and stay what they are.

    network = -3                       # TON's global ID of the network
    vault = "0:…"                      # the vault contract's raw address
    oracle_keys = ["…", "…", "…"]      # Ed25519 public keys in hexadecimal
    oracle_threshold = 2               # how many of them sign a round
    ratio = 10                         # wrapped TON on the service's side for each one of the user's
    fine = "0.5"                       # TON, the reserve in every channel that a stale close loses
    storage_fee = "0.25"               # TON, what a channel's contract keeps for its rent
    quarantine_s = 3600                # how long a state submitted by one side may be answered
    settling_s = 3600                  # how long conditionals may be settled after that
    patience_s = 600                   # how long a taker may leave a fill unsigned
    stale_s = 60                       # how old a round may be before its market reduces only; 0: any age
    pool_seed = "10000"                # TON
    insurance_seed = "1000"            # TON

The markets are those of DIR/markets.toml, or the standard ones where there is no such file.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec

from fairway.crypto.keys import check_public_key
from fairway.errors import FairwayError, Unavailable
from fairway.exchange.event import Founded
from fairway.exchange.listing import default_listings, parse_listings
from fairway.units import parse_ton
from fairway.vault.state import UNITS

__all__ = ["VENUE", "read_founding"]

VENUE = "venue.toml"
MARKETS = "markets.toml"


class Charter(msgspec.Struct, forbid_unknown_fields=True):
    """DIR/venue.toml."""

    network: int
    vault: str
    oracle_keys: list[str]
    oracle_threshold: int
    ratio: int
    fine: str
    storage_fee: str
    quarantine_s: int
    settling_s: int
    patience_s: int
    stale_s: int
    pool_seed: str
    insurance_seed: str

    def __post_init__(self) -> None:
        if not 0 < self.oracle_threshold <= len(set(self.oracle_keys)) == len(self.oracle_keys):
            raise ValueError("oracle_threshold must be met by distinct oracle_keys")
        if self.ratio != UNITS - 1:
            raise ValueError(f"the vault puts {UNITS - 1} units beside each of the user's: ratio must say so")
        if self.patience_s < 1:
            raise ValueError("patience_s is positive")
        if self.stale_s < 0:
            raise ValueError("stale_s is not negative")


def read_founding(folder: Path, secret: bytes, at_ms: int, operator_key: bytes = b"") -> Founded:
    """The founding event that `folder` describes; `operator_key` signs its switches.

    Raises `Unavailable` with `venue.missing` or `venue.invalid`.
    """
    try:
        charter = msgspec.convert(tomllib.loads((folder / VENUE).read_text(encoding="utf-8")), Charter)
        keys = [bytes.fromhex(key) for key in charter.oracle_keys]
        for key in keys:
            check_public_key(key)
        markets = folder / MARKETS
        return Founded(
            at_ms=at_ms,
            network=charter.network,
            vault=charter.vault,
            oracle_keys=keys,
            oracle_threshold=charter.oracle_threshold,
            listings=parse_listings(markets.read_text(encoding="utf-8")) if markets.exists() else default_listings(),
            ratio=charter.ratio,
            fine=parse_ton(charter.fine),
            storage_fee=parse_ton(charter.storage_fee),
            quarantine_s=charter.quarantine_s,
            settling_s=charter.settling_s,
            patience_ms=charter.patience_s * 1000,
            pool_seed=parse_ton(charter.pool_seed),
            insurance_seed=parse_ton(charter.insurance_seed),
            secret=secret,
            stale_ms=charter.stale_s * 1000,
            operator_key=operator_key,
        )
    except FileNotFoundError:
        raise Unavailable("venue.missing", f"there is no {folder / VENUE}, and no journal yet") from None
    except FairwayError as error:
        raise Unavailable("venue.invalid", f"{folder / VENUE}: {error.message}") from error
    except (OSError, ValueError) as error:
        raise Unavailable("venue.invalid", f"{folder / VENUE}: {error}") from error
