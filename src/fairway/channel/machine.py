"""The moves of a channel, run by user and service alike: `check_*` judges and changes nothing, the rest changes.

Laws (docs/spec/channel.md; each has a planted bug that its test catches):

- seqno and sent of a half never fall; (channel, side, seqno) names one half.
- A half of A is accepted only if it says exactly what follows from the half of B it cites and from A's own declared
  adds and drops, and if A covers it against every half of B that A may still cite.
- A half of B is made only if B covers it, and only on top of the newest accepted half of A.
- A refused seqno is consumed; a repeat of the newest half is a repeat, not an error.
"""

from __future__ import annotations

from msgspec.structs import replace

from fairway.channel.account import (
    Channel,
    Expected,
    balance_a,
    balance_b,
    check_covered,
    cover_a,
    cover_b,
    expected,
    fingerprint,
    newest_b,
    sent_a,
    sent_b,
)
from fairway.channel.phase import Move, after, check_trading
from fairway.channel.proposal import MANDATED_KEYS, MARKET_KEYS, Accepted, accept, check_proposal, propose, reject
from fairway.channel.push import CHAIN_KEY, Pushed, accept_push, check_next_b, check_push, next_b, sign_b
from fairway.errors import IllegalTransition

__all__ = [
    "CHAIN_KEY",
    "MANDATED_KEYS",
    "MARKET_KEYS",
    "Accepted",
    "Channel",
    "Expected",
    "Pushed",
    "accept",
    "accept_push",
    "balance_a",
    "balance_b",
    "check_covered",
    "check_next_b",
    "check_proposal",
    "check_push",
    "check_withdrawal",
    "cover_a",
    "cover_b",
    "expected",
    "fingerprint",
    "fund",
    "move",
    "newest_b",
    "next_b",
    "propose",
    "reject",
    "sent_a",
    "sent_b",
    "sign_b",
    "trial",
    "withdraw",
]


def trial(channel: Channel) -> Channel:
    """A copy to try moves on, so that several of them take effect together or not at all."""
    return replace(channel, window=dict(channel.window))


def move(channel: Channel, made: Move) -> None:
    """Change the phase; `IllegalTransition` where the table has no such move."""
    channel.phase = after(channel.phase, made)


def fund(channel: Channel, deposit_a: int, deposit_b: int) -> None:
    """The contract's deposits are now these totals; they never fall."""
    if deposit_a < channel.deposit_a or deposit_b < channel.deposit_b:
        raise IllegalTransition("channel.sum_fell", "deposits never fall", deposit_a=deposit_a, deposit_b=deposit_b)
    move(channel, Move.FUND)
    channel.deposit_a, channel.deposit_b = deposit_a, deposit_b


def check_withdrawal(channel: Channel, withdraw_a: int, withdraw_b: int) -> None:
    """Both sides stay covered in every live pair when these are the totals withdrawn; else `Rejected`."""
    check_trading(channel.phase)
    if withdraw_a < channel.withdraw_a or withdraw_b < channel.withdraw_b:
        raise IllegalTransition("channel.sum_fell", "withdrawals never fall", withdraw_a=withdraw_a)
    lighter = replace(channel, withdraw_a=withdraw_a, withdraw_b=withdraw_b)
    for wanted in channel.window.values():
        check_covered(lighter, wanted)


def withdraw(channel: Channel, withdraw_a: int, withdraw_b: int) -> None:
    """Count these totals as gone, from the moment a commit that pays them is signed."""
    check_withdrawal(channel, withdraw_a, withdraw_b)
    channel.withdraw_a, channel.withdraw_b = withdraw_a, withdraw_b
