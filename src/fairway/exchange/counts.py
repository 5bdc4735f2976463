"""What the venue has done so far, for reports; part of the replayed state."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Counts"]


@dataclass(slots=True)
class Counts:
    """Totals since the founding."""

    orders: int = 0
    fills: int = 0
    partial_fills: int = 0
    cross_fills: int = 0
    cancels: int = 0
    cancels_lost: int = 0
    refusals: int = 0
    take_profits: int = 0
    stop_losses: int = 0
    liquidations: int = 0
    deleverages: int = 0
    punishments: int = 0
    absolutions: int = 0
    rates_zeroed: int = 0
    challenges: int = 0
    partial_withdrawals: int = 0
    open_withdrawals: int = 0
    margin_moves: int = 0
    closes: int = 0
    states_cosigned: int = 0
    settlements: int = 0
    settlements_proved: int = 0
    lends: int = 0
    redemptions: int = 0
    epochs_shown: int = 0
