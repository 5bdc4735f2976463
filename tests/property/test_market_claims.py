"""C1 and C2: joint claims pay what a pair signed in full would pay, whichever live halves a cheater brings."""

import random
from collections import Counter
from dataclasses import replace

import market_history
import pytest
from market_history import History, Mirror
from msgspec import structs

from fairway.channel import dispute as rules
from fairway.channel.dispute import A, B, challenge, start
from fairway.channel.state import Body, Half
from fairway.channel.whole import adopt, recall
from fairway.errors import Rejected
from fairway.exchange.valuation import Forward, gained, lost


def tried(move, *arguments, **options):
    try:
        return move(*arguments, **options)
    except Rejected:
        return None


class Case:
    """One history that ends in dispute: honest play, and everything that a cheater may bring."""

    def __init__(self, seed, *, calm=False):
        self.history = History(seed, calm=calm)
        self.random = random.Random(-seed)
        self.exits = self.history.exits()
        self.contents = {half.digest(): content for half, content in self.history.a}
        self.mirrors = {mirror.half.digest(): mirror for mirror in self.history.b}
        if self.history.pending:
            half, content, _ = self.history.pending
            self.contents[half.digest()] = content

    def signed_by_a(self, content, cited, seqno):
        half = self.history.half_of_a(content, cited, seqno)
        self.contents[half.digest()] = content
        return half

    def newest_a(self):
        """A's newest half and the half of B that it cites; a fresh countersignature unless an answer is due."""
        if self.history.pending:
            half = self.history.pending[0]
            return half, self.history.b[half.cited - 1].half
        mirror = self.history.b[-1]
        return self.signed_by_a(mirror.content, mirror.half.seqno, len(self.history.a) + 1), mirror.half

    def worth(self, dispute, **shown):
        a, b = dispute.pair
        return self.history.paid(self.contents[a.digest()], self.mirrors[b.digest()], self.exits, **shown)

    def consistent(self):
        """What the pairs pay that both have signed in full: A's newest half accepted, and each later expectation."""
        newest, content = self.history.pending[:2] if self.history.pending else self.history.a[-1]
        cited = self.history.b[newest.cited - 1]
        pairs = [(content, cited)]
        pairs += [(mirror.content, mirror) for mirror in self.history.b if mirror.half.cited == len(self.history.a)]
        accepted, content = self.history.a[-1]
        pairs += [(content, self.history.b[accepted.cited - 1])] if accepted.cited else []
        return [self.history.truth(content, mirror, self.exits) for content, mirror in pairs]

    def adopted(self, dispute, mirror, seqno):
        """The dispute after A has brought the half `mirror` of B with exactly what it expects, where he may."""
        half = self.signed_by_a(mirror.content, mirror.half.seqno, seqno)
        return tried(adopt, dispute, (half, mirror.half), mirror.content.expects) or dispute

    def recalled(self, dispute):
        """The dispute after B has recalled the half that A's half cites."""
        cited = dispute.pair[A].cited
        known = 0 < cited <= len(self.history.b)
        return (known and tried(recall, dispute, self.history.b[cited - 1].half)) or dispute

    def is_whole(self, dispute):
        """Whether B's half in quarantine is cited by A's there, or expects it."""
        a, b = dispute.pair
        return a.counterparty == b.body or self.contents[a.digest()] == self.mirrors[b.digest()].content

    def subset(self):
        return {order for order in self.history.receipts if self.random.random() < 0.5}


SLACK = 40
"""Nano: each forward and each close rounds by less than one, against the user."""


def invented_b(case):
    """Halves that B can sign now: no promises, any seqno, any citation."""
    halves = case.history.a + ([case.history.pending[:2]] if case.history.pending else [])
    for seqno, (cited, _) in ((10**9, halves[-1]), (10**9 + 1, halves[0]), (10**9 + 2, halves[-1])):
        half = Half(5, Body(seqno, case.history.b[-1].half.sent, bytes(32)), cited.body)
        case.mirrors[half.digest()] = Mirror(half, market_history.Content())
        yield half


