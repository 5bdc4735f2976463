"""What must be true of the state between events, beside what each event checks of what it touched.

An event looks at the sums it moved. An inspection looks at what nobody touched: that an account still adds up, that
what it posts is what its halves promise and its notes hold, that the market counts are what is held. Pure and cheap;
the service runs it all the time, over a slice of the accounts at once.
"""

from __future__ import annotations

from fairway.channel.machine import expected, sent_b
from fairway.channel.phase import TRADING
from fairway.errors import IllegalTransition
from fairway.exchange.account import Account
from fairway.exchange.ledger import user
from fairway.exchange.venue import Venue

__all__ = ["inspect_account", "inspect_totals"]


def inspect_totals(venue: Venue) -> None:
    """The ledger adds up, the house has what the channels' side B has won, and lots balance; else `IllegalTransition`.

    Errors: those of `Venue.check`, which counts the same.
    """
    venue.ledger.check()
    venue.check_positions()
    if not venue.lend_state_matches_channels():
        raise IllegalTransition("venue.lend_state", "the house has not what the channels' side B has won")


def inspect_account(venue: Venue, channel_id: bytes) -> None:
    """One account adds up by itself, and ledger, halves and notes say the same of it; else `IllegalTransition`."""
    account = venue.accounts[channel_id]
    name = channel_id.hex()
    if venue.ledger.balances.get(user(channel_id), 0) != account.balance:
        raise IllegalTransition("venue.account", "ledger and channel differ", channel=name)
    in_pot = account.pot.margin if account.pot is not None else 0
    posted = in_pot + sum(held.position.margin for held in account.positions.values())
    if (account.posted, account.reserved) != (posted, sum(order.reserved for order in account.orders.values())):
        raise IllegalTransition("venue.posted", "an account posts or reserves another sum than it holds", channel=name)
    if account.available < 0 < account.posted + account.reserved:
        raise IllegalTransition("venue.available", "an account posts more than it has", channel=name)
    if not _is_promised(venue, channel_id, account):
        raise IllegalTransition("venue.promised", "the halves promise another sum than is held", channel=name)
    for market, held in account.positions.items():
        if venue.settling.held(channel_id, market) != (held.position.lots, held.position.margin):
            raise IllegalTransition("venue.note", "a position and its note differ", channel=name, market=market)


def _is_promised(venue: Venue, channel_id: bytes, account: Account) -> bool:
    """Whether the halves promise what is held, and the newest pair sends what is owed."""
    promised = account.posted + account.reserved
    if (
        account.a_conditionals.maximum() != promised + account.spared
        or account.b_conditionals.maximum() != account.owed
    ):
        return False
    channel = venue.channels[channel_id]
    return channel.phase not in TRADING or (expected(channel).sent, sent_b(channel)) == (account.due, account.earned)
