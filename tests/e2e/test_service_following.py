"""The process that follows the service: the service outlives it, and another takes its place."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import asynccontextmanager

from service_stage import WITHIN_S, found, priced

from fairway.service import following
from fairway.service.house import House, Settings

EVERY = 4


@asynccontextmanager
async def running(folder, told):
    """A service that is followed, and ends cleanly."""
    house = House.open(Settings(found(folder), snapshot_every=EVERY, tell=told.append))
    serving = asyncio.create_task(house.run())
    try:
        async with asyncio.timeout(WITHIN_S):
            yield house
            await house.stop()
            await serving
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        house.close(clean=not serving.cancelled())


async def rounds(house, count):
    for _ in range(count):
        await house.sequencer.submit(priced(house.journal.newest.seq + 1))


async def until(holds):
    while not holds():  # noqa: ASYNC110 - another process sets no event
        await asyncio.sleep(0.05)


async def test_a_follower_that_is_killed_is_replaced_and_goes_on_from_the_newest_snapshot(tmp_path):
    told = []
    async with running(tmp_path, told) as house:
        await rounds(house, 2 * EVERY)
        await until(lambda: house.following.newest > 0)
        before = house.following.newest
        os.kill(house.following._process.pid, signal.SIGKILL)
        await until(lambda: told)
        await rounds(house, 2 * EVERY)
        await until(lambda: house.following.newest > before)
    assert told == ["the process that writes snapshots has ended with status -9"]
    again = House.open(Settings(tmp_path, snapshot_every=EVERY))
    assert again.replayed.snapshot == house.following.newest
    assert again.replayed.entries == house.journal.newest.seq + 1
    again.close(clean=False)


async def test_a_stop_leaves_a_snapshot_of_the_last_entry_whatever_was_followed_before(tmp_path):
    async with running(tmp_path, told := []) as house:
        for more in (EVERY, 1, 1):  # a checkpoint; then entries that are followed and have none
            await rounds(house, more)
            await until(lambda: house.following._fed == house.journal.newest.seq)
    assert house.following.newest == house.journal.newest.seq
    assert not told


async def test_a_service_without_a_follower_goes_on_and_says_so(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(following, "FOLLOWER", ("false",))
    async with running(tmp_path, told) as house:
        await rounds(house, EVERY)
        await until(lambda: len(told) == following.ATTEMPTS)
        await rounds(house, EVERY)
        assert house.following.newest == -1
    assert told == ["the process that writes snapshots has ended with status 1"] * following.ATTEMPTS
    assert not list(tmp_path.glob("snapshot-*"))


async def test_what_cannot_be_written_is_said_and_the_next_one_may_succeed(tmp_path):
    told, blocked = [], tmp_path / f".snapshot-{EVERY - 1:015}.new"
    blocked.mkdir()
    async with running(tmp_path, told) as house:
        await rounds(house, EVERY)
        await until(lambda: told)
        await rounds(house, EVERY)
        await until(lambda: house.following.newest > 0)
    assert told[0].startswith(f"there is no snapshot at entry {EVERY - 1}: cannot write")
