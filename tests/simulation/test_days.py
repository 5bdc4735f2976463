"""Trading days with every fault at once: nothing false is ever told, and in the evening everyone is paid.

`make test` plays thirty, `make sim` FAIRWAY_DAYS of them, another set for every SEED. One day alone, by its seed:
`python -m tests.simulation.days 17`.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace

from fairway.chain.forks import ForkingChain
from fairway.client.onchain import OnChain
from fairway.client.session import Session
from fairway.client.side import Side
from fairway.exchange import event
from fairway.exchange.engine import Engine
from fairway.service import hub
from fairway.service.journal import Journal
from fairway.service.perform import Hands
from tests.simulation.days.day import Lived, break_of_day, play
from tests.simulation.days.network import Wiretap

LONG = bool(os.environ.get("FAIRWAY_SIM"))
DAYS = int(os.environ.get("FAIRWAY_DAYS", "1000" if LONG else "30"))
FIRST = (int(os.environ.get("SEED", "1")) - 1) * 1_000_000 + 1
PART = 10
PARTS = -(-DAYS // PART)
BROKEN = (6, 7, 12, 22, 26, 35)
"""Seeds of days that broke once; those beyond the first thirty are played beside them."""
MUST_HAPPEN = {
    "packets lost": 50,
    "frames lost": 10,
    "lines broken": 5,
    "requests doubled": 10,
    "requests late": 10,
    "partitions": 2,
    "disk:": 3,
    "service killed": 5,
    "service stopped": 2,
    "restarts": 10,
    "clients killed": 10,
    "clients restored from a backup": 1,
    "backups": 5,
    "arrivals": 5,
    "chain away": 10,
    "blocks undone": 10,
    "oracle outages": 3,
    "gaps": 10,
    "fills": 50,
    "liquidations": 3,
    "lenders": 1,
    "refused ": 50,
    "withdrawals": 3,
    "left alone": 5,
    "left alone with positions": 3,
    "entries audited": 1_000,
}
"""How often it must have happened in ten days, whatever begins so."""


@pytest.fixture(scope="module")
def morning():
    return break_of_day()


def commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def lived(seed: int, morning) -> Lived:
    try:
        return play(seed, morning)
    except BaseException as broken:
        words = f"day {seed} at commit {commit()}: {broken!r}; again: python -m tests.simulation.days {seed}"
        raise AssertionError(words) from broken


@pytest.mark.parametrize("part", range(PARTS))
def test_no_fault_makes_anybody_lie_lose_or_wait_for_ever(part, morning):
    happened: Counter[str] = Counter()
    for seed in range(FIRST + PART * part, FIRST + min(DAYS, PART * (part + 1))):
        happened += lived(seed, morning).count
    sys.stdout.writelines(f"{times:8} {name}\n" for name, times in sorted(happened.items()))
    if PART * (part + 1) <= DAYS:
        found = {name: sum(n for each, n in happened.items() if each.startswith(name)) for name in MUST_HAPPEN}
        few = {name: found[name] for name, least in MUST_HAPPEN.items() if found[name] < least}
        assert not few, f"these days hardly have: {few}"


@pytest.mark.parametrize("seed", [seed for seed in BROKEN if not FIRST <= seed < FIRST + DAYS])
def test_a_day_that_broke_once_does_not_break_again(seed, morning):
    lived(seed, morning)


def test_a_seed_gives_the_same_day_again(morning):
    assert lived(3, morning) == lived(3, break_of_day())


# Planted bugs that only faults can show


def told_before_it_is_written(patch):
    append = Journal.append

    def late(journal, payloads, letters=()):
        held = vars(journal).setdefault("held", [])
        held.append((list(payloads), list(letters)))
        return append(journal, *held.pop(0)) if len(held) > 3 else journal.newest.seq

    patch.setattr(Journal, "append", late)


def two_halves_of_the_service_after_a_restart(patch):
    """A recovery without the newest entry; that what it told is lost may not be what finds it."""
    opened = Journal.open.__func__

    def short(cls, folder):
        journal = opened(cls, folder)
        if journal.newest.seq > 100:
            for table, column in (("entries", "seq"), ("outbox", "entry"), ("checkpoints", "seq")):
                journal._database.execute(f"DELETE FROM {table} WHERE {column} >= ?", (journal.newest.seq,))
            journal.close()
            journal = opened(cls, folder)
        return journal

    hear = Wiretap.hear_service

    def forgetful(tap, frame):
        hear(tap, frame)
        tap.told.clear()
        tap.refused.clear()

    patch.setattr(Journal, "open", classmethod(short))
    patch.setattr(Wiretap, "hear_service", forgetful)


def a_repeated_half_that_is_applied_again(patch):
    apply = Engine.apply

    def again(engine, happened):
        if isinstance(happened, event.Proposed):
            newest = engine.channels[happened.channel_id].a
            if newest is not None and newest.half.seqno == happened.seqno > 1:
                happened = replace(happened, seqno=happened.seqno + 1)
        return apply(engine, happened)

    patch.setattr(Engine, "apply", again)


def a_push_that_is_believed_twice(patch):
    patch.setattr(Side, "_is_old", lambda *_: False)


def a_letter_that_is_not_kept(patch):
    letters, numbers = Hands.letters, itertools.count(1)

    def lossy(hands, *batch):
        written = letters(hands, *batch)
        return written[:-1] if next(numbers) % 12 == 0 else written

    patch.setattr(Hands, "letters", lossy)


def answers_that_overtake_one_another(patch):
    send = hub.Session.send

    def hasty(session, frame):
        send(session, frame)
        waiting = session._outgoing
        if len(waiting) > 2:
            waiting[-1], waiting[-2] = waiting[-2], waiting[-1]

    patch.setattr(hub.Session, "send", hasty)


def a_half_that_is_not_repeated(patch):
    async def silent(_session):
        return None

    patch.setattr(Session, "_repeat", silent)


def a_deposit_that_is_sent_again(patch):
    async def nothing(_onchain):
        return False

    patch.setattr(OnChain, "_is_wrapping", nothing)


def a_chain_that_shows_what_is_not_final(patch):
    patch.setattr(ForkingChain, "_shown", property(lambda chain: chain.router))


@pytest.mark.parametrize(
    ("planted", "names", "first"),
    [
        (told_before_it_is_written, r"I3|honest|journal\.replay", 3),
        (two_halves_of_the_service_after_a_restart, r"I4|session\.outrun", 2),
        (a_repeated_half_that_is_applied_again, "I4|I8|honest", 1),
        (a_push_that_is_believed_twice, "honest", 1),
        (a_letter_that_is_not_kept, "I8|honest", 1),
        (answers_that_overtake_one_another, "honest", 2),
        (a_half_that_is_not_repeated, "I9", 1),
        (a_deposit_that_is_sent_again, "I1", 1),
        (a_chain_that_shows_what_is_not_final, "I1|I7|I8", 3),
    ],
)
def test_a_day_finds(planted, names, first, morning, monkeypatch):
    planted(monkeypatch)
    with pytest.raises(BaseException, match=names):
        _play_many(range(first, first + 12), morning)


def _play_many(seeds, morning):
    for seed in seeds:
        play(seed, morning)
