"""The messages the vault takes. The one door to `vault_evidence`, `vault_parts` and `vault_views` as well.

Layouts are those of contracts/schema.tlb. A channel is named here by the hash of its contract's address.
"""

from __future__ import annotations

from fairway.ton.address import Address
from fairway.ton.cells import Builder, Cell
from fairway.ton.merkle import entry_proof, whole_proof
from fairway.ton.vault_evidence import (
    Acknowledgement,
    FillEvidence,
    Promise,
    SignedCell,
    SignedRound,
    bytes_cell,
    late_receipt,
    two_halves,
)
from fairway.ton.vault_parts import ChannelParts, Rules, VaultParts, consent, sink_of, vault_init, wallet_init
from fairway.ton.vault_views import (
    AccountView,
    BooksView,
    LienView,
    LossesView,
    NoticeView,
    PoolView,
    named_channel,
    read_account,
    read_books,
    read_losses,
    read_pool,
    tells_wallet,
)

__all__ = [
    "EVIDENCE_VALUE",
    "OPEN_VALUE",
    "PUNISH_FILL",
    "REOPEN_VALUE",
    "SHOW_LOSS",
    "SLASH",
    "TWO_HALVES",
    "WORD_VALUE",
    "WRAP",
    "WRAP_VALUE",
    "AccountView",
    "Acknowledgement",
    "BooksView",
    "ChannelParts",
    "FillEvidence",
    "LienView",
    "LossesView",
    "NoticeView",
    "PoolView",
    "Promise",
    "Rules",
    "SignedCell",
    "SignedRound",
    "VaultParts",
    "absolve",
    "answer_loss",
    "consent",
    "lend",
    "named_channel",
    "open_channel",
    "pay_claims",
    "pool_value",
    "post_bond",
    "post_value",
    "punish_fill",
    "punish_liquidation",
    "punish_two_halves",
    "read_account",
    "read_books",
    "read_losses",
    "read_pool",
    "reopen",
    "repay",
    "return_bond",
    "show_loss",
    "sink_of",
    "slash_late_receipt",
    "slash_two_halves",
    "take_loss",
    "tells_wallet",
    "vault_init",
    "wallet_init",
    "withdraw",
    "wrap",
]

_OPEN, WRAP, _REOPEN = 0x4F50454E, 0x57524150, 0x52454F50
_POST_BOND, _LEND, _REPAY, _RETURN_BOND, _PAY_CLAIMS = 0x424F4E44, 0x4C454E44, 0x52455059, 0x52455442, 0x50415943
_WITHDRAW, _POST_VALUE, _POOL_VALUE = 0x57544844, 0x504F5354, 0x504F4F4C
PUNISH_FILL, _PUNISH_LIQUIDATION, _PUNISH_TWO_HALVES, _ABSOLVE = 0x504E464C, 0x504E4C51, 0x504E5448, 0x4142534F
_ANSWER_LOSS, _TAKE_LOSS = 0x414E5357, 0x54414B45
SHOW_LOSS, SLASH = 0x4C4F5353, 0x534C5348
"""The words by which others learn that a loss is announced, and that the bond has paid for a lie."""

OPEN_VALUE = 100_000_000
"""Nano to attach to `open_channel`: half is rent for ever, the rest comes back."""
WRAP_VALUE = 250_000_000
"""Nano to attach to `wrap` beside the deposit; what is left comes back."""
REOPEN_VALUE = 250_000_000
"""Nano to attach to `reopen`: it prepays the mints into the new channel."""
WORD_VALUE = 50_000_000
"""Nano to attach to any other message beside the TON it brings; what is left comes back."""
EVIDENCE_VALUE = 150_000_000
"""Nano to attach to evidence: `punish_*`, `absolve`, `slash_*`, `*_loss`; what is left comes back."""
TWO_HALVES = 3 << 62
"""Under this, and no match, stands the lien of a user who signed two halves under one seqno."""


def open_channel(  # one field each, in the order of the schema
    key_a: bytes, key_b: bytes, salt: bytes, user_consent: bytes, service_consent: bytes, query_id: int = 0
) -> Cell:
    """Registers the channel of two keys; the sender is the wallet that is paid for ever. `salt` is 32 bytes."""
    body = _word(_OPEN, query_id).store_bytes(key_a).store_bytes(key_b).store_bytes(salt)
    return body.store_ref(bytes_cell(user_consent)).store_ref(bytes_cell(service_consent)).end_cell()


def wrap(channel: bytes, nano: int, query_id: int = 0) -> Cell:
    """Wraps `nano` of the attached TON into the channel."""
    return _word(WRAP, query_id).store_bytes(channel).store_coins(nano).end_cell()


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


def withdraw(shares: int, query_id: int = 0) -> Cell:
    """Burns the sender's shares of the pool for what they were last posted to be worth."""
    return _word(_WITHDRAW, query_id).store_coins(shares).end_cell()


