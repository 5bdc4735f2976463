"""The channel at its edges: every refusal with its code and its facts, and what is just allowed beside it."""

import dataclasses

import pytest
from msgspec.structs import replace

from fairway.channel import machine
from fairway.channel.codec import OpenChallenge, Settle, decode
from fairway.channel.conditionals import Conditional, Conditionals
from fairway.channel.dispute import A, B, Dispute, Equivocation, answer, challenge, finish, open_challenge, start
from fairway.channel.machine import Channel, Expected
from fairway.channel.phase import Move, Phase
from fairway.channel.proposal import Accepted
from fairway.channel.state import Body, Half, SignedHalf
from fairway.channel.statement import channel_id
from fairway.crypto.keys import Signer
from fairway.errors import FairwayError, IllegalTransition, InvalidMessage, Rejected
from fairway.ton.address import Address
from fairway.ton.cells import Bits, Builder, to_cell

USER, SERVICE = Signer.of(b"u" * 32), Signer.of(b"s" * 32)
CODE = Bits().uint(32, 2).cell()
KEY_BOUND = 1 << 32


def conditional(maximum, name=1):
    return Conditional(Bits().uint(32, name).cell(), CODE, maximum)


ORDER = conditional(100)
ORDERS = Conditionals([(3, ORDER), (1, conditional(7, 9))])


def proposed(channel, adds=(), drops=(), implied=()):
    wish = machine.propose(channel, adds, drops, implied)
    return replace(wish, signature=USER.sign(wish.half.digest()))


def judged(channel, wish, **options):
    return machine.check_proposal(
        channel, wish.half, wish.signature, wish.adds, wish.drops, implied=wish.implied, **options
    )


def answered(channel, wanted=None):
    wanted = wanted or machine.expected(channel)
    half = machine.next_b(channel, machine.sent_b(channel), channel.b_conditionals, wanted)
    machine.sign_b(channel, half.seqno, SERVICE.sign(half.digest()))
    return half


def taken(channel, *wishes):
    machine.accept(channel, judged(channel, proposed(channel, *wishes)))
    answered(channel)


@pytest.fixture
def channel():
    """An open channel: 1000 nano of A, 10,000 of B, an order under key 5."""
    fresh = Channel(7, USER.key, SERVICE.key, reserve=50)
    taken(fresh)
    machine.fund(fresh, 1000, 10_000)
    taken(fresh, [(5, ORDER)])
    return fresh


def refusal(call, *arguments, **options) -> FairwayError:
    with pytest.raises(FairwayError) as caught:
        call(*arguments, **options)
    return caught.value


def told(error):
    return type(error), error.code, error.facts


def test_a_proposal_is_refused_with_its_code_and_facts(channel):
    good = proposed(channel, [(6, ORDER)])
    body = good.half.body
    seqno = body.seqno
    cases = [
        (replace(good.half, channel_id=8), InvalidMessage, "channel.id", {"seqno": seqno}),
        (replace(good.half, body=replace(body, seqno=seqno + 1)), Rejected, "channel.seqno", {"last": seqno - 1}),
        (replace(good.half, body=replace(body, seqno=0)), Rejected, "channel.seqno", {"last": seqno - 1}),
        (
            replace(good.half, body=replace(body, seqno=seqno - 1)),
            InvalidMessage,
            "channel.equivocation",
            {"seqno": seqno - 1},
        ),
        (replace(good.half, counterparty=None), Rejected, "channel.cites", {"cited": 0}),
        (
            replace(good.half, counterparty=replace(good.half.counterparty, sent=1)),
            Rejected,
            "channel.cites",
            {"cited": 2},
        ),
        (replace(good.half, body=replace(body, sent=1)), Rejected, "channel.sent", {"sent": 0}),
        (replace(good.half, body=replace(body, conditionals_hash=bytes(32))), Rejected, "channel.conditionals", {}),
    ]
    for half, *expected in cases:
        wish = replace(good, half=half, signature=USER.sign(half.digest()))
        assert told(refusal(judged, channel, wish)) == tuple(expected)
    assert judged(channel, good).window is not None


