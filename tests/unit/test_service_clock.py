"""A service that goes by its chain's clock: never ahead of it, never backwards, and it follows a jump."""

from __future__ import annotations

import asyncio

import pytest

from fairway.chain.local import LocalChain
from fairway.chain.router import FAUCET, Router
from fairway.errors import Unavailable
from fairway.service import clock
from fairway.service.clock import ChainClock, WallClock

BEGAN = 1_600_000_000


class Machine:
    """A machine whose time is set by the test."""

    def __init__(self, monkeypatch):
        self.ms = 5_000
        monkeypatch.setattr(clock, "_running_ms", lambda: self.ms)


class Chain:
    """A chain that shows these seconds, one after the other, and is away at every None."""

    def __init__(self, *shown):
        self._shown = list(shown)

    async def now(self):
        if not self._shown:
            await asyncio.Event().wait()
        shown = self._shown.pop(0)
        if shown is None:
            raise Unavailable("chain.unreachable", "away")
        return shown


async def followed(going_by, *shown):
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(going_by.follow(Chain(*shown)), (len(shown) + 1) * 2 * clock.LOOK_S)
    return going_by.now_ms()


async def test_between_two_looks_time_goes_on_with_the_machine(monkeypatch):
    machine = Machine(monkeypatch)
    going_by = ChainClock(BEGAN)
    machine.ms += 250
    assert going_by.now_ms() == BEGAN * 1000 + 250


async def test_a_jump_of_the_chain_is_followed(monkeypatch):
    Machine(monkeypatch)
    assert await followed(ChainClock(BEGAN), BEGAN, BEGAN + 900) == (BEGAN + 900) * 1000


async def test_time_does_not_run_backwards_for_a_chain_that_shows_whole_seconds(monkeypatch):
    machine = Machine(monkeypatch)
    going_by = ChainClock(BEGAN)
    machine.ms += 1_900
    assert await followed(going_by, BEGAN + 1, BEGAN) == BEGAN * 1000 + 1_900


async def test_a_chain_that_is_away_for_a_moment_is_looked_at_again(monkeypatch):
    Machine(monkeypatch)
    assert await followed(ChainClock(BEGAN), None, BEGAN + 5) == (BEGAN + 5) * 1000


async def test_the_machines_clock_looks_at_no_chain():
    before = clock.wall_clock_ms()
    assert before <= await followed(WallClock(), BEGAN) <= clock.wall_clock_ms()


async def test_a_new_chain_begins_when_it_is_told_to_and_goes_on_from_there(tmp_path):
    wall = [2_000_000_000]
    router = Router(tmp_path / "chain.sqlite", lambda: wall[0])
    router.begin(BEGAN)
    chain = LocalChain(router)
    wall[0] += 7
    assert await chain.now() == BEGAN + 7
    assert await chain.advance(100) == BEGAN + 107
    router.close()


def test_a_chain_on_which_something_happened_does_not_begin_again(tmp_path):
    router = Router(tmp_path / "chain.sqlite", lambda: 2_000_000_000)
    router.begin(BEGAN)
    router.inject(FAUCET, "0:" + "11" * 32, 1, bounce=False)
    router.close()
    again = Router(tmp_path / "chain.sqlite", lambda: 2_000_000_050)
    again.begin(BEGAN)
    assert again.now == BEGAN + 50
    again.close()
