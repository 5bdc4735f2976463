"""A channel from its first half to its end: opened, funded, closed together or in dispute, and what the vault says."""

from __future__ import annotations

from collections.abc import Sequence

from fairway.channel.machine import Channel, accept, check_proposal, fund, move, newest_b, next_b
from fairway.channel.phase import TRADING, TRANSITIONS, Move, Phase
from fairway.channel.state import NO_CONDITIONALS, Body, Half
from fairway.errors import Rejected
from fairway.exchange.account import Account
from fairway.exchange.distress import drop_orders, force_out
from fairway.exchange.effect import Challenge, SignClose, SignHalf
from fairway.exchange.event import (
    NO_CHANNEL,
    BondPosted,
    Closed,
    CloseProposed,
    Disputed,
    Funded,
    Opened,
    Outrun,
    RateSet,
    Slashed,
)
from fairway.exchange.ledger import BOND, FEES, INSURANCE, OPERATOR, WORLD, user
from fairway.exchange.turn import Turn
from fairway.exchange.venue import Venue
from fairway.exchange.withdrawing import call_off
from fairway.vault.losses import slash_fine, slash_stake

__all__ = [
    "close",
    "dispute",
    "first_half",
    "fund_channel",
    "halt",
    "open_channel",
    "post_bond",
    "set_rate",
    "sign_close",
    "slash",
]


def first_half(channel_id: bytes) -> Half:
    """Side A's half number 1: nothing sent, nothing promised, nothing seen of B."""
    return Half(int.from_bytes(channel_id), Body(1, 0, NO_CONDITIONALS))


def open_channel(venue: Venue, turn: Turn, event: Opened) -> None:
    """Answer the user's half number 1 with ours; no money is anywhere yet.

    Ours promises every market already: it may be the one that his first order answers, and what that wins is claimed of
    it.
    """
    if event.channel_id in venue.channels:
        raise Rejected("channel.exists", "this channel is open already")
    channel = Channel(int.from_bytes(event.channel_id), event.key_a, event.key_b, reserve=venue.rules.fine)
    accept(channel, check_proposal(channel, first_half(event.channel_id), event.signature, verify=lambda *_: None))
    account = Account(event.channel_id, venue.rules, venue.rounds)
    half = next_b(channel, 0, account.promised(), account.expected())
    venue.channels[event.channel_id], venue.accounts[event.channel_id] = channel, account
    venue.payouts[event.channel_id] = event.payout
    turn.effects.append(SignHalf(event.channel_id, half))


def fund_channel(venue: Venue, turn: Turn, event: Funded) -> None:
    """The deposits are on chain: `deposit_a` and `deposit_b` are totals. Trading may begin."""
    del turn
    channel, account = venue.channel(event.channel_id), venue.account(event.channel_id)
    if channel.phase not in {Phase.AGREED, Phase.OPEN, Phase.HALTED} or event.deposit_a < account.deposit:
        raise Rejected("channel.phase", "the channel takes no deposit now", phase=channel.phase)
    if event.deposit_b != venue.rules.ratio * event.deposit_a:
        raise Rejected("channel.deposit", "the vault wraps both sides at one ratio", ratio=venue.rules.ratio)
    fund(channel, event.deposit_a, event.deposit_b)
    venue.ledger.move(WORLD, user(event.channel_id), event.deposit_a - account.deposit, "deposit")
    account.deposit = event.deposit_a


def sign_close(venue: Venue, turn: Turn, event: CloseProposed) -> None:
    """Countersign a cooperative close of an account with nothing open, at exactly what each side has sent.

    The same close asked for again is answered again.
    """
    channel = venue.channel(event.channel_id)
    close = SignClose(
        event.channel_id,
        event.seqno_a,
        event.seqno_b,
        event.sent_a,
        event.sent_b,
        event.signature,
        event.reopen_id,
        event.withdraw,
    )
    if venue.closings.get(event.channel_id) != close:
        _check_close(venue, event)
        venue.counts.partial_withdrawals += event.reopen_id is not None
        venue.closings[event.channel_id] = close
        venue.debts.pop(event.channel_id, None)
        move(channel, Move.SIGN_CLOSE)
    turn.effects.append(close)


def _check_close(venue: Venue, event: CloseProposed) -> None:
    channel, account = venue.channel(event.channel_id), venue.account(event.channel_id)
    if channel.phase is not Phase.OPEN or channel.a is None:
        raise Rejected("channel.phase", "only an open channel is closed together", phase=channel.phase)
    if event.channel_id in venue.withdrawals.leaving:
        raise Rejected("withdraw.pending", "the chain has not shown the last withdrawal yet")
    if account.orders or account.positions:
        raise Rejected("close.open", "cancel the orders and close the positions first", orders=len(account.orders))
    if (event.sent_a, event.sent_b) != (account.due, account.earned):
        raise Rejected("close.sent", "the sums are not the newest ones", sent_a=account.due, sent_b=account.earned)
    if (event.seqno_a, event.seqno_b) != (channel.a.half.seqno, newest_b(channel)):
        raise Rejected("close.seqno", "the seqnos are not the newest ones", seqno_b=newest_b(channel))
    if event.reopen_id is not None:
        _check_reopen(venue, event, account)


def _check_reopen(venue: Venue, event: CloseProposed, account: Account) -> None:
    assert event.reopen_id is not None
    if venue.channel(event.reopen_id).phase is not Phase.AGREED:
        raise Rejected("close.reopen", "the channel to move into is not freshly agreed")
    if not 0 < event.withdraw < account.balance:
        raise Rejected("close.withdraw", "withdraw more than nothing and less than all", balance=account.balance)


