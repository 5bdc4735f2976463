"""The whole way out without the service: start alone, wait, claim, finish. It may stop anywhere and be taken up again.

Everything comes from the user's record and the chain. Rounds of the oracle may come from anybody who kept them: their
signatures are all that counts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import NamedTuple, TypeVar

from fairway.chain.interface import Chain
from fairway.chain.purse import Purse
from fairway.client.answer import challenge_of
from fairway.client.onchain import OnChain
from fairway.client.rounds import verified_exits
from fairway.client.side import Side
from fairway.errors import Rejected, Unavailable
from fairway.exchange import wire
from fairway.exchange.claims import markets
from fairway.exchange.paper import Exit, Promised
from fairway.ton.channel_view import ChannelView, QuarantineView
from fairway.ton.vault_views import AccountView, read_books

__all__ = ["Leaving", "Left"]

T = TypeVar("T")

MILLIS = 1000
POLL_S = 30
ATTEMPTS = 4
SILENCES = frozenset({"purse.silence", "purse.overtaken", "onchain.silence"})
"""What a message that got lost looks like."""


class Left(NamedTuple):
    """How it ended, in nano: the wallet's balance before and after, liens against the payout, gain that still waits."""

    before: int
    after: int
    liens: int
    waiting: int


class Leaving:
    """The way out of `side`'s channel, paid for by `purse`.

    `rounds` is asked for the rounds that are known by now; `tell` hears each step; `wait_until` returns at a second of
    the chain's clock.
    """

    def __init__(
        self,
        chain: Chain,
        purse: Purse,
        side: Side,
        rounds: Callable[[], Iterable[wire.Round]],
        tell: Callable[[str], None],
        wait_until: Callable[[int], Awaitable[None]],
    ) -> None:
        self._chain = chain
        self._purse = purse
        self._side = side
        self._onchain = OnChain(chain, purse, side)
        self._rounds = rounds
        self._tell = tell
        self._wait_until = wait_until

    async def run(self) -> Left:
        """Leave. Errors: `Rejected` (`exit.unfunded`: no money of the channel is on chain), and those of the chain."""
        before, account = await self._purse.balance(), await self._account()
        if account.ended:
            self._tell("the channel has paid out before")
            await self._home(await self._times())
            return await self._left(before, account)
        quarantine = await _insist(self._started)
        welcome = self._side.replica.welcome
        settling_s = quarantine.started_at + welcome.quarantine_s
        await self._wait_until(settling_s + 1)
        await _insist(partial(self._claim, quarantine, settling_s + welcome.settling_s))
        times = await self._times()  # a watchtower may finish first
        await self._wait_until(settling_s + welcome.settling_s + 1)
        account = await _insist(self._finished)
        await self._home(times)
        self._tell("finished: the channel has paid out")
        return await self._left(before, account)

    async def _finished(self) -> AccountView:
        account = await self._account()
        if not account.ended:
            await self._onchain.finish()
        return account

    async def _times(self) -> tuple[int, int]:
        """The logical times of the vault and of the wallet: what is paid out after now bears later ones.

        The wallet's is read first: what the vault sends meanwhile would else be looked for where it came before.
        """
        owners = self._purse.address, self._onchain.vault
        wallet_lt, vault_lt = [(await self._chain.get_account(owner)).last_lt for owner in owners]
        return vault_lt, wallet_lt

    async def _home(self, times: tuple[int, int]) -> None:
        """Each side's share comes home by a message of its own, and the wallet's money by another."""
        await _insist(partial(self._onchain.home, *times))

    async def _account(self) -> AccountView:
        account = await self._onchain.account()
        if account is None:
            raise Rejected("exit.unfunded", "the vault does not know this channel: nothing of it is on chain")
        return account

    async def _left(self, before: int, account: AccountView) -> Left:
        books = read_books(await self._chain.run_get(self._onchain.vault, "get_books"))
        waiting = sum(nano for wallet, nano in books.claims if str(wallet) == self._purse.address)
        return Left(before, await self._purse.balance(), account.owed, waiting)

    # Starting

    async def _started(self) -> QuarantineView:
        view = await self._view()
        if view.quarantine is None:
            await self._onchain.start(self._side.leave())
            self._tell("started to close alone, with the newest halves of the record")
            view = await self._view()
        assert view.quarantine is not None
        statement = challenge_of(view, self._side.holding(), unsigned=False)
        if statement is not None:
            await self._onchain.challenge(statement)
            self._tell("the service had started with something older: challenged")
        return view.quarantine

    async def _view(self) -> ChannelView:
        view = await self._onchain.channel()
        if view is None or not view.deposit_a:
            raise Rejected("exit.unfunded", "the channel's contract holds no deposit")
        return view

    # Claiming

    async def _claim(self, started: QuarantineView, end_s: int) -> None:
        """Claim the open positions once the exits of all their markets are known, or time grows short."""
        if (
            await self._chain.now() < end_s - self._side.replica.welcome.settling_s * 3 // 4
            and await self._onchain.adopt()
        ):
            self._tell("the service had chosen another half of this side: adopted what its own half expects")
        welcome, held = self._side.replica.welcome, self._side.holding()
        shown = (await self._view()).quarantine
        if shown is None or shown.b.conditionals_hash != held.promised.root_hash():
            self._tell("nothing is left to claim")
            return
        moment_ms = started.started_at * MILLIS + welcome.patience_ms
        hurry_s = end_s - welcome.settling_s // 4
        promised = Promised(held.promised, shown.b.seqno, by_a=False)
        exits = self._exits(moment_ms)
        wanted = markets(promised, self._side.paper(exits, started.started_at * MILLIS, is_late=False))
        if not wanted:
            self._tell("no position is open")
            return
        while not wanted <= exits.keys() and (now_s := await self._chain.now()) < hurry_s:
            await self._wait_until(min(now_s + POLL_S, hurry_s))
            exits = self._exits(moment_ms)
        missing = sorted(wanted - exits.keys())
        if missing:
            self._tell(f"no rounds around the exit are known for markets {missing}: the last mark of both sides counts")
        try:
            if await self._chain.now() < end_s:
                await self._onchain.claim(exits, is_late=bool(missing))
                self._tell("claimed what the open positions have won")
        except Rejected as refusal:
            if refusal.code != "claims.nothing":
                raise
            self._tell("no open position has won anything that can be shown")

    def _exits(self, moment_ms: int) -> dict[int, Exit]:
        """The exits that are known; `InvalidMessage` where too few of the oracle's keys signed one."""
        return verified_exits(self._side.replica.welcome, moment_ms, self._rounds())


async def _insist(step: Callable[[], Awaitable[T]]) -> T:
    """What `step` comes to, tried again where a message of it got lost; every step looks first what is done."""
    for _ in range(ATTEMPTS - 1):
        try:
            return await step()
        except Unavailable as silence:
            if silence.code not in SILENCES:
                raise
    return await step()
