"""The messages the vault takes, and evidence as it reads it. The one door to `vault_parts` and `vault_views` as well.

Layouts are those of contracts/schema.tlb. A channel is named here by the hash of its contract's address. Halves,
receipts, rounds and terms come as cells; whoever makes them is not this module's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytoniq_core import HashMap

from fairway.ton.address import Address
from fairway.ton.cells import Builder, Cell
from fairway.ton.merkle import entry_proof, whole_proof
from fairway.ton.vault_parts import ChannelParts, Rules, VaultParts, consent, sink_of, vault_init, wallet_init
from fairway.ton.vault_views import AccountView, BooksView, LienView, read_account, read_books

__all__ = [
    "EVIDENCE_VALUE",
    "OPEN_VALUE",
    "REOPEN_VALUE",
    "WORD_VALUE",
    "WRAP_VALUE",
    "AccountView",
    "BooksView",
    "ChannelParts",
    "FillEvidence",
    "LienView",
    "Promise",
    "Rules",
    "SignedCell",
    "SignedRound",
    "VaultParts",
    "absolve",
    "consent",
    "lend",
    "open_channel",
    "pay_claims",
    "post_bond",
    "punish_fill",
    "punish_liquidation",
    "read_account",
    "read_books",
    "reopen",
    "repay",
    "return_bond",
    "sink_of",
    "vault_init",
    "wallet_init",
    "wrap",
]

_OPEN, _WRAP, _REOPEN = 0x4F50454E, 0x57524150, 0x52454F50
_POST_BOND, _LEND, _REPAY, _RETURN_BOND, _PAY_CLAIMS = 0x424F4E44, 0x4C454E44, 0x52455059, 0x52455442, 0x50415943
_PUNISH_FILL, _PUNISH_LIQUIDATION, _ABSOLVE = 0x504E464C, 0x504E4C51, 0x4142534F

OPEN_VALUE = 100_000_000
"""Nano to attach to `open_channel`: half is rent for ever, the rest comes back."""
WRAP_VALUE = 250_000_000
"""Nano to attach to `wrap` beside the deposit; what is left comes back."""
REOPEN_VALUE = 250_000_000
"""Nano to attach to `reopen`: it prepays the mints into the new channel."""
WORD_VALUE = 50_000_000
"""Nano to attach to any other message beside the TON it brings; what is left comes back."""
EVIDENCE_VALUE = 150_000_000
"""Nano to attach to `punish_*` and `absolve`; what is left comes back."""


@dataclass(frozen=True, slots=True)
class SignedCell:
    """A cell and the signature of its hash: a half, a receipt."""

    signature: bytes
    cell: Cell

    def to_cell(self) -> Cell:
        """Signature, then reference."""
        return Builder().store_bytes(self.signature).store_ref(self.cell).end_cell()


@dataclass(frozen=True, slots=True)
class SignedRound:
    """An oracle round and signatures of its hash by oracle index."""

    cell: Cell
    signatures: Mapping[int, bytes]

    def to_cell(self) -> Cell:
        """Round, then the dictionary of signatures."""
        signatures = HashMap(8, value_serializer=lambda signature, builder: builder.store_ref(_bytes(signature)))
        for index, signature in self.signatures.items():
            signatures.set_int_key(index, signature)
        return Builder().store_ref(self.cell).store_dict(signatures.serialize()).end_cell()


@dataclass(frozen=True, slots=True)
class Promise:
    """A conditional in a signed half: the half, the root of its conditionals, and the key it stands under."""

    half: SignedCell
    conditionals: Cell
    key: int

    def to_cell(self) -> Cell:
        """Key, half, Merkle proof."""
        body = Builder().store_uint(self.key, 32).store_ref(self.half.to_cell())
        return body.store_ref(entry_proof(self.conditionals, 32, self.key)).end_cell()


@dataclass(frozen=True, slots=True)
class FillEvidence:
    """A fill as three parties signed it: taker's order, service's receipt, maker's order; and what it is worth now.

    `before` and `after` are consecutive rounds around the end of the taker's time to sign.
    """

    maker_channel: bytes
    taker: Promise
    maker: Promise
    receipt: SignedCell
    before: SignedRound
    after: SignedRound

    def to_cell(self) -> Cell:
        """The contract's cell."""
        rounds = Builder().store_ref(self.before.to_cell()).store_ref(self.after.to_cell()).end_cell()
        body = Builder().store_bytes(self.maker_channel).store_ref(self.taker.to_cell()).store_ref(self.maker.to_cell())
        return body.store_ref(self.receipt.to_cell()).store_ref(rounds).end_cell()


