"""What tests of several folders share: a chain that runs on two machines at once."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import Phase, settings

from tests.reference.sandbox import SandboxTvm, Twin, is_installed

# For `make mutants`: the same examples for every mutant, and no search for the smallest one that kills it.
settings.register_profile(
    "mutants", derandomize=True, database=None, deadline=None, phases=[Phase.explicit, Phase.generate]
)


@pytest.fixture(scope="session")
def sandbox() -> Iterator[SandboxTvm]:
    """The machine of `@ton/sandbox`. Without node the test is skipped; where `CI` is set, it fails."""
    if not is_installed() and "CI" not in os.environ:
        pytest.skip("@ton/sandbox is not installed: run npm ci in contracts/")
    with SandboxTvm() as machine:
        yield machine


@pytest.fixture
def twin(sandbox: SandboxTvm, monkeypatch: pytest.MonkeyPatch) -> Twin:
    """What every chain made from now on runs on."""
    made = Twin(sandbox)
    monkeypatch.setattr("fairway.chain.router.TonpyTvm", lambda: made)
    return made
