"""The user's line to the service: one channel, kept alive over any number of connections.

    connect → challenge → Hello → Welcome → (Open → Granted)
            → Propose, Commit, Close ⇄ Pushed, Refused, CommitSigned, CloseSigned, Round

At most one half of the user is unanswered. Whatever is asked for meanwhile goes into the next one together; so a busy
user signs batches. A lost connection is dialled again after a growing pause, and the unanswered half is repeated as it
was. Countersigning is lazy: every half the user signs for a reason of his own answers the newest of the service, and
one is signed for no other reason only when more than `LAG` are unanswered, more than `FILLED` orders have fills in
them, or the venue's patience wears on.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol, Self

from msgspec.structs import replace
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from fairway.channel import codec
from fairway.channel.phase import Phase
from fairway.channel.state import SignedHalf
from fairway.client.asks import Asks
from fairway.client.keystore import Keystore
from fairway.client.margin import Margin
from fairway.client.side import Said, Side
from fairway.client.store import Store
from fairway.client.wish import Permit, Wish, amended
from fairway.errors import FairwayError, InvalidMessage, Rejected, Unavailable
from fairway.exchange import event, wire
from fairway.exchange.account import Account
from fairway.exchange.hello import CHALLENGE_SIZE, hello_digest
from fairway.exchange.sweeps import NEVER_MS

__all__ = ["Connection", "Dial", "Notice", "Session", "Venue"]

LAG = 16
"""How many halves of the service may stand unanswered before one is countersigned for its own sake."""
FILLED = 8
"""How many orders may have fills that are not signed, likewise: of too many the service would fill no more."""
SIGN_AFTER = 4
"""What a half leaves unsaid is signed after this part of the venue's patience, for no other reason."""
PATIENCE_S = 15.0
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 30.0
SALT_SIZE = 32

ANSWERED = frozenset({"channel.repeat", "channel.exists"})
"""Failures that say: this was done before. What it led to is pushed again by itself."""
REFUSERS = frozenset({"withdraw", "channel", "market", "risk"})
"""Areas of the codes that say of a withdrawal: nothing came of it, and nothing will."""
OVER = Rejected("session.over", "the channel is being left: nothing more is signed in it")


class Connection(Protocol):
    """One WebSocket, or whatever carries frames like one; raises `OSError` or `WebSocketException` when it is gone."""

    async def send(self, message: bytes) -> None:
        """Send one frame."""

    async def recv(self) -> str | bytes:
        """The next frame."""


Dial = Callable[[], AbstractAsyncContextManager[Connection]]
Notice = wire.Pushed | wire.Refused | wire.Round | wire.CommitSigned | wire.CloseSigned | wire.Failure
"""What the owner is told, after it was judged and written down."""


