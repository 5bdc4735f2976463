"""The code that conditionals jump to, bound to the venue's oracle: whose hash both sides and the vault know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fairway.ton.cells import Plain, plain
from fairway.ton.contracts import condition_code, oracle_set

__all__ = ["ConditionCodes", "condition_codes"]


class ConditionCodes(NamedTuple):
    """Shared code by kind of condition."""

    order: Plain
    market: Plain
    chain: Plain
    cross: Plain


def condition_codes(network: int, threshold: int, delay_ms: int, keys: Sequence[bytes]) -> ConditionCodes:
    """The codes of a venue: `threshold` of `keys` sign a round, and exits are priced `delay_ms` after they began."""
    oracle = oracle_set(network, threshold, delay_ms, keys)
    bound = {kind: plain(condition_code(kind, oracle)) for kind in ("order", "market", "cross")}
    return ConditionCodes(**bound, chain=plain(condition_code("chain")))
