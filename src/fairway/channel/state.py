"""The two halves of a channel's state and their signatures; wire format of contracts/schema.tlb.

    sc_body#_ seqno:uint64 sent:Coins conditionals_hash:uint256 = SemiChannelBody;
    semichannel_state#43685374 channel_id:uint128 data:SemiChannelBody
      counterparty_data:(Maybe ^SemiChannelBody) = SemiChannel;
    signed_schs#_ signature:bits512 state:^SemiChannel = SignedSemiChannel;

A digest is the hash of the cell, laid out by hand: it is taken twice for every update of every channel.
"""

from __future__ import annotations

from hashlib import sha256

from msgspec import Struct

from fairway.crypto import keys
from fairway.errors import InvalidMessage
from fairway.ton.cells import COINS_BOUND, Builder, Cell, Slice, check_end

__all__ = ["NO_CONDITIONALS", "UNSIGNED", "Body", "Half", "SignedHalf", "verify_half"]

NO_CONDITIONALS = bytes(32)
"""The hash of no conditionals at all."""

UNSIGNED = b""
"""Stands for the signature of a half that is durable but whose signature has not come back from the shell yet."""

_TAG = 0x43685374
_SEQNO_BOUND = 1 << 64
_CHANNEL_ID_BOUND = 1 << 128


class Body(Struct, frozen=True, gc=False):
    """What one side says: its `seqno`, the nano it has `sent` in all, the root hash of its conditionals."""

    seqno: int
    sent: int
    conditionals_hash: bytes

    def __post_init__(self) -> None:
        if not (0 <= self.seqno < _SEQNO_BOUND and 0 <= self.sent < COINS_BOUND):
            raise InvalidMessage("channel.body", "a seqno or a sum is outside its width", seqno=self.seqno)
        if len(self.conditionals_hash) != 32:
            raise InvalidMessage("channel.body", "a hash is 32 bytes", seqno=self.seqno)

    def bits(self) -> tuple[int, int]:
        """The body as an integer and its width in bits, 324 and eight for each byte of `sent`."""
        size = self.sent.bit_length() + 7 >> 3
        coins = (self.seqno << 4 | size) << 8 * size | self.sent
        return coins << 256 | int.from_bytes(self.conditionals_hash), 324 + 8 * size

    def digest(self) -> bytes:
        """The hash of the body's own cell, as a counterparty's half refers to it."""
        value, width = self.bits()
        # The width is 4 modulo 8: half a byte is left for the completion tag.
        return sha256(bytes((0, width >> 2)) + (value << 4 | 0b1000).to_bytes(width + 4 >> 3)).digest()

    def to_cell(self) -> Cell:
        """The body as a cell."""
        return self.store(Builder()).end_cell()

    def store(self, builder: Builder) -> Builder:
        """`builder` with the body's fields behind its own."""
        return builder.store_uint(self.seqno, 64).store_coins(self.sent).store_bytes(self.conditionals_hash)

    @staticmethod
    def load(fields: Slice) -> Body:
        """The body at the head of `fields`; raises whatever the slice raises where it is too short."""
        return Body(fields.load_uint(64), fields.load_coins() or 0, fields.load_bytes(32))


class Half(Struct, frozen=True, gc=False):
    """One side's half: its own `body` and the `counterparty`'s body it answers (None: none seen yet)."""

    channel_id: int
    body: Body
    counterparty: Body | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.channel_id < _CHANNEL_ID_BOUND:
            raise InvalidMessage("channel.half", "a channel ID has 128 bits", seqno=self.body.seqno)

    @property
    def seqno(self) -> int:
        """The half's own seqno."""
        return self.body.seqno

    @property
    def sent(self) -> int:
        """The nano its side has sent in all."""
        return self.body.sent

    @property
    def cited(self) -> int:
        """The seqno of the counterparty's body it answers; 0 for none."""
        return self.counterparty.seqno if self.counterparty else 0

    def digest(self) -> bytes:
        """The hash of the half's cell: what its side signs."""
        value, width = self.body.bits()
        value |= (_TAG << 128 | self.channel_id) << width
        other = self.counterparty
        # 160 bits of head, the body (4 modulo 8) and the Maybe bit: three bits are left for the completion tag.
        data = (value << 4 | (0b1100 if other else 0b0100)).to_bytes(width + 164 >> 3)
        if other is None:
            return sha256(bytes((0, width + 160 >> 2)) + data).digest()
        return sha256(bytes((1, width + 160 >> 2)) + data + b"\0\0" + other.digest()).digest()

    def to_cell(self) -> Cell:
        """The half as a cell."""
        builder = Builder().store_uint(_TAG, 32).store_uint(self.channel_id, 128)
        other = self.counterparty
        return self.body.store(builder).store_maybe_ref(other.to_cell() if other else None).end_cell()

    @staticmethod
    def from_cell(cell: Cell) -> Half:
        """The half that is exactly `cell`; else `InvalidMessage` (`channel.half`; `cells.trailing` if more follows)."""
        try:
            half = _load_half(cell.begin_parse())
        except InvalidMessage:
            raise
        except Exception as error:
            # A slice raises whatever it happens to meet.
            raise InvalidMessage("channel.half", "a half's cell does not follow its schema") from error
        if half.digest() != cell.hash:
            raise InvalidMessage("channel.half", "a half is not in its one canonical form", seqno=half.seqno)
        return half


def _load_half(fields: Slice) -> Half:
    if fields.load_uint(32) != _TAG:
        raise InvalidMessage("channel.half", "a half begins with its tag")
    channel_id, body, other = fields.load_uint(128), Body.load(fields), fields.load_maybe_ref()
    check_end(fields)
    return Half(channel_id, body, Body.load(other.begin_parse()) if other else None)


class SignedHalf(Struct, frozen=True, gc=False):
    """A half under its side's Ed25519 signature, 64 bytes over the half's digest (or `UNSIGNED`)."""

    half: Half
    signature: bytes

    def verify(self, key: bytes) -> None:
        """The signature is `key`'s; else `InvalidSignature`."""
        verify_half(key, self.half, self.signature)

    def to_cell(self) -> Cell:
        """The signed half as a cell; it must be signed."""
        if len(self.signature) != 64:
            raise InvalidMessage("channel.unsigned", "a half goes out only under its signature", seqno=self.half.seqno)
        return Builder().store_bytes(self.signature).store_ref(self.half.to_cell()).end_cell()

    @staticmethod
    def from_cell(cell: Cell) -> SignedHalf:
        """The signed half that is exactly `cell`; else `InvalidMessage`. The signature is not verified."""
        if len(cell.bits) != 512 or len(cell.refs) != 1 or cell.is_exotic:
            raise InvalidMessage("channel.half", "a signed half is a signature and a reference")
        return SignedHalf(Half.from_cell(cell.refs[0]), cell.bits.tobytes())


def verify_half(key: bytes, half: Half, signature: bytes) -> None:
    """`signature` over `half` is `key`'s; else `InvalidSignature`."""
    keys.verify(key, half.digest(), signature)
