"""What the vault's getters say, as values. The chain gives integers, and dictionaries and cells as BOC bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytoniq_core import HashMap

from fairway.errors import InvalidMessage
from fairway.ton.address import Address
from fairway.ton.cells import Cell, Slice, from_boc

__all__ = [
    "AccountView",
    "BooksView",
    "LienView",
    "LossesView",
    "PoolView",
    "read_account",
    "read_books",
    "read_losses",
    "read_pool",
]


@dataclass(frozen=True, slots=True)
class BooksView:
    """`get_books`: the vault's sums, nano and units, and waiting gains as (wallet, nano), first in first."""

    locked: int
    protected: int
    bond: int
    supply: int
    sink: int
    missing: int
    claims: tuple[tuple[Address, int], ...]


@dataclass(frozen=True, slots=True)
class LienView:
    """A lien: what is owed for a match, the key of its conditional and its lots, and the halves it was seen in."""

    owed: int
    key: int
    lots: int
    seqno_a: int
    seqno_b: int


@dataclass(frozen=True, slots=True)
class AccountView:
    """`get_account`: one channel in the vault. `ready`: it has begun and takes deposits, until it has `ended`.

    `reopening` is (the new channel's address hash, payout).
    """

    channel_id: int
    key_a: bytes
    key_b: bytes
    wallet: Address
    deposit: int
    held: int
    owed: int
    ready: bool
    ended: bool
    liens: Mapping[int, LienView]
    reopening: tuple[bytes, int] | None


@dataclass(frozen=True, slots=True)
class PoolView:
    """`get_pool`: what lenders' shares are worth, since when, computed from what; who waits to be paid back."""

    value: int
    shares: int
    epoch: int
    posted_s: int
    record: bytes
    exits: tuple[tuple[Address, int], ...]


@dataclass(frozen=True, slots=True)
class LossesView:
    """`get_losses`: of one channel, the losses moved, the service's half that answered last, and what is announced.

    `notice` is (nano, the seqno of the service's half that the user cited, due at in seconds).
    """

    moved: int
    seen: int
    notice: tuple[int, int, int] | None


def read_books(stack: Sequence[object]) -> BooksView:
    """What `get_books` left, as the chain's interface gives it: integers, and dictionaries as BOC bytes or None."""
    locked, protected, bond, supply, sink, missing = map(_integer, stack[:6])
    return BooksView(locked, protected, bond, supply, sink, missing, _claims(stack[6]))


def read_pool(stack: Sequence[object]) -> PoolView:
    """What `get_pool` left."""
    value, shares, epoch, posted_s, record = map(_integer, stack[:5])
    return PoolView(value, shares, epoch, posted_s, record.to_bytes(32), _claims(stack[5]))


def read_losses(stack: Sequence[object]) -> LossesView:
    """What `get_losses` left."""
    moved, seen, nano, b_seqno, due_s = map(_integer, stack)
    return LossesView(moved, seen, (nano, b_seqno, due_s) if nano else None)


def read_account(stack: Sequence[object]) -> AccountView | None:
    """What `get_account` left; None for a channel the vault does not know."""
    known, channel_id, key_a, key_b, wallet, deposit, held, owed, ready, ended, liens, following, payout = stack
    if not known:
        return None
    lien = {match_id: _lien(fields) for match_id, fields in _dictionary(liens, 64).items()}
    return AccountView(
        channel_id=_integer(channel_id),
        key_a=_integer(key_a).to_bytes(32),
        key_b=_integer(key_b).to_bytes(32),
        wallet=_address(_cell(wallet).begin_parse()),
        deposit=_integer(deposit),
        held=_integer(held),
        owed=_integer(owed),
        ready=bool(ready),
        ended=bool(ended),
        liens=lien,
        reopening=(_integer(following).to_bytes(32), _integer(payout)) if following else None,
    )


def _claims(value: object) -> tuple[tuple[Address, int], ...]:
    entries = sorted(_dictionary(value, 32).items())
    return tuple((_address(fields), fields.load_coins() or 0) for _, fields in entries)


def _lien(fields: Slice) -> LienView:
    owed, key, lots = fields.load_coins() or 0, fields.load_uint(32), fields.load_uint(48)
    return LienView(owed, key, lots, fields.load_uint(64), fields.load_uint(64))


def _integer(value: object) -> int:
    if not isinstance(value, int):
        raise InvalidMessage("vault.getter", "a getter's value is not an integer")
    return value


def _cell(value: object) -> Cell:
    if not isinstance(value, bytes):
        raise InvalidMessage("vault.getter", "a getter's value is not a cell")
    return from_boc(value)


def _address(fields: Slice) -> Address:
    foreign = fields.load_address()
    return Address(foreign.wc, foreign.hash_part)


def _dictionary(value: object, key_bits: int) -> dict[int, Slice]:
    if value is None:
        return {}
    return HashMap.parse(_cell(value).begin_parse(), key_bits) or {}
