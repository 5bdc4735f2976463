"""The channel's Spin model at its smallest bound; `make model` visits the rest."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parents[2] / "models" / "run.py"
MISSING = [tool for tool in ("spin", "gcc") if shutil.which(tool) is None]


def run(**environment):
    return subprocess.run(
        [sys.executable, RUN, "--quick"], capture_output=True, text=True, env=environment, check=False
    )


@pytest.mark.skipif(bool(MISSING), reason=f"needs {' and '.join(MISSING)}")
def test_no_state_of_the_model_breaks_a_claim_and_planted_bugs_do():
    done = run(PATH=os.environ["PATH"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("every state") == 1
    assert done.stdout.count("caught") == 3


def test_without_the_checker_the_model_is_skipped_with_a_reason_and_fails_in_ci(tmp_path):
    skipped, failed = run(PATH=str(tmp_path)), run(PATH=str(tmp_path), CI="1")
    assert (skipped.returncode, failed.returncode) == (0, 1)
    assert "needs spin and gcc" in skipped.stdout
