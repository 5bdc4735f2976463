"""Each way to cheat with halves, executed: what the cheater gains is nothing, what he pays is the fine."""

from __future__ import annotations

from channel_stage import CHANNEL, FINE, TON, WALLET_A, WALLET_B, Stage, body, half_a, half_b

from fairway.channel.codec import Challenge, OpenChallenge
from fairway.channel.state import Body, SignedHalf


def staged() -> Stage:
    return Stage().funded(10 * TON, 100 * TON)


def tower(stage: Stage, a: SignedHalf, b: SignedHalf) -> int | None:
    return stage.tell(OpenChallenge(Challenge(CHANNEL, a, b))).exit_code


def paid_to_b(stage: Stage) -> int:
    assert stage.finish().result_code == 0
    return stage.paid(WALLET_B)


NEWEST_A, NEWEST_B = body(9, 6 * TON), body(9, 2 * TON)
PAIR = half_a(NEWEST_A, body(8)), half_b(NEWEST_B, NEWEST_A)
AGREED_B = 104 * TON
"""What B gets of 10 + 100 if the newest halves stand."""


def test_a_stale_start_is_challenged_and_fined():
    stage = staged()
    stage.start(half_a(body(3)), half_b(body(3, 2 * TON)), by_a=True)
    assert stage.challenge(*PAIR, by_a=False).exit_code == 0
    assert paid_to_b(stage) == AGREED_B + FINE


def test_a_stale_start_of_the_service_is_challenged_and_fined():
    stage = staged()
    stage.start(half_a(body(3, 6 * TON)), half_b(body(3)), by_a=False)
    assert stage.challenge(*PAIR, by_a=True).exit_code == 0
    assert paid_to_b(stage) == AGREED_B - FINE


def test_a_lower_sum_under_a_higher_seqno_is_fined():
    stage = staged()
    stage.start(half_a(body(50)), half_b(NEWEST_B, body(8)), by_a=True)
    assert stage.challenge(*PAIR, by_a=False).exit_code == 0
    assert paid_to_b(stage) == AGREED_B + FINE


def test_an_invented_top_half_gives_way_to_the_one_the_other_side_chooses():
    stage = staged()
    invented = Body(10**9, NEWEST_A.sent, bytes(32))
    promised = Body(9, NEWEST_A.sent, b"\7" * 32)
    answer = half_a(promised), half_b(NEWEST_B, promised)
    stage.start(half_a(invented, body(8)), half_b(NEWEST_B, promised), by_a=True)
    assert stage.challenge(*answer, by_a=False).exit_code == 0
    assert stage.view().quarantine.a.conditionals_hash == promised.conditionals_hash


def test_a_challenger_cannot_roll_back_below_what_he_cited():
    stage = staged()
    stage.start(*PAIR, by_a=True)
    old = half_a(body(3, 8 * TON)), half_b(body(10))
    assert stage.challenge(*old, by_a=False).exit_code == 105


def test_a_challenger_cannot_keep_his_old_half_by_a_stale_pair():
    """B starts nothing, but A quarantined B's old half; the pair that shows A's newest lifts B's own half too."""
    stage = staged()
    newest = half_a(body(9, 6 * TON), NEWEST_B)
    stage.start(half_a(body(2)), half_b(body(2)), by_a=True)
    assert stage.challenge(newest, half_b(body(2)), by_a=False).exit_code == 105
    assert stage.challenge(newest, half_b(NEWEST_B, body(9, 6 * TON)), by_a=False).exit_code == 0
    assert paid_to_b(stage) == AGREED_B + FINE


def test_the_challengers_own_half_stays_where_nothing_shows_it_old():
    stage = staged()
    chosen = body(9, 3 * TON)
    stage.start(half_a(NEWEST_A), half_b(chosen, body(8)), by_a=True)
    assert stage.challenge(half_a(NEWEST_A), half_b(body(10), NEWEST_A), by_a=False).exit_code == 0
    assert paid_to_b(stage) == 103 * TON


