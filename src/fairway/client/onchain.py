"""The user's hands on chain: his channel's contract and its account in the vault, through his own wallet.

    register (vault) → deploy and begin (channel) → wrap (vault) → … withdraw …
        → close together, or start alone, claim and finish

Every step looks first whether it is done, so that any of them may be repeated after a crash. Nothing here needs the
service: what it signed is in the record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from fairway.chain.interface import Chain, Message, Transaction
from fairway.chain.purse import Purse
from fairway.channel import codec
from fairway.channel.state import SignedHalf
from fairway.client.accusation import Accusation
from fairway.client.answer import adoption_of, claim_of
from fairway.client.lookout import losses_of
from fairway.client.opening import begin, register, wrap
from fairway.client.sentry import CLAIM, MARGIN, see
from fairway.client.side import Side
from fairway.errors import Rejected, Unavailable
from fairway.exchange import event
from fairway.exchange.paper import Exit
from fairway.ton import vault_messages as vault
from fairway.ton.channel_view import ChannelView
from fairway.ton.messages import address_of
from fairway.ton.vault_views import AccountView, read_account
from fairway.ton.wallet import Transfer

__all__ = ["OnChain", "account_of"]

T = TypeVar("T")

GLANCE_S = 1.0
PATIENCE_S = 120.0
MILLIS = 1000


class OnChain:
    """One channel of the user, seen and moved on `chain`. `purse` is the wallet that the vault pays for ever.

    `address` is the channel's contract; the vault names the channel by the hash in it, `name`.
    """

    def __init__(self, chain: Chain, purse: Purse, side: Side) -> None:
        self._chain = chain
        self._purse = purse
        self._side = side
        self._init = side.setup.init
        self.name: bytes = self._init.hash
        self.address = address_of(self._init)
        self.vault = side.replica.welcome.vault

    # What the chain says

    async def channel(self) -> ChannelView | None:
        """The contract as it is now; None before it has begun, and once it has paid out and gone."""
        return await see(self._chain, self.address)

    async def account(self) -> AccountView | None:
        """The channel in the vault; None before it is registered."""
        return await account_of(self._chain, self.vault, self.name)

    # Opening

    async def prepare(self) -> None:
        """Register the channel and let its contract begin; money is nowhere yet."""
        opened = self._side.replica.opened
        if opened.payout != self._purse.address:
            raise Rejected("onchain.payout", "the channel pays out to another wallet", payout=opened.payout)
        if await self.account() is None:
            await self._purse.send(register(self._side))
            await self._until(self.vault, self.account)
        if await self.channel() is None:
            await self._purse.send(begin(self._side))
        await self._until(self.address, self._ready)

    async def deposit(self, nano: int) -> event.Funded:
        """Prepare the channel and wrap `nano` into it, unless that is done or under way; what the chain then shows."""
        await self.prepare()
        if not await self._deposited() and not await self._is_wrapping():
            await self._purse.send(wrap(self._side, nano))
        return await self.funded()

    async def funded(self) -> event.Funded:
        """Wait for both deposits."""
        view = await self._until(self.address, self._deposited)
        newest = (await self._chain.transactions(self.address))[-1]
        return event.Funded(
            at_ms=await self._chain.now() * MILLIS,
            channel_id=self._side.channel_id,
            deposit_a=view.deposit_a,
            deposit_b=view.deposit_b,
            transaction=newest.digest,
        )

    async def _is_wrapping(self) -> bool:
        """Whether money for the channel is under way: the vault has not seen it, or has not sent it back."""
        begun, *_ = await self._chain.transactions(self.address, limit=1)
        sent = [message for each in await self._since(self._purse.address, begun.lt) for message in each.outgoing]
        seen = [each.incoming for each in await self._since(self.vault, begun.lt)]
        left = sum(map(self._is_wrap, sent)) - sum(map(self._is_wrap, seen))
        account = await self.account()
        return left > 0 or (account is not None and account.held > 0)

    def _is_wrap(self, message: Message | None) -> bool:
        return message is not None and vault.named_channel(message.body, frozenset({vault.WRAP})) == self.name

    async def _ready(self) -> bool | None:
        """The vault takes deposits for the channel, and the channel knows its jettons: it would send others back."""
        account = await self.account()
        if account is None or not account.ready:
            return None
        told = (each for each in await self._since(self.address, 0) if not each.aborted)
        return any(each.incoming is not None and vault.tells_wallet(each.incoming.body) for each in told) or None

    async def _deposited(self) -> ChannelView | None:
        """The channel, once both sides have their units."""
        view = await self.channel()
        return view if view is not None and view.deposit_a and view.deposit_b else None

    # Withdrawing from what goes on

    async def withdrawn(self) -> int:
        """How much the channel has paid out to the user since it was opened."""
        view = await self.channel()
        return view.withdraw_a if view is not None else 0

    async def commit(self, agreed: codec.Agreed) -> None:
        """Hand a withdrawal to the channel, unless it has paid; wait for the units to come home to the vault."""
        assert isinstance(agreed.statement, codec.Commit)
        total = agreed.statement.withdraw_a
        if await self.withdrawn() < total:
            await self._purse.send(Transfer(self.address, MARGIN, codec.encode(agreed)))

        async def paid() -> bool | None:
            return await self.withdrawn() >= total or None

        await self._until(self.address, paid)
        await self._until(self.vault, self._settled)

    async def _settled(self) -> bool | None:
        """The vault has taken home everything that has left the channel."""
        view, account = await self.channel(), await self.account()
        if view is None or account is None:
            return None
        inside = view.deposit_a + view.deposit_b - view.withdraw_a - view.withdraw_b
        return account.held <= inside or None

    # Ending

    async def reopen(self, following: OnChain, payout: int) -> None:
        """Have the vault pay out `payout` nano of what comes home and wrap the rest into `following`."""
        body = vault.reopen(self.name, following.name, payout)
        await self._purse.send(Transfer(self.vault, vault.REOPEN_VALUE + vault.WORD_VALUE, body))
        await self._until(self.vault, self._reopens)

    async def _reopens(self) -> bool | None:
        account = await self.account()
        return (account is not None and account.reopening is not None) or None

    async def close(self, agreed: codec.Agreed) -> None:
        """Hand the cooperative close to the channel, unless the other side has; wait for the units to come home."""
        if not await self._ended():
            await self._purse.send(Transfer(self.address, MARGIN, codec.encode(agreed)))
        await self._until(self.vault, self._ended)

    async def start(self, pair: tuple[SignedHalf, SignedHalf]) -> None:
        """Begin to close alone, with the pair to leave with."""
        told = self._side.tell(codec.Start(self._side.setup.channel_id, *pair))
        await self._purse.send(Transfer(self.address, MARGIN, codec.encode(told)))
        await self._until(self.address, self._disputed)

    async def challenge(self, statement: codec.Challenge) -> None:
        """Answer a close that the service began alone; the other half then stands in quarantine."""
        before = await self.channel()
        await self._purse.send(Transfer(self.address, MARGIN, codec.encode(self._side.tell(statement))))

        async def answered() -> bool | None:
            return await self.channel() != before or None

        await self._until(self.address, answered)

    async def adopt(self) -> bool:
        """Adopt what this side leaves with, where something else stands in quarantine; whether that was so."""
        before = await self.channel()
        adoption = None if before is None else adoption_of(before, self._side.adopting())
        if adoption is None:
            return False
        await self._purse.send(Transfer(self.address, MARGIN, codec.encode(adoption)))

        async def adopted() -> bool | None:
            return await self.channel() != before or None

        await self._until(self.address, adopted)
        return True

    async def claim(self, exits: Mapping[int, Exit], *, is_late: bool = False) -> None:
        """After the quarantine: have the channel value what is held in the markets of `exits`, and what was filled.

        Errors: `Rejected` (`claims.nothing`).
        """
        before = await self.channel()
        if before is None or before.quarantine is None:
            raise Rejected("claims.nothing", "the channel is not in quarantine")
        paper = self._side.paper(exits, before.quarantine.started_at * MILLIS, is_late=is_late)
        statement = claim_of(before, self._side.holding(), paper)
        if statement is None:
            raise Rejected("claims.nothing", "nothing that is promised owes anything that can be shown")
        while statement is not None:
            before = await self._say(before, statement)
            statement = claim_of(before, self._side.holding(), paper)

    async def _say(self, before: ChannelView, statement: codec.Settle) -> ChannelView:
        """Send a message of a claim; the channel once it has changed."""
        await self._purse.send(Transfer(self.address, CLAIM, codec.encode(self._side.tell(statement))))

        async def valued() -> ChannelView | None:
            view = await self.channel()
            return view if view != before else None

        return await self._until(self.address, valued)

    async def finish(self) -> None:
        """After quarantine and settling: have the contract pay out. Anyone may."""
        await self._purse.send(Transfer(self.address, MARGIN, codec.encode(codec.Finish())))
        await self._until(self.vault, self._ended)

    async def home(self, vault_lt: int, wallet_lt: int) -> None:
        """Wait until both shares are back in the vault, and the wallet has what was paid out since those times."""
        await self._until(self.vault, self._whole)
        paid = {
            sent.created_lt
            for each in await self._since(self.vault, vault_lt)
            for sent in each.outgoing
            if sent.destination == self._purse.address
        }

        async def arrived() -> bool | None:
            taken = [each.incoming for each in await self._since(self._purse.address, wallet_lt)]
            return paid <= {message.created_lt for message in taken if message is not None} or None

        await self._until(self._purse.address, arrived)

    async def _since(self, address: str, lt: int) -> list[Transaction]:
        found: list[Transaction] = []
        while page := await self._chain.transactions(address, found[-1].lt if found else lt):
            found += page
        return found

    async def _whole(self) -> bool | None:
        account = await self.account()
        return (account is not None and account.ended and not account.held) or None

    # Lies

    async def accuse(self, accused: Accusation) -> bool:
        """Have the bond pay for a lie; whether it had not yet. Errors: `onchain.bond` where nothing is left of it."""

        async def punished() -> bool | None:
            return accused.seqno in (await losses_of(self._chain, self.vault, self.name)).slashed or None

        if await punished():
            return False
        if not vault.read_books(await self._chain.run_get(self.vault, "get_books")).bond:
            raise Rejected("onchain.bond", "the vault has no bond that could pay")
        await self._purse.send(Transfer(self.vault, vault.EVIDENCE_VALUE, accused.body))
        await self._until(self.vault, punished)
        return True

    async def _disputed(self) -> bool | None:
        view = await self.channel()
        return (view is not None and view.quarantine is not None) or None

    async def _ended(self) -> bool | None:
        account = await self.account()
        return (account is not None and account.ended) or None

    async def _until(self, address: str, look: Callable[[], Awaitable[T | None]]) -> T:
        """What `look` finds, looked for again whenever something happened at `address`; `onchain.silence`."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    seen_lt = (await self._chain.get_account(address)).last_lt
                    if (found := await look()) is not None:
                        return found
                    await self._chain.wait(address, seen_lt, GLANCE_S)
        except TimeoutError:
            raise Unavailable(
                "onchain.silence", "the chain does not show what was to happen", address=address
            ) from None


async def account_of(chain: Chain, where: str, name: bytes) -> AccountView | None:
    """The channel `name` in the vault at `where`; None before it is registered."""
    return read_account(await chain.run_get(where, "get_account", (int.from_bytes(name),)))
