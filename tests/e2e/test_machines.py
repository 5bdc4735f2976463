"""Users deposit, trade, leave and claim on a chain that executes everything on two machines at once."""

import pytest
import test_client_onchain as onchain


@pytest.mark.parametrize(
    "scenario",
    [
        onchain.test_a_partial_withdrawal_moves_the_rest_into_a_new_channel,
        onchain.test_an_open_position_is_paid_at_the_exit_price_without_the_service,
    ],
    ids=["withdrawal", "exit"],
)
async def test_both_machines_make_the_same_transactions(scenario, twin, tmp_path):
    await scenario(tmp_path)
    assert twin.transactions > 20
