"""The contract and the reference model of disputes agree on random histories, step by step."""

from __future__ import annotations

from collections import Counter
from random import Random

from channel_stage import TON, Stage, half_a, half_b

from fairway.channel import dispute as model
from fairway.channel.state import Body, Half, SignedHalf
from fairway.errors import Rejected

ERRORS = {105: "dispute.outdated", 109: "dispute.challenged", 125: "dispute.challenged"}


def drawn(random: Random, most: int = 6) -> Body:
    seqno = random.randint(1, most)
    return Body(seqno, (seqno + random.choice((0, 0, 0, 1))) * TON, bytes(32))


def drawn_pair(random: Random) -> tuple[SignedHalf, SignedHalf]:
    a, b = drawn(random), drawn(random)
    seen_a, seen_b = (random.choice((None, drawn(random, 3), body)) for body in (a, b))
    return half_a(a, seen_b), half_b(b, seen_a)


def stands(stage: Stage) -> tuple[object, ...]:
    view = stage.view()
    quarantine = view.quarantine
    halves = [(half.seqno, half.sent) for half in (quarantine.a, quarantine.b)]
    return *halves, (view.floor_a, view.floor_b), quarantine.challenged


def expected(state: model.Dispute) -> tuple[object, ...]:
    return *((half.seqno, half.sent) for half in state.pair), state.floors, state.challenged


def halves(pair: tuple[SignedHalf, SignedHalf]) -> tuple[Half, Half]:
    return pair[0].half, pair[1].half


def play(random: Random, seen: Counter[str | int]) -> None:
    """One dispute on both, counting what happened."""
    stage, starter = Stage().funded(10 * TON, 10 * TON), random.choice((model.A, model.B))
    opening = drawn_pair(random)
    exit_code = stage.start(*opening, by_a=starter == model.A).exit_code
    try:
        state = model.start(starter, halves(opening))
    except Rejected:
        assert exit_code == 105
        return
    came_with, fined = halves(opening)[starter], False
    for _ in range(6):
        challenger, pair = random.choice((model.A, model.B)), drawn_pair(random)
        exit_code = stage.challenge(*pair, by_a=challenger == model.A).exit_code
        try:
            state, refusal = model.challenge(state, challenger, halves(pair)), None
        except Rejected as error:
            refusal = error.code
        assert ERRORS.get(exit_code) == refusal
        if refusal is None:
            shown = halves(pair)[starter]
            fined |= challenger != starter and (shown.seqno > came_with.seqno or shown.sent > came_with.sent)
        seen[exit_code] += 1
        seen["fined" if fined else "not fined"] += 1
        assert stands(stage) == expected(state)
        assert (stage.view().quarantine.fine > 0) == fined


def test_every_step_of_a_dispute_is_the_models():
    random, seen = Random(7), Counter()
    for _ in range(60):
        play(random, seen)
    assert min(seen[what] for what in (0, *ERRORS, "fined", "not fined")) >= 5, seen
