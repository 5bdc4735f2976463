"""More or less margin on an open position, and another leverage: signed, settled, and the same on both sides."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.simulation.world import World

from fairway.channel import proposal
from fairway.channel.machine import MARKET_KEYS
from fairway.client.judge import Judge
from fairway.client.margin import Margin
from fairway.client.wish import Wish
from fairway.crypto import keys
from fairway.errors import IllegalTransition, InvalidMessage
from fairway.exchange import event, margin_move, margins
from fairway.exchange.account import Account
from fairway.exchange.change import Margined
from fairway.exchange.effect import ProveRecord
from fairway.exchange.margin_move import least_margin
from fairway.exchange.switch import Mode
from fairway.exchange.terms import Kind, MarginMove
from fairway.risk.liquidation import liquidation_price
from fairway.risk.position import released
from fairway.settlement.chain import NOTHING, PublicBooks
from fairway.settlement.job import is_proven, published
from fairway.settlement.proof import prove, verify
from fairway.settlement.settlement import Settlement
from fairway.units import TON

LINEAR, INVERSE = 2, 1
MARKS = {LINEAR: 50_000, INVERSE: 52_000}


def traded(market=LINEAR):
    """Ada is long 1,000 lots at leverage 10, Bob short against her."""
    world, mark = World(), MARKS[market]
    for name in ("ada", "bob"):
        world.join(name, 3_000 * TON)
    world.price(market, mark)
    ada, bob = world.users
    world.propose(bob, [Wish(market, False, 1_000, mark, leverage=5)])
    world.propose(ada, [Wish(market, True, 1_000, mark, leverage=10)])
    return world, ada, bob


def position(world, who, market=LINEAR):
    return world.engine.accounts[who].positions[market].position


def ticks(world, who, market=LINEAR):
    return world.engine.accounts[who].positions[market].terms.liquidation_tick


def signed(world, who, market=LINEAR):
    """What the user's newest accepted half promises in the market."""
    return world.engine.channels[who].a_conditionals.get(MARKET_KEYS + market)


@pytest.mark.parametrize("market", [LINEAR, INVERSE])
@pytest.mark.parametrize("who", [0, 1])
def test_more_margin_moves_the_liquidation_price_away_and_is_signed_at_once(market, who):
    world, *users = traded(market)
    user = users[who]
    account, before = world.engine.accounts[user], position(world, user, market)
    tick, available, balance = ticks(world, user, market), account.available, account.balance
    world.propose(user, margins=[Margin(market, 7 * TON)])
    after = position(world, user, market)
    assert after == type(before)(before.s, before.lots, before.cost, before.funding_base, before.margin + 7 * TON)
    assert (account.available, account.balance) == (available - 7 * TON, balance)
    assert (ticks(world, user, market) - tick) * after.s < 0
    assert signed(world, user, market).maximum == after.margin
    assert account.b_conditionals.maximum() == 10 * after.margin
    assert world.replayed().digest() == world.engine.digest()


@pytest.mark.parametrize("market", [LINEAR, INVERSE])
@pytest.mark.parametrize("who", [0, 1])
def test_margin_taken_out_is_available_again_and_settled_as_a_close_of_no_lots(market, who):
    world, *users = traded(market)
    user = users[who]
    account, before = world.engine.accounts[user], position(world, user, market)
    available, balance, head = account.available, account.balance, account.head
    world.effects.clear()
    world.propose(user, margins=[Margin(market, -TON)])
    assert position(world, user, market).margin == before.margin - TON
    assert (account.available, account.balance) == (available + TON, balance)
    assert account.head != head
    (settled,) = [each.record for each in world.effects if isinstance(each, ProveRecord)]
    assert {name: settled.witness()[name].value for name in ("IM", "AM", "P", "Q", "C", "K", "e")} == {
        "IM": TON, "AM": TON, "P": 0, "Q": 0, "C": 0, "K": 0, "e": 0,
    }  # fmt: skip
    assert world.replayed().digest() == world.engine.digest()


