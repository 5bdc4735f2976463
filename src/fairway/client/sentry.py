"""Eyes and hands of side A on one channel's contract while nobody acts for it: what its owner's client and a tower run.

A close that the service began alone is answered at once, its promises are claimed in their time, and it is finished.
Looking twice does nothing twice: every step follows from what the chain shows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from fairway.chain.interface import Chain
from fairway.chain.purse import Purse
from fairway.channel import codec
from fairway.client.answer import Holding, adoption_of, challenge_of, claim_of, recall_of
from fairway.client.rounds import verified_exits
from fairway.errors import InvalidMessage, Rejected, Unavailable
from fairway.exchange import wire
from fairway.exchange.claims import markets
from fairway.exchange.paper import Paper, Promised
from fairway.exchange.terms import OrderTerms, Receipt
from fairway.ton.channel_view import GETTER, ChannelState, ChannelView, QuarantineView, read_channel
from fairway.ton.wallet import Transfer
from fairway.units import TON

__all__ = ["CLAIM", "MARGIN", "Post", "Sentry", "see"]

MARGIN = TON // 5
CLAIM = TON // 2
"""Nano for gas beside what a message must bring, and for a claim of many fills; what is left comes back."""
LOOK_S = 20.0
POLL_S = 1.0
ATTEMPTS = 3
"""How often one step is sent that does not show on chain: what the contract refuses costs gas each time."""
MILLIS = 1000

Statement = codec.Challenge | codec.Settle


@dataclass(frozen=True, slots=True)
class Post:
    """What a sentry stands for: whose channel, under which rules, and what it holds by now.

    `speak` makes a message of a statement: signed by the user, or open to anyone (`unsigned`). `placed` are orders that
    only receipts speak of; `adopting` is what is adopted. In a close that the user began, he who signs no more than
    adopts, and only where `left` says that he meant it.
    """

    address: str
    welcome: wire.Welcome
    holding: Callable[[], Holding]
    speak: Callable[[Statement], codec.Message]
    unsigned: bool
    rounds: Callable[[], Iterable[wire.Round]]
    receipts: Callable[[], Iterable[tuple[Receipt, bytes]]] = field(default=lambda: ())
    placed: Callable[[], Mapping[bytes, OrderTerms]] = field(default=dict)
    adopting: Callable[[], Holding] | None = None
    left: Callable[[], bool] = lambda: True


async def see(chain: Chain, address: str) -> ChannelView | None:
    """The contract as it is now; None where none lives."""
    if (await chain.get_account(address)).status != "active":
        return None
    return read_channel(await chain.run_get(address, GETTER))


class Sentry:
    """Stands at `post`, paid for by `purse`; `tell` hears each step."""

    def __init__(self, chain: Chain, purse: Purse, post: Post, tell: Callable[[str], None] = lambda _: None) -> None:
        self._chain = chain
        self._purse = purse
        self._post = post
        self._tell = tell
        self._sent: dict[bytes, int] = {}

    async def run(self) -> None:
        """Look whenever something happens to the channel, and at its times, until it has paid out."""
        seen_lt = 0
        while True:
            try:
                view = await see(self._chain, self._post.address)
                if view is not None and _is_over(view):
                    return
                seen_lt = max(seen_lt, (await self._chain.get_account(self._post.address)).last_lt)
                disputed = view is not None and await self._step(view)
                await self._chain.wait(self._post.address, seen_lt, POLL_S if disputed else LOOK_S)
            except (InvalidMessage, Rejected, Unavailable) as error:
                self._tell(f"could not: {error}")
                await asyncio.sleep(POLL_S)

    async def _step(self, view: ChannelView) -> bool:
        """Do what `view` asks for; whether the channel is being closed."""
        quarantine, post = view.quarantine, self._post
        if quarantine is None:
            return False
        if quarantine.started_by_a and not post.unsigned:
            return post.left() and await self._adopt_own(view, quarantine)
        held = post.holding()
        if view.state is ChannelState.QUARANTINED:
            await self._say(challenge_of(view, held, unsigned=self._post.unsigned), "challenged a stale close")
        elif view.state is ChannelState.SETTLING:
            if await self._adopt(view, quarantine):
                return True
            await self._say(await self._claim(view, quarantine, held), "claimed what the service has promised")
        elif view.state is ChannelState.AWAITING_FINISH:
            await self._send(codec.Finish(), "finished the close")
        return True

    async def _adopt_own(self, view: ChannelView, quarantine: QuarantineView) -> bool:
        if view.state is ChannelState.SETTLING:
            await self._adopt(view, quarantine)
        return True

    async def _adopt(self, view: ChannelView, quarantine: QuarantineView) -> bool:
        """Adopt the pair to end with, after the service's last word; whether it had to be."""
        end_s = quarantine.started_at + self._post.welcome.quarantine_s + self._post.welcome.settling_s // 4
        if self._post.adopting is None or await self._chain.now() >= end_s:
            return False
        held = self._post.adopting()
        adoption, recall = adoption_of(view, held), recall_of(view, held)
        if adoption is not None:
            await self._send(adoption, "adopted what the service's own half expects")
        elif recall is not None:
            await self._send(recall, "recalled the half that the user's own cites")
        return adoption is not None

    async def _claim(self, view: ChannelView, quarantine: QuarantineView, held: Holding) -> codec.Settle | None:
        """The claim, once every exit is known or time grows short; an unsigned one has to leave the user his time."""
        welcome, started_ms = self._post.welcome, quarantine.started_at * MILLIS
        settling_s = quarantine.started_at + welcome.quarantine_s
        now_s = await self._chain.now()
        if self._post.unsigned and now_s < settling_s + welcome.settling_s // 2:
            return None
        exits = verified_exits(welcome, started_ms + welcome.patience_ms, self._post.rounds())
        is_late = now_s >= settling_s + welcome.settling_s * 3 // 4
        receipts = {shown.order: (shown, by) for shown, by in self._post.receipts() if shown.at_ms <= started_ms}
        paper = Paper(welcome.network, exits, receipts=receipts, orders=self._post.placed(), is_late=is_late)
        claimed = Promised(held.promised, held.b.half.seqno, by_a=False)
        return claim_of(view, held, paper) if is_late or markets(claimed, paper) <= exits.keys() else None

    async def _say(self, statement: Statement | None, words: str) -> None:
        if statement is not None:
            await self._send(self._post.speak(statement), words)

    async def _send(self, message: codec.Message, words: str) -> None:
        body = codec.encode(message)
        if self._sent.get(body.hash, 0) >= ATTEMPTS:
            return
        self._sent[body.hash] = self._sent.get(body.hash, 0) + 1
        try:
            await self._purse.send(Transfer(self._post.address, CLAIM, body))
        except Rejected as refusal:
            self._tell(f"could not: {refusal}")
            del self._sent[body.hash]
        else:
            self._tell(words)


def _is_over(view: ChannelView) -> bool:
    """Whether the channel has paid out: it is as before its beginning, but for the floors under its seqnos."""
    return view.state is ChannelState.UNINITED and view.floor_a > 0
