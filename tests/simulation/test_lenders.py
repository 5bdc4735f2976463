"""Lenders among traders: nobody is paid more than his share of the net worth, whatever the history and the price."""

from __future__ import annotations

from contextlib import suppress

import pytest
from msgspec.structs import replace

from fairway.client.wish import Wish
from fairway.errors import FairwayError, IllegalTransition, Rejected
from fairway.exchange import effect, event, lending, settling
from fairway.exchange.ledger import BOND, FEES, INSURANCE, OPERATOR, POOL
from fairway.exchange.lending import begin
from fairway.exchange.settling import Settling
from fairway.exchange.venue import Venue
from fairway.settlement.chain import NOTHING, PublicBooks
from fairway.settlement.job import published
from fairway.settlement.lend import LendKind
from fairway.settlement.lending import Lending
from fairway.settlement.solvency import Solvency
from fairway.units import FUNDING_SCALE, TON
from tests.simulation.test_exchange_flow import wander
from tests.simulation.world import World

WALLETS = [f"0:{number:064x}" for number in range(3)]


class Lenders:
    """Lenders of a vault whose price is anything within a quarter of the true one; they come and leave as they like."""

    def __init__(self, seed, moves=10):
        self.world, self.shares = World(seed), dict.fromkeys(WALLETS, 0)
        self.chance = self.world.random
        for name in range(4):
            self.world.join(f"trader {name}", 300 * TON)
        self.moves = moves
        self.paid = []

    @property
    def venue(self):
        return self.world.engine.venue

    def live(self):
        for _ in range(self.moves):
            wander(self.world, 12)
            self.step()
        for wallet in WALLETS:
            if self.shares[wallet]:
                self.leave(wallet, self.shares[wallet])
        return self

    def step(self):
        wallet = self.chance.choice(WALLETS)
        match self.chance.choice(("lend", "lend", "leave", "assess")):
            case "lend":
                nano = self.chance.choice((1, 7, TON, self.chance.randrange(1, 5_000 * TON)))
                with suppress(Rejected):  # of one nano, once a share costs more
                    self.world.lend(wallet, nano)
                    self.shares[wallet] += nano
            case "leave" if self.shares[wallet]:
                self.leave(wallet, self.chance.randint(1, self.shares[wallet]))
            case _:
                with suppress(Rejected):  # nothing happened since
                    self.world.assess()

    def leave(self, wallet, shares):
        """The chain pays by a price of its own, up to a quarter off."""
        venue, held = self.venue, self.venue.settling.shares_of(wallet)
        if not held:
            return
        owed = shares * self.chance.randint(75, 125) // 100
        pool = venue.ledger.balances[POOL]
        worth, total = venue.settling.value + FUNDING_SCALE * lending._income(venue), venue.settling.shares.value
        income = lending._income(venue)
        self.world.leave(wallet, shares, self.shares[wallet], owed)
        given = held - venue.settling.shares_of(wallet)
        self.paid.append((pool + income - venue.ledger.balances[POOL], given, worth, total, owed))
        self.shares[wallet] -= shares

    def check(self):
        """What left the pool for a lender is at most his share, and at most what the chain paid him."""
        for left, given, worth, total, owed in self.paid:
            assert left * FUNDING_SCALE * total <= given * worth, "more than his share of the net worth"
            assert left <= owed


def settled_worth(settled):
    """S·NAV over the openings, as the records have it."""
    return settled._worth.value


def read(world):
    """What a reader of the records knows after all of them."""
    books = PublicBooks(NOTHING)
    for wanted in world.effects:
        if isinstance(wanted, effect.ProveRecord):
            for opened in wanted.fills:
                books.apply(opened.transaction())
            books.apply(published(wanted.record))
    return books


@pytest.mark.parametrize("seed", range(4))
def test_no_lender_is_paid_more_than_his_share_out_of_the_pool(seed):
    lenders = Lenders(seed).live()
    lenders.check()
    venue = lenders.venue
    assert sum(venue.ledger.balances.values()) == 0
    assert venue.counts.lends
    books = read(lenders.world)
    assert settled_worth(venue.settling) == venue.settling.value
    assert books.pool == venue.settling.pool.commitment
    assert books.shares == venue.settling.shares.commitment


def test_those_who_stay_lose_nothing_by_those_who_come_and_go():
    lenders = Lenders(7)
    settled, prices = lenders.venue.settling, []
    for _ in range(12):
        wander(lenders.world, 6)
        before = settled.value + FUNDING_SCALE * lending._income(lenders.venue), settled.shares.value
        lenders.step()
        after = settled.value + FUNDING_SCALE * lending._income(lenders.venue), settled.shares.value
        prices.append((before, after))
    for (worth, shares), (worth_after, shares_after) in prices:
        assert worth_after * shares >= worth * shares_after


def test_a_replay_ends_with_the_same_shares_and_the_same_records():
    lenders = Lenders(3, moves=5).live()
    assert lenders.world.replayed().digest() == lenders.world.engine.digest()


def test_every_showing_keeps_the_identity_of_the_pool():
    lenders = Lenders(5)
    for _ in range(5):
        wander(lenders.world, 20)
        lenders.world.lend(WALLETS[0], 50 * TON)
        lenders.world.assess()
        shown = lenders.venue.assessed[-1]
        assert shown.holds()
        assert not shown._replace(lenders=shown.lenders + 1).holds()
        assert not shown._replace(worth=-1).holds()


# Planted bugs


