"""The public record: what counts as a fill, what is forced, and that all of it is bounded."""

from tests.simulation.world import World

from fairway.exchange.effect import Deleveraged, Print
from fairway.exchange.engine import Engine
from fairway.exchange.event import Priced
from fairway.market.candle import HOUR_MS
from fairway.service.tape import INTEREST_EVERY_MS, KEPT, Tape, newest


def priced(at_ms, number=1):
    return Priced(
        at_ms=at_ms, market=1, round=number, round_ms=at_ms, index=100, mark=100, funding=number, signatures={}
    )


def test_the_tape_keeps_the_newest_fills_of_each_market():
    tape = Tape(Engine())
    for match_id in range(3 * KEPT):
        tape.note(None, [Print(match_id % 2, match_id, 1, 1, True, 0)])
    assert [fill.match_id for fill in newest(tape[1].fills, 3)] == [3 * KEPT - 5, 3 * KEPT - 3, 3 * KEPT - 1]
    assert len(newest(tape[0].fills, 2 * KEPT)) == KEPT
    assert tape[0].filled == 1.5 * KEPT


def test_a_deleverage_is_forced_and_makes_no_candle():
    tape = Tape(Engine())
    reasons = ["trade", "liquidation", "deleverage"]
    tape.note(None, [Print(1, number, 10 + number, 1, True, 0, reason) for number, reason in enumerate(reasons)])
    assert [fill.reason for fill in tape[1].fills] == ["trade", "liquidation"]
    assert [fill.reason for fill in tape[1].forced] == ["liquidation", "deleverage"]
    assert tape[1].candles.newest("1m", 1, 0)[0].high == 11


def test_funding_is_noted_once_an_hour_and_interest_every_five_minutes():
    world = World()
    tape = Tape(world.engine)
    for number, at_ms in enumerate(range(0, 3 * HOUR_MS, 60_000)):
        tape.note(priced(at_ms, number), [])
    assert [each.at_ms for each in tape[1].funding] == [0, HOUR_MS, 2 * HOUR_MS]
    assert [each.at_ms for each in tape[1].interest] == list(range(0, 3 * HOUR_MS, INTEREST_EVERY_MS))
    assert tape[1].priced.round == 179


def test_the_tape_keeps_how_each_deleverage_was_shared_out():
    tape = Tape(Engine())
    records = [Deleveraged(2, 1, number, 100, 0, number, 5, (), ()) for number in range(KEPT + 7)]
    tape.note(None, records)
    assert list(tape[2].deleveraged) == records[7:]
    assert not tape[1].deleveraged
