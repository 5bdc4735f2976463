"""Recordings of Binance's streams: what is read, what is passed over, what is refused by line and code."""

from __future__ import annotations

import pytest
import recorded
from recorded import T0, depth, line, quote, snapshot, trade, write

from fairway.cli.demo.feed import Depth, Quote, Snapshot, Trade, records, survey
from fairway.errors import InvalidMessage, Unavailable

UNIT = 10**8


@pytest.fixture
def path(tmp_path):
    return tmp_path / "recording"


@pytest.mark.parametrize("compressed", [False, True])
def test_a_recording_reads_the_same_compressed_or_not(path, compressed):
    lines = [
        snapshot(T0, 7, [["99.5", "1"]], [["100.5", "2"]]),
        depth(T0 + 1, 8, 9, 7, [["99.6", "0.001"]], [["100.5", "0.000"]]),
        quote(T0 + 2, "99.60", "100.40", ("3", "4.5")),
        trade(T0 + 3, "100.40", "0.25", sold=True),
    ]
    whole, update, best, traded = records(write(path, lines, compressed=compressed))
    assert whole == Snapshot(T0, 7, [(9_950_000_000, UNIT)], [(10_050_000_000, 2 * UNIT)])
    assert update == Depth(T0 + 1, 8, 9, 7, [(9_960_000_000, 100_000)], [(10_050_000_000, 0)])
    assert best == Quote(T0 + 2, 9_960_000_000, 3 * UNIT, 10_040_000_000, 450_000_000, UNIT // 100)
    assert traded == Trade(T0 + 3, 10_040_000_000, 25_000_000, True, UNIT // 100)


def test_aggregated_trades_are_trades(path):
    (traded,) = records(write(path, [trade(T0, stream="aggTrade")]))
    assert isinstance(traded, Trade)


def test_other_streams_and_other_symbols_are_passed_over(path):
    other = quote(T0).replace(b"xyzusdt", b"abcusdt")
    lines = [line("markPrice@1s", {"p": "1"}), quote(T0), line("kline_1m", {"k": {}}), other, trade(T0)]
    assert [type(record) for record in records(write(path, lines))] == [Quote, Trade]


def test_time_is_the_events_and_never_runs_backwards(path):
    lines = [quote(T0 + 9), trade(T0 + 5), quote(T0 + 10)]
    assert [record.at_ms for record in records(write(path, lines))] == [T0 + 9, T0 + 9, T0 + 10]


def test_an_event_without_its_time_happened_when_it_was_received(path):
    (best,) = records(write(path, [line("bookTicker", {"b": "1", "B": "1", "a": "2", "A": "1"}, T0 + 3)]))
    assert best.at_ms == T0 + 3


@pytest.mark.parametrize(
    "bad",
    [
        b"no time at all\n",
        b"\n",
        b"123\n",
        b"123 {half of\n",
        b"123 []\n",
        b"123 {}\n",
        b"-5 {}\n",
        b"\xff\xfe \x00\n",
        quote(T0, "100.01", "100.00"),
        quote(T0, "0.00", "1.00"),
        quote(T0, "-1.00", "1.00"),
        quote(T0, "1e5", "100.00"),
        quote(T0, "1.123456789", "2"),
        quote(T0, "1" * 16, "2" * 16),
        quote(T0, "١", "2"),
        quote(0),
        quote(1 << 63),
        quote("soon"),
        trade(T0, "", "1"),
        trade(T0, "1", "-1"),
        trade(T0, "1", 1),
        line("trade", {"p": "1", "q": "1"}),
        line("trade", None),
        depth(T0, 1, 2, 0, [["1"]]),
        depth(T0, 1, 2, 0, [["0", "1"]]),
        depth(T0, "1", 2, 0),
        snapshot(T0, 1, [[1.5, 2]]),
    ],
    ids=str,
)
def test_a_bad_line_is_named_by_its_number(path, bad):
    with pytest.raises(InvalidMessage) as refusal:
        list(records(write(path, [quote(T0), trade(T0), bad, quote(T0)])))
    assert (refusal.value.code, refusal.value.facts["line"]) == ("feed.line", 3)
    assert "line 3" in str(refusal.value)


def test_a_line_without_an_end_is_not_read_into_memory(path):
    with pytest.raises(InvalidMessage, match="line 1: it is too long"):
        list(records(write(path, [b"1 " + b"x" * (5 << 20)])))


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_a_gzip_that_ends_early_says_after_which_line(path, kept):
    whole = write(path, recorded.wandering(2_000), compressed=True).read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(InvalidMessage) as refusal:
        list(records(path))
    assert refusal.value.code == "feed.gzip"
    assert 0 < refusal.value.facts["line"] < 4_001


def test_a_damaged_gzip_is_refused(path):
    whole = bytearray(write(path, recorded.wandering(2_000), compressed=True).read_bytes())
    whole[len(whole) // 2 : len(whole) // 2 + 64] = bytes(64)
    path.write_bytes(whole)
    with pytest.raises(InvalidMessage) as refusal:
        list(records(path))
    assert refusal.value.code in {"feed.gzip", "feed.line"}


def test_a_recording_that_is_not_there_is_unavailable(tmp_path):
    for nothing in (tmp_path / "none", tmp_path):
        with pytest.raises(Unavailable) as refusal:
            survey(nothing)
        assert refusal.value.code == "feed.file"


@pytest.mark.parametrize("lines", [[], [quote(T0)], [trade(T0)]], ids=["nothing", "no trade", "no quote"])
def test_a_recording_without_quotes_or_trades_is_refused(path, lines):
    with pytest.raises(InvalidMessage) as refusal:
        survey(write(path, lines))
    assert refusal.value.code == "feed.empty"


def test_a_survey_knows_bounds_and_sums(path):
    found = survey(write(path, [quote(T0, "20.5", "20.6"), trade(T0 + 1, size="2"), trade(T0 + 9, size="0.5")]))
    assert (found.first_ms, found.last_ms) == (T0, T0 + 9)
    assert (found.price, found.step) == (2_050_000_000, UNIT // 10)
    assert (found.quotes, found.trades, found.volume) == (1, 2, 250_000_000)


def test_the_real_recording_reads_whole():
    found = survey(recorded.real())
    assert found.quotes > 10 * 1_000
    assert found.trades > 1_000
    assert found.last_ms > found.first_ms
