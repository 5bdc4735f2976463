"""The vault contract moves the same money as its books: wraps, closes, gains, reopenings; strangers are refused."""

from __future__ import annotations

import pytest
from vault_stage import CHANNEL_WITHDRAW, SERVICE, TREASURY, Stage, address, refused, signer, succeeded

from fairway.ton.cells import Builder, cell_hash, from_boc
from fairway.ton.vault_messages import (
    REOPEN_VALUE,
    WORD_VALUE,
    consent,
    open_channel,
    post_bond,
    reopen,
    repay,
    return_bond,
    wrap,
)
from fairway.units import TON
from fairway.vault import books as model
from fairway.vault import pool


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_a_wrap_puts_both_sides_into_the_channels_own_wallet(stage: Stage):
    alice = stage.opened("alice", 10 * TON)
    stage.agree()
    balance, *_ = stage.router.get(str(stage.units_wallet(alice)), "get_wallet_data")
    assert balance == 110 * TON
    assert stage.account(alice).held == 110 * TON


def test_the_worked_example_alice_then_carl(stage: Stage):
    alice, _, carl = (stage.opened(name, nano * TON) for name, nano in (("alice", 10), ("bob", 15), ("carl", 100)))
    assert stage.agree().supply == 1375 * TON
    stage.closes(alice, 5 * TON)
    assert stage.agree().supply == 1320 * TON
    stage.closes(carl, 104 * TON)
    view = stage.agree()
    assert (view.supply, view.locked) == (176 * TON, 16 * TON)


def test_the_worked_example_carl_first_with_a_bond(stage: Stage):
    alice, _, carl = (stage.opened(name, nano * TON) for name, nano in (("alice", 10), ("bob", 15), ("carl", 100)))
    succeeded(stage.word(TREASURY, post_bond(4 * TON), 4 * TON + WORD_VALUE))
    stage.books, _ = pool.post_bond(stage.books, 4 * TON)
    stage.closes(carl, 104 * TON)
    view = stage.agree()
    assert (view.supply, view.missing, view.locked - view.bond) == (275 * TON, 44 * TON, 21 * TON)
    stage.closes(alice, 5 * TON)
    view = stage.agree()
    assert (view.supply, view.missing, view.locked - view.bond) == (176 * TON, 0, 16 * TON)


def test_the_worked_example_carl_first_waits_in_the_queue(stage: Stage):
    alice, _, carl = (stage.opened(name, nano * TON) for name, nano in (("alice", 10), ("bob", 15), ("carl", 100)))
    stage.closes(carl, 104 * TON)
    assert stage.agree().claims == ((address("carl"), 4 * TON),)
    stage.closes(alice, 5 * TON)
    assert stage.agree().claims == ()


def test_a_colluding_operator_takes_nothing_of_anyone(stage: Stage):
    puppet, victim = stage.opened("puppet", 100 * TON), stage.opened("victim", 50 * TON)
    stage.closes(puppet, 1100 * TON)
    assert stage.agree().locked == 50 * TON
    refused(stage.word(TREASURY, repay(TREASURY, 1)), 807)
    refused(stage.word(TREASURY, return_bond(1)), 807)
    stage.closes(victim, 50 * TON)
    stage.agree()


def test_a_partial_withdrawal_through_the_channel_pays_at_once(stage: Stage):
    alice = stage.opened("alice", 10 * TON)
    stage.pays(alice, user=4 * TON, word=CHANNEL_WITHDRAW)
    assert stage.agree().protected == 6 * TON
    assert stage.account(alice).ended is False


def test_a_reopening_pays_x_and_wraps_the_rest_in_one_transaction(stage: Stage):
    old = stage.opened("alice", 10 * TON)
    new = stage.opened("alice", salt=1)
    succeeded(stage.word(old.wallet, reopen(old.channel, new.channel, 3 * TON), REOPEN_VALUE + WORD_VALUE))
    stage.books = model.pre_register(stage.books, old.channel_id, model.Reopening(new.channel_id, 3 * TON))
    assert stage.account(old).reopening == (new.channel, 3 * TON)
    stage.closes(old, 9 * TON)
    stage.agree()
    assert stage.account(new).deposit == 6 * TON
    balance, *_ = stage.router.get(str(stage.units_wallet(new)), "get_wallet_data")
    assert balance == 66 * TON


def test_a_channel_that_has_not_begun_is_no_place_to_reopen_into(stage: Stage):
    old, new = stage.opened("alice", TON), stage.party("alice", salt=1)
    succeeded(stage.open(new, salt=1))
    refused(stage.word(old.wallet, reopen(old.channel, new.channel, 0), REOPEN_VALUE + WORD_VALUE), 817)


def test_only_the_wallet_of_both_channels_reopens(stage: Stage):
    old, new, other = stage.opened("alice", TON), stage.opened("alice", salt=1), stage.opened("bob")
    for wallet, following in ((other.wallet, new), (old.wallet, other), (old.wallet, old)):
        refused(stage.word(wallet, reopen(old.channel, following.channel, 0), REOPEN_VALUE + WORD_VALUE), 808)


