"""Who is connected, and what waits to be sent to whom.

A session is *live* on a channel once it has all letters of it; from then on it gets them as they happen. One that reads
more slowly than it is written to is dropped: it reconnects and catches up from the journal. Nothing is lost by that.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque

from fairway.exchange.wire import AnyReply, encode

__all__ = ["Hub", "Session"]

OUTGOING = 4096
UNDER_WAY = 256


class Session:
    """One connection: who speaks, and what waits to be sent to it."""

    def __init__(self, challenge: bytes) -> None:
        self.challenge = challenge
        self.key_a = b""
        self.channels: set[bytes] = set()
        self.under_way = asyncio.Semaphore(UNDER_WAY)
        self.is_slow = False
        self._outgoing: deque[bytes] = deque()
        self._changed = asyncio.Event()

    def send(self, frame: bytes) -> None:
        """Queue one frame; past `OUTGOING` frames the session is slow and gets no more."""
        if len(self._outgoing) >= OUTGOING:
            self.is_slow = True
        if not self.is_slow:
            self._outgoing.append(frame)
        self._changed.set()

    def say(self, reply: AnyReply) -> None:
        """Queue one reply."""
        self.send(encode(reply))

    async def take(self) -> bytes | None:
        """The next frame, as soon as there is one; None once the session is slow."""
        while not self._outgoing and not self.is_slow:
            self._changed.clear()
            await self._changed.wait()
        if self.is_slow:
            return None
        frame = self._outgoing.popleft()
        self._changed.set()
        return frame

    def silence(self) -> None:
        """Forget what waits: whoever takes only wants to know that something came."""
        self._outgoing.clear()
        self.is_slow = False

    async def drain(self, left: int = OUTGOING // 2) -> None:
        """Wait until at most `left` frames are waiting."""
        while len(self._outgoing) > left and not self.is_slow:
            self._changed.clear()
            await self._changed.wait()


class Hub:
    """All sessions, and which channels they are live on."""

    def __init__(self) -> None:
        self.sessions: dict[Session, None] = {}
        """In the order in which they joined, and that is the order in which they are told."""
        self._live: defaultdict[bytes, dict[Session, None]] = defaultdict(dict)

    def join(self, session: Session) -> None:
        """Rounds of the oracle reach `session` from now on."""
        self.sessions[session] = None

    def follow(self, session: Session, channel_id: bytes) -> None:
        """Letters of the channel reach `session` from now on."""
        session.channels.add(channel_id)
        self._live[channel_id][session] = None

    def leave(self, session: Session) -> None:
        """Nothing reaches `session` any more."""
        self.sessions.pop(session, None)
        for channel_id in session.channels:
            self._live[channel_id].pop(session, None)
            if not self._live[channel_id]:
                del self._live[channel_id]

    def is_followed(self, channel_id: bytes) -> bool:
        """Whether any session is live on the channel."""
        return channel_id in self._live

    def send(self, channel_id: bytes, frame: bytes) -> None:
        """Queue one frame for every session live on the channel."""
        for session in self._live.get(channel_id, ()):
            session.send(frame)

    def broadcast(self, frame: bytes) -> None:
        """Queue one frame for every session."""
        for session in self.sessions:
            session.send(frame)

    async def flushed(self) -> None:
        """Wait until nothing waits to be sent to anyone."""
        await asyncio.gather(*(session.drain(0) for session in self.sessions))
