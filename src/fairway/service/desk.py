"""Where users' requests arrive: each is refused, answered at once, or put to the loop as an event.

Hello → who speaks; what the user missed is sent again, oldest first, each half after the rounds it stands on
Open → Opened    Propose → Proposed    Sweep → SweepSigned    Revoke → Revoked    Commit → CommitProposed
Close → CloseProposed    Shown → Outrun

A record may be an old copy: then the user is shown his own later halves too, each under his signature. And so may our
journal be: a user who says that he holds newer halves of ours gets nothing signed, and once he shows one the channel is
halted for good.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from msgspec.structs import asdict

from fairway.channel.machine import Channel, newest_b
from fairway.crypto.keys import check_public_key, verify
from fairway.errors import FairwayError, InvalidMessage, Rejected
from fairway.exchange.draft import own_topic
from fairway.exchange.engine import Engine
from fairway.exchange.event import (
    AnyEvent,
    CloseProposed,
    CommitProposed,
    Opened,
    Outrun,
    Proposed,
    Revoked,
    SweepSigned,
    decode,
)
from fairway.exchange.hello import hello_digest
from fairway.exchange.wire import (
    AnyRequest,
    Close,
    Commit,
    Failure,
    Granted,
    Hello,
    Open,
    Propose,
    Pushed,
    Revoke,
    Shown,
    Sweep,
    Taken,
    Welcome,
    Yours,
    decode_reply,
    decode_request,
)
from fairway.service.hub import Hub, Session
from fairway.service.journal import Journal, Letter, market_topic
from fairway.service.keys import Keyring
from fairway.service.perform import Hands
from fairway.service.run import Sequencer

__all__ = ["Desk", "event_of"]

PAGE = 64
NEWEST = (1 << 63) - 1
CHANNELS = 16
"""How many channels one connection may open."""
EVENTS: dict[type, type[AnyEvent]] = {
    Propose: Proposed,
    Revoke: Revoked,
    Close: CloseProposed,
    Commit: CommitProposed,
    Sweep: SweepSigned,
}
HALTED = Failure("channel.halted", "the service has lost halves of this channel and signs nothing more: close it alone")


@dataclass(slots=True)
class _Missed:
    """Where a user's record ends, while it is being caught up: his halves, ours, and the rounds told (by entry)."""

    channel_id: bytes
    a_seqno: int
    b_seqno: int
    rounds: dict[int, int] = field(default_factory=dict)


