"""A withdrawal while orders and positions stay open: a commit that both sign, and what the chain shows of it.

It counts from the moment in which ours is durable, before it is signed: the account is lighter by it from then on,
whether it ever reaches the chain or not. One is under way at a time, until the chain shows it, or the channel's end
shows that it never came.
"""

from __future__ import annotations

from fairway.channel.machine import Channel, check_withdrawal, withdraw
from fairway.channel.phase import Phase
from fairway.errors import Rejected
from fairway.exchange.account import Account
from fairway.exchange.change import Committed
from fairway.exchange.effect import SignCommit
from fairway.exchange.event import CommitProposed, PaidOut
from fairway.exchange.ledger import INSURANCE, LEAVING, OPERATOR, WORLD, user
from fairway.exchange.switch import Mode
from fairway.exchange.turn import Turn
from fairway.exchange.venue import Venue
from fairway.exchange.withdrawal import agreed_pair, check_amount

__all__ = ["call_off", "pay_out", "sign_commit"]


def sign_commit(venue: Venue, turn: Turn, event: CommitProposed) -> None:
    """Countersign a withdrawal, once all that must stay was counted anew. Asked for again, it is answered again.

    `Rejected` with nothing changed: `channel.phase`, `withdraw.pending`, `withdraw.owed`, `withdraw.seqno`,
    `withdraw.sent`, `withdraw.amount`, `withdraw.margin`, `market.halted`, `market.stale`, `channel.coverage`.
    """
    name, signed = event.channel_id, venue.withdrawals.signed
    committed = Committed(event.seqno_a, event.seqno_b, event.sent_a, event.sent_b, event.withdraw_a, event.signature)
    if signed.get(name) != committed:
        channel, account = venue.channel(name), venue.account(name)
        _check(venue, turn, event, channel, account)
        nano = event.withdraw_a - account.withdrawn
        withdraw(channel, event.withdraw_a, channel.withdraw_b)
        venue.change(name, committed)
        turn.note(name, committed)
        venue.ledger.move(user(name), LEAVING, nano, "withdrawal")
        signed[name], venue.withdrawals.leaving[name] = committed, nano
        venue.counts.open_withdrawals += 1
    turn.effects.append(SignCommit(name, committed))


def _check(venue: Venue, turn: Turn, event: CommitProposed, channel: Channel, account: Account) -> None:
    if channel.phase is not Phase.OPEN:
        raise Rejected("channel.phase", "only from an open channel is anything withdrawn", phase=channel.phase)
    if event.channel_id in venue.withdrawals.leaving:
        raise Rejected("withdraw.pending", "the chain has not shown the last withdrawal yet")
    if any(venue.owed.get(event.channel_id, {}).values()):
        raise Rejected("withdraw.owed", "the vault charges this channel for a fill: sign it first")
    _check_pair(venue, event, channel)
    _check_markets(venue, account, turn.at_ms)
    check_amount(account, event.withdraw_a - account.withdrawn)
    check_withdrawal(channel, event.withdraw_a, channel.withdraw_b)


def _check_pair(venue: Venue, event: CommitProposed, channel: Channel) -> None:
    """It stands on the newest half of A and what that cites, and on later ones than the last commit."""
    seqno_a, seqno_b, sent_a, sent_b = agreed_pair(channel)
    last = venue.withdrawals.signed.get(event.channel_id)
    is_next = last is None or (last.seqno_a < seqno_a and last.seqno_b < seqno_b)
    if (event.seqno_a, event.seqno_b) != (seqno_a, seqno_b) or not is_next:
        raise Rejected("withdraw.seqno", "the seqnos are not the newest ones", seqno_a=seqno_a, seqno_b=seqno_b)
    if (event.sent_a, event.sent_b) != (sent_a, sent_b):
        raise Rejected("withdraw.sent", "the sums are not those of the halves", sent_a=sent_a, sent_b=sent_b)


def _check_markets(venue: Venue, account: Account, at_ms: int) -> None:
    """What is open can be judged: by a fresh round, in a market that does not stand still."""
    open_in = {order.terms.market for order in account.orders.values()} | account.positions.keys()
    for market in sorted(open_in | {mandate.terms.market for mandate in account.mandates.values()}):
        if venue.switches.mode(market) is Mode.HALTED:
            raise Rejected(
                "market.halted", "the operator has halted a market in which something is open", market=market
            )
        if venue.is_stale(market, at_ms):
            raise Rejected("market.stale", "the oracle is silent in a market in which something is open", market=market)


def pay_out(venue: Venue, turn: Turn, event: PaidOut) -> None:
    """The chain shows that a commit has paid: the units came home, and the vault owes `paid` for them.

    What liens took of it is insurance's, as at an end. A commit that this journal does not know was signed before
    something of it was lost: the operator advances it until the channel ends. Errors: `Rejected` (`channel.phase`,
    `withdraw.known`).
    """
    del turn
    if venue.channel(event.channel_id).phase is Phase.CLOSED:
        raise Rejected("channel.phase", "the channel has ended")
    known = venue.withdrawals
    if event.transaction in known.told:
        raise Rejected("withdraw.known", "this payout was told of before")
    known.told.add(event.transaction)
    if known.leaving.get(event.channel_id) != event.value_a:
        known.advanced[event.channel_id] = known.advanced.get(event.channel_id, 0) + event.paid
        venue.ledger.move(OPERATOR, WORLD, event.paid, "advanced")
        venue.recovered -= event.paid
        return
    kept = known.leaving.pop(event.channel_id) - event.paid
    venue.ledger.move(LEAVING, WORLD, event.paid, "withdrawal")
    venue.ledger.move(LEAVING, INSURANCE, kept, "recovered")
    venue.recovered += kept


def call_off(venue: Venue, channel_id: bytes) -> None:
    """The channel has ended, and no commit paid before: what was to leave comes home with the rest."""
    nano = venue.withdrawals.leaving.pop(channel_id, 0)
    venue.accounts[channel_id].withdrawn -= nano
    venue.ledger.move(LEAVING, user(channel_id), nano, "called_off")
