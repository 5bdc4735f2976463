"""SIGKILL at random instants: whatever a user was told is there after the restart, byte for byte.

Snapshots are on: but for the first, starts go on from one, and end where a replay from the first entry does.
"""

from __future__ import annotations

import asyncio
import os
import random
import resource
from contextlib import suppress

import pytest
from msgspec.structs import replace
from service_stage import MARK, MARKET, SYMBOL, WITHIN_S, Process, found, posted, prepared, priced

from fairway.client.wish import Wish
from fairway.errors import Rejected
from fairway.exchange import event, wire
from fairway.exchange.engine import Engine
from fairway.service import archive
from fairway.service.journal import Journal

OFTEN = ("--snapshot-every", "20")
KILLS = int(os.environ.get("FAIRWAY_KILLS", "200" if os.environ.get("FAIRWAY_SIM") else "5"))


def rebuilt(folder):
    """An engine over the journal that a killed service left, and how many entries it has."""
    engine, entries = Engine(), 0
    for entry in archive.entries(folder):
        engine.apply(event.decode(entry.payload))
        entries += 1
    return engine, entries


def stored(folder, channel_id):
    """Every half of the service in the journal's outbox, unsigned, by seqno."""
    journal = Journal.open(folder)
    letters = journal.letters_after(channel_id, 1, 1 << 40)
    journal.close()
    return {letter.number: wire.decode_reply(letter.frame) for letter in letters}


async def trade(trader, seed):
    """Place and cancel orders around the mark for as long as it lasts."""
    choice = random.Random(seed)
    while True:
        try:
            live = list(trader.session.account.orders)
            if len(live) > 5:
                await trader.session.cancel(*live[:3])
            tick = MARK + choice.randint(-20, 20)
            await trader.session.place(Wish(market=MARKET, buy=choice.random() < 0.5, lots=1, limit_tick=tick))
        except Rejected:
            await asyncio.sleep(0.01)


async def trade_until_killed(process, traders):
    """Both trade; at a random instant after each was told something the service is killed."""
    trading = [asyncio.create_task(trade(trader, random.random())) for trader in traders]
    async with asyncio.timeout(WITHIN_S):
        await asyncio.gather(*(trader.next_push() for trader in traders))
    await asyncio.sleep(random.random())
    process.kill()
    for task in trading:
        task.cancel()
    ends = await asyncio.gather(*trading, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ends), ends


def check_kept(folder, traders):
    """Every push that a trader was told of is in the journal as he was told it."""
    for trader in traders:
        halves = stored(folder, trader.channel_id)
        assert trader.seen, "no push was acknowledged"
        for seqno, seen in trader.seen.items():
            assert seqno in halves, f"the acknowledged half {seqno} is lost"
            kept = halves[seqno]
            assert replace(seen, signature=kept.signature, receipts=kept.receipts) == kept


async def test_every_acknowledged_push_survives_a_kill_and_the_books_are_rebuilt(tmp_path):
    folder = tmp_path / "venue"
    async with prepared(folder, "alice", "bob") as traders:
        engine, _ = rebuilt(folder)
        since = []
        for _ in range(KILLS):
            process = await asyncio.to_thread(Process, folder, *OFTEN)
            since.append(process.ready["snapshot"] or 0)
            assert process.ready["book_digest"] == engine.book_digest().hex()
            assert process.ready["digest"] == engine.digest().hex()
            for trader in traders:
                await trader.restart(process.ready["ws"])
            await trade_until_killed(process, traders)
            assert "snapshot" not in process.errors, process.errors
            engine, entries = rebuilt(folder)
            assert entries > process.ready["entries"], "nothing happened"
            check_kept(folder, traders)
        assert since == sorted(since)
        assert since[-1] > 0, "no start went on from a snapshot"
        final = await asyncio.to_thread(Process, folder, *OFTEN)
        assert final.ready["digest"] == engine.digest().hex()
        for trader in traders:
            await trader.restart(final.ready["ws"])
        async with asyncio.timeout(WITHIN_S):
            for trader in traders:
                await trader.session.countersign()
                assert not trader.session.side.lied
        assert await asyncio.to_thread(final.stop) == 0
        assert archive.verify(folder) is not None


def test_a_disk_that_takes_no_more_stops_the_service_and_keeps_what_was_acknowledged(tmp_path):
    folder = found(tmp_path / "venue")
    process = Process(folder)
    resource.prlimit(process.process.pid, resource.RLIMIT_FSIZE, (200_000, 200_000))
    acknowledged = 0
    with suppress(OSError):
        while process.post("/v1/oracle/round", posted(priced(acknowledged + 1)))[0] == 200:
            acknowledged += 1
    assert process.wait() == 1
    assert "[journal." in process.errors
    assert acknowledged > 10
    again = Process(folder)
    assert again.get(f"/v1/premiumIndex?symbol={SYMBOL}")[1]["round"] >= acknowledged
    assert again.stop() == 0
    assert archive.verify(folder).entries >= acknowledged + 1


LATE = """
from fairway.service.journal import Journal
append, held = Journal.append, []
def late(self, *batch):
    held.append(batch)
    return append(self, *held.pop(0)) if len(held) > 8 else self.newest.seq
Journal.append = late
"""


async def test_a_journal_that_writes_late_is_caught(tmp_path):
    """The planted bug: acknowledged before it is durable."""
    folder = tmp_path / "venue"
    async with prepared(folder, "alice", "bob") as traders:
        process = await asyncio.to_thread(Process, folder, planted=LATE)
        for trader in traders:
            await trader.restart(process.ready["ws"])
        await trade_until_killed(process, traders)
        with pytest.raises(AssertionError, match="is lost"):
            check_kept(folder, traders)
