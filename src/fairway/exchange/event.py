"""What happens to the venue: the entries of the journal, in the past tense.

A `channel_id` is its 16 bytes, big-endian (MessagePack integers end at 64 bits); an address is `workchain:hex`.
An event carries everything `Engine.apply` needs, time included (`at_ms`), so that replaying the journal rebuilds the
same state. Encoded as MessagePack arrays, tagged by name; a field is only ever added at the end, with a default.
"""

from __future__ import annotations

import msgspec

from fairway.exchange.listing import Listing
from fairway.exchange.mandate import MandateTerms
from fairway.exchange.terms import MarginMove, OrderTerms

__all__ = [
    "NO_CHANNEL",
    "Assessed",
    "BondPosted",
    "CloseProposed",
    "Closed",
    "CommitProposed",
    "CountdownSigned",
    "Disputed",
    "EpochProved",
    "Event",
    "Founded",
    "Funded",
    "Left",
    "Lent",
    "Mandated",
    "Opened",
    "Outrun",
    "PaidOut",
    "Priced",
    "Proposed",
    "Proved",
    "RateSet",
    "Revoked",
    "Slashed",
    "SweepSigned",
    "Switched",
    "Withdrawn",
    "decode",
    "encode",
]


NO_CHANNEL = b""
"""Names a channel that the journal does not know."""


class Event(msgspec.Struct, frozen=True, array_like=True, tag=True, kw_only=True):
    """One thing that happened, at `at_ms` of the service's clock (milliseconds since 1970)."""

    at_ms: int


class Founded(Event, frozen=True, tag="founded"):
    """The venue's birth; always entry 0.

    `secret` seeds every blinding of the pool: the journal is confidential.
    Every channel's contract has this `fine`, `storage_fee`, `quarantine_s` and `settling_s`.
    A taker who has not signed his fill after `patience_ms` is punished by the vault until he does. A market whose
    newest round is older than `stale_ms` reduces only (0: never). `operator_key` signs the switches (empty: nobody).
    """

    network: int
    vault: str
    oracle_keys: list[bytes]
    oracle_threshold: int
    listings: list[Listing]
    ratio: int
    fine: int
    storage_fee: int
    quarantine_s: int
    settling_s: int
    patience_ms: int
    pool_seed: int
    insurance_seed: int
    secret: bytes
    stale_ms: int = 0
    operator_key: bytes = b""


class Opened(Event, frozen=True, tag="opened"):
    """A user asked for a channel and signed his half number 1 (nothing sent, no conditionals)."""

    channel_id: bytes
    key_a: bytes
    key_b: bytes
    salt: bytes
    payout: str
    signature: bytes


class Funded(Event, frozen=True, tag="funded"):
    """The chain shows the channel initialised with `deposit_a` and `deposit_b` nano of wrapped TON."""

    channel_id: bytes
    deposit_a: int
    deposit_b: int
    transaction: bytes


class Proposed(Event, frozen=True, tag="proposed"):
    """A user signed his half number `seqno`, citing half `cites` of the service.

    `orders` and `mandates` are added under their own keys, `drops` taken out, positions have the margins of `moves`;
    with none of them it is a bare countersignature.
    """

    channel_id: bytes
    seqno: int
    sent: int
    conditionals_hash: bytes
    cites: int
    signature: bytes
    orders: list[OrderTerms]
    drops: list[int]
    moves: list[MarginMove] = []
    mandates: list[MandateTerms] = []


class Mandated(Event, frozen=True, tag="mandated"):
    """The holder of a sub-key signed `order` under the mandate that its owner has under the key `mandate`.

    With `instead_of` it comes in the stead of that order of the mandate, whose cancel he signed as `cancel`.
    """

    channel_id: bytes
    mandate: int
    order: OrderTerms
    signature: bytes
    instead_of: int = 0
    cancel: bytes = b""


class Withdrawn(Event, frozen=True, tag="withdrawn"):
    """The holder of a sub-key signed that the orders `keys` of the mandate go; of none: all that are live."""

    channel_id: bytes
    mandate: int
    keys: list[int]
    signature: bytes


class CountdownSigned(Event, frozen=True, tag="countdown_signed"):
    """The holder of a sub-key signed that all orders of the mandate go `after_ms` from now, unless he signs again.

    2⁶³ − 1 takes the countdown back. Each `nonce` of a mandate is above the one before.
    """

    channel_id: bytes
    mandate: int
    nonce: int
    after_ms: int
    signature: bytes


class Revoked(Event, frozen=True, tag="revoked"):
    """The owner signed that a mandate is over, and its orders go."""

    channel_id: bytes
    mandate: int
    signature: bytes


class Priced(Event, frozen=True, tag="priced"):
    """A round of the oracle: `signatures` maps the signer's place in `oracle_keys` to his signature of the round."""

    market: int
    round: int
    round_ms: int
    index: int
    mark: int
    funding: int
    signatures: dict[int, bytes]