def rounded_up(self, lender, shares, source, at_ms):
    """A division in the lender's favour: one nano more leaves the pool than the shares are worth."""
    move, fills = REDEEM(self, lender, shares, source, at_ms)
    known = dict(zip(NAMES, move.openings, strict=True))
    known["W"] = type(known["W"])(known["W"].value + 1, known["W"].blinding)
    return Lending(move.statement, tuple(known.values())), fills


REDEEM = Settling.redeem
NAMES = ("W", "Sh", "LS0", "LS1", "T0", "T1", "V", "e", "eh", "gh", "H0")


def test_a_redemption_rounded_for_the_lender_is_caught_by_its_event(monkeypatch):
    monkeypatch.setattr(Settling, "redeem", rounded_up)
    world = World(1)
    world.lend(WALLETS[0], 3 * TON)
    with pytest.raises(IllegalTransition, match=r"venue\.lend_state"):
        world.leave(WALLETS[0], TON + 1, 3 * TON, 2 * TON)


def test_a_net_worth_without_funding_is_caught_by_the_fill_that_moves_it(monkeypatch):
    claim_of = settling.claim_of
    monkeypatch.setattr(settling, "claim_of", lambda s, cost, _base, *, inverse: claim_of(s, cost, 0, inverse=inverse))
    lenders = Lenders(2)
    lenders.world.price(2, 51_500, funding=12_345)
    with pytest.raises(IllegalTransition, match=r"venue\.worth"):
        wander(lenders.world, 200)


def test_a_share_price_without_the_income_is_caught(monkeypatch):
    """The stale price: who comes before the fees are counted gets shares too cheap, at the cost of who stays."""

    def stale(venue, _turn):
        lenders.skipped += lending._income(venue)

    lenders = Lenders(4)
    lenders.skipped = 0
    lenders.world.lend(WALLETS[0], 100 * TON)
    wander(lenders.world, 200)
    due = lending._income(lenders.venue)
    assert due > 0
    monkeypatch.setattr(lending, "_take_income", stale)
    settled = lenders.venue.settling
    before = settled.value + FUNDING_SCALE * due, settled.shares.value
    lenders.world.lend(WALLETS[1], 10_000 * TON)
    after = settled.value + FUNDING_SCALE * due, settled.shares.value
    assert after[0] * before[1] < before[0] * after[1], "the planted bug costs who stays"


def test_a_move_priced_before_a_fill_was_published_is_refused_by_every_reader(monkeypatch):
    monkeypatch.setattr(Settling, "_publish", lambda _self: ())
    lenders = Lenders(6)
    wander(lenders.world, 60)
    lenders.world.lend(WALLETS[0], TON)
    with pytest.raises(FairwayError, match=r"settlement\.(worth|note|terms)"):
        read(lenders.world)


# Edges


def test_what_the_chain_paid_beyond_a_share_is_the_operators_loss():
    world = World(1)
    world.lend(WALLETS[0], 10 * TON)
    balances = world.engine.venue.ledger.balances
    before = dict(balances)
    world.leave(WALLETS[0], 10 * TON, 10 * TON, 12 * TON)
    assert before[POOL] - balances[POOL] == 10 * TON
    assert balances[OPERATOR] == -2 * TON
    assert (balances[INSURANCE], balances[FEES], balances[BOND]) == (before[INSURANCE], 0, 0)


def test_what_the_chain_paid_short_of_a_share_stays_with_the_other_lenders():
    world = World(1)
    world.lend(WALLETS[0], 10 * TON)
    venue = world.engine.venue
    price = venue.settling.value / venue.settling.shares.value
    world.leave(WALLETS[0], 10 * TON, 10 * TON, 8 * TON)
    kinds = [each.record.statement.kind for each in world.effects if isinstance(each, effect.ProveRecord)]
    assert kinds == [LendKind.INITIAL, LendKind.DEPOSIT, LendKind.REDEEM, LendKind.EARN]
    assert venue.settling.value / venue.settling.shares.value > price
    assert sum(venue.ledger.balances.values()) == 0


@pytest.mark.parametrize(
    ("move", "code"),
    [
        (lambda world: world.leave(WALLETS[1], 1, 1, 1), "pool.lender"),
        (lambda world: world.leave(WALLETS[0], 2, 1, 1), "pool.lender"),
        (lambda world: world.leave(WALLETS[0], 0, 1, 1), "pool.lender"),
        (lambda world: world.lend(WALLETS[0], 0), "pool.shares"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(move, code):
    world = World(1)
    world.lend(WALLETS[0], TON)
    before = world.engine.digest()
    with pytest.raises(Rejected) as caught:
        move(world)
    assert caught.value.code == code
    assert world.engine.digest() == before


def test_a_pool_is_shown_once_until_something_happens():
    world = World(1)
    (asked,) = world.assess()
    assert isinstance(asked.record, Solvency)
    with pytest.raises(Rejected, match=r"pool\.shown"):
        world.assess()


def test_a_pool_worth_less_than_nothing_is_not_shown_and_takes_no_new_risk(monkeypatch):
    world = World(1)
    ada = world.join("ada", 300 * TON)
    world.price(2, 51_500)
    monkeypatch.setattr(Settling, "value", property(lambda _self: -1))
    with pytest.raises(Rejected, match=r"settlement\.insolvent"):
        world.assess()
    assert world.try_propose(ada, [Wish(2, True, 10, 51_500, leverage=5)]) == "pool.insolvent"
    with pytest.raises(Rejected, match=r"pool\.shares"):
        world.lend(WALLETS[0], TON)


def test_a_venue_without_a_pool_seed_has_no_lenders():
    world = World(1)
    founded = event.decode(world.journal[0])
    venue = Venue(replace(founded, pool_seed=0))
    begin(venue, None)
    assert venue.settling.shares.value == venue.settling.count == 0
