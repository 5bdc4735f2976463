"""Side A's halves: the acceptance rule.

A half of A is accepted only if it says exactly what follows from the half of B it cites and from A's own declared adds
and drops, and if A covers it against every half of B that A may still cite.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from fairway.channel.account import Channel, Expected, check_covered, expected, newest_b
from fairway.channel.conditionals import Conditional
from fairway.channel.phase import check_trading
from fairway.channel.state import UNSIGNED, Body, Half, SignedHalf, verify_half
from fairway.errors import IllegalTransition, InvalidMessage, Rejected

__all__ = ["MANDATED_KEYS", "MARKET_KEYS", "Accepted", "accept", "check_proposal", "propose", "reject"]

MANDATED_KEYS = 1 << 30
"""Below: keys that A declares, counting up. From here on: keys that only follow from B's halves."""
MARKET_KEYS = 1 << 31
"""Below: what A may drop, his own and what somebody else ordered under a mandate of his."""

Adds = Sequence[tuple[int, Conditional]]
Drops = Sequence[int]
Verify = Callable[[bytes, Half, bytes], None]
FilledAfter = Callable[[int, int], bool]


class Accepted(Struct, frozen=True, gc=False):
    """A half of A that holds, with the `window` as it will be; `repeat`: it is the newest one once more.

    `implied` are conditionals that its half has beside those that A declared, because of what he wishes.
    """

    half: Half
    signature: bytes
    adds: Adds = ()
    drops: Drops = ()
    implied: Adds = ()
    window: dict[int, Expected] | None = None
    repeat: bool = False


def never_filled(key: int, seqno: int) -> bool:
    """No order under `key` was filled after the half `seqno` of B: all that a user can know of his own drops."""
    del key, seqno
    return False


def check_proposal(
    channel: Channel,
    half: Half,
    signature: bytes,
    adds: Adds = (),
    drops: Drops = (),
    *,
    implied: Adds = (),
    filled_after: FilledAfter = never_filled,
    verify: Verify = verify_half,
) -> Accepted:
    """Judge a half of A by the acceptance rule. Nothing changes: hand the result to `accept`.

    `implied` follows from what A wishes, under keys that he does not declare; it takes the place of what stands there,
    which must be the same in all halves of B that A may still cite. `filled_after(key, k)` says whether the order
    under a dropped `key` was filled in a half of B after b_k. `verify` is the signature check; whoever has made it
    already may pass one that accepts.

    Errors: `InvalidMessage` (`channel.id`, `channel.equivocation`, a bad signature) consumes nothing, nor does
    `Rejected` `channel.seqno` or `channel.phase`; after any other `Rejected` the caller consumes the seqno by `reject`.
    """
    if half.channel_id != channel.channel_id:
        raise InvalidMessage("channel.id", "the half belongs to another channel", seqno=half.seqno)
    if channel.a and half == channel.a.half:
        if signature != channel.a.signature:
            verify(channel.key_a, half, signature)
        return Accepted(half, channel.a.signature, adds, drops, implied, repeat=True)
    newest = channel.a.half.seqno if channel.a else 0
    if half.seqno not in {newest, channel.a_consumed + 1} or half.seqno == 0:
        raise Rejected("channel.seqno", "the next half has the seqno after the last", last=channel.a_consumed)
    verify(channel.key_a, half, signature)
    if half.seqno == newest:
        raise InvalidMessage("channel.equivocation", "two halves of one side have one seqno", seqno=half.seqno)
    return Accepted(half, signature, adds, drops, implied, _judged(channel, half, adds, drops, implied, filled_after))


def propose(channel: Channel, adds: Adds = (), drops: Drops = (), implied: Adds = ()) -> Accepted:
    """A's next half, on top of the newest half of B, judged as the service will judge it; not signed yet.

    The user makes it durable, signs its digest, sends it, and hands it to `accept` when a half of B cites it.
    """
    wanted = expected(channel)
    conditionals = _rebased(wanted, adds, drops, implied).conditionals
    body = Body(channel.a_consumed + 1, wanted.sent, conditionals.root_hash())
    half = Half(channel.channel_id, body, wanted.b)
    return Accepted(half, UNSIGNED, adds, drops, implied, _judged(channel, half, adds, drops, implied, never_filled))


