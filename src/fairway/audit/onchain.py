"""Whether the chain shows what the journal says it showed: deposits, disputes, liens, ends, and the vault's money.

What the chain shows comes in as values; whoever reads it out of transactions and getters is not this module's business.
An account of the chain orders its transactions by logical time (`lt`); a `digest` names one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from fairway.audit.lie import Lie
from fairway.exchange.event import (
    NO_CHANNEL,
    AnyEvent,
    BondPosted,
    Closed,
    CloseProposed,
    Disputed,
    Founded,
    Funded,
    Left,
    Lent,
    Opened,
    PaidOut,
    RateSet,
    Slashed,
)
from fairway.exchange.ledger import WORLD, Ledger
from fairway.exchange.shown import Shown
from fairway.units import FUNDING_SCALE, div_down
from fairway.vault.losses import slash_fine, slash_stake

__all__ = [
    "ChainClaims",
    "ChannelFacts",
    "Compared",
    "Dispute",
    "HomeComing",
    "LenderMove",
    "Posted",
    "TopUp",
    "VaultFacts",
    "check_posts",
]


class TopUp(NamedTuple):
    """What has been put on each side of a channel in all, after the transaction at `lt`."""

    lt: int
    deposit_a: int
    deposit_b: int


class Dispute(NamedTuple):
    """Halves of these seqnos were shown to the channel at `lt`: by a start of side A (`by_a`) or B, or a challenge."""

    lt: int
    starts: bool
    by_a: bool
    seqno_a: int
    seqno_b: int


@dataclass(frozen=True, slots=True)
class ChannelFacts:
    """One channel on chain. `payout` is the wallet that the vault pays for it, empty where it is not registered."""

    payout: str = ""
    transactions: Mapping[bytes, int] = field(default_factory=dict)
    top_ups: Sequence[TopUp] = ()
    disputes: Sequence[Dispute] = ()
    liens: Mapping[int, int] = field(default_factory=dict)


class HomeComing(NamedTuple):
    """What came home to the vault for a channel's user, and what left for his wallet with it.

    `charged` is what liens took; `ends`: it was his whole share, not a withdrawal from a channel that goes on.
    """

    lt: int
    digest: bytes
    channel_id: bytes
    value: int
    sent: int
    charged: int
    ends: bool = True


class LenderMove(NamedTuple):
    """`wallet` lent `nano` (`shares` 0), or gave `shares` of his `held` back, for which the vault owed him `nano`."""

    wallet: str
    nano: int
    shares: int = 0
    held: int = 0


class Posted(NamedTuple):
    """All `shares` of the vault, worth `before`, were posted to be worth `value`, computed from `record`."""

    before: int
    value: int
    shares: int
    record: bytes


@dataclass(frozen=True, slots=True)
class VaultFacts:
    """The vault: its sums in nano, its transactions, and what left it for wallets apart from home-comings.

    `wrapped` counts every deposit ever minted; `lent` what was lent, less what has left for shares and fees. `lenders`
    are the moves of whoever lends, the operator included, by digest. `judgements` are the transactions that set or lift
    a lien, by digest: the channel's ID; `slashings` those that made the bond pay for a lie, with
    `NO_CHANNEL` for one that the journal does not know.
    """

    locked: int
    bond: int
    wrapped: int
    lent: int
    claims: Mapping[str, int]
    paid_later: Mapping[str, int]
    homes: Sequence[HomeComing]
    judgements: Mapping[bytes, bytes]
    slashings: Mapping[bytes, bytes]
    transactions: Mapping[bytes, int]
    lenders: Mapping[bytes, LenderMove] = field(default_factory=dict)
    posts: Sequence[Posted] = ()


class Compared(NamedTuple):
    """What was found on chain: transactions named by entries, payouts sent; and what no entry has told of yet."""

    transactions: int
    payouts: int
    locked: int
    unseen_ends: int
    unseen_nano: int
    unseen_slashings: int


class ChainClaims:
    """Everything that a journal says the chain showed."""

    def __init__(self) -> None:
        self.opened: dict[bytes, tuple[int, Opened]] = {}
        self._founded: Founded | None = None
        self._funded: dict[bytes, list[tuple[int, Funded]]] = {}
        self._disputed: list[tuple[int, Disputed]] = []
        self._rates: dict[tuple[bytes, int], list[tuple[int, RateSet]]] = {}
        self._closed: dict[bytes, tuple[int, Closed]] = {}
        self._withdraws: dict[bytes, int] = {}
        self._paid_out: list[tuple[int, PaidOut]] = []
        self._slashed: list[tuple[int, Slashed, int]] = []
        self._bond = 0
        self._lenders: list[tuple[int, Lent | Left]] = []

    @property
    def founded(self) -> Founded:
        """The venue's rules."""
        assert self._founded is not None
        return self._founded

    def note(self, seq: int, event: AnyEvent) -> None:  # noqa: C901 - the table of events
        """Learn what entry `seq` says of the chain."""
        match event:
            case Founded():
                self._founded = event
            case Opened():
                self.opened[event.channel_id] = seq, event
            case Funded():
                self._funded.setdefault(event.channel_id, []).append((seq, event))
            case Disputed():
                self._disputed.append((seq, event))
            case RateSet():
                self._rates.setdefault((event.channel_id, event.match_id), []).append((seq, event))
            case CloseProposed() if event.reopen_id is not None:
                self._withdraws[event.channel_id] = event.withdraw
            case Lent() | Left():
                self._lenders.append((seq, event))
            case Closed():
                self._closed[event.channel_id] = seq, event
            case PaidOut():
                self._paid_out.append((seq, event))
            case BondPosted():
                self._bond += event.amount
            case Slashed():
                stake = slash_stake(self._bond, self.founded.fine)
                self._slashed.append((seq, event, stake))
                self._bond -= stake
            case _:
                pass

    def check(self, vault: VaultFacts, channels: Mapping[bytes, ChannelFacts], ledger: Ledger) -> Compared:
        """The chain shows all of it, and the vault holds what `ledger` says is inside; else `Lie`."""
        named = 0
        for channel_id, (seq, opened) in self.opened.items():
            payout = channels[channel_id].payout
            if payout and payout != opened.payout:
                raise Lie(seq, "audit.wallet", "the vault pays this channel's user to another wallet")
        for channel_id, story in self._funded.items():
            for seq, funded in story:
                _check_funded(seq, funded, channels[channel_id])
                named += 1
        for seq, disputed in self._disputed:
            _check_disputed(seq, disputed, channels[disputed.channel_id])
            named += 1
        for (channel_id, _), rates in self._rates.items():
            self._check_rates(rates, vault, channels[channel_id])
            named += len(rates)
        self._check_slashed(vault)
        named += len(self._slashed)
        for seq, moved in self._lenders:
            _check_lender(seq, moved, vault)
            named += 1
        payouts = self._check_payouts(vault, channels)
        unseen_ends, unseen_nano = self._check_money(vault, ledger)
        unseen_slashings = len(vault.slashings) - len(self._slashed)
        return Compared(named + payouts, payouts, vault.locked, unseen_ends, unseen_nano, unseen_slashings)

    def _check_rates(self, rates: Sequence[tuple[int, RateSet]], vault: VaultFacts, facts: ChannelFacts) -> None:
        for seq, rate in rates:
            if vault.judgements.get(rate.transaction) != rate.channel_id:
                raise Lie(seq, "audit.transaction", "the vault has no such judgement of this channel")
        seq, newest = rates[-1]
        shown, since = facts.liens.get(newest.match_id, 0), vault.transactions[newest.transaction]
        judged_again = any(
            channel_id == newest.channel_id and vault.transactions[digest] > since
            for digest, channel_id in vault.judgements.items()
        )
        if shown != newest.owed and not judged_again:
            raise Lie(seq, "audit.lien", f"the vault's lien is {shown} nano, not {newest.owed}")

    def _check_slashed(self, vault: VaultFacts) -> None:
        for seq, slashed, _ in self._slashed:
            if vault.slashings.get(slashed.transaction) != slashed.channel_id:
                raise Lie(seq, "audit.transaction", "the bond has not paid for a lie in this channel there")

    # Payouts

    def _check_payouts(self, vault: VaultFacts, channels: Mapping[bytes, ChannelFacts]) -> int:
        """Each end is the vault's, and what it owed left for the wallet at once, or later, or waits its turn."""
        homes = {home.digest: home for home in vault.homes}
        owing: Counter[str] = Counter()
        for _, slashed, stake in self._slashed:
            if slashed.channel_id != NO_CHANNEL:
                owing[channels[slashed.channel_id].payout] += slash_fine(stake)
        for seq, paid in self._homes():
            home = _home_of(seq, paid, homes)
            wallet, due = channels[paid.channel_id].payout, paid.paid
            if home.ends:
                due = min(due, self._withdraws.get(paid.channel_id, due))
            owing[wallet] += max(0, due - home.sent)
            if owing[wallet] > vault.claims.get(wallet, 0) + vault.paid_later.get(wallet, 0):
                raise Lie(seq, "audit.payout", f"the vault sent {home.sent} nano to the user's wallet, not {due}")
        return len(self._closed) + len(self._paid_out)

    # The vault's money

    def _check_money(self, vault: VaultFacts, ledger: Ledger) -> tuple[int, int]:
        """`locked` is what the ledger has inside, with what no entry tells of yet; how many ends and nano that is."""
        founded, last = self.founded, max((closed[0] for closed in self._closed.values()), default=0)
        unseen = self._unseen_ends(vault)
        told = sum(story[-1][1].deposit_a for story in self._funded.values())
        told_bond, fines = self._unseen_slashings(vault)
        bond, lent = vault.bond - told_bond, vault.lent - self._told_lent(vault)
        lent -= founded.pool_seed + founded.insurance_seed
        if bond < 0:
            raise Lie(None, "audit.bond", f"the vault's bond is {vault.bond} nano, less than the journal tells of")
        if lent < 0:
            raise Lie(0, "audit.seed", "the vault was not given what pool and insurance are founded with")
        if vault.wrapped < told:
            raise Lie(None, "audit.deposit", f"{vault.wrapped} nano were ever wrapped, less than all deposits")
        coming = vault.wrapped - told + bond
        inside = -ledger.balances[WORLD] + sum(vault.claims.values()) + lent + coming - fines
        if vault.locked != inside and not unseen:
            raise Lie(last, "audit.locked", f"the vault holds {vault.locked} nano; the ledger says {inside}")
        return unseen, coming

    def _told_lent(self, vault: VaultFacts) -> int:
        """What entries say that lenders put in, less what they got; and what of it the chain shows and no entry tells.

        Only who was told to lend can leave untold.
        """
        told = sum(each.amount if isinstance(each, Lent) else -each.paid for _, each in self._lenders)
        wallets = {each.wallet for _, each in self._lenders}
        digests = {each.transaction for _, each in self._lenders}
        unseen = [each for digest, each in vault.lenders.items() if digest not in digests and each.wallet in wallets]
        return told - sum(each.nano for each in unseen if each.shares)

    def _unseen_slashings(self, vault: VaultFacts) -> tuple[int, int]:
        """The bond that is to be there, less what no entry tells of yet was taken; and the fines of that, in nano."""
        told, bond, fines = {slashed.transaction for _, slashed, _ in self._slashed}, self._bond, 0
        newest = self._newest(vault)
        for digest, channel_id in vault.slashings.items():
            if digest in told:
                continue
            if vault.transactions[digest] < newest:
                seq = self.opened[channel_id][0] if channel_id in self.opened else None
                raise Lie(seq, "audit.unseen", "the bond has paid for a lie in this channel, and no entry tells of it")
            stake = slash_stake(bond, self.founded.fine)
            bond, fines = bond - stake, fines + slash_fine(stake)
        return bond, fines

    def _newest(self, vault: VaultFacts) -> int:
        """The newest transaction of the vault that an entry names."""
        told = self._told_homes()
        told |= {rate.transaction for rates in self._rates.values() for _, rate in rates}
        told |= {slashed.transaction for _, slashed, _ in self._slashed}
        told |= {each.transaction for _, each in self._lenders}
        return max((vault.transactions[digest] for digest in told), default=0)

    def _homes(self) -> list[tuple[int, Closed | PaidOut]]:
        """What entries say that came home for users, in their order."""
        told: list[tuple[int, Closed | PaidOut]] = [*self._paid_out, *self._closed.values()]
        return sorted(told, key=lambda each: each[0])

    def _told_homes(self) -> set[bytes]:
        """The transactions in which it did."""
        return {told.transaction for _, told in self._homes()}

    def _unseen_ends(self, vault: VaultFacts) -> int:
        """How many ends no entry tells of: only ones after every transaction of the vault that an entry names."""
        told, newest = self._told_homes(), self._newest(vault)
        unseen = [home for home in vault.homes if home.channel_id in self.opened and home.digest not in told]
        for home in unseen:
            if home.lt < newest:
                seq, _ = self.opened[home.channel_id]
                what = "the end of this channel" if home.ends else "a withdrawal from this channel"
                raise Lie(seq, "audit.unseen", f"the chain shows {what}, and no entry tells of it")
        return len(unseen)


