"""The service's small parts: keys, budgets, sessions, meters, the tape, numbers for clients."""

import asyncio
import stat

import pytest

from fairway.crypto import keys
from fairway.crypto.sealed import Cost
from fairway.errors import FairwayError, IllegalTransition, InvalidMessage, Rejected, Unavailable
from fairway.exchange.hello import hello_digest
from fairway.exchange.wire import Granted, Pushed
from fairway.service import hub
from fairway.service.api.codes import numeric_code, status_code
from fairway.service.budget import Budget
from fairway.service.files import read_private, write_private
from fairway.service.founding import read_founding
from fairway.service.hub import Hub, Session
from fairway.service.keys import Keyring
from fairway.service.letters import signed
from fairway.service.meter import Meter, resident_bytes

CHEAP = Cost(passes=1, memory_kib=8)
USER = keys.public_key(bytes(31) + b"u")
VENUE = """network = -3
vault = "0:11"
oracle_keys = ["{key}"]
oracle_threshold = 1
ratio = 10
fine = "0.5"
storage_fee = "0.25"
quarantine_s = 3600
settling_s = 3600
patience_s = 600
stale_s = 60
pool_seed = "1000"
insurance_seed = "100"
"""


def refusal(call, *arguments):
    with pytest.raises(FairwayError) as caught:
        call(*arguments)
    return caught.value.code


# Keys


def test_channel_keys_are_stable_over_restarts_and_differ_by_user_network_and_vault(tmp_path):
    first = Keyring.open(tmp_path).channel(-3, "vault", USER)
    again = Keyring.open(tmp_path)
    assert again.channel(-3, "vault", USER).key == first.key
    others = [
        again.channel(-239, "vault", USER),
        again.channel(-3, "other", USER),
        again.channel(-3, "vault", bytes(32)),
    ]
    assert len({first.key, *(other.key for other in others)}) == 4


def test_the_root_seed_is_for_its_owner_only(tmp_path):
    Keyring.open(tmp_path)
    path = tmp_path / "root.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    assert refusal(Keyring.open, tmp_path) == "files.mode"


def test_a_sealed_root_seed_opens_with_its_passphrase_only(tmp_path):
    first = Keyring.open(tmp_path, b"correct horse", CHEAP)
    assert first.channel(0, "", USER).key == Keyring.open(tmp_path, b"correct horse").channel(0, "", USER).key
    assert refusal(Keyring.open, tmp_path, b"wrong") == "keys.passphrase"
    assert refusal(Keyring.open, tmp_path) == "keys.passphrase"
    (tmp_path / "root.key").write_bytes(b"x" * 100)
    assert refusal(Keyring.open, tmp_path, b"wrong") == "keys.corrupt"


def test_a_passphrase_for_a_seed_that_is_not_sealed_is_refused(tmp_path):
    Keyring.open(tmp_path)
    assert refusal(Keyring.open, tmp_path, b"any") == "keys.passphrase"


def test_no_new_seed_is_made_beside_a_journal(tmp_path):
    (tmp_path / "journal.sqlite").touch()
    assert refusal(Keyring.open, tmp_path) == "keys.missing"


def test_a_keyring_does_not_show_its_secret(tmp_path):
    keyring = Keyring.open(tmp_path)
    root = (tmp_path / "root.key").read_bytes()
    assert root.hex() not in repr(keyring)
    assert repr(root) not in repr(keyring)


# Files


def test_a_private_file_is_replaced_whole(tmp_path):
    path = tmp_path / "file"
    write_private(path, b"old")
    write_private(path, b"new")
    assert read_private(path) == b"new"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
    assert refusal(write_private, tmp_path / "nowhere" / "file", b"") == "files.write"
    assert refusal(read_private, tmp_path / "nowhere") == "files.read"


# Founding


def test_the_founding_says_what_the_folder_says(tmp_path):
    (tmp_path / "venue.toml").write_text(VENUE.format(key=USER.hex()))
    founded = read_founding(tmp_path, b"s" * 32, 5)
    assert (founded.fine, founded.patience_ms, founded.oracle_keys) == (500_000_000, 600_000, [USER])


@pytest.mark.parametrize(
    "charter",
    [
        "junk",
        VENUE.format(key="zz"),
        VENUE.format(key="00" * 32),
        VENUE.format(key=USER.hex()).replace("threshold = 1", "threshold = 2"),
        VENUE.format(key=USER.hex()).replace('"0.5"', '"-1"'),
        VENUE.format(key=USER.hex()) + "surprise = 1\n",
    ],
)
def test_rules_that_cannot_be_meant_are_refused(tmp_path, charter):
    (tmp_path / "venue.toml").write_text(charter)
    assert refusal(read_founding, tmp_path, b"", 0) == "venue.invalid"


