"""Positions that end without an order of their owner, channels that end alone, and what both leave behind."""

from __future__ import annotations

import pytest
from tests.simulation.world import World

from fairway.channel import codec
from fairway.client.replica import Replica
from fairway.client.wish import Wish
from fairway.crypto import keys
from fairway.errors import InvalidMessage, Rejected
from fairway.exchange import effect, event, trading
from fairway.exchange.change import Forced
from fairway.exchange.holdings import Holdings
from fairway.exchange.ledger import BOND, FEES, INSURANCE, OPERATOR, Ledger, user
from fairway.exchange.terms import Kind
from fairway.risk.liquidation import bankruptcy_price
from fairway.units import TON

MARKET, MARK = 2, 50_000


@pytest.fixture
def world():
    """Ada is long 100 lots at leverage 20, Bob short against her."""
    world = World()
    for name in ("ada", "bob", "cy"):
        world.join(name, 300 * TON)
    world.price(MARKET, MARK)
    ada, bob, _ = world.users
    world.propose(bob, [Wish(MARKET, False, 100, MARK, leverage=5)])
    world.propose(ada, [Wish(MARKET, True, 100, MARK, leverage=20)])
    return world


def names(world):
    return list(world.users)


def held(world, who):
    return world.engine.accounts[who].signed_lots(MARKET)


def bound_of(world, who):
    account = world.engine.accounts[who]
    contract = account.rules.listing(MARKET).contract
    return bankruptcy_price(contract, account.positions[MARKET].position, world.engine.venue.rounds[MARKET].funding)


def forced(effects, who):
    pushes = [wanted for wanted in effects if isinstance(wanted, effect.Push) and wanted.channel_id == who]
    return [change for wanted in pushes for change in wanted.changes if isinstance(change, Forced)]


def sign(world, who):
    """The user signs what was pushed to him."""
    world.propose(who)


def test_a_liquidation_takes_the_book_down_to_the_bankruptcy_price_and_deleverages_exactly_the_rest(world):
    ada, bob, cy = names(world)
    bound = bound_of(world, ada)
    world.propose(cy, [Wish(MARKET, True, 30, bound, leverage=5), Wish(MARKET, True, 30, bound - 1, leverage=5)])
    world.effects.clear()
    world.price(MARKET, bound - 200)
    closes = forced(world.effects, ada)
    assert held(world, ada) == 0
    assert (held(world, cy), held(world, bob)) == (30, -30)
    assert [(change.lots, change.price, change.reason) for change in closes] == [
        (30, bound, "liquidation"),
        (70, bound, "liquidation"),
    ]
    assert [change.lots for change in forced(world.effects, bob)] == [70]
    assert world.engine.accounts[ada].balance >= 0


def test_what_the_book_does_not_take_waits_while_the_mark_is_better_than_the_bankruptcy_price(world):
    ada, bob, _ = names(world)
    bound = bound_of(world, ada)
    world.price(MARKET, bound + 100)
    assert (held(world, ada), held(world, bob)) == (100, -100)
    assert world.engine.venue.counts.liquidations == 1
    world.price(MARKET, bound)
    assert (held(world, ada), held(world, bob)) == (0, 0)
    assert world.engine.venue.counts.liquidations == 1


@pytest.mark.parametrize("parts", [[100], [1] * 7 + [93], [33, 33, 34]])
def test_a_winner_is_paid_his_cap_and_not_a_nano_more(parts):
    world = World()
    ada, bob, cy = (world.join(name, nano * TON) for name, nano in (("ada", 100), ("bob", 20_000), ("cy", 20_000)))
    world.price(MARKET, MARK)
    world.propose(bob, [Wish(MARKET, False, 100, MARK, leverage=1)])
    world.propose(ada, [Wish(MARKET, True, 100, MARK, leverage=20)])
    margin, before = world.engine.accounts[ada].posted, world.engine.accounts[ada].earned
    high = MARK * 17 // 10
    world.price(MARKET, high)
    insured = world.engine.venue.ledger.balances[INSURANCE]
    for lots in parts:
        world.propose(cy, [Wish(MARKET, True, lots, high, leverage=2)])
        assert world.try_propose(ada, [Wish(MARKET, False, lots, high, Kind.IOC, 5, reduce_only=True)]) == ""
    won = 100 * (high - MARK) * 10_000
    assert held(world, ada) == 0
    assert world.engine.accounts[ada].earned - before == 10 * margin < won
    assert world.engine.venue.ledger.balances[INSURANCE] - insured == won - 10 * margin
    assert world.replayed().digest() == world.engine.digest()


