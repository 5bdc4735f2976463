"""Mandates: what a user lets the holder of a sub-key order for him, and how far that has come.

A mandate is a conditional of the user's half. Orders that its sub-key signed come to life by a half of the service
alone: their reserves come out of the mandate's, so all that can be claimed under it was promised by the half in which
its owner signed it. A mandate pays nothing by itself; the condition of its market reads it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from fairway.channel.conditional import Conditional
from fairway.channel.machine import MANDATED_KEYS, MARKET_KEYS
from fairway.errors import Rejected
from fairway.exchange.terms import OrderTerms, Terms
from fairway.ton.cells import AnyCell, Bits, Plain

__all__ = [
    "NUMBER_BOUND",
    "SLOTS",
    "WINDOW",
    "Mandate",
    "MandateTerms",
    "Used",
    "cancel_digest",
    "countdown_digest",
    "is_mandated",
    "mandate_conditional",
    "mandated_cell",
    "number_of",
    "order_digest",
    "order_key",
    "revoke_digest",
    "scope_of",
    "slot_of",
    "unsigned_weight",
]

NUMBER_BITS = 24
NUMBER_BOUND = 1 << NUMBER_BITS
SLOTS = 64
"""How many mandates a user may have at once."""
WINDOW = 256
"""How far an order's number may lie behind the newest that was used."""


def order_key(slot: int, number: int) -> int:
    """The key of order `number` (from 1) under the mandate in `slot`."""
    if not (0 <= slot < SLOTS and 0 < number < NUMBER_BOUND):
        raise Rejected("mandate.number", "there is no such slot or number", slot=slot, number=number)
    return MANDATED_KEYS | slot << NUMBER_BITS | number


def slot_of(key: int) -> int:
    """The slot of the mandate to which an order's `key` belongs."""
    return (key - MANDATED_KEYS) >> NUMBER_BITS


def scope_of(key: int) -> int:
    """What the keys of all orders under one mandate have in common; no market has such a number."""
    return key & ~(NUMBER_BOUND - 1)


def is_mandated(key: int) -> bool:
    """Whether this is the key of an order under a mandate."""
    return MANDATED_KEYS <= key < MARKET_KEYS


def number_of(key: int) -> int:
    """The number of the order under `key` within its mandate."""
    return key & NUMBER_BOUND - 1


class MandateTerms(Terms, frozen=True):
    """A mandate as its owner signed it: `mandate_terms#4d4e4454`, under `key` in his half.

    `sub_key` may order in `market`, no more than `max_lots` an order and no position beyond that, with `leverage` at
    most and at fees up to `fee_ppm`, before `expires_ms`. `reserve` is the most that all of it may cost. `slot` sets
    the keys of its orders apart; no two live mandates share one.
    """

    channel_id: bytes
    key: int
    slot: int
    sub_key: bytes
    market: int
    reserve: int
    max_lots: int
    fee_ppm: int
    leverage: int
    expires_ms: int

    def cell(self) -> Plain:
        """The layout above."""
        bits = Bits().uint(32, 0x4D4E4454).raw(self.channel_id).uint(32, self.key).uint(8, self.slot).raw(self.sub_key)
        bits.uint(16, self.market).coins(self.reserve).uint(48, self.max_lots).uint(24, self.fee_ppm)
        return bits.uint(8, self.leverage).uint(64, self.expires_ms).cell()


class Used(NamedTuple):
    """Which numbers were used: those of `newest` - n with bit n of `seen` set, and all `WINDOW` or more behind it."""

    newest: int = 0
    seen: int = 0

    def has(self, number: int) -> bool:
        """Whether `number` was used, or is too old to tell."""
        age = self.newest - number
        return number <= 0 or age >= WINDOW or (age >= 0 and bool(self.seen >> age & 1))

    def using(self, number: int) -> Used:
        """With `number` used; it must be fresh."""
        age = self.newest - number
        if age > 0:
            return Used(self.newest, self.seen | 1 << age)
        return Used(number, (self.seen << -age | 1) & (1 << WINDOW) - 1)


class Mandate(NamedTuple):
    """A live mandate: its terms, what is left of its reserve, and which numbers were used."""

    terms: MandateTerms
    left: int
    used: Used = Used()


def mandate_conditional(mandate: Mandate, code: AnyCell) -> Conditional:
    """The mandate in A's half: `mandate_rest#4d4e4453 left:Coins newest:uint24 seen:uint256 mandate:^MandateTerms`."""
    rest = Bits().uint(32, 0x4D4E4453).coins(mandate.left).uint(24, mandate.used.newest).uint(256, mandate.used.seen)
    return Conditional(rest.cell(mandate.terms.cell()), code, mandate.left)


def mandated_cell(mandate: int, order: OrderTerms) -> Plain:
    """An order under a mandate: `mandated_order#4d4f5244 mandate:uint32 order:^OrderTerms`."""
    return Bits().uint(32, 0x4D4F5244).uint(32, mandate).cell(order.cell())


def order_digest(mandate: int, order: OrderTerms) -> bytes:
    """What the sub-key signs to place `order`: the hash of that cell."""
    return mandated_cell(mandate, order).hash


def unsigned_weight(order: OrderTerms) -> int:
    """How much of a claim an unsigned order takes: itself, and each signed round that is shown with it."""
    return 1 + order.waits + (order.callback_ppm > 0)


def cancel_digest(channel_id: bytes, mandate: int, keys: Sequence[int]) -> bytes:
    """What the sub-key signs to take orders out.

    SHA-256("fairway mandate cancel" ‖ channel ID ‖ mandate ‖ keys): 16 bytes and 4 each, big-endian. A key is never
    used again, so the words may come twice. Errors: `OverflowError` where a number does not fit.
    """
    words = b"".join(number.to_bytes(4) for number in (mandate, *keys))
    return hashlib.sha256(b"fairway mandate cancel" + channel_id + words).digest()


def countdown_digest(channel_id: bytes, mandate: int, nonce: int, after_ms: int) -> bytes:
    """What the sub-key signs so that all its orders go in a while, unless it signs again.

    SHA-256("fairway mandate countdown" ‖ channel ID ‖ mandate ‖ nonce ‖ time): 16, 4, 8 and 8 bytes, big-endian.
    Errors: `OverflowError` where a number does not fit.
    """
    words = channel_id + mandate.to_bytes(4) + nonce.to_bytes(8) + after_ms.to_bytes(8)
    return hashlib.sha256(b"fairway mandate countdown" + words).digest()


def revoke_digest(channel_id: bytes, mandate: int) -> bytes:
    """What the owner's channel key signs to take a mandate back, with all its live orders.

    SHA-256("fairway mandate revoke" ‖ channel ID ‖ mandate), as above.
    """
    return hashlib.sha256(b"fairway mandate revoke" + channel_id + mandate.to_bytes(4)).digest()