def test_nobody_opens_in_anothers_name_or_without_the_service(stage: Stage):
    alice = stage.party("alice")
    refused(stage.open(alice, user_consent=signer("mallory").sign(bytes(32))), 802)
    refused(stage.open(alice, service_consent=alice.key.sign(bytes(32))), 802)
    succeeded(stage.open(alice))
    refused(stage.open(alice), 801)


def test_consent_names_the_wallet_that_is_paid(stage: Stage):
    alice, mallory = stage.party("alice"), address("mallory")
    done = stage.open(alice)
    body = done[0].incoming.body
    assert stage.account(alice).wallet == alice.wallet
    fresh = Stage()
    refused(fresh.send(mallory, fresh.vault, TON, from_boc(body)), 802)


def test_units_come_home_from_the_channels_own_wallet_only(stage: Stage):
    alice = stage.opened("alice", 10 * TON)
    home = Builder().store_uint(0x484F4D45, 32).store_uint(0, 64).store_coins(10 * TON)
    home.store_address(alice.owner.foreign()).store_bit(0).store_bit(0)
    for stranger in (alice.wallet, alice.owner, address("mallory")):
        refused(stage.word(stranger, home.end_cell()), 805)


def test_a_channel_wallet_pays_nobody_but_the_vault(stage: Stage):
    alice, bob = stage.opened("alice", 10 * TON), stage.opened("bob", TON)
    for to in (alice.wallet, bob.owner, stage.units_wallet(bob)):
        refused(stage.transfer(alice, TON, to), 708)
    refused(stage.transfer(alice, 111 * TON, stage.vault), 706)
    refused(stage.transfer(alice, TON, stage.vault, nano=TON // 100), 709)


def test_only_the_vault_mints(stage: Stage):
    alice = stage.opened("alice", TON)
    mint = Builder().store_uint(0x178D4519, 32).store_uint(0, 64).store_coins(TON)
    mint.store_address(alice.owner.foreign()).store_address(None).store_coins(0).store_bit(0)
    refused(stage.send(alice.owner, stage.units_wallet(alice), TON, mint.end_cell()), 707)


def test_a_wrap_without_its_ton_changes_nothing_and_comes_back(stage: Stage):
    alice = stage.opened("alice", TON)
    done = stage.send(alice.wallet, stage.vault, TON, wrap(alice.channel, 2 * TON))
    assert done[0].aborted
    assert done[0].outgoing[0].bounced
    stage.agree()


def test_an_unknown_channel_and_a_closed_one_take_no_deposit(stage: Stage):
    alice = stage.opened("alice", TON)
    bob = stage.party("bob")
    refused(stage.wrap(bob, TON), 800)
    succeeded(stage.open(bob))
    refused(stage.wrap(bob, TON), 817)
    stage.closes(alice, TON)
    refused(stage.wrap(alice, TON), 804)


def test_a_channel_learns_its_wallet_from_the_vault(stage: Stage):
    alice = stage.opened("alice")
    done = stage.ask(alice)
    answer = done[0].outgoing[0]
    fields = from_boc(answer.body).begin_parse()
    assert (fields.load_uint(32), fields.load_uint(64)) == (0xD1735400, 5)
    assert fields.load_address().hash_part == stage.units_wallet(alice).hash


@pytest.mark.parametrize("weak", [bytes(32), (1).to_bytes(32, "little"), bytes([0xEC, *[0xFF] * 30, 0x7F])])
@pytest.mark.parametrize("side", ["key_a", "key_b"])
def test_a_weak_key_on_either_side_is_refused_at_open(stage: Stage, weak: bytes, side: str):
    """For such a key the TVM takes one signature for every message: whoever had it could deny each."""
    alice = stage.party("alice")
    keys = {"key_a": alice.key.key, "key_b": alice.key_b.key, side: weak}
    agreed = cell_hash(consent(stage.vault, alice.channel, alice.wallet))
    body = open_channel(
        **keys, salt=bytes(32), user_consent=alice.key.sign(agreed), service_consent=SERVICE.sign(agreed)
    )
    refused(stage.word(alice.wallet, body, TON), 818)


def test_a_consent_for_another_vault_opens_nothing_here(stage: Stage):
    alice = stage.party("alice")
    elsewhere = cell_hash(consent(address("another vault"), alice.channel, alice.wallet))
    refused(stage.open(alice, user_consent=alice.key.sign(elsewhere)), 802)
    refused(stage.open(alice, service_consent=SERVICE.sign(elsewhere)), 802)


def test_a_notification_of_units_moves_nothing(stage: Stage):
    """The vault counts only its own word for a homecoming; a jetton's usual notification is no message of its."""
    alice = stage.opened("alice", 10 * TON)
    told = Builder().store_uint(0x7362D09C, 32).store_uint(0, 64).store_coins(99 * TON)
    told.store_address(alice.owner.foreign()).store_bit(0)
    for sender in (alice.wallet, stage.units_wallet(alice), TREASURY):
        refused(stage.word(sender, told.end_cell()), 0xFFFF)
    stage.agree()


def test_only_the_operator_takes_fees_or_the_bond(stage: Stage):
    for body in (repay(address("mallory"), 1), return_bond(1)):
        refused(stage.word(address("mallory"), body), 806)