@dataclass(frozen=True, slots=True)
class Venue:
    """Whom the user means to trade with: how to reach it, and the network and vault that hold his money."""

    dial: Dial
    network: int
    vault: str

    @classmethod
    def at(cls, url: str, network: int, vault: str) -> Self:
        """The venue whose WebSocket is at `url`."""
        return cls(partial(connect, url, compression=None, open_timeout=PATIENCE_S), network, vault)


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Session:
    """One user in one channel: a new one, or that of `channel_id` in the record.

    `run` is the task that keeps the line; all else may be called from other tasks while it runs. `notify` is called
    with every notice, and must not wait.
    """

    def __init__(
        self,
        venue: Venue,
        store: Store,
        keystore: Keystore,
        channel_id: bytes | None = None,
        *,
        notify: Callable[[Notice], None] = lambda _: None,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self.venue = venue
        self.welcome: wire.Welcome | None = None
        self._side = None if channel_id is None else Side.restored(store, keystore, channel_id)
        self._store = store
        self._salt = secrets.token_bytes(SALT_SIZE) if self._side is None else self._side.replica.opened.salt
        self._signer = keystore.channel(self._salt)
        self._notify = notify
        self._clock_ms = clock_ms
        self._line: Connection | None = None
        self._asks = Asks()
        self._named: dict[tuple[str, ...], asyncio.Future[list[int]]] = {}
        self._sweeps: dict[int, wire.Sweep] = {}
        self._taken: dict[int, wire.Taken] = {}
        self._nonce = 0
        self._rounds: dict[int, wire.Round] = {}
        self._changed = asyncio.Condition()
        self._behind_ms: int | None = None
        self._refusal: Rejected | None = None
        self._ended: FairwayError | None = None

    @property
    def side(self) -> Side:
        """The user's side; there is one once the channel was asked for. Errors: `Rejected` (`session.unopened`)."""
        if self._side is None:
            raise Rejected("session.unopened", "no channel was opened yet")
        return self._side

    @property
    def account(self) -> Account:
        """Balances, orders and positions as the service's newest signed half has them, countersigned or not."""
        return self.side.account

    # What the user does

    async def open(self, payout: str) -> None:
        """Ask for a channel paid out to the wallet at `payout`; returns once the service's half number 1 is checked."""
        await self._until(lambda: self.welcome is not None)
        assert self.welcome is not None
        if self._side is None:
            self._side = Side.opened(self._store, self._signer, self.welcome, self._salt, payout)
            for shown in self._rounds.values():
                self._side.receive(shown)
        await self._request(self._side.opening(), lambda: self.side.replica.newest_b > 0)

    async def granted(self) -> None:
        """Return once the service has signed half number 1. Errors: whatever ended the session before."""
        await self._until(lambda: self._side is not None and self._side.replica.newest_b > 0)

    async def caught_up(self) -> None:
        """Return once everything that the service has signed is in the record. Errors: whatever ended the session."""

        def holds() -> bool:
            said, (b_seqno, a_seqno) = self.welcome, self._known()
            return said is not None and b_seqno >= said.b_seqno and a_seqno >= said.a_seqno

        await self._until(holds)

    def fund(self, funded: event.Funded) -> None:
        """The chain shows the deposits: trading may begin."""
        self.side.fund(funded)

    async def place(self, wish: Wish) -> int:
        """Place one order; its key, once the service has accepted it. Errors: `Rejected` says why not."""
        (key,) = await self.place_many([wish])
        return key

    async def place_many(self, wishes: Sequence[Wish], *, instead_of: Sequence[int] = ()) -> list[int]:
        """Place orders, all or none, and cancel those `instead_of` which they come in the same half.

        One that is smaller than the resting order it replaces, and else like it, keeps its place in the book. Wishes
        whose names (`client_id`) are known get the answer of the first time, whatever else they say.
        """
        names = tuple(wish.client_id for wish in wishes if wish.client_id)
        if not names or len(names) < len(wishes):
            return await self._ask(wishes, instead_of)
        if names in self._named:
            return list(await asyncio.shield(self._named[names]))
        self._named[names] = asking = asyncio.ensure_future(self._place_named(wishes, instead_of))
        asking.add_done_callback(lambda _: self._named.pop(names, None))
        return list(await asyncio.shield(asking))

    async def _place_named(self, wishes: Sequence[Wish], instead_of: Sequence[int]) -> list[int]:
        try:
            if known := self._known_by_name(wishes, instead_of):
                return known
            return await self._ask(wishes, instead_of)
        except Rejected as refusal:  # another process of ours may have asked
            if refusal.code == "order.client_id" and (known := self._known_by_name(wishes, instead_of)):
                return known
            raise

    def _known_by_name(self, wishes: Sequence[Wish], instead_of: Sequence[int]) -> list[int]:
        """The keys of orders that have these very names already, if all have."""
        keys = [self.account.past.key_of(wish.client_id) for wish in wishes]
        known = [key for key in keys if key is not None and key not in instead_of]
        return known if len(known) == len(keys) else []

    async def amend(self, key: int, lots: int, limit_tick: int | None = None, trigger_tick: int | None = None) -> int:
        """Change what is left of a live order: its new key. It keeps its place if only its size falls.

        Errors: `Rejected` (`order.unknown`: filled or gone; `order.parent`: it still waits for another).
        """
        order = self.account.orders.get(key)
        if order is None:
            raise Rejected("order.unknown", "there is no such live order", key=key)
        (after,) = await self._ask([amended(order, lots, limit_tick, trigger_tick)], [key])
        return after

    async def cancel_all(self, market: int = 0) -> None:
        """Have all orders in `market` (0: in all) gone; returns once they are. It waits for no half under way."""
        await self._sweep(market, 0)

    async def countdown(self, after_ms: int | None, market: int = 0) -> None:
        """Have all orders in `market` gone `after_ms` from now, unless this is asked again before; None stops it.

        The dead man's switch of a bot: it asks again and again, and when it falls silent its orders go.
        """
        await self._sweep(market, NEVER_MS if after_ms is None else after_ms)

    async def _sweep(self, market: int, after_ms: int) -> None:
        self._nonce = max(self._nonce + 1, self._clock_ms())
        nonce = self._nonce
        self._sweeps[nonce] = sweep = self.side.sweep(nonce, market, after_ms)
        try:
            await self._send(sweep)
            await self._until(lambda: nonce in self._taken)
        finally:
            del self._sweeps[nonce]
            taken = self._taken.pop(nonce, None)
        if taken is not None and taken.code:
            raise Rejected(taken.code, taken.message)

    async def cancel(self, *keys: int) -> None:
        """Cancel orders, all or none. Errors: `Rejected` (`order.unknown`: filled or gone meanwhile)."""
        await self._ask((), keys)

    async def move_margin(self, market: int, change: int) -> None:
        """Put `change` nano more on an open position, or with a negative one take so much out.

        Errors: `Rejected` (`margin.position`, `margin.requirement`, `order.margin`, what the market's mode forbids).
        """
        await self._ask((), (), [Margin(market, change)])

    async def set_leverage(self, market: int, leverage: int) -> None:
        """Put as much margin on a position as `leverage` asks for at the newest mark. Errors: as `move_margin`."""
        await self._ask((), (), [Margin(market, leverage=leverage)])

    async def grant(self, permit: Permit) -> int:
        """Let the holder of a sub-key trade; the mandate's key, once the service has accepted it."""
        (key,) = await self._ask([permit], ())
        return key

    async def revoke(self, mandate: int) -> None:
        """Take a mandate back, with all its live orders; returns once the service's half says so."""
        await self._request(self.side.revoke(mandate), lambda: mandate not in self.account.mandates)

    async def countersign(self) -> None:
        """Sign that the service's newest half is true."""
        await self._ask((), ())

    async def withdraw(self, nano: int) -> codec.Agreed:
        """Agree with the service that `nano` are paid out while orders and positions stay: under both signatures.

        One that was interrupted is taken up where it stopped, and nothing else is asked for. Errors: `Rejected`
        (`withdraw.margin`: more would be left uncovered; those of `exchange.withdrawing.sign_commit`).
        """
        commit = self.side.recommit()
        if commit is None:
            await self.countersign()
            commit = self.side.commit(nano)
        await self._request(commit, lambda: self.side.replica.committed is not None)
        agreed = self.side.both_commit()
        assert agreed is not None
        return agreed

    async def close(self, *, reopen_id: bytes | None = None, withdraw: int = 0) -> wire.CloseSigned:
        """Agree with the service to end the channel where both stand; nothing may be open. The service's signature.

        With `reopen_id`, `withdraw` nano are paid out and the rest moves into that channel. Whatever comes of it, this
        channel signs nothing more. Errors: `Rejected`: ask again, or leave alone.
        """
        replica = self.side.replica
        if replica.closing is None:
            await self.countersign()
        closing = self.side.close(reopen_id=reopen_id, withdraw=withdraw)
        self._asks.end(OVER)
        if replica.closed is None:
            await self._request(closing, lambda: replica.closed is not None)
        assert replica.closed is not None
        return replica.closed

    def leave(self) -> tuple[SignedHalf, SignedHalf]:
        """The pair to close alone with, as of `Side.leave`; whoever waits for a half to be signed is refused.

        Errors: `Rejected` (`session.restoring`: halves of this side are not in the record yet).
        """
        if self._is_restoring and not self.side.replica.left:
            raise Rejected("session.restoring", "halves signed here are not in the record yet: ask again shortly")
        pair = self.side.leave()
        self._asks.end(OVER)
        return pair

    async def _ask(
        self, wishes: Sequence[Wish | Permit], drops: Sequence[int], margins: Sequence[Margin] = ()
    ) -> list[int]:
        if reason := self._ended or (OVER if self.side.is_over else None):
            raise reason
        answer = self._asks.ask(wishes, drops, margins)
        await self._propose()
        return await answer

    async def _request(self, request: wire.AnyRequest, holds: Callable[[], bool]) -> None:
        """Send `request` and wait for what its answer will make true. Errors: `Rejected` where it is refused."""
        self._refusal = None
        await self._send(request)
        await self._until(lambda: self._refusal is not None or holds())
        if refusal := self._refusal:
            raise refusal

    async def _until(self, holds: Callable[[], bool]) -> None:
        """Wait for what the service's answers will make true. Errors: whatever ended the session."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._ended is not None or holds())
        if self._ended:
            raise self._ended

    async def _propose(self) -> None:
        """Sign and send the next half, if there is a line, a reason, and no other half unanswered."""
        side = self._side
        if side is None or self._line is None or self._is_restoring or not side.may_propose:
            return
        now_ms = self._clock_ms()
        batch = self._asks.take(lambda batch: side.check(batch.wishes, batch.drops, batch.margins, now_ms=now_ms))
        is_far_behind = side.replica.unanswered > LAG or side.replica.filled > FILLED
        if batch.asks or is_far_behind or self._is_overdue(side, now_ms):
            await self._send(side.propose(batch.wishes, batch.drops, batch.margins, now_ms=now_ms))

    def _is_overdue(self, side: Side, now_ms: int) -> bool:
        """Whether something has stood unsigned so long that the service's patience might end. Looked at every frame."""
        if not side.replica.is_behind:
            self._behind_ms = None
        elif self._behind_ms is None:
            self._behind_ms = now_ms
        return (
            self._behind_ms is not None and now_ms - self._behind_ms >= side.replica.welcome.patience_ms // SIGN_AFTER
        )

    # The line

    async def run(self) -> None:
        """Keep the line until cancelled. Raises `InvalidMessage` when the service lied: the session is over then."""
        pause_s = FIRST_PAUSE_S
        try:
            while True:
                began_s = asyncio.get_running_loop().time()
                with suppress(OSError, WebSocketException, TimeoutError):
                    async with self.venue.dial() as line:
                        await self._greet(line)
                        await self._listen(line)
                self._line = None
                lasted = asyncio.get_running_loop().time() - began_s > LONGEST_PAUSE_S
                pause_s = FIRST_PAUSE_S if lasted else min(2 * pause_s, LONGEST_PAUSE_S)
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 - spreads the crowd, no secret
        except FairwayError as error:
            self._ended = error
            raise
        finally:
            self._line = None
            self._ended = self._ended or Unavailable("session.ended", "the session has ended")
            self._asks.end(self._ended)
            async with self._changed:
                self._changed.notify_all()

    async def _greet(self, line: Connection) -> None:
        """Say who we are, learn whom we speak to, and repeat what was not answered."""
        async with asyncio.timeout(PATIENCE_S):
            challenge = await line.recv()
            if not isinstance(challenge, bytes) or len(challenge) != CHALLENGE_SIZE:
                raise InvalidMessage("session.challenge", "the service begins with 32 random bytes")
            signature = self._signer.sign(hello_digest(self.venue.network, challenge))
            await line.send(wire.encode(wire.Hello(*self._name(), signature, *self._known())))
            while self._line is None:
                await self._take(line, await line.recv())
        await self._check_outrun(line)
        self._check_lacking()
        for sweep in self._sweeps.values():
            await self._send(sweep)
        await self._repeat()

    def _name(self) -> tuple[bytes, bytes]:
        return (self._side.channel_id if self._side else bytes(16)), self._signer.key

    def _known(self) -> tuple[int, int]:
        """The newest half of the service in the record, and the newest of one's own whose fate is there."""
        return (self._side.replica.newest_b, self._side.replica.channel.a_consumed) if self._side else (0, 0)

    async def _check_outrun(self, line: Connection) -> None:
        """A service that knows less than the record is shown what it lost; whatever it is, nothing is signed for it.

        Errors: `Rejected` (`session.outrun`), also where it was found out before: leave alone.
        """
        if self._side is None or self.welcome is None or self._side.replica.newest_b == 0:
            return
        (b_seqno, a_seqno), lacks = self._known(), self._side.replica.lacks
        b_seqno = max(b_seqno, lacks.holding.b.half.seqno if lacks else 0)
        if b_seqno > self.welcome.b_seqno or a_seqno > self.welcome.a_seqno:
            await line.send(wire.encode(self._side.outrun(self.welcome)))
        elif self.welcome.phase != Phase.HALTED:
            return
        raise Rejected("session.outrun", "the service has lost what it signed here: leave alone, with the newest pair")

    @property
    def _is_restoring(self) -> bool:
        """Whether halves of this side are known to the service that are not in the record yet: nothing is signed."""
        return self._side is not None and self.welcome is not None and self._known()[1] < self.welcome.a_seqno

    def _check_lacking(self) -> None:
        """The service has shown all that it knows, and a watchtower knows more: nothing can be signed here any more.

        Errors: `Rejected` (`session.lacking`): leave alone, with the tower's pair.
        """
        if self._side is None or self.welcome is None or self._side.replica.lacks is None:
            return
        b_seqno, a_seqno = self._known()
        if b_seqno >= self.welcome.b_seqno and a_seqno >= self.welcome.a_seqno:
            raise Rejected("session.lacking", "a watchtower holds a half that the service does not know: leave alone")

    async def _repeat(self) -> None:
        side = self._side
        if side is None or self._is_restoring:
            return
        if side.replica.newest_b == 0:
            await self._send(side.opening())
        elif (pending := side.repeated()) is not None:
            await self._send(pending)
        elif side.replica.closing is not None:
            await self._send(side.close())
        elif (commit := side.recommit()) is not None:
            await self._send(commit)
        else:
            await self._propose()

    async def _listen(self, line: Connection) -> None:
        while True:
            was_restoring = self._is_restoring
            await self._take(line, await line.recv())
            self._check_lacking()
            if was_restoring and not self._is_restoring:
                await self._repeat()
            else:
                await self._propose()

    async def _take(self, line: Connection, frame: str | bytes) -> None:
        if not isinstance(frame, bytes):
            raise InvalidMessage("session.frame", "the service speaks in binary frames")
        reply = wire.decode_reply(frame)
        match reply:
            case wire.Welcome():
                self._check_welcome(reply)
                self.welcome, self._line = reply, line
            case wire.Failure():
                self._fail(reply)
            case wire.Taken():
                if reply.nonce in self._sweeps:
                    self._taken[reply.nonce] = reply
            case wire.Round() if self._side is None:
                self._rounds[reply.market] = reply
            case _:
                self._judge(reply)
        async with self._changed:
            self._changed.notify_all()

    def _check_welcome(self, welcome: wire.Welcome) -> None:
        """The service is the one the user means, under the rules he knows."""
        if (welcome.network, welcome.vault) != (self.venue.network, self.venue.vault):
            raise InvalidMessage("session.venue", "the service is of another network or vault", vault=welcome.vault)
        known = self._side.replica.welcome if self._side else welcome
        if replace(welcome, phase=known.phase, a_seqno=known.a_seqno, b_seqno=known.b_seqno) != known:
            raise InvalidMessage("session.rules", "the service changed its rules under an open channel")

    def _judge(self, reply: Said) -> None:
        side = self.side
        pending = side.replica.pending
        if not side.receive(reply):
            return
        if isinstance(reply, wire.Refused):
            self._asks.refuse(Rejected(reply.code, reply.message))
        elif pending is not None and side.replica.pending is None:
            self._asks.accept([each.key for each in pending.orders] + [each.key for each in pending.mandates])
        if not isinstance(reply, wire.Granted | wire.Yours):
            self._notify(reply)

    def _fail(self, failure: wire.Failure) -> None:
        """A message changed nothing. An unanswered half is repeated on another line; open and close hear of it."""
        self._notify(failure)
        pending = self._side.replica.pending if self._side else None
        if failure.code in ANSWERED:
            return
        if pending is None or self.side.replica.newest_b == 0:
            self._uncommit(failure)
            self._refusal = Rejected(failure.code, failure.message)
        elif failure.code == "channel.seqno":  # used up by a refusal that was lost
            self._judge(wire.Refused(pending.channel_id, pending.seqno, failure.code, failure.message, pending.cites))
        else:
            raise ConnectionError(failure.message)

    def _uncommit(self, failure: wire.Failure) -> None:
        """A withdrawal was refused. Where it is not known what became of it, another line asks again."""
        if self._side is None or not self._side.replica.is_committing:
            return
        if failure.code.partition(".")[0] not in REFUSERS:
            raise ConnectionError(failure.message)
        self._side.uncommit(failure.code)

    async def _send(self, request: wire.AnyRequest) -> None:
        """Send what is written down already; where the line is gone, the next one repeats it."""
        if self._line is not None:
            with suppress(OSError, WebSocketException):
                await self._line.send(wire.encode(request))