def check_posts(posts: Sequence[Posted], shown: Mapping[bytes, Shown]) -> None:
    """Every posted value names a showing of the pool, and moves towards what that proves, not past it; else `Lie`."""
    for post in posts:
        proven = shown.get(post.record)
        if proven is None:
            raise Lie(None, "audit.posted", f"{post.value} nano were posted, and no epoch shows that record")
        target = div_down(post.shares * proven.worth, FUNDING_SCALE * proven.shares)
        if not min(post.before, target) <= post.value <= max(post.before, target):
            raise Lie(None, "audit.posted", f"{post.value} nano were posted; the record shows {target}")


def _home_of(seq: int, told: Closed | PaidOut, homes: Mapping[bytes, HomeComing]) -> HomeComing:
    """The home-coming that entry `seq` tells of, as it tells it; else `Lie`."""
    home = homes.get(told.transaction)
    if home is None or home.channel_id != told.channel_id or home.ends != isinstance(told, Closed):
        what = "end of" if isinstance(told, Closed) else "withdrawal from"
        raise Lie(seq, "audit.transaction", f"the chain has no such {what} this channel")
    if home.value != told.value_a:
        raise Lie(seq, "audit.payout", f"{home.value} nano came home for the user, not {told.value_a}")
    if told.paid != home.value - home.charged:
        raise Lie(seq, "audit.payout", f"the vault charged {home.charged} nano of {home.value} for liens")
    return home