def test_what_was_moved_is_there_when_the_position_closes():
    world, ada, bob = traded()
    balance = world.engine.accounts[ada].balance
    world.propose(ada, margins=[Margin(LINEAR, 9 * TON)])
    world.propose(ada, margins=[Margin(LINEAR, -2 * TON)])
    world.propose(bob, [Wish(LINEAR, True, 1_000, 50_100, leverage=5)])
    world.propose(ada, [Wish(LINEAR, False, 1_000, 50_100, Kind.IOC, 5, reduce_only=True)])
    account = world.engine.accounts[ada]
    assert (account.posted, account.positions) == (0, {})
    fee = 1_000 * 50_100 * 10_000 * 500 // 1_000_000
    assert account.balance == balance + 1_000 * 100 * 10_000 - fee
    assert world.engine.venue.settling.held(ada, LINEAR) is None


def test_a_move_of_each_kind_is_proven_and_stands_in_the_public_books():
    world, books = World(), PublicBooks(NOTHING)
    for name in ("ada", "bob"):
        world.join(name, 3_000 * TON)
    world.price(LINEAR, MARKS[LINEAR])
    ada, bob = world.users
    world.propose(bob, [Wish(LINEAR, False, 100, MARKS[LINEAR], leverage=5)])
    world.propose(ada, [Wish(LINEAR, True, 100, MARKS[LINEAR], leverage=10)])
    world.propose(ada, margins=[Margin(LINEAR, TON)])
    world.propose(ada, margins=[Margin(LINEAR, -2 * TON)])
    world.propose(bob, [Wish(LINEAR, True, 100, MARKS[LINEAR], leverage=5)])
    world.propose(ada, [Wish(LINEAR, False, 100, MARKS[LINEAR], Kind.IOC, 5, reduce_only=True)])
    made = [each for each in world.effects if isinstance(each, ProveRecord)]
    closes = [each.record for each in made if isinstance(each.record, Settlement)]
    assert [record.witness()["Q"].value for record in closes] == [0, 100, 100]
    for each in made:
        transaction = prove(each.record, bytes(range(32))) if is_proven(each.record) else published(each.record)
        if is_proven(each.record):
            verify(transaction)
        for record in (*(opened.transaction() for opened in each.fills), transaction):
            books.apply(record)


@pytest.mark.parametrize("leverage", [1, 4, 20])
def test_another_leverage_posts_what_it_asks_for_at_the_mark(leverage):
    world, ada, _ = traded()
    world.propose(ada, margins=[Margin(LINEAR, leverage=leverage)])
    assert position(world, ada).margin == 1_000 * MARKS[LINEAR] * 10_000 // leverage
    assert world.try_propose(ada, [], [], [Margin(LINEAR, leverage=leverage)]) == "margin.same"


def test_a_loss_counts_against_what_may_be_taken_out_and_a_win_does_not():
    world, ada, bob = traded()
    world.price(LINEAR, 50_500)
    for user, lost in ((ada, 0), (bob, 500)):
        contract = world.engine.venue.rules.listing(LINEAR).contract
        least = least_margin(contract, position(world, user), world.engine.venue.rounds[LINEAR])
        assert least == 1_000 * 50_500 * 10_000 // 20 + 1_000 * lost * 10_000
        spare = position(world, user).margin - least
        assert world.try_propose(user, [], [], [Margin(LINEAR, -spare - 1)]) == "margin.requirement"
        assert world.try_propose(user, [], [], [Margin(LINEAR, -spare)]) == ""


def test_more_margin_ends_distress_and_less_is_refused_there():
    world, ada, _ = traded()
    world.price(LINEAR, 46_100)
    assert world.engine.accounts[ada].is_distressed(LINEAR)
    assert world.try_propose(ada, [], [], [Margin(LINEAR, -1)]) == "margin.requirement"
    assert world.try_propose(ada, [], [], [Margin(LINEAR, 20 * TON)]) == ""
    assert not world.engine.accounts[ada].is_distressed(LINEAR)
    lots = position(world, ada).lots
    world.price(LINEAR, 46_100)
    assert position(world, ada).lots == lots