def dispute(venue: Venue, turn: Turn, event: Disputed) -> None:
    """An uncooperative close began: nothing is signed any more, orders go, older halves are challenged.

    What is still open ends at the first round `patience_ms` after the start, as the conditions say; until then it may
    be liquidated.
    """
    channel, account = venue.channel(event.channel_id), venue.account(event.channel_id)
    _check_move(channel, Move.START)
    move(channel, Move.START)
    drop_orders(venue, turn, event.channel_id, None, "disputed")
    if account.positions:
        venue.disputes[event.channel_id] = event.started_ms + venue.founded.patience_ms
    if channel.a is None or channel.b is None:
        return
    if event.seqno_a < channel.a.half.seqno or event.seqno_b < channel.b.half.seqno:
        venue.counts.challenges += 1
        turn.effects.append(Challenge(event.channel_id, channel.a, channel.b.half))


def halt(venue: Venue, turn: Turn, event: Outrun) -> None:
    """We have signed more in this channel than we know: nothing is signed in it any more, its orders go.

    Its positions stay as we know them until it is closed on chain; other channels trade on.
    """
    channel = venue.channel(event.channel_id)
    _check_move(channel, Move.OUTRUN)
    move(channel, Move.OUTRUN)
    drop_orders(venue, turn, event.channel_id, None, "disputed")
    venue.debts.pop(event.channel_id, None)


def _check_move(channel: Channel, made: Move) -> None:
    if (channel.phase, made) not in TRANSITIONS:
        raise Rejected("channel.phase", "the channel is not where this could happen to it", phase=channel.phase)


def set_rate(venue: Venue, turn: Turn, event: RateSet) -> None:
    """The vault set or lifted a lien on the channel's ID."""
    del turn
    venue.account(event.channel_id)
    owed = venue.owed.setdefault(event.channel_id, {})
    if event.owed:
        owed[event.match_id] = event.owed
        venue.counts.punishments += 1
    else:
        owed.pop(event.match_id, None)
        venue.counts.absolutions += 1


def close(venue: Venue, turn: Turn, event: Closed) -> None:
    """The channel ended on chain and the vault owes its user `paid`; what the ledger holds beyond goes to insurance.

    A user who carried off more than his balance (a fill he never signed, that no lien reached) is made good by it.
    """
    channel, account = venue.channel(event.channel_id), venue.account(event.channel_id)
    if channel.phase in TRADING:
        _check_move(channel, Move.SIGN_CLOSE)
        move(channel, Move.SIGN_CLOSE)
    _check_move(channel, Move.CLOSE)
    drop_orders(venue, turn, event.channel_id, None, "disputed")
    for market in list(account.positions):
        force_out(venue, turn, event.channel_id, market)
    if channel.phase is Phase.QUARANTINED:
        move(channel, Move.EXPIRE)
        move(channel, Move.FINISH)
    else:
        move(channel, Move.CLOSE)
    account.end()
    call_off(venue, event.channel_id)
    name, balance = user(event.channel_id), account.balance
    advanced = venue.withdrawals.advanced.pop(event.channel_id, 0)
    kept = balance - event.paid - advanced
    venue.ledger.move(name, INSURANCE, max(0, kept), "recovered")
    _make_good(venue, name, max(0, -kept))
    venue.ledger.move(name, WORLD, event.paid, "withdrawal")
    venue.ledger.move(name, OPERATOR, advanced, "advanced")
    account.withdrawn += balance
    venue.recovered += kept + advanced
    venue.disputes.pop(event.channel_id, None)
    venue.debts.pop(event.channel_id, None)
    venue.counts.closes += 1
    venue.counts.rates_zeroed += event.value_a > 0 and event.paid == 0


def _make_good(venue: Venue, name: str, nano: int) -> None:
    """Give an account what its owner carried off: from insurance, then bond, then fees; the rest the operator owes."""
    _draw(venue, name, nano, (INSURANCE, BOND, FEES), "unrecovered")


def _draw(venue: Venue, name: str, nano: int, sources: Sequence[str], reason: str) -> None:
    """Move `nano` to `name` from what `sources` have, in their order; the operator owes the rest."""
    left = nano
    for source in sources:
        part = min(left, venue.ledger.balances[source])
        venue.ledger.move(source, name, part, reason)
        left -= part
    venue.ledger.move(OPERATOR, name, left, reason)


def post_bond(venue: Venue, turn: Turn, event: BondPosted) -> None:
    """The operator's own TON is in the vault's bond."""
    del turn
    venue.bonded += event.amount
    venue.ledger.move(WORLD, BOND, event.amount, "bond")


def slash(venue: Venue, turn: Turn, event: Slashed) -> None:
    """The vault took a stake of the bond: a fine is the wronged user's, the rest insures everyone else.

    Of a bond that has made good a loss before, what is left moves; the fine is paid all the same.
    """
    del turn
    if event.channel_id != NO_CHANNEL:
        venue.channel(event.channel_id)
    stake = slash_stake(venue.bonded, venue.founded.fine)
    if event.transaction in venue.slashed or not stake:
        raise Rejected("bond.slashed", "this lie was paid for, or there was no bond to pay", stake=stake)
    venue.slashed.add(event.transaction)
    venue.bonded -= stake
    fine = slash_fine(stake)
    venue.forfeited += stake - fine
    _draw(venue, WORLD, fine, (BOND, INSURANCE, FEES), "slashed")
    venue.ledger.move(BOND, INSURANCE, min(stake - fine, venue.ledger.balances[BOND]), "slashed")