@pytest.mark.parametrize(
    ("adds", "key", "last"),
    [
        ([(5, ORDER)], 5, 5),
        ([(7, ORDER), (7, ORDER)], 7, 7),
        ([(7, ORDER), (6, ORDER)], 6, 7),
        ([(machine.MANDATED_KEYS, ORDER)], machine.MANDATED_KEYS, 5),
    ],
)
def test_declared_keys_count_up_and_are_never_used_again(channel, adds, key, last):
    wish = replace(proposed(channel), adds=adds)
    assert told(refusal(judged, channel, wish)) == (Rejected, "channel.key", {"key": key, "last": last})


def test_keys_may_be_skipped_up_to_the_last_that_is_his(channel):
    last = machine.MANDATED_KEYS - 1
    taken(channel, [(8, ORDER), (last, ORDER)])
    assert channel.a_key == last
    assert sorted(channel.a_conditionals) == [5, 8, last]


def test_only_orders_can_be_dropped(channel):
    market = machine.MARKET_KEYS
    wanted = Expected(0, Conditionals([(market, ORDER), (market - 1, ORDER)]))
    answered(channel, wanted)
    assert told(refusal(machine.propose, channel, (), [market])) == (Rejected, "channel.key", {"key": market})
    assert sorted(proposed(channel, (), [market - 1]).window[machine.newest_b(channel)].conditionals) == [market]


def test_a_drop_of_what_a_newer_half_changed_is_refused_with_its_key(channel):
    wish = proposed(channel, (), [5])
    answered(channel, Expected(0, Conditionals([(5, conditional(99))])))
    assert told(refusal(judged, channel, wish)) == (Rejected, "channel.dropped_filled", {"key": 5})
    error = refusal(judged, channel, wish, filled_after=lambda key, seqno: (key, seqno) == (5, wish.half.cited))
    assert told(error) == (Rejected, "channel.dropped_filled", {"key": 5})


def test_what_is_implied_takes_the_place_of_what_stands_there_unless_that_moved(channel):
    key = machine.MANDATED_KEYS
    wish = proposed(channel, [(6, ORDER)], (), [(key, conditional(3)), (5, conditional(4))])
    window = judged(channel, wish).window
    assert [(each, window[wish.half.cited].conditionals.get(each).maximum) for each in (5, 6, key)] == [
        (5, 4),
        (6, 100),
        (key, 3),
    ]
    answered(channel)
    assert judged(channel, wish).window.keys() == {2, 3}
    answered(channel, Expected(0, Conditionals([(5, conditional(99))])))
    assert told(refusal(judged, channel, wish)) == (Rejected, "channel.moved", {"key": 5})


def test_a_judged_half_carries_what_was_declared_and_what_may_be_cited_after_it(channel):
    answered(channel)
    first, newest = (channel.window[seqno] for seqno in (2, 3))
    wish = proposed(channel, [(6, ORDER)], [5], [(machine.MANDATED_KEYS, conditional(3))])
    after = newest.conditionals.update([(6, ORDER), (machine.MANDATED_KEYS, conditional(3))], [5])
    window = {3: Expected(0, after, newest.b, newest.promised_b)}
    assert judged(channel, wish) == Accepted(wish.half, wish.signature, wish.adds, wish.drops, wish.implied, window)
    assert first.b != newest.b == channel.b.half.body
    machine.accept(channel, judged(channel, wish))
    assert channel.window == window


def test_what_is_implied_alone_changes_the_half_too(channel):
    wish = proposed(channel, (), (), [(5, conditional(4))])
    assert judged(channel, wish).window[wish.half.cited].conditionals.get(5).maximum == 4


def test_a_half_that_cites_nothing_counts_on_nothing_received():
    fresh = Channel(7, USER.key, SERVICE.key, reserve=50, deposit_a=1000, withdraw_a=100)
    assert machine.cover_a(fresh, Expected()) == 900
    assert machine.cover_a(fresh, Expected(850)) == 0
    assert machine.cover_a(fresh, Expected(850, Conditionals([(1, conditional(3))]))) == -3
    assert machine.cover_a(fresh, Expected(850, b=Body(1, 9, bytes(32)))) == 9