def test_a_move_needs_a_position_and_the_balance_for_it():
    world, ada, _ = traded()
    available = world.engine.accounts[ada].available
    refused = {
        "margin.position": [Margin(INVERSE, TON)],
        "margin.same": [Margin(LINEAR, 0)],
        "margin.twice": [Margin(LINEAR, TON), Margin(LINEAR, TON)],
        "order.margin": [Margin(LINEAR, available + 1)],
        "risk.leverage": [Margin(LINEAR, leverage=21)],
        "risk.bound": [Margin(LINEAR, -1_000 * TON)],
    }
    for code, wishes in refused.items():
        assert world.try_propose(ada, [], [], wishes) == code
    assert world.try_propose(ada, [], [], [Margin(LINEAR, available)]) == ""


def test_an_order_and_a_move_in_one_half_share_the_balance():
    world, ada, _ = traded()
    order = Wish(LINEAR, True, 100, 49_000, leverage=1)
    left = world.engine.accounts[ada].available - order.terms(world.engine.venue.rules, ada, 2).reserve
    assert world.try_propose(ada, [order], [], [Margin(LINEAR, left + 1)]) == "order.margin"
    assert world.try_propose(ada, [order], [], [Margin(LINEAR, left)]) == ""
    assert world.engine.accounts[ada].available == 0


def test_in_a_market_that_is_not_open_margin_goes_in_and_not_out():
    world, ada, _ = traded()
    world.switch(Mode.REDUCE_ONLY)
    assert world.try_propose(ada, [], [], [Margin(LINEAR, -TON)]) == "market.reduce_only"
    assert world.try_propose(ada, [], [], [Margin(LINEAR, TON)]) == ""


# Who signs what


def proposed(world, who, move, cites=0):
    """A half of `who` with `move`, that cites an older half of the service if said."""
    user = world.users[who]
    made = user.replica.propose((), (), [move], now_ms=world.now_ms)
    made = replace(made, cites=cites or made.cites)
    half = user.replica.half_of(made)
    return event.Proposed(
        at_ms=world.now_ms, channel_id=who, seqno=made.seqno, sent=made.sent,
        conditionals_hash=made.conditionals_hash, cites=made.cites,
        signature=keys.sign(user.seed, half.digest()), orders=[], drops=[], moves=[move],
    )  # fmt: skip


def test_the_moment_from_which_a_touch_counts_is_neither_before_the_terms_nor_after_what_has_come():
    world, ada, _ = traded()
    held, newest = world.engine.accounts[ada].positions[LINEAR], world.engine.venue.rounds[LINEAR]
    margin = held.position.margin + TON
    contract = world.engine.venue.rules.listing(LINEAR).contract
    latest = max(held.terms.since_ms, newest.at_ms + 1)
    for since_ms, lawful in ((held.terms.since_ms - 1, False), (latest + 1, False), (latest, True)):
        move = MarginMove(LINEAR, margin, since_ms)
        if lawful:
            assert margin_move.check_move(contract, held.position, held.terms, newest, move) == TON
        else:
            with pytest.raises(Exception, match=r"margin\.since"):
                margin_move.check_move(contract, held.position, held.terms, newest, move)


def test_a_touch_from_before_less_margin_does_not_count():
    world, ada, _ = traded()
    contract = world.engine.venue.rules.listing(LINEAR).contract
    world.price(LINEAR, 48_500)
    world.price(LINEAR, 50_500)
    world.propose(ada, margins=[Margin(LINEAR, leverage=20)])
    terms = world.engine.accounts[ada].positions[LINEAR].terms
    assert terms.liquidation_tick == liquidation_price(contract, position(world, ada), terms.funding) < 48_500 + 800
    assert terms.since_ms > world.engine.venue.rounds[LINEAR].at_ms


