"""What a service had still to do on chain when it went down, it does after a start from a snapshot."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import fields

from client_stage import MARK, MARKET
from service_stage import found, prepared, priced
from test_client_exits import LOTS, exit_rounds, market, opened, paid_out, until_settled

from fairway.chain.opening import ChainAt
from fairway.client.wish import Wish
from fairway.service import image
from fairway.service.docket import Leaving, Step
from fairway.service.errands import Errands
from fairway.service.house import House, Settings
from fairway.service.state import State
from fairway.service.watch import Watch

NOWHERE = ChainAt("http://127.0.0.1:9")


async def test_a_dispute_that_nobody_has_seen_to_is_settled_by_a_service_that_was_restored(tmp_path):
    async with market(tmp_path) as (chain, service):
        watch, state = Watch(chain, service.engine, service.sequencer.submit, service.treasury), State(service.engine)
        learners, tasks = [watch, state.docket], [asyncio.create_task(watch.run())]
        service.note = lambda happened, effects: [each.note(happened, effects) for each in learners]
        try:
            async with opened(chain, service, "alice", "bob") as (alice, bob):
                await bob.session.place(Wish(MARKET, False, LOTS, MARK, leverage=10))
                await alice.session.place(Wish(MARKET, True, LOTS, MARK, leverage=10))
                await alice.leave()
                await exit_rounds(chain, service, alice, MARK - 1_001)
                restored = await service.sequencer.ask(lambda: image.read(image.write(state)))
                steps = [each.step for each in restored.docket.errands.values() if isinstance(each, Leaving)]
                assert steps == list(Step)
                errands = Errands(chain, restored.engine, service.keyring, service.hub, restored.docket)
                assert restored.engine.applied == service.engine.applied, "nothing has happened since"
                learners[1:] = [Lagging(restored, errands)]
                tasks.append(asyncio.create_task(errands.run()))
                await chain.advance(service.engine.rules.quarantine_s + 2)
                await until_settled(alice)
                await paid_out(chain, service, alice)
                assert restored.engine.digest() == service.engine.digest()
                assert not image.read(image.write(restored)).docket.errands, "what is done is not done again"
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task


class Lagging:
    """The restored state hears what happens to the one that it was an image of."""

    def __init__(self, restored, errands):
        self.engine, self.errands = restored.engine, errands

    def note(self, happened, effects):
        self.errands.note(happened, self.engine.apply(happened))


async def test_a_start_from_a_snapshot_follows_the_channels_that_a_replay_follows(tmp_path):
    folder = tmp_path / "venue"
    async with prepared(folder, "alice", "bob"):
        house = House.open(Settings(found(folder), snapshot_every=3))
        running = asyncio.create_task(house.run())
        for number in range(2, 9):
            await house.sequencer.submit(priced(number))
        await house.stop()
        await running
        house.close(clean=True)
        seen = []
        for every in (3, 0):
            house = House.open(Settings(folder, chain=NOWHERE, snapshot_every=every))
            watch = house._onchain[0]
            seen.append((watch._channels, sorted(watch._opened._queue), house.engine.digest()))
            assert (house.replayed.snapshot is not None) == bool(every)
            house.close(clean=False)
            await house._chain.close()
        assert seen[0] == seen[1]
        assert len(seen[0][0]) == 2


async def test_whoever_learns_from_entries_has_it_in_the_state_of_which_snapshots_are(tmp_path):
    """A new helper that learns by itself would know nothing after a start from a snapshot: it belongs to `State`."""
    house = House.open(Settings(found(tmp_path), chain=NOWHERE))
    hands, state = house.sequencer._performer, house._state
    held = {house.provers: state.wanted, house._onchain[1]: state.docket}
    derived = {house._onchain[0]}  # the watch: `follow` tells it of every channel
    learners = {id(held.get(helper, helper)) for helper in hands._helpers if helper not in derived}
    parts = {id(getattr(state, field.name)) for field in fields(state)} - {id(state.engine)}
    house.close(clean=False)
    await house._chain.close()
    assert learners == parts
