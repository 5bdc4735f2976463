"""The messages of the channel contract: what is signed, and the body cell that carries it.

    top_up_balance#593e3893 is_A:Bool = Message;
    init_channel#79ae99b5 is_A:Bool signature:bits512 data:(#481ebc44 …) = Message;
    cooperative_close#d2b1eeeb sig_A:^bits512 sig_B:^bits512 data:(#8243e9a3 …) = Message;
    cooperative_commit#076bfdf1 sig_A:^bits512 sig_B:^bits512 data:(#4a390cac …) = Message;
    start_uncooperative_close#8175e15d signed_by_A:Bool signature:bits512 data:(#8c623692 …) = Message;
    challenge_quarantined_state#9a77c0db challenged_by_A:Bool signature:bits512 data:(#b8a21379 …) = Message;
    settle_conditionals#56c39b4c from_A:Bool signature:bits512 data:(#14588aab …) = Message;
    challenge_open#addf8422 data:(#b8a21379 …) = Message;
    settle_open#9584fb43 from_A:Bool data:(#14588aab …) = Message;
    adopt_expected#afa4d7c5 sch_A:^SignedSemiChannel sch_B:^SignedSemiChannel proof:^Cell = Message;
    recall_cited#cf2eef00 sch_A:^SignedSemiChannel sch_B:^SignedSemiChannel = Message;
    finish_uncooperative_close#25432a91 = Message;
    channel_closed#dddc88ba channel_id:uint128 = Notification;      (behind it settled_A:Coins, where there was any)
    channel_withdraw#a32f0b3c channel_id:uint128 = Notification;

The data of a message is a `Statement`. The contract's own spelling (`commited`, `quarantin`) ends at this codec.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, TypeAlias

from fairway.channel.state import SignedHalf
from fairway.channel.statement import Challenge, Close, Commit, Init, Settle, Start, Statement, channel_id
from fairway.crypto import keys
from fairway.errors import InvalidMessage
from fairway.ton.cells import Builder, Cell, Slice, cell_hash, check_end

__all__ = [
    "Adopt",
    "Agreed",
    "Challenge",
    "Close",
    "Closed",
    "Commit",
    "Finish",
    "Init",
    "Message",
    "OpenChallenge",
    "OpenSettle",
    "Recall",
    "Settle",
    "Signed",
    "Start",
    "TopUp",
    "Withdrawn",
    "channel_id",
    "decode",
    "encode",
]


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
class OpenChallenge:
    """A challenge that anyone may bring: the halves speak for themselves."""

    OP: ClassVar[int] = 0xADDF8422

    statement: Challenge


@dataclass(frozen=True, slots=True)
class OpenSettle:
    """Claims of side A or B that anyone may bring: the inputs determine what is owed."""

    from_a: bool
    statement: Settle


@dataclass(frozen=True, slots=True)
class Adopt:
    """A pair whose half of A says what that of B expects; `proof` is a Merkle proof of B's promises."""

    a: SignedHalf
    b: SignedHalf
    proof: Cell


@dataclass(frozen=True, slots=True)
class Recall:
    """A's half in quarantine, and the half of B that it cites."""

    a: SignedHalf
    b: SignedHalf


@dataclass(frozen=True, slots=True)
class TopUp:
    """The TON that comes with this message belongs to side A or B."""

    is_a: bool


@dataclass(frozen=True, slots=True)
class Finish:
    """Pay out: quarantine and settling are over."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The contract's notification that the channel is paid out; `settled_a` nano of A's went by conditionals."""

    channel_id: int
    settled_a: int = 0


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The contract's notification that a commit paid a withdrawal."""

    channel_id: int


Message: TypeAlias = Signed | Agreed | OpenChallenge | OpenSettle | Adopt | Recall | TopUp | Finish | Closed | Withdrawn

