"""What a user leaves with a watchtower, and the receipt he gets: no secret is in either. Pure.

A deposit is his newest pair in which his half cites the service's (whoever shows it may challenge), what that half of
the service promises, and what is needed to claim it. He signs the whole with his channel key, so that nobody else can
replace it; the tower checks everything before it says yes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import msgspec

from fairway.channel import codec
from fairway.channel.conditional import Conditional
from fairway.channel.conditionals import Conditionals
from fairway.channel.state import SignedHalf
from fairway.client.answer import Holding
from fairway.crypto import keys
from fairway.errors import UNREADABLE, InvalidMessage, Rejected
from fairway.exchange import wire
from fairway.exchange.codes import condition_codes
from fairway.exchange.site import channel_setup
from fairway.exchange.terms import OrderTerms, Receipt
from fairway.ton.address import Address
from fairway.ton.cells import cell_hash, from_boc, to_boc
from fairway.ton.messages import address_of

__all__ = [
    "RECEIPTS",
    "Charge",
    "Deposit",
    "Handed",
    "Rounds",
    "Wanted",
    "Watched",
    "charge_of",
    "deposit_of",
    "handed_digest",
    "seal",
]

PROMISES = 512
NEWER = 256
RECEIPTS = 256
SIGNATURE_SIZE = 64


class Promise(msgspec.Struct, frozen=True, array_like=True):
    """One conditional of the service's half: its terms as a bag of cells, and the hash of the code it jumps to."""

    key: int
    terms: bytes
    code_hash: bytes


class Deposit(msgspec.Struct, frozen=True, array_like=True):
    """One channel's state as its user leaves it. `a` and `b` are signed halves as bags of cells.

    `newer` are digests of what the service signed after `b`, up to seqno `seen`; `receipts` are of fills after `b`, and
    `placed` the orders that `a` adds to what `b` has promised.
    """

    welcome: wire.Welcome
    opened: wire.Open
    a: bytes
    b: bytes
    promised: list[Promise]
    newer: list[bytes]
    seen: int
    receipts: list[tuple[Receipt, bytes]] = []
    placed: list[OrderTerms] = []


class Handed(msgspec.Struct, frozen=True, array_like=True):
    """An encoded `Deposit` under the user's channel key."""

    payload: bytes
    signature: bytes


class Rounds(msgspec.Struct, frozen=True, array_like=True):
    """Rounds of the oracle of the venue where `channel_id` is; anybody may bring them."""

    channel_id: bytes
    rounds: list[wire.Round]


class Wanted(msgspec.Struct, frozen=True, array_like=True):
    """The owner of a channel asks for what a tower holds of it, at second `at_s` of the chain's clock."""

    channel_id: bytes
    at_s: int
    signature: bytes = b""

    def digest(self) -> bytes:
        """What the channel key signs."""
        return sha256(b"fairway watchtower held" + self.channel_id + self.at_s.to_bytes(8)).digest()


class Watched(msgspec.Struct, frozen=True, array_like=True):
    """The tower's receipt: from `at_s` on it stands for the channel with at least this pair, and knows up to `seen`."""

    key: bytes
    channel_id: bytes
    seqno_a: int
    seqno_b: int
    seen: int
    at_s: int
    signature: bytes = b""

    def digest(self) -> bytes:
        """What the tower signs."""
        numbers = b"".join(each.to_bytes(8) for each in (self.seqno_a, self.seqno_b, self.seen, self.at_s))
        return sha256(b"fairway watchtower receipt" + self.key + self.channel_id + numbers).digest()

    def verify(self, key: bytes) -> None:
        """The tower that owns `key` signed this; else `InvalidMessage`."""
        if self.key != key:
            raise InvalidMessage("tower.key", "the receipt is another tower's")
        keys.verify(key, self.digest(), self.signature)


@dataclass(frozen=True, slots=True)
class Charge:
    """A deposit that was found to be true: where the channel stands on chain, and what to answer with."""

    deposit: Deposit
    channel_id: bytes
    address: str
    holding: Holding

    @property
    def placed(self) -> dict[bytes, OrderTerms]:
        """The orders that the user's half adds, by their digest."""
        return {terms.digest(): terms for terms in self.deposit.placed}

    @property
    def version(self) -> tuple[int, int, int]:
        """Seqnos of both halves, and of the newest half of the service that the user knew."""
        return self.holding.a.half.seqno, self.holding.b.half.seqno, self.deposit.seen


