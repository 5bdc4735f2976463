"""Each rule of the contract, taken out of its source: the attack that it stops must then be noticed."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import test_channel_contract_attacks as attacks
import test_channel_contract_close as close
import test_channel_contract_extra as extra
import test_channel_contract_jetton as jetton
import test_channel_contract_settle as settle
import test_channel_contract_whole as whole
import test_channel_known_defects as defects
from test_compiled_contracts import CONTRACTS, needs_compiler

from fairway.ton import contracts
from fairway.ton.cells import from_boc

DISPUTE, MONEY, WHOLE = "channel_dispute.tolk", "channel_money.tolk", "channel_whole.tolk"
STORAGE = "channel_storage.tolk"


def call_with_patches(attack: Callable[[pytest.MonkeyPatch], object]) -> None:
    with pytest.MonkeyPatch.context() as inner:
        attack(inner)


PLANTED: list[tuple[str, str, str, str, Callable[[], object]]] = [
    (
        "R1 citations raise no floor",
        DISPUTE,
        "self.floorA = max(self.floorA, b.cited.seqno);",
        "",
        attacks.test_a_challenger_cannot_roll_back_below_what_he_cited,
    ),
    (
        "R2 only an old half gives way",
        DISPUTE,
        "if (!byA | (self.stateA.seqno < floorA))",
        "if (self.stateA.seqno < floorA)",
        attacks.test_an_invented_top_half_gives_way_to_the_one_the_other_side_chooses,
    ),
    (
        "R3 the challenger's own half never gives way",
        DISPUTE,
        "if (byA | (self.stateB.seqno < floorB))",
        "if (byA)",
        attacks.test_a_challenger_cannot_keep_his_old_half_by_a_stale_pair,
    ),
    (
        "R4 every challenge is a fine",
        DISPUTE,
        "((shown.seqno > verdict.seqno) | (shown.sent > verdict.sent))",
        "true",
        attacks.test_an_honest_start_is_never_fined_by_a_roll_back_and_return,
    ),
    (
        "R4 no challenge is a fine",
        DISPUTE,
        "verdict.fine = fine;",
        "",
        attacks.test_a_stale_start_is_challenged_and_fined,
    ),
    (
        "R5 every challenge is free",
        DISPUTE,
        "assert (raised) throw",
        "assert (true) throw",
        attacks.test_a_second_challenge_must_raise_a_floor,
    ),
    (
        "a tower may bring what nobody cited",
        DISPUTE,
        "assert (byA ? isSame(b.own, a.cited) : isSame(a.own, b.cited)) throw",
        "assert (true) throw",
        attacks.test_a_watchtower_brings_only_what_the_other_side_has_cited,
    ),
    (
        "R6 A adopts past what B has acknowledged",
        WHOLE,
        "(min(b.cited.seqno, a.own.seqno) >= self.floorA)",
        "true",
        whole.test_no_order_that_the_service_has_shown_to_know_is_left_out,
    ),
    (
        "R6 A adopts what he likes",
        WHOLE,
        "(a.own.sent == expected.expectsSent)",
        "true",
        whole.test_a_adopts_what_the_services_half_expects_and_nothing_else,
    ),
    (
        "R6 A adopts in the last moment",
        WHOLE,
        "assert (blockchain.now() < end) throw",
        "assert (true) throw",
        whole.test_adoption_comes_after_the_last_challenge_and_before_anyone_else_claims,
    ),
    (
        "R6 what was adopted is recalled",
        WHOLE,
        "isCited & !quarantine.verdict.load().adopted",
        "isCited",
        whole.test_the_half_that_the_other_cites_is_recalled_until_a_adopts,
    ),
    (
        "a commit kills no older half",
        MONEY,
        "    self.floorA = seqnoA;\n    self.floorB = seqnoB;\n",
        "",
        partial(close.test_after_a_commit_no_pair_claims_what_was_withdrawn, by_a=True),
    ),
    (
        "a commit ends what one side has begun",
        MONEY,
        "assert (self.quarantine == null) throw ERROR_QUARANTINE_ALREADY_ACTIVE;\n    assert (self.isSignedByBoth",
        "self.quarantine = null;\n    assert (self.isSignedByBoth",
        close.test_a_commit_signed_before_does_not_end_a_quarantine,
    ),
    (
        "what was withdrawn is paid once more",
        STORAGE,
        "return self.depositA - self.withdrawA - self.sentA",
        "return self.depositA - self.sentA",
        partial(close.test_after_a_commit_no_pair_claims_what_was_withdrawn, by_a=False),
    ),
    (
        "totals are not clamped",
        DISPUTE,
        "max(0, min(balance.ofA(), total))",
        "balance.ofA()",
        attacks.test_a_side_that_owes_more_than_it_has_gives_all_it_has,
    ),
    (
        "the fine is taken whole",
        DISPUTE,
        "-min(verdict.fine, ofA)",
        "-verdict.fine",
        attacks.test_the_fine_takes_no_more_than_the_cheater_has,
    ),
    (
        "a result may be anything",
        DISPUTE,
        "assert ((0 <= result) & (result <= CONDITION_RESULT_MAX)) throw",
        "assert (true) throw",
        partial(settle.test_a_result_outside_its_bounds_is_refused, (1 << 96) * 17),
    ),
    (
        "a settled promise stays",
        DISPUTE,
        "promised.conditionalsHash = conditionals.originalHash();",
        "",
        settle.test_a_promise_is_settled_once_and_the_others_stay,
    ),
    (
        "a fine puts a side below zero",
        DISPUTE,
        "-min(verdict.fine, ofA)",
        "-verdict.fine",
        defects.test_finish_does_not_zero_b_when_a_falls_below_zero,
    ),
    (
        "seqnos are cut to 32 bits",
        MONEY,
        "self.floorA = seqnoA;",
        "self.floorA = seqnoA & 0xffffffff;",
        defects.test_a_seqno_above_32_bits_is_kept_whole,
    ),
    (
        "init takes the balances that are there",
        MONEY,
        "assert (self.balance.hash() == NOTHING_PAID_IN) throw",
        "assert (true) throw",
        lambda: call_with_patches(defects.test_a_channel_born_with_a_split_never_begins),
    ),
    (
        "a top-up counts what it does not bring",
        MONEY,
        "self.topUp(isA, value - FEE_TON_TOP_UP)",
        "self.topUp(isA, 2 * value)",
        defects.test_a_top_up_counts_what_came_and_nothing_that_is_said,
    ),
    (
        "one challenge only",
        DISPUTE,
        "assert (raised) throw",
        "assert (false) throw",
        defects.test_a_challenge_that_showed_too_little_is_not_the_last,
    ),
    (
        "the last challenge decides",
        DISPUTE,
        "if (!byA | (self.stateA.seqno < floorA))",
        "if (true)",
        defects.test_a_challenge_in_the_last_second_changes_nothing_for_who_has_answered,
    ),
    (
        "any extra currency will do",
        MONEY,
        "assert (found & (others == null)) throw",
        "assert (found) throw",
        partial(extra.test_anything_but_the_named_currency_goes_back, {extra.OURS: 5, extra.OTHER: 5}),
    ),
    (
        "any key will do",
        MONEY,
        "assert (!isKeyWeak(self.keyA) & !isKeyWeak(self.keyB)) throw",
        "assert (true) throw",
        partial(close.test_a_weak_key_on_either_side_is_refused_at_init, close.WEAK[0]),
    ),
    (
        "what is left goes to the sender whatever he asks",
        MONEY,
        "purpose.isEndOfBits() ? message.from : purpose.loadAny<Address>()",
        "message.from",
        lambda: jetton.test_ton_that_is_left_goes_to_the_sender_or_where_his_word_asks(jetton.ready()),
    ),
    (
        "a note has to fit behind its transfer",
        MONEY,
        "note.bitsCount() > SHORT_NOTE_BITS",
        "false",
        lambda: jetton.test_a_note_about_the_largest_sums_still_goes_out(jetton.ready()),
    ),
    (
        "any wallet will do",
        MONEY,
        "(wallet == null) || (wallet != sender)",
        "(wallet == null)",
        lambda: jetton.test_a_false_notification_is_credited_to_nobody(jetton.ready()),
    ),
]


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize(("file", "rule", "bug", "attack"), [pytest.param(*case, id=name) for name, *case in PLANTED])
def test_a_planted_bug_is_caught(
    file: str, rule: str, bug: str, attack: Callable[[], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    sources = shutil.copytree(CONTRACTS, tmp_path / "contracts", ignore=shutil.ignore_patterns("node_modules"))
    (sources / "node_modules").symlink_to(CONTRACTS / "node_modules")
    text = (sources / file).read_text()
    assert text.count(rule) == 1
    (sources / file).write_text(text.replace(rule, bug))
    subprocess.run(["node", "build.mjs", tmp_path, "channel"], cwd=sources, check=True)
    code = from_boc(bytes.fromhex(json.loads((tmp_path / "channel.json").read_text())["boc_hex"]))
    attack()
    honest = contracts.contract_code
    monkeypatch.setattr(contracts, "contract_code", lambda name: code if name == "channel" else honest(name))
    with pytest.raises(AssertionError):
        attack()