def test_a_user_may_lag_as_far_as_the_window_and_add(channel):
    wish = proposed(channel, [(6, ORDER)])
    for _ in range(channel.max_window):
        answered(channel)
    newest = machine.newest_b(channel)
    assert judged(channel, wish).window.keys() == set(range(2, newest + 1))
    answered(channel)
    assert told(refusal(judged, channel, wish)) == (
        Rejected,
        "channel.exposure",
        {"newest": newest + 1, "cited": wish.half.cited},
    )


def test_a_repeat_under_another_signature_is_verified_and_under_the_same_is_not(channel):
    half, signature = channel.a.half, channel.a.signature
    repeat = machine.check_proposal(channel, half, signature, [(5, ORDER)], [1], implied=[(2, ORDER)], verify=None)
    assert repeat == Accepted(half, signature, [(5, ORDER)], [1], [(2, ORDER)], repeat=True)
    asked = []
    machine.check_proposal(channel, half, b"other", verify=lambda *question: asked.append(question))
    assert asked == [(USER.key, half, b"other")]


def test_a_repeated_push_is_verified_only_under_another_signature(channel):
    half, signature = channel.b.half, channel.b.signature
    again = machine.check_push(channel, half, signature, 0, Conditionals(), Expected(), verify=None)
    assert (again.half, again.signature, again.conditionals) == (half, signature, channel.b_conditionals)
    assert (again.expected, again.repeat) == (machine.expected(channel), True)
    asked = []
    machine.check_push(channel, half, b"x", 0, ORDERS, Expected(), verify=lambda *question: asked.append(question))
    assert asked == [(SERVICE.key, half, b"x")]
    before = machine.fingerprint(channel)
    machine.accept_push(channel, replace(again, signature=b"y", expected=Expected(5)))
    assert machine.fingerprint(channel) == before


def test_a_push_is_refused_with_its_code_and_facts(channel):
    half = machine.check_next_b(channel, 3, Conditionals(), machine.expected(channel))
    assert half == Half(7, Body(3, 3, bytes(32)), channel.a.half.body)
    rest = (SERVICE.sign(half.digest()), 3, Conditionals(), machine.expected(channel))
    for wrong, code, seqno in (
        (replace(half, channel_id=8), "channel.id", 3),
        (replace(half, body=replace(half.body, seqno=2)), "channel.seqno", 2),
        (replace(half, body=replace(half.body, sent=4)), "channel.push", 3),
    ):
        assert told(refusal(machine.check_push, channel, wrong, *rest)) == (InvalidMessage, code, {"seqno": seqno})
    pushed = machine.check_push(channel, half, *rest)
    assert (pushed.half, pushed.signature, pushed.conditionals) == (half, rest[0], Conditionals())
    assert pushed.expected == Expected(0, channel.a_conditionals, half.body, 3)


def test_sums_that_fall_stop_us_with_what_fell(channel):
    machine.next_b(channel, 9, Conditionals(), Expected(4, channel.a_conditionals))
    for sent, due in ((8, 4), (9, 3)):
        error = refusal(machine.check_next_b, channel, sent, Conditionals(), Expected(due))
        assert told(error) == (IllegalTransition, "channel.sum_fell", {"seqno": 4})
    for deposits in ((999, 10_000), (1000, 9_999)):
        facts = {"deposit_a": deposits[0], "deposit_b": deposits[1]}
        assert told(refusal(machine.fund, channel, *deposits)) == (IllegalTransition, "channel.sum_fell", facts)
    machine.withdraw(channel, 10, 20)
    for withdrawn in ((9, 20), (10, 19)):
        error = refusal(machine.withdraw, channel, *withdrawn)
        assert told(error) == (IllegalTransition, "channel.sum_fell", {"withdraw_a": withdrawn[0]})
    machine.withdraw(channel, 10, 20)
    machine.fund(channel, 1000, 10_000)


def test_what_is_short_is_told_to_the_nano(channel):
    facts = {"short": 1}
    assert told(refusal(machine.withdraw, channel, 851, 0)) == (Rejected, "channel.coverage", facts)
    assert told(refusal(machine.withdraw, channel, 0, 10_001)) == (Rejected, "channel.room", facts)
    wanted = machine.expected(channel)
    error = refusal(machine.check_next_b, channel, 10_001, Conditionals(), wanted)
    assert told(error) == (Rejected, "channel.room", facts)
    machine.withdraw(channel, 850, 10_000)


