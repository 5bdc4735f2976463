"""The life of a channel as one table: which move leads from which phase to which. What is not here does not exist.

Laws, walked in tests/unit/test_channel_phase.py over all phases and moves:

- halves are signed only in the phases of `TRADING`;
- a phase from which money can still leave the contract has a way to `CLOSED` that needs only one of the two sides;
- `CLOSED` is the end.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType

from fairway.errors import IllegalTransition, Rejected

__all__ = ["TRADING", "TRANSITIONS", "Move", "Phase", "after", "check_trading", "table"]


class Phase(StrEnum):
    """Where a channel stands."""

    FRESH = "fresh"
    AGREED = "agreed"
    OPEN = "open"
    HALTED = "halted"
    CLOSING = "closing"
    QUARANTINED = "quarantined"
    SETTLING = "settling"
    CLOSED = "closed"


class Move(StrEnum):
    """What happened to a channel."""

    AGREE = "both first halves are there"
    FUND = "deposits reached the contract"
    SIGN_CLOSE = "a side signed a cooperative close"
    OUTRUN = "a side was shown newer halves of its own"
    COMMIT = "a cooperative commit took effect"
    CLOSE = "a cooperative close took effect"
    START = "a side started an uncooperative close"
    CHALLENGE = "a newer pair was shown"
    EXPIRE = "the quarantine ended"
    SETTLE = "conditionals were settled"
    FINISH = "the uncooperative close was finished"


TRADING = frozenset({Phase.FRESH, Phase.AGREED, Phase.OPEN})

TRANSITIONS = MappingProxyType(
    {
        (Phase.FRESH, Move.AGREE): Phase.AGREED,
        (Phase.AGREED, Move.FUND): Phase.OPEN,
        (Phase.AGREED, Move.START): Phase.QUARANTINED,
        # Whoever lost what it signed cannot sign again without signing twice: what is left is to close.
        (Phase.AGREED, Move.OUTRUN): Phase.HALTED,
        (Phase.OPEN, Move.OUTRUN): Phase.HALTED,
        (Phase.HALTED, Move.FUND): Phase.HALTED,
        (Phase.HALTED, Move.START): Phase.QUARANTINED,
        (Phase.HALTED, Move.CLOSE): Phase.CLOSED,
        (Phase.OPEN, Move.FUND): Phase.OPEN,
        (Phase.OPEN, Move.COMMIT): Phase.OPEN,
        (Phase.OPEN, Move.SIGN_CLOSE): Phase.CLOSING,
        (Phase.OPEN, Move.START): Phase.QUARANTINED,
        # A signed close outlives every wish to trade on, until a commit with higher seqnos makes it void.
        (Phase.CLOSING, Move.SIGN_CLOSE): Phase.CLOSING,
        (Phase.CLOSING, Move.FUND): Phase.CLOSING,
        (Phase.CLOSING, Move.COMMIT): Phase.OPEN,
        (Phase.CLOSING, Move.CLOSE): Phase.CLOSED,
        (Phase.CLOSING, Move.START): Phase.QUARANTINED,
        (Phase.QUARANTINED, Move.CHALLENGE): Phase.QUARANTINED,
        (Phase.QUARANTINED, Move.EXPIRE): Phase.SETTLING,
        (Phase.QUARANTINED, Move.CLOSE): Phase.CLOSED,
        (Phase.SETTLING, Move.SETTLE): Phase.SETTLING,
        (Phase.SETTLING, Move.FINISH): Phase.CLOSED,
        (Phase.SETTLING, Move.CLOSE): Phase.CLOSED,
    }
)


def after(phase: Phase, move: Move) -> Phase:
    """The phase that `move` leads to from `phase`; `IllegalTransition` where the table has no such move."""
    try:
        return TRANSITIONS[phase, move]
    except KeyError:
        raise IllegalTransition("channel.move", "the table has no such move", phase=phase, move=move) from None


def check_trading(phase: Phase) -> None:
    """Halves may be signed in `phase`; else `Rejected` with `channel.phase`."""
    if phase not in TRADING:
        raise Rejected("channel.phase", "the channel is being closed", phase=phase)


def table() -> str:
    """The transitions as the Markdown table of docs/spec/channel.md."""
    rows = [f"| {phase.value} | {move.value} | {then.value} |" for (phase, move), then in TRANSITIONS.items()]
    return "\n".join(["| phase | what happened | then |", "|---|---|---|", *rows])