def _check_lender(seq: int, told: Lent | Left, vault: VaultFacts) -> None:
    if isinstance(told, Lent):
        move = LenderMove(told.wallet, told.amount)
    else:
        move = LenderMove(told.wallet, told.paid, told.shares, told.held)
    if told.transaction not in vault.lenders:
        raise Lie(seq, "audit.transaction", "the chain has no such transaction of a lender")
    if vault.lenders[told.transaction] != move:
        raise Lie(seq, "audit.lender", "the chain shows another wallet, sum or number of shares for this lender")


def _check_funded(seq: int, funded: Funded, facts: ChannelFacts) -> None:
    lt = facts.transactions.get(funded.transaction)
    if lt is None:
        raise Lie(seq, "audit.transaction", "the chain has no such transaction of this channel")
    before = [top_up for top_up in facts.top_ups if top_up.lt <= lt]
    shown = [*before[-1:], *(top_up for top_up in facts.top_ups if top_up.lt > lt)]
    if (funded.deposit_a, funded.deposit_b) not in {(each.deposit_a, each.deposit_b) for each in shown}:
        raise Lie(seq, "audit.deposit", "the chain does not show this deposit")


def _check_disputed(seq: int, disputed: Disputed, facts: ChannelFacts) -> None:
    if disputed.transaction not in facts.transactions:
        raise Lie(seq, "audit.transaction", "the chain has no such transaction of this channel")
    halves_a, halves_b = ({each[place] for each in facts.disputes} for place in (3, 4))
    begun = any(each.starts and each.by_a == disputed.by_a for each in facts.disputes)
    if not begun or disputed.seqno_a not in halves_a or disputed.seqno_b not in halves_b:
        raise Lie(seq, "audit.dispute", "the chain does not show this dispute")