def test_a_channel_that_is_being_closed_signs_no_halves(channel):
    wish, wanted = proposed(channel), machine.expected(channel)
    machine.move(channel, Move.SIGN_CLOSE)
    for call in (
        lambda: judged(channel, wish),
        lambda: machine.check_next_b(channel, 0, Conditionals(), wanted),
        lambda: machine.withdraw(channel, 1, 0),
    ):
        assert told(refusal(call)) == (Rejected, "channel.phase", {"phase": Phase.CLOSING})
    error = refusal(machine.move, channel, Move.EXPIRE)
    assert told(error) == (
        IllegalTransition,
        "channel.move",
        {"phase": Phase.CLOSING, "move": Move.EXPIRE},
    )


def test_a_half_that_is_not_the_next_cannot_be_accepted(channel):
    wish = judged(channel, proposed(channel))
    for wrong in (replace(wish, window=None), replace(wish, half=replace(wish.half, body=channel.a.half.body))):
        error = refusal(machine.accept, channel, wrong)
        assert told(error) == (IllegalTransition, "channel.accept", {"seqno": wrong.half.seqno})


def test_a_push_on_a_trial_leaves_the_channel_alone(channel):
    before = machine.fingerprint(channel)
    answered(machine.trial(channel))
    assert machine.fingerprint(channel) == before


def test_a_push_to_a_user_who_has_signed_nothing_agrees_to_nothing():
    fresh = Channel(7, USER.key, SERVICE.key)
    answered(fresh)
    assert fresh.phase is Phase.FRESH


def test_every_part_of_a_channel_is_in_its_fingerprint(channel):
    """Two channels that differ anywhere differ in the fingerprint."""
    machine.next_b(channel, 1, ORDERS, Expected(1, channel.a_conditionals))
    signed = SignedHalf(channel.a.half, b"other")
    newest = channel.window[3]
    changes = [
        {"channel_id": 8}, {"key_a": b"k"}, {"key_b": b"k"}, {"reserve": 51}, {"max_window": 63},
        {"phase": Phase.HALTED}, {"deposit_a": 1}, {"deposit_b": 1}, {"withdraw_a": 1}, {"withdraw_b": 1},
        {"a": None}, {"a": signed}, {"a": SignedHalf(channel.b.half, channel.a.signature)}, {"b": None}, {"b": signed},
        {"a_conditionals": ORDERS}, {"a_conditionals": Conditionals([(5, conditional(99))])},
        {"b_conditionals": Conditionals()}, {"a_consumed": 9}, {"a_key": 9},
        {"window": {}}, {"window": {4: newest}}, *({"window": {3: replace(newest, **change)}} for change in (
            {"sent": 2}, {"promised_b": 2}, {"b": None}, {"b": Body(1, 1, bytes(32))}, {"conditionals": ORDERS})),
        {"window": {3: newest}},
    ]  # fmt: skip
    prints = {machine.fingerprint(replace(channel, **change)) for change in ({}, *changes)}
    assert len(prints) == len(changes) + 1
    assert all(len(each) == 32 for each in prints)


@pytest.mark.parametrize("key", [-1, KEY_BOUND])
def test_keys_have_32_bits(key):
    for call in (
        lambda: ORDERS.add(key, ORDER),
        lambda: ORDERS.replace(key, ORDER),
        lambda: ORDERS.drop(key),
        lambda: Conditionals([(key, ORDER)]),
    ):
        assert told(refusal(call)) == (Rejected, "channel.key", {"key": key})
    assert sorted(Conditionals([(KEY_BOUND - 1, ORDER), (0, ORDER)])) == [0, KEY_BOUND - 1]


def test_a_key_names_one_conditional_that_is_there():
    for call in (lambda: ORDERS.add(3, ORDER), lambda: ORDERS.replace(2, ORDER), lambda: ORDERS.drop(2)):
        error = refusal(call)
        assert told(error) == (Rejected, "channel.key", {"key": error.facts["key"]})
        assert error.facts["key"] in {2, 3}


