"""Messages between a user's session and the service: binary WebSocket frames, MessagePack arrays tagged by name.

A session begins with `Hello`; the service answers `Welcome` (the venue's rules, and the channel as the service has it).
Then the user sends `Open`, `Propose`, `Sweep`, `Commit`, `Close`, and the service `Granted`, `Pushed`, `Refused`,
`CommitSigned`, `CloseSigned`, `Round`, `Taken`, `Failure`. Halves travel as their fields: each side rebuilds the cell
and checks the signature over its hash.
"""

from __future__ import annotations

import msgspec

from fairway.errors import UNREADABLE, InvalidMessage
from fairway.exchange.change import AnyChange
from fairway.exchange.listing import Listing
from fairway.exchange.mandate import MandateTerms
from fairway.exchange.terms import MarginMove, OrderTerms

__all__ = [
    "AnyReply",
    "AnyRequest",
    "Close",
    "CloseSigned",
    "Commit",
    "CommitSigned",
    "Failure",
    "Granted",
    "Hello",
    "Open",
    "Propose",
    "Pushed",
    "Refused",
    "Revoke",
    "Round",
    "Shown",
    "Sweep",
    "Taken",
    "Welcome",
    "Yours",
    "decode_reply",
    "decode_request",
    "encode",
]


class Request(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A message from a user."""


class Hello(Request, frozen=True, tag="hello"):
    """Who speaks: `signature` by `key_a` over H("fairway hello" ‖ network ‖ challenge); 0 where no channel is open.

    The service sends `challenge` as the first frame of the connection, 32 raw bytes. `b_seqno` is the newest half of
    the service the user holds: what is newer is pushed again. `a_seqno` is the newest half of his own whose fate he
    knows: later ones, if the service has any, are shown to him with what became of them.
    """

    channel_id: bytes
    key_a: bytes
    signature: bytes
    b_seqno: int = 0
    a_seqno: int = 0


class Open(Request, frozen=True, tag="open"):
    """A new channel: side A's half number 1 under `signature`; `payout` is the wallet that unwraps are paid to."""

    channel_id: bytes
    key_a: bytes
    salt: bytes
    payout: str
    signature: bytes


class Propose(Request, frozen=True, tag="propose"):
    """A new half of the user; see `event.Proposed`."""

    channel_id: bytes
    seqno: int
    sent: int
    conditionals_hash: bytes
    cites: int
    signature: bytes
    orders: list[OrderTerms] = []
    drops: list[int] = []
    moves: list[MarginMove] = []
    mandates: list[MandateTerms] = []


class Revoke(Request, frozen=True, tag="revoke"):
    """A mandate is over; see `event.Revoked`. The push that says so is the answer."""

    channel_id: bytes
    mandate: int
    signature: bytes


class Close(Request, frozen=True, tag="close"):
    """A cooperative close signed by the user; see `event.CloseProposed`."""

    channel_id: bytes
    seqno_a: int
    seqno_b: int
    sent_a: int
    sent_b: int
    signature: bytes
    reopen_id: bytes | None = None
    withdraw: int = 0


class Commit(Request, frozen=True, tag="commit"):
    """A withdrawal signed by the user, while the channel goes on; see `event.CommitProposed`.

    The push that says so is followed by `CommitSigned`.
    """

    channel_id: bytes
    seqno_a: int
    seqno_b: int
    sent_a: int
    sent_b: int
    withdraw_a: int
    signature: bytes


class Shown(Request, frozen=True, tag="shown"):
    """A half of the service that it does not know, under its own signature, as a bag of cells: it lost something."""

    channel_id: bytes
    half: bytes


class Sweep(Request, frozen=True, tag="sweep"):
    """The user's orders in a market go, now or after a time; see `event.SweepSigned`."""

    channel_id: bytes
    nonce: int
    market: int
    after_ms: int
    signature: bytes


class Reply(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A message from the service."""


class Welcome(Reply, frozen=True, tag="welcome"):
    """The venue's rules.

    `key_b` is the service's channel key for this user's `key_a`; `phase` that of `channel_id`, empty where it has none.
    `a_seqno` is the newest half of the user that it has accepted or refused, `b_seqno` its own newest: a record or a
    journal that was restored from an old copy is found out before anything is signed.
    """

    network: int
    vault: str
    key_b: bytes
    ratio: int
    fine: int
    storage_fee: int
    quarantine_s: int
    settling_s: int
    patience_ms: int
    listings: list[Listing]
    oracle_keys: list[bytes]
    oracle_threshold: int
    phase: str = ""
    a_seqno: int = 0
    b_seqno: int = 0
    stale_ms: int = 0


class Granted(Reply, frozen=True, tag="granted"):
    """Side B's half number 1 of the channel, citing the user's; now the user may wrap.

    It has sent nothing and promises every market, in which nothing is held yet. `consent` is the vault key's signature
    that this channel pays out to the user's wallet.
    """

    channel_id: bytes
    conditionals_hash: bytes
    signature: bytes
    consent: bytes = b""


class Pushed(Reply, frozen=True, tag="pushed"):
    """A new half of the service: its fields and signature, the half of the user it cites, and what it stands on."""

    channel_id: bytes
    seqno: int
    sent: int
    conditionals_hash: bytes
    cites: int
    signature: bytes
    changes: list[AnyChange]
    receipts: list[bytes] = []


class Yours(Reply, frozen=True, tag="yours"):
    """A half that the user signed, shown to him with his signature: his record may be an old copy that lacks it.

    What became of it follows: the push that cites it, or its refusal.
    """

    channel_id: bytes
    seqno: int
    sent: int
    conditionals_hash: bytes
    cites: int
    signature: bytes
    orders: list[OrderTerms] = []
    drops: list[int] = []
    moves: list[MarginMove] = []
    mandates: list[MandateTerms] = []


class Refused(Reply, frozen=True, tag="refused"):
    """The user's half `seqno` is consumed, not accepted; sign `seqno` + 1 on top of half `b_seqno`."""

    channel_id: bytes
    seqno: int
    code: str
    message: str
    b_seqno: int


class CloseSigned(Reply, frozen=True, tag="close_signed"):
    """The service's signature of the cooperative close; either side may now hand both to the chain."""

    channel_id: bytes
    signature: bytes


class CommitSigned(Reply, frozen=True, tag="commit_signed"):
    """The service's signature of a withdrawal; either side may now hand both to the chain."""

    channel_id: bytes
    withdraw_a: int
    signature: bytes


class Round(Reply, frozen=True, tag="round"):
    """A signed round of the oracle; see `event.Priced`. Sent to every session before the pushes it causes."""

    market: int
    round: int
    round_ms: int
    index: int
    mark: int
    funding: int
    signatures: dict[int, bytes]


class Taken(Reply, frozen=True, tag="taken"):
    """The sweep under `nonce` is in force, what it dropped was pushed before; or `code` says why it is not."""

    channel_id: bytes
    nonce: int
    code: str = ""
    message: str = ""


class Failure(Reply, frozen=True, tag="failure"):
    """A message that was refused before it changed anything; `code` is stable."""

    code: str
    message: str


AnyRequest = Hello | Open | Propose | Revoke | Close | Commit | Shown | Sweep
AnyReply = Welcome | Granted | Pushed | Yours | Refused | CloseSigned | CommitSigned | Round | Taken | Failure

_encoder = msgspec.msgpack.Encoder()
_requests: msgspec.msgpack.Decoder[AnyRequest] = msgspec.msgpack.Decoder(AnyRequest)
_replies: msgspec.msgpack.Decoder[AnyReply] = msgspec.msgpack.Decoder(AnyReply)


def encode(message: AnyRequest | AnyReply) -> bytes:
    """`message` as one binary frame."""
    return _encoder.encode(message)


def decode_request(frame: bytes) -> AnyRequest:
    """The request in `frame`, or `InvalidMessage` (`wire.request`)."""
    try:
        return _requests.decode(frame)
    except UNREADABLE as error:
        raise InvalidMessage("wire.request", f"not a request: {error}") from None


def decode_reply(frame: bytes) -> AnyReply:
    """The reply in `frame`, or `InvalidMessage` (`wire.reply`)."""
    try:
        return _replies.decode(frame)
    except UNREADABLE as error:
        raise InvalidMessage("wire.reply", f"not a reply: {error}") from None
