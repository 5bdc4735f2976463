"""The two tables beside the entries, which only save work: a replay gives their every byte again, or they lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fairway.audit.lie import Lie
from fairway.exchange.draft import fate_of, market_topic, own_topic, round_of, unsigned
from fairway.exchange.effect import AnyEffect, Push, SignHalf
from fairway.exchange.engine import Engine
from fairway.exchange.event import AnyEvent, Priced, Proposed
from fairway.exchange.wire import encode

__all__ = ["Frames", "check_checkpoint", "check_letters", "letters_due"]

Frames = Mapping[tuple[bytes, int], bytes]
"""Letters of one entry: (topic, number) → frame."""


def letters_due(seq: int, event: AnyEvent, effects: Sequence[AnyEffect]) -> dict[tuple[bytes, int], bytes]:
    """The letters that entry `seq` causes: halves of the service, unsigned; rounds; what became of users' halves."""
    due = {
        (effect.channel_id, effect.half.seqno): encode(unsigned(effect))
        for effect in effects
        if isinstance(effect, Push | SignHalf)
    }
    if isinstance(event, Priced):
        due[market_topic(event.market), seq] = encode(round_of(event))
    fate = fate_of(event, effects)
    if isinstance(event, Proposed) and fate is not None:
        due[own_topic(event.channel_id), event.seqno] = fate
    return due


def check_letters(seq: int, event: AnyEvent, effects: Sequence[AnyEffect], found: Frames) -> int:
    """The letters `found` beside entry `seq` are exactly those due; how many. Else `Lie` (`audit.outbox`)."""
    due = letters_due(seq, event, effects)
    for name in [*due, *found]:
        if due.get(name) != found.get(name):
            topic, number = name
            what = "is missing" if name not in found else "is not what follows from it"
            raise Lie(seq, "audit.outbox", f"its letter {number!r} to {_shown(topic)} {what}")
    return len(due)


def check_checkpoint(seq: int, engine: Engine, digest: bytes, book_digest: bytes) -> None:
    """The checkpoint after entry `seq` is the state of `engine`; else `Lie` (`audit.checkpoint`)."""
    if digest != engine.digest():
        raise Lie(seq, "audit.checkpoint", "the state after it is not the one of the checkpoint")
    if book_digest != engine.book_digest():
        raise Lie(seq, "audit.checkpoint", "the books after it are not those of the checkpoint")


def _shown(topic: bytes) -> str:
    return f"market {int.from_bytes(topic)}" if len(topic) == 2 else f"channel {topic.removeprefix(b'own').hex()}"
