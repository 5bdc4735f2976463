"""What the sides of a channel sign about it, apart from halves: the data of the contract's messages.

    init#481ebc44 channel_id:uint128
    close#8243e9a3 channel_id:uint128 sent_A:Coins sent_B:Coins seqno_A:uint64 seqno_B:uint64
    commit#4a390cac channel_id:uint128 sent_A:Coins sent_B:Coins seqno_A:uint64 seqno_B:uint64
      withdraw_A:Coins withdraw_B:Coins
    start#8c623692 channel_id:uint128 sch_A:^SignedSemiChannel sch_B:^SignedSemiChannel
    challenge#b8a21379 channel_id:uint128 sch_A:^SignedSemiChannel sch_B:^SignedSemiChannel
    settle#14588aab channel_id:uint128 conditionals_to_settle:(HashmapE 32 Cell) conditionals_proof:^Cell

A statement's own cell is what is signed; `fairway.channel.codec` puts its fields behind the signatures.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import ClassVar, Self

from fairway.channel.state import SignedHalf
from fairway.errors import InvalidMessage
from fairway.ton.address import Address
from fairway.ton.cells import Builder, Cell, Slice, cell_hash

__all__ = ["Challenge", "Close", "Commit", "Init", "Settle", "Start", "Statement", "channel_id"]


def channel_id(network: int, vault: Address, key_a: bytes, key_b: bytes, salt: bytes) -> int:
    """The channel's ID, as the vault computes it: it binds network and vault, which no signature of a half names.

    `salt` has 32 bytes and is never used twice. Errors: `InvalidMessage` `channel.salt`.
    """
    if len(salt) != 32:
        raise InvalidMessage("channel.salt", "a salt has 32 bytes", length=len(salt))
    text = b"fairway channel" + network.to_bytes(4, signed=True) + vault.hash + key_a + key_b + salt
    return int.from_bytes(sha256(text).digest()[:16])


@dataclass(frozen=True, slots=True)
class Statement:
    """What a side signs about the channel `channel_id`."""

    OP: ClassVar[int]
    TAG: ClassVar[int]

    channel_id: int

    def digest(self) -> bytes:
        """The 32 bytes to sign."""
        return cell_hash(self.to_cell())

    def to_cell(self) -> Cell:
        """The statement's own cell."""
        return self.store(Builder().store_uint(self.TAG, 32).store_uint(self.channel_id, 128)).end_cell()

    def store(self, builder: Builder) -> Builder:
        """`builder` with the fields behind the channel ID."""
        return builder

    @classmethod
    def parse(cls, fields: Slice) -> Self:
        """The statement at the head of `fields`; `InvalidMessage` where its tag is another."""
        if fields.load_uint(32) != cls.TAG:
            raise InvalidMessage("channel.message", "a statement begins with its tag")
        return cls.load(fields.load_uint(128), fields)

    @classmethod
    def load(cls, channel: int, fields: Slice) -> Self:
        """The statement about `channel` whose own fields are in `fields`."""
        del fields
        return cls(channel)


@dataclass(frozen=True, slots=True)
class Init(Statement):
    """The channel exists: one side's signature lets it begin."""

    OP = 0x79AE99B5
    TAG = 0x481EBC44


@dataclass(frozen=True, slots=True)
class Close(Statement):
    """The end, agreed by both: totals sent, under seqnos that no older state outlives."""

    OP = 0xD2B1EEEB
    TAG = 0x8243E9A3

    sent_a: int
    sent_b: int
    seqno_a: int
    seqno_b: int

    def store(self, builder: Builder) -> Builder:
        """`builder` with the fields behind the channel ID."""
        builder.store_coins(self.sent_a).store_coins(self.sent_b)
        return builder.store_uint(self.seqno_a, 64).store_uint(self.seqno_b, 64)

    @classmethod
    def load(cls, channel: int, fields: Slice) -> Self:
        """The statement about `channel` whose own fields are in `fields`."""
        sent_a, sent_b = _two_coins(fields)
        return cls(channel, sent_a, sent_b, fields.load_uint(64), fields.load_uint(64))


@dataclass(frozen=True, slots=True)
class Commit(Statement):
    """Agreed by both while the channel goes on: older states die, `withdraw_a` and `withdraw_b` (totals) are paid."""

    OP = 0x076BFDF1
    TAG = 0x4A390CAC

    sent_a: int
    sent_b: int
    seqno_a: int
    seqno_b: int
    withdraw_a: int
    withdraw_b: int

    def store(self, builder: Builder) -> Builder:
        """`builder` with the fields behind the channel ID."""
        builder.store_coins(self.sent_a).store_coins(self.sent_b)
        builder.store_uint(self.seqno_a, 64).store_uint(self.seqno_b, 64)
        return builder.store_coins(self.withdraw_a).store_coins(self.withdraw_b)

    @classmethod
    def load(cls, channel: int, fields: Slice) -> Self:
        """The statement about `channel` whose own fields are in `fields`."""
        sent_a, sent_b = _two_coins(fields)
        seqno_a, seqno_b = fields.load_uint(64), fields.load_uint(64)
        return cls(channel, sent_a, sent_b, seqno_a, seqno_b, *_two_coins(fields))


@dataclass(frozen=True, slots=True)
class Start(Statement):
    """An uncooperative close begins with this pair of signed halves."""

    OP = 0x8175E15D
    TAG = 0x8C623692

    a: SignedHalf
    b: SignedHalf

    def store(self, builder: Builder) -> Builder:
        """`builder` with the fields behind the channel ID."""
        return builder.store_ref(self.a.to_cell()).store_ref(self.b.to_cell())

    @classmethod
    def load(cls, channel: int, fields: Slice) -> Self:
        """The statement about `channel` whose own fields are in `fields`."""
        return cls(channel, SignedHalf.from_cell(fields.load_ref()), SignedHalf.from_cell(fields.load_ref()))


@dataclass(frozen=True, slots=True)
class Challenge(Start):
    """The quarantined pair is answered with this one."""

    OP = 0x9A77C0DB
    TAG = 0xB8A21379


@dataclass(frozen=True, slots=True)
class Settle(Statement):
    """Claims: `inputs` is a `HashmapE 32` of what each condition is shown, `proof` a Merkle proof of the promises."""

    OP = 0x56C39B4C
    TAG = 0x14588AAB

    inputs: Cell | None
    proof: Cell

    def store(self, builder: Builder) -> Builder:
        """`builder` with the fields behind the channel ID."""
        return builder.store_maybe_ref(self.inputs).store_ref(self.proof)

    @classmethod
    def load(cls, channel: int, fields: Slice) -> Self:
        """The statement about `channel` whose own fields are in `fields`."""
        return cls(channel, fields.load_maybe_ref(), fields.load_ref())


def _two_coins(fields: Slice) -> tuple[int, int]:
    return fields.load_coins() or 0, fields.load_coins() or 0
