"""Withdrawals while orders and positions stay: what must remain, when it may leave, and what the books say of it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.simulation.world import START, World

from fairway.channel import machine
from fairway.client.margin import Margin
from fairway.client.wish import Permit, Wish
from fairway.crypto import keys
from fairway.errors import IllegalTransition, InvalidMessage, Rejected
from fairway.exchange import effect, event, withdrawing
from fairway.exchange.ledger import INSURANCE, LEAVING, OPERATOR, WORLD, user
from fairway.exchange.switch import Mode
from fairway.exchange.terms import CROSS
from fairway.exchange.withdrawal import agreed_pair, commit_statement, needed, withdrawable
from fairway.service import image
from fairway.units import TON

MARKET, OUT = 2, 30 * TON


def holding(**founding: object) -> tuple[World, bytes, bytes]:
    """A world in which `user` holds a position against `other`, and an order of his rests."""
    world = World(**founding)
    for market, mark in START.items():
        world.price(market, mark)
    name, other = world.join("user", 100 * TON), world.join("other", 1_000 * TON)
    world.propose(other, [Wish(MARKET, False, 800, START[MARKET], leverage=10)])
    world.propose(name, [Wish(MARKET, True, 800, START[MARKET], leverage=10)])
    world.propose(name, [Wish(MARKET, True, 10, START[MARKET] - 100, leverage=10)])
    return world, name, other


def account_of(world: World, name: bytes):
    return world.engine.accounts[name]


def asked(world: World, name: bytes, **changes: int) -> event.CommitProposed:
    """A withdrawal of `OUT` that the user signs on his newest half, with `changes`."""
    seqno_a, seqno_b, sent_a, sent_b = agreed_pair(world.engine.channels[name])
    said = event.CommitProposed(
        at_ms=world.now_ms,
        channel_id=name,
        seqno_a=seqno_a,
        seqno_b=seqno_b,
        sent_a=sent_a,
        sent_b=sent_b,
        withdraw_a=account_of(world, name).withdrawn + OUT,
        signature=b"",
    )
    said = replace(said, **changes)
    return replace(said, signature=keys.sign(world.users[name].seed, commit_statement(said, name).digest()))


def test_a_withdrawal_counts_once_from_the_half_that_says_so():
    world, name, _ = holding()
    balance, free = account_of(world, name).balance, withdrawable(account_of(world, name))
    assert world.withdraw(name, OUT) == ""
    account, ledger = account_of(world, name), world.engine.venue.ledger.balances
    assert (account.balance, withdrawable(account)) == (balance - OUT, free - OUT)
    assert (ledger[LEAVING], ledger[user(name)]) == (OUT, balance - OUT)
    again = [each for each in map(event.decode, world.journal) if isinstance(each, event.CommitProposed)][-1]
    assert [type(each) for each in world.put(again)] == [effect.SignCommit], "the same is signed again, and no half"
    assert account.balance == balance - OUT
    world.pay_out(name)
    assert (ledger[LEAVING], ledger[user(name)]) == (0, balance - OUT)
    assert world.replayed().digest() == world.engine.digest()


def test_all_that_is_free_may_leave_and_not_a_nano_more():
    world, name, _ = holding()
    free = withdrawable(account_of(world, name))
    assert free == account_of(world, name).available, "nothing is lost at this mark"
    assert world.withdraw(name, free + 1) == "withdraw.margin"
    assert world.withdraw(name, free + 1, believed=False) == "withdraw.margin"
    assert world.withdraw(name, free) == ""
    assert withdrawable(account_of(world, name)) == 0


def test_what_a_position_has_lost_stays_and_what_it_has_won_does_not_count():
    world, name, _ = holding()
    bound = needed(account_of(world, name))
    world.price(MARKET, START[MARKET] * 102 // 100)
    assert needed(account_of(world, name)) == bound
    world.price(MARKET, START[MARKET] * 93 // 100)
    account = account_of(world, name)
    lost = 800 * 10_000 * (START[MARKET] - START[MARKET] * 93 // 100)
    required = 800 * 10_000 * (START[MARKET] * 93 // 100) // 20
    assert needed(account) == bound + required + lost - account.positions[MARKET].position.margin
    free = withdrawable(account)
    assert world.withdraw(name, free + 1, believed=False) == "withdraw.margin"
    assert world.withdraw(name, free) == ""


def test_planted_without_the_mark_what_a_position_needs_is_withdrawn(monkeypatch):
    world, name, _ = holding()
    world.price(MARKET, START[MARKET] * 93 // 100)
    monkeypatch.setattr(withdrawing, "check_amount", lambda *_: None)
    assert world.withdraw(name, account_of(world, name).available, believed=False) == ""
    assert needed(account_of(world, name)) > account_of(world, name).balance


def test_the_pot_keeps_what_shares_it_needs():
    world, name, other = holding()
    world.propose(name, [], [], [Margin(CROSS, 20 * TON)])
    world.propose(other, [Wish(1, False, 100, START[1])])
    world.propose(name, [Wish(1, True, 100, START[1], leverage=0)])
    assert account_of(world, name).is_cross(1)
    before = needed(account_of(world, name))
    world.price(1, START[1] * 80 // 100)
    assert needed(account_of(world, name)) >= before
    assert world.withdraw(name, withdrawable(account_of(world, name)) + 1, believed=False) == "withdraw.margin"


def test_a_mandate_keeps_its_reserve():
    world, name, _ = holding()
    free = withdrawable(account_of(world, name))
    permit = Permit(keys.public_key(bytes(32)), MARKET, 5 * TON, 100, 10, world.now_ms + 10**9)
    world.propose(name, permits=[permit])
    assert withdrawable(account_of(world, name)) == free - 5 * TON


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"seqno_a": 2}, "withdraw.seqno"),
        ({"seqno_b": 1}, "withdraw.seqno"),
        ({"sent_a": 0}, "withdraw.sent"),
        ({"sent_b": 1}, "withdraw.sent"),
        ({"withdraw_a": 0}, "withdraw.amount"),
        ({"withdraw_a": 90 * TON}, "withdraw.margin"),
    ],
)
def test_what_does_not_stand_on_the_newest_half_or_leaves_too_little_is_refused(changes, code):
    world, name, _ = holding()
    assert world.code_of(asked(world, name, **changes)) == code
    assert world.code_of(asked(world, name)) == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"withdraw_a": -1},
        {"withdraw_a": 1 << 200},
        {"sent_a": -1},
        {"sent_b": 1 << 130},
        {"seqno_a": -1},
        {"seqno_b": 1 << 70},
    ],
)
def test_a_number_that_fits_no_cell_is_the_peers_fault(changes):
    world, name, _ = holding()
    said = replace(asked(world, name), **changes)
    with pytest.raises(InvalidMessage, match=r"event\.width"):
        world.engine.authenticate(said)


def test_a_word_that_another_signed_is_none():
    world, name, _ = holding()
    assert world.code_of(replace(asked(world, name), withdraw_a=OUT - 1)) == "signature.invalid"


def test_who_has_answered_nothing_countersigns_first():
    world = World()
    name = world.join("user", 100 * TON)
    with pytest.raises(Rejected, match=r"withdraw\.seqno"):
        agreed_pair(world.engine.channels[name])
    assert world.withdraw(name, OUT) == ""


def test_one_is_under_way_at_a_time_and_the_next_stands_on_later_halves():
    world, name, _ = holding()
    assert world.withdraw(name, TON) == ""
    assert world.withdraw(name, TON) == "withdraw.pending"
    world.pay_out(name)
    last = [each for each in map(event.decode, world.journal) if isinstance(each, event.CommitProposed)][-1]
    stale = asked(world, name, seqno_a=last.seqno_a, seqno_b=last.seqno_b)
    assert world.code_of(stale) == "withdraw.seqno", "the contract would not take it"
    assert world.withdraw(name, TON) == ""


def test_nothing_leaves_by_a_stale_price_or_out_of_a_halted_market():
    world, name, _ = holding(stale_ms=60_000)
    world.switch(Mode.HALTED, MARKET)
    assert world.withdraw(name, TON) == "market.halted"
    world.switch(Mode.REDUCE_ONLY, MARKET)
    world.now_ms += 60_001
    assert world.withdraw(name, TON) == "market.stale"
    world.price(MARKET, START[MARKET])
    assert world.withdraw(name, TON) == "", "the other market is stale, and nothing is open there"


def test_who_holds_nothing_withdraws_in_any_market():
    world = World(stale_ms=60_000)
    name = world.join("user", 100 * TON)
    world.switch(Mode.HALTED)
    assert world.withdraw(name, OUT) == ""


def test_a_lien_holds_it_back():
    world, name, _ = holding()
    world.put(event.RateSet(at_ms=world.now_ms, channel_id=name, match_id=7, owed=TON, transaction=bytes(32)))
    assert world.withdraw(name, TON) == "withdraw.owed"
    world.put(event.RateSet(at_ms=world.now_ms, channel_id=name, match_id=7, owed=0, transaction=bytes(32)))
    assert world.withdraw(name, TON) == ""


# What older halves would still claim


def won_while_away() -> tuple[World, bytes]:
    """A user whose take-profit was filled while he was away: his newest half answers one from before."""
    world, name, other = holding()
    rise = START[MARKET] * 104 // 100
    world.propose(name, [Wish(MARKET, False, 800, rise, reduce_only=True)])
    world.price(MARKET, rise)
    world.propose(other, [Wish(MARKET, True, 800, rise, leverage=10)])
    assert account_of(world, name).earned > 0
    return world, name


def commit_all(world: World, name: bytes) -> str:
    return world.code_of(asked(world, name, withdraw_a=withdrawable(account_of(world, name))))


def test_what_is_won_since_his_newest_half_leaves_only_after_he_has_signed_it():
    world, name = won_while_away()
    assert commit_all(world, name) == "channel.coverage"
    world.propose(name)
    assert commit_all(world, name) == ""


def test_planted_where_only_the_newest_half_is_asked_an_older_pair_claims_more_than_is_left(monkeypatch):
    def newest_only(channel, withdraw_a, withdraw_b):
        channel.withdraw_a, channel.withdraw_b = withdraw_a, withdraw_b

    monkeypatch.setattr(withdrawing, "check_withdrawal", lambda *_: None)
    monkeypatch.setattr(withdrawing, "withdraw", newest_only)
    world, name = won_while_away()
    world.engine.apply(asked(world, name, withdraw_a=withdrawable(account_of(world, name))))
    channel = world.engine.channels[name]
    assert min(machine.cover_a(channel, each) for each in channel.window.values()) < 0


# The end


def test_what_never_left_comes_home_with_the_rest():
    world, name, _ = holding()
    balance = account_of(world, name).balance
    world.withdraw(name, OUT)
    world.dispute(name)
    world.price(MARKET, START[MARKET])
    world.now_ms += 10_000
    world.price(MARKET, START[MARKET])
    owed = account_of(world, name).balance + OUT
    assert owed > balance - TON
    world.end(name, owed)
    assert (account_of(world, name).withdrawn, world.engine.venue.recovered) == (owed, 0)
    assert world.engine.venue.ledger.balances[LEAVING] == 0


def test_no_close_is_signed_while_it_is_under_way():
    world = World()
    name = world.join("user", 100 * TON)
    world.withdraw(name, OUT)
    world.propose(name)
    close = event.CloseProposed(
        at_ms=world.now_ms, channel_id=name, seqno_a=1, seqno_b=1, sent_a=0, sent_b=0, signature=b""
    )
    with pytest.raises(Rejected, match=r"withdraw\.pending"):
        world.engine.apply(close)
    world.pay_out(name)
    with pytest.raises(Rejected, match=r"close\.seqno"):
        world.engine.apply(close)


def test_what_liens_took_of_it_is_insurances():
    world, name, _ = holding()
    world.withdraw(name, OUT)
    before = world.engine.venue.ledger.balances[INSURANCE]
    world.put(event.PaidOut(at_ms=world.now_ms, channel_id=name, value_a=OUT, paid=OUT - TON, transaction=b"p" * 32))
    assert world.engine.venue.ledger.balances[INSURANCE] == before + TON


def test_a_payout_that_the_journal_has_lost_is_the_operators_until_the_end():
    world = World()
    name = world.join("user", 100 * TON)
    world.propose(name)
    paid = event.PaidOut(at_ms=world.now_ms, channel_id=name, value_a=OUT, paid=OUT, transaction=b"p" * 32)
    world.put(paid)
    assert world.code_of(paid) == "withdraw.known"
    assert world.engine.venue.ledger.balances[OPERATOR] == -OUT
    world.dispute(name)
    world.end(name, 70 * TON)
    balances = world.engine.venue.ledger.balances
    assert (balances[OPERATOR], balances[user(name)], world.engine.venue.recovered) == (0, 0, 0)
    assert balances[WORLD] == -world.engine.rules.pool_seed - world.engine.rules.insurance_seed
    assert world.code_of(replace(paid, transaction=b"q" * 32)) == "channel.phase"


def test_nobody_withdraws_from_what_is_being_closed():
    world, name, _ = holding()
    wanted = asked(world, name)
    world.dispute(name)
    assert world.code_of(wanted) == "channel.phase"


def test_what_was_withdrawn_never_falls():
    world, name, _ = holding()
    world.withdraw(name, OUT)
    (committed,) = [each.committed for each in world.effects if isinstance(each, effect.SignCommit)]
    with pytest.raises(IllegalTransition, match=r"account\.withdrawn"):
        account_of(world, name).apply(committed)


def test_a_snapshot_holds_withdrawals_on_their_way():
    world, name, _ = holding()
    world.withdraw(name, OUT)
    again = image.read(image.write(world.engine))
    assert again.digest() == world.engine.digest()
    again.apply(event.PaidOut(at_ms=world.now_ms, channel_id=name, value_a=OUT, paid=OUT, transaction=b"p" * 32))
    assert again.venue.ledger.balances[LEAVING] == 0
