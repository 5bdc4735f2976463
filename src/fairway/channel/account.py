"""What one side knows of a channel, and the sums that follow from it.

User and service keep the same account and run the same code on it. It changes only through `fairway.channel.machine`.
"""

from __future__ import annotations

from hashlib import sha256

from msgspec import Struct, field

from fairway.channel.conditionals import Conditionals
from fairway.channel.phase import Phase
from fairway.channel.state import Body, SignedHalf
from fairway.errors import Rejected

__all__ = [
    "Channel",
    "Expected",
    "balance_a",
    "balance_b",
    "check_covered",
    "cover_a",
    "cover_b",
    "expected",
    "fingerprint",
    "newest_b",
    "sent_a",
    "sent_b",
]

NOTHING = Conditionals()


class Expected(Struct, frozen=True, gc=False):
    """What side A's next half must say, before its own adds and drops, when it cites the body `b` of side B.

    Whoever makes the half of B states `sent` and `conditionals`; the machine puts `b` beside them, and in `promised_b`
    what that half has sent and at most still pays.
    """

    sent: int = 0
    conditionals: Conditionals = NOTHING
    b: Body | None = None
    promised_b: int = 0


class Channel(Struct):
    """One channel, side A the user, side B the service. Amounts in nano; deposits and withdrawals are totals.

    `a` and `b` are the newest accepted half of A and the newest half of B, with the conditionals their hashes stand
    for. `a_consumed` is the highest seqno of A that was accepted or refused, `a_key` the highest key A has declared.
    `window` holds what A may still cite: from the b that `a` cites to the newest; entry 0 stands for "none yet".
    `reserve` is what A keeps for a fine and may never promise away; `max_window` how far A may lag and still add.
    """

    channel_id: int
    key_a: bytes
    key_b: bytes
    reserve: int = 0
    max_window: int = 64
    phase: Phase = Phase.FRESH
    deposit_a: int = 0
    deposit_b: int = 0
    withdraw_a: int = 0
    withdraw_b: int = 0
    a: SignedHalf | None = None
    a_conditionals: Conditionals = NOTHING
    a_consumed: int = 0
    a_key: int = 0
    b: SignedHalf | None = None
    b_conditionals: Conditionals = NOTHING
    window: dict[int, Expected] = field(default_factory=lambda: {0: Expected()})


def sent_a(channel: Channel) -> int:
    """What A's newest accepted half has sent."""
    return channel.a.half.sent if channel.a else 0


def sent_b(channel: Channel) -> int:
    """What B's newest half has sent."""
    return channel.b.half.sent if channel.b else 0


def newest_b(channel: Channel) -> int:
    """The seqno of B's newest half; 0 for none."""
    return channel.b.half.seqno if channel.b else 0


def balance_a(channel: Channel) -> int:
    """What A owns by the newest halves: deposit − withdrawn − sent + received."""
    return channel.deposit_a - channel.withdraw_a - sent_a(channel) + sent_b(channel)


def balance_b(channel: Channel) -> int:
    """What B owns by the newest halves."""
    return channel.deposit_b - channel.withdraw_b - sent_b(channel) + sent_a(channel)


def cover_a(channel: Channel, wanted: Expected) -> int:
    """What A still has behind a half that says `wanted`, once sums, promises and reserve are covered.

    Negative: uncovered. Who sends and promises nothing needs no reserve either, so a channel may begin empty.
    """
    promised = wanted.sent + wanted.conditionals.maximum()
    received = wanted.b.sent if wanted.b else 0
    return channel.deposit_a - channel.withdraw_a + received - promised - (channel.reserve if promised else 0)


def cover_b(channel: Channel, wanted: Expected) -> int:
    """What B still has behind its half in `wanted`, against A's newest accepted half. Negative: uncovered."""
    return channel.deposit_b - channel.withdraw_b + sent_a(channel) - wanted.promised_b


def check_covered(channel: Channel, wanted: Expected) -> None:
    """Both sides cover a live pair; else `Rejected` with `channel.coverage` (A) or `channel.room` (B)."""
    short_a, short_b = -cover_a(channel, wanted), -cover_b(channel, wanted)
    if short_a > 0:
        raise Rejected("channel.coverage", "sums, promises and reserve exceed what A owns", short=short_a)
    if short_b > 0:
        raise Rejected("channel.room", "the service's side of the channel is used up", short=short_b)


def expected(channel: Channel) -> Expected:
    """What A's half must say when it cites B's newest, before A's own adds and drops."""
    return channel.window[newest_b(channel)]


def fingerprint(channel: Channel) -> bytes:
    """SHA-256 over everything in `channel`: equal for equal channels, in any process."""
    digest = sha256(b"fairway channel fingerprint")
    digest.update(channel.key_a + channel.key_b)
    numbers = [channel.channel_id, channel.reserve, channel.max_window, channel.deposit_a, channel.deposit_b]
    numbers += [channel.withdraw_a, channel.withdraw_b, channel.a_consumed, channel.a_key]
    digest.update(f"{channel.phase.value} {numbers}".encode())
    for signed, conditionals in ((channel.a, channel.a_conditionals), (channel.b, channel.b_conditionals)):
        digest.update(signed.half.digest() + b"%c" % len(signed.signature) + signed.signature if signed else b"-")
        digest.update(conditionals.root_hash() + b"%d;" % conditionals.maximum())
    for seqno, wanted in sorted(channel.window.items()):
        body = wanted.b.digest() if wanted.b else bytes(32)
        digest.update(b"%d %d %d;" % (seqno, wanted.sent, wanted.promised_b) + body + wanted.conditionals.root_hash())
    return digest.digest()
