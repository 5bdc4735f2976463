"""The shell's hands: what each effect of the engine means out here, once its event is durable.

Signatures are made on the way out and only for somebody who listens: a push that nobody is there to read waits in the
journal, unsigned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec.structs import replace

from fairway.channel.machine import newest_b
from fairway.exchange.draft import fate_of, own_topic, refused
from fairway.exchange.effect import AnyEffect, Push, Refuse, SignHalf
from fairway.exchange.engine import Engine
from fairway.exchange.event import AnyEvent, Priced, Proposed
from fairway.exchange.site import channel_setup, consent_digest
from fairway.exchange.wire import Granted, Pushed, encode
from fairway.service.hub import Hub
from fairway.service.journal import Letter, market_topic
from fairway.service.keys import Keyring
from fairway.service.letters import round_of, signed, unsigned
from fairway.service.meter import Meter

__all__ = ["Hands", "Helper"]


class Helper(Protocol):
    """Who takes some effects further in their own time: the provers, the chain's watcher. Never waits, never fails."""

    def note(self, event: AnyEvent, effects: Sequence[AnyEffect]) -> None:
        """`event` happened (or is replayed), with these effects: learn what is to be done and what is done now."""


class Hands:
    """What `Sequencer` performs with."""

    def __init__(self, engine: Engine, keyring: Keyring, hub: Hub, meter: Meter, helpers: Sequence[Helper]) -> None:
        self._engine = engine
        self._keyring = keyring
        self._hub = hub
        self._meter = meter
        self._helpers = helpers
        self._drafts: dict[tuple[bytes, int], Granted | Pushed] = {}
        """Replies of the batch under way, between `letters` and `perform`."""

    def letters(self, entry: int, event: AnyEvent, effects: Sequence[AnyEffect]) -> list[Letter]:
        """The halves and rounds that users must come to know, unsigned, and what became of their own halves."""
        letters: list[Letter] = []
        for effect in effects:
            if isinstance(effect, Push | SignHalf):
                draft = unsigned(effect)
                self._drafts[effect.channel_id, effect.half.seqno] = draft
                letters.append(Letter(effect.channel_id, effect.half.seqno, entry, encode(draft)))
        fate = fate_of(event, effects)
        if isinstance(event, Proposed) and fate is not None:
            letters.append(Letter(own_topic(event.channel_id), event.seqno, entry, fate))
        if isinstance(event, Priced):
            letters.append(Letter(market_topic(event.market), entry, entry, encode(round_of(event))))
        return letters

    def perform(self, event: AnyEvent, effects: Sequence[AnyEffect]) -> None:
        """Tell the users and the helpers; a round goes out before the pushes it causes."""
        if isinstance(event, Priced):
            self._hub.broadcast(encode(round_of(event)))
        for effect in effects:
            self._tell(effect)
        self._meter.counts["events"] += 1
        self._learn(event, effects)

    def recall(self, event: AnyEvent, effects: Sequence[AnyEffect]) -> None:
        """Rebuild what the helpers know."""
        self._learn(event, effects)

    def sign(self, reply: Granted | Pushed) -> bytes:
        """The frame of a letter that leaves the house, under the channel's key."""
        rules, channel = self._engine.rules, self._engine.channels[reply.channel_id]
        ready = signed(reply, self._keyring.channel(rules.network, rules.vault, channel.key_a))
        if isinstance(ready, Granted):
            setup = channel_setup(rules, ready.channel_id, channel.key_a, channel.key_b)
            agreed = consent_digest(rules, setup, self._engine.venue.payouts[ready.channel_id])
            ready = replace(ready, consent=self._keyring.consent().sign(agreed))
        return encode(ready)

    def _learn(self, event: AnyEvent, effects: Sequence[AnyEffect]) -> None:
        for helper in self._helpers:
            helper.note(event, effects)

    def _tell(self, effect: AnyEffect) -> None:
        self._meter.counts[type(effect).__name__] += 1
        if isinstance(effect, Push | SignHalf):
            draft = self._drafts.pop((effect.channel_id, effect.half.seqno))
            if self._hub.is_followed(effect.channel_id):
                self._hub.send(effect.channel_id, self.sign(draft))
        elif isinstance(effect, Refuse):
            newest = newest_b(self._engine.channels[effect.channel_id])
            self._hub.send(effect.channel_id, encode(refused(effect, newest)))