class CloseProposed(Event, frozen=True, tag="close_proposed"):
    """A user signed a cooperative close at the newest agreed state.

    With `reopen_id` he takes out `withdraw` nano and the rest is wrapped into that new channel, opened before.
    """

    channel_id: bytes
    seqno_a: int
    seqno_b: int
    sent_a: int
    sent_b: int
    signature: bytes
    reopen_id: bytes | None = None
    withdraw: int = 0


class CommitProposed(Event, frozen=True, tag="commit_proposed"):
    """A user signed that `withdraw_a` nano (a total) be paid out to him while the channel goes on.

    It stands on his newest accepted half and the half of the service that it cites.
    """

    channel_id: bytes
    seqno_a: int
    seqno_b: int
    sent_a: int
    sent_b: int
    withdraw_a: int
    signature: bytes


class PaidOut(Event, frozen=True, tag="paid_out"):
    """The chain shows that a commit paid: `value_a` came home for the user, of which the vault owed him `paid` TON."""

    channel_id: bytes
    value_a: int
    paid: int
    transaction: bytes


class Disputed(Event, frozen=True, tag="disputed"):
    """The chain shows an uncooperative close, begun by side A (`by_a`) at `started_ms` of the chain's clock.

    It stands at halves of these seqnos.
    """

    channel_id: bytes
    by_a: bool
    seqno_a: int
    seqno_b: int
    started_ms: int
    transaction: bytes


class Outrun(Event, frozen=True, tag="outrun"):
    """A user showed a half of the service, newer than any it knows and under its own signature: it lost something.

    `half` is the signed half as a bag of cells.
    """

    channel_id: bytes
    half: bytes


class RateSet(Event, frozen=True, tag="rate_set"):
    """The vault punished (`owed` nano by `match_id`) or absolved (`owed` = 0) a channel ID."""

    channel_id: bytes
    match_id: int
    owed: int
    transaction: bytes


class Closed(Event, frozen=True, tag="closed"):
    """The chain shows the channel closed: `value_a` came home for the user, of which the vault paid `paid` TON."""

    channel_id: bytes
    value_a: int
    value_b: int
    paid: int
    transaction: bytes


class SweepSigned(Event, frozen=True, tag="sweep_signed"):
    """A user signed that his orders in `market` (0: in all) go, `after_ms` from now unless he signs another first.

    2⁶³ − 1 takes a countdown back. Outside his halves: `nonce` is used once, in any order.
    """

    channel_id: bytes
    nonce: int
    market: int
    after_ms: int
    signature: bytes


class BondPosted(Event, frozen=True, tag="bond_posted"):
    """The operator put `amount` nano of his own TON into the vault's bond."""

    amount: int
    transaction: bytes


class Switched(Event, frozen=True, tag="switched"):
    """The operator set the mode of `market`, or with None of the whole venue; `number` counts up, `reason` is his."""

    market: int | None
    mode: int
    number: int
    reason: str
    signature: bytes


class Slashed(Event, frozen=True, tag="slashed"):
    """The vault took a stake of the bond: in this channel the service was proven to have signed two things for one.

    `NO_CHANNEL` where the journal knows none of that name: it was opened before something of the journal was lost.
    """

    channel_id: bytes
    transaction: bytes


class Lent(Event, frozen=True, tag="lent"):
    """The chain shows that `wallet` lent the pool `amount` nano."""

    wallet: str
    amount: int
    transaction: bytes


class Left(Event, frozen=True, tag="left"):
    """The chain shows that `wallet` gave the vault `shares` of its `held` shares back, which owes it `paid` nano."""

    wallet: str
    shares: int
    held: int
    paid: int
    transaction: bytes


class Assessed(Event, frozen=True, tag="assessed"):
    """An epoch is to end here: every open fill is published, and the pool's net worth shown to be at least zero."""


class Proved(Event, frozen=True, tag="proved"):
    """A prover finished the R1CS proof of record `txid`; it was verified before it was journaled."""

    txid: bytes
    proof: bytes


class EpochProved(Event, frozen=True, tag="epoch_proved"):
    """Records up to number `last` (from 0, exclusive) had their ranges proven together."""

    first: int
    last: int
    proof: bytes


AnyEvent = (
    Founded
    | Opened
    | Funded
    | Proposed
    | Mandated
    | Withdrawn
    | CountdownSigned
    | Revoked
    | Priced
    | CloseProposed
    | CommitProposed
    | PaidOut
    | Disputed
    | Outrun
    | RateSet
    | Closed
    | BondPosted
    | Switched
    | Slashed
    | Lent
    | Left
    | Assessed
    | Proved
    | EpochProved
    | SweepSigned
)

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[AnyEvent] = msgspec.msgpack.Decoder(AnyEvent)


def encode(event: AnyEvent) -> bytes:
    """`event` as the bytes the journal keeps."""
    return _encoder.encode(event)


def decode(payload: bytes) -> AnyEvent:
    """The event in `payload`; raises `msgspec.DecodeError` on anything else (the journal names the entry).

    `Rejected` for a founding whose listings contradict themselves.
    """
    try:
        return _decoder.decode(payload)
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from None
