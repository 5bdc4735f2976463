"""Pairs of halves, values and lies, signed as a test wants them, and the messages that show them to the vault."""

from __future__ import annotations

from vault_case import KEY, acknowledged, holding, order, receipt
from vault_stage import SERVICE, Party, Stage, address

from fairway.channel.conditionals import Conditionals
from fairway.channel.state import Body, Half
from fairway.crypto.keys import Signer
from fairway.exchange.conditions import chain_conditional, market_conditional
from fairway.exchange.terms import MarketTerms
from fairway.ton.cells import Cell, cell_hash, to_cell
from fairway.ton.vault_messages import (
    EVIDENCE_VALUE,
    SignedCell,
    answer_loss,
    pool_value,
    post_value,
    show_loss,
    slash_late_receipt,
    slash_two_halves,
    take_loss,
)
from fairway.units import TON

QUARANTINE_S = 3600
CHAIN_KEY = 0xFFFFFFFF
STAKE = 4 * (TON // 2)


def flat(code: Cell) -> Conditionals:
    """What the service's half holds where nothing is open: its markets with nothing in them, and the chain."""
    market = MarketTerms(bytes(16), 3, False, True, 0, 1000, 0, 0, 0, 10, 0, 0, 50_000, 7)
    chain = chain_conditional(b"\7" * 32, TON, bytes(32), code)
    return Conditionals([(1 << 31 | 3, market_conditional(market, code)[1]), (CHAIN_KEY, chain)])


def half_of(key: Signer, half: Half) -> SignedCell:
    return SignedCell(key.sign(half.digest()), half.to_cell())


def service_body(seqno: int, sent: int, conditionals: Conditionals | None = None) -> Body:
    return Body(seqno, sent, (conditionals or Conditionals()).root_hash())


def promise_of(party: Party, seqno: int, sent: int, conditionals: Conditionals | None = None) -> SignedCell:
    """A half of the service."""
    return half_of(party.key_b, Half(party.channel_id, service_body(seqno, sent, conditionals)))


def shown(
    party: Party, sent_a: int, sent_b: int, seqno: int, conditionals: Conditionals | None = None, **forged: object
) -> Cell:
    """The pair in which the user sent `sent_a` and cites the service's half `seqno`."""
    channel_id = forged.get("channel_id", party.channel_id)
    body = service_body(seqno, sent_b, conditionals)
    user = half_of(
        forged.get("key", party.key), Half(channel_id, Body(seqno, sent_a, bytes(32)), forged.get("cites", body))
    )
    service = half_of(forged.get("key_b", party.key_b), Half(channel_id, body))
    root = forged.get("root", conditionals.root_cell() if conditionals else None)
    return show_loss(party.channel, user, service, root)


def show(stage: Stage, party: Party, sent_a: int, sent_b: int, seqno: int, *others: object, **forged: object):
    return stage.word(address("anyone"), shown(party, sent_a, sent_b, seqno, *others, **forged), EVIDENCE_VALUE)


def answer(stage: Stage, party: Party, sent_b: int, seqno: int, conditionals: Conditionals | None = None):
    root = conditionals.root_cell() if conditionals else None
    body = answer_loss(party.channel, promise_of(party, seqno, sent_b, conditionals), root)
    return stage.word(address("anyone"), body, EVIDENCE_VALUE)


def take(stage: Stage, party: Party):
    return stage.word(address("anyone"), take_loss(party.channel), EVIDENCE_VALUE)


def post(stage: Stage, epoch: int, value: int, signer: Signer = SERVICE, **forged: object):
    cell = pool_value(forged.get("vault", stage.vault), epoch, value, bytes(32))
    return stage.word(address("anyone"), post_value(SignedCell(signer.sign(cell_hash(cell)), cell)))


def two_halves(party: Party, seqno: int, **forged: object):
    """Two halves of the service under one seqno."""
    key = forged.get("key", party.key_b)
    first = half_of(key, Half(party.channel_id, Body(seqno, 1, bytes(32))))
    second = half_of(
        key, Half(forged.get("channel_id", party.channel_id), Body(forged.get("other", seqno), 2, bytes(32)))
    )
    return first, forged.get("second", second)


def slash(stage: Stage, party: Party, seqno: int, **forged: object):
    body = slash_two_halves(party.channel, *two_halves(party, seqno, **forged))
    return stage.word(address("anyone"), body, EVIDENCE_VALUE)


def late_receipt(stage: Stage, party: Party, **forged: object):
    """An order in the user's half 10, gone in his half 11, as the service's half 13 acknowledged; filled in half 14."""
    placed = order(party, buy=True)
    before = forged.get("before", holding(KEY, placed, forged.get("code")))
    after = forged.get("after", holding(KEY + 1, placed))
    paid = receipt(forged.get("filled", placed), placed, b_seqno=forged.get("b_seqno", 14))
    digest = paid.digest()
    body = slash_late_receipt(
        party.channel,
        forged.get("placed", acknowledged(party, forged.get("placed_seqno", 10), 12, before)),
        acknowledged(party, 11, 13, after),
        SignedCell(forged.get("signer", party.key_b).sign(digest), to_cell(paid.cell())),
    )
    return stage.word(address("anyone"), body, EVIDENCE_VALUE)
