"""The contract and the reference model of disputes agree on random histories, step by step and to the last nano."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest
from channel_stage import CHANNEL, FINE, TON, WALLET_B, Stage, half_a, half_b

from fairway.channel import dispute as model
from fairway.channel.codec import Challenge, OpenChallenge
from fairway.channel.state import Body, Half, SignedHalf
from fairway.errors import Rejected

ERRORS = {"": {0}, "dispute.outdated": {105}, "dispute.challenged": {109, 125}, "dispute.uncosigned": {109}}
DEPOSITS = (10 * TON, 10 * TON)


def drawn(random: Random, most: int = 6) -> Body:
    seqno = random.randint(1, most)
    return Body(seqno, (seqno + random.choice((0, 0, 0, 1))) * TON, bytes(32))


def drawn_pair(random: Random) -> tuple[SignedHalf, SignedHalf]:
    a, b = drawn(random), drawn(random)
    seen_a, seen_b = (random.choice((None, drawn(random, 3), body)) for body in (a, b))
    return half_a(a, seen_b), half_b(b, seen_a)


def halves(pair: tuple[SignedHalf, SignedHalf]) -> tuple[Half, Half]:
    return pair[0].half, pair[1].half


def stands(stage: Stage) -> tuple[object, ...]:
    """What the contract says: the halves, the floors, whether the free challenge is used, whether a fine is due."""
    view = stage.view()
    quarantine = view.quarantine
    kept = [(half.seqno, half.sent) for half in (quarantine.a, quarantine.b)]
    return *kept, (view.floor_a, view.floor_b), quarantine.challenged, quarantine.fine > 0


def expected(state: model.Dispute) -> tuple[object, ...]:
    """The same, as the model says it."""
    return *((half.seqno, half.sent) for half in state.pair), state.floors, state.challenged, state.fined


def moved(random: Random, stage: Stage, state: model.Dispute) -> tuple[str, model.Dispute]:
    """One move on both: what came of it, and the dispute after it."""
    move, pair = random.choice((model.A, model.B, None)), drawn_pair(random)
    if move is None:
        exit_code = stage.tell(OpenChallenge(Challenge(CHANNEL, *pair))).exit_code
    else:
        exit_code = stage.challenge(*pair, by_a=move == model.A).exit_code
    try:
        shown = halves(pair)
        after = model.open_challenge(state, shown) if move is None else model.challenge(state, move, shown)
    except Rejected as error:
        refusal, after = error.code, state
    else:
        refusal = ""
    assert exit_code in ERRORS[refusal]
    return f"{'open' if move is None else 'signed'} {refusal}".strip(), after


def play(random: Random, seen: Counter[str]) -> None:
    """One dispute on both, counting what happened."""
    stage, starter = Stage().funded(*DEPOSITS), random.choice((model.A, model.B))
    opening = drawn_pair(random)
    exit_code = stage.start(*opening, by_a=starter == model.A).exit_code
    try:
        state = model.start(starter, halves(opening))
    except Rejected:
        assert exit_code == 105
        return
    for _ in range(6):
        what, state = moved(random, stage, state)
        seen[what] += 1
        assert stands(stage) == expected(state)
    seen["fined" if state.fined else "not fined"] += 1
    assert stage.finish().result_code == 0
    assert stage.paid(WALLET_B) == model.finish(state, DEPOSITS, (0, 0), FINE)[model.B]


HAPPENS = {"signed", "fined", "not fined", *(f"open {code}".strip() for code in ERRORS)}
HAPPENS |= {"signed dispute.outdated", "signed dispute.challenged"}


def agree(rounds: int) -> Counter[str]:
    random, seen = Random(7), Counter[str]()
    for _ in range(rounds):
        play(random, seen)
    return seen


def test_every_step_of_a_dispute_is_the_models():
    seen = agree(60)
    assert {what for what, times in seen.items() if times >= 3} == HAPPENS, seen


def forgets_the_opening(dispute: model.Dispute, challenger: model.Side, pair: model.Pair) -> model.Dispute:
    """R4 by the quarantined half, which the challenger has chosen himself."""
    return model.challenge(replace(dispute, came_with=dispute.pair[dispute.initiator]), challenger, pair)


def opens_for_ever(dispute: model.Dispute, pair: model.Pair) -> model.Dispute:
    """The unsigned door stays open when the beneficiary has spoken."""
    return replace(model.open_challenge(replace(dispute, challenged=False), pair), challenged=dispute.challenged)


def is_always_free(dispute: model.Dispute, challenger: model.Side, pair: model.Pair) -> model.Dispute:
    """R5 forgotten."""
    after = model.challenge(replace(dispute, challenged=False), challenger, pair)
    return replace(after, challenged=after.challenged or dispute.challenged)


@pytest.mark.parametrize(
    ("name", "bug"),
    [("challenge", forgets_the_opening), ("open_challenge", opens_for_ever), ("challenge", is_always_free)],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_model_with_another_rule_is_caught(name: str, bug: Callable[..., model.Dispute]):
    real = getattr(model, name)

    def planted(*given: object) -> model.Dispute:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(model, name, real)
            return bug(*given)

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(model, name, planted)
        with pytest.raises(AssertionError):
            agree(60)
