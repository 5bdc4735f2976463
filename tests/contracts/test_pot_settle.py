"""The pot on the real channel contract: all that is margined together is worth what its markets say, and once."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from channel_stage import CHANNEL, SEED_B, SETTLING_S, TON, signed
from evidence import (
    KEY,
    MARKET,
    MARKET_CODE,
    NETWORK,
    ORACLE,
    ORACLES,
    ORDER_CODE,
    fill_input,
    flat,
    mandate,
    market_input,
    order,
    permit,
    receipt,
    rounds,
    word,
)
from msgspec.structs import replace
from pot_evidence import CROSS_CODE, around, cross_input, cross_order, cross_touch, held, in_force, pot
from test_channel_contract_settle import Dispute
from test_compiled_contracts import CONTRACTS, needs_compiler

from fairway.channel.conditional import Conditional
from fairway.channel.conditionals import Conditionals
from fairway.crypto.keys import sign
from fairway.errors import Rejected
from fairway.exchange import claims as claims_module
from fairway.exchange import fills, wire
from fairway.exchange.claims import claims, markets, next_claim
from fairway.exchange.conditions import cross_conditional, market_conditional
from fairway.exchange.mandate import order_key
from fairway.exchange.paper import Exit, Mandated, Paper, Promised
from fairway.exchange.reading import CROSS_KEY, is_flat, read_cross
from fairway.exchange.terms import CROSS, CrossTerms, OracleRound, OrderTerms, Receipt
from fairway.ton.cells import Builder, Cell, from_boc

LINEAR, OTHER, THIRD = 3, 7, 9
CODES = {"condition_market": MARKET_CODE, "condition_cross": CROSS_CODE}
MILLI = 1000 * 1000 * 10
"""What ten lots win or lose when their price moves by a thousand."""


def bound(code: Cell) -> Cell:
    """Code of a condition bound to the oracle, as `condition_code` binds it."""
    return Builder().store_uint(0x88018AD9, 32).store_ref(ORACLE).store_ref(code).end_cell()


def kept(market: int, number: int, at_ms: int, mark: int) -> wire.Round:
    """A round as a record has it."""
    digest = OracleRound(NETWORK, market, number, at_ms, mark, mark, 0).digest()
    return wire.Round(market, number, at_ms, mark, mark, 0, {place: sign(ORACLES[place], digest) for place in (0, 2)})


def exits_of(dispute: Dispute, marks: dict[int, int]) -> dict[int, Exit]:
    return {
        market: Exit(kept(market, 40, dispute.exit_ms - 1, 1), kept(market, 41, dispute.exit_ms, mark))
        for market, mark in marks.items()
    }


def shared(terms: CrossTerms, *others: tuple[int, Conditional], by_a: bool = True) -> Conditionals:
    promise = cross_conditional(terms, CODES["condition_cross"])[0 if by_a else 1]
    return Conditionals([*others, (CROSS_KEY, promise)])


def disputed(terms: CrossTerms, *others: tuple[int, Conditional], by_a: bool = True) -> Dispute:
    return Dispute(shared(terms, *others, by_a=by_a), by_a=by_a)


def at_exit(dispute: Dispute, marks: dict[int, int]) -> dict[int, Cell]:
    return {market: around(market, dispute.exit_ms, mark) for market, mark in marks.items()}


def placing(*orders: OrderTerms) -> list[tuple[int, Conditional]]:
    return [(each.key, Conditional(each.cell(), ORDER_CODE, TON)) for each in orders]


def filled(placed: OrderTerms, dispute: Dispute, **more: int) -> Receipt:
    return receipt(placed, 10, 10 * 1000 * 50_000, 0, dispute.started_ms, **more)


def on_paper(shown: Receipt) -> dict[bytes, tuple[Receipt, bytes]]:
    return {shown.order: (shown, sign(SEED_B, shown.digest()))}


def claimed(dispute: Dispute, paper: Paper) -> int:
    """The exit code of the claim that the other side makes by `paper`."""
    half = Promised(dispute.conditionals, 9, dispute.by_a)
    ((_, statement),) = claims(CHANNEL, half, paper)
    return dispute.stage.tell(signed(statement, by_a=not dispute.by_a), TON).exit_code


def test_terms_are_read_back_as_they_were_written():
    terms = pot(held(LINEAR, long=False, funding_base=-5, funding=-9, mark=3), held(OTHER, inverse=True, deduction=8))
    for each in (terms, pot(), pot(margin=0, cap=0)):
        assert read_cross(cross_conditional(each, ORDER_CODE)[0]) == each
    a, b = cross_conditional(pot(margin=7, cap=4), ORDER_CODE)
    assert (a.maximum, b.maximum) == (7, 4)


def test_a_winner_pays_for_a_loser():
    terms = pot(held(LINEAR), held(OTHER, long=False))
    for by_a, marks, expected in (
        (True, {LINEAR: 47_000, OTHER: 49_000}, 3 * MILLI),
        (False, {LINEAR: 47_000, OTHER: 49_000}, MILLI),
        (True, {LINEAR: 52_000, OTHER: 49_000}, None),
        (False, {LINEAR: 52_000, OTHER: 49_000}, 3 * MILLI),
    ):
        dispute = disputed(terms, by_a=by_a)
        paper = Paper(NETWORK, exits_of(dispute, marks))
        if expected is None:
            with pytest.raises(Rejected, match=r"claims\.nothing"):
                claimed(dispute, paper)
            continue
        assert claimed(dispute, paper) == 0
        assert dispute.owed() == expected


@pytest.mark.parametrize(("by_a", "expected"), [(True, 7 + MILLI), (False, 5 + 30 * MILLI)])
def test_the_pot_loses_its_margin_beyond_what_it_wins_and_wins_its_cap_beyond_what_it_loses(by_a: bool, expected: int):
    losing, winning = held(LINEAR), held(OTHER)
    dispute = disputed(pot(losing, winning, margin=7, cap=5), by_a=by_a)
    marks = {LINEAR: 20_000, OTHER: 51_000 if by_a else 90_000}
    assert dispute.settle({CROSS_KEY: cross_input(at_exit(dispute, marks))}, nano=TON).exit_code == 0
    assert dispute.owed() == expected


def test_every_market_that_is_held_has_its_own_exit():
    dispute = disputed(pot(held(LINEAR), held(OTHER)))
    good = at_exit(dispute, {LINEAR: 49_000, OTHER: 49_000})
    for wrong in (
        {LINEAR: good[LINEAR]},
        good | {OTHER: around(THIRD, dispute.exit_ms, 49_000)},
        good | {OTHER: around(OTHER, dispute.exit_ms - 1, 49_000)},
        good | {OTHER: around(OTHER, dispute.exit_ms + 2, 49_000)},
    ):
        assert dispute.settle({CROSS_KEY: cross_input(wrong)}, nano=TON).exit_code == 143
    assert dispute.settle({CROSS_KEY: cross_input(good)}, nano=TON).exit_code == 0
    assert dispute.owed() == 2 * MILLI


def test_a_market_without_an_exit_ends_at_its_own_last_mark_once_time_is_short():
    terms = pot(held(LINEAR), held(OTHER, mark=48_000))
    for late, marks, exit_code in (
        (False, {LINEAR: 49_000}, 143),
        (True, {OTHER: 49_000}, 143),  # nothing is known of the other
        (True, {LINEAR: 49_000}, 0),
    ):
        dispute = disputed(terms)
        dispute.stage.router.advance(late * SETTLING_S * 3 // 4)
        shown = cross_input(at_exit(dispute, marks))
        assert dispute.settle({CROSS_KEY: shown}, nano=TON).exit_code == exit_code
    assert dispute.owed() == 3 * MILLI


def test_a_late_claim_prices_what_it_can():
    strange = cross_order(THIRD, key=5)
    ours = cross_order(OTHER, key=6, reserve=TON)
    dispute = disputed(pot(held(LINEAR), held(OTHER, mark=48_000)), *placing(strange, ours))
    dispute.stage.router.advance(SETTLING_S * 3 // 4)
    receipts = on_paper(filled(strange, dispute)) | on_paper(filled(ours, dispute))
    paper = Paper(NETWORK, exits_of(dispute, {LINEAR: 49_000}), receipts=receipts)
    half = Promised(dispute.conditionals, 9, by_a=True)
    with pytest.raises(Rejected, match=r"claims\.nothing"):
        claims(CHANNEL, half, paper)
    assert claimed(dispute, Paper(NETWORK, paper.exits, receipts=receipts, is_late=True)) == 0
    assert dispute.owed() == 5 * MILLI, "both positions and the fill whose market is held"


def test_the_markets_of_a_claim_are_those_of_the_pot_and_of_its_fills():
    placed = cross_order(THIRD, key=5)
    dispute = disputed(pot(held(LINEAR), held(OTHER)), *placing(placed))
    half = Promised(dispute.conditionals, 9, by_a=True)
    assert markets(half, Paper(NETWORK, {})) == {LINEAR, OTHER}
    assert markets(half, Paper(NETWORK, {}, receipts=on_paper(filled(placed, dispute)))) == {LINEAR, OTHER, THIRD}


# Touches


TOUCHED = {LINEAR: 40_000, OTHER: 50_000}


def touched_with(terms: CrossTerms, moment_ms: int, touch: dict[int, Cell], *, by_a: bool = True) -> Dispute | None:
    """The dispute after a claim with this touch; None where it is refused."""
    dispute = disputed(terms, by_a=by_a)
    shown = cross_input(at_exit(dispute, {LINEAR: 51_000, OTHER: 50_000}), cross_touch(moment_ms, touch))
    exit_code = dispute.settle({CROSS_KEY: shown}, nano=TON).exit_code
    assert exit_code in {0, 143}
    return dispute if exit_code == 0 else None


def test_a_pot_that_had_too_little_is_taken_whole():
    needs = (40_000 + 50_000) * 10_000 // 20
    edge = pot(held(LINEAR), held(OTHER), margin=10 * MILLI + needs, since_ms=1000)
    touch = {market: in_force(market, 2000, mark) for market, mark in TOUCHED.items()}
    assert touched_with(edge, 2000, touch) is None
    dispute = touched_with(replace(edge, margin=edge.margin - 1), 2000, touch)
    assert dispute is not None
    assert dispute.owed() == edge.margin - 1 + MILLI, "the margin, and what the mirror has won since"


SHORT = pot(held(LINEAR), held(OTHER), margin=10 * MILLI, since_ms=1000)


def test_a_touch_is_of_one_moment_in_every_market_that_is_held():
    good = {market: in_force(market, 2000, mark) for market, mark in TOUCHED.items()}
    assert touched_with(SHORT, 2000, good) is not None
    assert touched_with(SHORT, 2000, {LINEAR: good[LINEAR]}) is None
    for other, holds in (
        (in_force(OTHER, 500, 50_000, until_ms=2001), True),
        (in_force(OTHER, 500, 50_000, until_ms=2000), False),
        (in_force(OTHER, 2001, 50_000), False),
        (in_force(THIRD, 2000, 50_000), False),
    ):
        assert (touched_with(SHORT, 2000, good | {OTHER: other}) is not None) == holds


def test_a_touch_counts_from_the_terms_to_the_start_and_against_side_a():
    def at(moment_ms: int, until_ms: int = 0) -> dict[int, Cell]:
        return {market: in_force(market, moment_ms, mark, until_ms=until_ms) for market, mark in TOUCHED.items()}

    started_ms = disputed(SHORT).started_ms
    assert touched_with(SHORT, 999, at(999)) is None
    assert touched_with(SHORT, 1000, at(1000)) is not None
    assert touched_with(SHORT, started_ms, at(started_ms)) is not None
    assert touched_with(SHORT, started_ms, at(started_ms - 5, started_ms + 5)) is not None
    assert touched_with(SHORT, started_ms + 1, at(started_ms + 1)) is None
    assert touched_with(SHORT, 2000, at(2000), by_a=False) is None


def test_rounds_from_before_the_terms_prove_nothing_by_still_being_in_force():
    old = {market: in_force(market, 999, mark, until_ms=3000) for market, mark in TOUCHED.items()}
    assert touched_with(SHORT, 1000, old) is None
    assert touched_with(SHORT, 2000, old) is None
    assert touched_with(SHORT, 2000, old | {OTHER: in_force(OTHER, 1000, 50_000, until_ms=3000)}) is not None


def earlier(*shown: tuple[int, int, int, int]) -> list[wire.Round]:
    return [kept(*each) for each in shown]


def test_a_claim_finds_the_moment_at_which_the_pot_was_short_but_not_of_one_that_stood():
    dispute = disputed(SHORT)
    exits = exits_of(dispute, {LINEAR: 50_000, OTHER: 50_000})
    calm = [(LINEAR, 1, 900, 50_000), (OTHER, 1, 950, 50_000), (OTHER, 2, 1950, 50_000)]
    falls, next_ = (LINEAR, 2, 2900, 40_000), (LINEAR, 3, 3900, 50_000)
    more = [(OTHER, 3, 2950, 50_000)]
    for rounds_, standing in (
        ([*calm, next_, *more], frozenset()),
        ([*calm, falls, next_, *more], frozenset({CROSS})),
        ([*calm, falls, *more], frozenset()),  # nothing shows how long the fall was in force
        ([*calm[1:], falls, next_], frozenset()),  # nor what the other market was worth then
    ):
        with pytest.raises(Rejected, match=r"claims\.nothing"):
            claimed(dispute, Paper(NETWORK, exits, earlier(*rounds_), standing))
    assert claimed(dispute, Paper(NETWORK, exits, earlier(*calm, falls, next_, *more), frozenset({LINEAR}))) == 0
    assert dispute.owed() == SHORT.margin


def test_the_round_that_ends_a_touch_may_come_after_the_start():
    dispute = disputed(SHORT)
    exits = exits_of(dispute, {LINEAR: 50_000, OTHER: 50_000})
    shown = earlier((LINEAR, 2, 2900, 40_000), (OTHER, 2, 1950, 50_000))
    after = earlier(*((market, 3, dispute.started_ms + 1, 50_000) for market in (LINEAR, OTHER)))
    assert claimed(dispute, Paper(NETWORK, exits, shown, following=after)) == 0
    assert dispute.owed() == SHORT.margin


# Fills


def test_fills_of_cross_orders_count_in_the_pot_with_their_reserves():
    bought, sold = cross_order(OTHER, key=5, reserve=5), cross_order(LINEAR, key=6, buy=False, reserve=8)
    dispute = disputed(pot(held(LINEAR), margin=1), *placing(bought, sold))
    shown = on_paper(filled(bought, dispute)) | on_paper(filled(sold, dispute))
    paper = Paper(NETWORK, exits_of(dispute, {LINEAR: 49_000, OTHER: 40_000}), receipts=shown)
    assert claimed(dispute, paper) == 0
    assert dispute.owed() == 1 + 5 + 8 + MILLI, "no more than all stand for, and what the sale won"


def test_a_fill_that_the_service_signed_after_its_half_counts_in_its_half():
    placed = cross_order(OTHER, key=5)
    for b_seqno, by_a in ((9, False), (10, False), (10, True)):
        dispute = disputed(pot(margin=1), by_a=by_a)
        shown = fill_input(filled(placed, dispute, b_seqno=b_seqno), placed)
        marks = at_exit(dispute, {OTHER: 49_000 if by_a else 51_000})
        settled = dispute.settle({CROSS_KEY: cross_input(marks, None, {5: shown})}, nano=TON)
        assert settled.exit_code == (0 if (b_seqno, by_a) == (10, False) else 143)
    dispute = disputed(pot(margin=1), by_a=False)
    shown = filled(placed, dispute, b_seqno=10)
    exits = exits_of(dispute, {OTHER: 51_000})
    assert claimed(dispute, Paper(NETWORK, exits, receipts=on_paper(shown), orders={shown.order: placed})) == 0
    assert dispute.owed() == MILLI


def both_ways(placed: OrderTerms) -> tuple[int, int]:
    """The exit codes of claims of one fill under its market and under the pot."""
    codes = []
    for key in (KEY, CROSS_KEY):
        market = market_conditional(flat(), CODES["condition_market"])[0]
        dispute = disputed(pot(margin=1), *placing(placed), (KEY, market))
        fill = {placed.key: fill_input(filled(placed, dispute))}
        shown = {
            KEY: market_input(rounds(dispute.exit_ms, 49_000), None, fill),
            CROSS_KEY: cross_input(at_exit(dispute, {MARKET: 49_000}), None, fill),
        }
        codes.append(dispute.settle({key: shown[key]}, nano=TON).exit_code)
    return codes[0], codes[1]


def test_a_cross_order_is_claimed_of_the_pot_alone():
    assert both_ways(cross_order(MARKET)) == (143, 0)


def test_an_isolated_order_is_claimed_of_its_market_alone():
    assert both_ways(order()) == (0, 143)
    assert both_ways(order(leverage=1)) == (0, 143)


def test_a_claim_of_both_shows_each_fill_once():
    alone, together = order(key=5, reserve=5), cross_order(MARKET, key=6, reserve=8)
    market = market_conditional(flat(), CODES["condition_market"])[0]
    dispute = disputed(pot(margin=0), *placing(alone, together), (KEY, market))
    shown = on_paper(filled(alone, dispute)) | on_paper(filled(together, dispute))
    assert claimed(dispute, Paper(NETWORK, exits_of(dispute, {MARKET: 40_000}), receipts=shown)) == 0
    assert dispute.owed() == 5 + 8


def test_a_claim_too_dear_for_one_message_is_made_by_several(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(claims_module, "MESSAGE_GAS", 1)
    placed = cross_order(OTHER, key=5, reserve=TON)
    market = market_conditional(replace(flat(), lots=10, cost=10 * 1000 * 50_000, margin=TON), MARKET_CODE)[0]
    dispute = disputed(pot(held(LINEAR), margin=TON), *placing(placed), (KEY, market))
    marks = {MARKET: 49_000, LINEAR: 48_000}
    assert OTHER == MARKET
    paper = Paper(NETWORK, exits_of(dispute, marks), receipts=on_paper(filled(placed, dispute)))
    half = Promised(dispute.conditionals, 9, by_a=True)
    first, second = claims(CHANNEL, half, paper)
    assert first.root == dispute.conditionals.root_hash() != second.root
    assert next_claim(CHANNEL, half, paper, second.root) == second.statement
    assert next_claim(CHANNEL, half, paper, bytes(32)) is None
    for claim, is_taken in ((second, False), (first, True), (first, False), (second, True), (second, False)):
        assert (dispute.stage.tell(signed(claim.statement, by_a=False), TON).exit_code == 0) == is_taken
    assert dispute.owed() == (1 + 2 + 1) * MILLI, "the market, the pot's position, its fill"


def test_planted_messages_that_are_all_made_on_the_first_promises_are_caught(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(claims_module, "emptied", lambda root, *_: root)
    with pytest.raises(AssertionError):
        test_a_claim_too_dear_for_one_message_is_made_by_several(monkeypatch)


def by_sub_key(leverage: int) -> int:
    """The exit code of a claim of what a sub-key's order filled in A's half."""
    given = mandate()
    placed = order(key=order_key(3, 1), leverage=leverage)
    market = market_conditional(flat(), CODES["condition_market"])[0]
    dispute = disputed(pot(margin=1), (9, permit(given)), (KEY, market))
    shown = filled(placed, dispute)
    paper = Paper(
        NETWORK,
        exits_of(dispute, {MARKET: 49_000}),
        receipts=on_paper(shown),
        orders={shown.order: placed},
        mandated={shown.order: Mandated(*word(given, placed))},
    )
    return claimed(dispute, paper)


def test_no_order_of_a_sub_key_is_in_the_pot():
    assert by_sub_key(1) == 0
    with pytest.raises(Rejected, match=r"claims\.nothing"):
        by_sub_key(0)


def test_planted_a_sub_keys_order_that_is_taken_as_cross_is_refused_by_the_contract(monkeypatch):
    honest = fills._allows
    monkeypatch.setattr(fills, "_allows", lambda given, terms, shown: honest(given, replace(terms, leverage=1), shown))
    assert by_sub_key(0) == 143


def test_a_pot_with_nothing_in_it_is_flat():
    assert is_flat(shared(pot()))
    assert not is_flat(shared(pot(held(LINEAR))))


# Planted in the contracts

FILLS, POT, ALONE = "condition_fills.tolk", "condition_cross.tolk", "condition_market.tolk"
PLANTED: list[tuple[str, str, str, str, Callable[[], object]]] = [
    (
        "an isolated order is claimed of the pot too",
        POT,
        "& (order.leverage == 0)",
        "",
        test_an_isolated_order_is_claimed_of_its_market_alone,
    ),
    (
        "a cross order is claimed of its market too",
        ALONE,
        "& (order.leverage > 0)\n            & (receipt",
        "\n            & (receipt",
        test_a_cross_order_is_claimed_of_the_pot_alone,
    ),
    (
        "the cap is ratio times the margin",
        POT,
        "pot.cap + pot.ratio * reserves",
        "pot.ratio * (pot.margin + reserves)",
        partial(
            test_the_pot_loses_its_margin_beyond_what_it_wins_and_wins_its_cap_beyond_what_it_loses,
            by_a=False,
            expected=5 + 30 * MILLI,
        ),
    ),
    (
        "a touch is judged on the last market",
        POT,
        "spare += position.value(round.mark, round.funding)",
        "spare = pot.margin + position.value(round.mark, round.funding)",
        test_a_pot_that_had_too_little_is_taken_whole,
    ),
    (
        "a touch is by rounds of any moment",
        POT,
        "oracle.inForceAt(touchMs, rounds, position.market)",
        "oracle.verified(rounds.load().before, position.market)",
        test_a_touch_is_of_one_moment_in_every_market_that_is_held,
    ),
    (
        "a touch may come after the start",
        POT,
        "assert (promisedByA & (touchMs <= startedMs)) throw",
        "assert (promisedByA) throw",
        test_a_touch_counts_from_the_terms_to_the_start_and_against_side_a,
    ),
    (
        "a touch stands on rounds from before the terms",
        POT,
        "(spare < 0) & (newestMs >= pot.sinceMs)",
        "spare < 0",
        test_rounds_from_before_the_terms_prove_nothing_by_still_being_in_force,
    ),
    (
        "an order that A's half does not hold counts there, as a sub-key's would",
        POT,
        "assert (!promisedByA & (receipt",
        "assert (promisedByA | (receipt",
        test_a_fill_that_the_service_signed_after_its_half_counts_in_its_half,
    ),
    (
        "a reserve counts twice",
        POT,
        "reserves += groups",
        "reserves += 2 * groups",
        test_fills_of_cross_orders_count_in_the_pot_with_their_reserves,
    ),
]


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize(("file", "rule", "bug", "attack"), [pytest.param(*case, id=name) for name, *case in PLANTED])
def test_a_bug_planted_in_the_contract_is_caught(
    file: str, rule: str, bug: str, attack: Callable[[], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    sources = shutil.copytree(CONTRACTS, tmp_path / "contracts", ignore=shutil.ignore_patterns("node_modules"))
    (sources / "node_modules").symlink_to(CONTRACTS / "node_modules")
    text = (sources / file).read_text()
    assert text.count(rule) == 1
    (sources / file).write_text(text.replace(rule, bug))
    name = "condition_market" if file == ALONE else "condition_cross"
    subprocess.run(["node", "build.mjs", tmp_path, name], cwd=sources, check=True)
    code = from_boc(bytes.fromhex(json.loads((tmp_path / f"{name}.json").read_text())["boc_hex"]))
    attack()
    monkeypatch.setitem(CODES, name, bound(code))
    with pytest.raises(AssertionError):
        attack()
