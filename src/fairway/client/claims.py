"""What a user who leaves alone claims of the service's promises: his open positions, at the exit price of each market.

    position_input#_ exit:(Maybe ^Rounds) touched:(Maybe ^SignedRound) = Input;
    rounds#_ before:^SignedRound after:^SignedRound = Rounds;

The exit price is that of the first round at or after the moment that the quarantine's start fixes; the round before it
shows that it is the first. Anybody may have kept the two: the oracle's signatures are all that counts. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pytoniq_core import HashMap

from fairway.channel import codec
from fairway.client.replica import Replica
from fairway.errors import Rejected
from fairway.exchange import wire
from fairway.exchange.terms import OracleRound
from fairway.ton.cells import Builder, Cell, to_cell
from fairway.ton.merkle import whole_proof
from fairway.ton.vault_messages import SignedRound

__all__ = ["Exit", "position_claims"]

KEY_BITS = 32


class Exit(NamedTuple):
    """Two consecutive rounds of a market with the exit moment between them, or on the later one."""

    before: wire.Round
    after: wire.Round


def position_claims(replica: Replica, exits: Mapping[int, Exit]) -> codec.Settle:
    """The claim of every position whose market has an exit; `Rejected` (`claims.nothing`) where there is none."""
    conditionals = replica.channel.b_conditionals
    shown = HashMap(KEY_BITS, value_serializer=lambda value, leaf: leaf.store_cell(value))
    for market, held in replica.account.positions.items():
        if market in exits and held.key in conditionals:
            shown.set_int_key(held.key, _position_input(replica.rules.network, exits[market]))
    root = conditionals.root_cell()
    if root is None or not shown.map:
        raise Rejected("claims.nothing", "no open position has an exit price")
    return codec.Settle(replica.channel.channel_id, shown.serialize(), whole_proof(root))


def _position_input(network: int, shown: Exit) -> Cell:
    rounds = Builder().store_ref(_signed(network, shown.before)).store_ref(_signed(network, shown.after)).end_cell()
    return Builder().store_maybe_ref(rounds).store_maybe_ref(None).end_cell()


def _signed(network: int, shown: wire.Round) -> Cell:
    cell = OracleRound(
        network, shown.market, shown.round, shown.round_ms, shown.index, shown.mark, shown.funding
    ).cell()
    return SignedRound(to_cell(cell), shown.signatures).to_cell()
