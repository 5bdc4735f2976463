"""Two builds of the TVM execute what the contract tests do, and each step ends in the same transaction on both.

On tonpy and on `@ton/sandbox`: tests/reference/sandbox.py. Users with machines and wallets: tests/e2e/test_machines.py.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import test_channel_contract_attacks as attacks
import test_channel_contract_close as close
import test_channel_contract_extra as extra
import test_channel_contract_jetton as jetton
import test_channel_contract_settle as settle
import test_vault_channels as vaults
from channel_stage import Stage
from tests.reference.sandbox import Twin

from fairway.chain.tvm import Outcome, TonpyTvm


def named(name: str, scenario: Callable[[], object]) -> Callable[[], object]:
    scenario.__name__ = name
    return scenario


SCENARIOS: list[Callable[[], object]] = [
    close.test_top_ups_are_credited_to_the_named_side_only,
    close.test_a_cooperative_close_pays_what_both_signed,
    close.test_a_commit_pays_withdrawals_once_and_kills_older_halves,
    close.test_every_step_of_a_lone_close_has_its_time,
    attacks.test_a_second_challenge_must_raise_a_floor,
    attacks.test_a_watchtower_without_any_key_answers_a_stale_start,
    settle.test_an_order_pays_what_its_fills_lost_at_the_exit,
    settle.test_a_touched_liquidation_price_costs_the_margin,
    settle.test_settling_has_its_window_and_its_hand,
    settle.test_a_condition_cannot_write_our_storage_or_send,
    extra.test_a_close_pays_both_shares_in_the_extra_currency,
    named("a_jetton_channel_closes", lambda: jetton.test_a_close_sends_both_shares_through_the_wallet(jetton.ready())),
    named("wrap_trade_unwrap", lambda: vaults.test_the_worked_example_runs_through_real_channels(vaults.RealStage())),
    named("reopen", lambda: vaults.test_a_partial_withdrawal_by_reopening_fills_the_next_channel(vaults.RealStage())),
    named("punish", lambda: vaults.test_a_punished_channel_closes_at_its_own_reduced_rate(vaults.RealStage())),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__.removeprefix("test_"))
def test_both_machines_make_the_same_transactions(scenario: Callable[[], object], twin: Twin):
    scenario()
    assert twin.transactions > 2


def test_a_machine_that_differs_is_noticed(twin: Twin, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(twin.second, "transact", lambda *given: _later(twin.first, given))
    with pytest.raises(AssertionError):
        Stage().inited()


def _later(machine: TonpyTvm, given: tuple[bytes | None, bytes, int, int]) -> Outcome:
    account, message, now, lt = given
    return machine.transact(account, message, now, lt + 1)