_encoder = msgspec.msgpack.Encoder()
_deposits = msgspec.msgpack.Decoder(Deposit)


def handed_digest(payload: bytes) -> bytes:
    """What the user signs over an encoded deposit."""
    return sha256(b"fairway watchtower deposit" + payload).digest()


def deposit_of(
    welcome: wire.Welcome,
    opened: wire.Open,
    held: Holding,
    newer: Sequence[bytes],
    seen: int,
    receipts: Sequence[tuple[Receipt, bytes]],
    placed: Sequence[OrderTerms],
) -> Deposit:
    """What the user leaves of `held`."""
    promised = [Promise(key, to_boc(each.terms), each.code_hash) for key, each in held.promised.items()]
    a, b = to_boc(held.a.to_cell()), to_boc(held.b.to_cell())
    return Deposit(welcome, opened, a, b, promised, list(newer), seen, list(receipts), list(placed))


def seal(deposit: Deposit, signer: keys.Signer) -> Handed:
    """`deposit` under the channel key."""
    payload = _encoder.encode(deposit)
    return Handed(payload, signer.sign(handed_digest(payload)))


def charge_of(handed: Handed) -> Charge:
    """The deposit in `handed`, checked.

    Errors: `InvalidMessage`: a signature of `signature.*`, a key of `key.*`, `channel.id`, or `tower.deposit`;
    `Rejected` `tower.uncosigned` (the user's half does not cite that half of the service), `tower.code` (a condition
    that the venue's rules do not have).
    """
    try:
        deposit = _deposits.decode(handed.payload)
        return _checked(deposit, handed)
    except (OverflowError, *UNREADABLE) as error:
        raise InvalidMessage("tower.deposit", f"not a deposit: {error}") from None


def _checked(deposit: Deposit, handed: Handed) -> Charge:
    welcome, opened = deposit.welcome, deposit.opened
    for key in (opened.key_a, welcome.key_b):
        keys.check_public_key(key)
    number = codec.channel_id(welcome.network, Address.parse(welcome.vault), opened.key_a, welcome.key_b, opened.salt)
    if number.to_bytes(16) != opened.channel_id:
        raise InvalidMessage("channel.id", "the channel's ID does not name its keys, network and vault")
    keys.verify(opened.key_a, handed_digest(handed.payload), handed.signature)
    if (
        len(deposit.promised) > PROMISES
        or len(deposit.newer) > NEWER
        or len(deposit.receipts) > RECEIPTS
        or (len(deposit.placed) > PROMISES)
    ):
        raise InvalidMessage("tower.deposit", "a deposit holds more than a channel can")
    held = _holding(deposit, number)
    for receipt, signature in deposit.receipts:
        keys.verify(welcome.key_b, receipt.digest(), signature)
    setup = channel_setup(welcome, opened.channel_id, opened.key_a, welcome.key_b)
    return Charge(deposit, opened.channel_id, address_of(setup.init), held)


def _holding(deposit: Deposit, number: int) -> Holding:
    a, b = (SignedHalf.from_cell(from_boc(each)) for each in (deposit.a, deposit.b))
    if {a.half.channel_id, b.half.channel_id} != {number}:
        raise InvalidMessage("channel.id", "a half belongs to another channel")
    a.verify(deposit.opened.key_a)
    b.verify(deposit.welcome.key_b)
    if a.half.counterparty != b.half.body:
        raise Rejected("tower.uncosigned", "the user's half does not cite this half of the service")
    promised = _conditionals(deposit)
    if promised.root_hash() != b.half.body.conditionals_hash:
        raise InvalidMessage("tower.deposit", "the promises are not those of the half")
    return Holding(a, b, promised, frozenset(deposit.newer))


def _conditionals(deposit: Deposit) -> Conditionals:
    welcome = deposit.welcome
    known = condition_codes(welcome.network, welcome.oracle_threshold, welcome.patience_ms, welcome.oracle_keys)
    codes = {cell_hash(code): code for code in known}
    if not {each.code_hash for each in deposit.promised} <= codes.keys():
        raise Rejected("tower.code", "a condition runs code that the venue's rules do not have")
    return Conditionals(
        (each.key, Conditional(from_boc(each.terms), codes[each.code_hash], 0)) for each in deposit.promised
    )
