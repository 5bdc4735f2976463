"""The rules of a dispute against every pair a cheater could bring, over random histories of a channel."""

import random
from collections import Counter
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from fairway.channel import dispute as rules
from fairway.channel.dispute import A, B, answer, challenge, finish, open_challenge, start
from fairway.channel.state import Body, Half
from fairway.errors import Rejected

DEPOSITS = (500, 500)


class History:
    """Halves that both sides signed, each on what its side had seen; a hash begins with what its promises pay."""

    def __init__(self, seed, length=9):
        self.random = random.Random(seed)
        self.halves = ([self.half(None, 0, None)], [self.half(None, 0, None)])
        for _ in range(length):
            side = self.random.choice((A, B))
            mine, theirs = self.halves[side], self.halves[1 - side]
            cited = self.random.randint(mine[-1].cited, theirs[-1].seqno) or 1
            # The service acknowledges what it accepts at once: B's halves cite the newest.
            cited = theirs[-1].seqno if side == B else cited
            mine.append(self.half(mine[-1], self.random.choice((0, 0, 20, 70)), theirs[cited - 1].body))
        newest_a, newest_b = self.halves[A][-1], self.halves[B][-1]
        if newest_b.cited != newest_a.seqno:
            self.halves[B].append(self.half(newest_b, 0, newest_a.body))

    def half(self, before, more, cited):
        seqno, sent = (before.seqno + 1, before.sent + more) if before else (1, 0)
        return Half(5, Body(seqno, sent, bytes([self.random.randrange(60)]) * 32), cited)

    def forged(self, side):
        """Halves that a cheater can sign now: no promises, any seqno, any sum that is not refused, any citation."""
        mine, theirs = self.halves[side], self.halves[1 - side]
        for seqno, seen in ((mine[-1].seqno + 1, theirs[0]), (10**9, theirs[0]), (10**9 + 1, theirs[-1])):
            for sent in {0, theirs[-1].counterparty.sent if theirs[-1].counterparty else 0}:
                yield Half(5, Body(seqno, sent, bytes(32)), seen.body)

    def pairs(self, cheater):
        """All that a cheater can bring."""
        mine = [*self.halves[cheater], *self.forged(cheater)]
        for own, other in product(mine, self.halves[1 - cheater]):
            yield (own, other) if cheater == A else (other, own)


def paid(dispute, side, fine=0):
    claimed = tuple(half.body.conditionals_hash[0] for half in dispute.pair)
    payout = finish(dispute, DEPOSITS, claimed, fine)
    assert sum(payout) == sum(DEPOSITS)
    assert min(payout) >= 0
    return payout[side]


def tried(move, *arguments):
    try:
        return move(*arguments)
    except Rejected:
        return None


def defended(history, dispute, honest):
    """The dispute after the honest side has answered, where it has to."""
    pair = dispute and answer(dispute, honest, history.halves[honest][-1], history.halves[1 - honest][-1])
    return tried(challenge, dispute, honest, pair) or dispute if pair else dispute


def honest_best(history, cheater):
    """The most that the cheater could get by an honest start: his newest half, and any of the other's he has seen."""
    newest = history.halves[cheater][-1]
    others = history.halves[1 - cheater][max(newest.cited, 1) - 1 :]
    pairs = [(newest, other) if cheater == A else (other, newest) for other in others]
    return max(paid(start(cheater, pair), cheater) for pair in pairs)


def check_theorem(seed, count=None):
    count = Counter() if count is None else count
    history = History(seed)
    for cheater, honest in ((A, B), (B, A)):
        bound, pairs = honest_best(history, cheater), list(history.pairs(cheater))
        for pair in pairs:
            opened = tried(start, cheater, pair)
            count["starts" if opened else "outdated"] += 1
            if opened is None:
                continue
            # He may also abuse the watchtower's door before the honest side answers.
            begun = [opened, *filter(None, (tried(open_challenge, opened, other) for other in pairs))]
            for dispute in begun:
                answered = defended(history, dispute, honest)
                assert paid(answered, cheater) <= bound, "a start paid the cheater"
                count["answered"] += answered is not dispute
                for later in history.random.sample(pairs, 8):
                    again = tried(challenge, answered, cheater, later)
                    count["again"] += again is not None
                    if again:
                        assert paid(defended(history, again, honest), cheater) <= bound, "a challenge paid the cheater"
    return count


def test_no_choice_of_halves_pays_a_cheater():
    count = Counter()
    for seed in range(60):
        check_theorem(seed, count)
    assert min(count[what] for what in ("starts", "outdated", "answered", "again")) > 500, count


@settings(max_examples=10, deadline=None)
@given(st.integers(min_value=1000))
def test_no_history_lets_a_cheater_gain(seed):
    check_theorem(seed)


def check_honest_start(seed):
    history, moves = History(seed), 0
    for side, other in ((A, B), (B, A)):
        newest = (history.halves[A][-1], history.halves[B][-1])
        opened = start(side, newest)
        pairs = list(history.pairs(other))
        begun = [opened, *filter(None, (tried(open_challenge, opened, pair) for pair in pairs))]
        for dispute, pair in product(begun, pairs):
            after = tried(challenge, dispute, other, pair)
            if after:
                moves += 1
                assert not after.fined, "an honest start was fined"
                assert after.pair[other] == newest[other]
                assert after.pair[side].seqno >= newest[other].cited
    return moves


def test_an_honest_start_is_never_fined_and_keeps_its_own_half():
    assert over(30, check_honest_start) > 100


