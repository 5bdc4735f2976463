"""What a replay says that each side of each channel has signed, and whether a user's record says the same.

The service signs one half under each seqno. So a half that a user holds under the channel's own key is the half that
the replay makes, or the service has signed two. The record speaks in the wire's own messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from fairway.audit.lie import Lie
from fairway.channel import codec
from fairway.channel.state import NO_CONDITIONALS, Body, Half
from fairway.crypto import keys
from fairway.errors import FairwayError, InvalidMessage
from fairway.exchange import wire
from fairway.exchange.change import AnyChange
from fairway.exchange.effect import AnyEffect, Push, SignHalf
from fairway.exchange.event import AnyEvent, CloseProposed, CommitProposed, Funded, Opened, Proposed
from fairway.exchange.terms import Receipt
from fairway.exchange.withdrawal import commit_statement

__all__ = ["Heard", "Said", "Spoken"]

Said = (
    wire.Welcome
    | wire.Open
    | wire.Granted
    | Funded
    | wire.Propose
    | wire.Pushed
    | wire.Refused
    | wire.Round
    | wire.Commit
    | wire.CommitSigned
    | wire.Close
    | wire.CloseSigned
)
"""One entry of a user's record."""


class Answer(NamedTuple):
    """A half of the service as the replay makes it, by entry `seq`, and what is signed or told with it."""

    seq: int
    half: Half
    changes: tuple[AnyChange, ...]
    receipts: tuple[Receipt, ...]


@dataclass(slots=True)
class Voice:
    """One channel in the replay: halves of the service from seqno 1 on, the user's by seqno, withdrawals and end."""

    opened: Opened
    answers: list[Answer] = field(default_factory=list)
    proposals: dict[int, tuple[int, Proposed]] = field(default_factory=dict)
    funded: tuple[int, Funded] | None = None
    close: tuple[int, CloseProposed] | None = None
    commits: dict[int, tuple[int, CommitProposed]] = field(default_factory=dict)


class Heard(NamedTuple):
    """How much of a user's record was compared."""

    of_service: int
    of_user: int
    receipts: int


class Spoken:
    """Everything that both sides say in one replay."""

    def __init__(self) -> None:
        self._voices: dict[bytes, Voice] = {}

    def note(self, seq: int, event: AnyEvent, effects: Sequence[AnyEffect]) -> None:
        """Learn what entry `seq` made either side sign."""
        match event:
            case Opened():
                self._voices[event.channel_id] = Voice(event)
            case Proposed():
                self._voices[event.channel_id].proposals[event.seqno] = seq, event
            case Funded():
                self._voices[event.channel_id].funded = seq, event
            case CommitProposed():
                self._voices[event.channel_id].commits[event.withdraw_a] = seq, event
            case CloseProposed():
                self._voices[event.channel_id].close = seq, event
            case _:
                pass
        for effect in effects:
            if isinstance(effect, Push):
                answer = Answer(seq, effect.half, effect.changes, effect.receipts)
                self._voices[effect.channel_id].answers.append(answer)
            elif isinstance(effect, SignHalf):
                self._voices[effect.channel_id].answers.append(Answer(seq, effect.half, (), ()))

    def check_record(self, owner: str, channel_id: bytes, record: Iterable[Said]) -> Heard:
        """The whole `record` of one channel of `owner` says what the replay says; else `Lie`.

        `audit.equivocation`   the service signed another half under that seqno
        `audit.withheld`       the service signed what the journal does not have
        `audit.proposal`       the journal has another half of the user than he wrote down
        `audit.deposit`        it has another deposit than he saw
        `audit.record`         the record itself cannot be true
        """
        voice = self._voices.get(channel_id)
        listener = _Listener(owner, channel_id, voice)
        for said in record:
            listener.hear(said)
        listener.finish()
        return Heard(listener.of_service, listener.of_user, listener.receipts)


