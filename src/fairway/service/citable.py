"""Our halves that users may still cite: they are signed again as they were, never made anew."""

from __future__ import annotations

from collections.abc import Sequence

from fairway.channel.state import Half
from fairway.exchange.effect import AnyEffect, Push, SignHalf
from fairway.exchange.engine import Engine
from fairway.exchange.event import AnyEvent

__all__ = ["Citable"]


class Citable:
    """By channel and seqno, from the half that the user's newest one cites."""

    __slots__ = ("_engine", "_halves")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._halves: dict[bytes, dict[int, Half]] = {}

    def note(self, _event: AnyEvent, effects: Sequence[AnyEffect]) -> None:
        """Keep the halves that go out, and let go of those that the user has moved on from."""
        for effect in effects:
            if isinstance(effect, Push | SignHalf):
                newest = self._engine.channels[effect.channel_id].a
                kept = self._halves.setdefault(effect.channel_id, {})
                kept[effect.half.seqno] = effect.half
                for seqno in [each for each in kept if newest is not None and each < newest.half.cited]:
                    del kept[seqno]

    def half(self, channel_id: bytes, seqno: int) -> Half | None:
        """The half, where it is kept."""
        return self._halves.get(channel_id, {}).get(seqno)