def test_no_rules_are_not_empty_rules(tmp_path):
    assert refusal(read_founding, tmp_path, b"", 0) == "venue.missing"


# Budgets


def test_a_budget_lets_a_burst_through_and_then_its_rate():
    budget = Budget(rate=10, burst=5, now_ms=0)
    assert [budget.spend(1, 0) for _ in range(5)] == [0] * 5
    assert budget.spend(1, 0) == 100
    assert budget.spend(1, 100) == 100
    assert budget.spend(1, 10_000) == 0


def test_time_that_runs_backwards_gives_no_tokens():
    budget = Budget(rate=10, burst=1, now_ms=1_000)
    budget.spend(1, 1_000)
    assert budget.spend(1, 0) == 100


# Sessions


async def test_a_session_hands_out_frames_in_order():
    session = Session(bytes(32))
    taking = asyncio.create_task(session.take())
    await asyncio.sleep(0)
    session.send(b"1")
    session.send(b"2")
    assert [await taking, await session.take()] == [b"1", b"2"]


async def test_a_slow_reader_is_dropped_and_costs_no_more_memory(monkeypatch):
    monkeypatch.setattr(hub, "OUTGOING", 10)
    session = Session(bytes(32))
    for _ in range(100):
        session.send(b"frame")
    assert session.is_slow
    assert len(session._outgoing) == 10
    assert await session.take() is None
    await session.drain()  # nobody waits for a slow reader


async def test_draining_waits_for_the_reader():
    session = Session(bytes(32))
    for _ in range(3):
        session.send(b"frame")
    draining = asyncio.create_task(session.drain(1))
    await session.take()
    await asyncio.sleep(0)
    assert not draining.done()
    await session.take()
    await draining


def test_frames_reach_those_who_follow_a_channel_and_nobody_else():
    house, follower, other = Hub(), Session(b""), Session(b"")
    house.join(follower)
    house.join(other)
    house.follow(follower, b"channel")
    assert house.is_followed(b"channel")
    house.send(b"channel", b"letter")
    house.broadcast(b"round")
    assert list(follower._outgoing) == [b"letter", b"round"]
    assert list(other._outgoing) == [b"round"]
    house.leave(follower)
    assert not house.is_followed(b"channel")


# Letters


def test_signing_a_letter_replaces_every_digest_and_repeats_itself():
    signer = keys.Signer.of(b"s" * 32)
    pushed = Pushed(b"c" * 16, 1, 0, bytes(32), 1, b"d" * 32, [], [b"r" * 32])
    out = signed(pushed, signer)
    keys.verify(signer.key, b"d" * 32, out.signature)
    keys.verify(signer.key, b"r" * 32, out.receipts[0])
    assert out == signed(pushed, signer)
    assert signed(Granted(b"c" * 16, bytes(32), b"d" * 32), signer).signature == out.signature


def test_a_hello_is_bound_to_network_and_challenge():
    digests = {hello_digest(network, challenge) for network in (-3, -239) for challenge in (bytes(32), b"1" * 32)}
    assert len(digests) == 4


# Meters and tape


def test_rates_are_growth_over_the_window():
    now = [0]
    meter = Meter(lambda: now[0])
    for second in range(1, 21):
        now[0] = second * 1000
        meter.counts["orders"] += 50
        meter.sample()
    assert meter.rates() == {"orders": 50}
    assert meter.uptime_ms == 20_000
    assert resident_bytes() > 1 << 20


# Numbers for clients


@pytest.mark.parametrize(
    ("error", "number", "status"),
    [
        (Rejected("order.margin", ""), -2019, 400),
        (Rejected("order.brand_new", ""), -2010, 400),
        (InvalidMessage("some.shape", ""), -1102, 400),
        (Unavailable("service.unknown", ""), -1006, 503),
        (Unavailable("service.stopping", ""), -1008, 503),
        (IllegalTransition("some.fault", ""), -1000, 500),
        (Rejected("channel.unknown", ""), -1102, 404),
    ],
)
def test_our_words_have_the_numbers_that_clients_know(error, number, status):
    assert (numeric_code(error), status_code(error)) == (number, status)


def test_an_unknown_outcome_is_never_taken_for_a_refusal():
    from fairway.service.run import STOPPING, UNKNOWN

    assert numeric_code(UNKNOWN) != numeric_code(STOPPING)
