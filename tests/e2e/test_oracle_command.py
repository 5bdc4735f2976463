"""`fairway oracle`: keys for a venue, and rounds made of quotes that come in as lines."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import time

import pytest
from service_stage import SYMBOL, Process, found

BOOT = "from fairway.cli.app import main; main()"


def oracle(*arguments, lines=b""):
    command = [sys.executable, "-c", BOOT, "oracle", *map(str, arguments)]
    return subprocess.run(command, input=lines, capture_output=True, timeout=60, check=False)


def quote(price, source="one", **more):
    return json.dumps({"symbol": SYMBOL, "source": source, "price": price, **more}).encode() + b"\n"


@pytest.fixture
def bound(tmp_path):
    """A folder of three keys and a service that is bound to them."""
    made = oracle("keys", "--dir", tmp_path / "oracle")
    keys = made.stdout.decode().split()[1::2]
    folder = found(tmp_path / "venue")
    rules = (folder / "venue.toml").read_text().splitlines()
    rules = [f"oracle_keys = {json.dumps(keys)}" if line.startswith("oracle_keys") else line for line in rules]
    (folder / "venue.toml").write_text("\n".join(rules) + "\n")
    process = Process(folder)
    yield tmp_path / "oracle", process
    process.kill()


def test_quotes_become_rounds_and_a_second_run_goes_on(bound):
    folder, process = bound
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    run = "run", "--dir", folder, "--service", process.ready["url"], "--every-s", "0.05"
    lines = quote(51_000) + quote(52_000, "two") + quote(51_500, "three")
    told = oracle(*run, lines=lines)
    assert (told.returncode, told.stderr) == (0, b"")
    shown = process.get(f"/v1/premiumIndex?symbol={SYMBOL}")[1]
    assert (shown["indexPrice"], shown["round"]) == ("51500", told.stdout.decode().count("round"))
    assert oracle(*run, lines=quote(51_700)).returncode == 0
    later = process.get(f"/v1/premiumIndex?symbol={SYMBOL}")[1]
    assert later["indexPrice"] == "51700"
    assert later["round"] > shown["round"]


def test_too_few_fresh_sources_make_no_round(bound):
    folder, process = bound
    old_ms = int(time.time() * 1000) - 60_000
    told = oracle(
        *("run", "--dir", folder, "--service", process.ready["url"], "--quorum", 2),
        lines=quote(51_000) + quote(51_000, "two", at_ms=old_ms),
    )
    assert b"oracle.stale" in told.stderr
    assert process.get(f"/v1/premiumIndex?symbol={SYMBOL}")[1]["data"]["code"] == "market.no_price"


def test_a_line_that_is_no_quote_is_told_and_the_rest_goes_on(bound):
    folder, process = bound
    lines = b"garbage\n" + b"x" * 9000 + b"\n" + quote(0) + quote(2**40) + quote(1, symbol="NOPE") + quote(51_500)
    told = oracle("run", "--dir", folder, "--service", process.ready["url"], lines=lines)
    assert told.returncode == 0
    assert told.stderr.count(b"is no quote") == 7  # the long line is read in three parts
    assert b"Traceback" not in told.stderr
    assert b"index 51500" in told.stdout


def test_keys_of_another_venue_and_missing_ones_are_refused_by_name(bound, tmp_path):
    _, process = bound
    assert b"oracle.missing" in oracle("run", "--dir", tmp_path / "nowhere").stderr
    assert oracle("keys", "--dir", tmp_path / "other").returncode == 0
    told = oracle("run", "--dir", tmp_path / "other", "--service", process.ready["url"])
    assert (told.returncode, b"oracle.keys" in told.stderr) == (1, True)
    assert b"oracle.exists" in oracle("keys", "--dir", tmp_path / "other").stderr
    gone = oracle("run", "--dir", tmp_path / "other", "--service", "http://127.0.0.1:9")
    assert (gone.returncode, b"oracle.service" in gone.stderr) == (1, True)
