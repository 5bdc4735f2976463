"""What the vault charges for a fill that its taker will not sign; contracts/vault_evidence.tolk does the same on chain.

The fill is a forward: at the exit price P it is worth v = s·q·(P − x) − fee to the taker (in an inverse contract
s·Q·(1/x − 1/P) − fee), with the receipt's sums for q·x. He owes max(0, −v), rounded against him, and never more than
his order reserved. P is the mark of the first oracle round after his time to sign is over: nobody chooses it.
"""

from __future__ import annotations

from dataclasses import dataclass

from fairway.units import div_down, div_up


@dataclass(frozen=True, slots=True)
class Fill:
    """A taker's fill as receipts sum it up, less what his half had signed of it. Lots, and nano."""

    inverse: bool
    buy: bool
    unit: int
    lots: int
    cost: int
    fee: int


def owed_at(fill: Fill, price_tick: int, reserve: int) -> int:
    """What the taker owes at `price_tick`, nano. In an inverse contract the buyer is short of TON."""
    size = fill.unit * fill.lots
    if fill.inverse:
        loss = div_up(size, price_tick) - fill.cost if fill.buy else fill.cost - div_down(size, price_tick)
    else:
        loss = fill.cost - size * price_tick if fill.buy else size * price_tick - fill.cost
    return min(max(0, loss + fill.fee), reserve)
