"""The service's hands on chain: closes, challenges, evidence, sent through the operator's wallet in their order.

An errand is on the docket as the journal asks for it, live or replayed, until it is done; it looks first whether the
chain shows it done already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from fairway.chain.interface import Chain
from fairway.chain.purse import Purse
from fairway.channel import codec
from fairway.channel.conditionals import Conditionals
from fairway.channel.phase import Phase
from fairway.channel.state import Body, Half, SignedHalf
from fairway.crypto.keys import Signer
from fairway.errors import Rejected, Unavailable
from fairway.exchange.claims import markets, next_claim
from fairway.exchange.effect import (
    Absolve,
    AnyEffect,
    Challenge,
    PostValue,
    PunishDodge,
    PunishFill,
    SignClose,
    SignCommit,
)
from fairway.exchange.engine import Engine
from fairway.exchange.event import AnyEvent, Disputed
from fairway.exchange.paper import Paper, Promised
from fairway.exchange.site import channel_setup
from fairway.exchange.wire import CloseSigned, CommitSigned, encode
from fairway.exchange.withdrawal import commit_statement
from fairway.service.docket import AnyErrand, Docket, Leaving, Lifted, Step
from fairway.service.evidence import absolving, dodge_evidence, fill_evidence
from fairway.service.hub import Hub
from fairway.service.keys import Keyring
from fairway.service.lenders import posted_value
from fairway.service.losses import Losses
from fairway.service.sight import channel_sight
from fairway.ton.address import Address
from fairway.ton.cells import Cell, cell_hash
from fairway.ton.channel_view import GETTER, BodyView, ChannelState, ChannelView, QuarantineView, read_channel
from fairway.ton.messages import address_of
from fairway.ton.vault_messages import (
    EVIDENCE_VALUE,
    SignedCell,
    pool_value,
    post_value,
    read_account,
    read_books,
    read_pool,
)
from fairway.ton.wallet import Transfer
from fairway.units import TON

__all__ = ["Errands"]

GAS = TON // 5
CLAIM = TON // 2
"""A claim of many fills burns more; what is left comes back."""
MILLIS = 1000
PAUSE_S = 0.5
GRACE_S = 20.0
"""How long a user has to hand in a cooperative close himself before the service does."""

Errand = Callable[[], Awaitable[None]]


class Errands:
    """What one engine's effects ask of the chain. `docket` has what was asked so far, where there was anything."""

    def __init__(self, chain: Chain, engine: Engine, keyring: Keyring, hub: Hub, docket: Docket | None = None) -> None:
        self._chain = chain
        self._engine = engine
        self._keyring = keyring
        self._hub = hub
        self._docket = docket if docket is not None else Docket(engine)
        self._started = 0
        self._news = asyncio.Event()
        self._losses = Losses(chain, engine, self._docket.citable, self._show, self._signer, self._name)

    def note(self, event: AnyEvent, effects: Sequence[AnyEffect]) -> None:
        """Take on what `event` asks for."""
        self._docket.note(event, effects)
        for effect in effects:
            if isinstance(effect, SignClose):
                self._tell_close(effect)
            elif isinstance(effect, SignCommit):
                self._tell_commit(effect)
        self._news.set()

    async def run(self) -> None:
        """Run every errand, side by side, until cancelled; the wallet keeps their messages in order."""
        self._purse = Purse(self._chain, self._keyring.operator(), self._engine.rules.network)
        self._started = 0
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._losses.run())
            while True:
                self._news.clear()
                for number in [each for each in self._docket.errands if each >= self._started]:
                    tasks.create_task(self._see_to(number))
                self._started = self._docket.taken
                await self._news.wait()

    async def _see_to(self, number: int) -> None:
        """Run one errand to its end, and take it off the docket."""
        await _patiently(partial(self._do, self._docket.errands[number]))
        self._docket.settle(number)

    async def _do(self, errand: AnyErrand) -> None:  # noqa: C901 - the table of errands
        match errand:
            case SignClose():
                await self._close(errand)
            case SignCommit():
                await self._commit(errand)
            case Challenge():
                await self._challenge(errand)
            case PunishFill():
                await self._punish_fill(errand)
            case PunishDodge():
                await self._punish_dodge(errand)
            case PostValue():
                await self._post_value(errand)
            case Lifted(absolve, half):
                await self._absolve(absolve, half)
            case Leaving(disputed, _, Step.REPLACE_UNKNOWN):
                await self._replace_unknown(disputed.channel_id)
            case Leaving(disputed, standing, Step.SETTLE):
                await self._settle(disputed, standing)
            case Leaving(disputed, _, Step.SETTLE_FOR_USER):
                await self._settle_for_user(disputed)
            case Leaving(disputed, _, Step.FINISH):
                await self._finish(disputed)

    # Closing together

    def _agreed(self, close: SignClose) -> codec.Agreed:
        channel = self._engine.channels[close.channel_id]
        statement = codec.Close(channel.channel_id, close.sent_a, close.sent_b, close.seqno_a, close.seqno_b)
        return codec.Agreed(close.signature_a, self._signer(close.channel_id).sign(statement.digest()), statement)

    def _tell_close(self, close: SignClose) -> None:
        if self._hub.is_followed(close.channel_id):
            signed = CloseSigned(close.channel_id, self._agreed(close).signature_b)
            self._hub.send(close.channel_id, encode(signed))

    async def _close(self, close: SignClose) -> None:
        """Hand in the close if the user has not after a while."""
        await asyncio.sleep(GRACE_S)
        if not self._is_closed(close.channel_id):
            await self._send(self._address(close.channel_id), GAS, codec.encode(self._agreed(close)))

    # Withdrawing from what goes on

    def _both_commit(self, commit: SignCommit) -> codec.Agreed:
        statement = commit_statement(commit.committed, commit.channel_id)
        signature = self._signer(commit.channel_id).sign(statement.digest())
        return codec.Agreed(commit.committed.signature, signature, statement)

    def _tell_commit(self, commit: SignCommit) -> None:
        if self._hub.is_followed(commit.channel_id):
            signature = self._both_commit(commit).signature_b
            signed = CommitSigned(commit.channel_id, commit.committed.withdraw_a, signature)
            self._hub.send(commit.channel_id, encode(signed))

    async def _commit(self, commit: SignCommit) -> None:
        """Hand in the withdrawal if the user has not after a while, until the chain shows it, or the channel's end."""
        address, total = self._address(commit.channel_id), commit.committed.withdraw_a
        while True:
            await asyncio.sleep(GRACE_S)
            if self._is_closed(commit.channel_id) or self._is_paid_out(commit):
                return
            view = await self._view(commit.channel_id)
            if view is not None and view.withdraw_a < total and view.quarantine is None:
                await self._send(address, GAS, codec.encode(self._both_commit(commit)))

    def _is_paid_out(self, commit: SignCommit) -> bool:
        """Whether the chain has shown this withdrawal."""
        known, channel_id = self._engine.venue.withdrawals, commit.channel_id
        return known.signed[channel_id] != commit.committed or channel_id not in known.leaving

    # Disputes

    async def _challenge(self, challenge: Challenge) -> None:
        signer = self._signer(challenge.channel_id)
        sight = await channel_sight(self._chain, self._address(challenge.channel_id))
        if sight is None or sight.quarantine is None or sight.quarantine.seqno_a >= challenge.a.half.seqno:
            return
        b = SignedHalf(challenge.b, signer.sign(challenge.b.digest()))
        await self._tell(challenge.channel_id, codec.Challenge(challenge.b.channel_id, challenge.a, b))

    async def _replace_unknown(self, channel_id: bytes) -> None:
        """Answer a half of the user that does not say what he owes with the newest one that we accepted.

        Its beneficiary has the choice, so ours counts, and costs no fine. It is shown too where the start left it above
        its floor: an older one could be brought through the unsigned door in the last moment.
        """
        channel, view = self._engine.channels[channel_id], await self._view(channel_id)
        newest_a, newest_b = channel.a, channel.b
        if view is None or view.quarantine is None or newest_a is None or newest_b is None:
            return
        if view.state is not ChannelState.QUARANTINED or view.quarantine.challenged:
            return
        if self._is_whole(channel_id, view.quarantine) and view.floor_a >= newest_a.half.seqno:
            return
        b = SignedHalf(newest_b.half, self._signer(channel_id).sign(newest_b.half.digest()))
        await self._tell(channel_id, codec.Challenge(channel.channel_id, newest_a, b))

    async def _settle(self, dispute: Disputed, standing: frozenset[int]) -> None:
        """Once the quarantine is over, have the channel value what the user's half promises.

        What is settled changes the hash that the contract shows, so nothing is claimed again after a restart. But where
        the user adopts a pair meanwhile, even the same one, his half stands as if nothing had been claimed.
        """
        rules, channel_id = self._engine.rules, dispute.channel_id
        exit_ms = dispute.started_ms + rules.patience_ms
        settling_ms = dispute.started_ms + rules.quarantine_s * MILLIS
        await self._until_chain(settling_ms + MILLIS)
        await self._recall(channel_id)
        await self._until_chain(max(settling_ms, exit_ms) + MILLIS)
        adopted_ms, closing_ms = (settling_ms + rules.settling_s * MILLIS // 4 * part for part in (1, 4))
        hurry_ms = closing_ms - rules.settling_s * MILLIS // 4
        said: set[tuple[BodyView, int, bool]] = set()
        while (now_ms := await self._chain.now() * MILLIS) < closing_ms:
            view = await self._view(channel_id)
            if view is None or view.quarantine is None:
                return
            shown = view.quarantine.a
            pair = shown, view.quarantine.b.seqno, view.quarantine.adopted
            if pair not in said:
                paper = self._paper(dispute, standing, is_late=now_ms >= hurry_ms)
                half = self._claimed_on(channel_id, shown, paper)
                if half is None or paper.is_late or markets(half, paper) <= paper.exits.keys():
                    said.add(pair)
                    statement = half and next_claim(view.channel_id, half, paper, shown.conditionals_hash)
                    if statement is not None:
                        await self._tell(channel_id, statement)
            elif now_ms >= adopted_ms:
                return
            await asyncio.sleep(PAUSE_S)

    def _claimed_on(self, channel_id: bytes, shown: BodyView, paper: Paper) -> Promised | None:
        """The user's half in quarantine, be it that part of it is claimed already; None where nobody knows it."""
        known, root = self._promises(channel_id), shown.conditionals_hash
        for promised in [known[root]] if root in known else known.values():
            half = Promised(promised, shown.seqno, by_a=True)
            if root in known or next_claim(int.from_bytes(channel_id), half, paper, root) is not None:
                return half
        return None

    async def _settle_for_user(self, dispute: Disputed) -> None:
        """Once he has had his time, claim for the user what ours promises, at the true exit.

        Left until the last quarter, he could have it priced by the last mark that both sides know.
        """
        rules, channel_id = self._engine.rules, dispute.channel_id
        opens_ms = dispute.started_ms + (rules.quarantine_s + rules.settling_s // 2 + 1) * MILLIS
        await self._until_chain(opens_ms)
        channel, said = self._engine.channels[channel_id], set[bytes]()
        while await self._chain.now() * MILLIS < opens_ms + rules.settling_s * MILLIS // 4:
            view, promised = await self._view(channel_id), channel.b_conditionals
            if view is None or view.quarantine is None:
                return
            half = Promised(promised, view.quarantine.b.seqno, by_a=False)
            paper = self._paper(dispute, frozenset(), is_late=False)
            if markets(half, paper) <= paper.exits.keys():
                root = view.quarantine.b.conditionals_hash
                statement = next_claim(view.channel_id, half, paper, root)
                if statement is None:
                    return
                if root not in said:
                    said.add(root)
                    message = codec.encode(codec.OpenSettle(from_a=True, statement=statement))
                    await self._send(self._address(channel_id), CLAIM, message)
            await asyncio.sleep(PAUSE_S)

    async def _recall(self, channel_id: bytes) -> None:
        """Where the user chose a half of ours that he has not answered, put the one there that his half cites."""
        channel, view = self._engine.channels[channel_id], await self._view(channel_id)
        newest = channel.a
        if view is None or view.quarantine is None or newest is None or view.quarantine.adopted:
            return
        cited = self._docket.papers.half(channel_id, newest.half.cited)
        if cited is None or _body(view.quarantine.a) != newest.half.body or cited.seqno == view.quarantine.b.seqno:
            return
        if not self._is_whole(channel_id, view.quarantine):
            ours = SignedHalf(cited, self._signer(channel_id).sign(cited.digest()))
            await self._send(self._address(channel_id), GAS, codec.encode(codec.Recall(newest, ours)))

    def _paper(self, dispute: Disputed, standing: frozenset[int], *, is_late: bool) -> Paper:
        rules, signer = self._engine.rules, self._signer(dispute.channel_id)
        return Paper(
            rules.network,
            self._docket.papers.exits(dispute.started_ms + rules.patience_ms),
            self._docket.papers.until(dispute.started_ms),
            standing,
            {
                order: (receipt, signer.sign(receipt.digest()))
                for order, receipt in self._docket.papers.receipts(dispute.channel_id).items()
                if receipt.at_ms <= dispute.started_ms
            },
            {order: terms for order, (terms, _) in self._docket.papers.mandated(dispute.channel_id).items()},
            is_late=is_late,
            mandated={order: word for order, (_, word) in self._docket.papers.mandated(dispute.channel_id).items()},
            following=self._docket.papers.following(dispute.started_ms),
        )

    def _promises(self, channel_id: bytes) -> dict[bytes, Conditionals]:
        """Every set of conditionals that a half of the user may commit to, by its hash."""
        channel = self._engine.channels[channel_id]
        known = [channel.a_conditionals, *(expected.conditionals for expected in channel.window.values())]
        return {each.root_hash(): each for each in known if len(each)}

    def _is_whole(self, channel_id: bytes, shown: QuarantineView) -> bool:
        """Whether the user's half says what ours beside it expects, or it is the newest and cites ours."""
        channel = self._engine.channels[channel_id]
        newest, wanted = channel.a, channel.window.get(shown.b.seqno)
        if newest is not None and _body(shown.a) == newest.half.body and newest.half.counterparty == _body(shown.b):
            return True
        said = shown.a.sent, shown.a.conditionals_hash
        return wanted is not None and said == (wanted.sent, wanted.conditionals.root_hash())

    async def _view(self, channel_id: bytes) -> ChannelView | None:
        address = self._address(channel_id)
        if (await self._chain.get_account(address)).status != "active":
            return None
        return read_channel(await self._chain.run_get(address, GETTER))

    async def _tell(self, channel_id: bytes, statement: codec.Challenge | codec.Settle) -> None:
        """Send a statement of ours to the channel's contract, signed."""
        signature = self._signer(channel_id).sign(statement.digest())
        signed = codec.Signed(by_a=False, signature=signature, statement=statement)
        value = CLAIM if isinstance(statement, codec.Settle) else GAS
        await self._send(self._address(channel_id), value, codec.encode(signed))

    async def _finish(self, dispute: Disputed) -> None:
        """Have the contract pay out once it may: anyone can, and the user may be gone."""
        rules, channel_id, address = self._engine.rules, dispute.channel_id, self._address(dispute.channel_id)
        end_ms = dispute.started_ms + (rules.quarantine_s + rules.settling_s) * MILLIS
        await self._until_chain(end_ms, lambda: self._is_closed(channel_id))
        while not self._is_closed(channel_id):
            sight = await channel_sight(self._chain, address)
            if sight is not None and sight.awaits_finish:
                await self._send(address, GAS, codec.encode(codec.Finish()))
                return
            await asyncio.sleep(PAUSE_S)

    # Evidence for the vault

    async def _punish_fill(self, punish: PunishFill) -> None:
        taker, maker = punish.channel_id, punish.debt.maker_channel
        network, signer = self._engine.rules.network, self._signer(taker)
        await self._until_chain(punish.after.round_ms)
        if not await self._owes(taker, punish.debt.receipt.match_id):
            body = fill_evidence(network, punish, self._name(taker), self._name(maker), signer)
            await self._show(body)

    async def _punish_dodge(self, punish: PunishDodge) -> None:
        rules = self._engine.rules
        await self._until_chain(punish.dodge.priced.round_ms + rules.patience_ms)
        body = dodge_evidence(rules.network, punish, self._name(punish.channel_id))
        await self._show(body)

    async def _absolve(self, absolve: Absolve, half: Half) -> None:
        if await self._owes(absolve.channel_id, absolve.match_id):
            signer = self._signer(absolve.channel_id)
            service = SignedHalf(half, signer.sign(half.digest()))
            body = absolving(self._name(absolve.channel_id), absolve, service)
            await self._show(body)

    # The pool

    async def _post_value(self, newest: PostValue) -> None:
        """Tell the vault what its shares are worth, as soon as it listens and unless a newer epoch says it better."""
        vault, rules = self._engine.rules.vault, self._engine.rules
        posted = read_pool(await self._chain.run_get(vault, "get_pool"))
        await self._until_chain(
            (posted.posted_s + rules.quarantine_s) * MILLIS, lambda: newest is not self._docket.value
        )
        books = read_books(await self._chain.run_get(vault, "get_books"))
        value = posted_value(posted, newest, books.locked - books.bond)
        if newest is not self._docket.value or newest.record == posted.record or value == posted.value:
            return
        said = pool_value(Address.parse(vault), posted.epoch + 1, value, newest.record)
        signature = self._keyring.consent().sign(cell_hash(said))
        await self._show(post_value(SignedCell(signature, said)))

    async def _owes(self, channel_id: bytes, match_id: int) -> bool:
        """Whether the vault has this lien now."""
        name = int.from_bytes(self._name(channel_id))
        view = read_account(await self._chain.run_get(self._engine.rules.vault, "get_account", (name,)))
        return view is not None and match_id in view.liens

    async def _until_chain(self, at_ms: int, is_stale: Callable[[], bool] = bool) -> None:
        """Until the chain's clock says `at_ms`, or nobody waits for it any more."""
        while await self._chain.now() * MILLIS < at_ms and not is_stale():  # noqa: ASYNC110 - the chain's clock sets no event
            await asyncio.sleep(PAUSE_S)

    # What all need

    def _signer(self, channel_id: bytes) -> Signer:
        rules = self._engine.rules
        return self._keyring.channel(rules.network, rules.vault, self._engine.channels[channel_id].key_a)

    def _address(self, channel_id: bytes) -> str:
        channel = self._engine.channels[channel_id]
        return address_of(channel_setup(self._engine.rules, channel_id, channel.key_a, channel.key_b).init)

    def _name(self, channel_id: bytes) -> bytes:
        """How the vault names the channel: the hash of its address."""
        return bytes.fromhex(self._address(channel_id)[2:])

    def _is_closed(self, channel_id: bytes) -> bool:
        return self._engine.channels[channel_id].phase is Phase.CLOSED

    async def _show(self, body: Cell) -> None:
        """Show the vault evidence."""
        await self._send(self._engine.rules.vault, EVIDENCE_VALUE, body)

    async def _send(self, destination: str, nano: int, body: Cell) -> None:
        await self._purse.send(Transfer(destination, nano, body))


def _body(shown: BodyView) -> Body:
    return Body(shown.seqno, shown.sent, shown.conditionals_hash)


async def _patiently(errand: Errand) -> None:
    """Run `errand`, again while the chain cannot be reached or the wallet is empty; any other refusal settles it."""
    while True:
        try:
            await errand()
        except Unavailable:
            await asyncio.sleep(PAUSE_S)
        except Rejected as refusal:
            if refusal.code != "purse.balance":
                return
            await asyncio.sleep(PAUSE_S)
        else:
            return
