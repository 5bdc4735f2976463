"""Side B's halves: answers and pushes.

A half of B is made only if B covers it, on top of the newest accepted half of A. With it goes what A's next half must
say; the user computes both himself and compares.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from fairway.channel.account import Channel, Expected, check_covered, expected, newest_b, sent_b
from fairway.channel.conditionals import Conditionals
from fairway.channel.phase import Move, Phase, after, check_trading
from fairway.channel.state import UNSIGNED, Body, Half, SignedHalf, verify_half
from fairway.errors import IllegalTransition, InvalidMessage

__all__ = ["CHAIN_KEY", "Pushed", "accept_push", "check_next_b", "check_push", "next_b", "sign_b"]

CHAIN_KEY = 0xFFFFFFFF
"""Where B's half carries the settlement chain."""

Verify = Callable[[bytes, Half, bytes], None]


class Pushed(Struct, frozen=True, gc=False):
    """A half of B that holds; `repeat`: it is the newest one once more."""

    half: Half
    signature: bytes
    conditionals: Conditionals
    expected: Expected
    repeat: bool = False


def check_next_b(channel: Channel, sent: int, conditionals: Conditionals, wanted: Expected) -> Half:
    """B's next half, on top of the newest accepted half of A. Nothing changes.

    Errors: `Rejected` `channel.room` where B does not cover it, `channel.coverage` where A would not cover what he is
    expected to sign, `channel.phase`; `IllegalTransition` where a sum would fall.
    """
    half = _answer(channel, newest_b(channel) + 1, sent, conditionals)
    _judged(channel, half, conditionals, wanted)
    return half


def next_b(channel: Channel, sent: int, conditionals: Conditionals, wanted: Expected) -> Half:
    """Make B's next half the newest, unsigned until `sign_b`, and what it expects of A citable."""
    half = _answer(channel, newest_b(channel) + 1, sent, conditionals)
    accept_push(channel, Pushed(half, UNSIGNED, conditionals, _judged(channel, half, conditionals, wanted)))
    return half


def sign_b(channel: Channel, seqno: int, signature: bytes) -> None:
    """Put the signature beside B's half `seqno`, unless a newer half stands there already."""
    if channel.b and channel.b.half.seqno == seqno:
        channel.b = SignedHalf(channel.b.half, signature)


def check_push(
    channel: Channel,
    half: Half,
    signature: bytes,
    sent: int,
    conditionals: Conditionals,
    wanted: Expected,
    *,
    verify: Verify = verify_half,
) -> Pushed:
    """Judge a half of B against what the user computed himself. Nothing changes: hand the result to `accept_push`.

    Pushes may have been missed: any newer seqno will do. Errors: `InvalidMessage` `channel.id`, `channel.seqno`,
    `channel.push` (the half says something else), a bad signature; `Rejected` as in `check_next_b`.
    """
    if half.channel_id != channel.channel_id:
        raise InvalidMessage("channel.id", "the half belongs to another channel", seqno=half.seqno)
    if channel.b and half == channel.b.half:
        if signature != channel.b.signature:
            verify(channel.key_b, half, signature)
        return Pushed(half, signature, channel.b_conditionals, expected(channel), repeat=True)
    if half.seqno <= newest_b(channel):
        raise InvalidMessage("channel.seqno", "a push is newer than the last", seqno=half.seqno)
    if half != _answer(channel, half.seqno, sent, conditionals):
        raise InvalidMessage("channel.push", "the half of B is not the one that follows", seqno=half.seqno)
    verify(channel.key_b, half, signature)
    return Pushed(half, signature, conditionals, _judged(channel, half, conditionals, wanted))


def accept_push(channel: Channel, pushed: Pushed) -> None:
    """Make a pushed half B's newest."""
    if pushed.repeat:
        return
    channel.window[pushed.half.seqno] = pushed.expected
    channel.b = SignedHalf(pushed.half, pushed.signature)
    channel.b_conditionals = pushed.conditionals
    if channel.a and channel.phase is Phase.FRESH:
        channel.phase = after(channel.phase, Move.AGREE)


def _answer(channel: Channel, seqno: int, sent: int, conditionals: Conditionals) -> Half:
    cited = channel.a.half.body if channel.a else None
    return Half(channel.channel_id, Body(seqno, sent, conditionals.root_hash()), cited)


def _judged(channel: Channel, half: Half, conditionals: Conditionals, wanted: Expected) -> Expected:
    """What A's half must say when it cites `half`; raises where the channel does not allow `half`."""
    check_trading(channel.phase)
    if half.sent < sent_b(channel) or wanted.sent < expected(channel).sent:
        raise IllegalTransition("channel.sum_fell", "what a side has sent never falls", seqno=half.seqno)
    judged = Expected(wanted.sent, wanted.conditionals, half.body, half.sent + conditionals.maximum())
    check_covered(channel, judged)
    return judged