def pool_value(vault: Address, epoch: int, value: int, record: bytes) -> Cell:
    """What the service's key signs, by its hash: the pool's value, and the hash of what it was computed from."""
    body = Builder().store_uint(_POOL_VALUE, 32).store_address(vault.foreign()).store_uint(epoch, 32)
    return body.store_coins(value).store_bytes(record).end_cell()


def post_value(posted: SignedCell, query_id: int = 0) -> Cell:
    """Brings a `pool_value` that the service has signed. Anyone may send it."""
    return _word(_POST_VALUE, query_id).store_ref(posted.cell).store_ref(bytes_cell(posted.signature)).end_cell()


def repay(wallet: Address, nano: int, query_id: int = 0) -> Cell:
    """Pays the operator's fees: free TON beyond the bond and the lenders' shares. Sent by the treasury."""
    return _word(_REPAY, query_id).store_address(wallet.foreign()).store_coins(nano).end_cell()


def return_bond(nano: int, query_id: int = 0) -> Cell:
    """Takes back the bond once every channel is closed and paid. Sent by the treasury."""
    return _word(_RETURN_BOND, query_id).store_coins(nano).end_cell()


def pay_claims(query_id: int = 0) -> Cell:
    """Pays gains that wait, as far as free TON reaches. Anyone may send it."""
    return _word(_PAY_CLAIMS, query_id).end_cell()


def punish_fill(channel: bytes, evidence: FillEvidence, query_id: int = 0) -> Cell:
    """Enters a lien for a fill that the taker will not sign. Anyone may send it."""
    return _word(PUNISH_FILL, query_id).store_bytes(channel).store_ref(evidence.to_cell()).end_cell()


def punish_liquidation(channel: bytes, position: Promise, touched: SignedRound, query_id: int = 0) -> Cell:
    """Enters a lien of a position's margin: the mark `touched` its liquidation price and the user will not sign."""
    evidence = Builder().store_ref(position.to_cell()).store_ref(touched.to_cell()).end_cell()
    return _word(_PUNISH_LIQUIDATION, query_id).store_bytes(channel).store_ref(evidence).end_cell()


def absolve(channel: bytes, match_id: int, shown: Acknowledgement, query_id: int = 0) -> Cell:
    """Lifts a lien: the service acknowledged a later half in which the user has signed the fill, or owes it no more."""
    body = _word(_ABSOLVE, query_id).store_bytes(channel).store_uint(match_id, 64)
    return body.store_ref(shown.to_cell()).end_cell()


def punish_two_halves(channel: bytes, first: SignedCell, second: SignedCell, query_id: int = 0) -> Cell:
    """Enters a lien of the fine: the user signed two halves under one seqno."""
    body = _word(_PUNISH_TWO_HALVES, query_id).store_bytes(channel)
    return body.store_ref(two_halves(first, second)).end_cell()


def slash_two_halves(channel: bytes, first: SignedCell, second: SignedCell, query_id: int = 0) -> Cell:
    """Has the bond pay: the service signed two halves under one seqno. Anyone may send it."""
    return _word(SLASH, query_id).store_bytes(channel).store_ref(two_halves(first, second)).end_cell()


def slash_late_receipt(
    channel: bytes, placed: Acknowledgement, dropped: Acknowledgement, receipt: SignedCell, query_id: int = 0
) -> Cell:
    """Has the bond pay: the service acknowledged an order and its cancel, and filled it in a later half."""
    lie = late_receipt(placed, dropped, receipt)
    return _word(SLASH, query_id).store_bytes(channel).store_ref(lie).end_cell()


def show_loss(
    channel: bytes, user: SignedCell, service: SignedCell, conditionals: Cell | None = None, query_id: int = 0
) -> Cell:
    """Announces the loss of a pair: `user` cites `service`, whose `conditionals` hold at most the settlement chain."""
    evidence = Builder().store_ref(user.to_cell()).store_ref(service.to_cell())
    evidence.store_maybe_ref(whole_proof(conditionals) if conditionals else None)
    return _word(SHOW_LOSS, query_id).store_bytes(channel).store_ref(evidence.end_cell()).end_cell()


def answer_loss(
    channel: bytes, service: SignedCell, conditionals: Cell | None = None, key: int | None = None, query_id: int = 0
) -> Cell:
    """Answers with a later half of the service: it sent more since, or its `conditionals` promise something.

    Where the first of them, under `key`, is an order, it alone is shown.
    """
    evidence, proof = Builder().store_ref(service.to_cell()), None
    if conditionals is not None:
        proof = whole_proof(conditionals) if key is None else entry_proof(conditionals, 32, key)
    evidence.store_maybe_ref(proof)
    return _word(_ANSWER_LOSS, query_id).store_bytes(channel).store_ref(evidence.end_cell()).end_cell()


def take_loss(channel: bytes, query_id: int = 0) -> Cell:
    """Moves an announced loss that nobody answered in time. Anyone may send it."""
    return _word(_TAKE_LOSS, query_id).store_bytes(channel).end_cell()


def _word(op: int, query_id: int) -> Builder:
    return Builder().store_uint(op, 32).store_uint(query_id, 64)
