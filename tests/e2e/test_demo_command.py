"""The main job, as a stranger runs it: every scene happens, every invariant holds, and the audit vouches for it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time

import pytest

WITHIN_S = 400
HAPPENED = (
    "orders",
    "fills",
    "partial_fills",
    "cross_fills",
    "cancels",
    "cancels_lost",
    "take_profits",
    "stop_losses",
    "liquidations",
    "punishments",
    "absolutions",
    "rates_zeroed",
    "challenges",
    "tower_answers",
    "lends",
    "redemptions",
    "epochs_shown",
    "partial_withdrawals",
    "closes",
    "states_cosigned",
    "settlements_proved",
    "settlements_verified",
    "chain_transactions",
    "crashes",
    "balances_before_countersigning",
)
HELD = (
    "money_conserved",
    "lend_state_matches_channels",
    "pool_solvent_at_every_epoch",
    "vault_matches_ledger",
    "book_hash_replayed",
    "state_hash_replayed",
)


def fairway(*arguments, cwd):
    command = [sys.executable, "-m", "fairway", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=WITHIN_S, check=False)


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """A small demo, its one JSON object, and where it is kept."""
    folder = tmp_path_factory.mktemp("demo")
    done = fairway("demo", "--traders", "8", "--orders", "300", "--dir", "kept", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout), folder


@pytest.mark.slow
@pytest.mark.parametrize("name", HAPPENED)
def test_every_scene_happened(played, name):
    report, _ = played
    assert report[name] > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", HELD)
def test_every_invariant_held(played, name):
    report, _ = played
    assert report[name] is True


@pytest.mark.slow
def test_every_settlement_was_proved_and_verified_again(played):
    report, _ = played
    assert report["settlements"] == report["settlements_proved"] == report["settlements_verified"]


@pytest.mark.slow
def test_the_audit_accepts_what_the_demo_left(played):
    _, folder = played
    done = fairway("audit", "kept", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "ACCEPTED" in done.stdout


@pytest.mark.slow
def test_the_audit_names_a_flipped_byte_of_it(played):
    _, folder = played
    journal = folder / "kept" / "journal.sqlite"
    whole = bytearray(journal.read_bytes())
    whole[len(whole) // 2] ^= 1
    journal.write_bytes(whole)
    done = fairway("audit", "kept", cwd=folder)
    whole[len(whole) // 2] ^= 1
    journal.write_bytes(whole)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr + done.stdout


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("do not delete")
    done = fairway("demo", "--dir", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 1
    assert "demo.dir" in done.stderr
    assert (tmp_path / "mine.txt").read_text() == "do not delete"


@pytest.mark.parametrize(
    "arguments",
    [("--orders", "many"), ("--traders", "1"), ("--feed", "/nowhere/at/all.gz"), ("--colour", "red")],
)
def test_wrong_arguments_are_answered_in_words(tmp_path, arguments):
    done = fairway("demo", *arguments, "--dir", str(tmp_path / "new"), cwd=tmp_path)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()


def test_a_port_that_is_taken_is_said_in_words(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, "-m", "fairway", "chain", "serve", "--dir", str(tmp_path / "chain")]
        done = subprocess.run(
            [*command, "--port", str(listener.getsockname()[1])],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, "chain.port" in done.stderr, "Traceback" in done.stderr) == (1, True, False)


@pytest.mark.slow
@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_no_process_behind(tmp_path, name):
    command = [sys.executable, "-m", "fairway", "demo", "--dir", "kept", "--traders", "4", "--orders", "300"]
    demo = subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "kept" / "journal.sqlite").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    demo.send_signal(name)
    said, _ = demo.communicate(timeout=60)
    assert demo.returncode == 130, said[-500:]
    assert "Traceback" not in said
    left = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, text=True, check=False).stdout
    assert left == ""
