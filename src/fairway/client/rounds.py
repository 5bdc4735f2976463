"""Rounds of the oracle that somebody kept, and the exits among them: whoever brings them, the signatures are all."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from fairway.exchange import wire
from fairway.exchange.paper import Exit, Shown
from fairway.exchange.pricing import verify_round
from fairway.exchange.terms import OracleRound

__all__ = ["check_shown", "exits_around", "verified_exits"]


def check_shown(welcome: wire.Welcome, shown: Shown) -> None:
    """Enough keys of the venue's oracle signed `shown`; else `InvalidMessage`."""
    signed = OracleRound(
        welcome.network, shown.market, shown.round, shown.round_ms, shown.index, shown.mark, shown.funding
    )
    verify_round(welcome.oracle_keys, welcome.oracle_threshold, signed, shown.signatures)


def exits_around(moment_ms: int, rounds: Iterable[wire.Round]) -> dict[int, Exit]:
    """By market: the two consecutive rounds with `moment_ms` between them or on the later one, where both are there."""
    ordered = sorted(rounds, key=lambda each: (each.market, each.round))
    return {
        after.market: Exit(before, after)
        for before, after in pairwise(ordered)
        if (before.market, before.round + 1) == (after.market, after.round)
        and before.round_ms < moment_ms <= after.round_ms
    }


def verified_exits(welcome: wire.Welcome, moment_ms: int, rounds: Iterable[wire.Round]) -> dict[int, Exit]:
    """As `exits_around`; `InvalidMessage` where too few of the oracle's keys signed one that counts."""
    exits = exits_around(moment_ms, rounds)
    for found in exits.values():
        check_shown(welcome, found.before)
        check_shown(welcome, found.after)
    return exits
