"""The service's eyes on chain: what channels and vault show becomes events.

One task follows each channel's contract and one the vault. What is seen is compared with what the engine knows, so
looking twice, or again after a restart, reports nothing twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from fairway.chain.interface import Chain, Transaction
from fairway.channel.phase import TRANSITIONS, Move, Phase
from fairway.errors import Rejected, Unavailable
from fairway.exchange.effect import AnyEffect
from fairway.exchange.engine import Engine
from fairway.exchange.event import (
    NO_CHANNEL,
    AnyEvent,
    BondPosted,
    Closed,
    Disputed,
    Funded,
    Left,
    Lent,
    Opened,
    PaidOut,
    RateSet,
    Slashed,
)
from fairway.exchange.site import channel_setup
from fairway.service.lenders import LenderMove, LenderSight
from fairway.service.sight import (
    ChannelSight,
    HomeComing,
    channel_sight,
    come_home,
    judged_channel,
    punished_match,
    slashed_channel,
)
from fairway.ton.messages import address_of
from fairway.ton.vault_messages import read_account, read_books

__all__ = ["Watch"]

LOOK_S = 20.0
PAUSE_S = 1.0
NO_TRANSACTION = bytes(32)


CLOSABLE = frozenset(phase for phase, made in TRANSITIONS if made is Move.START)
"""Where a close that one side begins alone is news: a halted channel is one of these, since nothing else ends it."""


class Watch:
    """Sees the chain for one engine; `submit` puts an event to the loop.

    What the wallet `treasury` lends is the operator's own and no lender's.
    """

    def __init__(
        self,
        chain: Chain,
        engine: Engine,
        submit: Callable[[AnyEvent], Awaitable[None]],
        treasury: Callable[[], str],
    ) -> None:
        self._chain = chain
        self._engine = engine
        self._submit = submit
        self._treasury = treasury
        self._lenders = LenderSight()
        self._channels: dict[str, bytes] = {}
        self._opened: asyncio.Queue[str] = asyncio.Queue()
        self._punished: dict[bytes, tuple[int, bytes]] = {}

    def note(self, event: AnyEvent, effects: Sequence[AnyEffect]) -> None:
        """Follow every channel that opens."""
        del effects
        if isinstance(event, Opened):
            self.follow(event.channel_id)

    def follow(self, channel_id: bytes) -> None:
        """Follow a channel that the engine knows."""
        channel = self._engine.channels[channel_id]
        address = address_of(channel_setup(self._engine.rules, channel_id, channel.key_a, channel.key_b).init)
        self._channels[address] = channel_id
        self._opened.put_nowait(address)

    async def run(self) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_vault())
            while True:
                tasks.create_task(self._follow(await self._opened.get()))

    # Channels

    async def _follow(self, address: str) -> None:
        """Look at a channel whenever something happened to it, until it is closed."""
        channel, seen_lt = self._engine.channels[self._channels[address]], 0
        while channel.phase is not Phase.CLOSED:
            try:
                transactions = await self._chain.wait(address, seen_lt, LOOK_S)
                if transactions:
                    sight = await channel_sight(self._chain, address)
                    if sight is not None:
                        await self._look(self._channels[address], sight, transactions[-1].digest)
                    seen_lt = transactions[-1].lt
            except Unavailable:
                await asyncio.sleep(PAUSE_S)

    async def _look(self, channel_id: bytes, sight: ChannelSight, transaction: bytes) -> None:
        channel, rules = self._engine.channels[channel_id], self._engine.rules
        if sight.deposit_a > channel.deposit_a and sight.deposit_b == rules.ratio * sight.deposit_a:
            await self._report(
                Funded(
                    at_ms=0,
                    channel_id=channel_id,
                    deposit_a=sight.deposit_a,
                    deposit_b=sight.deposit_b,
                    transaction=transaction,
                )
            )
        if sight.quarantine is not None and channel.phase in CLOSABLE:
            await self._report(
                Disputed(
                    at_ms=0,
                    channel_id=channel_id,
                    by_a=sight.quarantine.by_a,
                    seqno_a=sight.quarantine.seqno_a,
                    seqno_b=sight.quarantine.seqno_b,
                    started_ms=sight.quarantine.started_s * 1000,
                    transaction=transaction,
                )
            )

    # The vault

    async def _follow_vault(self) -> None:
        """See what comes home, what is charged and what is lifted."""
        vault, seen_lt = self._engine.rules.vault, 0
        while True:
            try:
                transactions = await self._chain.wait(vault, seen_lt, LOOK_S)
                await self._look_at_bond()
                for transaction in transactions:
                    await self._look_at_vault(transaction)
                    seen_lt = transaction.lt
            except Unavailable:
                await asyncio.sleep(PAUSE_S)

    async def _look_at_bond(self) -> None:
        books = read_books(await self._chain.run_get(self._engine.rules.vault, "get_books"))
        known = self._engine.venue.bonded
        if books.bond > known:
            await self._report(BondPosted(at_ms=0, amount=books.bond - known, transaction=NO_TRANSACTION))

    async def _look_at_vault(self, transaction: Transaction) -> None:
        home = come_home(transaction)
        if home is not None and home.address in self._channels:
            await self._look_at_home(home, transaction.digest)
        lied = slashed_channel(transaction)
        if lied is not None:
            known = self._channel_of(lied) or NO_CHANNEL
            await self._report(Slashed(at_ms=0, channel_id=known, transaction=transaction.digest))
        move = self._lenders.see(transaction)
        if move is not None and move.wallet != self._treasury():
            await self._report(_told(move))
        name = judged_channel(transaction)
        channel_id = self._channel_of(name)
        if name is not None and channel_id is not None:
            match_id = punished_match(transaction)
            if match_id is not None:
                self._punished[channel_id] = match_id, transaction.digest
            await self._look_at_liens(name, channel_id, transaction.digest)

    def _channel_of(self, name: bytes | None) -> bytes | None:
        """The channel that the vault calls `name`, if it is followed."""
        return self._channels.get(f"0:{name.hex()}") if name is not None else None

    async def _look_at_liens(self, name: bytes, channel_id: bytes, transaction: bytes) -> None:
        """Report the liens that the vault has and the engine has not, and the other way round."""
        if self._engine.channels[channel_id].phase is Phase.CLOSED:
            return
        view = read_account(await self._chain.run_get(self._engine.rules.vault, "get_account", (int.from_bytes(name),)))
        shown = {match_id: lien.owed for match_id, lien in view.liens.items()} if view else {}
        owed = self._engine.venue.owed.get(channel_id, {})
        known = {match_id: nano for match_id, nano in owed.items() if nano}
        for match_id in sorted(shown.keys() | known.keys()):
            if shown.get(match_id, 0) != known.get(match_id, 0):
                await self._report(
                    RateSet(
                        at_ms=0,
                        channel_id=channel_id,
                        match_id=match_id,
                        owed=shown.get(match_id, 0),
                        transaction=transaction,
                    )
                )

    async def _look_at_home(self, home: HomeComing, transaction: bytes) -> None:
        if home.ends:
            await self._look_at_end(home, transaction)
            return
        channel_id = self._channels[home.address]
        await self._tell_missed_lien(channel_id, home.charged)
        await self._report(
            PaidOut(
                at_ms=0,
                channel_id=channel_id,
                value_a=home.value,
                paid=home.value - home.charged,
                transaction=transaction,
            )
        )

    async def _look_at_end(self, home: HomeComing, transaction: bytes) -> None:
        """Report a channel's end: what came home for its user, and what the vault owes him of it.

        What it charged for liens is in its own words: by the time we look, they may have been lifted again.
        """
        channel_id = self._channels[home.address]
        channel = self._engine.channels[channel_id]
        if channel.phase is Phase.CLOSED:
            return
        await self._tell_missed_lien(channel_id, home.charged)
        leaving = self._engine.venue.withdrawals.leaving.get(channel_id, 0)  # a commit that never came
        held = channel.deposit_a + channel.deposit_b - channel.withdraw_a - channel.withdraw_b + leaving
        await self._report(
            Closed(
                at_ms=0,
                channel_id=channel_id,
                value_a=home.value,
                value_b=held - home.value,
                paid=home.value - home.charged,
                transaction=transaction,
            )
        )

    async def _tell_missed_lien(self, channel_id: bytes, charged: int) -> None:
        """A lien that was charged and lifted before we looked: report it under the newest match punished."""
        missed = charged - sum(self._engine.venue.owed.get(channel_id, {}).values())
        if missed > 0 and channel_id in self._punished:
            match_id, transaction = self._punished[channel_id]
            known = self._engine.venue.owed.get(channel_id, {}).get(match_id, 0)
            await self._report(
                RateSet(at_ms=0, channel_id=channel_id, match_id=match_id, owed=known + missed, transaction=transaction)
            )

    async def _report(self, event: AnyEvent) -> None:
        """Put `event` to the loop; one that it refuses was known already or came too late to matter."""
        try:
            await self._submit(event)
        except Rejected:
            return


def _told(move: LenderMove) -> Lent | Left:
    """The event that a lender's move on chain is."""
    if not move.leaves:
        return Lent(at_ms=0, wallet=move.wallet, amount=move.nano, transaction=move.digest)
    return Left(
        at_ms=0, wallet=move.wallet, shares=move.shares, held=move.held, paid=move.nano, transaction=move.digest
    )
