"""What the vault's getters say, as values. The chain gives integers, and dictionaries and cells as BOC bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pytoniq_core import HashMap

from fairway.errors import InvalidMessage
from fairway.ton.address import Address
from fairway.ton.cells import Cell, Slice, from_boc

__all__ = [
    "AccountView",
    "BooksView",
    "LienView",
    "LossesView",
    "NoticeView",
    "PoolView",
    "named_channel",
    "read_account",
    "read_books",
    "read_losses",
    "read_pool",
    "tells_wallet",
]

TAKE_WALLET_ADDRESS = 0xD1735400
NAMED = 32 + 64 + 256
"""Word, number of the query, channel."""


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


class NoticeView(NamedTuple):
    """An announced loss: it moves at `due_s` unless a half of the service later than `b_seqno` answers.

    `sent_a` is what the user had sent when he cited that half.
    """

    nano: int
    b_seqno: int
    due_s: int
    sent_a: int


@dataclass(frozen=True, slots=True)
class LossesView:
    """`get_losses`: of one channel, the losses moved, the service's half that answered last, and what is announced.

    `slashed` are the seqnos under which the service is proven to have signed two things for one.
    """

    moved: int
    seen: int
    notice: NoticeView | None
    slashed: frozenset[int] = frozenset()


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
    moved, seen, nano, *rest = map(_integer, stack[:6])
    slashed = frozenset(_dictionary(stack[6], 64))
    return LossesView(moved, seen, NoticeView(nano, *rest) if nano else None, slashed)


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


def named_channel(body: bytes, words: frozenset[int]) -> bytes | None:
    """The channel (its address's hash) that a message to the vault names, if it is one of `words`; else None."""
    fields = from_boc(body).begin_parse()
    if fields.remaining_bits < NAMED or fields.load_uint(32) not in words:
        return None
    fields.load_uint(64)
    return bytes(fields.load_bytes(32))


def tells_wallet(body: bytes) -> bool:
    """Whether a message tells a channel which wallet its jettons come from."""
    fields = from_boc(body).begin_parse()
    return bool(fields.remaining_bits >= 32 and fields.load_uint(32) == TAKE_WALLET_ADDRESS)


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