def check_c1(seed, count=None):
    """An honest A: he leaves, or answers B's start, by his newest half and the one it cites, and adopts at the end."""
    case, count = Case(seed), Counter() if count is None else count
    bound = min(case.consistent()) - SLACK
    mine = case.newest_a()
    halves_a = [half for half, _ in case.history.a] + [mine[0]]
    halves_b = [mirror.half for mirror in case.history.b] + list(invented_b(case))
    for _ in range(12):
        by_b = case.random.random() < 0.5
        pair = (case.random.choice(halves_a), case.random.choice(halves_b)) if by_b else mine
        dispute = tried(start, B if by_b else A, pair)
        if dispute is None:
            continue
        if by_b:
            pair = rules.answer(dispute, A, *mine)
            dispute = (pair and tried(challenge, dispute, A, pair)) or dispute
        for _ in range(case.random.randrange(3)):
            later = case.random.choice(halves_a), case.random.choice(halves_b)
            dispute = tried(challenge, dispute, B, later) or dispute
        dispute = case.recalled(dispute) if case.random.random() < 0.5 else dispute
        if dispute.pair != mine:
            before = dispute
            dispute = case.adopted(dispute, case.history.b[mine[1].seqno - 1], mine[0].seqno + 1)
            count["adopted"] += dispute is not before
        dispute = case.recalled(dispute) if case.random.random() < 0.5 else dispute
        count["c1"] += 1
        assert case.worth(dispute, shown_b=case.subset()) >= bound, "A got less than what both have signed"
        assert case.worth(dispute) >= bound, "A got less than what both have signed"
    return count


def check_c2(seed, count=None):
    """An honest B shows the newest halves and recalls; A may adopt after that, and shows what he likes."""
    case, count = Case(seed), Counter() if count is None else count
    if case.history.pending:
        return count
    bound = max(case.consistent()) + SLACK
    accepted, newest = case.history.a[-1][0], case.history.b[-1].half
    halves_b = [mirror.half for mirror in case.history.b]
    empty = market_history.Content(sent=accepted.sent)
    halves_a = [half for half, _ in case.history.a]
    halves_a += [case.signed_by_a(empty, case.random.randint(1, len(halves_b)), 10**9 + n) for n in range(2)]
    for _ in range(12):
        dispute = tried(start, A, (case.random.choice(halves_a), case.random.choice(halves_b)))
        if dispute is None:
            continue
        some = case.random.choice(case.history.b)
        dispute = case.adopted(dispute, some, 10**9 + 7) if case.random.random() < 0.3 else dispute
        dispute = tried(challenge, dispute, B, (accepted, newest)) or dispute
        for _ in range(case.random.randrange(3)):
            later = case.random.choice(halves_a), case.random.choice(halves_b)
            dispute = tried(challenge, dispute, A, later) or dispute
        dispute = case.recalled(dispute) if not case.is_whole(dispute) else dispute
        if case.random.random() < 0.6:
            before = dispute
            dispute = case.adopted(dispute, case.random.choice(case.history.b), 10**9 + 8)
            count["adopted"] += dispute is not before
        count["c2"] += 1
        assert case.worth(dispute, shown_a=case.subset()) <= bound, "B paid more than what both have signed"
        assert case.worth(dispute) <= bound, "B paid more than what both have signed"
    return count


def test_c1_an_honest_user_gets_what_both_have_signed_whatever_the_service_brings():
    count = Counter()
    for seed in range(400):
        check_c1(seed, count)
    assert count["c1"] > 2000
    assert count["adopted"] > 200


def test_c2_an_honest_service_pays_what_both_have_signed_whatever_the_user_brings():
    count = Counter()
    for seed in range(600):
        check_c2(seed, count)
    assert count["c2"] > 2000
    assert count["adopted"] > 200


def test_showing_more_fills_never_lowers_ones_own_claim():
    for seed in range(300):
        case = Case(seed)
        a, b = case.history.a[-1][1], case.history.b[-1]
        some = case.subset()
        most = {*some, *case.subset()}
        assert case.history.paid(a, b, case.exits, shown_a=some) <= case.history.paid(a, b, case.exits, shown_a=most)
        assert case.history.paid(a, b, case.exits, shown_b=some) >= case.history.paid(a, b, case.exits, shown_b=most)


def test_a_touched_position_costs_its_margin_and_what_it_has_won_since():
    for value in (-500, -70, 0, 70, 10**9):
        taken = lost([value], 100, [], touched=True)
        assert gained([value], 10**11, 10**9, []) - taken == -100
        fills = [Forward(40, 9), Forward(-25, 9)]
        won = gained([value], 10**11, 10**9, fills) - lost([value], 100, fills, touched=True)
        assert won == max(-118, 40 - 100 - 25)


def test_one_of_a_group_of_orders_brings_its_reserve():
    fills = [Forward(-90, 50, 3), Forward(-90, 60, 3), Forward(-90, 7)]
    assert lost([0], 0, fills) == 67


