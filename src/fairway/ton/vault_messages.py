"""The vault on the wire: what it starts from, the messages it takes, and what its getters say.

Layouts are those of contracts/schema.tlb. A channel is named here by the hash of its contract's address. Halves,
receipts, rounds and terms come as cells; whoever makes them is not this module's business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytoniq_core import HashMap

from fairway.errors import InvalidMessage
from fairway.ton.address import Address
from fairway.ton.cells import Builder, Cell, Slice, cell_hash, from_boc
from fairway.ton.contracts import ChannelSetup, contract_code
from fairway.ton.merkle import entry_proof, whole_proof
from fairway.ton.messages import state_init

__all__ = [
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
_CONSENT, _SINK = 0x434F4E53, 0x53494E4B

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
class ChannelParts:
    """What all channels of a vault have in common."""

    storage_fee: int
    quarantine_s: int
    settling_s: int
    fine: int

    def setup(self, vault: Address, channel_id: int, key_a: bytes, key_b: bytes) -> ChannelSetup:
        """The one channel of these keys that the vault knows: it computes the same address."""
        return ChannelSetup(
            channel_id=channel_id,
            key_a=key_a,
            key_b=key_b,
            destination_a=str(vault),
            destination_b=str(sink_of(vault)),
            master=str(vault),
            storage_fee=self.storage_fee,
            quarantine_s=self.quarantine_s,
            settling_s=self.settling_s,
            fine=self.fine,
        )

    def to_cell(self) -> Cell:
        """The contract's cell."""
        closing = Builder().store_uint(self.quarantine_s, 32).store_coins(self.fine).store_uint(self.settling_s, 32)
        body = Builder().store_coins(self.storage_fee).store_ref(contract_code("channel"))
        return body.store_ref(closing.end_cell()).end_cell()


@dataclass(frozen=True, slots=True)
class Rules:
    """By what evidence is judged: `threshold` of `oracles` sign a round; a user has `response_ms` to sign a fill.

    The codes are those of the order and position conditions, by hash.
    """

    network: int
    oracles: Sequence[bytes]
    threshold: int
    response_ms: int
    order_code: bytes
    position_code: bytes

    def to_cell(self) -> Cell:
        """The contract's cell."""
        oracles = HashMap(8, value_serializer=lambda key, builder: builder.store_bytes(key))
        for index, key in enumerate(self.oracles):
            oracles.set_int_key(index, key)
        body = Builder().store_int(self.network, 32).store_uint(self.threshold, 8).store_uint(self.response_ms, 64)
        body.store_bytes(self.order_code).store_bytes(self.position_code)
        return body.store_dict(oracles.serialize()).end_cell()


@dataclass(frozen=True, slots=True)
class VaultParts:
    """What a vault starts from; all of it is part of its address."""

    treasury: Address
    service_key: bytes
    channel: ChannelParts
    rules: Rules


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


def vault_init(parts: VaultParts) -> Cell:
    """The state init of an empty vault; its hash is the vault's address."""
    settings = Builder().store_address(parts.treasury.foreign()).store_bytes(parts.service_key)
    settings.store_ref(contract_code("jetton_wallet")).store_ref(parts.channel.to_cell())
    settings.store_ref(parts.rules.to_cell())
    data = Builder()
    for _ in range(6):
        data.store_coins(0)
    data.store_uint(0, 32).store_bit(0).store_bit(0).store_ref(settings.end_cell())
    return state_init(contract_code("vault"), data.end_cell())


def wallet_init(vault: Address, owner: Address) -> Cell:
    """The state init of the wrapped-TON wallet of `owner`."""
    data = Builder().store_coins(0).store_address(owner.foreign()).store_address(vault.foreign())
    return state_init(contract_code("jetton_wallet"), data.end_cell())


def sink_of(vault: Address) -> Address:
    """Where the service's units go: an address no contract can have; the vault keeps its sum as a number."""
    return Address(0, cell_hash(Builder().store_uint(_SINK, 32).store_address(vault.foreign()).end_cell()))


def consent(vault: Address, channel: bytes, wallet: Address) -> Cell:
    """What the user's channel key and the service's key sign (by its hash): this channel pays out to this wallet."""
    body = Builder().store_uint(_CONSENT, 32).store_address(vault.foreign()).store_bytes(channel)
    return body.store_address(wallet.foreign()).end_cell()


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


def _word(op: int, query_id: int) -> Builder:
    return Builder().store_uint(op, 32).store_uint(query_id, 64)


def _bytes(value: bytes) -> Cell:
    return Builder().store_bytes(value).end_cell()


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
