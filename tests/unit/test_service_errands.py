"""What an errand does when the world says no: it waits for what may pass, and lets go of what will not."""

from __future__ import annotations

import pytest

from fairway.errors import Rejected, Unavailable
from fairway.service import errands


@pytest.mark.parametrize(
    ("refusals", "calls"),
    [
        ([], 1),
        ([Unavailable("chain.unreachable", "gone")], 2),
        ([Rejected("purse.balance", "empty"), Rejected("purse.balance", "empty")], 3),
        ([Rejected("chain.get_failed", "no")], 1),
    ],
)
async def test_an_errand_outlives_a_silent_chain_and_an_empty_wallet_only(monkeypatch, refusals, calls):
    monkeypatch.setattr(errands, "PAUSE_S", 0)
    left, called = list(refusals), []

    async def errand() -> None:
        called.append(1)
        if left:
            raise left.pop(0)

    await errands._patiently(errand)
    assert len(called) == calls