class _Listener:
    """One record on its way past the replay."""

    def __init__(self, owner: str, channel_id: bytes, voice: Voice | None) -> None:
        self.of_service = self.of_user = self.receipts = 0
        self._where = f"{owner}'s record of channel {channel_id.hex()}"
        self._channel = int.from_bytes(channel_id)
        self._voice = voice
        self._key_b = voice.opened.key_b if voice else b""
        self._own = {1: Body(1, 0, NO_CONDITIONALS)}
        self._newest = 0
        self._funded: Funded | None = None

    def hear(self, said: Said) -> None:
        match said:
            case wire.Welcome():
                self._welcome(said)
            case wire.Granted():
                self._answer(wire.Pushed(said.channel_id, 1, 0, said.conditionals_hash, 1, said.signature, []))
            case wire.Pushed():
                self._answer(said)
            case wire.Propose():
                self._proposal(said)
            case Funded():
                self._funded = said
            case wire.CommitSigned():
                self._commit(said)
            case wire.CloseSigned():
                self._close(said)
            case _:
                pass

    def finish(self) -> None:
        """What only the whole record shows: no half of the user's is missing in it, and the deposit is his."""
        if self._voice is None:
            return
        for seqno, (seq, _) in self._voice.proposals.items():
            if seqno < self._newest and seqno not in self._own:
                raise Lie(seq, "audit.proposal", f"half {seqno} of the user is not in {self._where}")
        funded = self._voice.funded
        if funded is not None and self._funded is not None:
            seq, event = funded
            seen = self._funded.deposit_a, self._funded.deposit_b
            if (event.deposit_a, event.deposit_b) != seen:
                raise Lie(seq, "audit.deposit", f"the deposit is not the one in {self._where}")

    def _welcome(self, said: wire.Welcome) -> None:
        self._key_b = self._key_b or said.key_b
        if self._key_b != said.key_b:
            raise Lie(None, "audit.record", f"{self._where} names another key of the service")

    # The service's halves

    def _answer(self, pushed: wire.Pushed) -> None:
        answers = self._voice.answers if self._voice else []
        if not 0 < pushed.seqno <= len(answers):
            self._withheld(pushed)
        made = answers[pushed.seqno - 1]
        if not self._signed(made.half.digest(), pushed.signature):
            self._another(made, pushed)
        told = pushed.sent, pushed.conditionals_hash, pushed.cites, pushed.changes
        if told != (made.half.sent, made.half.body.conditionals_hash, made.half.cited, list(made.changes)):
            raise Lie(None, "audit.record", f"{self._where} tells half {pushed.seqno} otherwise than it was signed")
        if len(pushed.receipts) != len(made.receipts) or not all(
            self._signed(receipt.digest(), signature)
            for receipt, signature in zip(made.receipts, pushed.receipts, strict=True)
        ):
            raise Lie(made.seq, "audit.receipt", f"{self._where} has another receipt with half {pushed.seqno}")
        self.of_service += 1
        self.receipts += len(made.receipts)

    def _another(self, made: Answer, pushed: wire.Pushed) -> None:
        half = self._half(pushed)
        if half is not None and self._signed(half.digest(), pushed.signature):
            message = f"the service signed another half {pushed.seqno}; it is in {self._where}"
            raise Lie(made.seq, "audit.equivocation", message)
        raise Lie(None, "audit.record", f"half {pushed.seqno} in {self._where} is not signed by the service")

    def _withheld(self, pushed: wire.Pushed) -> None:
        half = self._half(pushed)
        if half is not None and self._signed(half.digest(), pushed.signature):
            message = f"the journal never comes to half {pushed.seqno} of the service, which is signed in {self._where}"
            raise Lie(None, "audit.withheld", message)
        raise Lie(None, "audit.record", f"half {pushed.seqno} in {self._where} is not signed by the service")

    def _half(self, pushed: wire.Pushed) -> Half | None:
        """The half as the record tells it; None where what it cites is not in the record or cannot be."""
        try:
            body = Body(pushed.seqno, pushed.sent, pushed.conditionals_hash)
        except InvalidMessage:
            return None
        cited = self._own.get(pushed.cites)
        return Half(self._channel, body, cited) if cited is not None else None

    def _signed(self, digest: bytes, signature: bytes) -> bool:
        try:
            keys.verify(self._key_b, digest, signature)
        except FairwayError:
            return False
        return True

    # The user's

    def _proposal(self, said: wire.Propose) -> None:
        self._own[said.seqno] = Body(said.seqno, said.sent, said.conditionals_hash)
        self._newest = max(self._newest, said.seqno)
        journaled = self._voice.proposals.get(said.seqno) if self._voice else None
        if journaled is None:
            return  # it never arrived
        seq, event = journaled
        theirs, mine = (
            (each.sent, each.conditionals_hash, each.cites, each.orders, each.drops, each.moves, each.mandates)
            for each in (event, said)
        )
        if theirs != mine:
            raise Lie(seq, "audit.proposal", f"half {said.seqno} of the user is another one in {self._where}")
        self.of_user += 1

    def _commit(self, said: wire.CommitSigned) -> None:
        journaled = self._voice.commits.get(said.withdraw_a) if self._voice else None
        if journaled is None:
            raise Lie(None, "audit.withheld", f"the journal has no withdrawal that {self._where} has signed")
        seq, event = journaled
        if not self._signed(commit_statement(event, event.channel_id).digest(), said.signature):
            raise Lie(seq, "audit.commit", f"{self._where} has another withdrawal signed")
        self.of_service += 1

    def _close(self, said: wire.CloseSigned) -> None:
        if self._voice is None or self._voice.close is None:
            raise Lie(None, "audit.withheld", f"the journal has no close, but {self._where} has one signed")
        seq, event = self._voice.close
        statement = codec.Close(self._channel, event.sent_a, event.sent_b, event.seqno_a, event.seqno_b)
        if not self._signed(statement.digest(), said.signature):
            raise Lie(seq, "audit.close", f"{self._where} has another close signed")
        self.of_service += 1