def accept(channel: Channel, accepted: Accepted) -> None:
    """Make an accepted half A's newest; what B pushed since it was judged stays citable on top of it."""
    if accepted.repeat:
        return
    if accepted.half.seqno != channel.a_consumed + 1 or accepted.window is None:
        raise IllegalTransition("channel.accept", "only the next half can be accepted", seqno=accepted.half.seqno)
    cited, window = accepted.half.cited, accepted.window
    channel.window = {
        seqno: window.get(seqno) or _rebased(wanted, accepted.adds, accepted.drops, accepted.implied)
        for seqno, wanted in channel.window.items()
        if seqno >= cited
    }
    channel.a = SignedHalf(accepted.half, accepted.signature)
    channel.a_conditionals = channel.window[cited].conditionals
    channel.a_consumed = accepted.half.seqno
    if accepted.adds:
        channel.a_key = accepted.adds[-1][0]


def reject(channel: Channel, seqno: int) -> None:
    """Consume the seqno of a refused half; any seqno but the next is left alone."""
    if seqno == channel.a_consumed + 1:
        channel.a_consumed = seqno


def _judged(
    channel: Channel, half: Half, adds: Adds, drops: Drops, implied: Adds, filled_after: FilledAfter
) -> dict[int, Expected]:
    """The window after `half`; `Rejected` where a clause of the acceptance rule does not hold."""
    check_trading(channel.phase)
    cited = half.cited
    wanted = channel.window.get(cited)
    if wanted is None or wanted.b != half.counterparty:
        raise Rejected("channel.cites", "a half answers a half of B that is still open", cited=cited)
    if half.sent != wanted.sent:
        raise Rejected("channel.sent", "a half has sent what follows from the half it answers", sent=wanted.sent)
    if adds and newest_b(channel) - cited > channel.max_window:
        raise Rejected("channel.exposure", "sign the newer halves first", newest=newest_b(channel), cited=cited)
    _check_keys(channel, adds, drops)
    for key in drops:
        if filled_after(key, cited):
            raise Rejected("channel.dropped_filled", "a dropped order was filled meanwhile", key=key)
    window: dict[int, Expected] = {}
    for seqno, before in channel.window.items():
        if seqno >= cited:
            _check_drops(wanted, before, drops)
            _check_replaced(wanted, before, implied)
            window[seqno] = _rebased(before, adds, drops, implied)
            check_covered(channel, window[seqno])
    if half.body.conditionals_hash != window[cited].conditionals.root_hash():
        raise Rejected("channel.conditionals", "the conditionals are not the old ones and the declared changes")
    return window


def _check_keys(channel: Channel, adds: Adds, drops: Drops) -> None:
    # A key that came back would let an old receipt speak for a new order.
    last = channel.a_key
    for key, _ in adds:
        if not last < key < MANDATED_KEYS:
            raise Rejected("channel.key", "declared keys count up and are never used again", key=key, last=last)
        last = key
    for key in drops:
        if key >= MARKET_KEYS:
            raise Rejected("channel.key", "only orders can be dropped", key=key)


def _check_drops(cited: Expected, live: Expected, drops: Drops) -> None:
    if live is cited:
        return
    for key in drops:
        if live.conditionals.get(key) != cited.conditionals.get(key):
            raise Rejected("channel.dropped_filled", "a dropped order was filled meanwhile", key=key)


def _check_replaced(cited: Expected, live: Expected, implied: Adds) -> None:
    for key, _ in implied:
        if live is not cited and live.conditionals.get(key) != cited.conditionals.get(key):
            raise Rejected("channel.moved", "what the half replaces changed meanwhile", key=key)


def _rebased(before: Expected, adds: Adds, drops: Drops, implied: Adds) -> Expected:
    if not adds and not drops and not implied:
        return before
    replaced = [key for key, _ in implied if key in before.conditionals]
    changed = before.conditionals.update((*implied, *adds), (*replaced, *drops))
    return Expected(before.sent, changed, before.b, before.promised_b)
