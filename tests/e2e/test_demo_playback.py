"""`fairway demo --feed`: a recorded market is played through the whole exchange, at its own time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "unit"))

import recorded
from recorded import T0, quote, write

from fairway.exchange.event import Proposed, decode
from fairway.service import archive

LEAD_MS, LENGTH_MS, TAIL_MS = 3_600_000, 60_000, 600_000
HAPPENED = ("orders", "fills", "cancels", "partial_withdrawals", "closes", "settlements", "crashes")
HELD = (
    "money_conserved",
    "lend_state_matches_channels",
    "vault_matches_ledger",
    "book_hash_replayed",
    "state_hash_replayed",
)


def demo(*arguments, cwd, within_s=120):
    command = [sys.executable, "-m", "fairway", "demo", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=within_s, check=False)


def check(report):
    assert [name for name in HAPPENED if not report[name]] == []
    assert [name for name in HELD if report[name] is not True] == []
    assert report["punishments"] == 0
    assert report["settlements"] == report["settlements_proved"] == report["settlements_verified"]


@pytest.mark.slow
def test_a_recorded_market_is_played_and_every_event_carries_its_time(tmp_path):
    feed = write(tmp_path / "feed.gz", recorded.wandering(60), compressed=True)
    done = demo("--feed", str(feed), "--traders", "4", "--orders", "100", "--dir", "kept", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    check(json.loads(done.stdout))
    events = [decode(entry.payload) for entry in archive.entries(tmp_path / "kept")]
    times = [event.at_ms for event in events]
    assert T0 - LEAD_MS < times[0] < T0
    assert times == sorted(times)
    assert T0 + LENGTH_MS <= times[-1] < T0 + LENGTH_MS + TAIL_MS
    quarters = {(event.at_ms - T0) * 4 // LENGTH_MS for event in events if isinstance(event, Proposed)}
    assert {0, 1, 2, 3} <= quarters


@pytest.mark.parametrize(
    ("lines", "code"),
    [([quote(T0), b"what is this\n"], "feed.line"), ([], "feed.empty"), (None, "feed.file")],
)
def test_a_bad_recording_is_refused_before_anything_is_touched(tmp_path, lines, code):
    feed, kept = tmp_path / "feed", tmp_path / "kept"
    if lines is not None:
        write(feed, lines)
    kept.mkdir()
    (kept / "demo.json").write_text("an earlier demo's")
    done = demo("--feed", str(feed), "--dir", str(kept), cwd=tmp_path)
    assert done.returncode == 1
    assert f"[{code}]" in done.stderr
    assert "Traceback" not in done.stderr
    assert (kept / "demo.json").read_text() == "an earlier demo's"


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("FAIRWAY_LONG"), reason="two minutes: set FAIRWAY_LONG")
def test_the_real_recording_is_played_to_its_end(tmp_path):
    done = demo("--feed", str(recorded.real()), "--dir", "kept", "--json", cwd=tmp_path, within_s=400)
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout)
    check(report)
    assert report["orders"] > 1_000
    assert report["fills"] > 500