def test_maps_are_equal_when_names_and_bounds_are():
    same = Conditionals([(1, conditional(7, 9)), (3, ORDER)])
    assert same == ORDERS
    assert hash(same) == hash(ORDERS) != hash(Conditionals())
    heavier = ORDERS.replace(3, conditional(101))
    assert heavier.root_hash() == ORDERS.root_hash()
    assert heavier != ORDERS
    assert Conditionals([(2, ORDER), (1, conditional(7, 9))]) != ORDERS
    assert ORDERS != "orders"
    assert conditional(7) != conditional(8)
    assert conditional(7) == conditional(7) != "order"
    assert hash(conditional(7)) == hash(conditional(7)) != hash(conditional(8))


def test_what_is_shown_of_conditionals_is_their_bound_and_the_beginning_of_their_name():
    assert repr(ORDER) == f"<Conditional {ORDER.terms_hash.hex()[:8]} at most 100>"
    assert repr(ORDERS) == f"<Conditionals 2 at most 107 {ORDERS.root_hash().hex()[:8]}>"


@pytest.mark.parametrize("maximum", [-1, 1 << 120])
def test_a_conditional_pays_what_coins_can_say(maximum):
    assert told(refusal(conditional, maximum)) == (InvalidMessage, "channel.maximum", {"maximum": maximum})
    assert conditional(0).maximum == 0
    assert conditional((1 << 120) - 1).maximum == (1 << 120) - 1


def test_a_leaf_is_as_deep_as_the_deeper_of_its_references():
    deep = Bits().cell(Bits().uint(8, 1).cell(Bits().uint(8, 2).cell()))
    flat = Bits().uint(8, 1).cell()
    assert [Conditional(*pair, 0).depth for pair in ((flat, flat), (deep, flat), (flat, deep))] == [1, 3, 3]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ((-1, 0, bytes(32)), "channel.body"),
        ((1 << 64, 0, bytes(32)), "channel.body"),
        ((5, -1, bytes(32)), "channel.body"),
        ((5, 1 << 120, bytes(32)), "channel.body"),
        ((5, 0, bytes(31)), "channel.body"),
        ((5, 0, bytes(33)), "channel.body"),
    ],
)
def test_a_body_outside_its_widths_is_named(fields, code):
    assert told(refusal(Body, *fields)) == (InvalidMessage, code, {"seqno": fields[0]})


@pytest.mark.parametrize("identity", [-1, 1 << 128])
def test_a_channel_id_outside_its_width_is_named_by_the_half_s_seqno(identity):
    error = refusal(Half, identity, Body(5, 0, bytes(32)))
    assert told(error) == (InvalidMessage, "channel.half", {"seqno": 5})


def test_values_fill_their_widths():
    body = Body((1 << 64) - 1, (1 << 120) - 1, b"\xff" * 32)
    half = Half((1 << 128) - 1, body, body)
    assert Half.from_cell(half.to_cell()) == half
    assert Half.from_cell(Half(0, Body(0, 0, bytes(32))).to_cell()) == Half(0, Body(0, 0, bytes(32)))


GOOD = Half(7, Body(5, 10, bytes(32)), Body(4, 20, bytes(32)))
SIGNED = SignedHalf(GOOD, b"\x01" * 64)


def test_a_cell_that_is_no_half_is_refused():
    cell = GOOD.to_cell()
    tag = 0x43685374
    without = Builder().store_uint(tag + 1, 32).store_bits(cell.bits[32:]).store_ref(cell.refs[0]).end_cell()
    longer = Builder().store_cell(cell).store_bit(0).end_cell()
    shorter = Builder().store_bits(cell.bits[:-1]).store_ref(cell.refs[0]).end_cell()
    deeper = Builder().store_bits(cell.bits).store_ref(Builder().store_cell(cell.refs[0]).store_bit(0).end_cell())
    assert told(refusal(Half.from_cell, longer)) == (InvalidMessage, "cells.trailing", {"bits": 1})
    for wrong in (without, shorter, Builder().end_cell()):
        assert told(refusal(Half.from_cell, wrong)) == (InvalidMessage, "channel.half", {})
    assert told(refusal(Half.from_cell, deeper.end_cell())) == (InvalidMessage, "channel.half", {"seqno": 5})


