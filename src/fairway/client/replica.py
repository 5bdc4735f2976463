"""The user's own copy of his channel and account, moved by the entries of his record and by nothing else. Pure.

    opened → granted → funded → (proposed | round | pushed | refused)* → left?

Live and after a restart the same entries go through the same `apply`, so the copy is whatever the record says. A push
is judged change by change, then its half is compared with the one that follows; what does not follow raises
`InvalidMessage`, and the copy must be thrown away and rebuilt: the lie never enters the record.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Self

import msgspec

from fairway.channel import codec, machine
from fairway.channel.conditionals import Conditionals
from fairway.channel.machine import Channel
from fairway.channel.phase import Move
from fairway.channel.state import NO_CONDITIONALS, UNSIGNED, Body, Half, SignedHalf
from fairway.client.judge import Judge
from fairway.client.watchtower_wire import Charge, Handed, charge_of
from fairway.crypto import keys
from fairway.errors import FairwayError, InvalidMessage, Unavailable
from fairway.exchange import event, wire
from fairway.exchange.account import Account
from fairway.exchange.change import Committed, Mandated
from fairway.exchange.lawful import check_orders
from fairway.exchange.mandate import MandateTerms
from fairway.exchange.permits import check_granted, promises
from fairway.exchange.pricing import check_round, verify_round
from fairway.exchange.reading import read_expected
from fairway.exchange.rules import Rules
from fairway.exchange.terms import MarginMove, MarketTerms, OracleRound, OrderTerms, Receipt
from fairway.exchange.withdrawal import agreed_pair, check_amount, commit_statement

__all__ = ["Entry", "Leave", "Regained", "Replica", "Uncommitted"]


class Leave(msgspec.Struct, frozen=True, array_like=True, tag="leave"):
    """The user closes the channel alone: from here on he signs no half in it. Written before the chain hears of it."""

    channel_id: bytes


class Uncommitted(msgspec.Struct, frozen=True, array_like=True, tag="uncommitted"):
    """The service refused the withdrawal that was signed last: it is not asked for again."""

    channel_id: bytes
    code: str


class Regained(msgspec.Struct, frozen=True, array_like=True, tag="regained"):
    """A watchtower holds newer halves than the record: the deposit as the user signed it. Written before it counts."""

    channel_id: bytes
    payload: bytes
    signature: bytes

    def charge(self) -> Charge:
        """What is in it, checked. Errors: those of `charge_of`."""
        return charge_of(Handed(self.payload, self.signature))


Entry = (
    wire.Welcome
    | wire.Open
    | wire.Granted
    | event.Funded
    | wire.Propose
    | wire.Pushed
    | wire.Refused
    | wire.Round
    | wire.Commit
    | wire.CommitSigned
    | wire.Close
    | wire.CloseSigned
    | Leave
    | Uncommitted
    | Regained
)


class Cosigned(NamedTuple):
    """A half of the user, the half of the service that it cites, and what that one promises."""

    a: Half
    b: SignedHalf
    promised: Conditionals


class Replica:
    """One channel of the user, under the rules of `welcome`. Signatures of the user are nowhere in it.

    `pending` is his newest half while no push cites it, `cosigned` the newest pair in which his half cites the
    service's, `receipts` are those of fills after it, `placed` the orders that it added; `closing` is the cooperative
    close he signed, and `closed` the service's signature of it; `committing` the newest withdrawal that he signed, and
    `committed` the service's signature of it; `left` whether he closes alone; `regained` what a watchtower held that
    was newer than the record.
    """

    __slots__ = (
        "account",
        "channel",
        "closed",
        "closing",
        "committed",
        "committing",
        "cosigned",
        "left",
        "opened",
        "pending",
        "placed",
        "receipts",
        "regained",
        "rounds",
        "rules",
        "touched",
        "welcome",
    )

    def __init__(self, welcome: wire.Welcome, opened: wire.Open) -> None:
        self.welcome = welcome
        self.opened = opened
        self.rules = Rules(welcome)
        self.rounds: dict[int, OracleRound] = {}
        self.touched: dict[int, MarketTerms] = {}
        """Positions whose liquidation price a round has touched that was shown, since the newest accepted half."""
        self.account = Account(opened.channel_id, self.rules, self.rounds)
        self.channel = Channel(int.from_bytes(opened.channel_id), opened.key_a, welcome.key_b, reserve=welcome.fine)
        self.pending: wire.Propose | None = self.propose(now_ms=0)
        self.cosigned: Cosigned | None = None
        self.receipts: list[tuple[Receipt, bytes]] = []
        self.placed: dict[bytes, OrderTerms] = {}
        self.closing: wire.Close | None = None
        self.closed: wire.CloseSigned | None = None
        self.committing: wire.Commit | None = None
        self.committed: wire.CommitSigned | None = None
        self.left = False
        self.regained: Charge | None = None

    @classmethod
    def rebuilt(cls, record: Iterable[Entry]) -> Self:
        """The copy that a channel's whole record leads to; `Unavailable` (`replica.record`) where it leads nowhere."""
        match list(record):
            case [wire.Welcome() as welcome, wire.Open() as opened, *rest]:
                replica = cls(welcome, opened)
            case _:
                raise Unavailable("replica.record", "the record does not begin with an opened channel")
        for entry in rest:
            replica.apply(entry)
        return replica

    @property
    def newest_b(self) -> int:
        """The seqno of the newest half of the service; 0 for none."""
        return machine.newest_b(self.channel)

    @property
    def unanswered(self) -> int:
        """How many halves of the service are newer than the one the user's newest accepted half answers."""
        return self.newest_b - (self.channel.a.half.cited if self.channel.a else 0)

    @property
    def filled(self) -> int:
        """How many orders have fills that the user's newest half does not hold."""
        return len({receipt.order for receipt, _ in self.receipts}) if self.receipts else 0

    @property
    def is_behind(self) -> bool:
        """Whether the user's newest accepted half says less than what follows from the service's newest."""
        half, wanted = self.channel.a, machine.expected(self.channel)
        said = (half.half.sent, half.half.body.conditionals_hash) if half else (0, NO_CONDITIONALS)
        return said != (wanted.sent, wanted.conditionals.root_hash())

    @property
    def is_committing(self) -> bool:
        """Whether a withdrawal is signed here that no half of the service has taken in, and no refusal ended."""
        return self.committing is not None and self.committing.withdraw_a > self.account.withdrawn

    @property
    def lacks(self) -> Charge | None:
        """What a watchtower holds, as long as this copy lacks any half that it speaks of; else None.

        The user may have signed anything up to there and a little beyond: nothing is signed before it is whole.
        """
        return self.regained if self.regained is not None and self.is_short_of(self.regained) else None

    def is_short_of(self, held: Charge) -> bool:
        """Whether `held` speaks of a half of either side that this copy does not have."""
        seqno_a, _, seen = held.version
        known_a = self.pending.seqno if self.pending else self.channel.a_consumed
        return known_a < seqno_a or self.newest_b < seen

    # The user's halves

    def propose(
        self,
        orders: Sequence[OrderTerms] = (),
        drops: Sequence[int] = (),
        moves: Sequence[MarginMove] = (),
        mandates: Sequence[MandateTerms] = (),
        *,
        now_ms: int,
    ) -> wire.Propose:
        """The user's next half: orders and mandates added, `drops` taken out, margins moved, still to be signed.

        Changes nothing.

        Errors: `Rejected` for whatever the service would have to refuse.
        """
        check_orders(self.account, list(orders), list(drops), now_ms, moves, mandates)
        check_granted(self.account, mandates, now_ms)
        implied = self.account.implied([*orders, *mandates], moves)
        half = machine.propose(self.channel, promises(self.rules, orders, mandates), drops, implied).half
        return wire.Propose(
            self.opened.channel_id,
            half.seqno,
            half.sent,
            half.body.conditionals_hash,
            half.cited,
            UNSIGNED,
            list(orders),
            list(drops),
            list(moves),
            list(mandates),
        )

    def expectation(self) -> wire.Propose:
        """A half that says exactly what the service's half of the newest co-signed pair expects: nothing of its own.

        It stands behind the one that is unanswered, which may never be answered. Changes nothing.
        """
        cosigned = self.cosigned
        assert cosigned is not None
        seqno, (sent, root) = cosigned.a.seqno + 1, read_expected(cosigned.promised)
        return wire.Propose(self.opened.channel_id, seqno, sent, root, cosigned.b.half.seqno, UNSIGNED)

    def commit(self, nano: int) -> wire.Commit:
        """A withdrawal of `nano` more, on the newest accepted half and what that cites; to be signed. Changes nothing.

        Errors: `Rejected` for whatever the service would have to refuse by what both know.
        """
        check_amount(self.account, nano)
        total = self.account.withdrawn + nano
        machine.check_withdrawal(self.channel, total, self.channel.withdraw_b)
        return wire.Commit(self.opened.channel_id, *agreed_pair(self.channel), total, UNSIGNED)

    def half_of(self, proposed: wire.Propose) -> Half:
        """The half that `proposed` stands for; the half of the service it cites must still be open."""
        body = Body(proposed.seqno, proposed.sent, proposed.conditionals_hash)
        return Half(self.channel.channel_id, body, self.channel.window[proposed.cites].b)

    def close_statement(self, closing: wire.Close) -> codec.Close:
        """What both sides sign to close."""
        return codec.Close(self.channel.channel_id, closing.sent_a, closing.sent_b, closing.seqno_a, closing.seqno_b)

    # The record's entries

    def apply(self, entry: Entry) -> None:
        """Move by one entry. `InvalidMessage`: the service says what cannot be true, and this copy is spoilt."""
        try:
            self._apply(entry)
        except InvalidMessage:
            raise
        except (FairwayError, OverflowError) as error:
            raise InvalidMessage("replica.untrue", f"what the service says breaks the rules: {error}") from error

    def _apply(self, entry: Entry) -> None:  # noqa: C901 - the table of entries
        match entry:
            case wire.Granted():
                self._push(wire.Pushed(entry.channel_id, 1, 0, entry.conditionals_hash, 1, entry.signature, []))
            case event.Funded():
                machine.fund(self.channel, entry.deposit_a, entry.deposit_b)
                self.account.deposit = self.channel.deposit_a
            case wire.Propose():
                self.pending = entry
                self._cosign(entry)
            case wire.Pushed():
                self._push(entry)
            case wire.Refused():
                machine.reject(self.channel, entry.seqno)
                self.pending = None
            case wire.Round():
                self._turn_round(entry)
            case wire.Close() | wire.CloseSigned():
                self._close(entry)
            case wire.Commit() | wire.CommitSigned() | Uncommitted():
                self._commit(entry)
            case Leave():
                self.left = True
            case Regained():
                self.regained = entry.charge()
            case _:
                raise InvalidMessage("replica.record", "a record opens one channel")

    def _cosign(self, proposed: wire.Propose) -> None:
        newest, cosigned = self.channel.b, self.cosigned
        if cosigned is not None and proposed.cites == cosigned.b.half.seqno:
            self.cosigned = cosigned._replace(a=self.half_of(proposed))
            self.placed |= {terms.digest(): terms for terms in proposed.orders}
        elif newest is not None and proposed.cites == newest.half.seqno:
            self.cosigned = Cosigned(self.half_of(proposed), newest, self.channel.b_conditionals)
            self.receipts = []
            self.placed = {terms.digest(): terms for terms in proposed.orders}

    def _close(self, entry: wire.Close | wire.CloseSigned) -> None:
        if isinstance(entry, wire.Close):
            machine.move(self.channel, Move.SIGN_CLOSE)
            self.closing = entry
        elif self.closing is None:
            raise InvalidMessage("replica.close", "a close was signed that the user did not ask for")
        else:
            keys.verify(self.channel.key_b, self.close_statement(self.closing).digest(), entry.signature)
            self.closed = entry

    def _commit(self, entry: wire.Commit | wire.CommitSigned | Uncommitted) -> None:
        match entry:
            case wire.Commit():
                self.committing, self.committed = entry, None
            case Uncommitted():
                self.committing = None if self.is_committing else self.committing
            case wire.CommitSigned():
                if self.committing is None or self.committing.withdraw_a != entry.withdraw_a:
                    raise InvalidMessage("replica.commit", "a withdrawal was signed that the user did not ask for")
                statement = commit_statement(self.committing, self.opened.channel_id)
                keys.verify(self.channel.key_b, statement.digest(), entry.signature)
                self.committed = entry

    def _take_out(self, change: Committed) -> None:
        """The service's half has taken a withdrawal in: one that this copy knows, or that an older record lacks."""
        machine.withdraw(self.channel, change.withdraw_a, self.channel.withdraw_b)
        said = wire.Commit(
            self.opened.channel_id,
            change.seqno_a,
            change.seqno_b,
            change.sent_a,
            change.sent_b,
            change.withdraw_a,
            UNSIGNED,
        )
        if self.committing != said:
            self.committing, self.committed = said, None

    def _turn_round(self, shown: wire.Round) -> None:
        signed = OracleRound(
            self.rules.network, shown.market, shown.round, shown.round_ms, shown.index, shown.mark, shown.funding
        )
        newest = self.rounds.get(shown.market)
        if newest is not None and (shown.round < newest.round or signed == newest):
            return
        verify_round(self.welcome.oracle_keys, self.welcome.oracle_threshold, signed, shown.signatures)
        check_round(newest, signed)
        self.rounds[shown.market] = signed
        held = self.account.positions.get(shown.market)
        if held is not None and held.terms is not None and held.terms.is_touched(signed.mark, signed.at_ms):
            self.touched[shown.market] = held.terms

    def _push(self, pushed: wire.Pushed) -> None:
        """Judge a half of the service. Its signature comes first: what is not the service's own is not its lie."""
        if pushed.seqno != self.newest_b + 1:
            raise InvalidMessage("replica.seqno", "a push does not follow the newest", seqno=pushed.seqno)
        half = self.half_of_service(pushed)
        keys.verify(self.channel.key_b, half.digest(), pushed.signature)
        self._check_regained(half)
        accepting = self._accept(pushed.cites)
        judge = Judge(self.account, accepting, pushed.seqno, self.welcome, self.opened.key_a, self._to_renew())
        for change in pushed.changes:
            judge.apply(change)
            if isinstance(change, Mandated):
                self.placed[change.order.digest()] = change.order
            elif isinstance(change, Committed):
                self._take_out(change)
        judge.close()
        self._check_receipts(judge.receipts, pushed.receipts)
        sums = (self.account.earned, self.account.promised(), self.account.expected())
        checked = machine.check_push(self.channel, half, pushed.signature, *sums, verify=_verified)
        machine.accept_push(self.channel, checked)
        if accepting is not None:
            self.touched.clear()

    def _to_renew(self) -> frozenset[int]:
        """The markets in which what was touched stands unchanged: the next accepted half must make it a thing past."""
        held = self.account.positions
        return frozenset(
            market for market, terms in self.touched.items() if market in held and held[market].terms == terms
        )

    def _check_regained(self, half: Half) -> None:
        held = self.regained.holding.b.half if self.regained else None
        if held is not None and held.seqno == half.seqno and held != half:
            words = "the service has signed another half under this seqno, which a watchtower holds"
            raise InvalidMessage("side.equivocation", words, seqno=half.seqno)

    def half_of_service(self, pushed: wire.Pushed) -> Half:
        """The half that `pushed` stands for; it must cite the newest accepted half of the user, or the pending one."""
        newest, pending = self.channel.a, self.pending
        if newest is not None and pushed.cites == newest.half.seqno:
            cited = newest.half.body
        elif pending is not None and pushed.cites == pending.seqno:
            cited = self.half_of(pending).body
        elif pushed.cites > self.channel.a_consumed:
            raise InvalidMessage("replica.behind", "a push cites a half that this record lacks", cites=pushed.cites)
        else:
            raise InvalidMessage("replica.cites", "a push cites a half that is not the newest", cites=pushed.cites)
        return Half(self.channel.channel_id, Body(pushed.seqno, pushed.sent, pushed.conditionals_hash), cited)

    def _accept(self, cites: int) -> wire.Propose | None:
        """Make the pending half the newest accepted one, if the push cites it, and return it."""
        proposed = self.pending
        if proposed is None or cites != proposed.seqno:
            return None
        half, adds = self.half_of(proposed), promises(self.rules, proposed.orders, proposed.mandates)
        implied = self.account.implied([*proposed.orders, *proposed.mandates], proposed.moves)
        accepted = machine.check_proposal(
            self.channel, half, UNSIGNED, adds, proposed.drops, implied=implied, verify=_verified
        )
        machine.accept(self.channel, accepted)
        self.pending = None
        return proposed

    def _check_receipts(self, due: Sequence[Receipt], signatures: Sequence[bytes]) -> None:
        """The service signed exactly the receipts that are due."""
        if len(due) != len(signatures):
            raise InvalidMessage("replica.receipts", "not every fill has its receipt", due=len(due))
        for receipt, signature in zip(due, signatures, strict=True):
            keys.verify(self.channel.key_b, receipt.digest(), signature)
            self.receipts.append((receipt, signature))


def _verified(_key: bytes, _half: Half, _signature: bytes) -> None:
    """The user's own signature, or one that was verified already."""
