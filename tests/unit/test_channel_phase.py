"""The table of phases, walked whole, and the page that shows it."""

from itertools import product
from pathlib import Path

import pytest

from fairway.channel import machine
from fairway.channel.machine import Channel, Expected
from fairway.channel.phase import TRADING, TRANSITIONS, Move, Phase, after, table
from fairway.errors import IllegalTransition, Rejected

PAGE = Path(__file__).parents[2] / "docs/spec/channel.md"
ONE_SIDED = {Move.START, Move.CHALLENGE, Move.EXPIRE, Move.SETTLE, Move.FINISH}


@pytest.mark.parametrize(("phase", "move"), list(product(Phase, Move)))
def test_a_move_is_in_the_table_or_illegal(phase, move):
    channel = Channel(1, b"a", b"b", phase=phase)
    if (phase, move) in TRANSITIONS:
        machine.move(channel, move)
        assert channel.phase is after(phase, move)
    else:
        with pytest.raises(IllegalTransition):
            machine.move(channel, move)
        assert channel.phase is phase


@pytest.mark.parametrize("phase", sorted(set(Phase) - {Phase.FRESH, Phase.CLOSED}))
def test_one_side_alone_finds_the_way_out(phase):
    reached = {phase}
    for _ in Phase:
        reached |= {then for (at, move), then in TRANSITIONS.items() if at in reached and move in ONE_SIDED}
    assert Phase.CLOSED in reached


def test_closed_is_the_end():
    assert not [move for phase, move in TRANSITIONS if phase is Phase.CLOSED]


@pytest.mark.parametrize("phase", Phase)
def test_halves_are_signed_in_trading_phases_only(phase):
    channel = Channel(1, b"a" * 32, b"b" * 32, phase=phase)
    moves = [
        lambda: machine.propose(channel),
        lambda: machine.check_next_b(channel, 0, channel.b_conditionals, Expected()),
        lambda: machine.check_withdrawal(channel, 0, 0),
    ]
    for move in moves:
        if phase in TRADING:
            move()
            continue
        with pytest.raises(Rejected) as caught:
            move()
        assert caught.value.code == "channel.phase"


def test_the_page_shows_the_table_as_it_is():
    assert table() in PAGE.read_text(encoding="utf-8")


def test_the_page_names_every_code_of_the_channel():
    page, sources = PAGE.read_text(encoding="utf-8"), Path(machine.__file__).parent.glob("*.py")
    codes = {word for source in sources for word in source.read_text(encoding="utf-8").split('"') if is_code(word)}
    assert len(codes) > 20
    assert not {code for code in codes if f"`{code}`" not in page}


def is_code(word):
    area, dot, reason = word.partition(".")
    return bool(dot) and area in {"channel", "dispute"} and reason.isidentifier()