def caught(check, patch):
    with pytest.MonkeyPatch.context() as monkeypatch:
        patch(monkeypatch)
        with pytest.raises(AssertionError, match="what both have signed"):
            over(150, check)


def over(seeds, check):
    for seed in range(seeds):
        check(seed)


def each_alone(values, margin, forwards):
    return min(sum(max(0, -value) for value in values), margin) + sum(
        min(max(0, -each.value), each.reserve) for each in forwards
    )


def test_planted_caps_of_each_promise_alone_are_caught():
    caught(check_c2, lambda m: m.setattr(market_history, "lost", each_alone))


def test_planted_a_user_who_cannot_adopt_is_caught():
    caught(check_c1, lambda m: m.setattr(Case, "adopted", lambda _self, dispute, *_: dispute))


def test_planted_a_service_that_cannot_recall_is_caught():
    caught(check_c2, lambda m: m.setattr(Case, "recalled", lambda _self, dispute: dispute))


def test_planted_adoption_past_what_was_acknowledged_is_caught():
    real = adopt

    def careless(dispute, pair, expected):
        return real(replace(dispute, floors=(0, 0)), pair, expected)

    caught(check_c2, lambda m: m.setitem(globals(), "adopt", careless))


def check_agreement(seed):
    """Where no bound is met, all pairs that both have signed pay the same: a fill unsigned is worth a fill signed."""
    case = Case(seed, calm=True)
    paid = case.consistent()
    assert max(paid) - min(paid) < SLACK, "an unsigned fill is worth something else than what both have signed"


def test_a_fill_that_is_not_signed_yet_is_worth_what_it_will_be():
    over(300, check_agreement)


def test_planted_forwards_that_know_no_funding_are_caught():
    real = History.forwards

    def without(self, market, half, seqno_b, exits, shown=None):
        kept = self.receipts
        self.receipts = {
            order: [(seqno, each._replace(base=0)) for seqno, each in fills] for order, fills in kept.items()
        }
        found = real(self, market, half, seqno_b, [(mark, 0) for mark, _ in exits], shown)
        self.receipts = kept
        return found

    caught(check_agreement, lambda m: m.setattr(History, "forwards", without))


def both_places(self, market, half, seqno_b, exits, shown=None):
    """A fill of a cross order speaks in the pot, and in its market once more."""
    fills = self.unsigned(half, seqno_b, shown)
    return [self.forward(order, *fill, exits) for order, *fill in fills if market in {self.place(order), order.market}]


def truth_in_one_place(real):
    def truth(self, *given):
        with pytest.MonkeyPatch.context() as honest:
            honest.setattr(History, "forwards", FORWARDS)
            return real(self, *given)

    return truth


FORWARDS = History.forwards


def test_planted_a_cross_fill_that_is_claimed_of_its_market_too_is_caught():
    def plant(m):
        m.setattr(History, "truth", truth_in_one_place(History.truth))
        m.setattr(History, "forwards", both_places)

    caught(check_c1, plant)
    caught(check_c2, plant)


def test_planted_a_reserve_that_counts_twice_is_caught():
    def twice(values, margin, forwards):
        return lost(values, margin, [each._replace(reserve=2 * each.reserve) for each in forwards])

    caught(check_c1, lambda m: m.setattr(market_history, "lost", twice))


def check_put_up(seed, count=None):
    """What closes have won of the pot, and what side B still owes of it, is no more than was put up for it."""
    history, count = History(seed, steps=30), Counter() if count is None else count
    count["won"] += history.won_of_pot > 0
    count["shared"] += sum(each is not None for each in history.newest.shared) > 1
    owed = history.won_of_pot + history.newest.pot.cap
    assert owed <= history.put_up, "the pot pays more than what both have signed"


def test_what_a_close_wins_of_the_pot_side_b_owes_no_more():
    count = Counter()
    for seed in range(400):
        check_put_up(seed, count)
    assert min(count["won"], count["shared"]) > 40, count


def test_planted_a_cap_that_a_win_does_not_lower_is_caught():
    real = market_history.paid_into

    def careless(pot, closure):
        after, beyond = real(pot, closure)
        return structs.replace(after, cap=pot.cap), beyond

    caught(check_put_up, lambda m: m.setattr(market_history, "paid_into", careless))


def test_planted_a_touch_that_leaves_the_mirrors_profit_is_caught():
    assert gained([70], 1000, 10, []) - lost([min(70, 0)], 100, [], touched=True) != -100
