"""The hundred exits: from a backup alone, real contracts, bad weather, everyone is paid what was agreed last.

`make test` runs the first seeds, `make sim` (FAIRWAY_SIM) a hundred. A seed decides what was traded, the weather, and
how it ends: the service is gone; it was set back and closes with something stale; or both start at once.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from fairway.channel.dispute import A, B, answer, challenge, finish, start
from fairway.client import leaving as leaving_module
from fairway.client.leaving import Leaving
from fairway.client.side import Side
from fairway.client.store import Store
from fairway.exchange.withdrawal import withdrawable
from fairway.service.sight import come_home
from fairway.ton.channel_view import read_channel
from fairway.units import FUNDING_SCALE, TON
from tests.simulation.days.hurry import hurried
from tests.simulation.leaving_world import DEPOSIT, MARKS, Venue, round_of, spoil

SEEDS = 100 if os.environ.get("FAIRWAY_SIM") else 5
ENDINGS = ("gone", "stale", "both")
OUT = 5 * TON
"""What every second run withdraws; in half of these the chain never hears of it, and it comes home at the end."""


class Exit:
    """One run: what was agreed, what the model says, and what the chain paid."""

    agreed = won = paid = told = kept = fined = positions = orders = unsigned = 0
    expected: set[int]
    words: list[str]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whoever_leaves_is_paid_what_was_agreed_last(tmp_path, seed):
    ended = hurried(left(tmp_path, seed))
    assert ended.paid in ended.expected
    assert ended.paid >= min(ended.agreed + ended.won, 11 * DEPOSIT)
    assert ended.told == ended.kept, "nothing is under way any more"
    assert ended.positions
    assert ended.unsigned


def test_planted_a_client_that_leaves_a_stale_close_unanswered_is_paid_less(tmp_path, monkeypatch):
    monkeypatch.setattr(leaving_module, "challenge_of", lambda *_, **__: None)
    ended = hurried(left(tmp_path, 1))
    assert ended.paid not in ended.expected


def test_planted_a_client_that_does_not_wait_for_both_shares_tells_too_little(tmp_path, monkeypatch):
    async def hasty(_way, _times):
        return None

    monkeypatch.setattr(Leaving, "_home", hasty)
    ended = hurried(left(tmp_path, 1))
    assert ended.told < ended.kept


async def left(folder: Path, seed: int) -> Exit:
    venue = Venue(folder, seed)
    await venue.found()
    alice, bob, _carol = [await venue.join(name) for name in ("alice", "bob", "carol")]
    venue.wander(20)
    handed_in = seed % 4 == 1
    if seed % 2:
        await venue.take_out(alice, min(OUT, withdrawable(alice.side.account)), is_handed_in=handed_in)
    old = venue.pair(alice)
    venue.wander(20)
    venue.fill_unsigned(alice, bob)
    alice.store.export(folder / "backup.sqlite")
    spoil(venue, seed)
    ending = ENDINGS[seed % len(ENDINGS)]
    ended = await run(venue, alice, Store(folder / "backup.sqlite"), ending, old)
    venue.close()
    return ended


async def run(venue, alice, store, ending, old) -> Exit:
    ended = Exit()
    side = Side.restored(store, alice.keystore, alice.side.channel_id)
    account, channel = side.account, side.replica.channel
    ended.agreed, ended.positions, ended.orders = account.balance, len(account.positions), len(account.orders)
    ended.unsigned = side.replica.unanswered
    marks = {market: mark + venue.random.randint(-mark // 20, mark // 20) for market, mark in MARKS.items()}
    ended.won = sum(won(held.terms, marks[market]) for market, held in account.positions.items())
    mine, newest = side.holding().a.half, channel.b.half
    newest_pair, ended.words = venue.pair(alice), []
    starting = None
    if ending == "stale":
        await venue.start(alice, old)
    elif ending == "both":
        starting = asyncio.ensure_future(venue.start(alice, newest_pair))

    def rounds():
        shown = alice.onchain._chain.router.get(alice.onchain.address, "getChannelData")
        moment_ms = started_at(shown) * 1000 + venue.engine.rules.patience_ms
        for market, mark in marks.items():
            number = venue.numbers[market] + 1
            yield round_of(venue.round(market, number, moment_ms - 1, MARKS[market]))
            yield round_of(venue.round(market, number + 1, moment_ms, mark))

    async def wait_until(second):
        await asyncio.sleep(max(0, second - venue.router.now))

    way = Leaving(venue.chain, alice.onchain._purse, side, rounds, ended.words.append, wait_until)
    ended.told = (await way.run()).after
    ended.paid = await paid(venue, alice)
    if starting is not None:
        starting.cancel()
    await asyncio.sleep(300)
    ended.kept = await alice.onchain._purse.balance()
    rules, left = venue.engine.rules, venue.engine.venue.withdrawals.leaving
    withdrawn = 0 if alice.side.channel_id in left else side.account.withdrawn
    ended.expected = expectations(side, ending, old, newest_pair, mine, newest, ended.won, rules.fine, withdrawn)
    store.close()
    return ended


async def paid(venue, trader):
    """What came home for him."""
    for transaction in await venue.chain.transactions(venue.vault, 0, 1_000):
        home = come_home(transaction)
        if home is not None and home.ends and home.address == trader.onchain.address:
            return home.value
    return None


def started_at(stack):
    return read_channel(stack).quarantine.started_at


def won(terms, mark):
    """The condition's own words, in Python's integers."""
    side = 1 if terms.long else -1
    direction = -side if terms.inverse else side
    over, under = (1, mark) if terms.inverse else (mark, 1)
    worth = direction * FUNDING_SCALE * terms.unit * terms.lots * over
    paid = direction * FUNDING_SCALE * terms.cost - terms.funding_base
    return min(max(0, (worth - paid * under) // (FUNDING_SCALE * under)), terms.ratio * terms.margin)


def expectations(side, ending, old, newest_pair, mine, newest, claimed, fine, withdrawn):
    """What the model of a dispute pays, whoever comes first."""
    deposits = (DEPOSIT - withdrawn, 10 * DEPOSIT)

    def pay(dispute):
        return finish(dispute, deposits, (0, claimed), fine)[A]

    def answered(pair):
        dispute = start(B, (pair[0].half, pair[1].half))
        reply = answer(dispute, A, mine, newest)
        return pay(challenge(dispute, A, reply) if reply else dispute)

    alone = side.replica.channel.a.half if side.replica.pending is None else side.replica.half_of(side.replica.pending)
    own = pay(start(A, (alone, newest)))
    return {"gone": {own}, "stale": {answered(old)}, "both": {own, answered(newest_pair)}}[ending]