def test_a_signed_half_is_a_signature_and_one_reference():
    assert SignedHalf.from_cell(SIGNED.to_cell()) == SIGNED
    half = GOOD.to_cell()
    for bits, refs in ((512, 0), (512, 2), (511, 1), (513, 1), (511, 2)):
        builder = Builder().store_bits("1" * bits)
        for _ in range(refs):
            builder.store_ref(half)
        assert told(refusal(SignedHalf.from_cell, builder.end_cell())) == (InvalidMessage, "channel.half", {})
    for signature in (b"", b"\x01" * 63):
        error = refusal(SignedHalf(GOOD, signature).to_cell)
        assert told(error) == (InvalidMessage, "channel.unsigned", {"seqno": 5})


def test_a_salt_of_another_length_is_refused_with_its_length():
    for length in (0, 31, 33):
        error = refusal(channel_id, -239, Address(0, bytes(32)), USER.key, SERVICE.key, bytes(length))
        assert told(error) == (InvalidMessage, "channel.salt", {"length": length})


def test_a_statement_under_the_tag_of_another_is_no_message():
    settle = to_cell(Settle(7, None, GOOD.to_cell()).to_cell())
    body = Builder().store_uint(OpenChallenge.OP, 32).store_cell(settle).end_cell()
    assert told(refusal(decode, body)) == (InvalidMessage, "channel.message", {})


def test_evidence_that_contradicts_nothing_is_refused():
    other = Half(7, Body(5, 11, bytes(32)))
    for second in (
        SIGNED,
        SignedHalf(replace(other, channel_id=8), b""),
        SignedHalf(Half(7, Body(6, 0, bytes(32))), b""),
    ):
        error = refusal(Equivocation(SIGNED, second).check, USER.key)
        assert told(error) == (InvalidMessage, "dispute.evidence", {"seqno": 5})
    halves = [SignedHalf(half, USER.sign(half.digest())) for half in (GOOD, other)]
    Equivocation(*halves).check(USER.key)
    for pair in ((halves[0], SignedHalf(other, b"\x01" * 64)), (SIGNED, halves[1])):
        assert refusal(Equivocation(*pair).check, USER.key).code == "signature.invalid"


def paired(a, a_sent, a_cites, b, b_sent, b_cites):
    """A pair of halves by their seqnos and sums, each citing a body (seqno, sent) of the other side."""
    return (
        Half(7, Body(a, a_sent, bytes(32)), Body(*a_cites, bytes(32)) if a_cites else None),
        Half(7, Body(b, b_sent, bytes(32)), Body(*b_cites, bytes(32)) if b_cites else None),
    )


@pytest.mark.parametrize(
    ("pair", "committed", "floor"),
    [
        (paired(4, 0, None, 9, 0, (5, 0)), (0, 0), 5),
        (paired(4, 0, None, 9, 0, None), (5, 0), 5),
        (paired(9, 0, (5, 0), 4, 0, None), (0, 0), 5),
        (paired(9, 0, None, 4, 0, None), (0, 5), 5),
        (paired(5, 9, None, 9, 0, (5, 10)), (0, 0), 5),
        (paired(9, 0, (5, 10), 5, 9, None), (0, 0), 5),
    ],
)
def test_a_half_older_than_what_the_other_side_has_seen_starts_nothing(pair, committed, floor):
    assert told(refusal(start, A, pair, committed)) == (Rejected, "dispute.outdated", {"floor": floor})


def test_a_half_that_is_just_what_the_other_side_has_seen_counts():
    pair = paired(5, 10, (4, 3), 4, 3, (5, 10))
    assert start(B, pair, (5, 4)).floors == (5, 4)


def test_challenges_that_may_not_come_are_refused_by_name():
    opened = start(A, paired(5, 0, (4, 0), 4, 0, (3, 0)))
    same = opened.pair
    assert told(refusal(challenge, opened, A, same)) == (Rejected, "dispute.challenged", {})
    once = challenge(opened, B, same)
    assert once.challenged
    assert told(refusal(challenge, once, B, same)) == (Rejected, "dispute.challenged", {})
    assert told(refusal(open_challenge, once, same)) == (Rejected, "dispute.challenged", {})
    assert told(refusal(open_challenge, opened, same)) == (Rejected, "dispute.uncosigned", {})
    assert not challenge(dataclasses.replace(once, adopted=True), B, paired(6, 0, (4, 0), 4, 0, (5, 0))).adopted
    assert not challenge(opened, A, paired(6, 0, (4, 0), 4, 0, (5, 0))).challenged


