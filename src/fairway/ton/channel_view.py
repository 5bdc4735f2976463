"""What the channel contract's getter says, as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from fairway.errors import InvalidMessage
from fairway.ton.cells import Slice, from_boc

__all__ = ["BodyView", "ChannelState", "ChannelView", "QuarantineView", "read_channel"]

GETTER = "getChannelData"


class ChannelState(IntEnum):
    """Where a channel is on chain, by the clock of the chain."""

    UNINITED = 0
    OPEN = 1
    QUARANTINED = 2
    SETTLING = 3
    AWAITING_FINISH = 4


@dataclass(frozen=True, slots=True)
class BodyView:
    """A half as the contract keeps it."""

    seqno: int
    sent: int
    conditionals_hash: bytes


@dataclass(frozen=True, slots=True)
class QuarantineView:
    """A lone close: the halves that stand, who started it and when, and the fine he owes so far."""

    a: BodyView
    b: BodyView
    started_at: int
    started_by_a: bool
    challenged: bool
    fine: int
    adopted: bool


@dataclass(frozen=True, slots=True)
class ChannelView:
    """A channel as of now. Balances are what each side would be paid on what is committed, in nano."""

    state: ChannelState
    balance_a: int
    balance_b: int
    deposit_a: int
    deposit_b: int
    withdraw_a: int
    withdraw_b: int
    key_a: bytes
    key_b: bytes
    channel_id: int
    floor_a: int
    floor_b: int
    quarantine: QuarantineView | None


def read_channel(stack: Sequence[Any]) -> ChannelView:
    """The stack that `getChannelData` leaves; `InvalidMessage` with `channel.view` for any other."""
    try:
        state, balances, (key_a, key_b), channel_id, _, (floor_a, floor_b), quarantine, _ = stack
        balance_a, balance_b, deposit_a, deposit_b, withdraw_a, withdraw_b = balances
        return ChannelView(
            state=ChannelState(state),
            balance_a=balance_a,
            balance_b=balance_b,
            deposit_a=deposit_a,
            deposit_b=deposit_b,
            withdraw_a=withdraw_a,
            withdraw_b=withdraw_b,
            key_a=key_a.to_bytes(32),
            key_b=key_b.to_bytes(32),
            channel_id=channel_id,
            floor_a=floor_a,
            floor_b=floor_b,
            quarantine=None if quarantine is None else _quarantine(from_boc(quarantine).begin_parse()),
        )
    except InvalidMessage:
        raise
    except Exception as error:
        # A stack of another contract fails wherever it happens to differ.
        raise InvalidMessage("channel.view", "this is not what a channel says of itself") from error


def _quarantine(fields: Slice) -> QuarantineView:
    a, b = _body(fields), _body(fields)
    started_at, by_a, challenged = fields.load_uint(32), fields.load_bool(), fields.load_bool()
    verdict = fields.load_ref().begin_parse()
    verdict.load_uint(64)
    verdict.load_coins()
    fine = verdict.load_coins() or 0
    verdict.load_coins()
    return QuarantineView(a, b, started_at, by_a, challenged, fine, verdict.load_bool())


def _body(fields: Slice) -> BodyView:
    return BodyView(fields.load_uint(64), fields.load_coins() or 0, fields.load_bytes(32))
