"""The benchmarks run, and what they run is the recorded history or nothing."""

import asyncio
import importlib

import pytest
from benchmarks import epochs, flow, guests, latency, loopback, markets, pipeline, replay, restart, soak
from benchmarks.stage import Costs, Stage, signature_seconds

from fairway.client.store import Store
from fairway.exchange.event import Proposed, decode, encode
from fairway.service.journal import Journal


@pytest.fixture(scope="module")
def trading():
    return flow.record(120, users=6)


@pytest.fixture(scope="module")
def quiet():
    return flow.record(40, users=4, quiet=True)


@pytest.mark.parametrize("batch", [1, 100])
def test_the_loop_ends_in_the_recorded_state_at_any_batch(trading, batch):
    costs = Costs()
    spent, wall, signatures = pipeline.once(trading, batch, costs)
    assert min(spent, wall) > 0
    assert signatures > len(trading.trading) // 2
    assert set(pipeline.STAGES) - {"encode"} <= costs.seconds.keys()
    assert trading.fills > 0
    assert signature_seconds(trading) > 0


def test_a_run_that_ends_elsewhere_is_thrown_away(trading):
    with pytest.raises(SystemExit):
        pipeline.once(trading._replace(digest=bytes(32)), 100, None)


def test_a_history_with_a_bad_signature_does_not_pass(trading):
    place, happened = next(
        (place, event) for place, each in enumerate(trading.trading) if isinstance(event := decode(each), Proposed)
    )
    fields = {name: getattr(happened, name) for name in happened.__struct_fields__} | {"signature": bytes(64)}
    forged = [*trading.trading[:place], encode(Proposed(**fields)), *trading.trading[place + 1 :]]
    with pytest.raises(SystemExit):
        pipeline.once(trading._replace(trading=forged), 100, None)


def test_users_on_sockets_are_answered_one_by_one_and_leave_the_recorded_promises(quiet, tmp_path):
    times = [0.002 * place for place in range(len(quiet.trading))]
    with Stage(tmp_path, quiet, 10) as stage:
        outcome = asyncio.run(loopback.play(stage, quiet, times))
        assert flow.promises(stage.engine) == quiet.promised
    assert len(outcome.answered) == len(times) == len(outcome.sent_late)
    assert min(outcome.answered) > 0


def test_a_killed_service_has_all_that_it_acknowledged(trading):
    row = replay.kill(trading, 20)
    assert row["acknowledged"] == row["found"] > 0


def test_a_replay_leads_to_the_recorded_state(trading):
    row = replay.replay(trading)
    assert row["events"] == len(trading.opening) + len(trading.trading)


def test_starts_from_snapshots_and_without_end_in_one_state(tmp_path):
    assert restart.write(tmp_path, 300, users=6)["snapshot bytes"] > 0
    row = restart.measure(tmp_path, 300)
    entries = row["whole"]["entries"]
    assert [row[name]["replayed"] for name in ("clean", "killed", "whole")] == [0, row["killed"]["replayed"], entries]
    assert 140 <= row["killed"]["replayed"] <= 160
    assert not any(start["refused"] for start in row.values())


def test_a_quantile_is_a_value_that_so_many_do_not_exceed():
    values = list(range(1, 101))
    assert [latency.quantile(values, part) for part in (0, 0.5, 0.99, 1)] == [1, 51, 100, 100]
    assert latency.quantile([7.0], 0.999) == 7.0


def test_arrivals_come_in_order_at_the_rate_asked_for():
    times = latency.arrivals(1000, 2, 1)
    assert times == sorted(times)
    assert 1800 < len(times) < 2200


def test_a_hundred_markets_are_data(trading):
    assert [listing.market for listing in flow.listings(100)] == list(range(1, 101))
    assert markets.row(3, 120)["half"] > 0


@pytest.mark.parametrize("name", ["matching", "pipeline", "latency", "replay", "markets", "soak"])
def test_every_part_tells_how_it_is_run(name, capsys):
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"benchmarks.{name}").main(["--help"])
    assert ended.value.code == 0
    assert "--report" in capsys.readouterr().out


@pytest.mark.parametrize("length", [1, 3])
def test_an_epoch_of_any_length_is_measured(length):
    assert epochs.row(length).split()[0] == str(length)


def samples(rss, descriptors):
    return [soak.Sample(float(at), rss(at), descriptors(at)) for at in range(600)]


@pytest.mark.parametrize(
    ("rss", "descriptors", "verdict"),
    [
        (lambda at: 100.0 + at % 5, lambda _: 24, (False, False)),
        (lambda at: 100.0 + 40 * (at > 60), lambda at: 24 + (at == 500) * 0, (False, False)),
        (lambda at: 100.0 + at / 20, lambda _: 24, (True, False)),
        (lambda _: 100.0, lambda at: 24 + at // 100, (False, True)),
    ],
)
def test_a_soak_tells_growth_from_warming_up(rss, descriptors, verdict):
    grown = soak.growth(samples(rss, descriptors))
    assert (grown["memory grows"], grown["descriptors grow"]) == verdict


async def test_a_soak_finds_every_half_and_misses_one_that_is_taken_away(tmp_path, monkeypatch):
    monkeypatch.setattr(soak, "BURST_S", 0.5)
    seen = []

    def looked_for(folder, everyone):
        seen.extend(everyone)
        return guests.lost(folder, everyone)

    monkeypatch.setattr(soak, "lost", looked_for)
    report = await soak.soak(tmp_path, 20, 0.03, 2, 0.1)
    assert report["lost"] == report["status"] == 0
    assert report["steady"]["answered"] == report["steady"]["planned"] > 10
    assert "goals:" in soak.table(report)
    journal = Journal.open(tmp_path / "venue")
    journal._database.execute("DELETE FROM outbox WHERE number = 5 AND length(topic) = 16")
    journal.close()
    for guest in seen:
        guest.store = Store(guest.store.path)
    assert guests.lost(tmp_path, seen) == 2
