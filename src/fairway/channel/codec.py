"""The messages of the channel contract: what is signed, and the body cell that carries it.

    top_up_balance#593e3893 is_A:Bool = Message;
    init_channel#79ae99b5 is_A:Bool signature:bits512 data:(#481ebc44 …) = Message;
    cooperative_close#d2b1eeeb sig_A:^bits512 sig_B:^bits512 data:(#8243e9a3 …) = Message;
    cooperative_commit#076bfdf1 sig_A:^bits512 sig_B:^bits512 data:(#4a390cac …) = Message;
    start_uncooperative_close#8175e15d signed_by_A:Bool signature:bits512 data:(#8c623692 …) = Message;
    challenge_quarantined_state#9a77c0db challenged_by_A:Bool signature:bits512 data:(#b8a21379 …) = Message;
    settle_conditionals#56c39b4c from_A:Bool signature:bits512 data:(#14588aab …) = Message;
    finish_uncooperative_close#25432a91 = Message;
    channel_closed#dddc88ba channel_id:uint128 = Notification;
    channel_withdraw#a32f0b3c channel_id:uint128 = Notification;

A `Statement` is the data of a message: its own cell is what a side signs, its fields are what the body carries. The
contract's own spelling (`commited`, `quarantin`) ends at this codec.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import ClassVar, TypeAlias

from fairway.channel.state import SignedHalf
from fairway.crypto import keys
from fairway.errors import InvalidMessage
from fairway.ton.address import Address
from fairway.ton.cells import Builder, Cell, Slice, cell_hash, check_end

__all__ = [
    "Agreed",
    "Challenge",
    "Close",
    "Closed",
    "Commit",
    "Finish",
    "Init",
    "Message",
    "Settle",
    "Signed",
    "Start",
    "TopUp",
    "Withdrawn",
    "channel_id",
    "decode",
    "encode",
]


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


@dataclass(frozen=True, slots=True)
class Init(Statement):
    """The channel exists: one side's signature lets it begin."""

    OP = 0x79AE99B5
    TAG = 0x481EBC44

    @staticmethod
    def load(channel: int, fields: Slice) -> Init:
        """The statement about `channel` from `fields`."""
        del fields
        return Init(channel)


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

    @staticmethod
    def load(channel: int, fields: Slice) -> Close:
        """The statement about `channel` from `fields`."""
        sent_a, sent_b = _two_coins(fields)
        return Close(channel, sent_a, sent_b, fields.load_uint(64), fields.load_uint(64))


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

    @staticmethod
    def load(channel: int, fields: Slice) -> Commit:
        """The statement about `channel` from `fields`."""
        sent_a, sent_b = _two_coins(fields)
        seqno_a, seqno_b = fields.load_uint(64), fields.load_uint(64)
        return Commit(channel, sent_a, sent_b, seqno_a, seqno_b, *_two_coins(fields))


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
    def load(cls, channel: int, fields: Slice) -> Start:
        """The statement about `channel` from `fields`."""
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

    @staticmethod
    def load(channel: int, fields: Slice) -> Settle:
        """The statement about `channel` from `fields`."""
        return Settle(channel, fields.load_maybe_ref(), fields.load_ref())


@dataclass(frozen=True, slots=True)
class Signed:
    """A statement under the signature of one side."""

    by_a: bool
    signature: bytes
    statement: Statement

    def verify(self, key_a: bytes, key_b: bytes) -> None:
        """The named side signed it; else `InvalidSignature`."""
        keys.verify(key_a if self.by_a else key_b, self.statement.digest(), self.signature)


@dataclass(frozen=True, slots=True)
class Agreed:
    """A statement under the signatures of both."""

    signature_a: bytes
    signature_b: bytes
    statement: Statement

    def verify(self, key_a: bytes, key_b: bytes) -> None:
        """Both signed it; else `InvalidSignature`."""
        digest = self.statement.digest()
        keys.verify(key_a, digest, self.signature_a)
        keys.verify(key_b, digest, self.signature_b)


