"""Single moves of the machine, one true sentence each; crossings and crowds are in tests/property."""

import pickle

import pytest
from msgspec.structs import replace

from fairway.channel import machine
from fairway.channel.conditionals import Conditional, Conditionals
from fairway.channel.dispute import Equivocation
from fairway.channel.machine import Channel, Expected
from fairway.channel.phase import Phase
from fairway.channel.state import UNSIGNED, Body, Half, SignedHalf
from fairway.crypto.keys import Signer
from fairway.errors import IllegalTransition, InvalidMessage, InvalidSignature, Rejected
from fairway.ton.cells import Bits

USER, SERVICE = Signer.of(b"u" * 32), Signer.of(b"s" * 32)
ORDER = Conditional(Bits().uint(32, 1).cell(), Bits().uint(32, 2).cell(), 100)


def proposed(channel, adds=(), drops=()):
    wish = machine.propose(channel, adds, drops)
    return replace(wish, signature=USER.sign(wish.half.digest()))


def judged(channel, wish, **options):
    return machine.check_proposal(channel, wish.half, wish.signature, wish.adds, wish.drops, **options)


def answered(channel):
    wanted = machine.expected(channel)
    half = machine.next_b(channel, machine.sent_b(channel), channel.b_conditionals, wanted)
    machine.sign_b(channel, half.seqno, SERVICE.sign(half.digest()))
    return half


@pytest.fixture
def channel():
    """An open channel: 1000 nano of A, 10,000 of B, and each side's first half."""
    fresh = Channel(7, USER.key, SERVICE.key, reserve=50)
    machine.accept(fresh, judged(fresh, proposed(fresh)))
    answered(fresh)
    machine.fund(fresh, 1000, 10_000)
    return fresh


def test_the_first_halves_make_a_channel_agreed_and_deposits_open_it():
    fresh = Channel(7, USER.key, SERVICE.key, reserve=50)
    machine.accept(fresh, judged(fresh, proposed(fresh)))
    assert fresh.phase is Phase.FRESH
    answered(fresh)
    assert fresh.phase is Phase.AGREED
    machine.fund(fresh, 1000, 10_000)
    assert (fresh.phase, machine.balance_a(fresh), machine.balance_b(fresh)) == (Phase.OPEN, 1000, 10_000)


def test_nothing_is_promised_before_there_is_a_deposit():
    fresh = Channel(7, USER.key, SERVICE.key)
    with pytest.raises(Rejected) as caught:
        machine.propose(fresh, [(1, ORDER)])
    assert caught.value.code == "channel.coverage"


def test_judging_changes_nothing(channel):
    before = machine.fingerprint(channel)
    judged(channel, proposed(channel, [(1, ORDER)]))
    machine.check_next_b(channel, 5, Conditionals(), machine.expected(channel))
    assert machine.fingerprint(channel) == before


def test_a_repeat_of_the_newest_half_is_a_repeat(channel):
    wish = proposed(channel, [(1, ORDER)])
    machine.accept(channel, judged(channel, wish))
    before = machine.fingerprint(channel)
    again = judged(channel, wish)
    assert again.repeat
    machine.accept(channel, again)
    assert machine.fingerprint(channel) == before


def test_another_half_under_an_accepted_seqno_is_evidence(channel):
    first = proposed(channel, [(1, ORDER)])
    second = proposed(channel)
    machine.accept(channel, judged(channel, first))
    with pytest.raises(InvalidMessage) as caught:
        judged(channel, second)
    assert caught.value.code == "channel.equivocation"
    evidence = Equivocation(*(SignedHalf(wish.half, wish.signature) for wish in (first, second)))
    evidence.check(USER.key)
    with pytest.raises(InvalidSignature):
        evidence.check(SERVICE.key)
    with pytest.raises(InvalidMessage):
        Equivocation(evidence.first, evidence.first).check(USER.key)


def test_a_refused_seqno_is_gone_and_the_next_one_counts(channel):
    refused = proposed(channel, [(1, ORDER)])
    machine.reject(channel, refused.half.seqno)
    with pytest.raises(Rejected) as caught:
        judged(channel, refused)
    assert caught.value.code == "channel.seqno"
    machine.accept(channel, judged(channel, proposed(channel, [(1, ORDER)])))
    assert channel.a.half.seqno == refused.half.seqno + 1


def test_only_the_next_seqno_can_be_consumed(channel):
    before = channel.a_consumed
    machine.reject(channel, before + 2)
    machine.reject(channel, before)
    assert channel.a_consumed == before


def test_a_stranger_cannot_speak_for_a_user(channel):
    wish = proposed(channel)
    with pytest.raises(InvalidSignature):
        judged(channel, replace(wish, signature=SERVICE.sign(wish.half.digest())))
    with pytest.raises(InvalidMessage) as caught:
        judged(channel, replace(wish, half=replace(wish.half, channel_id=8)))
    assert caught.value.code == "channel.id"


def test_an_order_added_below_an_unseen_half_stands_above_it_too(channel):
    wish = proposed(channel, [(1, ORDER)])
    position = Conditional(ORDER.terms, ORDER.code, 30)
    wanted = Expected(5, Conditionals([(machine.MARKET_KEYS, position)]))
    machine.next_b(channel, 0, Conditionals(), wanted)
    machine.accept(channel, judged(channel, wish))
    assert sorted(channel.a_conditionals) == [1]
    assert sorted(machine.expected(channel).conditionals) == [1, machine.MARKET_KEYS]
    assert machine.expected(channel).sent == 5


