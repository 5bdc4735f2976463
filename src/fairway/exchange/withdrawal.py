"""How much of an account may leave its channel while orders and positions stay in it, and what both sides sign for it.

The user asks by the same rule before he signs as the service before it countersigns.
"""

from __future__ import annotations

from fairway.channel import codec
from fairway.channel.machine import Channel
from fairway.errors import Rejected
from fairway.exchange.account import Account
from fairway.exchange.change import Committed
from fairway.exchange.cross import needed_of
from fairway.exchange.event import CommitProposed
from fairway.exchange.margin_move import least_margin
from fairway.exchange.wire import Commit
from fairway.risk.margin import unrealised

__all__ = ["Withdrawals", "agreed_pair", "check_amount", "commit_statement", "needed", "withdrawable"]


class Withdrawals:
    """The withdrawals of all channels.

    `signed` has the newest commit of each, `leaving` what of it the chain has not shown yet; `told` are the
    transactions that told of some. `advanced` is what left a channel by a commit of ours that is not in this journal.
    """

    __slots__ = ("advanced", "leaving", "signed", "told")

    def __init__(self) -> None:
        self.signed: dict[bytes, Committed] = {}
        self.leaving: dict[bytes, int] = {}
        self.told: set[bytes] = set()
        self.advanced: dict[bytes, int] = {}

    def facts(self) -> list[object]:
        """All that the next event could depend on, in one order."""
        seqnos = [(name, each.seqno_a, each.seqno_b) for name, each in sorted(self.signed.items())]
        return [seqnos, sorted(self.leaving.items()), sorted(self.told), sorted(self.advanced.items())]


def needed(account: Account) -> int:
    """What must stay: what orders, mandates, positions, the pot and the fine bind, and what is lost besides.

    A position keeps its margin, and at the newest mark at least what it would need to be opened at the greatest
    leverage, its losses counted and its wins not; and so does the pot, for all that shares it. Errors: `Rejected`
    (`risk.notional`).
    """
    bound = account.balance - account.available
    return bound + _pot_short(account) + sum(_short(account, market) for market in account.positions)


def _short(account: Account, market: int) -> int:
    """By how much a position's own margin is less than what it should have at the newest mark."""
    held = account.positions[market]
    if held.is_cross:
        return 0
    least = least_margin(account.rules.listing(market).contract, held.position, account.rounds[market])
    return max(0, least - held.position.margin)


def _pot_short(account: Account) -> int:
    """By how much less is in the pot than what shares it, and its orders, should have."""
    if account.pot is None:
        return 0
    won = sum(unrealised(contract, at, newest.mark, newest.funding) for contract, at, newest in account.shared())
    return max(0, needed_of(account, (), ()) - min(0, won) - account.pot.margin)


def withdrawable(account: Account) -> int:
    """The most that may be withdrawn now. Errors: `Rejected` (`risk.notional`)."""
    return max(0, account.balance - needed(account))


def check_amount(account: Account, nano: int) -> None:
    """`nano` may leave; else `Rejected` (`withdraw.amount`, `withdraw.margin` with fact `free`)."""
    if nano <= 0:
        raise Rejected("withdraw.amount", "nothing is withdrawn", nano=nano)
    free = withdrawable(account)
    if nano > free:
        raise Rejected("withdraw.margin", "orders, positions and the fine need more than would be left", free=free)


def agreed_pair(channel: Channel) -> tuple[int, int, int, int]:
    """Seqnos and sums of A's newest accepted half and of the half of B that it cites: what a commit stands on.

    Nothing that either side may still show is older: what the window holds begins with that half of B. Errors:
    `Rejected` (`withdraw.seqno`: A has answered no half of B yet).
    """
    newest = channel.a.half if channel.a else None
    if newest is None or newest.counterparty is None:
        raise Rejected("withdraw.seqno", "a half of the service must be countersigned first")
    cited = newest.counterparty
    return newest.seqno, cited.seqno, newest.sent, cited.sent


def commit_statement(said: Commit | CommitProposed | Committed, channel_id: bytes) -> codec.Commit:
    """What both sides sign. Side B withdraws nothing: its units are room, not money."""
    number = int.from_bytes(channel_id)
    return codec.Commit(number, said.sent_a, said.sent_b, said.seqno_a, said.seqno_b, said.withdraw_a, 0)