_TOP_UP, _FINISH, _CLOSED, _WITHDRAWN = 0x593E3893, 0x25432A91, 0xDDDC88BA, 0xA32F0B3C
_OPEN_CHALLENGE, _OPEN_SETTLE = OpenChallenge.OP, 0x9584FB43
_ADOPT, _RECALL = 0xAFA4D7C5, 0xCF2EEF00


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
        case OpenChallenge() | OpenSettle() | Adopt() | Recall() | Finish():
            _store_open(builder, message)
        case TopUp(is_a):
            builder.store_uint(_TOP_UP, 32).store_bool(is_a)
        case Closed(channel, settled_a):
            settled = Builder().store_coins(settled_a) if settled_a else Builder()
            builder.store_uint(_CLOSED, 32).store_uint(channel, 128).store_cell(settled.end_cell())
        case Withdrawn(channel):
            builder.store_uint(_WITHDRAWN, 32).store_uint(channel, 128)
    return builder.end_cell()


def _store_open(builder: Builder, message: OpenChallenge | OpenSettle | Adopt | Recall | Finish) -> None:
    """What anyone may bring."""
    match message:
        case OpenChallenge(statement):
            builder.store_uint(_OPEN_CHALLENGE, 32).store_cell(statement.to_cell())
        case OpenSettle(from_a, statement):
            builder.store_uint(_OPEN_SETTLE, 32).store_bool(from_a).store_cell(statement.to_cell())
        case Adopt(a, b, proof):
            builder.store_uint(_ADOPT, 32).store_ref(a.to_cell()).store_ref(b.to_cell()).store_ref(proof)
        case Recall(a, b):
            builder.store_uint(_RECALL, 32).store_ref(a.to_cell()).store_ref(b.to_cell())
        case Finish():
            builder.store_uint(_FINISH, 32)


def decode(body: Cell) -> Message:
    """The message whose body is exactly `body`; else `InvalidMessage`. Signatures are not verified."""
    try:
        fields = body.begin_parse()
        message = _LOAD[fields.load_uint(32)](fields)
        same = cell_hash(encode(message)) == cell_hash(body)
    except InvalidMessage:
        raise
    except Exception as error:
        # A slice raises whatever it happens to meet.
        raise InvalidMessage("channel.message", "a message does not follow its schema") from error
    if not same:
        raise InvalidMessage("channel.message", "a message is not in its one canonical form")
    return message


def _signature(cell: Cell) -> bytes:
    fields = cell.begin_parse()
    signature: bytes = fields.load_bytes(64)
    check_end(fields)
    return signature


def _pair(fields: Slice) -> tuple[SignedHalf, SignedHalf]:
    return SignedHalf.from_cell(fields.load_ref()), SignedHalf.from_cell(fields.load_ref())


def _coins_if_any(fields: Slice) -> int:
    return fields.load_coins() or 0 if fields.remaining_bits else 0


def _signed(what: type[Statement], fields: Slice) -> Message:
    return Signed(fields.load_bool(), fields.load_bytes(64), what.parse(fields))


def _agreed(what: type[Statement], fields: Slice) -> Message:
    return Agreed(_signature(fields.load_ref()), _signature(fields.load_ref()), what.parse(fields))


_LOAD: dict[int, Callable[[Slice], Message]] = {
    **{what.OP: partial(_signed, what) for what in (Init, Start, Challenge, Settle)},
    **{what.OP: partial(_agreed, what) for what in (Close, Commit)},
    _OPEN_CHALLENGE: lambda fields: OpenChallenge(Challenge.parse(fields)),
    _OPEN_SETTLE: lambda fields: OpenSettle(fields.load_bool(), Settle.parse(fields)),
    _ADOPT: lambda fields: Adopt(*_pair(fields), fields.load_ref()),
    _RECALL: lambda fields: Recall(*_pair(fields)),
    _TOP_UP: lambda fields: TopUp(fields.load_bool()),
    _FINISH: lambda _: Finish(),
    _CLOSED: lambda fields: Closed(fields.load_uint(128), _coins_if_any(fields)),
    _WITHDRAWN: lambda fields: Withdrawn(fields.load_uint(128)),
}