class Desk:
    """The service's face to sessions."""

    def __init__(
        self, engine: Engine, sequencer: Sequencer, journal: Journal, keyring: Keyring, hub: Hub, hands: Hands
    ) -> None:
        self._engine = engine
        self._sequencer = sequencer
        self._journal = journal
        self._keyring = keyring
        self._hub = hub
        self._hands = hands

    async def receive(self, session: Session, frame: bytes) -> bool:
        """Deal with one frame; whether it was a lawful request. A refusal is told the session and changes nothing."""
        try:
            await self._serve(session, decode_request(frame))
        except FairwayError as error:
            session.say(Failure(error.code, error.message))
            return not isinstance(error, InvalidMessage)
        return True

    async def _serve(self, session: Session, request: AnyRequest) -> None:
        if isinstance(request, Hello):
            await self._hello(session, request)
        elif not session.key_a:
            raise Rejected("session.hello", "a session begins with a hello")
        elif isinstance(request, Open):
            await self._open(session, request)
        elif isinstance(request, Shown):
            await self._outrun(session, request)
        elif request.channel_id not in session.channels:
            raise Rejected("session.channel", "the channel is not this session's")
        elif isinstance(request, Sweep):
            await self._put(session, event_of(request), partial(_take, session, request))
        else:
            await self._put(session, event_of(request), self._resend(session, request.channel_id))

    # Hello

    async def _hello(self, session: Session, hello: Hello) -> None:
        if session.key_a:
            raise Rejected("session.hello", "this session has said hello already")
        rules = self._engine.rules
        check_public_key(hello.key_a)
        verify(hello.key_a, hello_digest(rules.network, session.challenge), hello.signature)
        channel = await self._sequencer.ask(lambda: self._welcome(session, hello))
        if channel is None:
            await self._sequencer.ask(lambda: self._go_live(session))
        elif hello.b_seqno <= newest_b(channel):
            await self._catch_up(session, _Missed(hello.channel_id, hello.a_seqno, hello.b_seqno))

    def _welcome(self, session: Session, hello: Hello) -> Channel | None:
        channel = self._engine.channels.get(hello.channel_id)
        if channel is not None and channel.key_a != hello.key_a:
            raise Rejected("session.channel", "the channel belongs to another key")
        rules = self._engine.rules
        session.key_a = hello.key_a
        session.say(
            Welcome(
                rules.network,
                rules.vault,
                self._keyring.channel(rules.network, rules.vault, hello.key_a).key,
                rules.ratio,
                rules.fine,
                rules.storage_fee,
                rules.quarantine_s,
                rules.settling_s,
                rules.patience_ms,
                rules.listings,
                rules.oracle_keys,
                rules.oracle_threshold,
                channel.phase.value if channel else "",
                channel.a_consumed if channel else 0,
                newest_b(channel) if channel else 0,
                rules.stale_ms,
            )
        )
        return channel

    # What was missed

    async def _catch_up(self, session: Session, missed: _Missed) -> None:
        """Send everything that was missed, page by page at the reader's pace, then go live."""
        while await self._sequencer.ask(partial(self._page, session, missed)):
            await session.drain()

    def _page(self, session: Session, missed: _Missed) -> bool:
        """Send the next letters; whether there are more. When there are not, `session` is live."""
        letters = self._journal.letters_after(missed.channel_id, missed.b_seqno, PAGE)
        for letter in letters:
            self._tell_rounds(session, letter.entry, missed.rounds)
            self._tell_own(session, letter.entry, missed)
            self._send(session, letter)
            missed.b_seqno = letter.number
        if letters:
            return True
        self._tell_own(session, NEWEST, missed)
        self._hub.follow(session, missed.channel_id)
        self._go_live(session, missed.rounds)
        return False

    def _tell_own(self, session: Session, entry: int, missed: _Missed) -> None:
        """Show the user his own halves up to `entry` whose fate he does not know; a refusal follows at once."""
        topic = own_topic(missed.channel_id)
        while fates := self._journal.letters_after(topic, missed.a_seqno, PAGE):
            for fate in fates:
                if fate.entry > entry:
                    return
                self._show_own(session, fate)
                missed.a_seqno = fate.number

    def _show_own(self, session: Session, fate: Letter) -> None:
        payload = self._journal.entry(fate.entry)
        proposed = decode(payload) if payload is not None else None
        if isinstance(proposed, Proposed):
            session.say(
                Yours(
                    proposed.channel_id,
                    proposed.seqno,
                    proposed.sent,
                    proposed.conditionals_hash,
                    proposed.cites,
                    proposed.signature,
                    proposed.orders,
                    proposed.drops,
                    proposed.moves,
                    proposed.mandates,
                )
            )
        if fate.frame:
            session.send(fate.frame)

    def _go_live(self, session: Session, told: dict[int, int] | None = None) -> None:
        self._tell_rounds(session, NEWEST, told or {})
        self._hub.join(session)

    def _tell_rounds(self, session: Session, entry: int, told: dict[int, int]) -> None:
        """Send the rounds in force at `entry` that `session` was not told of (`told`: market → entry)."""
        for listing in self._engine.rules.listings:
            letter = self._journal.letter_at(market_topic(listing.market), entry)
            if letter is not None and told.get(listing.market) != letter.number:
                told[listing.market] = letter.number
                session.send(letter.frame)

    def _send(self, session: Session, letter: Letter) -> None:
        reply = decode_reply(letter.frame)
        if isinstance(reply, Granted | Pushed):
            session.send(self._hands.sign(reply))

    def _resend(self, session: Session, channel_id: bytes) -> Callable[[FairwayError | None], None]:
        """An answer for a half: one that was accepted before gets the newest push once more."""

        def answer(refusal: FairwayError | None) -> None:
            if refusal is None:
                return
            newest = self._journal.letter_at(channel_id, NEWEST)
            if refusal.code == "channel.repeat" and newest is not None:
                self._send(session, newest)
            else:
                session.say(Failure(refusal.code, refusal.message))

        return answer

    # Requests that become events

    async def _outrun(self, session: Session, request: Shown) -> None:
        """A user shows what we lost: halt the channel. Told as a failure, for nothing else will come of it."""
        channel = self._engine.channels.get(request.channel_id)
        if channel is None or channel.key_a != session.key_a:
            raise Rejected("session.channel", "the channel is not this session's")

        def answer(refusal: FairwayError | None) -> None:
            session.say(Failure(refusal.code, refusal.message) if refusal else HALTED)

        await self._put(session, Outrun(at_ms=0, channel_id=request.channel_id, half=request.half), answer)

    async def _open(self, session: Session, request: Open) -> None:
        if request.key_a != session.key_a:
            raise Rejected("session.key", "a channel is opened by the key that said hello")
        if len(session.channels) >= CHANNELS:
            raise Rejected("session.channels", "one session opens no more channels", limit=CHANNELS)
        rules = self._engine.rules
        event = Opened(
            at_ms=0,
            channel_id=request.channel_id,
            key_a=request.key_a,
            key_b=self._keyring.channel(rules.network, rules.vault, request.key_a).key,
            salt=request.salt,
            payout=request.payout,
            signature=request.signature,
        )
        await self._put(session, event, lambda refusal: self._opened(session, event, refusal))

    def _opened(self, session: Session, event: Opened, refusal: FairwayError | None) -> None:
        """Hand out our first half; to the same user again, if he asks again."""
        channel = self._engine.channels.get(event.channel_id)
        if refusal is not None and (channel is None or channel.key_a != event.key_a):
            session.say(Failure(refusal.code, refusal.message))
            return
        for letter in self._journal.letters_after(event.channel_id, 0, 1):
            self._send(session, letter)
        self._hub.follow(session, event.channel_id)

    async def _put(self, session: Session, event: AnyEvent, answer: Callable[[FairwayError | None], None]) -> None:
        """Put `event` to the loop, waiting while the session has too much under way."""

        def release(refusal: FairwayError | None) -> None:
            session.under_way.release()
            answer(refusal)

        await session.under_way.acquire()
        try:
            await self._sequencer.put(event, release)
        except FairwayError:
            session.under_way.release()
            raise


def _take(session: Session, request: Sweep, refusal: FairwayError | None) -> None:
    """The answer to a sweep; one that was taken before is told so again."""
    if refusal is None or refusal.code == "nonce.used":
        session.say(Taken(request.channel_id, request.nonce))
    else:
        session.say(Taken(request.channel_id, request.nonce, refusal.code, refusal.message))


def event_of(request: Propose | Revoke | Close | Commit | Sweep) -> AnyEvent:
    """The event that `request` asks for, field by field the same; the loop stamps its time."""
    return EVENTS[type(request)](at_ms=0, **asdict(request))