def test_only_the_other_side_has_the_first_word():
    stage = staged()
    stage.start(half_a(body(3)), half_b(body(3)), by_a=True)
    assert stage.challenge(half_a(body(4)), half_b(body(3)), by_a=True).exit_code == 109


def test_a_second_challenge_must_raise_a_floor():
    stage = staged()
    stage.start(half_a(body(3)), half_b(body(3)), by_a=True)
    assert stage.challenge(*PAIR, by_a=False).exit_code == 0
    assert stage.challenge(*PAIR, by_a=False).exit_code == 125
    assert stage.challenge(*PAIR, by_a=True).exit_code == 125
    cited = half_a(body(10, 7 * TON), NEWEST_B), half_b(body(10, 2 * TON), body(10, 7 * TON))
    assert stage.challenge(*cited, by_a=False).exit_code == 0
    assert paid_to_b(stage) == 105 * TON + FINE


def test_the_fine_is_taken_once_however_often_it_is_shown():
    stage = staged()
    stage.start(half_a(body(3)), half_b(body(3, 2 * TON)), by_a=True)
    middle = body(7, 5 * TON)
    assert stage.challenge(half_a(middle), half_b(body(7, 2 * TON), middle), by_a=False).exit_code == 0
    assert stage.challenge(*PAIR, by_a=False).exit_code == 0
    assert paid_to_b(stage) == AGREED_B + FINE


def test_an_honest_start_is_never_fined_by_a_roll_back_and_return():
    stage = staged()
    older = body(8, 5 * TON)
    stage.start(half_a(NEWEST_A, body(8)), half_b(body(8, 2 * TON), older), by_a=True)
    assert tower(stage, half_a(older), half_b(body(8, 2 * TON), older)) == 0
    assert stage.challenge(half_a(NEWEST_A, body(8)), half_b(NEWEST_B, NEWEST_A), by_a=False).exit_code == 0
    assert paid_to_b(stage) == AGREED_B


def test_the_fine_takes_no_more_than_the_cheater_has():
    stage = staged()
    broke = body(9, 12 * TON - FINE // 5)
    stage.start(half_a(body(3)), half_b(body(3, 2 * TON)), by_a=True)
    assert stage.challenge(half_a(broke), half_b(NEWEST_B, broke), by_a=False).exit_code == 0
    assert paid_to_b(stage) == 110 * TON
    assert stage.paid(WALLET_A) < 2 * TON


def test_a_side_that_owes_more_than_it_has_gives_all_it_has():
    for sent_a, sent_b, expected in ((200 * TON, 0, 110 * TON), (0, 200 * TON, 0)):
        stage = staged()
        stage.start(half_a(body(9, sent_a)), half_b(body(9, sent_b)), by_a=False)
        assert paid_to_b(stage) == expected


def test_a_watchtower_without_any_key_answers_a_stale_start():
    stage = staged()
    stage.start(half_a(body(3)), half_b(body(3, 2 * TON)), by_a=True)
    assert tower(stage, *PAIR) == 0
    assert paid_to_b(stage) == AGREED_B + FINE


def test_a_watchtower_brings_only_what_the_other_side_has_cited():
    stage = staged()
    stage.start(half_a(body(3)), half_b(body(3)), by_a=True)
    assert tower(stage, half_a(body(9)), half_b(NEWEST_B, body(8))) == 109
    assert tower(stage, half_a(Body(9, 6 * TON, b"\1" * 32)), half_b(NEWEST_B, NEWEST_A)) == 109


def test_a_watchtower_leaves_the_first_word_and_cannot_undo_it():
    stage = staged()
    unseen = body(12, 7 * TON)
    stage.start(half_a(body(3)), half_b(body(3, 2 * TON)), by_a=True)
    assert tower(stage, *PAIR) == 0
    assert stage.challenge(half_a(unseen), half_b(NEWEST_B, NEWEST_A), by_a=False).exit_code == 0
    assert tower(stage, *PAIR) == 125
    assert paid_to_b(stage) == 105 * TON + FINE
