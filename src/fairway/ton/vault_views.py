"""What the vault's getters say, as values. The chain gives integers, and dictionaries and cells as BOC bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytoniq_core import HashMap

from fairway.errors import InvalidMessage
from fairway.ton.address import Address
from fairway.ton.cells import Cell, Slice, from_boc

__all__ = ["AccountView", "BooksView", "LienView", "read_account", "read_books"]


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
    """A lien: what is owed for a match, the key of its conditional, and the halves it was seen in."""

    owed: int
    key: int
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


def read_books(stack: Sequence[object]) -> BooksView:
    """What `get_books` left, as the chain's interface gives it: integers, and dictionaries as BOC bytes or None."""
    locked, protected, bond, supply, sink, missing = map(_integer, stack[:6])
    entries = sorted(_dictionary(stack[6], 32).items())
    claims = tuple((_address(fields), fields.load_coins()) for _, fields in entries)
    return BooksView(locked, protected, bond, supply, sink, missing, claims)


def read_account(stack: Sequence[object]) -> AccountView | None:
    """What `get_account` left; None for a channel the vault does not know."""
    known, channel_id, key_a, key_b, wallet, deposit, held, owed, ready, ended, liens, following, payout = stack
    if not known:
        return None
    lien = {
        match_id: LienView(fields.load_coins(), fields.load_uint(32), fields.load_uint(64), fields.load_uint(64))
        for match_id, fields in _dictionary(liens, 64).items()
    }
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