def test_an_order_cannot_be_added_where_a_newer_half_leaves_no_cover(channel):
    wish = proposed(channel, [(1, ORDER)])
    machine.next_b(channel, 0, Conditionals(), Expected(900))
    with pytest.raises(Rejected) as caught:
        judged(channel, wish)
    assert caught.value.code == "channel.coverage"
    assert caught.value.facts["short"] == 50


def test_a_drop_that_crosses_a_fill_is_refused(channel):
    machine.accept(channel, judged(channel, proposed(channel, [(1, ORDER)])))
    answered(channel)
    wish = proposed(channel, (), [1])
    assert judged(channel, wish)
    with pytest.raises(Rejected) as caught:
        judged(channel, wish, filled_after=lambda key, k: True)
    assert caught.value.code == "channel.dropped_filled"
    machine.next_b(channel, 0, Conditionals(), Expected())
    with pytest.raises(Rejected) as caught:
        judged(channel, wish)
    assert caught.value.code == "channel.dropped_filled"


def test_a_user_far_behind_may_drop_but_not_add(channel):
    machine.accept(channel, judged(channel, proposed(channel, [(1, ORDER)])))
    answered(channel)
    add, drop = proposed(channel, [(2, ORDER)]), proposed(channel, (), [1])
    for _ in range(channel.max_window + 1):
        answered(channel)
    with pytest.raises(Rejected) as caught:
        judged(channel, add)
    assert caught.value.code == "channel.exposure"
    assert judged(channel, drop)


def test_what_a_side_has_sent_never_falls(channel):
    machine.next_b(channel, 9, Conditionals(), Expected(4))
    for sent, due in ((8, 4), (9, 3)):
        with pytest.raises(IllegalTransition):
            machine.check_next_b(channel, sent, Conditionals(), Expected(due))


def test_the_service_promises_no_more_than_its_room(channel):
    promise = Conditionals([(1, Conditional(ORDER.terms, ORDER.code, 9_000))])
    machine.check_next_b(channel, 1_000, promise, Expected())
    with pytest.raises(Rejected) as caught:
        machine.check_next_b(channel, 1_001, promise, Expected())
    assert caught.value.code == "channel.room"


def test_a_user_finds_out_a_half_that_does_not_follow(channel):
    half = machine.check_next_b(channel, 3, Conditionals(), Expected())
    signature = SERVICE.sign(half.digest())
    good = (half, signature, 3, Conditionals(), Expected())
    for code, wrong in (
        ("channel.id", (replace(half, channel_id=8), *good[1:])),
        ("channel.seqno", (replace(half, body=replace(half.body, seqno=1)), *good[1:])),
        ("channel.push", (half, signature, 4, *good[3:])),
        ("channel.push", (half, signature, 3, Conditionals([(1, ORDER)]), Expected())),
        ("channel.push", (replace(half, counterparty=None), *good[1:])),
    ):
        with pytest.raises(InvalidMessage) as caught:
            machine.check_push(channel, *wrong)
        assert caught.value.code == code
    with pytest.raises(InvalidSignature):
        machine.check_push(channel, half, USER.sign(half.digest()), *good[2:])
    machine.accept_push(channel, machine.check_push(channel, *good))
    assert machine.check_push(channel, *good).repeat


def test_a_late_signature_finds_its_half_or_nothing(channel):
    first = machine.next_b(channel, 0, Conditionals(), Expected())
    assert channel.b.signature == UNSIGNED
    with pytest.raises(InvalidMessage):
        channel.b.to_cell()
    second = machine.next_b(channel, 0, Conditionals(), Expected())
    machine.sign_b(channel, first.seqno, b"1" * 64)
    assert channel.b.signature == UNSIGNED
    machine.sign_b(channel, second.seqno, b"2" * 64)
    assert channel.b == SignedHalf(second, b"2" * 64)


def test_a_withdrawal_leaves_every_live_pair_covered(channel):
    machine.accept(channel, judged(channel, proposed(channel, [(1, ORDER)])))
    answered(channel)
    with pytest.raises(Rejected):
        machine.withdraw(channel, 851, 0)
    machine.withdraw(channel, 850, 10_000)
    assert (machine.balance_a(channel), machine.balance_b(channel)) == (150, 0)
    with pytest.raises(IllegalTransition):
        machine.withdraw(channel, 849, 10_000)
    with pytest.raises(IllegalTransition):
        machine.fund(channel, 999, 10_000)


def test_a_trial_leaves_the_channel_alone(channel):
    before = machine.fingerprint(channel)
    trial = machine.trial(channel)
    machine.accept(trial, judged(trial, proposed(trial, [(1, ORDER)])))
    answered(trial)
    assert machine.fingerprint(channel) == before != machine.fingerprint(trial)


def test_an_accepted_half_cannot_be_accepted_again(channel):
    accepted = judged(channel, proposed(channel))
    machine.accept(channel, accepted)
    with pytest.raises(IllegalTransition):
        machine.accept(channel, accepted)


def test_a_channel_is_the_same_after_a_pickle(channel):
    machine.accept(channel, judged(channel, proposed(channel, [(1, ORDER)])))
    answered(channel)
    again = pickle.loads(pickle.dumps(channel))
    assert machine.fingerprint(again) == machine.fingerprint(channel)
    assert again == channel


@pytest.mark.parametrize(
    "body", [(-1, 0, bytes(32)), (1 << 64, 0, bytes(32)), (0, -1, bytes(32)), (0, 1 << 120, bytes(32)), (0, 0, b"")]
)
def test_a_body_keeps_its_widths(body):
    with pytest.raises(InvalidMessage):
        Body(*body)


@pytest.mark.parametrize("channel_id", [-1, 1 << 128])
def test_a_channel_id_has_128_bits(channel_id):
    with pytest.raises(InvalidMessage):
        Half(channel_id, Body(1, 0, bytes(32)))
