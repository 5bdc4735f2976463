"""Lenders' shares and the operator's own money; contracts/vault_pool.tolk does the same on chain.

A share is worth value / shares, as the service last posted it. A lender leaves at that price with nobody's permission,
and is paid behind every waiting gain from what is free and not bond. Nothing here reaches a deposit.
"""

from __future__ import annotations

from dataclasses import replace

from fairway.errors import Rejected
from fairway.units import TON
from fairway.vault import books as vault
from fairway.vault.state import Books, Claim, Payment

__all__ = ["LEAST", "STEP", "lend", "post_bond", "post_value", "repay", "return_bond", "withdraw"]

STEP = 4
"""A posted value differs from the one before by at most one part in so many."""

LEAST = TON
"""Nano below which nobody lends, or leaves unless it is all he has: those who wait behind him pay for his turn."""


def lend(books: Books, wallet: bytes, nano: int) -> tuple[Books, tuple[Payment, ...]]:
    """A lender's TON, for shares at the posted price, rounded down. Its units lie in the sink; none is protected."""
    vault.check_positive(nano)
    pool = books.pool
    shares = nano * pool.shares // max(1, pool.value) if pool.shares else nano
    if not shares or nano < LEAST or (pool.shares and not pool.value):
        raise Rejected("vault.shares", "that is not worth a share", nano=nano)
    lenders = {**pool.lenders, wallet: pool.lenders.get(wallet, 0) + shares}
    pool = replace(pool, value=pool.value + nano, shares=pool.shares + shares, lenders=lenders)
    books = vault.wrap_into_sink(replace(books, locked=books.locked + nano, pool=pool), nano)
    return vault.settle_claims(books)


def withdraw(books: Books, wallet: bytes, shares: int) -> tuple[Books, tuple[Payment, ...]]:
    """Burns shares for their posted value, rounded down, which is paid now or waits."""
    pool, held = books.pool, books.pool.lenders.get(wallet, 0)
    nano = shares * pool.value // max(1, pool.shares)
    if not 0 < shares <= held or not nano or (nano < LEAST and shares < held):
        raise Rejected("vault.shares", "the wallet has no such shares, or leaves with less than it may", shares=shares)
    lenders = {**pool.lenders, wallet: held - shares}
    exits = (*pool.exits, Claim(wallet, nano))
    pool = replace(pool, value=pool.value - nano, shares=pool.shares - shares, lenders=lenders, exits=exits)
    return vault.settle_claims(replace(books, pool=pool))


def post_value(books: Books, epoch: int, value: int, now_s: int, pause_s: int) -> Books:
    """What the pool is worth now, in the service's words: a step at a time, one epoch after the other."""
    pool = books.pool
    if epoch != pool.epoch + 1 or now_s < pool.posted_s + pause_s:
        raise Rejected("vault.posted", "values are posted one by one, with time to leave between them", epoch=epoch)
    if abs(value - pool.value) > pool.value // STEP or value + books.bond > books.locked:
        raise Rejected("vault.posted", "the value is too far from the last one, or not there", value=value)
    return replace(books, pool=replace(pool, epoch=epoch, value=value, posted_s=now_s))


def post_bond(books: Books, nano: int) -> tuple[Books, tuple[Payment, ...]]:
    """The operator's own TON, first loss; it mints nothing, so what it bridges shows as `missing`."""
    vault.check_positive(nano)
    return vault.settle_claims(replace(books, locked=books.locked + nano, bond=books.bond + nano))


def repay(books: Books, wallet: bytes, nano: int) -> tuple[Books, tuple[Payment, ...]]:
    """Pays the operator's fees: behind everyone, never out of the bond nor of what lenders' shares are worth."""
    vault.check_positive(nano)
    if _anyone_waits(books) or nano > books.free - books.bond - books.pool.value:
        raise Rejected("vault.not_free", "that much TON is not free", nano=nano, free=books.free - books.bond)
    return vault.burn(books, nano), vault.payment(wallet, nano)


def return_bond(books: Books, wallet: bytes, nano: int) -> tuple[Books, tuple[Payment, ...]]:
    """The operator's money leaves last: no unit in any channel, nobody waiting, every lender covered."""
    vault.check_positive(nano)
    left = min(books.bond, books.free - books.pool.value)
    if _anyone_waits(books) or books.supply > books.sink or nano > left:
        raise Rejected("vault.bond_bound", "the bond stands until everyone else is paid", nano=nano)
    books = replace(books, locked=books.locked - nano, bond=books.bond - nano)
    return books, vault.payment(wallet, nano)


def _anyone_waits(books: Books) -> bool:
    return bool(books.claims or books.pool.exits)