@pytest.mark.parametrize("seed", range(30))
def test_a_stale_start_is_fined_once_and_no_more_than_there_is(seed):
    history = History(seed)
    stale, newest = history.halves[A][0], history.halves[A][-1]
    opened = tried(start, A, (stale, history.halves[B][0]))
    if opened is None or newest == stale:
        return
    answered = defended(history, opened, B)
    assert answered.fined
    assert paid(answered, A, 10**9) == 0
    assert paid(answered, A, 0) - paid(answered, A, 7) in {7, paid(answered, A, 0)}


def test_a_watchtower_needs_no_secret_to_undo_an_invented_half():
    history = History(3)
    newest_a, newest_b = history.halves[A][-1], history.halves[B][-1]
    invented = structs.replace(newest_a, body=Body(10**9, newest_a.sent, bytes(32)))
    opened = start(A, (invented, newest_b))
    saved = open_challenge(opened, (newest_a, newest_b))
    assert saved.pair == (newest_a, newest_b)
    assert not saved.challenged


def test_nobody_unsigned_brings_an_invented_half():
    history = History(3)
    newest_a, newest_b = history.halves[A][-1], history.halves[B][-1]
    invented = structs.replace(newest_a, body=Body(10**9, newest_a.sent, bytes(32)))
    opened = start(A, (history.halves[A][0], history.halves[B][0]))
    with pytest.raises(Rejected) as caught:
        open_challenge(opened, (invented, newest_b))
    assert caught.value.code == "dispute.uncosigned"


def plain(seqno, cited, sent=0):
    return Half(5, Body(seqno, sent, bytes(32)), cited.body if cited else None)


def test_a_half_that_stands_above_its_floor_is_shown_once_more():
    b1 = plain(1, None)
    a1 = plain(1, b1)
    b2 = plain(2, a1)
    a2 = plain(2, b2, sent=40)
    b3 = plain(3, a2)
    opened = start(A, (a2, b2))
    assert open_challenge(opened, (a1, b2)).pair[A] == a1, "anyone could bring the older one"
    answered = challenge(opened, B, answer(opened, B, b3, a2))
    assert answered.pair[A] == a2
    assert answer(answered, B, b3, a2) is None
    with pytest.raises(Rejected):
        open_challenge(answered, (a1, b2))


def over(seeds, check):
    return sum(map(check, range(seeds)))


def check_watchtower(seed):
    """With its side offline, a tower's co-signed pair stands against all that the cheater can bring later."""
    history, moves = History(seed), 0
    for cheater, honest in ((A, B), (B, A)):
        mine, pairs = history.halves[honest][-1], list(history.pairs(cheater))
        if not mine.cited:
            continue
        cited = history.halves[1 - honest][mine.cited - 1]
        tower = (mine, cited) if honest == A else (cited, mine)
        for pair in pairs:
            opened = tried(start, cheater, pair)
            saved = opened and (tried(open_challenge, opened, tower) or opened)
            if saved is None or saved.pair[cheater] != cited:
                continue  # he started with a half that nobody has cited yet: his own risk, and above the floor
            for later, unsigned in product(pairs, (False, True)):
                last = tried(open_challenge, saved, later) if unsigned else tried(challenge, saved, cheater, later)
                if last:
                    moves += 1
                    assert last.pair[cheater] == cited, "the last word was the cheater's"
    return moves


def test_a_watchtower_alone_keeps_what_both_have_signed():
    assert over(20, check_watchtower) > 100


def test_a_contract_whose_unsigned_door_takes_any_newer_half_is_caught():
    real = rules.open_challenge

    def generous(dispute, pair):
        initiator = dispute.initiator
        if pair[initiator].seqno > dispute.pair[initiator].seqno:
            return replace(challenge(replace(dispute, challenged=False), 1 - initiator, pair), challenged=False)
        return real(dispute, pair)

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setitem(globals(), "open_challenge", generous)
        with pytest.raises(AssertionError, match="the last word"):
            over(20, check_watchtower)


def check_theorem_alone(seed):
    return check_theorem(seed).total()


def planted(patch):
    with pytest.MonkeyPatch.context() as monkeypatch:
        patch(monkeypatch)
        with pytest.raises(AssertionError):
            over(12, check_theorem_alone)


def test_a_contract_without_r1_is_caught():
    planted(lambda m: m.setattr(rules, "_raised", lambda floors, pair: floors))


def test_a_contract_that_takes_only_newer_halves_is_caught():
    real = rules.challenge

    def living(dispute, challenger, pair):
        other = 1 - challenger
        if pair[other].seqno <= dispute.pair[other].seqno:
            raise Rejected("dispute.outdated", "the living contract's mistake, turned round")
        return real(dispute, challenger, pair)

    planted(lambda m: m.setitem(globals(), "challenge", living))


def test_a_contract_whose_unsigned_door_uses_up_the_free_challenge_is_caught():
    real = rules.open_challenge

    def burning(dispute, pair):
        return replace(real(dispute, pair), challenged=True)

    planted(lambda m: m.setitem(globals(), "open_challenge", burning))


def test_a_contract_whose_initiator_may_choose_his_own_half_again_is_caught():
    real = rules.challenge

    def lenient(dispute, challenger, pair):
        after = real(dispute, challenger, pair)
        if challenger != dispute.initiator:
            return after
        kept = list(after.pair)
        kept[challenger] = pair[challenger]
        return replace(after, pair=tuple(kept))

    planted(lambda m: m.setitem(globals(), "challenge", lenient))


def test_a_contract_that_fines_by_the_half_in_quarantine_is_caught():
    """Someone rolls an honest start back by the unsigned door, then shows what it had come with as if it were newer."""
    real = rules.challenge

    def forgetful(dispute, challenger, pair):
        return real(replace(dispute, came_with=dispute.pair[dispute.initiator]), challenger, pair)

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setitem(globals(), "challenge", forgetful)
        with pytest.raises(AssertionError, match="was fined"):
            over(30, check_honest_start)