@pytest.mark.parametrize(
    ("initiator", "challenged", "floor", "is_answered"),
    [
        (B, False, 0, True),  # it stands, but through the unsigned door an older one could come
        (B, False, 3, True),
        (B, False, 4, False),
        (B, True, 0, False),
        (A, False, 0, False),
    ],
)
@pytest.mark.parametrize("side", [A, B])
def test_what_stands_is_shown_again_only_where_an_older_one_could_still_take_its_place(
    side, initiator, challenged, floor, is_answered
):
    pair = (Half(7, Body(4, 0, bytes(32))), Half(7, Body(4, 1, bytes(32))))
    mine, theirs = (pair[0], pair[1]) if side == A else (pair[1], pair[0])
    if side == B:
        initiator = A if initiator == B else B
    floors = (0, floor) if side == A else (floor, 0)
    dispute = Dispute(pair, initiator, pair[initiator], floors, challenged=challenged)
    assert answer(dispute, side, mine, theirs) == (pair if is_answered else None)
    newer = replace(theirs, body=replace(theirs.body, seqno=5))
    assert answer(dispute, side, mine, newer) == ((mine, newer) if side == A else (newer, mine))


@pytest.mark.parametrize(("newer", "fined"), [((6, 0), True), ((5, 1), True), ((5, 0), False), ((4, 0), False)])
def test_the_initiator_is_fined_for_a_higher_seqno_or_sum_than_he_came_with(newer, fined):
    opened = start(A, paired(5, 0, (4, 0), 4, 0, (3, 0)))
    shown = challenge(opened, B, paired(*newer, (4, 0), 4, 0, (3, 0)))
    assert (shown.fined, shown.adopted) == (fined, False)
    assert finish(shown, (100, 50), (0, 0), 30) == ((70 - newer[1], 80 + newer[1]) if fined else (100, 50))


@pytest.mark.parametrize(
    ("initiator", "sums", "claimed", "fine", "paid"),
    [
        (A, (30, 5), (0, 0), 0, (75, 75)),
        (A, (30, 5), (10, 4), 0, (69, 81)),
        (A, (30, 5), (10, 4), 6, (63, 87)),
        (B, (30, 5), (10, 4), 6, (75, 75)),
        (A, (100, 0), (0, 0), 0, (0, 150)),
        (A, (200, 0), (0, 0), 0, (0, 150)),
        (A, (99, 0), (0, 0), 6, (0, 150)),
        (A, (200, 0), (0, 0), 6, (0, 150)),
        (B, (0, 48), (0, 0), 6, (150, 0)),
        (B, (0, 200), (0, 0), 6, (150, 0)),
    ],
)
def test_what_is_paid_out_is_clamped_once_and_a_fine_takes_no_more_than_there_is(initiator, sums, claimed, fine, paid):
    opened = start(initiator, paired(5, sums[0], None, 4, sums[1], None))
    other = B if initiator == A else A
    newer = list(opened.pair)
    newer[initiator] = replace(newer[initiator], body=replace(newer[initiator].body, seqno=9))
    settled = challenge(opened, other, tuple(newer)) if fine else opened
    assert settled.fined == bool(fine)
    assert finish(settled, (100, 50), claimed, fine) == paid


def test_a_conditional_pays_another_maximum_in_the_other_half_and_is_the_same_otherwise():
    other = ORDER.paying(30)
    assert other == conditional(30)
    assert (other.terms, other.code, other.depth) == (ORDER.terms, ORDER.code, ORDER.depth)
    assert [ORDER.paying(bound).maximum for bound in (0, (1 << 120) - 1)] == [0, (1 << 120) - 1]
    for maximum in (-1, 1 << 120):
        assert told(refusal(ORDER.paying, maximum)) == (InvalidMessage, "channel.maximum", {"maximum": maximum})


def test_a_channel_begins_with_nothing():
    nothing = Conditionals()
    window = {0: Expected(0, nothing, None, 0)}
    fresh = Channel(7, b"a", b"b", 0, 64, Phase.FRESH, 0, 0, 0, 0, None, nothing, 0, 0, None, nothing, window)
    assert repr(Channel(7, b"a", b"b")) == repr(fresh)