@dataclass(frozen=True, slots=True)
class TopUp:
    """The TON that comes with this message belongs to side A or B."""

    is_a: bool


@dataclass(frozen=True, slots=True)
class Finish:
    """Pay out: quarantine and settling are over."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The contract's notification that the channel is paid out."""

    channel_id: int


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The contract's notification that a commit paid a withdrawal."""

    channel_id: int


Message: TypeAlias = Signed | Agreed | TopUp | Finish | Closed | Withdrawn

_TOP_UP, _FINISH, _CLOSED, _WITHDRAWN = 0x593E3893, 0x25432A91, 0xDDDC88BA, 0xA32F0B3C
_Load: TypeAlias = Callable[[int, Slice], Statement]
_SIGNED: dict[int, tuple[int, _Load]] = {what.OP: (what.TAG, what.load) for what in (Init, Start, Challenge, Settle)}
_AGREED: dict[int, tuple[int, _Load]] = {what.OP: (what.TAG, what.load) for what in (Close, Commit)}


def encode(message: Message) -> Cell:
    """The body cell of `message`."""
    builder = Builder()
    match message:
        case Signed(by_a, signature, statement):
            builder.store_uint(statement.OP, 32).store_bool(by_a).store_bytes(signature)
            builder.store_cell(statement.to_cell())
        case Agreed(signature_a, signature_b, statement):
            builder.store_uint(statement.OP, 32)
            for signature in (signature_a, signature_b):
                builder.store_ref(Builder().store_bytes(signature).end_cell())
            builder.store_cell(statement.to_cell())
        case TopUp(is_a):
            builder.store_uint(_TOP_UP, 32).store_bool(is_a)
        case Finish():
            builder.store_uint(_FINISH, 32)
        case Closed(channel):
            builder.store_uint(_CLOSED, 32).store_uint(channel, 128)
        case Withdrawn(channel):
            builder.store_uint(_WITHDRAWN, 32).store_uint(channel, 128)
    return builder.end_cell()


def decode(body: Cell) -> Message:
    """The message whose body is exactly `body`; else `InvalidMessage`. Signatures are not verified."""
    try:
        message = _load(body.begin_parse())
        same = cell_hash(encode(message)) == cell_hash(body)
    except InvalidMessage:
        raise
    except Exception as error:
        # A slice raises whatever it happens to meet.
        raise InvalidMessage("channel.message", "a message does not follow its schema") from error
    if not same:
        raise InvalidMessage("channel.message", "a message is not in its one canonical form")
    return message


def _load(fields: Slice) -> Message:
    op = fields.load_uint(32)
    if op in _SIGNED:
        by_a, signature = fields.load_bool(), fields.load_bytes(64)
        return Signed(by_a, signature, _load_statement(fields, *_SIGNED[op]))
    if op in _AGREED:
        signature_a, signature_b = _signature(fields.load_ref()), _signature(fields.load_ref())
        return Agreed(signature_a, signature_b, _load_statement(fields, *_AGREED[op]))
    if op == _TOP_UP:
        return TopUp(fields.load_bool())
    if op == _FINISH:
        return Finish()
    if op in {_CLOSED, _WITHDRAWN}:
        return (Closed if op == _CLOSED else Withdrawn)(fields.load_uint(128))
    raise InvalidMessage("channel.message", "the channel knows no such message", op=op)


def _load_statement(fields: Slice, tag: int, load: _Load) -> Statement:
    if fields.load_uint(32) != tag:
        raise InvalidMessage("channel.message", "a statement begins with its tag")
    statement = load(fields.load_uint(128), fields)
    check_end(fields)
    return statement


def _two_coins(fields: Slice) -> tuple[int, int]:
    return fields.load_coins() or 0, fields.load_coins() or 0


def _signature(cell: Cell) -> bytes:
    fields = cell.begin_parse()
    signature: bytes = fields.load_bytes(64)
    check_end(fields)
    return signature