def test_whom_a_liquidation_puts_into_distress_is_liquidated_in_the_same_round(world, monkeypatch):
    monkeypatch.setattr(trading, "bears", lambda *_: True)  # or he would not be met at all
    _ada, bob, cy = names(world)
    world.propose(cy, [Wish(MARKET, True, 60, MARK - 100, leverage=20)])
    world.price(MARKET, MARK // 2)
    assert held(world, cy) == 0
    assert world.engine.venue.counts.liquidations == 2
    assert held(world, bob) == 0


def test_a_dispute_drops_the_orders_and_ends_the_position_when_the_conditions_do(world):
    ada, bob, _ = names(world)
    world.propose(ada, [Wish(MARKET, True, 1, MARK - 500)])
    world.dispute(ada)
    started = world.now_ms
    assert not world.engine.accounts[ada].orders
    assert not len(world.engine.venue.books[MARKET])
    world.now_ms = started + 4_899 - 100
    world.price(MARKET, MARK)
    assert held(world, ada) == 100
    world.now_ms = started + 5_000 - 100
    world.price(MARKET, MARK + 10)
    assert (held(world, ada), held(world, bob)) == (0, 0)
    world.end(ada)
    assert world.engine.venue.ledger.balances[user(ada)] == 0


def test_who_is_liquidated_while_he_leaves_alone_owes_it_to_the_vault(world):
    ada = names(world)[0]
    sign(world, ada)
    world.dispute(ada)
    world.price(MARKET, MARK * 94 // 100)
    assert held(world, ada) == 0
    assert ada in world.engine.venue.dodges
    world.now_ms += 5_000
    world.effects.clear()
    world.price(MARKET, MARK)
    assert [wanted.channel_id for wanted in world.effects if isinstance(wanted, effect.PunishDodge)] == [ada]


def test_an_unsigned_fill_is_shown_to_the_vault_between_its_two_rounds_once_and_absolved_when_signed(world):
    ada = names(world)[0]
    before = world.engine.venue.priced[MARKET]
    world.price(MARKET, MARK)
    world.effects.clear()
    world.now_ms += 5_000
    newest = world.engine.venue.priced[MARKET]
    world.price(MARKET, MARK)
    (called,) = [wanted for wanted in world.effects if isinstance(wanted, effect.PunishFill)]
    assert (called.channel_id, called.before) == (ada, newest) != (ada, before)
    assert called.before.round_ms < called.debt.receipt.at_ms + 5_000 <= called.after.round_ms
    match_id = called.debt.receipt.match_id
    world.put(event.RateSet(at_ms=world.now_ms, channel_id=ada, match_id=match_id, owed=5, transaction=bytes(32)))
    world.effects.clear()
    world.price(MARKET, MARK)
    sign(world, ada)
    (absolved,) = [wanted for wanted in world.effects if isinstance(wanted, effect.Absolve | effect.PunishFill)]
    assert isinstance(absolved, effect.Absolve)
    assert absolved.match_id == match_id
    assert ada not in world.engine.venue.debts


def test_a_fill_that_is_signed_in_time_is_no_debt(world):
    sign(world, names(world)[0])
    world.now_ms += 5_000
    world.price(MARKET, MARK)
    world.price(MARKET, MARK)
    assert not [wanted for wanted in world.effects if isinstance(wanted, effect.PunishFill)]


def test_a_channel_that_ends_without_a_dispute_that_we_saw_leaves_no_order_behind(world):
    cy = names(world)[2]
    world.propose(cy, [Wish(MARKET, True, 1, MARK - 500)])
    world.end(cy)
    assert not len(world.engine.venue.books[MARKET])


def test_what_cannot_happen_to_a_channel_is_refused_and_changes_nothing(world):
    cy = names(world)[2]
    world.end(cy)
    digest = world.engine.digest()
    for happened in (lambda: world.end(cy, 5), lambda: world.dispute(cy)):
        with pytest.raises(Rejected, match=r"channel\.phase"):
            happened()
    assert world.engine.digest() == digest


def test_a_user_who_is_paid_less_leaves_the_rest_to_insurance(world):
    cy = names(world)[2]
    insured = world.engine.venue.ledger.balances[INSURANCE]
    world.end(cy, 200 * TON)
    assert world.engine.venue.ledger.balances[INSURANCE] == insured + 100 * TON


def test_what_a_user_carried_off_is_made_good_by_insurance_bond_fees_and_then_the_operator(world):
    cy = names(world)[2]
    world.put(event.BondPosted(at_ms=world.now_ms, amount=50 * TON, transaction=bytes(32)))
    before = dict(world.engine.venue.ledger.balances)
    assert before[FEES] > 0
    carried = before[INSURANCE] + before[BOND] + before[FEES] + 7
    drawn: list[str] = []
    move = Ledger.move

    def watched(ledger, debit, credit, nano, reason, *market):
        if reason == "unrecovered" and nano:
            drawn.append(debit)
        move(ledger, debit, credit, nano, reason, *market)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ledger, "move", watched)
        world.end(cy, before[user(cy)] + carried)
    after = world.engine.venue.ledger.balances
    assert drawn == [INSURANCE, BOND, FEES, OPERATOR]
    assert (after[INSURANCE], after[BOND], after[FEES], after[OPERATOR]) == (0, 0, 0, -7)


def test_a_reopen_moves_into_a_fresh_channel_only(world):
    cy = names(world)[2]
    assert world.code_of(close_of(world, cy, reopen_id=cy, withdraw=1)) == "close.reopen"
    assert world.code_of(close_of(world, cy, reopen_id=bytes(16), withdraw=1)) == "channel.unknown"
    assert world.code_of(close_of(world, names(world)[0])) == "close.open"
    closing = close_of(world, cy)
    assert world.code_of(closing) == ""
    assert world.code_of(closing) == ""
    world.end(cy)
    assert world.engine.venue.lend_state_matches_channels()


def close_of(world, who, **more):
    channel, account = world.engine.channels[who], world.engine.accounts[who]
    seqno_a, seqno_b = channel.a.half.seqno, channel.b.half.seqno
    statement = codec.Close(channel.channel_id, account.due, account.earned, seqno_a, seqno_b)
    return event.CloseProposed(
        at_ms=world.now_ms,
        channel_id=who,
        seqno_a=seqno_a,
        seqno_b=seqno_b,
        sent_a=account.due,
        sent_b=account.earned,
        signature=keys.sign(world.users[who].seed, statement.digest()),
        **more,
    )


def since(world, who):
    return world.engine.accounts[who].positions[MARKET].terms.since_ms


def test_a_touch_that_a_position_has_survived_is_spent_with_the_users_next_half(world):
    ada, before_ms = names(world)[0], since(world, names(world)[0])
    tick = world.engine.accounts[ada].positions[MARKET].terms.liquidation_tick
    sign(world, ada)
    assert since(world, ada) == before_ms, "nothing has touched it"
    world.price(MARKET, (tick + bound_of(world, ada)) // 2)
    assert (held(world, ada), since(world, ada)) == (100, before_ms), "nobody takes it, and nobody is bankrupt yet"
    touched_ms = world.engine.venue.rounds[MARKET].at_ms
    sign(world, ada)
    assert since(world, ada) > touched_ms > before_ms
    renewed_ms = since(world, ada)
    world.price(MARKET, MARK)
    sign(world, ada)
    assert since(world, ada) == renewed_ms
    assert world.replayed().digest() == world.engine.digest()


def test_a_venue_that_keeps_a_touch_back_is_found_out_by_the_user(world, monkeypatch):
    monkeypatch.setattr(type(world.engine.venue), "note_touches", lambda *_: None)
    with pytest.raises(InvalidMessage, match=r"judge\.renewed"):
        test_a_touch_that_a_position_has_survived_is_spent_with_the_users_next_half(world)


def test_a_renewal_from_before_the_touch_is_none(world, monkeypatch):
    monkeypatch.setattr(Holdings, "since_now", lambda self, market: self.since(market))
    ada = names(world)[0]
    tick = world.engine.accounts[ada].positions[MARKET].terms.liquidation_tick
    world.price(MARKET, (tick + bound_of(world, ada)) // 2)
    world.now_ms = world.engine.venue.rounds[MARKET].at_ms
    with pytest.raises(InvalidMessage, match=r"judge\.renewed"):
        sign(world, ada)


def test_planted_a_user_who_does_not_insist_keeps_the_touch(world, monkeypatch):
    monkeypatch.setattr(type(world.engine.venue), "note_touches", lambda *_: None)
    monkeypatch.setattr(Replica, "_to_renew", lambda _: frozenset())
    with pytest.raises(AssertionError):
        test_a_touch_that_a_position_has_survived_is_spent_with_the_users_next_half(world)
