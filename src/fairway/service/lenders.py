"""Lenders as the chain shows them: who came with how much, who left with which of his shares, and what he is owed.

What a share was sold for follows from what was posted before; so the vault's own arithmetic says it again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from fairway.chain.interface import Transaction
from fairway.errors import Rejected
from fairway.exchange.effect import PostValue
from fairway.ton.cells import Slice, from_boc
from fairway.ton.vault_views import PoolView
from fairway.units import FUNDING_SCALE, div_down
from fairway.vault.pool import STEP, lend, withdraw
from fairway.vault.state import Books

__all__ = ["LenderMove", "LenderSight", "Posted", "posted_value"]

LEND, WITHDRAW, POST_VALUE = 0x4C454E44, 0x57544844, 0x504F5354
PLENTY = 1 << 100
"""What the arithmetic is told to be there: what the vault owes is asked, not when it pays."""


class LenderMove(NamedTuple):
    """`wallet` lent `nano` (`shares` of `held` is 0 of 0), or gave `shares` of his `held` back and is owed `nano`."""

    digest: bytes
    wallet: str
    nano: int
    shares: int = 0
    held: int = 0

    @property
    def leaves(self) -> bool:
        """Whether shares were given back."""
        return self.shares > 0


class Posted(NamedTuple):
    """All `shares` of the vault, worth `before`, were posted to be worth `value`, computed from `record`."""

    before: int
    value: int
    shares: int
    record: bytes


class LenderSight:
    """Fed every transaction of one vault in its order; `posts` is what was posted so far."""

    def __init__(self) -> None:
        self.posts: list[Posted] = []
        self._books = Books(locked=PLENTY)
        self._words: dict[int, Callable[[Transaction, str, Slice], LenderMove | None]] = {
            LEND: self._lent,
            WITHDRAW: self._left,
            POST_VALUE: self._posted,
        }

    def see(self, transaction: Transaction) -> LenderMove | None:
        """What the next transaction says of a lender; None where it is about something else."""
        incoming = transaction.incoming
        if transaction.aborted or incoming is None:
            return None
        fields = from_boc(incoming.body).begin_parse()
        word = fields.load_uint(32) if fields.remaining_bits >= 96 else 0
        if word not in self._words:
            return None
        fields.skip_bits(64)
        try:
            return self._words[word](transaction, incoming.source or "", fields)
        except Rejected:  # the vault would have refused it: it is no vault of ours
            return None

    def _lent(self, transaction: Transaction, wallet: str, fields: Slice) -> LenderMove:
        nano = fields.load_coins() or 0
        self._books, _ = lend(self._books, wallet.encode(), nano)
        return LenderMove(transaction.digest, wallet, nano)

    def _left(self, transaction: Transaction, wallet: str, fields: Slice) -> LenderMove:
        shares, held = fields.load_coins() or 0, self._books.pool.lenders.get(wallet.encode(), 0)
        self._books, paid = withdraw(self._books, wallet.encode(), shares)
        return LenderMove(transaction.digest, wallet, sum(payment.nano for payment in paid), shares, held)

    def _posted(self, _transaction: Transaction, _wallet: str, fields: Slice) -> None:
        posted = fields.load_ref().begin_parse()
        posted.skip_bits(32)
        posted.load_address()
        epoch, value = posted.load_uint(32), posted.load_coins() or 0
        pool = self._books.pool
        self.posts.append(Posted(pool.value, value, pool.shares, bytes(posted.load_bytes(32))))
        self._books = replace(self._books, pool=replace(self._books.pool, epoch=epoch, value=value))


def posted_value(pool: PoolView, shown: PostValue, most: int) -> int:
    """What to post: all shares of the vault at the price that `shown` proves, as far as one step and `most` allow.

    What stands already, where nothing between it and that price is allowed.
    """
    target = div_down(pool.shares * shown.worth, FUNDING_SCALE * shown.shares)
    step = pool.value // STEP
    stepped = min(max(target, pool.value - step), pool.value + step)
    value = min(stepped, most)
    return value if value >= min(pool.value, stepped) else pool.value
