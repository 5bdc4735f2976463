"""Rounds of the oracle that somebody kept in a file, one JSON object a line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from fairway.errors import Unavailable
from fairway.exchange import wire

__all__ = ["published"]


class PublishedRound(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A round of the oracle as REST takes and gives it."""

    market: int
    round: int
    round_ms: int
    index: int
    mark: int
    funding: str
    signatures: dict[str, str]


def published(path: Path) -> Iterator[wire.Round]:
    """The rounds in the file at `path`; `Unavailable` (`exit.rounds`) names the first line that is none."""
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            shown = msgspec.json.decode(line, type=PublishedRound)
            signatures = {int(place): bytes.fromhex(each) for place, each in shown.signatures.items()}
            funding = int(shown.funding)
        except ValueError as error:  # msgspec's errors are among them
            raise Unavailable("exit.rounds", f"line {number} is not a round: {error}", path=str(path)) from error
        yield wire.Round(shown.market, shown.round, shown.round_ms, shown.index, shown.mark, funding, signatures)
