"""A channel in a jetton trusts the one wallet its master has named, and nothing that merely says it is one."""

from __future__ import annotations

import pytest
from channel_stage import (
    CHANNEL,
    QUARANTINE_S,
    SETTLING_S,
    TON,
    WALLET_A,
    WALLET_B,
    Stage,
    body,
    both,
    half_a,
    half_b,
    signed,
)
from evidence import inputs, proof
from test_channel_contract_settle import plain

from fairway.chain.interface import Message, Transaction
from fairway.channel.codec import Close, Closed, Commit, Init, Settle, TopUp, decode, encode
from fairway.channel.conditionals import Conditionals
from fairway.ton.address import Address
from fairway.ton.cells import Builder, Cell, from_boc

MASTER, UNITS, SOMEONE = "0:" + "dd" * 32, "0:" + "ee" * 32, "0:" + "99" * 32
TRANSFER, PROVIDE, TAKE, NOTIFY, EXCESSES = 0x0F8A7EA5, 0x2C76B973, 0xD1735400, 0x7362D09C, 0xD53276DB


def op(message: Message) -> int:
    return from_boc(message.body).begin_parse().load_uint(32)


def transfer(message: Message) -> tuple[int, str]:
    """Amount and destination of a jetton transfer."""
    fields = from_boc(message.body).begin_parse()
    assert fields.load_uint(32) == TRANSFER
    fields.load_uint(64)
    amount = fields.load_coins()
    destination = fields.load_address()
    return amount, f"{destination.wc}:{destination.hash_part.hex()}"


def note(message: Message) -> Cell:
    """What a jetton transfer carries for its receiver, where that stands in a cell of its own."""
    (payload,) = from_boc(message.body).refs
    return payload


def take(wallet: str) -> Cell:
    return (
        Builder()
        .store_uint(TAKE, 32)
        .store_uint(0, 64)
        .store_address(Address.parse(wallet).foreign())
        .store_bit(0)
        .end_cell()
    )


def notify(nano: int, payload: Cell) -> Cell:
    head = Builder().store_uint(NOTIFY, 32).store_uint(0, 64).store_coins(nano)
    return head.store_address(Address.parse(SOMEONE).foreign()).store_bit(0).store_cell(payload).end_cell()


def says(stage: Stage, sender: str, body: Cell, nano: int = TON // 10) -> Transaction:
    return stage.router.inject(sender, stage.address, nano, body)[0]


def ready() -> Stage:
    made = Stage(currency=MASTER).inited()
    assert says(made, MASTER, take(UNITS)).exit_code == 0
    return made


@pytest.fixture
def stage() -> Stage:
    return ready()


def test_init_asks_the_master_for_the_wallet():
    asked = Stage(currency=MASTER).tell(signed(Init(CHANNEL), by_a=True))
    assert next((message.destination, op(message)) for message in asked.outgoing) == (MASTER, PROVIDE)


def test_only_the_master_names_the_wallet_and_only_once(stage: Stage):
    fresh = Stage(currency=MASTER).inited()
    assert says(fresh, SOMEONE, take(SOMEONE)).exit_code == 101
    assert says(stage, MASTER, take(SOMEONE)).exit_code == 124


def test_units_from_the_named_wallet_are_credited(stage: Stage):
    for is_a, nano in ((True, 10 * TON), (False, 100 * TON)):
        assert op(says(stage, UNITS, notify(nano, encode(TopUp(is_a)))).outgoing[-1]) == EXCESSES
    assert stage.shares() == (10 * TON, 100 * TON)


def test_ton_that_is_left_goes_to_the_sender_or_where_his_word_asks(stage: Stage):
    word = encode(TopUp(False))
    asked = Builder().store_cell(word).store_address(Address.parse(WALLET_A).foreign()).end_cell()
    for payload, expected in ((word, SOMEONE), (asked, WALLET_A)):
        (excess,) = says(stage, UNITS, notify(TON, payload)).outgoing
        assert (op(excess), excess.destination) == (EXCESSES, expected)
        assert excess.value > TON // 20
    assert stage.shares() == (0, 2 * TON)


def test_a_false_notification_is_credited_to_nobody(stage: Stage):
    says(stage, SOMEONE, notify(TON, encode(TopUp(True))))
    assert stage.shares() == (0, 0)


@pytest.mark.parametrize(
    "payload",
    [
        Builder().end_cell(),
        Builder().store_uint(1, 33).end_cell(),
        Builder().store_cell(encode(TopUp(True))).store_uint(1, 33).end_cell(),
    ],
    ids=["empty", "junk", "junk behind"],
)
def test_units_without_a_side_go_back(stage: Stage, payload: Cell):
    (back,) = says(stage, UNITS, notify(TON, payload)).outgoing
    assert (back.destination, transfer(back)) == (UNITS, (TON, SOMEONE))
    assert stage.shares() == (0, 0)


def test_units_that_come_before_the_wallet_is_known_go_back():
    stage = Stage(currency=MASTER).inited()
    (back,) = says(stage, UNITS, notify(TON, encode(TopUp(True)))).outgoing
    assert transfer(back) == (TON, SOMEONE)


def test_ton_is_no_top_up_of_a_jetton_channel(stage: Stage):
    assert stage.tell(TopUp(True)).exit_code == 120


def test_a_close_sends_both_shares_through_the_wallet(stage: Stage):
    says(stage, UNITS, notify(10 * TON, encode(TopUp(True))))
    says(stage, UNITS, notify(100 * TON, encode(TopUp(False))))
    closed = stage.tell(both(Close(CHANNEL, 3 * TON, 0, 1, 1)))
    assert closed.result_code == 0
    assert [transfer(message) for message in closed.outgoing] == [(103 * TON, WALLET_B), (7 * TON, WALLET_A)]


def test_a_note_about_the_largest_sums_still_goes_out(stage: Stage):
    """Amount and note would not fit into one cell: a promise too large to be told must not lock the money in."""
    vast = 1 << 95
    promise = Conditionals([(1, plain(vast // 2))])
    for is_a in (True, False):
        says(stage, UNITS, notify(vast, encode(TopUp(is_a))))
    stage.start(half_a(body(9, 0, promise)), half_b(body(9)), by_a=True)
    stage.router.advance(QUARANTINE_S + 1)
    claimed = Settle(CHANNEL, inputs({1: Builder().end_cell()}), proof(promise))
    assert stage.tell(signed(claimed, by_a=False)).exit_code == 0
    stage.router.advance(SETTLING_S)
    finished = stage.finish()
    assert (finished.exit_code, finished.result_code) == (0, 0)
    assert [transfer(message)[0] for message in finished.outgoing] == [vast + vast // 2, vast // 2]
    assert [decode(note(message)) for message in finished.outgoing] == [Closed(CHANNEL, vast // 2)] * 2


def test_a_withdrawal_pays_its_own_way(stage: Stage):
    says(stage, UNITS, notify(10 * TON, encode(TopUp(True))))
    commit = both(Commit(CHANNEL, 0, 0, 1, 1, 4 * TON, 0))
    assert stage.tell(commit, TON // 20).exit_code == 119
    assert transfer(stage.tell(commit, TON // 5).outgoing[0]) == (4 * TON, WALLET_A)
    assert stage.shares() == (6 * TON, 0)
