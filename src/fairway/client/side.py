"""Side A of one channel, whole: the copy, the record and the key, in the one lawful order.

    a half goes out    judged → written → signed → sent
    a half comes in    judged → written → believed

So what was signed is always in the record, and what the service signed is there before anything rests on it. A half
whose answer never came is signed and sent again, byte for byte. What the service cannot lawfully have said is kept as
evidence; from then on this side signs nothing but its exit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

from msgspec.structs import replace

from fairway.channel import codec
from fairway.channel.machine import CHAIN_KEY
from fairway.channel.state import UNSIGNED, SignedHalf
from fairway.client.answer import Holding, Pledge
from fairway.client.keystore import Keystore
from fairway.client.margin import Margin
from fairway.client.replica import Entry, Leave, Regained, Replica, Uncommitted
from fairway.client.store import Evidence, Store
from fairway.client.watchtower_wire import RECEIPTS, Handed, Wanted, Watched, deposit_of, seal
from fairway.client.wish import Permit, Wish
from fairway.crypto.keys import Signer, verify
from fairway.errors import InvalidMessage, Rejected, Unavailable
from fairway.exchange import event, wire
from fairway.exchange.account import Account
from fairway.exchange.mandate import MandateTerms, revoke_digest
from fairway.exchange.paper import Exit, Paper
from fairway.exchange.permits import mandate_in
from fairway.exchange.reading import read_expected
from fairway.exchange.site import channel_setup, consent_digest
from fairway.exchange.sweeps import sweep_digest
from fairway.exchange.terms import OrderTerms, Receipt
from fairway.exchange.withdrawal import commit_statement
from fairway.ton.address import Address
from fairway.ton.cells import to_boc
from fairway.ton.contracts import ChannelSetup

__all__ = ["Side"]

NO_LIES = frozenset({"signature.invalid", "signature.length", "replica.behind", "session.outrun", "side.twice"})
"""Refused and kept, but no lie of the service: what anybody on the line could have sent, what it may rightly say to a
record that was restored from an old copy, and what it says after it was restored from one itself."""

Said = wire.Granted | wire.Pushed | wire.Yours | wire.Refused | wire.Round | wire.CommitSigned | wire.CloseSigned
"""What the service may say of a channel."""


class Side:
    """The user's side of the channel `channel_id`. Secret: the signer in it."""

    def __init__(self, store: Store, signer: Signer, replica: Replica) -> None:
        self.replica = replica
        self.channel_id = replica.opened.channel_id
        self.lied = any(kept.code not in NO_LIES for kept in store.evidence(self.channel_id))
        self._store = store
        self._signer = signer
        self._rounds: dict[int, wire.Round] = {}

    @classmethod
    def opened(cls, store: Store, signer: Signer, welcome: wire.Welcome, salt: bytes, payout: str) -> Self:
        """A new channel with the service of `welcome`, paid out to the wallet at `payout`; `signer` is its key."""
        number = codec.channel_id(welcome.network, Address.parse(welcome.vault), signer.key, welcome.key_b, salt)
        opening = wire.Open(number.to_bytes(16), signer.key, salt, payout, UNSIGNED)
        replica = Replica(welcome, opening)
        store.append(opening.channel_id, welcome, opening)
        return cls(store, signer, replica)

    @classmethod
    def restored(cls, store: Store, keystore: Keystore, channel_id: bytes) -> Self:
        """The side as the record of `channel_id` has it. Errors: `Unavailable` (`side.key`: another keystore's)."""
        replica = Replica.rebuilt(store.record(channel_id))
        signer = keystore.channel(replica.opened.salt)
        if signer.key != replica.opened.key_a:
            raise Unavailable("side.key", "the channel belongs to another keystore")
        return cls(store, signer, replica)

    @property
    def account(self) -> Account:
        """The account as of the newest push: balances, orders and positions before any countersigning."""
        return self.replica.account

    # What goes out

    def opening(self) -> wire.Open:
        """The request for the channel, with half number 1 signed."""
        pending = self.replica.propose(now_ms=0)
        return replace(self.replica.opened, signature=self._signed(pending).signature)

    @property
    def is_over(self) -> bool:
        """Whether nothing more is signed here but an exit: the user signed a close, he left, or the service lied."""
        return self.lied or self.replica.left or self.replica.closing is not None

    @property
    def may_propose(self) -> bool:
        """Whether a new half may be signed: the channel is granted and not over, nothing is unanswered or lacking."""
        replica = self.replica
        is_busy = replica.pending is not None or replica.is_committing
        return replica.newest_b > 0 and not is_busy and replica.lacks is None and not self.is_over

    def check(
        self,
        wishes: Sequence[Wish | Permit] = (),
        drops: Sequence[int] = (),
        margins: Sequence[Margin] = (),
        *,
        now_ms: int,
    ) -> None:
        """Whether the rules allow a half with these orders, cancels and margins; `Rejected` says why not.

        Changes nothing.
        """
        self._judged(wishes, drops, margins, now_ms)

    def propose(
        self,
        wishes: Sequence[Wish | Permit] = (),
        drops: Sequence[int] = (),
        margins: Sequence[Margin] = (),
        *,
        now_ms: int,
    ) -> wire.Propose:
        """A new half with orders for `wishes`, without `drops`, with other `margins`: judged, written, signed. Send it.

        Errors: `Rejected` for what the rules refuse, with nothing changed; `side.left`; `side.busy`: see `may_propose`.
        """
        self._check_here()
        if not self.may_propose:
            raise Rejected("side.busy", "no half is signed while another is unanswered, or after a close or a lie")
        return self._write(self._judged(wishes, drops, margins, now_ms))

    def _judged(
        self, wishes: Sequence[Wish | Permit], drops: Sequence[int], margins: Sequence[Margin], now_ms: int
    ) -> wire.Propose:
        account = self.account
        orders, mandates = list[OrderTerms](), list[MandateTerms]()
        for key, wish in enumerate(sorted(wishes, key=lambda wish: isinstance(wish, Permit)), account.next_key):
            if isinstance(wish, Permit):
                mandates.append(wish.terms(account, key, mandates))
            else:
                orders.append(wish.terms(account.rules, self.channel_id, key, account.rounds.get(wish.market)))
        moves = [margin.move(account) for margin in margins]
        return self.replica.propose(orders, drops, moves, mandates, now_ms=now_ms)

    def repeated(self) -> wire.Propose | None:
        """The unanswered half once more, the same bytes; nothing where there is none."""
        pending = self.replica.pending
        return None if pending is None or pending.seqno == 1 else self._signed(pending)

    def sweep(self, nonce: int, market: int, after_ms: int) -> wire.Sweep:
        """The word that all orders in `market` (0: in all) go after a time, signed; it changes nothing here."""
        digest = sweep_digest(self.replica.rules.network, self.channel_id, nonce, market, after_ms)
        return wire.Sweep(self.channel_id, nonce, market, after_ms, self._signer.sign(digest))

    def revoke(self, mandate: int) -> wire.Revoke:
        """The word that the mandate under `mandate` is over, signed. Errors: `Rejected` (`mandate.unknown`)."""
        mandate_in(self.account, mandate)
        return wire.Revoke(self.channel_id, mandate, self._signer.sign(revoke_digest(self.channel_id, mandate)))

    def commit(self, nano: int) -> wire.Commit:
        """Sign that `nano` more are paid out while the channel goes on: judged, written, then signed. Send it.

        No half is signed before it is answered. Errors: `Rejected`: `side.busy` (see `may_propose`), `withdraw.seqno`
        (countersign first), `withdraw.amount`, `withdraw.margin`, `channel.coverage`.
        """
        self._check_here()
        if not self.may_propose:
            raise Rejected("side.busy", "nothing is withdrawn while something is unanswered, or after a close or a lie")
        commit = self.replica.commit(nano)
        self._keep(commit)
        return self._signed_commit(commit)

    def recommit(self) -> wire.Commit | None:
        """The newest withdrawal once more, the same bytes, until the service's signature of it is in the record."""
        commit = self.replica.committing
        return None if commit is None or self.replica.committed is not None else self._signed_commit(commit)

    def uncommit(self, code: str) -> None:
        """The service refused the withdrawal with `code`: write down that nothing came of it, so it is not repeated."""
        if self.replica.is_committing:
            self._keep(Uncommitted(self.channel_id, code))

    def _signed_commit(self, commit: wire.Commit) -> wire.Commit:
        return replace(commit, signature=self._signer.sign(commit_statement(commit, self.channel_id).digest()))

    def both_commit(self) -> codec.Agreed | None:
        """The newest withdrawal under both signatures; None where there is none yet."""
        commit, signed = self.replica.committing, self.replica.committed
        if commit is None or signed is None:
            return None
        mine = self._signed_commit(commit).signature
        return codec.Agreed(mine, signed.signature, commit_statement(commit, self.channel_id))

    def close(self, *, reopen_id: bytes | None = None, withdraw: int = 0) -> wire.Close:
        """A cooperative close where both stand now, written, then signed; a second call repeats it.

        Nothing else is signed afterwards. Errors: `Rejected`: `side.left`, `side.open` (orders or positions),
        `side.pending` (the newest half ever signed here must be an accepted one: countersign first).
        """
        replica, closing = self.replica, self.replica.closing
        if closing is None:
            self._check_here()
            if replica.lacks is not None:
                raise Rejected("side.lacking", "a watchtower holds halves that are not in the record")
            if self.account.orders or self.account.positions:
                raise Rejected("side.open", "cancel the orders and close the positions first")
            newest = replica.channel.a
            if replica.pending is not None or newest is None or newest.half.seqno != replica.channel.a_consumed:
                raise Rejected("side.pending", "the newest half is unanswered or refused")
            seqnos = (newest.half.seqno, replica.newest_b)
            sums = (self.account.due, self.account.earned)
            closing = wire.Close(self.channel_id, *seqnos, *sums, UNSIGNED, reopen_id, withdraw)
            self._store.append(self.channel_id, closing)
            replica.apply(closing)
        return replace(closing, signature=self._signer.sign(replica.close_statement(closing).digest()))

    def _check_here(self) -> None:
        if self.replica.left:
            raise Rejected("side.left", "this side has left alone: nothing is signed in the channel any more")

    def leave(self) -> tuple[SignedHalf, SignedHalf]:
        """The pair to leave with, alone: the newest half ever signed here, and the half of the service that it cites.

        Where nothing is unanswered that is a fresh countersignature, which no older half of this side can outrank. That
        this side leaves is durable on return, before the chain hears of it: a later half could be shown against the
        start, and cost the fine. A second call gives the same pair. Errors: `side.ungranted`.
        """
        held = self.holding()
        self.has_left()
        return held.a, held.b

    def has_left(self) -> None:
        """This side closes alone: write it down, unless the record says so."""
        if not self.replica.left:
            self._keep(Leave(self.channel_id))

    # What goes to the chain

    def holding(self) -> Holding:
        """What this side leaves with, or answers a close that the service begins alone: see `leave`.

        As long as the record lacks what a watchtower holds, that is the tower's pair: whatever this side signed now
        could bear a seqno that it has used. Errors: `Rejected` (`side.ungranted`).
        """
        replica = self.replica
        if replica.lacks is not None:
            return replica.lacks.holding
        newest_a, newest_b = replica.channel.a, replica.channel.b
        if newest_a is None or newest_b is None:
            raise Rejected("side.ungranted", "the service has not granted the channel")
        if replica.closing is not None:
            signed = SignedHalf(newest_a.half, self._signer.sign(newest_a.half.digest()))
            return Holding(signed, newest_b, replica.channel.b_conditionals)
        if replica.pending is None and not replica.left:
            self._write(replica.propose(now_ms=0))
        return self._held()

    def pledge(self) -> Pledge:
        """What a shown loss is answered with. Nothing is signed for it. Errors: `side.ungranted`."""
        channel, lacks = self.replica.channel, self.replica.lacks
        if lacks is not None and lacks.holding.b.half.seqno > self.replica.newest_b:
            return Pledge(lacks.holding.b, lacks.holding.promised)
        if channel.b is None:
            raise Rejected("side.ungranted", "the service has not granted the channel")
        return Pledge(channel.b, channel.b_conditionals)

    def adopting(self) -> Holding:
        """What this side adopts: the service's half of the pair that it leaves with, and the very half it expects.

        Where that was not signed yet it is signed now, also by who has left: in the end no half costs a fine any more.
        """
        held = self.holding()
        if self.replica.lacks is not None:
            return held
        said = held.a.half.sent, held.a.half.body.conditionals_hash
        if self.replica.closing is None and CHAIN_KEY in held.promised and said != read_expected(held.promised):
            self._write(self.replica.expectation())
            held = self._held()
        return held

    def _held(self) -> Holding:
        cosigned = self.replica.cosigned
        if cosigned is None:
            raise Rejected("side.ungranted", "nothing was countersigned yet")
        return Holding(SignedHalf(cosigned.a, self._signer.sign(cosigned.a.digest())), cosigned.b, cosigned.promised)

    def paper(self, exits: Mapping[int, Exit], started_ms: int, *, is_late: bool) -> Paper:
        """What this side can show of the service's half that it leaves with."""
        receipts = {shown.order: (shown, by) for shown, by in self.receipts if shown.at_ms <= started_ms}
        return Paper(self.replica.rules.network, exits, receipts=receipts, orders=self.placed, is_late=is_late)

    @property
    def receipts(self) -> Sequence[tuple[Receipt, bytes]]:
        """Those of fills after the half of the service that this side leaves with."""
        lacks = self.replica.lacks
        return self.replica.receipts if lacks is None else lacks.deposit.receipts

    @property
    def placed(self) -> Mapping[bytes, OrderTerms]:
        """The orders that the half which this side leaves with adds, by their digest."""
        lacks = self.replica.lacks
        return self.replica.placed if lacks is None else lacks.placed

    @property
    def watchable(self) -> tuple[int, int] | None:
        """The seqnos of the half that a deposit would hold, and of the service's newest; None where there is none."""
        replica, cosigned = self.replica, self.replica.cosigned
        if cosigned is None or not replica.channel.deposit_a or replica.lacks is not None:
            return None
        return cosigned.a.seqno, replica.newest_b

    def deposit(self) -> Handed:
        """What a watchtower needs to answer for this channel, without any secret. Errors: `side.uncosigned`."""
        replica, cosigned = self.replica, self.replica.cosigned
        if cosigned is None:
            raise Rejected("side.uncosigned", "nothing was countersigned yet")
        signed = SignedHalf(cosigned.a, self._signer.sign(cosigned.a.digest()))
        window = replica.channel.window.items()
        newer = [each.b.digest() for seqno, each in window if each.b and seqno > cosigned.b.half.seqno]
        held = Holding(signed, cosigned.b, cosigned.promised)
        shown = replica.receipts[-RECEIPTS:], list(replica.placed.values())[-RECEIPTS:]
        return seal(deposit_of(replica.welcome, replica.opened, held, newer, replica.newest_b, *shown), self._signer)

    def wanted(self, at_s: int) -> Wanted:
        """The word that asks a watchtower, at second `at_s` of the chain's clock, what it holds of this channel."""
        unsigned = Wanted(self.channel_id, at_s)
        return replace(unsigned, signature=self._signer.sign(unsigned.digest()))

    def regain(self, handed: Handed) -> bool:
        """Take over what a watchtower holds, where it is newer than the record; whether it was. Durable on return.

        Errors: those of `charge_of`; `InvalidMessage` (`side.regained`: of another channel, key or venue).
        """
        regained = Regained(self.channel_id, handed.payload, handed.signature)
        charge, replica, before = regained.charge(), self.replica, self.replica.regained
        if (charge.deposit.welcome, charge.deposit.opened) != (replica.welcome, replica.opened):
            raise InvalidMessage("side.regained", "what a watchtower holds is of another channel")
        if before is not None and charge.version <= before.version:
            return False
        if not replica.is_short_of(charge):
            return False
        self._keep(regained)
        return True

    def keep_receipt(self, receipt: Watched) -> None:
        """Write down that a watchtower stands for this channel."""
        self._store.keep_receipt(self.channel_id, receipt)

    @property
    def setup(self) -> ChannelSetup:
        """What the channel's contract starts from."""
        opened, welcome = self.replica.opened, self.replica.welcome
        return channel_setup(welcome, opened.channel_id, opened.key_a, welcome.key_b)

    def consents(self) -> tuple[bytes, bytes]:
        """The user's signature and the service's that the channel pays out to the wallet it was opened for.

        Errors: `Rejected` (`side.ungranted`).
        """
        granted = self._store.half(self.channel_id, "B", 1)
        if not isinstance(granted, wire.Granted):
            raise Rejected("side.ungranted", "the service has not granted the channel")
        digest = consent_digest(self.replica.welcome, self.setup, self.replica.opened.payout)
        return self._signer.sign(digest), granted.consent

    def tell(self, statement: codec.Init | codec.Start | codec.Challenge | codec.Settle) -> codec.Signed:
        """A message to the channel's contract, signed."""
        return codec.Signed(by_a=True, signature=self._signer.sign(statement.digest()), statement=statement)

    def agreed(self, signed: wire.CloseSigned) -> codec.Agreed:
        """The cooperative close under both signatures."""
        closing = self.close()
        return codec.Agreed(closing.signature, signed.signature, self.replica.close_statement(closing))

    def _write(self, proposed: wire.Propose) -> wire.Propose:
        """Make `proposed` durable; only then sign it."""
        self._keep(proposed)
        return self._signed(proposed)

    def _keep(self, *entries: Entry) -> None:
        """Write `entries`, all or none; only then follow them."""
        self._store.append(self.channel_id, *entries)
        for entry in entries:
            self.replica.apply(entry)

    def _signed(self, proposed: wire.Propose) -> wire.Propose:
        return replace(proposed, signature=self._signer.sign(self.replica.half_of(proposed).digest()))

    # What comes in

    def fund(self, funded: event.Funded) -> None:
        """The chain shows these deposits."""
        self._store.append(self.channel_id, funded)
        self.replica.apply(funded)

    def receive(self, reply: Said) -> bool:
        """Judge what the service says and write it down; whether it was news.

        What cannot be true is `InvalidMessage`, kept as evidence; the copy is then what it was before.
        """
        try:
            news = self._receive(reply)
        except InvalidMessage as lie:
            self.lied = self.lied or lie.code not in NO_LIES
            self._store.append(self.channel_id, *self._rounds.values())
            self._rounds.clear()
            self._store.keep_evidence(self.channel_id, Evidence(lie.code, lie.message, wire.encode(reply)))
            self.replica = Replica.rebuilt(self._store.record(self.channel_id))
            raise
        return news

    def _receive(self, reply: Said) -> bool:
        match reply:
            case wire.Yours():
                return self._take_back(reply)
            case wire.Pushed() | wire.Granted() if self._is_old(reply):
                return False
            case wire.CloseSigned() | wire.CommitSigned() if reply in (self.replica.closed, self.replica.committed):
                return False
            case wire.Refused() if self.replica.pending is None or reply.seqno != self.replica.pending.seqno:
                return False
            case wire.Round():
                self.replica.apply(reply)
                self._rounds[reply.market] = reply  # written with the push that needs it
                return True
        self.replica.apply(reply)
        self._store.append(self.channel_id, *self._rounds.values(), reply)
        self._rounds.clear()
        return True

    def _take_back(self, shown: wire.Yours) -> bool:
        """Take a half of one's own back into the record, which was restored from an old copy.

        Errors: `InvalidMessage`: it is not signed by this side, or (`side.twice`) another one was signed under its
        seqno, by somebody who uses a copy of this keystore.
        """
        replica = self.replica
        proposed = wire.Propose(
            shown.channel_id,
            shown.seqno,
            shown.sent,
            shown.conditionals_hash,
            shown.cites,
            UNSIGNED,
            shown.orders,
            shown.drops,
            shown.moves,
            shown.mandates,
        )
        if shown.seqno <= replica.channel.a_consumed or proposed == replica.pending:
            return False
        if shown.channel_id != self.channel_id or shown.cites not in replica.channel.window:
            raise InvalidMessage("side.yours", "a half is shown that answers nothing known", cites=shown.cites)
        verify(self._signer.key, replica.half_of(proposed).digest(), shown.signature)
        if replica.pending is not None:
            raise InvalidMessage("side.twice", "two halves of this side have one seqno", seqno=shown.seqno)
        self._store.append(self.channel_id, *self._rounds.values(), proposed)
        self._rounds.clear()
        replica.apply(proposed)
        return True

    def outrun(self, welcome: wire.Welcome) -> wire.Shown:
        """The service knows less than this record: what to show it, after that is written down. Nothing is signed.

        Errors: `side.ungranted`.
        """
        newest = self.pledge().b
        words = "the service knows less of this channel than it has signed"
        self._store.keep_evidence(self.channel_id, Evidence("session.outrun", words, wire.encode(welcome)))
        return wire.Shown(self.channel_id, to_boc(newest.to_cell()))

    def _is_old(self, reply: wire.Pushed | wire.Granted) -> bool:
        """Whether this very half is in the record; another one under its seqno is `InvalidMessage`."""
        seqno = reply.seqno if isinstance(reply, wire.Pushed) else 1
        known = self._store.half(self.channel_id, "B", seqno)
        if known is not None and known != reply:
            raise InvalidMessage("side.equivocation", "two halves of the service have one seqno", seqno=seqno)
        return known is not None