def open_channel(  # one field each, in the order of the schema
    key_a: bytes, key_b: bytes, salt: bytes, user_consent: bytes, service_consent: bytes, query_id: int = 0
) -> Cell:
    """Registers the channel of two keys; the sender is the wallet that is paid for ever. `salt` is 32 bytes."""
    body = _word(_OPEN, query_id).store_bytes(key_a).store_bytes(key_b).store_bytes(salt)
    return body.store_ref(_bytes(user_consent)).store_ref(_bytes(service_consent)).end_cell()


def wrap(channel: bytes, nano: int, query_id: int = 0) -> Cell:
    """Wraps `nano` of the attached TON into the channel."""
    return _word(_WRAP, query_id).store_bytes(channel).store_coins(nano).end_cell()


def reopen(old: bytes, following: bytes, payout: int, query_id: int = 0) -> Cell:
    """The next redemption of `old` pays out `payout` and wraps the rest into `following`. Sent by their wallet."""
    body = _word(_REOPEN, query_id).store_bytes(old).store_bytes(following).store_coins(payout)
    return body.end_cell()


def post_bond(nano: int, query_id: int = 0) -> Cell:
    """Adds `nano` of the attached TON to the operator's bond."""
    return _word(_POST_BOND, query_id).store_coins(nano).end_cell()


def lend(nano: int, query_id: int = 0) -> Cell:
    """Lends `nano` of the attached TON to the pool."""
    return _word(_LEND, query_id).store_coins(nano).end_cell()


def repay(wallet: Address, nano: int, query_id: int = 0) -> Cell:
    """Pays free TON to a lender. Sent by the treasury."""
    return _word(_REPAY, query_id).store_address(wallet.foreign()).store_coins(nano).end_cell()


def return_bond(nano: int, query_id: int = 0) -> Cell:
    """Takes back the bond once every channel is closed and paid. Sent by the treasury."""
    return _word(_RETURN_BOND, query_id).store_coins(nano).end_cell()


def pay_claims(query_id: int = 0) -> Cell:
    """Pays gains that wait, as far as free TON reaches. Anyone may send it."""
    return _word(_PAY_CLAIMS, query_id).end_cell()


def punish_fill(channel: bytes, evidence: FillEvidence, query_id: int = 0) -> Cell:
    """Enters a lien for a fill that the taker will not sign. Anyone may send it."""
    return _word(_PUNISH_FILL, query_id).store_bytes(channel).store_ref(evidence.to_cell()).end_cell()


def punish_liquidation(channel: bytes, position: Promise, touched: SignedRound, query_id: int = 0) -> Cell:
    """Enters a lien of a position's margin: the mark `touched` its liquidation price and the user will not sign."""
    evidence = Builder().store_ref(position.to_cell()).store_ref(touched.to_cell()).end_cell()
    return _word(_PUNISH_LIQUIDATION, query_id).store_bytes(channel).store_ref(evidence).end_cell()


def absolve(
    channel: bytes,
    match_id: int,
    user: SignedCell,
    service: SignedCell,
    conditionals: Cell | None = None,
    query_id: int = 0,
) -> Cell:
    """Lifts a lien with a later half of the user that the service's half acknowledges.

    `conditionals` of the user's half are needed only to show that the service itself broke the lien.
    """
    evidence = Builder().store_ref(user.to_cell()).store_ref(service.to_cell())
    evidence.store_maybe_ref(whole_proof(conditionals) if conditionals else None)
    body = _word(_ABSOLVE, query_id).store_bytes(channel).store_uint(match_id, 64)
    return body.store_ref(evidence.end_cell()).end_cell()


def _word(op: int, query_id: int) -> Builder:
    return Builder().store_uint(op, 32).store_uint(query_id, 64)


def _bytes(value: bytes) -> Cell:
    return Builder().store_bytes(value).end_cell()