def test_a_move_is_overtaken_by_a_fill_in_its_market_and_by_nothing_else():
    world, ada, bob = traded()
    world.propose(ada)
    world.propose(ada, [Wish(LINEAR, False, 10, 50_500, Kind.LIMIT, 5, reduce_only=True)])
    margin = position(world, ada).margin
    made = proposed(world, ada, MarginMove(LINEAR, margin + TON, world.engine.venue.rounds[LINEAR].at_ms + 1))
    world.propose(bob, [Wish(LINEAR, True, 10, 50_500, leverage=5)])
    assert world.code_of(made) in {"channel.moved", "channel.conditionals", "margin.since"}
    assert position(world, ada).margin == margin - margin * 10 // 1_000


def test_without_the_look_at_what_it_replaces_a_half_overwrites_a_fill(monkeypatch):
    world, ada, bob = traded()
    world.propose(ada)
    world.propose(ada, [Wish(LINEAR, False, 10, 50_500, Kind.LIMIT, 5, reduce_only=True)])
    channel = world.engine.channels[ada]
    old = channel.window[max(channel.window)]
    world.propose(bob, [Wish(LINEAR, True, 10, 50_500, leverage=5)])
    new = channel.window[max(channel.window)]
    terms = [(MARKET_KEYS + LINEAR, signed(world, ada))]
    with pytest.raises(Exception, match=r"channel\.moved"):
        proposal._check_replaced(old, new, terms)
    monkeypatch.setattr(proposal, "_check_replaced", lambda *_: None)  # planted
    assert proposal._rebased(new, (), (), terms).conditionals.get(MARKET_KEYS + LINEAR) == terms[0][1]


def test_a_service_that_moves_another_margin_than_was_signed_is_caught(monkeypatch):
    world, ada, _ = traded()
    fair = margins.move_margin

    def greedy(venue, turn, channel_id, move):
        fair(venue, turn, channel_id, replace(move, margin=move.margin + 1))

    monkeypatch.setattr("fairway.exchange.proposals.move_margin", greedy)  # planted
    with pytest.raises(InvalidMessage, match=r"judge\.margin"):
        world.propose(ada, margins=[Margin(LINEAR, TON)])


def test_a_service_that_invents_a_move_is_caught_whether_or_not_a_position_is_held():
    world, ada, _ = traded()
    for market in (LINEAR, INVERSE):
        replica = world.users[ada].replica
        judge = Judge(replica.account, None, 9, replica.welcome, replica.opened.key_a)
        with pytest.raises(InvalidMessage, match=r"judge\.margin"):
            judge.apply(Margined(market, TON, world.now_ms, b""))


def test_a_service_that_accepts_a_move_and_does_not_make_it_is_caught(monkeypatch):
    world, ada, _ = traded()
    monkeypatch.setattr("fairway.exchange.proposals.move_margin", lambda *_: None)  # planted
    with pytest.raises((InvalidMessage, IllegalTransition), match=r"judge\.margin|engine\."):
        world.propose(ada, margins=[Margin(LINEAR, TON)])


def test_without_the_requirement_margin_below_maintenance_goes_out(monkeypatch):
    world, ada, _ = traded()
    monkeypatch.setattr(margin_move, "least_margin", lambda *_: 1)  # planted
    world.propose(ada, margins=[Margin(LINEAR, -49 * TON)])
    assert world.engine.accounts[ada].is_distressed(LINEAR)


def test_a_note_without_the_margin_is_seen_by_the_inspection(monkeypatch):
    world, ada, _ = traded()
    monkeypatch.setattr("fairway.exchange.settling.Settling.open", lambda *_: None)  # planted
    with pytest.raises(IllegalTransition, match=r"venue\.note"):
        world.propose(ada, margins=[Margin(LINEAR, TON)])


def test_no_more_margin_is_released_than_there_is():
    world, ada, _ = traded()
    contract = world.engine.venue.rules.listing(LINEAR).contract
    held = position(world, ada)
    for nano in (0, -1, held.margin):
        with pytest.raises(IllegalTransition, match=r"risk\.released"):
            released(held, contract, 50_000, nano)


def test_an_account_does_not_move_a_margin_it_does_not_have():
    world, ada, _ = traded()
    account: Account = world.engine.accounts[ada]
    with pytest.raises(IllegalTransition, match=r"account\.margin"):
        account.apply(Margined(INVERSE, TON, 0, b""))
