"""What the chain shows of a channel and of the vault, read out of getters and messages."""

from __future__ import annotations

from typing import NamedTuple

from fairway.chain.interface import Chain, Message, Transaction
from fairway.channel.state import Body
from fairway.errors import InvalidMessage
from fairway.ton.cells import from_boc
from fairway.ton.vault_messages import SLASH, TWO_HALVES, named_channel

__all__ = [
    "ChannelSight",
    "HomeComing",
    "Quarantine",
    "channel_sight",
    "come_home",
    "judged_channel",
    "punished_match",
    "slashed_channel",
]

AWAITING_FINISH = 4
LIQUIDATION = 1 << 63
"""A lien for a liquidation stands under this and the position's key, one for a fill under its match ID."""
RECEIPT_MATCH = 32 + 128 + 256
"""Where a receipt names the match."""
COME_HOME, EXCESSES = 0x484F4D45, 0xD53276DB
CHANNEL_CLOSED, CHANNEL_WITHDRAW = 0xDDDC88BA, 0xA32F0B3C
PUNISH_FILL, PUNISH_LIQUIDATION, PUNISH_TWO_HALVES, ABSOLVE = 0x504E464C, 0x504E4C51, 0x504E5448, 0x4142534F
JUDGEMENTS = frozenset({PUNISH_FILL, PUNISH_LIQUIDATION, PUNISH_TWO_HALVES, ABSOLVE})
"""The vault's words that set or lift a lien: punish a fill, a liquidation, a half signed twice; absolve."""


class Quarantine(NamedTuple):
    """A state submitted by one side, under the seqnos it stands at now; `started_s` is when, by the chain's clock."""

    seqno_a: int
    seqno_b: int
    by_a: bool
    started_s: int


class ChannelSight(NamedTuple):
    """A channel's contract: the nano put on each side, a quarantine if there is one, whether it waits for its end."""

    deposit_a: int
    deposit_b: int
    quarantine: Quarantine | None
    awaits_finish: bool


class HomeComing(NamedTuple):
    """What is the user's of a channel reached the vault: the channel's address, and the units.

    `charged` of them went for liens. `ends`: it is his whole share; else he withdrew so much, and the channel goes on.
    """

    address: str
    value: int
    charged: int
    ends: bool


async def channel_sight(chain: Chain, address: str) -> ChannelSight | None:
    """The channel at `address` now; None before its contract lives. Errors: those of the chain."""
    if (await chain.get_account(address)).status != "active":
        return None
    state, balances, _keys, _number, _closing, _floors, quarantine, *_ = await chain.run_get(address, "getChannelData")
    match state, balances:
        case int(), (_, _, int() as deposit_a, int() as deposit_b, *_):
            found = _quarantine(quarantine) if isinstance(quarantine, bytes) else None
            return ChannelSight(deposit_a, deposit_b, found, state == AWAITING_FINISH)
    raise InvalidMessage("sight.getter", "the channel's getter is not as specified")


def _quarantine(boc: bytes) -> Quarantine:
    fields = from_boc(boc).begin_parse()
    a, b = Body.load(fields), Body.load(fields)
    started_s = fields.load_uint(32)
    return Quarantine(a.seqno, b.seqno, bool(fields.load_bit()), started_s)


def come_home(transaction: Transaction) -> HomeComing | None:
    """What a transaction of the vault says of a channel that paid its user; None where it is about something else."""
    incoming = transaction.incoming
    if transaction.aborted or incoming is None:
        return None
    fields = from_boc(incoming.body).begin_parse()
    if fields.remaining_bits < 32 or fields.load_uint(32) != COME_HOME:
        return None
    fields.load_uint(64)
    value, owner, to_sink = fields.load_coins(), fields.load_address(), fields.load_bit()
    note = fields.load_ref().begin_parse() if fields.load_bit() else fields
    word = note.load_uint(32) if note.remaining_bits >= 32 else 0
    if to_sink or owner is None or word not in {CHANNEL_CLOSED, CHANNEL_WITHDRAW}:
        return None
    charged = sum(map(_charged, transaction.outgoing))
    return HomeComing(f"{owner.wc}:{owner.hash_part.hex()}", value or 0, charged, word == CHANNEL_CLOSED)


def _charged(message: Message) -> int:
    """What a payout says that liens took from it: coins behind the word and the number of the query."""
    fields = from_boc(message.body).begin_parse()
    if fields.remaining_bits <= 96 or fields.load_uint(32) != EXCESSES:
        return 0
    fields.load_uint(64)
    return fields.load_coins() or 0


def judged_channel(transaction: Transaction) -> bytes | None:
    """The channel (its address's hash) whose liens a transaction of the vault changed; else None."""
    return _named(transaction, JUDGEMENTS)


def slashed_channel(transaction: Transaction) -> bytes | None:
    """The channel (its address's hash) for a lie in which a transaction of the vault made the bond pay; else None."""
    return _named(transaction, frozenset({SLASH}))


def _named(transaction: Transaction, words: frozenset[int]) -> bytes | None:
    incoming = transaction.incoming
    return None if transaction.aborted or incoming is None else named_channel(incoming.body, words)


def punished_match(transaction: Transaction) -> int | None:
    """The match under which a transaction of the vault set a lien; None where it set none."""
    if judged_channel(transaction) is None or transaction.incoming is None:
        return None
    fields = from_boc(transaction.incoming.body).begin_parse()
    word = fields.load_uint(32)
    if word == ABSOLVE:
        return None
    if word == PUNISH_TWO_HALVES:
        return TWO_HALVES
    evidence = fields.load_ref().begin_parse()
    shown = evidence.load_ref().begin_parse()
    if word == PUNISH_LIQUIDATION:
        return LIQUIDATION | int(shown.load_uint(32))
    evidence.load_ref()
    receipt = evidence.load_ref().begin_parse().load_ref().begin_parse()
    receipt.skip_bits(RECEIPT_MATCH)
    return int(receipt.load_uint(64))
